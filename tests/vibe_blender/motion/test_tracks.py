# SPDX-License-Identifier: MIT
from __future__ import annotations

import numpy as np
import pytest

from vibe_blender.contract.quaternions import conjugate, continuous, from_axis_angles, multiply, to_axis_angles
from vibe_blender.motion.tracks import Tracks, eased, interpolated

AXIS = np.array([0.36, -0.48, 0.8])


def spinning(angles: np.ndarray) -> Tracks:
    """Two joints turned by angles (T,) about a fixed axis, one twice as fast, and a place that goes along it."""
    turns = np.stack([from_axis_angles(times * angles[:, None] * AXIS) for times in (1, 2)], axis=1)
    return Tracks(continuous(turns), angles[:, None, None] * AXIS)


def apart(a: Tracks, b: Tracks) -> float:
    """The largest angle, radians, or distance, metres, between tracks."""
    turned = np.linalg.norm(to_axis_angles(multiply(conjugate(a.turns), b.turns)), axis=-1).max()
    return max(float(turned), float(np.abs(a.places - b.places).max(initial=0.0)))


def wild(count: int, seed: int = 1) -> Tracks:
    random = np.random.default_rng(seed)
    return Tracks(continuous(from_axis_angles(random.normal(size=(count, 3, 3)))), random.normal(size=(count, 1, 3)))


def test_moved_takes_back_what_since_says() -> None:
    a, b = wild(20), wild(20, seed=2)
    assert apart(a.moved(b.since(a)), b) < 1e-9
    assert np.abs(a.since(a)).max() < 1e-9


def test_turns_beyond_half_are_told_by_signs() -> None:
    angles = np.linspace(0.0, 1.9 * np.pi, 30)
    turned = spinning(angles)
    since = turned.since(turned[:1])
    np.testing.assert_allclose(since[:, 0], angles[:, None] * AXIS, atol=1e-9)


@pytest.mark.parametrize("count", [2, 3, 10])
def test_steady_motion_is_prolonged_steadily_however_far(count: int) -> None:
    angles = 0.3 * np.arange(-25, count + 40)
    whole = spinning(angles)
    for calm in (1, 2, 5):
        longer = whole[25 : 25 + count].prolonged(25, 40, calm)
        assert len(longer) == len(whole)
        assert apart(longer, whole) < 1e-9
        assert np.sum(longer.turns[1:] * longer.turns[:-1], axis=-1).min() > 0


def test_what_is_prolonged_is_itself_in_the_middle() -> None:
    tracks = wild(12)
    longer = tracks.prolonged(7, 30, 3)
    assert len(longer) == 49
    assert apart(longer[7:19], tracks) < 1e-9


def test_a_wild_last_frame_does_not_throw_what_follows() -> None:
    angles = np.zeros(30)
    angles[-1] = 0.3
    after = [np.abs(spinning(angles).prolonged(5, 20, calm).places[-15:]).mean() for calm in (1, 6)]
    assert after[1] < 0.7 * after[0]


def test_curves_go_through_all_frames_and_keep_steady_motion() -> None:
    times = np.cumsum(np.random.default_rng(4).uniform(0.02, 0.06, 30))
    tracks = wild(30)
    assert apart(interpolated(tracks, times, times), tracks) < 1e-9
    wanted = np.sort(np.random.default_rng(5).uniform(times[0], times[-1], 100))
    assert apart(interpolated(spinning(8.0 * times), times, wanted), spinning(8.0 * wanted)) < 1e-9


def test_curves_are_far_better_than_straight_lines() -> None:
    times, wanted = np.arange(60) / 30.0, np.arange(20, 1500) / 900.0
    swing = lambda at: spinning(0.5 * np.sin(2 * np.pi * 3.0 * at))  # noqa: E731
    assert apart(interpolated(swing(times), times, wanted), swing(wanted)) < 0.025
    nearest = swing(times).places[:, 0]
    straight = np.stack([np.interp(wanted, times, nearest[:, axis]) for axis in range(3)], axis=1)
    assert np.abs(straight - swing(wanted).places[:, 0]).max() > 0.018


def test_rates_at_both_ends_are_met() -> None:
    start, end = wild(1), wild(1, seed=3)
    start = Tracks(start.turns, start.places)
    end = start.moved(0.4 * np.random.default_rng(6).normal(size=(1, 4, 3)))
    rates = tuple(np.random.default_rng(seed).normal(size=(1, 4, 3)) for seed in (7, 8))
    seconds, small = np.full((1, 1, 1), 0.5), 1e-5

    def at(share: float) -> Tracks:
        return eased(start, end, (rates[0], rates[1]), np.array([share]), seconds)

    assert apart(at(0.0), start) < 1e-9
    assert apart(at(1.0), end) < 1e-9
    np.testing.assert_allclose(at(small).since(start) / (small * 0.5), rates[0], atol=1e-3)
    np.testing.assert_allclose(end.since(at(1 - small)) / (small * 0.5), rates[1], atol=0.01)
