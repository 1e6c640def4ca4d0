# SPDX-License-Identifier: MIT
import numpy as np
import pytest

from tests.fake_backend import walking_person
from vibe_blender.contract.errors import CaptureError
from vibe_blender.motion.preview import Motion, Playhead


def grown(person, *stretches: tuple[int, int]) -> Motion:
    motion = Motion()
    for first, end in stretches:
        rows = (person.frames >= first) & (person.frames < end)
        motion.add(first, person.rotations[rows].tolist(), person.root[rows].tolist())
    return motion


def check(motion: Motion, person, frames) -> None:
    for frame in frames:
        (row,) = np.flatnonzero(person.frames == frame)
        rotations, root = motion.at(frame)
        np.testing.assert_allclose(rotations, person.rotations[row], atol=1e-6)
        np.testing.assert_allclose(root, person.root[row], atol=1e-6)


def test_every_pose_comes_back_however_it_came_in() -> None:
    person = walking_person(np.arange(300))
    for stretches in (
        [(0, 30), (30, 31), (31, 300)],
        [(0, 100), (50, 300)],
        [(200, 300), (0, 200)],
        [(0, 300), (0, 300)],
        [(100, 200), (0, 100), (200, 300), (90, 210)],
    ):
        motion = grown(person, *stretches)
        assert motion.last == 299
        check(motion, person, range(300))


def test_a_later_word_on_a_frame_counts() -> None:
    first, second = walking_person(np.arange(60)), walking_person(np.arange(60), seed=5)
    motion = grown(first, (0, 60))
    motion.add(20, second.rotations[20:40], second.root[20:40])
    check(motion, first, [0, 19, 40, 59])
    check(motion, second, [20, 39])


def test_the_pose_is_held_through_a_gap_and_at_both_ends() -> None:
    person = walking_person(np.arange(40))
    motion = grown(person, (10, 20), (30, 40))
    for frame, shown in ((-5, 10), (9.0, 10), (19.4, 19), (25, 19), (29.4, 19), (29.6, 30), (39, 39), (1000, 39)):
        assert motion.at(frame)[1] == pytest.approx(person.root[shown], abs=1e-6), frame


def test_nothing_added_is_nothing() -> None:
    motion = Motion()
    motion.add(3, [], [])
    assert motion.last == -1


@pytest.mark.parametrize(
    ("rotations", "root"),
    [
        ([[[1.0, 0, 0, 0]] * 23], [[0.0, 0, 0]]),
        ([[[1.0, 0, 0, 0]] * 24], [[0.0, 0]]),
        ([[[1.0, 0, 0, 0]] * 24], [[0.0, 0, 0]] * 2),
        ([[[1.0, 0, 0, float("nan")]] * 24], [[0.0, 0, 0]]),
        ([["x"]], [[0.0, 0, 0]]),
        ([None], [None]),
    ],
)
def test_what_is_no_pose_is_told(rotations, root) -> None:
    motion = Motion()
    with pytest.raises(CaptureError) as caught:
        motion.add(0, rotations, root)
    assert caught.value.code == "bad_event"
    assert motion.last == -1


def test_the_playhead_plays_at_the_videos_speed() -> None:
    head = Playhead(25.0)
    head.advance(0, 100.0)
    assert head.frame == 0
    head.advance(10, 100.1)
    assert head.frame == pytest.approx(2.5)
    head.advance(10, 100.2)
    assert head.frame == pytest.approx(5.0)
    for n in range(10):
        head.advance(10, 100.3 + n / 10)
    assert head.frame == 10


def test_the_playhead_never_falls_far_behind() -> None:
    head = Playhead(25.0)
    head.advance(0, 0.0)
    behind = []
    for tick in range(200):
        newest = 10 * (tick + 1)
        head.advance(newest, (tick + 1) * 0.05)
        behind.append(newest - head.frame)
    assert max(behind) < 200
    assert behind[-1] == pytest.approx(behind[-20], rel=0.01)


def test_the_playhead_does_not_leap_after_a_pause() -> None:
    head = Playhead(25.0)
    head.advance(0, 0.0)
    head.advance(1000, 3600.0)
    assert head.frame <= 500
