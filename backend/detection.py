# SPDX-License-Identifier: MIT
"""BlazePose's person detector: a picture becomes the people in it, each with the points that place its region.

Bazarevsky et al. 2020, "BlazePose: On-device Real-time Body Pose tracking"; constants of mediapipe 0.10.21.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from backend.crops import Region, region_of_body, to_image, warp, whole_image
from backend.litert import Network
from vibe_blender.contract.quaternions import Array

INPUT_SIZE = 224
MIN_SCORE = 0.5
MAX_OVERLAP = 0.3

_STRIDES_AND_ANCHORS = ((8, 2), (16, 2), (32, 6))


@dataclass(frozen=True, slots=True)
class Detection:
    """One person as the detector sees them.

    Attributes:
        score: 0..1.
        box_px: (4,) x0, y0, x1, y1 in pixels, image frame; around the head.
        keypoints_px: (4, 2) pixels, image frame: middle of the hips, top of the circle around the whole body, middle of
            the shoulders, top of the circle around the upper body.
    """

    score: float
    box_px: Array
    keypoints_px: Array

    def region(self) -> Region:
        """Where the landmark network should look for this person."""
        return region_of_body(self.keypoints_px[0], self.keypoints_px[1])


class PersonDetector:
    """The detector network, ready to search pictures."""

    def __init__(self, model_path: Path, threads: int) -> None:
        self._network = Network(model_path, threads, ((1, 2254, 12), (1, 2254, 1)))
        self._anchors = anchors()

    def detect(self, image_rgb: np.ndarray, region: Region | None = None) -> list[Detection]:
        """The people in the picture, or in an upright square of it, the surest first.

        Args:
            image_rgb: (H, W, 3) uint8.
            region: the square to search; the whole picture when None.
        """
        region = whole_image(image_rgb) if region is None else region
        crop = warp(image_rgb, region, INPUT_SIZE, black_outside=True)
        # [0, 255] to [-1, 1], the black border included: MediaPipe pads before it normalises.
        values = np.multiply(crop, np.float32(2 / 255), out=self._network.input())
        values -= 1
        del values
        boxes, scores = self._network.run()
        logits = scores[:, 0]
        found = np.flatnonzero(logits >= np.log(MIN_SCORE / (1 - MIN_SCORE)))
        if not len(found):
            return []
        sure = 1 / (1 + np.exp(-np.minimum(logits[found], 100).astype(float)))
        raw = boxes[found].astype(float)
        heap_scores, heap_boxes, keypoints = weighted_suppression(sure, *decode(raw, self._anchors[found]))
        return [
            Detection(
                float(score),
                to_image(box.reshape(2, 2) * INPUT_SIZE, region, INPUT_SIZE).reshape(4),
                to_image(points * INPUT_SIZE, region, INPUT_SIZE),
            )
            for score, box, points in zip(heap_scores, heap_boxes, keypoints, strict=True)
        ]


def anchors() -> Array:
    """(2254, 2) centres of the detector's anchors, 0..1 of its input (SsdAnchorsCalculator with fixed anchor size)."""
    centres = []
    for stride, per_cell in _STRIDES_AND_ANCHORS:
        cells = INPUT_SIZE // stride
        y, x = (np.mgrid[:cells, :cells] + 0.5) / cells
        centres.append(np.repeat(np.stack([x.ravel(), y.ravel()], 1), per_cell, axis=0))
    return np.concatenate(centres)


def decode(raw: Array, centres: Array) -> tuple[Array, Array]:
    """Boxes and keypoints from the network's numbers (TensorsToDetectionsCalculator).

    Args:
        raw: (N, 12) offsets from the anchor in input pixels: box centre, box size, four keypoints.
        centres: (N, 2) anchor centres, 0..1 of the input.

    Returns:
        (N, 4) boxes x0, y0, x1, y1 and (N, 4, 2) keypoints, both 0..1 of the input.
    """
    raw = raw / INPUT_SIZE
    centre, half = raw[:, :2] + centres, raw[:, 2:4] / 2
    return np.concatenate([centre - half, centre + half], 1), raw[:, 4:].reshape(-1, 4, 2) + centres[:, None]


def weighted_suppression(scores: Array, boxes: Array, keypoints: Array) -> tuple[Array, Array, Array]:
    """One detection for each heap of overlapping ones, their mean weighted by score (NonMaxSuppressionCalculator).

    Args:
        scores: (N,) 0..1.
        boxes: (N, 4) x0, y0, x1, y1.
        keypoints: (N, 4, 2), in the unit of the boxes.

    Returns:
        (M,) the best score of each heap, falling; (M, 4) boxes; (M, 4, 2) keypoints.
    """
    rest = np.argsort(-scores, kind="stable")
    kept = []
    while len(rest):
        overlapping = _overlap(boxes[rest[0]], boxes[rest]) > MAX_OVERLAP
        overlapping[0] = True
        heap, weights = rest[overlapping], scores[rest[overlapping]]
        kept.append((scores[rest[0]], np.average(boxes[heap], 0, weights), np.average(keypoints[heap], 0, weights)))
        rest = rest[~overlapping]
    return tuple(np.array(part) for part in zip(*kept, strict=True))  # type: ignore[return-value]


def _overlap(box: Array, boxes: Array) -> Array:
    """(N,) intersection over union of one box (4,) with many (N, 4)."""
    sides = np.minimum(box[2:], boxes[:, 2:]) - np.maximum(box[:2], boxes[:, :2])
    common = np.prod(sides.clip(0), axis=1)
    area = np.prod(box[2:] - box[:2]) + np.prod(boxes[:, 2:] - boxes[:, :2], axis=1)
    return common / np.maximum(area - common, 1e-12)
