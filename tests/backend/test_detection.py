# SPDX-License-Identifier: MIT
from __future__ import annotations

from itertools import islice
from pathlib import Path

import av
import numpy as np
import pytest

from backend.crops import Region
from backend.detection import INPUT_SIZE, PersonDetector, anchors, decode, weighted_suppression

SAMPLE = Path(__file__).resolve().parents[1] / "data" / "walk.mp4"
FRAME = 90


@pytest.mark.parametrize(
    ("number", "centre"),
    [
        (0, (0.017857, 0.017857)),
        (1, (0.017857, 0.017857)),
        (2, (0.053571, 0.017857)),
        (1568, (0.035714, 0.035714)),
        (1960, (0.071429, 0.071429)),
        (2253, (0.928571, 0.928571)),
    ],
)
def test_anchor_golden_values(number: int, centre: tuple[float, float]) -> None:
    assert anchors()[number] == pytest.approx(centre, abs=1e-6)


def test_anchor_count() -> None:
    assert anchors().shape == (2254, 2)


def test_decode_places_boxes_and_keypoints_from_the_anchor() -> None:
    raw = np.array([[22.4, -22.4, 44.8, 67.2, 0, 0, 22.4, 0, 0, 22.4, -22.4, -22.4]])
    boxes, keypoints = decode(raw, np.array([[0.5, 0.4]]))
    assert boxes[0] == pytest.approx([0.5, 0.15, 0.7, 0.45])
    assert keypoints[0] == pytest.approx(np.array([[0.5, 0.4], [0.6, 0.4], [0.5, 0.5], [0.4, 0.3]]))


def test_suppression_averages_by_score_and_keeps_what_lies_apart() -> None:
    scores = np.array([0.6, 0.9, 0.7])
    boxes = np.array([[0, 0, 1, 1], [0.1, 0, 1.1, 1], [5, 5, 6, 6]])
    keypoints = np.arange(3.0)[:, None, None] * np.ones((3, 4, 2))
    best, places, points = weighted_suppression(scores, boxes, keypoints)
    assert best.tolist() == [0.9, 0.7]
    assert places == pytest.approx(np.array([[0.06, 0, 1.06, 1], [5, 5, 6, 6]]))
    assert points[:, 0, 0] == pytest.approx([0.6, 2.0])


def test_suppression_keeps_boxes_that_overlap_little() -> None:
    boxes = np.array([[0, 0, 1, 1], [0.6, 0, 1.6, 1]])  # a quarter of their union
    assert len(weighted_suppression(np.array([0.9, 0.8]), boxes, np.zeros((2, 4, 2)))[0]) == 2


@pytest.fixture(scope="module")
def detector(models: Path) -> PersonDetector:
    return PersonDetector(models / "pose_detection.tflite", threads=1)


@pytest.fixture(scope="module")
def walker() -> tuple[np.ndarray, np.ndarray]:
    """A frame (360, 640, 3) of the sample and its true joints (24, 2) in pixels."""
    with av.open(str(SAMPLE)) as container, np.load(SAMPLE.with_suffix(".gt.npz")) as truth:
        frame = next(islice(container.decode(video=0), FRAME, None)).to_ndarray(format="rgb24")
        return frame, truth["joints2d_0"][FRAME]


def test_finds_the_walker(detector: PersonDetector, walker: tuple[np.ndarray, np.ndarray]) -> None:
    picture, joints = walker
    (found,) = detector.detect(picture)
    height = np.ptp(joints[:, 1])
    assert found.score > 0.9
    assert np.linalg.norm(found.keypoints_px[0] - joints[[1, 2]].mean(0)) < 0.1 * height
    assert np.linalg.norm(found.keypoints_px[2] - joints[[16, 17]].mean(0)) < 0.1 * height
    x0, y0, x1, y1 = found.box_px
    assert x0 < joints[15, 0] < x1
    assert y0 < joints[15, 1] < y1
    assert 0.8 * height < found.region().side_px < 2 * height
    assert abs(found.region().rotation_rad) < 0.3


def test_finds_the_walker_in_a_part_of_a_wide_picture(
    detector: PersonDetector, walker: tuple[np.ndarray, np.ndarray]
) -> None:
    picture, _ = walker
    wide = np.pad(picture, ((0, 0), (700, 500), (0, 0)))
    (alone,) = detector.detect(picture)
    (found,) = detector.detect(wide, Region(np.array([700 + 320.0, 180.0]), 640.0, 0.0))
    assert found.keypoints_px - (700, 0) == pytest.approx(alone.keypoints_px, abs=2)
    assert found.box_px - (700, 0, 700, 0) == pytest.approx(alone.box_px, abs=2)


def test_finds_nobody_in_noise(detector: PersonDetector) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (INPUT_SIZE, INPUT_SIZE, 3), np.uint8)
    assert detector.detect(noise) == []
