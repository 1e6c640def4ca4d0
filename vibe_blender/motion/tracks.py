# SPDX-License-Identifier: GPL-3.0-or-later OR MIT
"""Rotations and places of a body over time as one thing that can be differenced, moved, interpolated and prolonged.

Rotations are only ever compared as small turns from one to another (the logarithm of ``a^-1 b``, in the axes of ``a``),
so that nothing depends on the world's axes, on how often a body has turned round, or on a quaternion's sign.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..contract.quaternions import Array, conjugate, continuous, from_axis_angles, multiply


@dataclass(frozen=True)
class Tracks:
    """Turning and moving parts over time.

    Attributes:
        turns: (T, J, 4) unit quaternions whose signs do not jump.
        places: (T, P, 3) metres.
    """

    turns: Array
    places: Array

    def __len__(self) -> int:
        """How many frames there are."""
        return len(self.turns)

    def __getitem__(self, frames: slice | NDArray[np.integer]) -> Tracks:
        """Some of the frames."""
        return Tracks(self.turns[frames], self.places[frames])

    def since(self, other: Tracks) -> Array:
        """How to get here from ``other`` (1 or T frames): (T, J + P, 3) rotation vectors, its axes; then metres.

        The signs of the quaternions say which way round a turn of more than half is meant.
        """
        turned = _rotation_vectors(multiply(conjugate(other.turns), self.turns))
        return np.concatenate([turned, self.places - other.places], axis=1)

    def moved(self, vectors: Array) -> Tracks:
        """The reverse of ``since``: moved by (T, J + P, 3)."""
        count = self.turns.shape[1]
        turns = multiply(self.turns, from_axis_angles(vectors[:, :count]))
        return Tracks(turns, self.places + vectors[:, count:])

    def steps(self) -> Array:
        """From each frame to the next: (T - 1, J + P, 3)."""
        return self[1:].since(self[:-1])

    def prolonged(self, before: int, after: int, calm: int) -> Tracks:
        """With so many more frames at both ends, each end turned half round about itself (a point reflection).

        Steady motion goes on steadily, and a halt stays one. The point is the end of a straight line through the first
        (last) ``calm`` frames, so that a wild last frame does not throw the rest.
        """
        whole = self._reflected(before, calm)._backwards()._reflected(after, calm)._backwards()
        return Tracks(continuous(whole.turns), whole.places)

    def _backwards(self) -> Tracks:
        return self[::-1]

    def _reflected(self, count: int, calm: int) -> Tracks:
        whole = self
        while count > 0 and len(self) > 1:
            taken = min(count, len(whole) - 1)
            first = whole[:1].moved(whole._first_on_line(calm))
            mirrored = whole[taken:0:-1]
            turns = multiply(multiply(first.turns, conjugate(mirrored.turns)), first.turns)
            places = 2 * first.places - mirrored.places
            whole = Tracks(np.concatenate([turns, whole.turns]), np.concatenate([places, whole.places]))
            count -= taken
        return whole

    def _first_on_line(self, calm: int) -> Array:
        """From the first frame to where a line through the first ``calm`` frames begins (1, J + P, 3)."""
        calm = min(max(calm, 1), len(self))
        weights = (2 * (2 * calm - 1) - 6 * np.arange(calm)) / (calm * (calm + 1))
        return np.einsum("t,tcd->cd", weights, self[:calm].since(self[:1]))[None]


def _rotation_vectors(q: Array) -> Array:
    """Rotation vectors (..., 3), radians, of unit quaternions (..., 4): they go on past half a turn, up to a whole."""
    sine = np.sqrt(np.sum(q[..., 1:] ** 2, axis=-1, keepdims=True))
    angle = 2.0 * np.arctan2(sine, q[..., :1])
    return q[..., 1:] * np.where(sine > 1e-9, angle / np.maximum(sine, 1e-9), 2.0)


def interpolated(tracks: Tracks, times: Array, wanted: Array) -> Tracks:
    """The tracks at other moments: cubic Hermite curves through all frames, in the axes of the frame before.

    Args:
        tracks: T >= 2 frames.
        times: (T,) seconds, ascending.
        wanted: (N,) seconds inside them.
    """
    seconds = np.diff(times)[:, None, None]
    rates = tracks.steps() / seconds
    middle = (rates[:-1] * seconds[1:] + rates[1:] * seconds[:-1]) / (seconds[1:] + seconds[:-1])
    rates_at = np.concatenate([rates[:1], middle, rates[-1:]])
    before = np.clip(np.searchsorted(times, wanted, "right") - 1, 0, len(times) - 2)
    share = (wanted - times[before]) / seconds[before, 0, 0]
    return eased(tracks[before], tracks[before + 1], (rates_at[before], rates_at[before + 1]), share, seconds[before])


def eased(start: Tracks, end: Tracks, rates: tuple[Array, Array], share: Array, seconds: Array) -> Tracks:
    """Between two frames with the given rates at both: the cubic Hermite curve in the axes of the first.

    Args:
        start, end: N frames each.
        rates: two of (N, J + P, 3) per second, each in the axes of its own frame.
        share: (N,) 0..1, how far from start to end.
        seconds: (N, 1, 1) from start to end.
    """
    whole, turning = end.since(start), start.turns.shape[1]
    first, last = rates[0] * seconds, np.array(rates[1] * seconds)
    # A rate in the end's axes as the rate of the rotation vector from the start (inverse right Jacobian, 2nd order).
    bent = np.cross(whole[:, :turning], last[:, :turning])
    last[:, :turning] += bent / 2 + np.cross(whole[:, :turning], bent) / 12
    share = share[:, None, None]
    rise = (1 - share) * (first - whole) - share * (last - whole)
    return start.moved(share * whole + share * (1 - share) * rise)
