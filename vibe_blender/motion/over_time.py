# SPDX-License-Identifier: GPL-3.0-or-later OR MIT
"""Rates, means and highest values over time that never reach across a gap in a person's frames."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..contract.quaternions import Array

_ROUNDING_S = 1e-6


@dataclass(frozen=True)
class Timeline:
    """When a person was seen.

    Attributes:
        times: (T,) seconds, ascending.
        frames: (T,) ascending video frame numbers.
        first, end: (T,) for every frame, where its run of consecutive frames begins, and the index after its last.
    """

    times: Array
    frames: Array
    first: NDArray[np.intp]
    end: NDArray[np.intp]

    @staticmethod
    def of(times: Array, frames: Array) -> Timeline:
        """The timeline of frames (T,) at times (T,)."""
        frames = np.asarray(frames)
        edges = np.flatnonzero(np.diff(frames) > 1) + 1
        first = np.concatenate([[0], edges]).astype(np.intp)
        end = np.concatenate([edges, [len(frames)]]).astype(np.intp)
        return Timeline(np.asarray(times), frames, np.repeat(first, end - first), np.repeat(end, end - first))

    def __len__(self) -> int:
        """How many frames there are."""
        return len(self.frames)

    @property
    def frame_s(self) -> float:
        """Seconds of a frame, the median; 0 of one."""
        return float(np.median(np.diff(self.times))) if len(self.times) > 1 else 0.0

    def velocities(self, values: Array) -> Array:
        """The rate of change (T, ...) per second of values (T, ...), from both neighbours; 0 of a single frame."""
        here = np.arange(len(self))
        before, after = np.maximum(here - 1, self.first), np.minimum(here + 1, self.end - 1)
        seconds = np.where(after > before, self.times[after] - self.times[before], 1.0)
        return (values[after] - values[before]) / _beside(seconds, values)

    def averaged(self, values: Array, seconds: float) -> Array:
        """The mean (T, ...) of values (T, ...) in a window of so many seconds around each frame, twice over.

        Towards the ends of a run the window becomes shorter on both sides, so that a steady motion is not bent there.
        """
        low, high = self._window(seconds)
        here = np.arange(len(self))
        reach = np.minimum(here - low, high - 1 - here)
        low, high = here - reach, here + reach + 1
        count = _beside((high - low).astype(float), values)
        for _ in range(2):
            sums = prefix_sums(values)
            values = (sums[high] - sums[low]) / count
        return values

    def highest(self, values: Array, seconds: float) -> Array:
        """The highest (T,) of values (T,) in a window of so many seconds around each frame."""
        low, high = self._window(seconds)
        # Two overlapping windows of a power of two frames cover any window: the sparse table of range queries.
        level = np.frexp(high - low)[1] - 1
        table = [np.asarray(values, dtype=float)]
        for power in range(int(level.max(initial=0))):
            shorter, half = table[-1], 1 << power
            table.append(np.maximum(shorter, np.concatenate([shorter[half:], shorter[len(shorter) - half :]])))
        rows = np.stack(table)
        return np.maximum(rows[level, low], rows[level, high - (1 << level)])

    def stretches(self, flags: NDArray[np.bool_]) -> NDArray[np.intp]:
        """First and after-last index (C, 2) of every stretch of true (T,), cut at the gaps."""
        starts = self.first == np.arange(len(self))
        goes_on = flags[1:] & flags[:-1] & ~starts[1:]
        first = np.flatnonzero(flags & ~np.concatenate([[False], goes_on]))
        end = np.flatnonzero(flags & ~np.concatenate([goes_on, [False]])) + 1
        return np.stack([first, end], axis=1)

    def _window(self, seconds: float) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        half = seconds / 2 + _ROUNDING_S
        low = np.maximum(np.searchsorted(self.times, self.times - half, "left"), self.first)
        high = np.minimum(np.searchsorted(self.times, self.times + half, "right"), self.end)
        return low, high


def velocities(values: Array, times: Array, frames: Array) -> Array:
    """``Timeline.velocities`` for those who need no more of a timeline."""
    return Timeline.of(times, frames).velocities(values)


def averaged(values: Array, times: Array, frames: Array, seconds: float) -> Array:
    """``Timeline.averaged`` for those who need no more of a timeline."""
    return Timeline.of(times, frames).averaged(values, seconds)


def prefix_sums(values: Array) -> Array:
    """(T + 1, ...): the sum of all values before each index; that of a stretch is the difference of two."""
    return np.concatenate([np.zeros((1, *values.shape[1:])), np.cumsum(values, axis=0)])


def _beside(per_frame: Array, values: Array) -> Array:
    return per_frame.reshape(-1, *[1] * (values.ndim - 1))
