# SPDX-License-Identifier: MIT
from __future__ import annotations

import numpy as np
import pytest

from backend.person_crops import enlarged
from backend.weak_camera import over_the_picture, place_in_camera

CAMERA, BOX = np.array([0.9, 0.05, -0.1]), np.array([700.0, 600.0, 500.0, 500.0])
SIZE, FOCAL_PX = (1920, 1080), 2202.90717
POINT = np.array([0.3, -0.2, 0.0])
"""The worked example, on a picture of 1920 x 1080 with a lens of 53 degrees across the diagonal."""


def test_the_weak_camera_over_the_picture() -> None:
    published = over_the_picture(CAMERA, BOX, *SIZE)
    assert published == pytest.approx([0.234375, 0.41666667, -1.10555556, 0.16666667], abs=1e-8)
    true = over_the_picture(CAMERA, enlarged(BOX), *SIZE)
    assert true == pytest.approx([0.2578125, 0.45833333, -1.00050505, 0.14242424], abs=1e-8)
    seen = (true[:2] * (POINT[:2] + true[2:]) + 1) * np.array(SIZE) / 2
    assert seen == pytest.approx([786.625, 525.75], abs=1e-4)


def test_the_place_before_the_full_camera() -> None:
    centre_px = np.array(SIZE) / 2
    place = place_in_camera(CAMERA, enlarged(BOX), FOCAL_PX, centre_px)
    assert place == pytest.approx([-1.00050505, 0.14242424, 8.90063503], abs=1e-7)
    there = POINT + place
    seen = FOCAL_PX * there[:2] / there[2] + centre_px
    assert seen == pytest.approx([786.625, 525.75], abs=1e-4)
    assert (seen - BOX[:2]) / (enlarged(BOX)[2] / 2) == pytest.approx([0.315, -0.27], abs=1e-6)


def test_the_camera_of_the_crop_itself() -> None:
    crop = np.array([0.0, 0.0, 224.0, 224.0])
    place = place_in_camera(CAMERA, crop, 5000.0, np.zeros(2))
    assert place == pytest.approx([0.05, -0.1, 49.6031746], abs=1e-7)
    assert 5000 * (POINT + place)[:2] / place[2] / 112 == pytest.approx([0.315, -0.27], abs=1e-6)


def test_many_frames_at_once_are_each_on_its_own() -> None:
    random = np.random.default_rng(0)
    cameras, squares = random.uniform(0.5, 1, (7, 3)), random.uniform(100, 400, (7, 4))
    for call in (
        lambda c, s: over_the_picture(c, s, *SIZE),
        lambda c, s: place_in_camera(c, s, FOCAL_PX, np.array([960.0, 540.0])),
    ):
        assert np.array_equal(call(cameras, squares)[3], call(cameras[3], squares[3]))
