# SPDX-License-Identifier: MIT
"""Regions of the picture cut out as network input, and points read there carried back to the picture.

Sampling is MediaPipe's: crop pixel ``(i, j)`` shows the picture at ``centre + R (((i, j) / size) - 1/2) side``,
bilinear, no half-pixel shift (ImageToTensorCalculator of mediapipe 0.10.21); ``R`` turns by the region's rotation.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np

from vibe_blender.contract.quaternions import Array

REGION_SCALE = 1.25
"""How much wider than the circle around a body its region is (pose_detection_to_roi.pbtxt)."""


@dataclass(frozen=True, slots=True)
class Region:
    """A turned square in the picture.

    Attributes:
        centre_px: (2,) pixels, image frame (x right, y down).
        side_px: length of a side in pixels.
        rotation_rad: angle from the picture's x axis to the crop's, clockwise as seen; 0 for an upright body.
    """

    centre_px: Array
    side_px: float
    rotation_rad: float

    def axes(self) -> Array:
        """(2, 2) columns: the crop's x and y axis as unit vectors of the image frame."""
        cosine, sine = math.cos(self.rotation_rad), math.sin(self.rotation_rad)
        return np.array([[cosine, -sine], [sine, cosine]])


def region_of_body(centre_px: Array, top_px: Array) -> Region:
    """The region of a body that fits into the circle around ``centre_px`` through ``top_px``.

    Args:
        centre_px: (2,) pixels, image frame; the middle of the hips (detector keypoint 0, landmark 33).
        top_px: (2,) pixels, image frame; the point straight above it as the body stands (keypoint 1, landmark 34).
    """
    across, down = np.asarray(top_px, dtype=float) - centre_px
    turn = math.pi / 2 - math.atan2(-down, across)
    turn -= 2 * math.pi * math.floor((turn + math.pi) / (2 * math.pi))
    return Region(np.array(centre_px, dtype=float), 2 * math.hypot(across, down) * REGION_SCALE, turn)


def whole_image(image: np.ndarray) -> Region:
    """The upright square around the whole picture (H, W, 3): the detector's letterbox."""
    height, width = image.shape[:2]
    return Region(np.array([width / 2, height / 2]), float(max(width, height)), 0.0)


def warp(
    image: np.ndarray, region: Region, size: int, mirrored: bool = False, *, black_outside: bool = False
) -> np.ndarray:
    """The region as a picture of its own, (size, size, 3) uint8.

    Args:
        image: (H, W, 3) uint8.
        region: what to cut out.
        size: side of the crop in its own pixels.
        mirrored: left and right exchanged.
        black_outside: what lies outside the picture is black, as MediaPipe's detector has it; otherwise the edge is
            drawn out, as its landmark network has it.
    """
    axes = region.axes()
    to_image = np.empty((2, 3))
    to_image[:, :2] = axes * (region.side_px / size)
    to_image[:, 2] = region.centre_px - axes @ np.full(2, region.side_px / 2)
    if mirrored:
        # The same samples in reverse order, so that both readings see identical pixels.
        to_image[:, 2] += to_image[:, 0] * (size - 1)
        to_image[:, 0] = -to_image[:, 0]
    border = cv2.BORDER_CONSTANT if black_outside else cv2.BORDER_REPLICATE
    return cv2.warpAffine(
        image, to_image, (size, size), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP, borderMode=border
    )


def unmirror(points: Array, size: int) -> Array:
    """Points (..., 2 or 3) in pixels of a mirrored crop of ``size``, where the straight crop has them."""
    turned = np.array(points, dtype=float)
    turned[..., 0] = (size - 1) - turned[..., 0]
    return turned


def to_image(points: Array, region: Region, size: int) -> Array:
    """(..., 2) pixels of the image frame, from pixels (..., 2) of the straight crop of ``size``."""
    centred = np.asarray(points, dtype=float) / size - 0.5
    return centred @ (region.axes().T * region.side_px) + region.centre_px


def to_crop(points_px: Array, region: Region, size: int) -> Array:
    """(..., 2) pixels of the straight crop of ``size``, from pixels (..., 2) of the image frame."""
    return ((np.asarray(points_px, dtype=float) - region.centre_px) @ region.axes() / region.side_px + 0.5) * size


def to_upright(points: Array, region: Region) -> Array:
    """(..., 3) metres in the axes of the image frame (x right, y down), from the axes of the crop; depth stays."""
    turned = np.array(points, dtype=float)
    turned[..., :2] = turned[..., :2] @ region.axes().T
    return turned
