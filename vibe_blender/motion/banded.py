# SPDX-License-Identifier: GPL-3.0-or-later OR MIT
"""Least squares over time whose terms reach no further than two frames, without a loop over frames."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..contract.quaternions import Array
from .over_time import Timeline

_FEW = 8


@dataclass(frozen=True)
class Bands:
    """A symmetric positive definite system of B problems at once, each with K unknowns a frame.

    Attributes:
        here: (B, T, K, K) what couples a frame's unknowns with one another.
        one, two: (B, T, K, K) with those one and two frames later; the last of them count for nothing.
    """

    here: Array
    one: Array
    two: Array

    @staticmethod
    def empty(problems: int, frames: int, unknowns: int) -> Bands:
        """No terms yet."""
        shape = (problems, frames, unknowns, unknowns)
        return Bands(np.zeros(shape), np.zeros(shape), np.zeros(shape))

    def solved(self, right: Array) -> Array:
        """The unknowns (B, T, K, R) for right sides (B, T, K, R)."""
        problems, frames, size, _ = self.here.shape
        pairs = (frames + 1) // 2
        odd = 2 * pairs - frames
        here, one, two, sides = (
            np.concatenate([part, np.zeros((problems, odd, *part.shape[2:]))], axis=1)
            for part in (self.here, self.one, self.two, right)
        )
        if odd:
            here[:, -1], one[:, -2:], two[:, -3:] = np.eye(size), 0.0, 0.0
        diagonal = np.empty((problems, pairs, 2 * size, 2 * size))
        diagonal[..., :size, :size], diagonal[..., size:, size:] = here[:, ::2], here[:, 1::2]
        diagonal[..., :size, size:] = one[:, ::2]
        diagonal[..., size:, :size] = np.swapaxes(one[:, ::2], -1, -2)
        upper = np.zeros((problems, pairs - 1, 2 * size, 2 * size))
        upper[..., :size, :size], upper[..., size:, size:] = two[:, :-2:2], two[:, 1:-1:2]
        upper[..., size:, :size] = one[:, 1:-1:2]
        found = _reduced(diagonal, upper, sides.reshape(problems, pairs, 2 * size, -1))
        return found.reshape(problems, 2 * pairs, size, -1)[:, :frames]


def second_differences(timeline: Timeline) -> Array:
    """The second derivative (T, 3) per second squared: factors of the frame before, of each frame, and of the next.

    Nothing at the ends of a run of frames, where one of them is missing.
    """
    times, count = timeline.times, len(timeline)
    factors = np.zeros((count, 3))
    here = np.arange(count)
    inner = here[(here > timeline.first) & (here < timeline.end - 1)]
    before, after = times[inner] - times[inner - 1], times[inner + 1] - times[inner]
    middle = (before + after) / 2
    factors[inner] = np.stack([1 / before, -1 / before - 1 / after, 1 / after], axis=1) / middle[:, None]
    return factors


def squared(factors: Array) -> tuple[Array, Array, Array]:
    """The sum of squares of ``second_differences`` as three bands (T,): of each frame, with the next, with two on.

    Args:
        factors: (T, 3) of it.
    """
    before, here, after = factors.T
    own, one, two = here**2, np.zeros(len(here)), np.zeros(len(here))
    own[:-1] += before[1:] ** 2
    own[1:] += after[:-1] ** 2
    one[:-1] = before[1:] * here[1:] + here[:-1] * after[:-1]
    two[:-2] = before[1:-1] * after[1:-1]
    return own, one, two


def _reduced(diagonal: Array, upper: Array, right: Array) -> Array:
    """Solves block-tridiagonal systems by cyclic reduction (Golub and Hockney 1965): every second block at once.

    Args:
        diagonal: (B, N, K, K), symmetric.
        upper: (B, N - 1, K, K), to the next block; the transposed of each leads back.
        right: (B, N, K, R).
    """
    count, size = diagonal.shape[1], diagonal.shape[2]
    if count <= _FEW:
        return _all_at_once(diagonal, upper, right)
    to_even = upper[:, 1::2]  # from an odd block to the even one after it
    from_even = upper[:, ::2]  # from an even block to the odd one after it
    evens, odds = (count + 1) // 2, count // 2
    back = np.swapaxes(from_even, -1, -2)
    onwards = np.zeros_like(back)
    onwards[:, : to_even.shape[1]] = to_even
    # All that an odd block needs at once: its own solution, and how it follows the even blocks beside it.
    parts = np.linalg.solve(diagonal[:, 1::2], np.concatenate([back, onwards, right[:, 1::2]], axis=-1))
    after_even, before_even, own = parts[..., :size], parts[..., size : 2 * size], parts[..., 2 * size :]
    less, sides = diagonal[:, ::2].copy(), right[:, ::2].copy()
    less[:, :odds] -= from_even @ after_even
    sides[:, :odds] -= from_even @ own
    forth = np.swapaxes(to_even, -1, -2)
    last = evens - 1
    less[:, 1:] -= forth @ before_even[:, :last]
    sides[:, 1:] -= forth @ own[:, :last]
    even = _reduced(less, -from_even[:, :last] @ before_even[:, :last], sides)
    found = np.empty_like(right)
    found[:, ::2] = even
    found[:, 1::2] = own - after_even @ even[:, :odds]
    found[:, 1 : 2 * last : 2] -= before_even[:, :last] @ even[:, 1:]
    return found


def _all_at_once(diagonal: Array, upper: Array, right: Array) -> Array:
    """The same of a few blocks."""
    problems, count, size = diagonal.shape[:3]
    whole = np.zeros((problems, count, size, count, size))
    for block in range(count):
        whole[:, block, :, block] = diagonal[:, block]
    for block in range(count - 1):
        whole[:, block, :, block + 1] = upper[:, block]
        whole[:, block + 1, :, block] = np.swapaxes(upper[:, block], -1, -2)
    sides = right.reshape(problems, count * size, -1)
    return np.linalg.solve(whole.reshape(problems, count * size, count * size), sides).reshape(right.shape)
