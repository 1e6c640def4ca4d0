# SPDX-License-Identifier: MIT
import numpy as np

from vibe_blender.motion.curves import before_gap, movie_offsets, presence, scene_frames


def test_equal_rates_fall_on_whole_frames() -> None:
    times = np.arange(1000) * 1001 / 30000
    assert scene_frames(times, 30000 / 1001, 1).tolist() == list(range(1, 1001))


def test_other_rates_keep_time_on_fractional_frames() -> None:
    frames = scene_frames(np.array([2.0, 2.1, 2.5]), 24.0, 10)
    np.testing.assert_allclose(frames, [10.0, 12.4, 22.0])


def test_before_gap_marks_the_last_frame_seen() -> None:
    assert before_gap(np.array([3, 4, 7, 8])).tolist() == [False, True, False, False]


def test_presence_steps_in_and_out() -> None:
    assert presence(np.array([12, 13, 16]), first=10, count=8) == [
        (0, False),
        (2, True),
        (4, False),
        (6, True),
        (7, False),
    ]
    assert presence(np.array([10, 11]), first=10, count=2) == [(0, True)]


def test_a_movie_at_the_scenes_rate_needs_one_offset() -> None:
    assert set(movie_offsets(np.arange(50) / 25 + 0.4, 25.0, 25.0)) == {10}


def test_a_movie_keeps_step_with_a_faster_or_slower_scene() -> None:
    times = np.arange(61) / 30
    for scene_fps in (24.0, 60.0):
        offsets = movie_offsets(times, 30.0, scene_fps)
        assert len(offsets) == 2 * scene_fps + 1
        shown = offsets + np.arange(len(offsets))
        seconds = np.arange(len(offsets)) / scene_fps
        assert np.max(np.abs(shown / 30.0 - seconds)) <= 0.5 / 30 + 1e-9
        assert shown[-1] == 60
