# SPDX-License-Identifier: MIT
"""VIBE's own smoothing (``--smooth`` of its demo), to compare with its results; our clean-up works on rotations."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating]

MIN_CUTOFF, BETA = 0.004, 0.7
_DERIVATIVE_CUTOFF = 1.0


def one_euro_as_published(pose: Array, min_cutoff: float = MIN_CUTOFF, beta: float = BETA) -> Array:
    """The smoothed poses: One-Euro (Casiez et al. 2012) on each number by itself, with time counted in frames.

    The speed is taken against the last *smoothed* value, unlike MediaPipe's filter in ``backend.one_euro``. The numbers
    are axis-angles, whose signs may flip where an angle is near half a turn, as the root's is; the flip is smeared over
    the frames behind it. That is how the published program does it, so it serves comparison only.

    Args:
        pose: (T, 72) or any (T, ...), radians, one row a frame without gaps.
        min_cutoff: cycles a frame that pass while nothing moves.
        beta: how much of the speed (radians a frame) is added to that.
    """
    smooth = np.array(pose, dtype=float)
    speed = np.zeros(smooth.shape[1:])
    share_of_speed = _share(_DERIVATIVE_CUTOFF)
    for frame in range(1, len(smooth)):
        change = smooth[frame] - smooth[frame - 1]  # the row before is smoothed already, this one not yet
        speed = speed + share_of_speed * (change - speed)
        smooth[frame] = smooth[frame - 1] + _share(min_cutoff + beta * np.abs(speed)) * change
    return smooth


def _share(cutoff: float | Array) -> float | Array:
    """How much of a new value counts, at a cutoff in cycles a frame."""
    return 1.0 / (1.0 + 1.0 / (2 * math.pi * cutoff))
