# SPDX-License-Identifier: MIT
"""What a network that speaks of bodies has said of one person, on its way from the reading to the estimate."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vibe_blender.contract.take import NetworkWords

Array = NDArray[np.floating]


@dataclass(frozen=True)
class Spoken:
    """What was said of the newest frames of one person, and what the network remembers after them.

    Attributes:
        person: number from 1.
        words: of those frames.
        memory: (2, 1024) state of the recurrent network.
    """

    person: int
    words: NetworkWords
    memory: Array


@dataclass(frozen=True)
class Said:
    """All that was said of one person.

    Attributes:
        frames: (T,) ascending video frame numbers.
        times: (T,) seconds, ascending.
        boxes: (T, 4) centre x, y, width, height, pixels.
        words: of the frames.
        keypoints: (T, K, 3) x, y in pixels and visibility 0..1 of the landmarks; K = 0 where none were read.
    """

    frames: NDArray[np.integer]
    times: Array
    boxes: Array
    words: NetworkWords
    keypoints: Array
