# SPDX-License-Identifier: GPL-3.0-or-later OR MIT
"""Values of a curve between keys with handles, at many times at once, as Blender finds them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..contract.quaternions import Array

_CLOSE, _MOST_STEPS = 1e-13, 80


def values_between(before: Array, right: Array, left: Array, after: Array, times: Array) -> Array:
    """The values (N,) of cubic Bezier pieces, each at one time between its keys.

    A handle that reaches further than the other key is shortened to that, as Blender does it before it evaluates; so
    there is one value at every time.

    Args:
        before, after: (N, 2) time and value of the keys on both sides, ``before`` the earlier.
        right, left: (N, 2) the ends of the handles after the first and before the second; ``has_one_value``.
        times: (N,).
    """
    way = after[:, 0] - before[:, 0]
    right = before + _shortened(right - before, way)
    left = after + _shortened(left - after, way)
    u = (times - before[:, 0]) / way
    share = _share((right[:, 0] - before[:, 0]) / way, (left[:, 0] - before[:, 0]) / way, u)
    rest = 1.0 - share
    weights = (rest**3, 3.0 * share * rest**2, 3.0 * share**2 * rest, share**3)
    return sum((w * p[:, 1] for w, p in zip(weights, (before, right, left, after), strict=True)), np.zeros(len(times)))


def has_one_value(before: Array, right: Array, left: Array, after: Array) -> NDArray[np.bool_]:
    """(N,) whether pieces have one value at every time: their handles do not point backwards."""
    return (after[:, 0] > before[:, 0]) & (right[:, 0] >= before[:, 0]) & (left[:, 0] <= after[:, 0])


def _shortened(handle: Array, way: Array) -> Array:
    """Handles (N, 2) from their keys, no longer in time than ``way`` (N,)."""
    length = np.abs(handle[:, 0])
    return handle * np.where(length > way, way / np.maximum(length, 1e-30), 1.0)[:, None]


def _share(first: Array, second: Array, wanted: Array) -> Array:
    """Where (N,) along a curve in time that goes from 0 to 1, by way of two others, time is as wanted.

    Newton's method, kept between bounds that close in: where handles are long the curve is nearly level half way.
    """
    # ((a s + b) s + c) s
    c = 3.0 * first
    b = 3.0 * (second - first) - c
    a = 1.0 - c - b
    share, low, high = wanted.copy(), np.zeros_like(wanted), np.ones_like(wanted)
    for _ in range(_MOST_STEPS):
        off: Array = ((a * share + b) * share + c) * share - wanted
        if np.abs(off).max(initial=0.0) < _CLOSE:
            break
        low, high = np.where(off <= 0.0, share, low), np.where(off >= 0.0, share, high)
        slope = (3.0 * a * share + 2.0 * b) * share + c
        step = share - np.divide(off, slope, out=np.full_like(off, np.inf), where=np.abs(slope) > 1e-12)
        share = np.where((step > low) & (step < high), step, 0.5 * (low + high))
    return share
