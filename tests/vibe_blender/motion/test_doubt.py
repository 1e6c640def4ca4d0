# SPDX-License-Identifier: MIT
import numpy as np
import pytest

from vibe_blender.motion.doubt import UNSEEN, confidence_bars, doubtful_ranges


def test_stretches_below_the_threshold() -> None:
    confidence = np.ones(100)
    confidence[[0, 1, 20, 21, 22, 23, 99]] = 0.2
    assert doubtful_ranges(confidence, np.arange(100) + 10, 0.5) == [(10, 11), (30, 33), (109, 109)]
    assert doubtful_ranges(confidence, np.arange(100), 0.2) == []
    assert doubtful_ranges(confidence, np.arange(100), 1.1) == [(0, 99)]
    assert doubtful_ranges(np.array([]), np.array([]), 0.5) == []


def test_stretches_close_together_are_one() -> None:
    confidence = np.ones(60)
    confidence[[10, 12, 17, 30]] = 0.0
    assert doubtful_ranges(confidence, np.arange(60.0), 0.5) == [(10, 17), (30, 30)]


def test_frames_may_be_fractional() -> None:
    confidence = np.array([1.0, 0.1, 0.1, 1.0])
    assert doubtful_ranges(confidence, np.arange(4) * 0.8 + 1, 0.5) == [(1.8, pytest.approx(2.6))]


def bars(confidence, frames, held=None, first=None, last=None):
    frames = np.asarray(frames)
    held = np.append(np.diff(frames) > 1, False) if held is None else held
    spans, levels = confidence_bars(np.asarray(confidence), frames, held, first or frames[0], last or frames[-1])
    assert np.array_equal(spans[1:, 0], spans[:-1, 1])
    assert np.all(spans[:, 1] > spans[:, 0])
    return [(*span, level) for span, level in zip(spans.tolist(), levels.tolist(), strict=True)]


def test_bars_of_one_level_are_one() -> None:
    assert bars([0.9, 0.91, 0.9, 0.3, 0.3], [1, 2, 3, 4, 5]) == [(1, 4, 0.9), (4, 6, 0.3)]
    assert bars([1.0], [7]) == [(7, 8, 1.0)]


def test_unseen_before_between_and_after() -> None:
    assert bars([0.5, 0.5, 0.5], [10, 11, 20], first=5, last=30) == [
        (5, 10, UNSEEN), (10, 12, 0.5), (12, 20, UNSEEN), (20, 21, 0.5), (21, 31, UNSEEN),
    ]  # fmt: skip


def test_bars_show_every_frame_as_it_is() -> None:
    random = np.random.default_rng(4)
    frames = np.flatnonzero(random.random(400) > 0.2) + 3
    confidence = random.random(len(frames))
    found = bars(confidence, frames, first=1, last=410)
    assert (found[0][0], found[-1][1]) == (1, 411)
    for frame in range(1, 411):
        (level,) = (level for begin, end, level in found if begin <= frame < end)
        (row,) = np.nonzero(frames == frame)
        assert level == (pytest.approx(confidence[row[0]], abs=0.051) if len(row) else UNSEEN)


def test_a_slower_scene_has_bars_without_holes() -> None:
    found = bars([0.5] * 50, np.arange(50) * 0.8 + 1, held=np.zeros(50, bool), last=1 + 49 * 0.8)
    assert [level for *_, level in found] == [0.5]
    assert found[0][1] == pytest.approx(1 + 50 * 0.8)
