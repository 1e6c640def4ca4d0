# SPDX-License-Identifier: MIT
from __future__ import annotations

import numpy as np
import pytest

from vibe_blender.motion import filters

STEP_S = 1 / 30.0
HZ = filters.frequencies(512, STEP_S)
LINEAR = {
    "gaussian": filters.gaussian,
    "butterworth": filters.butterworth,
    "savitzky_golay": filters.savitzky_golay,
}


@pytest.mark.parametrize("cutoff", [0.3, 1.0, 4.0, 9.0, 14.0])
@pytest.mark.parametrize("name", list(LINEAR))
def test_responses_pass_rest_and_are_at_minus_3_db_at_the_cutoff(name: str, cutoff: float) -> None:
    response = LINEAR[name](np.array([0.0, cutoff]), cutoff, STEP_S)
    assert response == pytest.approx([1.0, np.sqrt(0.5)], abs=1e-9)


@pytest.mark.parametrize("name", ["butterworth", "savitzky_golay"])
def test_what_is_above_what_frames_can_show_is_left(name: str) -> None:
    assert LINEAR[name](HZ, 40.0, STEP_S) == pytest.approx(np.ones(len(HZ)))


def test_a_gaussian_beyond_what_frames_can_show_does_less_and_less() -> None:
    least = [filters.gaussian(HZ, cutoff, STEP_S).min() for cutoff in (10.0, 15.0, 30.0, 300.0)]
    assert np.all(np.diff(least) > 0)
    assert least[-1] > 0.999


@pytest.mark.parametrize("cutoff", [0.5, 2.0, 6.0, 14.0])
def test_the_gaussian_is_a_mean(cutoff: float) -> None:
    """No weight is negative, so it cannot overshoot."""
    impulse = np.zeros((512, 1))
    impulse[256] = 1.0
    weights = filters.filtered(impulse, filters.gaussian(HZ, cutoff, STEP_S))
    assert weights.min() > -1e-12
    assert weights.sum() == pytest.approx(1.0)


@pytest.mark.parametrize("cutoff", [1.0, 2.7, 6.0])
def test_savitzky_golay_leaves_cubics_as_they_are(cutoff: float) -> None:
    at = np.linspace(-1, 1, 512)
    cubic = (0.5 - at + 2 * at**2 + 3 * at**3)[:, None]
    done = filters.filtered(cubic, filters.savitzky_golay(HZ, cutoff, STEP_S))
    np.testing.assert_allclose(done[100:-100], cubic[100:-100], atol=1e-9)


def test_savitzky_golay_is_a_fitted_cubic() -> None:
    """Where a window of whole frames has exactly the cutoff, it is numpy's own fit."""
    half, away = 4, np.arange(-4, 5)
    values = np.random.default_rng(1).normal(size=(512, 1))
    weights = np.linalg.pinv(np.vander(away, 4))[3]
    grid = np.linspace(0.5, 8.0, 200001)
    response = np.cos(2 * np.pi * STEP_S * grid[:, None] * away) @ weights
    cutoff = float(grid[np.argmax(response < np.sqrt(0.5))])
    done = filters.filtered(values, filters.savitzky_golay(HZ, cutoff, STEP_S))
    fitted = np.convolve(values[:, 0], weights[::-1], "same")
    np.testing.assert_allclose(done[half:-half, 0], fitted[half:-half], atol=1e-3)


def test_butterworth_is_the_recursion_run_forth_and_back() -> None:
    """Against the biquad written out (bilinear transform), at a cutoff corrected for the two passes."""
    cutoff = 3.0
    turn = np.tan(np.pi * cutoff * STEP_S) / (np.sqrt(2.0) - 1.0) ** 0.25
    scale = 1 + np.sqrt(2) * turn + turn**2
    b = np.array([1.0, 2.0, 1.0]) * turn**2 / scale
    a1, a2 = 2 * (turn**2 - 1) / scale, (1 - np.sqrt(2) * turn + turn**2) / scale
    values = np.zeros(512)
    values[200:] = np.random.default_rng(2).normal(size=312)
    values[300:] = 0.0

    def run(x: np.ndarray) -> np.ndarray:
        y = np.zeros_like(x)
        for t in range(2, len(x)):
            y[t] = b @ x[[t, t - 1, t - 2]] - a1 * y[t - 1] - a2 * y[t - 2]
        return y

    expected = run(run(values)[::-1])[::-1]
    done = filters.filtered(values[:, None], filters.butterworth(HZ, cutoff, STEP_S))[:, 0]
    np.testing.assert_allclose(done, expected, atol=1e-9)


def test_the_exponential_mean_is_the_recursion_in_both_directions() -> None:
    random = np.random.default_rng(3)
    values, cutoffs = random.normal(size=(300, 2, 3)), random.uniform(0.2, 12.0, (300, 2))
    cosine = np.cos(2 * np.pi * cutoffs * STEP_S)
    a, b, c = np.sqrt(2) * cosine - 1, 2 * cosine - np.sqrt(2) * (1 + cosine), np.sqrt(2) - 1
    keep = ((-b - np.sqrt(b**2 - 4 * a * c)) / (2 * a))[..., None]

    def run(x: np.ndarray, keep: np.ndarray) -> np.ndarray:
        y = [x[0]]
        for t in range(1, len(x)):
            y.append(keep[t] * y[-1] + (1 - keep[t]) * x[t])
        return np.stack(y)

    expected = (run(values, keep) + run(values[::-1], keep[::-1])[::-1]) / 2
    np.testing.assert_allclose(filters.following(values, cutoffs, STEP_S), expected, atol=1e-9)


@pytest.mark.parametrize("cutoff", [0.5, 3.0, 10.0])
def test_the_exponential_mean_is_at_minus_3_db_at_its_cutoff(cutoff: float) -> None:
    times = np.arange(4000) * STEP_S
    sine = np.sin(2 * np.pi * cutoff * times)[:, None, None] * np.ones(3)
    done = filters.following(sine, np.full((4000, 1), cutoff), STEP_S)[500:-500, 0, 0]
    wave = np.stack([np.sin(2 * np.pi * cutoff * times), np.cos(2 * np.pi * cutoff * times)], axis=1)[500:-500]
    assert np.linalg.lstsq(wave, done, rcond=None)[0] == pytest.approx([np.sqrt(0.5), 0.0], abs=1e-3)
