# SPDX-License-Identifier: MIT
"""Drawn poses: where what colour is."""

from __future__ import annotations

import numpy as np

from backend.training.drawing import BONES, draw_clip, draw_skeleton
from tests.training_data import made_person


def body(count: int = 16) -> np.ndarray:
    return made_person(count).joints3d[:, 25:39, :3]


def red(picture: np.ndarray) -> np.ndarray:
    return (picture[..., 0] > 150) & (picture[..., 2] < 120)


def blue(picture: np.ndarray) -> np.ndarray:
    return (picture[..., 2] > 150) & (picture[..., 0] < 120)


def test_a_clip_is_a_row_of_poses_from_the_front_and_the_side() -> None:
    picture = draw_clip(body(), body(), every=5, side_px=100)
    assert picture.shape == (200, 400, 3)
    assert picture.dtype == np.uint8
    for row in (0, 100):
        for column in range(0, 400, 100):
            square = picture[row : row + 100, column : column + 100]
            assert red(square).sum() > 20
            assert blue(square).sum() > 20


def test_somebody_who_looks_at_the_camera_has_the_right_side_at_the_left() -> None:
    picture = draw_clip(body(1), body(1), side_px=200)[:200]
    assert np.nonzero(red(picture))[1].mean() < np.nonzero(blue(picture))[1].mean()


def test_the_truth_is_grey_and_below() -> None:
    turned = body(1) * [-1.0, 1.0, 1.0]
    picture = draw_clip(turned + 0.3, body(1), side_px=200)
    grey = (picture == 170).all(axis=-1)
    assert grey.sum() > 100
    same = draw_clip(body(1), body(1), side_px=200)
    assert (same == 170).all(axis=-1).sum() < grey.sum()


def test_every_joint_has_a_bone_and_wild_ones_break_nothing() -> None:
    assert {joint for bone in BONES for joint in bone} == set(range(14))
    points = np.full((14, 2), 30.0)
    points[[0, 5, 9]] = [[np.nan, 5], [1e30, -1e30], [np.inf, 0]]
    picture = np.zeros((60, 60, 3), np.uint8)
    draw_skeleton(picture, points)
    assert picture.any()
