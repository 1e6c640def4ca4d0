# SPDX-License-Identifier: MIT
from __future__ import annotations

import math

import numpy as np
import pytest

from backend.crops import Region, region_of_body, to_crop, to_image, to_upright, unmirror, warp, whole_image

SIZE = 64


@pytest.fixture
def ramp() -> np.ndarray:
    """(180, 240, 3): red counts columns, green counts rows, so every pixel tells where it is."""
    picture = np.zeros((180, 240, 3), np.uint8)
    picture[..., 0], picture[..., 1] = np.arange(240), np.arange(180)[:, None]
    return picture


@pytest.fixture
def tilted() -> Region:
    return Region(np.array([120.3, 88.7]), 90.0, 0.4)


def test_region_golden_values() -> None:
    region = region_of_body(np.array([0.5 * 1920, 0.5 * 1080]), np.array([0.6 * 1920, 0.2 * 1080]))
    assert region.centre_px == pytest.approx([960, 540])
    assert region.side_px == pytest.approx(941.5413, abs=1e-3)
    assert region.rotation_rad == pytest.approx(0.534955, abs=1e-5)


@pytest.mark.parametrize(
    ("top", "turn"),
    [
        ((0, -50), 0.0),
        ((50, 0), math.pi / 2),
        ((0, 50), -math.pi),
        ((-50, 0), -math.pi / 2),
        ((-50, -50), -math.pi / 4),
    ],
)
def test_region_turns_with_the_body(top: tuple[float, float], turn: float) -> None:
    region = region_of_body(np.zeros(2), np.array(top, dtype=float))
    assert region.rotation_rad == pytest.approx(turn)
    assert to_crop(np.array(top), region, SIZE)[0] == pytest.approx(SIZE / 2), "the body stands upright in its crop"
    assert to_crop(np.array(top), region, SIZE)[1] < SIZE / 2


def test_whole_image_holds_the_picture(ramp: np.ndarray) -> None:
    region = whole_image(ramp)
    assert (region.centre_px.tolist(), region.side_px, region.rotation_rad) == ([120, 90], 240, 0)


def test_points_return_from_the_crop(tilted: Region) -> None:
    points = np.random.default_rng(1).uniform(-100, 400, (7, 3, 2))
    assert to_image(to_crop(points, tilted, SIZE), tilted, SIZE) == pytest.approx(points)


def test_crop_shows_what_lies_under_its_pixels(ramp: np.ndarray, tilted: Region) -> None:
    crop = warp(ramp, tilted, SIZE)
    rows, columns = np.mgrid[:SIZE, :SIZE]
    there = to_image(np.stack([columns, rows], -1), tilted, SIZE)
    assert crop.shape == (SIZE, SIZE, 3)
    assert np.abs(crop[..., :2] - there).max() < 1.1


def test_mirrored_crop_shows_the_same_samples(ramp: np.ndarray, tilted: Region) -> None:
    straight, mirrored = warp(ramp, tilted, SIZE).astype(int), warp(ramp, tilted, SIZE, mirrored=True).astype(int)
    assert np.abs(mirrored[:, ::-1] - straight).max() <= 1
    column, row = unmirror(np.array([10.0, 20.0]), SIZE)
    assert straight[int(row), int(column)] == pytest.approx(mirrored[20, 10], abs=1)


def test_unmirror_leaves_its_argument_and_the_depth_alone() -> None:
    points = np.array([[10.0, 20.0, 5.0]])
    assert unmirror(points, SIZE).tolist() == [[53.0, 20.0, 5.0]]
    assert points.tolist() == [[10.0, 20.0, 5.0]]


def test_outside_is_black_or_the_edge_drawn_out() -> None:
    white = np.full((40, 40, 3), 255, np.uint8)
    beside = Region(np.array([0.0, 20.0]), 40.0, 0.0)
    assert warp(white, beside, SIZE).min() == 255
    black = warp(white, beside, SIZE, black_outside=True)
    assert black[:, : SIZE // 2 - 2].max() == 0
    assert black[4:-4, SIZE // 2 + 2 :].min() == 255


def test_upright_axes_undo_the_turn_of_the_region(tilted: Region) -> None:
    offset = np.array([3.0, -2.0])
    in_crop = to_crop(tilted.centre_px + offset, tilted, SIZE) - SIZE / 2
    direction = to_upright(np.array([*in_crop, 7.0]), tilted)
    assert direction[2] == 7.0
    assert direction[:2] / np.linalg.norm(direction[:2]) == pytest.approx(offset / np.linalg.norm(offset))
