# SPDX-License-Identifier: MIT
from __future__ import annotations

import math

import numpy as np
import pytest

from backend.published_smoothing import PublishedOneEuro

GOLDEN_IN = [0, 0.1, 0.2, 0.15, 0.4]
GOLDEN_OUT = [0, 0.02880368, 0.10085963, 0.11242889, 0.2665628]


def one_number(values: list[float], min_cutoff: float, beta: float) -> list[float]:
    """The published filter, written out for one number."""

    def factor(cutoff: float) -> float:
        r = 2 * math.pi * cutoff
        return r / (r + 1)

    smooth, derivative = [values[0]], 0.0
    for value in values[1:]:
        a = factor(1.0)
        derivative = a * (value - smooth[-1]) + (1 - a) * derivative
        a = factor(min_cutoff + beta * abs(derivative))
        smooth.append(a * value + (1 - a) * smooth[-1])
    return smooth


def test_golden_sequence() -> None:
    assert PublishedOneEuro().smooth(np.array(GOLDEN_IN)) == pytest.approx(GOLDEN_OUT, abs=1e-8)
    assert PublishedOneEuro(0.004, 0.7).smooth(np.array(GOLDEN_IN)) == pytest.approx(GOLDEN_OUT, abs=1e-8)


@pytest.mark.parametrize(("min_cutoff", "beta"), [(0.004, 0.7), (0.004, 1.5), (0.1, 0.0), (0.0, 0.7)])
def test_every_number_of_a_pose_is_smoothed_by_itself(min_cutoff: float, beta: float) -> None:
    poses = np.cumsum(np.random.default_rng(2).normal(0, 0.1, (50, 72)), axis=0)
    before = poses.copy()
    smooth = PublishedOneEuro(min_cutoff, beta).smooth(poses)
    for number in range(72):
        assert smooth[:, number] == pytest.approx(one_number(list(poses[:, number]), min_cutoff, beta))
    assert np.array_equal(poses, before)
    assert np.abs(np.diff(smooth, axis=0)).mean() < np.abs(np.diff(poses, axis=0)).mean()


def test_nothing_and_one_frame_come_back() -> None:
    assert PublishedOneEuro().smooth(np.zeros((0, 72))).shape == (0, 72)
    assert np.array_equal(PublishedOneEuro().smooth(np.ones((1, 72))), np.ones((1, 72)))
