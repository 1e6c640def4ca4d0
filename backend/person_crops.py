# SPDX-License-Identifier: MIT
"""People cut out as the SMPL networks know them: upright squares of 224 pixels, black outside the picture.

The rule is that of VIBE's demo, to the last bit: crop pixel = (picture pixel - centre) * 224 / side + 112, bilinear on
whole numbers, no half-pixel shift.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating]

SIDE_PX = 224
ENLARGED = 1.1
"""How much larger the crop is than the square around the person's box."""


def square_around(box: Array) -> Array:
    """(4,) centre x, y, and twice the longer side of a box (4,) of the same form, pixels: nothing is deformed."""
    return np.array([box[0], box[1], *[max(box[2], box[3])] * 2], dtype=float)


def square_of_points(extent: Array) -> Array:
    """(4,) centre x, y, and twice the side of the square for a person of whom the joints' box (4,) is known, pixels.

    Its side is that box's diagonal, as VIBE's demo has it where poses are tracked, for joints end before the body does.
    """
    return np.array([extent[0], extent[1], *[float(np.hypot(extent[2], extent[3]))] * 2])


def cut_out(picture: np.ndarray, square: Array) -> NDArray[np.uint8]:
    """(224, 224, 3) uint8 RGB: what a network is shown of a person.

    Args:
        picture: (H, W, 3) uint8 RGB.
        square: (4,) centre x, y, and twice its side, pixels, before it is enlarged.
    """
    # OpenCV finds the map from three points in single precision, and its rounding is part of the published numbers.
    centre, reach = np.float32(square[:2]), np.float32(square[2] * ENLARGED / 2)
    source = np.stack([centre, centre + np.float32([0, reach]), centre + np.float32([reach, 0])])
    middle = SIDE_PX / 2
    target = np.float32([[middle, middle], [middle, SIDE_PX], [SIDE_PX, middle]])
    to_crop = cv2.getAffineTransform(source, target)
    return cv2.warpAffine(
        picture, to_crop, (SIDE_PX, SIDE_PX), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT, borderValue=0
    )


def enlarged(squares: Array) -> Array:
    """(..., 4) the squares that the crops of ``squares`` (..., 4) show, pixels."""
    return squares * [1.0, 1.0, ENLARGED, ENLARGED]
