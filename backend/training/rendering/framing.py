# SPDX-License-Identifier: MIT
"""Which part of a video's frame an archive keeps of a person, and at what size."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from backend.training.prepare.pictures import SURROUNDINGS
from vibe_blender.contract.quaternions import Array

_SMALLEST_PX = 16


@dataclass(frozen=True)
class Part:
    """A part of a frame.

    Attributes:
        left, top: pixels of the frame.
        width: pixels of the frame.
        size_px: width and height of the picture of it; its pixels are square.
    """

    left: float
    top: float
    width: float
    size_px: tuple[int, int]

    @property
    def box(self) -> Array:
        """(4,) left, top, width, height, pixels of the frame."""
        height = self.width * self.size_px[1] / self.size_px[0]
        return np.array([self.left, self.top, self.width, height])


def surroundings(box: Array, frame_px: tuple[int, int], longest_px: int) -> Part | None:
    """What is kept of the surroundings of a person, within the frame; None where that is next to nothing.

    Args:
        box: (4,) centre x, y, width, height, pixels.
        frame_px: width and height of the frame.
        longest_px: of the picture's sides.
    """
    reach = SURROUNDINGS / 2 * float(box[2:].max())
    left, top = (max(0, int(np.floor(box[axis] - reach))) for axis in (0, 1))
    right, bottom = (min(size, int(np.ceil(box[axis] + reach))) for axis, size in enumerate(frame_px))
    width, height = right - left, bottom - top
    if min(width, height) < _SMALLEST_PX:
        return None
    scale = min(1.0, longest_px / max(width, height))
    size = (max(_SMALLEST_PX, round(width * scale)), max(_SMALLEST_PX, round(height * scale)))
    return Part(float(left), float(top), float(width), size)
