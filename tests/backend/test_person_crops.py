# SPDX-License-Identifier: MIT
from __future__ import annotations

import numpy as np
import pytest

from backend.person_crops import ENLARGED, SIDE_PX, cut_out, enlarged, square_around


def plainly_cut_out(picture: np.ndarray, square: np.ndarray) -> np.ndarray:
    """The published rule on whole numbers: places to 1/32 pixel, weights that sum to 2^15, zero outside."""
    reach = float(np.float32(square[2] * ENLARGED / 2))
    step = reach / (SIDE_PX / 2)
    x_px, y_px = (float(value) - step * SIDE_PX / 2 for value in np.asarray(square[:2], np.float32))
    across = np.arange(SIDE_PX)
    x = np.rint(step * across * 1024).astype(int)[None] + int(np.rint(x_px * 1024)) + np.zeros((SIDE_PX, 1), int)
    y = np.rint((step * across + y_px) * 1024).astype(int)[:, None] + np.zeros((1, SIDE_PX), int)
    x, y = (x + 16) >> 5, (y + 16) >> 5
    (left, top), (right, low) = (x >> 5, y >> 5), (x & 31, y & 31)
    room = np.pad(picture.astype(int), ((1, 1), (1, 1), (0, 0)))

    def pixels(columns: np.ndarray, rows: np.ndarray) -> np.ndarray:
        return room[(rows + 1).clip(0, len(room) - 1), (columns + 1).clip(0, room.shape[1] - 1)]

    total = 1 << 14
    for column, row, weight in (
        (left, top, (32 - right) * (32 - low)), (left + 1, top, right * (32 - low)),
        (left, top + 1, (32 - right) * low), (left + 1, top + 1, right * low),
    ):  # fmt: skip
        total = total + pixels(column, row) * 32 * weight[..., None]
    return (total >> 15).astype(np.uint8)


@pytest.mark.parametrize(
    "square",
    [
        (480.0, 270.0, 200.0),
        (10.0, 20.0, 333.3),
        (950.0, 530.0, 77.7),
        (700.0, 600.0, 500.0),
        (300.3, 200.7, 1234.5),
        (-5000.0, -500.0, 50.0),
    ],
    ids=str,
)
def test_a_crop_is_the_published_one_to_the_last_bit(square: tuple[float, float, float]) -> None:
    picture = np.random.default_rng(0).integers(0, 256, (540, 960, 3), dtype=np.uint8)
    box = np.array([*square, square[2]])
    crop = cut_out(picture, box)
    assert (crop.shape, crop.dtype) == ((SIDE_PX, SIDE_PX, 3), np.uint8)
    assert np.array_equal(crop, plainly_cut_out(picture, box))


def test_a_crop_s_pixel_shows_the_place_that_the_rule_says() -> None:
    picture = np.zeros((600, 800, 3), np.uint8)
    side_px = SIDE_PX / ENLARGED / 2  # two pixels of the crop for one of the picture
    picture[310, 420] = (250, 120, 60)
    crop = cut_out(picture, np.array([400.0, 300.0, side_px, side_px]))
    assert crop[112 + 2 * 10, 112 + 2 * 20].tolist() == [250, 120, 60]
    assert np.flatnonzero(crop.max(axis=(1, 2))).tolist() == [131, 132, 133]


def test_outside_the_picture_it_is_black() -> None:
    picture = np.full((100, 100, 3), 200, np.uint8)
    crop = cut_out(picture, np.array([0.0, 50.0, 60.0, 60.0]))
    assert not crop[:, :108].any()  # between, the picture fades over one of its pixels
    assert (crop[:, 114:] == 200).all()


def test_a_square_keeps_the_middle_and_the_longer_side() -> None:
    assert square_around(np.array([5.0, 6.0, 30.0, 70.0])).tolist() == [5, 6, 70, 70]
    assert square_around(np.array([5.0, 6.0, 90.0, 70.0])).tolist() == [5, 6, 90, 90]
    assert enlarged(np.array([[5.0, 6.0, 10.0, 10.0]])) == pytest.approx(np.array([[5.0, 6.0, 11.0, 11.0]]))
