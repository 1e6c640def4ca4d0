# SPDX-License-Identifier: MIT
from __future__ import annotations

import math

import numpy as np
import pytest

from backend.one_euro import OneEuro


def one_number_at_a_time(min_cutoff: float, beta: float, samples: list[tuple[float, float, float]]) -> list[float]:
    """The published calculator, written out for one number: (time, value, object scale) to smooth values."""

    def alpha(cutoff: float, frequency: float) -> float:
        return 1.0 / (1.0 + (1.0 / (2 * math.pi * cutoff)) / (1.0 / frequency))

    smooth: list[float] = []
    last_time = last_raw = last_speed = 0.0
    for time, value, scale in samples:
        if smooth:
            frequency = 1.0 / (time - last_time)
            speed = (value - last_raw) / scale * frequency
            share = alpha(1.0, frequency)
            last_speed = share * speed + (1 - share) * last_speed
            share = alpha(min_cutoff + beta * abs(last_speed), frequency)
            smooth.append(share * value + (1 - share) * smooth[-1])
        else:
            smooth.append(value)
        last_time, last_raw = time, value
    return smooth


def test_golden_step() -> None:
    smooth = OneEuro(0.05, 80.0)
    assert smooth(0.0, np.array([0.0]), 2.0) == pytest.approx([0.0])
    # speed 15 sizes a second, low-passed with 1 Hz to 2.59756; cutoff 207.855 Hz; share 0.97754
    assert smooth(1 / 30, np.array([1.0]), 2.0) == pytest.approx([0.97754], abs=1e-5)


def test_agrees_with_the_published_calculator_at_uneven_times() -> None:
    chance = np.random.default_rng(3)
    times = np.cumsum(chance.uniform(0.01, 0.2, 40))
    values = np.cumsum(chance.normal(size=(40, 2, 3)), axis=0)
    scales = chance.uniform(50, 80, 40)
    smooth = OneEuro(0.01, 10.0)
    ours = np.array([smooth(t, value, scale) for t, value, scale in zip(times, values, scales, strict=True)])
    for place in np.ndindex(2, 3):
        samples = [(t, values[(n, *place)], scales[n]) for n, t in enumerate(times)]
        assert ours[(slice(None), *place)] == pytest.approx(one_number_at_a_time(0.01, 10.0, samples))


def test_slow_shaking_is_smoothed_and_fast_motion_followed() -> None:
    times = np.arange(60) / 30
    shaking = 0.001 * (-1.0) ** np.arange(60)
    slow, fast = OneEuro(0.05, 80.0), OneEuro(0.05, 80.0)
    still = np.array([slow(t, np.array(value)) for t, value in zip(times, shaking, strict=True)])
    assert np.abs(np.diff(still[10:])).max() < 0.4 * np.abs(np.diff(shaking)).max()
    run = np.array([fast(t, np.array(5 * t)) for t in times])
    assert np.abs(run - 5 * times)[10:].max() < 0.01


def test_unit_of_the_values_does_not_matter() -> None:
    small, large = OneEuro(0.05, 80.0), OneEuro(0.05, 80.0)
    for number, value in enumerate([1.0, 1.4, 1.1, 3.0]):
        assert 100 * small(number / 30, np.array(value), 2.0) == pytest.approx(
            large(number / 30, np.array(100 * value), 200.0)
        )


def test_time_that_stands_still_changes_nothing() -> None:
    smooth, undisturbed = OneEuro(0.05, 80.0), OneEuro(0.05, 80.0)
    for each in (smooth, undisturbed):
        each(1.0, np.array([1.0]))
    assert smooth(1.0, np.array([9.0])) == pytest.approx([9.0])
    assert smooth(1.1, np.array([1.5])) == pytest.approx(undisturbed(1.1, np.array([1.5])))


def test_the_callers_array_is_not_kept() -> None:
    smooth = OneEuro(0.05, 80.0)
    values = np.array([1.0])
    smooth(0.0, values)
    values[0] = 50.0
    assert smooth(1 / 30, np.array([1.0])) == pytest.approx([1.0])
