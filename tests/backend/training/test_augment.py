# SPDX-License-Identifier: MIT
from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from backend.body.smpl import JOINTS49
from backend.training.augment import (
    NONE,
    SWAPPED_JOINTS,
    SWAPPED_ROTATIONS,
    Augmentation,
    draw,
    mirrored_joints,
    mirrored_rotations,
    painted,
    random_of,
    shaken,
)
from tests.training_data import joints49, made_person

MIRROR = np.diag([-1.0, 1.0, 1.0])
CROPS = np.random.default_rng(0).integers(0, 200, (4, 224, 224, 3)).astype(np.uint8)


def test_joints_and_their_counterparts() -> None:
    names = [name for name, _ in JOINTS49]
    pairs = {(names[a], names[b]) for a, b in enumerate(SWAPPED_JOINTS) if a < b}
    assert pairs == {
        ("OP RShoulder", "OP LShoulder"), ("OP RElbow", "OP LElbow"), ("OP RWrist", "OP LWrist"),
        ("OP RHip", "OP LHip"), ("OP RKnee", "OP LKnee"), ("OP RAnkle", "OP LAnkle"), ("OP REye", "OP LEye"),
        ("OP REar", "OP LEar"), ("OP LBigToe", "OP RBigToe"), ("OP LSmallToe", "OP RSmallToe"),
        ("OP LHeel", "OP RHeel"), ("Right Ankle", "Left Ankle"), ("Right Knee", "Left Knee"),
        ("Right Hip", "Left Hip"), ("Right Wrist", "Left Wrist"), ("Right Elbow", "Left Elbow"),
        ("Right Shoulder", "Left Shoulder"), ("Left Eye", "Right Eye"), ("Left Ear", "Right Ear"),
    }  # fmt: skip
    middle = {names[a] for a, b in enumerate(SWAPPED_JOINTS) if a == b}
    assert middle == {
        "OP Nose", "OP Neck", "OP MidHip", "Neck (LSP)", "Top of Head (LSP)", "Pelvis (MPII)", "Thorax (MPII)",
        "Spine (H36M)", "Jaw (H36M)", "Head (H36M)", "Nose",
    }  # fmt: skip
    assert SWAPPED_ROTATIONS.tolist() == [
        0, 2, 1, 3, 5, 4, 6, 8, 7, 9, 11, 10, 12, 14, 13, 15, 17, 16, 19, 18, 21, 20, 23, 22,
    ]  # fmt: skip


def test_mirrored_rotations_pose_the_mirrored_body() -> None:
    person = made_person(12)
    points = joints49(person.rotations, person.trans)
    again = joints49(mirrored_rotations(person.rotations), person.trans * [-1, 1, 1])
    np.testing.assert_allclose(again, mirrored_joints(points), atol=1e-12)
    assert np.abs(again - points).max() > 0.1
    np.testing.assert_array_equal(mirrored_rotations(mirrored_rotations(person.rotations)), person.rotations)
    np.testing.assert_array_equal(mirrored_joints(mirrored_joints(person.joints3d)), person.joints3d)


def test_mirrored_rotations_as_matrices() -> None:
    rotations = np.random.default_rng(0).normal(size=(24, 3))
    matrices = Rotation.from_rotvec(rotations).as_matrix()
    mirrored = Rotation.from_rotvec(mirrored_rotations(rotations)).as_matrix()
    np.testing.assert_allclose(mirrored, MIRROR @ matrices[SWAPPED_ROTATIONS] @ MIRROR, atol=1e-12)


def test_confidence_goes_to_the_other_side_unchanged() -> None:
    joints = np.zeros((3, 49, 3))
    joints[:, 7] = [0.3, -0.2, 0.9]  # left wrist
    mirrored = mirrored_joints(joints)
    np.testing.assert_array_equal(mirrored[:, 4], [[-0.3, -0.2, 0.9]] * 3)
    assert np.count_nonzero(mirrored) == 9


def test_what_is_drawn_follows_from_three_numbers() -> None:
    drawn = [draw(Augmentation(occlude=1.0), random_of(*at)) for at in ((1, 2, 3), (1, 2, 3), (1, 3, 2), (2, 1, 3))]
    one, same, *others = drawn
    assert one.scale == same.scale
    np.testing.assert_array_equal(one.occluders[0].texture, same.occluders[0].texture)
    np.testing.assert_array_equal(painted(CROPS, one), painted(CROPS, same))
    assert len({change.scale for change in drawn}) == 3
    assert all(np.any(painted(CROPS, one) != painted(CROPS, other)) for other in others)


def test_drawn_within_its_bounds_and_as_often_as_wanted() -> None:
    settings = Augmentation(scale=0.25, shift=0.1, mirror=0.3, occlude=0.2, colour=0.4)
    drawn = [draw(settings, random_of(0, 0, number)) for number in range(2000)]
    scales = np.array([change.scale for change in drawn])
    assert 0.8 <= scales.min() < 0.81 < 1.24 < scales.max() <= 1.25
    shifts = np.array([change.shift for change in drawn])
    assert 0.099 < np.abs(shifts).max() <= 0.1
    gains = np.array([change.gains for change in drawn])
    assert 0.6 <= gains.min() < 0.61 < 1.39 < gains.max() <= 1.4
    # Four standard deviations of 2000 throws are 0.04.
    assert np.mean([change.mirrored for change in drawn]) == pytest.approx(0.3, abs=0.04)
    assert np.mean([bool(change.occluders) for change in drawn]) == pytest.approx(0.2, abs=0.04)
    assert {len(change.occluders) for change in drawn} == {0, 1, 2, 3}


def test_nothing_changes_where_nothing_is_wanted() -> None:
    change = draw(NONE, random_of(0, 0, 0))
    squares = np.array([[100.0, 50, 80, 80]])
    np.testing.assert_array_equal(shaken(squares, change), squares)
    np.testing.assert_array_equal(painted(CROPS, change), CROPS)
    assert not change.mirrored


def test_shaken_squares() -> None:
    change = draw(Augmentation(scale=0.3, shift=0.2), random_of(5, 0, 0))
    squares = np.array([[100.0, 50, 80, 80], [10, 20, 40, 40]])
    found = shaken(squares, change)
    np.testing.assert_allclose(found[:, 2:] / squares[:, 2:], change.scale)
    np.testing.assert_allclose((found[:, :2] - squares[:, :2]) / squares[:, 2:], [change.shift] * 2)


def test_colours_and_blots() -> None:
    colours = draw(Augmentation(occlude=0.0), random_of(0, 0, 3))
    found = painted(CROPS, colours)
    np.testing.assert_allclose(found, np.minimum(CROPS * colours.gains, 255), atol=0.51)
    blots = draw(Augmentation(colour=0.0, occlude=1.0), random_of(0, 0, 3))
    found = painted(CROPS, blots)
    changed = np.any(found != CROPS, axis=-1)
    assert 0.005 < changed.mean() < 0.9
    assert all(changed[frame].any() for frame in range(4))
    assert np.any(changed[0] != changed[3])
    last = blots.occluders[-1]
    for frame, middle in ((0, last.way[0]), (3, last.way[1])):
        column, row = np.clip(np.rint(middle).astype(int), 0, 223)
        np.testing.assert_array_equal(found[frame, row, column], last.texture[row, column])
    np.testing.assert_array_equal(CROPS, np.random.default_rng(0).integers(0, 200, CROPS.shape).astype(np.uint8))
