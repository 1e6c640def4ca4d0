# SPDX-License-Identifier: MIT
import numpy as np
import pytest

from vibe_blender.contract.quaternions import from_axis_angles, to_matrices
from vibe_blender.motion.local_pose import local_pose, orthonormal

PARENTS = np.array([-1, 0, 1, 1])
COUNT = 6


def matrices(rotations: np.ndarray, places: np.ndarray) -> np.ndarray:
    found = np.zeros((*places.shape[:-1], 4, 4))
    found[..., :3, :3], found[..., :3, 3], found[..., 3, 3] = rotations, places, 1.0
    return found


@pytest.fixture
def rest() -> np.ndarray:
    random = np.random.default_rng(0)
    turned = to_matrices(from_axis_angles(random.normal(size=(4, 3))))
    return matrices(turned, random.normal(size=(4, 3)))


def forward(rest: np.ndarray, pose) -> np.ndarray:
    """What Blender makes of pose channels, bones that inherit everything."""
    local = matrices(to_matrices(pose.rotations) * pose.scales[..., None, :], pose.locations)
    became = np.empty((len(local), 4, 4, 4))
    for bone, parent in enumerate(PARENTS):
        before = rest[bone] if parent < 0 else became[:, parent] @ np.linalg.inv(rest[parent]) @ rest[bone]
        became[:, bone] = before @ local[:, bone]
    return became


def test_channels_bring_the_bones_to_where_they_are(rest) -> None:
    random = np.random.default_rng(1)
    turned = to_matrices(from_axis_angles(random.normal(size=(COUNT, 4, 3))))
    posed = matrices(turned, random.normal(size=(COUNT, 4, 3)))
    pose = local_pose(PARENTS, rest, posed, 1e-6)
    assert np.abs(forward(rest, pose) - posed).max() < 1e-9
    assert np.all(pose.scales == 1.0)


def test_a_bone_that_its_parent_carries_has_no_location(rest) -> None:
    random = np.random.default_rng(1)
    posed = np.empty((COUNT, 4, 4, 4))
    for bone, parent in enumerate(PARENTS):
        before = rest[bone] if parent < 0 else posed[:, parent] @ np.linalg.inv(rest[parent]) @ rest[bone]
        posed[:, bone] = before @ matrices(
            to_matrices(from_axis_angles(random.normal(size=(COUNT, 3)))), np.zeros((COUNT, 3))
        )
    assert not local_pose(PARENTS, rest, posed, 1e-6).locations.any()


@pytest.mark.parametrize("half", [False, True])
def test_heads_stay_in_place_where_bones_are_scaled_and_sheared(rest, half) -> None:
    random = np.random.default_rng(2)
    axes = to_matrices(from_axis_angles(random.normal(size=(COUNT, 4, 3)))) + random.normal(
        scale=0.1, size=(COUNT, 4, 3, 3)
    )
    posed = matrices(axes, random.normal(size=(COUNT, 4, 3)))
    pose = local_pose(PARENTS, rest, posed, 1e-6, half=half)
    assert np.abs(forward(rest, pose)[..., :3, 3] - posed[..., :3, 3]).max() < 1e-9
    if half:
        assert np.array_equal(pose.scales, pose.scales.astype(np.float16))


def test_a_bone_of_no_size_harms_nobody(rest) -> None:
    posed = np.tile(rest, (COUNT, 1, 1, 1))
    posed[:, 1, :3, :3] = 0.0
    pose = local_pose(PARENTS, rest, posed, 1e-6)
    assert all(np.all(np.isfinite(values)) for values in (pose.locations, pose.rotations, pose.scales))


def test_axes_are_made_orthonormal_around_y() -> None:
    axes = np.array([[2.0, 0.3, 0.0], [0.0, 3.0, 0.0], [0.0, 0.0, -1.0]])
    found = orthonormal(axes)
    assert np.allclose(found @ found.T, np.eye(3))
    assert np.linalg.det(found) == pytest.approx(1.0)
    assert np.allclose(found[:, 1], axes[:, 1] / np.linalg.norm(axes[:, 1]))
    assert np.array_equal(orthonormal(np.zeros((3, 3))), np.eye(3))
