# SPDX-License-Identifier: MIT
"""Values of curves between keys with handles, against the polynomials' own roots."""

import numpy as np
import pytest

from vibe_blender.motion.beziers import has_one_value, values_between

COUNT = 400


def pieces(reach: float, seed: int = 0) -> tuple[np.ndarray, ...]:
    """Keys and handles (N, 2), and a time (N,) between the keys."""
    random = np.random.default_rng(seed)
    before = np.column_stack([random.uniform(-1e3, 1e3, COUNT), random.normal(size=COUNT)])
    after = before + np.column_stack([random.uniform(1.0, 60.0, COUNT), random.normal(size=COUNT)])
    way = after[:, 0] - before[:, 0]
    right = before + np.column_stack([random.uniform(0.0, reach, COUNT) * way, random.normal(size=COUNT)])
    left = after - np.column_stack([random.uniform(0.0, reach, COUNT) * way, random.normal(size=COUNT)])
    return before, right, left, after, before[:, 0] + random.uniform(0.0, 1.0, COUNT) * way


@pytest.mark.parametrize("reach", [0.3, 1.0])
def test_values_are_those_at_the_root_of_the_polynomial_in_time(reach: float) -> None:
    corners = pieces(reach)
    for row, found in enumerate(values_between(*corners)):
        p0, p1, p2, p3, time = (corner[row] for corner in corners)
        x = [p3[0] - 3 * p2[0] + 3 * p1[0] - p0[0], 3 * (p2[0] - 2 * p1[0] + p0[0]), 3 * (p1[0] - p0[0]), p0[0] - time]
        roots = np.roots(x)
        near = roots[np.argmin(np.abs(roots.imag) + np.maximum(np.abs(roots.real - 0.5) - 0.5, 0.0))].real
        weights = [(1 - near) ** 3, 3 * near * (1 - near) ** 2, 3 * near**2 * (1 - near), near**3]
        assert found == pytest.approx(np.dot(weights, [p0[1], p1[1], p2[1], p3[1]]), abs=1e-6)


def test_handles_a_third_of_the_way_are_hermite_s_curve() -> None:
    before, right, left, after, times = pieces(1.0)
    way = after[:, 0] - before[:, 0]
    right[:, 0], left[:, 0] = before[:, 0] + way / 3, after[:, 0] - way / 3
    u = (times - before[:, 0]) / way
    slopes = 3.0 * (right - before)[:, 1], 3.0 * (after - left)[:, 1]
    wanted = (1 + 2 * u) * (1 - u) ** 2 * before[:, 1] + u * u * (3 - 2 * u) * after[:, 1]
    wanted += u * (1 - u) ** 2 * slopes[0] + u * u * (u - 1) * slopes[1]
    assert np.allclose(values_between(before, right, left, after, times), wanted, atol=1e-9)


def test_handles_that_reach_beyond_the_other_key_are_shortened() -> None:
    before, right, left, after, times = pieces(4.0)
    way = after[:, 0] - before[:, 0]
    cut = []
    for key, handle in ((before, right), (after, left)):
        length = np.abs(handle[:, 0] - key[:, 0])
        cut.append(key + (handle - key) * np.minimum(way / length, 1.0)[:, None])
    found = values_between(before, right, left, after, times)
    assert np.allclose(found, values_between(before, *cut, after, times))
    assert np.abs(cut[0] - right).max() > 10.0


def test_keys_have_their_own_values() -> None:
    before, right, left, after, _ = pieces(1.0)
    assert np.allclose(values_between(before, right, left, after, before[:, 0]), before[:, 1])
    assert np.allclose(values_between(before, right, left, after, after[:, 0]), after[:, 1])


def test_a_level_stretch_half_way_is_passed() -> None:
    """Both handles as long as they can be: there the curve in time has a triple root."""
    before, after = np.zeros((3, 2)), np.tile([10.0, 1.0], (3, 1))
    right, left = np.tile([10.0, 0.0], (3, 1)), np.tile([0.0, 1.0], (3, 1))
    found = values_between(before, right, left, after, np.array([4.999, 5.0, 5.001]))
    assert found[1] == pytest.approx(0.5, abs=1e-3)
    assert found[0] < 0.5 < found[2]
    assert np.abs(found - 0.5).max() < 0.1


def test_handles_that_point_backwards_are_told() -> None:
    before, right, left, after, _ = pieces(1.0)
    assert has_one_value(before, right, left, after).all()
    assert not has_one_value(before, before - np.array([1.0, 0.0]), left, after).any()
    assert not has_one_value(before, right, after + np.array([1.0, 0.0]), after).any()
    assert not has_one_value(before, before, before, before).any()
