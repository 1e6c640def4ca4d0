# SPDX-License-Identifier: MIT
import numpy as np

from vibe_blender.motion.over_time import Timeline, averaged, velocities

FRAMES = np.array([0, 1, 2, 3, 7, 8, 9, 20])
TIMES = FRAMES / 25.0


def test_rates_of_a_steady_motion_are_its_rate_also_beside_gaps() -> None:
    values = np.stack([3.0 * TIMES, np.where(FRAMES > 5, 100.0, 0.0)], axis=1)
    rates = velocities(values, TIMES, FRAMES)
    assert np.allclose(rates[:-1], [3.0, 0.0])
    assert np.array_equal(rates[-1], [0.0, 0.0])


def test_means_leave_steady_motion_and_do_not_reach_across_gaps() -> None:
    values = np.where(FRAMES > 5, 100.0, 2.0 * TIMES)
    assert np.allclose(averaged(values, TIMES, FRAMES, 0.1), values)


def test_means_take_out_what_is_faster_than_the_window() -> None:
    times = np.arange(100) / 50.0
    wiggle = (-1.0) ** np.arange(100)
    smooth = averaged(wiggle, times, np.arange(100), 0.2)
    assert np.abs(smooth[10:-10]).max() < 0.05


def test_the_highest_is_that_of_the_window() -> None:
    rng = np.random.default_rng(0)
    frames = np.delete(np.arange(60), [20, 21, 40])
    times, values = frames / 30.0, rng.normal(size=len(frames))
    timeline = Timeline.of(times, frames)
    for seconds in (0.0, 0.1, 0.35, 5.0):
        expected = [
            max(
                values[j]
                for j in range(len(frames))
                if timeline.first[i] <= j < timeline.end[i] and abs(times[j] - times[i]) <= seconds / 2 + 1e-6
            )
            for i in range(len(frames))
        ]
        assert np.array_equal(timeline.highest(values, seconds), expected)


def test_stretches_end_at_gaps() -> None:
    flags = np.array([False, True, True, True, True, False, True, True])
    assert Timeline.of(TIMES, FRAMES).stretches(flags).tolist() == [[1, 4], [4, 5], [6, 7], [7, 8]]


def test_one_frame_has_a_timeline() -> None:
    timeline = Timeline.of(np.array([0.4]), np.array([10]))
    assert timeline.frame_s == 0.0
    assert timeline.stretches(np.array([True])).tolist() == [[0, 1]]
    assert timeline.highest(np.array([3.0]), 1.0).tolist() == [3.0]
