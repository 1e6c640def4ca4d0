# SPDX-License-Identifier: MIT
"""A person's features become words: run by run, as no window reaches over a gap, and a bounded part of a run at a time.

Frames that follow one another make a run; where a person was not seen for a frame or more, another begins, which knows
nothing of the one before. Each run is a clip of its own, with a clip's ends.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from backend.estimators.encodings import Encodings
from backend.estimators.words import Array, Said
from backend.person_crops import enlarged
from backend.slerp_filter import SlerpFilter
from vibe_blender.contract.quaternions import from_matrices, to_matrices
from vibe_blender.contract.take import NetworkWords

from .networks import WindowNetwork

Say = Callable[[Array, Array | None], tuple[Array, Array, Array]]
"""Features (F, 2048), and what moves (F, W) or None, to cameras (F, 3), rotations (F, 24, 3, 3), shapes (F, 10)."""
_AT_ONCE = 256
"""Frames, besides those around them."""


@dataclass(frozen=True)
class Speaker:
    """Has a network speak.

    Attributes:
        network: what it is like.
        say: what runs it.
        slerp: share of ``SlerpFilter``; None to leave rotations as the network says them.
    """

    network: WindowNetwork
    say: Say
    slerp: float | None = None

    def speak(self, encodings: Encodings, progress: Callable[[int], None] = lambda done: None) -> Said:
        """What is said of one person; ``progress``, told how many frames are done, may raise to stop."""
        parts = []
        for run in runs(encodings.frames):
            for part, around in stretches(run, self.network.length, self.network.stride):
                moving = None if encodings.moving is None else encodings.moving[around]
                said = self.say(encodings.features[around], moving)
                parts.append([values[part.start - around.start : part.stop - around.start] for values in said])
                progress(part.stop)
        camera, rotations, betas = (np.concatenate(part) for part in zip(*parts, strict=True))
        if self.slerp is not None:
            smooth = SlerpFilter(self.slerp).smooth
            turns = [smooth(from_matrices(rotations[run].astype(float))) for run in runs(encodings.frames)]
            rotations = to_matrices(np.concatenate(turns)).astype(rotations.dtype)
        squares = enlarged(encodings.squares, self.network.enlarged_by)
        return encodings.said(NetworkWords(camera, rotations, betas, squares))


def runs(frames: NDArray[np.integer]) -> Iterator[slice]:
    """Where in ascending frame numbers (T,) those lie that follow one another."""
    borders = [0, *(np.flatnonzero(np.diff(frames) > 1) + 1).tolist(), len(frames)]
    for first, last in pairwise(borders):
        yield slice(first, last)


def stretches(run: slice, length: int, stride: int) -> Iterator[tuple[slice, slice]]:
    """Parts of a run, each with what has to be around it so that the same is said of it as of the whole run.

    All begin where a window would begin: a whole number of strides after the run's first frame.
    """
    margin = stride * math.ceil(length / stride)
    step = stride * max(1, _AT_ONCE // stride)
    for first in range(run.start, run.stop, step):
        last = min(first + step, run.stop)
        yield slice(first, last), slice(max(run.start, first - margin), min(run.stop, last + margin))
