# SPDX-License-Identifier: MIT
from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from backend.banded import BandedNormal, robust, windows

COUNT, UNKNOWNS = 6, 3


def rows_and_values() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    random = np.random.default_rng(0)
    times = np.cumsum(random.uniform(0.02, 0.3, COUNT))
    return random.normal(size=(COUNT, 4, UNKNOWNS)), random.normal(size=(COUNT, 4)), times


def test_second_differences_are_those_of_the_true_times() -> None:
    rows, values, times = rows_and_values()
    blocks = [np.zeros((COUNT - k, UNKNOWNS, UNKNOWNS)) for k in range(3)]
    normal = BandedNormal(blocks, np.zeros((COUNT, UNKNOWNS)), 0.0)
    normal.blocks[0] += np.eye(UNKNOWNS)
    normal.add_second_differences(rows, values, times)
    jacobian, residual = np.zeros((COUNT - 2, 4, COUNT, UNKNOWNS)), np.zeros((COUNT - 2, 4))
    for t in range(COUNT - 2):
        # Of the parabola through three points, twice the leading coefficient.
        factors = 2 * np.linalg.inv(np.vander(times[t : t + 3] - times[t]))[0]
        for n, factor in enumerate(factors, start=t):
            jacobian[t, :, n] = factor * rows[n]
        residual[t] = factors @ values[t : t + 3]
    jacobian, residual = jacobian.reshape(-1, COUNT * UNKNOWNS), residual.ravel()
    assert normal.cost == pytest.approx(residual @ residual)
    assert normal.gradient.ravel() == pytest.approx(residual @ jacobian)
    whole = jacobian.T @ jacobian + np.eye(COUNT * UNKNOWNS)
    assert normal.step(0.0).ravel() == pytest.approx(np.linalg.solve(whole, -residual @ jacobian))
    damped = whole + 0.5 * np.diag(np.diag(whole))
    sides = np.random.default_rng(1).normal(size=(COUNT, UNKNOWNS, 2))
    assert normal.solve(sides, 0.5).reshape(-1, 2) == pytest.approx(np.linalg.solve(damped, sides.reshape(-1, 2)))


def test_two_frames_have_no_second_difference() -> None:
    normal = BandedNormal([np.tile(np.eye(3), (2, 1, 1)), np.zeros((1, 3, 3)), np.zeros((0, 3, 3))], np.ones((2, 3)), 0)
    normal.add_second_differences(np.ones((2, 1, 3)), np.ones((2, 1)), np.array([0.0, 1.0]))
    assert normal.cost == 0
    assert np.allclose(normal.step(0.0), -1)


def test_far_residuals_cost_less_than_their_square() -> None:
    squares = np.array([1e-6, 1.0, 1e4])
    weight, cost = robust(squares, 2.0)
    assert weight[0] == pytest.approx(1.0, abs=1e-6)
    assert cost[0] == pytest.approx(squares[0], rel=1e-5)
    ahead, behind = (robust(squares * (1 + step), 2.0)[1] for step in (1e-6, -1e-6))
    assert (ahead - behind) / (2e-6 * squares) == pytest.approx(weight, rel=1e-4)


@pytest.mark.parametrize(("count", "overlap"), [(1, 3), (10, 3), (12, 3), (13, 3), (40, 3), (40, 0)])
def test_windows_cover_every_frame_and_share_some(count: int, overlap: int) -> None:
    found = windows(count, 10, overlap)
    assert sorted({frame for window in found for frame in range(window.start, window.stop)}) == list(range(count))
    for before, after in pairwise(found):
        assert before.stop - after.start == overlap
    assert all(window.stop - window.start < 10 + max(overlap, 1) for window in found)
