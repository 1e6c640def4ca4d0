# SPDX-License-Identifier: MIT
"""Features of people's pictures that anyone may use: what BlazePose reads in a crop, in place of an image network's.

They train small networks where there is no GPU, and where SPIN's licence does not allow what is to be made.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from backend import models
from backend.crops import Region
from backend.landmarks import BODY_COUNT, LandmarkModel
from backend.person_crops import SIDE_PX, Features

from .archive_index import BY_NAME

USED = 7 * BODY_COUNT
"""Numbers of a crop that say something; the others are zeros."""


class LandmarkEncoder:
    """BlazePose's landmark network in the place of an image network.

    Of each of the 33 landmarks: x, y (-1..1 in the crop, right and down), z (as much, smaller is nearer, 0 between the
    hips), visibility (-1..1), and where it is in space (x, y, z in half metres, from between the hips); then zeros.
    """

    name: Features = "landmarks"

    def __init__(self, file: Path, threads: int = 1) -> None:
        """Opens ``pose_landmark_full.tflite``."""
        self._network = LandmarkModel(file, threads)

    def encode(self, crops: NDArray[np.uint8]) -> NDArray[np.float16]:
        """(B, 2048) features of crops (B, 224, 224, 3) RGB."""
        features = np.zeros((len(crops), *BY_NAME["features"].shape), np.float16)
        for row, crop in zip(features, crops, strict=True):
            row[:USED] = self._read(crop)
        return features

    def _read(self, crop: NDArray[np.uint8]) -> NDArray[np.floating]:
        half = SIDE_PX / 2
        seen = self._network.read(crop, Region(np.full(2, half), float(SIDE_PX), 0.0))
        flat = np.column_stack([seen.image_px, seen.depth_px])[:BODY_COUNT] / half
        flat[:, :2] -= 1.0
        visible = 2.0 * seen.visibility[:BODY_COUNT, None] - 1.0
        return np.concatenate([flat, visible, 2.0 * seen.world], axis=1).ravel()


def landmark_encoder(folder: Path | None = None) -> LandmarkEncoder:
    """The encoder with the file that ``vibe models fetch`` gets, from ``folder`` or the user's own.

    Raises:
        CaptureError: ``model_missing``.
    """
    return LandmarkEncoder(models.find(models.LANDMARK_NETWORK.name, folder))
