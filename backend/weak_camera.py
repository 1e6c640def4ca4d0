# SPDX-License-Identifier: MIT
"""The SMPL networks' weak camera on a square of the picture, carried over to the whole picture.

The network puts a body at (X, Y, Z), metres, where the square, from -1 to 1 in both directions (x right, y down), has
scale * ((X, Y) + shift): as seen from so far away that depth does not matter.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating]


def place_in_camera(cameras: Array, squares: Array, focal_px: float, centre_px: Array) -> Array:
    """Where a pinhole camera has the body that a weak one sees (CLIFF, Li et al. 2022, equations 3 and 5).

    Args:
        cameras: (..., 3) scale, and shift x and y, metres.
        squares: (..., 4) centre x, y, width, height, pixels.
        focal_px: focal length.
        centre_px: (2,) principal point.

    Returns:
        (..., 3) metres, camera frame: what to add to the body's own coordinates.
    """
    scale, shift, across = cameras[..., :1], cameras[..., 1:], squares[..., 2:3]
    beside = 2 * (squares[..., :2] - centre_px) / (scale * across)
    return np.concatenate([shift + beside, 2 * focal_px / (scale * across)], axis=-1)


def over_the_picture(cameras: Array, squares: Array, width_px: int, height_px: int) -> Array:
    """The same weak camera, on the whole picture instead of the square: VIBE's ``orig_cam``.

    Args:
        cameras: (..., 3) scale, and shift x and y, metres.
        squares: (..., 4) centre x, y, width, height, pixels.
        width_px, height_px: of the picture.

    Returns:
        (..., 4) scale x, scale y, shift x, shift y: the picture, from -1 to 1 in both directions, has a body's point
        at scale * ((X, Y) + shift).
    """
    half = np.array([width_px, height_px]) / 2
    scale = cameras[..., :1] * squares[..., 2:3] / (2 * half)
    return np.concatenate([scale, (squares[..., :2] - half) / half / scale + cameras[..., 1:]], axis=-1)
