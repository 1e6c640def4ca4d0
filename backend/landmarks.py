# SPDX-License-Identifier: MIT
"""BlazePose's landmark network: one person's region becomes 33 body landmarks in the picture and in metres.

Bazarevsky et al. 2020, "BlazePose: On-device Real-time Body Pose tracking"; constants of mediapipe 0.10.21.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from backend.body.keypoints import LANDMARK_NAMES, MIRROR
from backend.crops import Region, to_image, to_upright, unmirror, warp
from backend.litert import Network
from vibe_blender.contract.quaternions import Array

BODY_COUNT = len(LANDMARK_NAMES)
POINT_COUNT = 39
"""The body's 33, the two that place the next region (its centre, its top), four that MediaPipe does not use."""
CENTRE, TOP = 33, 34
MIRRORED_POINTS = (*MIRROR, *range(BODY_COUNT, POINT_COUNT))
"""Point k of a body is point MIRRORED_POINTS[k] of its mirror image."""
CROP_SIZE = 256

_KERNEL = 7
_MIN_CONFIDENCE = 0.5
_POINTS, _SCORE, _HEAT, _WORLD = (1, 195), (1, 1), (1, 64, 64, POINT_COUNT), (1, 117)


@dataclass(frozen=True, slots=True)
class Landmarks:
    """What the network reads in one region.

    Attributes:
        image_px: (39, 2) pixels, image frame; refined on the heat maps.
        depth_px: (39,) pixels along the viewing ray, smaller is nearer, 0 at the middle of the hips.
        world: (33, 3) metres in the axes of the upright picture (x right, y down, z away from the camera along the ray
            through the region), origin between the hips.
        visibility: (39,) 0..1, inside the region and not hidden.
        presence: (39,) 0..1, inside the region.
        score: 0..1, a body was there at all.
    """

    image_px: Array
    depth_px: Array
    world: Array
    visibility: Array
    presence: Array
    score: float

    @property
    def size_px(self) -> float:
        """Diameter of the circle around the body, pixels."""
        return 2 * float(np.linalg.norm(self.image_px[TOP] - self.image_px[CENTRE]))


class LandmarkModel:
    """The landmark network, ready to read regions."""

    def __init__(self, model_path: Path, threads: int) -> None:
        # Its silhouette of the person is left out: nothing reads it and it takes two fifths of the time.
        self._network = Network(model_path, threads, (_POINTS, _SCORE, _HEAT, _WORLD))

    def read(self, image_rgb: np.ndarray, region: Region, mirrored: bool = False) -> Landmarks:
        """What the network sees in one region, in the straight picture's terms.

        Args:
            image_rgb: (H, W, 3) uint8.
            region: where the person is.
            mirrored: show the network the mirror image; the answer is turned back, so both readings can be averaged.
        """
        crop = warp(image_rgb, region, CROP_SIZE, mirrored)
        np.multiply(crop, np.float32(1 / 255), out=self._network.input())
        points, score, heat, world = self._network.run()
        points = points.reshape(POINT_COUNT, 5).astype(float)
        points[:, :2] = refine(points[:, :2], heat)
        world = world.reshape(-1, 3)[:BODY_COUNT].astype(float)
        if mirrored:
            points = unmirror(points, CROP_SIZE)[list(MIRRORED_POINTS)]
            world = (world * (-1.0, 1.0, 1.0))[list(MIRROR)]
        return Landmarks(
            image_px=to_image(points[:, :2], region, CROP_SIZE),
            depth_px=points[:, 2] * (region.side_px / CROP_SIZE),
            world=to_upright(world, region),
            visibility=_sigmoid(points[:, 3]),
            presence=_sigmoid(points[:, 4]),
            score=float(score[0]),
        )


def refine(points: Array, heat: np.ndarray) -> Array:
    """Points moved to the middle of their heat map's peak, where it is clear (RefineLandmarksFromHeatmapCalculator).

    Args:
        points: (K, 2) pixels of the crop.
        heat: (h, w, K) logits of each point lying in that cell.

    Returns:
        (K, 2) pixels of the crop.
    """
    height, width, count = heat.shape
    cell_px = CROP_SIZE / np.array([width, height])
    cell = (points / cell_px).astype(int)
    reach = np.arange(_KERNEL) - _KERNEL // 2
    columns, rows = cell[:, :1] + reach, cell[:, 1:] + reach
    inside = ((rows >= 0) & (rows < height))[:, :, None] & ((columns >= 0) & (columns < width))[:, None, :]
    window = heat[
        rows.clip(0, height - 1)[:, :, None], columns.clip(0, width - 1)[:, None, :], np.arange(count)[:, None, None]
    ]
    weights = _sigmoid(window.astype(float)) * inside
    clear = (weights.max((1, 2)) >= _MIN_CONFIDENCE) & (cell >= 0).all(1) & (cell < (width, height)).all(1)
    total = np.maximum(weights.sum((1, 2)), 1e-9)
    column = (weights.sum(1) * columns).sum(1) / total
    row = (weights.sum(2) * rows).sum(1) / total
    return np.where(clear[:, None], np.stack([column, row], 1) * cell_px, points)


def _sigmoid(logits: Array) -> Array:
    return 1.0 / (1.0 + np.exp(-np.clip(logits, -100.0, 100.0)))
