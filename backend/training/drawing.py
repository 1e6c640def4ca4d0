# SPDX-License-Identifier: MIT
"""Pictures of poses: what a network said over what is true, from the front and from the side."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

Picture = NDArray[np.uint8]

BONES = (
    (0, 1), (1, 2), (5, 4), (4, 3), (2, 3), (6, 7), (7, 8), (11, 10), (10, 9), (8, 12), (9, 12), (2, 8), (3, 9),
    (12, 13),
)  # fmt: skip
"""Pairs of the 14 joints: right leg, left leg, hips, right arm, left arm, shoulders, trunk, head."""
_RIGHT = frozenset(range(3)) | frozenset(range(6, 9))
_PAPER, _TRUE, _COLOURS = (255, 255, 255), (170, 170, 170), ((200, 60, 40), (30, 90, 200))
_REACH_M = 2.2
"""Metres from edge to edge."""


def draw_clip(said: NDArray[np.float64], true: NDArray[np.float64], *, every: int = 5, side_px: int = 160) -> Picture:
    """(2 side, columns * side, 3) RGB: poses of a clip, above from the front, below from the person's side.

    The truth is grey; of what was said, the right side is red and the left one blue. Both hang by the middle of their
    hips.

    Args:
        said: (T, 14, 3) metres, camera axes (x right, y down, z forward).
        true: (T, 14, 3) metres, camera axes.
        every: so many frames apart.
        side_px: of the square that one pose has.
    """
    columns = []
    for frame in range(0, len(said), every):
        squares = []
        for axis in (0, 2):  # from the side, what is farther away is at the right
            square: Picture = np.full((side_px, side_px, 3), _PAPER, np.uint8)
            for body, coloured in ((true[frame], False), (said[frame], True)):
                flat = (body - body[[2, 3]].mean(axis=0))[:, [axis, 1]]
                draw_skeleton(square, flat * (side_px / _REACH_M) + side_px / 2, coloured=coloured)
            squares.append(square)
        columns.append(np.concatenate(squares, axis=0))
    return np.concatenate(columns, axis=1)


def draw_skeleton(picture: Picture, points: NDArray[np.float64], *, coloured: bool = True) -> None:
    """Draws bones into a picture (H, W, 3) RGB.

    Args:
        picture: that is drawn into.
        points: (14, 2) pixels.
        coloured: right red, left blue; else grey.
    """
    far = 4 * max(picture.shape)
    places = np.rint(np.clip(np.nan_to_num(points), -far, far)).astype(int)
    for one, other in BONES:
        colour = _TRUE if not coloured else _COLOURS[0 if one in _RIGHT else 1]
        start, end = ((int(x), int(y)) for x, y in (places[one], places[other]))
        cv2.line(picture, start, end, colour, 2 if coloured else 3, cv2.LINE_AA)
