# SPDX-License-Identifier: MIT
import numpy as np
import pytest

from vibe_blender.contract.quaternions import conjugate, from_axis_angles, multiply, rotate, to_matrices
from vibe_blender.contract.skeleton import PARENTS, forward_kinematics
from vibe_blender.motion.rotations import UPRIGHT, bone_correctives, bone_location, bone_rotations, upright


@pytest.fixture
def bones() -> np.ndarray:
    """Rest axes of 24 bones that look anywhere."""
    return from_axis_angles(np.random.default_rng(1).normal(size=(24, 3)))


def test_upright_stands_on_its_feet_and_faces_minus_y() -> None:
    head, chest, left = np.array([0.0, 1.0, 0.0]), np.array([0.0, 0.0, 1.0]), np.array([1.0, 0.0, 0.0])
    assert upright(head) == pytest.approx([0, 0, 1])
    assert upright(chest) == pytest.approx([0, -1, 0])
    assert upright(left) == pytest.approx([1, 0, 0])


def test_posed_bones_stand_where_the_joints_do(take, bones) -> None:
    """Blender's own rule, ``pose = parent pose * parent rest^-1 * rest * basis``, against forward kinematics."""
    person = take.people[0]
    heads = upright(person.rest_joints)
    basis = bone_rotations(person.rotations, bones)
    location = bone_location(person.root, heads[0], bones[0])
    positions = [heads[0] + rotate(bones[0], location)]
    axes = [multiply(bones[0], basis[:, 0])]
    for joint, parent in enumerate(PARENTS[1:], start=1):
        carried = multiply(axes[parent], conjugate(bones[parent]))
        positions.append(positions[parent] + rotate(carried, heads[joint] - heads[parent]))
        axes.append(multiply(multiply(carried, bones[joint]), basis[:, joint]))
    expected, orientations = forward_kinematics(person.rest_joints, person.rotations, person.root)
    np.testing.assert_allclose(np.stack(positions, axis=1), expected, atol=1e-12)
    body_axes = multiply(multiply(np.stack(axes, axis=1), conjugate(bones)), UPRIGHT)
    np.testing.assert_allclose(to_matrices(body_axes), to_matrices(orientations), atol=1e-12)


def test_correctives_move_vertices_as_before_the_change_of_axes(take, bones) -> None:
    random = np.random.default_rng(2)
    directions = random.normal(size=(5, 3, 207))
    rotations = take.people[0].rotations
    joint_features = (to_matrices(rotations[3, 1:]) - np.eye(3)).reshape(207)
    bone_features = to_matrices(bone_rotations(rotations, bones)[3, 1:]) - np.eye(3)
    moved = np.zeros((5, 3))
    for joint in range(23):
        by_element = bone_correctives(directions[..., 9 * joint : 9 * joint + 9], bones[joint + 1])
        moved += np.einsum("vkmn,mn->vk", by_element, bone_features[joint])
    np.testing.assert_allclose(moved, directions @ joint_features, atol=1e-12)
