# SPDX-License-Identifier: MIT
"""What cameras and videos do to pictures: blur, noise, colours, compression."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from .looks import CLEAN, Faults

Picture = NDArray[np.uint8]
_QUALITY = 92
_GRAIN, _REACH_PX = 28.0, 1.2


def smoothed(picture: Picture) -> Picture:
    """A picture (H, W, 3) RGB with less of the grain that few samples of light leave, and the same edges."""
    return np.asarray(cv2.bilateralFilter(picture, 5, _GRAIN, _REACH_PX), np.uint8)


def spoiled(picture: Picture, faults: Faults, random: np.random.Generator) -> Picture:
    """A picture (H, W, 3) RGB with its faults.

    Args:
        picture: as rendered.
        faults: of the scene.
        random: of the noise.
    """
    if faults == CLEAN:
        return picture
    values = (picture.astype(np.float32) / 255) ** faults.gamma * np.array(faults.gain, np.float32)
    if faults.blur_px > 0.2:
        values = np.asarray(cv2.GaussianBlur(values, (0, 0), faults.blur_px), np.float32)
    grain = random.standard_normal(values.shape, np.float32)
    values = values + faults.noise * grain * np.sqrt(np.clip(values, 0.02, 1))
    small = np.clip(values * 255 + 0.5, 0, 255).astype(np.uint8)
    height, width = small.shape[:2]
    if faults.shrink < 0.98:
        size = (max(8, round(width * faults.shrink)), max(8, round(height * faults.shrink)))
        small = np.asarray(cv2.resize(small, size, interpolation=cv2.INTER_AREA), np.uint8)
    if faults.quality:
        _, data = cv2.imencode(".jpg", small[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, faults.quality])
        small = np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), np.uint8)[..., ::-1]
    if small.shape[:2] != (height, width):
        small = np.asarray(cv2.resize(small, (width, height), interpolation=cv2.INTER_LINEAR), np.uint8)
    return small


def as_jpeg(picture: Picture) -> bytes:
    """A picture (H, W, 3) RGB, as archives keep them."""
    _, data = cv2.imencode(".jpg", np.ascontiguousarray(picture[..., ::-1]), [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])
    return data.tobytes()
