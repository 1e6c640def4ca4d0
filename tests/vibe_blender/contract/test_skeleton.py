# SPDX-License-Identifier: MIT
import numpy as np

from vibe_blender.contract.quaternions import from_axis_angles, to_matrices
from vibe_blender.contract.skeleton import (
    JOINT_COUNT,
    JOINT_NAMES,
    LIMB_JOINTS,
    PARENTS,
    REST_JOINTS,
    forward_kinematics,
)


def joint(name: str) -> int:
    return JOINT_NAMES.index(name)


def at_rest(count: int = 1) -> np.ndarray:
    return np.tile([1.0, 0.0, 0.0, 0.0], (count, JOINT_COUNT, 1))


def test_it_is_smpls_tree() -> None:
    assert JOINT_COUNT == len(PARENTS) == len(set(JOINT_NAMES)) == 24
    assert all(parent < child for child, parent in enumerate(PARENTS))
    assert PARENTS[joint("left_knee")] == joint("left_hip")
    assert PARENTS[joint("right_collar")] == joint("spine3")
    assert [JOINT_NAMES[number] for number in LIMB_JOINTS[:2]] == ["left_hip", "right_hip"]


def test_left_and_right_are_the_same() -> None:
    for number, name in enumerate(JOINT_NAMES):
        if name.startswith("left"):
            other = joint(name.replace("left", "right"))
            np.testing.assert_allclose(REST_JOINTS[number] * (-1, 1, 1), REST_JOINTS[other])
            assert JOINT_NAMES[PARENTS[other]].removeprefix("right") == JOINT_NAMES[PARENTS[number]].removeprefix(
                "left"
            )


def test_without_rotation_the_body_hangs_at_its_root() -> None:
    root = np.array([[1.0, 2.0, 3.0]])
    positions, axes = forward_kinematics(REST_JOINTS, at_rest(), root)
    np.testing.assert_allclose(positions[0], REST_JOINTS - REST_JOINTS[0] + root)
    np.testing.assert_allclose(axes, at_rest())


def test_a_bent_elbow_moves_the_hand_alone() -> None:
    rotations = at_rest()
    rotations[0, joint("left_elbow")] = from_axis_angles(np.array([0.0, -np.pi / 2, 0.0]))
    positions, _ = forward_kinematics(REST_JOINTS, rotations, np.zeros((1, 3)))
    straight, _ = forward_kinematics(REST_JOINTS, at_rest(), np.zeros((1, 3)))
    moved = np.linalg.norm(positions - straight, axis=-1)[0] > 1e-9
    assert [JOINT_NAMES[number] for number in np.flatnonzero(moved)] == ["left_wrist", "left_hand"]
    forearm = positions[0, joint("left_wrist")] - positions[0, joint("left_elbow")]
    assert forearm[2] > 0.25  # to the front


def test_it_is_a_product_of_matrices_down_the_tree() -> None:
    random = np.random.default_rng(3)
    rotations = from_axis_angles(random.normal(size=(5, 24, 3)))
    root = random.normal(size=(5, 3))
    positions, axes = forward_kinematics(REST_JOINTS, rotations, root)
    local = np.tile(np.eye(4), (5, 24, 1, 1))
    local[..., :3, :3] = to_matrices(rotations)
    local[:, 0, :3, 3] = root
    for number, parent in enumerate(PARENTS[1:], start=1):
        local[:, number, :3, 3] = REST_JOINTS[number] - REST_JOINTS[parent]
    world = [local[:, 0]]
    for number, parent in enumerate(PARENTS[1:], start=1):
        world.append(world[parent] @ local[:, number])
    world = np.stack(world, axis=1)
    np.testing.assert_allclose(positions, world[..., :3, 3], atol=1e-12)
    np.testing.assert_allclose(to_matrices(axes), world[..., :3, :3], atol=1e-12)
