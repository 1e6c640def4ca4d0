# SPDX-License-Identifier: MIT
"""The One-Euro filter: smooths slow motion much and fast motion little (Casiez et al. 2012), in MediaPipe's variant."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from vibe_blender.contract.quaternions import Array

_FIRST_FREQUENCY_HZ = 30.0


class OneEuro:
    """One-Euro filter of an array, as in one_euro_filter.cc of mediapipe 0.10.21.

    Unlike the paper's, the speed is taken against the last *raw* value and in units of an object's size.
    """

    def __init__(self, min_cutoff: float, beta: float, derivative_cutoff: float = 1.0) -> None:
        self._min_cutoff = min_cutoff
        self._beta = beta
        self._derivative_cutoff = derivative_cutoff
        self._time_s = 0.0
        self._frequency = _FIRST_FREQUENCY_HZ
        self._raw: Array | None = None
        self._smooth: Array = np.zeros(0)
        self._speed: Array = np.zeros(0)

    def __call__(self, time_s: float, values: Array, object_scale: float = 1.0) -> Array:
        """The smoothed values, same shape and unit as ``values``.

        Args:
            time_s: seconds; a time not after the last one leaves the values as they come.
            values: any shape, the same at every call.
            object_scale: size of the thing that moves, in the unit of ``values``; speed is measured in sizes a second.
        """
        values = np.array(values, dtype=float)
        if self._raw is None:
            self._time_s, self._raw, self._smooth, self._speed = time_s, values, values, np.zeros_like(values)
            return values
        if time_s <= self._time_s:
            return values
        self._frequency = 1.0 / (time_s - self._time_s)
        speed = (values - self._raw) * (self._frequency / object_scale)
        self._speed = self._speed + self._alpha(self._derivative_cutoff) * (speed - self._speed)
        cutoff = self._min_cutoff + self._beta * np.abs(self._speed)
        self._smooth = self._smooth + self._alpha(cutoff) * (values - self._smooth)
        self._time_s, self._raw = time_s, values
        return self._smooth

    def record(self) -> list[object]:
        """What the filter remembers, as JSON values."""
        raw = None if self._raw is None else self._raw.tolist()
        return [self._time_s, self._frequency, raw, self._smooth.tolist(), self._speed.tolist()]

    def recall(self, record: list[Any]) -> None:
        """Goes on where the filter that gave this ``record`` was."""
        self._time_s, self._frequency, raw, smooth, speed = record
        if raw is not None:
            self._raw, self._smooth, self._speed = np.array(raw), np.array(smooth), np.array(speed)

    def _alpha(self, cutoff: float | Array) -> float | Array:
        return 1.0 / (1.0 + self._frequency / (2 * math.pi * cutoff))
