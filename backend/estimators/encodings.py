# SPDX-License-Identifier: MIT
"""What an image network made of one person's pictures, kept until a network that looks ahead can speak of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from vibe_blender.contract.take import NetworkWords

from .words import Array, Said


class Rows(Protocol):
    """An array, or what reads its parts when they are asked for."""

    def __getitem__(self, rows: slice, /) -> Array:
        """The rows from ``start`` to ``stop``, both given."""


@dataclass(frozen=True)
class Encoded:
    """What was made of the newest frames of one person.

    Attributes:
        person: number from 1.
        features: (T, 2048) float32.
        squares: (T, 4) centre x, y, width, height, pixels, of the crops.
        moving: (T, W) float32, what a network made of how the picture has moved since the one before; None of a
            network that does not ask for it.
    """

    person: int
    features: Array
    squares: Array
    moving: Array | None = None


@dataclass(frozen=True)
class Encodings:
    """All that was made of one person, or of some frames in a row.

    Attributes:
        frames: (T,) ascending video frame numbers.
        times: (T,) seconds, ascending.
        boxes: (T, 4) centre x, y, width, height, pixels.
        keypoints: (T, K, 3) x, y in pixels and visibility 0..1 of the landmarks; K = 0 where none were read.
        squares: (T, 4) as of ``Encoded``.
        features: (T, 2048).
        moving: (T, W) as of ``Encoded``.
    """

    frames: NDArray[np.integer]
    times: Array
    boxes: Array
    keypoints: Array
    squares: Array
    features: Rows
    moving: Rows | None = None

    def said(self, words: NetworkWords) -> Said:
        """The same with what a network said of it."""
        return Said(self.frames, self.times, self.boxes, words, self.keypoints)
