# SPDX-License-Identifier: MIT
from __future__ import annotations

from itertools import islice
from pathlib import Path

import av
import numpy as np
import pytest

from backend.body.keypoints import MIRROR
from backend.crops import Region
from backend.landmarks import BODY_COUNT, CROP_SIZE, MIRRORED_POINTS, POINT_COUNT, LandmarkModel, refine

SAMPLE = Path(__file__).resolve().parents[1] / "data" / "walk.mp4"
FRAME = 75
CELL_PX = CROP_SIZE / 64
POINTS_AND_JOINTS = ((11, 16), (12, 17), (13, 18), (14, 19), (15, 20), (16, 21), (25, 4), (26, 5), (27, 7), (28, 8))
POINTS, JOINTS = (list(numbers) for numbers in zip(*POINTS_AND_JOINTS, strict=True))


def test_a_mirror_image_has_the_points_of_the_other_side() -> None:
    assert MIRRORED_POINTS[:BODY_COUNT] == MIRROR
    assert MIRRORED_POINTS[BODY_COUNT:] == tuple(range(BODY_COUNT, POINT_COUNT))


def one_by_one(points: np.ndarray, heat: np.ndarray) -> np.ndarray:
    """The published calculator, point by point and cell by cell."""
    moved = points.copy()
    for number, (x, y) in enumerate(points):
        column, row = int(x / CELL_PX), int(y / CELL_PX)
        if not (0 <= column < 64 and 0 <= row < 64):
            continue
        total = along = down = best = 0.0
        for r in range(max(row - 3, 0), min(row + 4, 64)):
            for c in range(max(column - 3, 0), min(column + 4, 64)):
                weight = 1 / (1 + np.exp(-heat[r, c, number]))
                total, along, down = total + weight, along + weight * c, down + weight * r
                best = max(best, weight)
        if best >= 0.5:
            moved[number] = along / total * CELL_PX, down / total * CELL_PX
    return moved


def test_refinement_agrees_with_the_published_calculator() -> None:
    chance = np.random.default_rng(5)
    points = chance.uniform(0, CROP_SIZE, (POINT_COUNT, 2))
    points[:6] = [(0, 0), (1, 255), (255.9, 3), (-20, 30), (30, 300), (256, 256)]
    heat = chance.normal(-4, 2, (64, 64, POINT_COUNT)).astype(np.float32)
    moved = refine(points, heat)
    assert moved == pytest.approx(one_by_one(points, heat), abs=1e-4)
    assert 5 < (moved != points).any(1).sum() < POINT_COUNT - 3, "some are clear, some are not"


def test_refinement_finds_a_peak_beside_the_point() -> None:
    heat = np.full((64, 64, 1), -20.0, np.float32)
    heat[30, 42:44] = 5.0
    assert refine(np.array([[40.5 * CELL_PX, 31.5 * CELL_PX]]), heat) == pytest.approx(
        np.array([[42.5 * CELL_PX, 30 * CELL_PX]]), abs=0.01
    )


@pytest.fixture(scope="module")
def model(models: Path) -> LandmarkModel:
    return LandmarkModel(models / "pose_landmark_full.tflite", threads=1)


@pytest.fixture(scope="module")
def scene() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A frame (640, 640, 3) of somebody jumping, true joints (24, 2) in pixels and (24, 3) in metres, camera axes."""
    with av.open(str(SAMPLE)) as container, np.load(SAMPLE.with_suffix(".gt.npz")) as truth:
        frame = next(islice(container.decode(video=0), FRAME, None)).to_ndarray(format="rgb24")
        return frame, truth["joints2d_0"][FRAME], truth["joints_cam_0"][FRAME].astype(float)


@pytest.fixture(scope="module")
def region(scene: tuple[np.ndarray, np.ndarray, np.ndarray]) -> Region:
    _, joints, _ = scene
    return Region(joints[[1, 2]].mean(0).astype(float), 1.6 * float(np.ptp(joints, axis=0).max()), 0.2)


@pytest.mark.parametrize("mirrored", [False, True])
def test_reads_the_body(
    model: LandmarkModel, scene: tuple[np.ndarray, np.ndarray, np.ndarray], region: Region, mirrored: bool
) -> None:
    picture, joints, places = scene
    read = model.read(picture, region, mirrored)
    assert read.score > 0.9
    assert read.image_px.shape == (POINT_COUNT, 2)
    assert read.world.shape == (BODY_COUNT, 3)
    gaps = np.linalg.norm(read.image_px[POINTS] - joints[JOINTS], axis=1)
    assert gaps.mean() < 0.02 * region.side_px
    true = places[JOINTS] - places[[1, 2]].mean(0)
    for axis, least in enumerate((0.9, 0.95, 0.8)):  # x right, y down, z away from the camera
        assert np.corrcoef(read.world[POINTS, axis], true[:, axis])[0, 1] > least
    assert np.corrcoef(read.depth_px[POINTS], true[:, 2])[0, 1] > 0.8
    for share in (read.visibility, read.presence):
        assert ((share >= 0) & (share <= 1)).all()


def test_straight_and_mirrored_reading_can_be_averaged(
    model: LandmarkModel, scene: tuple[np.ndarray, np.ndarray, np.ndarray], region: Region
) -> None:
    picture = scene[0]
    straight, mirrored = model.read(picture, region), model.read(picture, region, mirrored=True)
    gaps = np.linalg.norm(straight.image_px - mirrored.image_px, axis=1)[:BODY_COUNT]
    assert 0 < np.median(gaps) < 0.02 * region.side_px
    assert np.median(np.linalg.norm(straight.world - mirrored.world, axis=1)) < 0.1


def test_mirrored_reading_of_the_mirrored_picture_is_the_straight_one(
    model: LandmarkModel, scene: tuple[np.ndarray, np.ndarray, np.ndarray], region: Region
) -> None:
    picture = scene[0]
    width = picture.shape[1]
    # Sampling has no half-pixel shift, so the mirror image of the region lies one crop pixel further along its x axis.
    across, down = region.centre_px - region.axes()[:, 0] * (region.side_px / CROP_SIZE)
    turned = Region(np.array([width - 1 - across, down]), region.side_px, -region.rotation_rad)
    straight = model.read(picture, region)
    mirrored = model.read(np.ascontiguousarray(picture[:, ::-1]), turned, mirrored=True)
    swap = list(MIRRORED_POINTS)
    expected_px = (straight.image_px * (-1, 1) + (width - 1, 0))[swap]
    assert mirrored.image_px == pytest.approx(expected_px, abs=0.5)
    assert mirrored.world == pytest.approx((straight.world * (-1, 1, 1))[swap[:BODY_COUNT]], abs=0.01)
    assert mirrored.visibility == pytest.approx(straight.visibility[swap], abs=0.02)


def test_turning_the_region_does_not_turn_the_answer(
    model: LandmarkModel, scene: tuple[np.ndarray, np.ndarray, np.ndarray], region: Region
) -> None:
    picture = scene[0]
    upright, turned = (model.read(picture, Region(region.centre_px, region.side_px, angle)) for angle in (-0.3, 0.3))
    assert np.median(np.linalg.norm(upright.image_px - turned.image_px, axis=1)) < 0.02 * region.side_px
    assert np.median(np.linalg.norm((upright.world - turned.world)[:, :2], axis=1)) < 0.1


def test_nobody_has_a_low_score(model: LandmarkModel) -> None:
    grey = np.full((300, 300, 3), 127, np.uint8)
    assert model.read(grey, Region(np.array([150.0, 150.0]), 200.0, 0.0)).score < 0.1
