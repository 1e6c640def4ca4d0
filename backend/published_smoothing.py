# SPDX-License-Identifier: MIT
"""VIBE's own smoothing (``--smooth`` of its demo), to compare with its results; our clean-up works on rotations."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating]

_DERIVATIVE_CUTOFF = 1.0


@dataclass(frozen=True)
class PublishedOneEuro:
    """One-Euro (Casiez et al. 2012) on each number by itself, with time counted in rows.

    The speed is taken against the last *smoothed* value, unlike MediaPipe's filter in ``backend.one_euro``. The numbers
    are axis-angles, whose signs may flip where an angle is near half a turn, as the root's is; the flip is smeared over
    the frames behind it. A gap is no longer than a frame. That is how the published program does it, so it serves
    comparison only.

    Attributes:
        min_cutoff: cycles a frame that pass while nothing moves.
        beta: how much of the speed (radians a frame) is added to that.
    """

    min_cutoff: float = 0.004
    beta: float = 0.7

    def smooth(self, poses: Array) -> Array:
        """The smoothed poses: of (T, 72), or any (T, ...), radians, as much."""
        smooth = np.array(poses, dtype=float)
        speed = np.zeros(smooth.shape[1:])
        share_of_speed = _share(_DERIVATIVE_CUTOFF)
        for frame in range(1, len(smooth)):
            change = smooth[frame] - smooth[frame - 1]  # the row before is smoothed already, this one not yet
            speed = speed + share_of_speed * (change - speed)
            smooth[frame] = smooth[frame - 1] + _share(self.min_cutoff + self.beta * np.abs(speed)) * change
        return smooth


def _share(cutoff: float | Array) -> float | Array:
    """How much of a new value counts, at a cutoff in cycles a frame."""
    ratio = 2 * math.pi * cutoff
    return ratio / (ratio + 1.0)
