# SPDX-License-Identifier: MIT
"""People cut out as the SMPL networks know them: upright squares of 224 pixels, black outside the picture.

The rule is that of VIBE's demo and TCMR's, to the last bit: crop pixel = (picture pixel - centre) * 224 / side + 112,
bilinear on whole numbers, no half-pixel shift.
"""

from __future__ import annotations

from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating]

Features = Literal["spin", "landmarks"]
"""What makes 2048 numbers of a crop: SPIN's image network, or BlazePose's landmark network in its place."""
SIDE_PX = 224
ENLARGED, TCMR_ENLARGED = 1.1, 1.2
"""How much larger the crop is than the square around the person's box, in VIBE's demo and in TCMR's."""


def square_around(box: Array) -> Array:
    """(4,) centre x, y, width, height of the square around a box (4,) of the same form: nothing is deformed."""
    side = max(float(box[2]), float(box[3]))
    return np.array([box[0], box[1], side, side], dtype=float)


def cut_out(picture: np.ndarray, square: Array, by: float = ENLARGED) -> NDArray[np.uint8]:
    """(224, 224, 3) uint8 RGB: what a network is shown of a person.

    Args:
        picture: (H, W, 3) uint8 RGB.
        square: (4,) centre x, y, width, height, pixels, before it is enlarged.
        by: how much larger the crop is.
    """
    # OpenCV finds the map from three points in single precision, and its rounding is part of the published numbers.
    centre, reach = np.asarray(square[:2], np.float32), np.float32(square[2] * by / 2)
    corner = np.array([[0, 0], [0, 1], [1, 0]], np.float32)
    to_crop = cv2.getAffineTransform(centre + reach * corner, SIDE_PX / 2 * (1 + corner))
    return cv2.warpAffine(
        picture, to_crop, (SIDE_PX, SIDE_PX), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT
    ).astype(np.uint8, copy=False)


def enlarged(squares: Array, by: float = ENLARGED) -> Array:
    """(..., 4) the squares that the crops of ``squares`` (..., 4) show, pixels."""
    return squares * [1.0, 1.0, by, by]
