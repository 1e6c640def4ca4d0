# SPDX-License-Identifier: MIT
from __future__ import annotations

import numpy as np
import pytest

from backend.slerp_filter import SlerpFilter
from vibe_blender.contract.quaternions import conjugate, continuous, from_axis_angles, multiply, to_axis_angles


def about(axis: list[float], angles: np.ndarray) -> np.ndarray:
    """(T, 4) turns about one axis."""
    return from_axis_angles(np.array(axis) / np.linalg.norm(axis) * angles[:, None])


def walk(seed: int, *shape: int) -> np.ndarray:
    """(T, ..., 4) rotations that wander, with signs by chance."""
    random = np.random.default_rng(seed)
    steps = from_axis_angles(random.normal(0, 0.3, (*shape, 3)))
    for frame in range(1, len(steps)):
        steps[frame] = multiply(steps[frame - 1], steps[frame])
    return steps * random.choice([-1.0, 1.0], (*shape, 1))


def apart(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Radians between rotations."""
    return np.linalg.norm(to_axis_angles(multiply(conjugate(a), b)), axis=-1)


@pytest.mark.parametrize("share", [0.3, 0.05, 0.9, 1.0])
def test_each_joint_goes_a_share_of_the_way(share: float) -> None:
    rotations = walk(1, 60, 5)
    before = rotations.copy()
    smooth = SlerpFilter(share).smooth(rotations)
    assert np.array_equal(rotations, before)
    assert np.array_equal(smooth[0], rotations[0])
    for joint in range(5):
        now = rotations[0, joint]
        for frame in range(1, 60):
            # The same by the turn that is still to make, of which a share is made.
            rest = to_axis_angles(multiply(conjugate(now), rotations[frame, joint]))
            now = multiply(now, from_axis_angles(share * rest))
            assert apart(smooth[frame, joint], now) < 1e-7
    assert np.linalg.norm(smooth, axis=-1) == pytest.approx(1.0)
    assert np.array_equal(continuous(smooth), smooth)


def test_signs_are_of_no_interest() -> None:
    rotations = walk(2, 40, 24)
    turned = np.where(np.arange(40)[:, None, None] % 2 == 1, -rotations, rotations)
    assert apart(SlerpFilter().smooth(rotations), SlerpFilter().smooth(turned)).max() < 1e-7


def test_about_half_a_turn_nothing_spins() -> None:
    """Where a root is: axis-angles jump from +pi to -pi there, and a filter of them would turn the body around."""
    angles = np.pi + 0.05 * np.sin(np.arange(100) / 5)
    rotations = from_axis_angles(to_axis_angles(about([1, 0, 0], angles)))
    smooth = SlerpFilter().smooth(rotations)
    assert apart(smooth, about([1, 0, 0], np.full(100, np.pi))).max() < 0.051


@pytest.mark.parametrize("share", [0.3, 0.6])
def test_what_moves_evenly_comes_late(share: float) -> None:
    angles = 0.1 * np.arange(100)
    smooth = SlerpFilter(share).smooth(about([1, 2, 3], angles))
    late = SlerpFilter(share).lag
    assert apart(smooth[60:], about([1, 2, 3], angles[60:] - 0.1 * late)).max() < 1e-6
    assert SlerpFilter().lag == pytest.approx(7 / 3)


def test_trembling_is_less() -> None:
    noise = from_axis_angles(np.random.default_rng(3).normal(0, 0.05, (400, 24, 3)))
    smooth = SlerpFilter().smooth(noise)
    # White noise through an exponential mean keeps this share of its variance.
    expected = np.sqrt(0.3 / (2 - 0.3))
    still = np.array([1.0, 0.0, 0.0, 0.0])
    ratio = np.sqrt((apart(smooth[20:], still) ** 2).mean() / (apart(noise[20:], still) ** 2).mean())
    assert ratio == pytest.approx(expected, rel=0.03)


def test_what_stands_still_is_left_alone() -> None:
    still = np.repeat(walk(4, 1, 24), 30, axis=0)
    assert np.abs(SlerpFilter().smooth(still) - still).max() < 1e-15


def test_nothing_and_one_frame_come_back() -> None:
    assert SlerpFilter().smooth(np.zeros((0, 24, 4))).shape == (0, 24, 4)
    one = walk(6, 1, 24)
    assert np.array_equal(SlerpFilter().smooth(one), one)


@pytest.mark.parametrize("share", [0.0, -0.1, 1.01, float("nan")])
def test_other_shares_are_refused(share: float) -> None:
    with pytest.raises(ValueError, match="above 0"):
        SlerpFilter(share)
