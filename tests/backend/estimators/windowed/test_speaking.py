# SPDX-License-Identifier: MIT
from __future__ import annotations

import numpy as np
import pytest
import torch

from backend.estimators.encodings import Encodings
from backend.estimators.windowed import Speaker, WindowReader, speaking
from backend.estimators.windowed.speaking import runs, stretches
from backend.slerp_filter import SlerpFilter
from tests.stand_in_networks import small_tcmr
from vibe_blender.contract.quaternions import from_matrices, to_matrices

COUNT = 90


def encodings(frames: np.ndarray, features: np.ndarray) -> Encodings:
    count = len(frames)
    squares = np.tile([50.0, 40.0, 30.0, 30.0], (count, 1)) + np.arange(count)[:, None]
    return Encodings(frames, frames / 25, squares, np.zeros((count, 0, 3)), squares, features)


@pytest.fixture(scope="module")
def features() -> np.ndarray:
    return np.random.default_rng(0).random((COUNT, 2048), np.float32)


def reader(**options: bool) -> WindowReader:
    return WindowReader(small_tcmr(**options), torch.device("cpu"), exact=True)


def test_frames_that_follow_one_another_are_a_run() -> None:
    frames = np.array([3, 4, 5, 7, 9, 10])
    assert list(runs(frames)) == [slice(0, 3), slice(3, 4), slice(4, 6)]
    assert list(runs(frames[:1])) == [slice(0, 1)]


@pytest.mark.parametrize(("length", "stride"), [(16, 1), (16, 4), (18, 4), (7, 1)])
def test_a_stretch_has_every_window_of_its_frames_around_it(length: int, stride: int) -> None:
    run, done = slice(5, 900), 5
    for part, around in stretches(run, length, stride):
        assert part.start == done
        done = part.stop
        assert (around.start - run.start) % stride == 0
        assert around.start in (run.start, *range(part.start - length - stride, part.start - length + 1))
        assert around.stop == run.stop or around.stop >= part.stop + length
    assert done == run.stop


@pytest.mark.parametrize("repeat_ends", [False, True])
def test_what_is_said_is_what_the_network_says_of_each_run(
    features: np.ndarray, repeat_ends: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    frames = np.concatenate([np.arange(10, 50), [55], np.arange(60, 60 + COUNT - 41)])
    read = reader(repeat_ends=repeat_ends)
    told: list[int] = []
    said = read.speaker().speak(encodings(frames, features), told.append)
    assert told[-1] == COUNT
    network = small_tcmr(repeat_ends=repeat_ends).network
    with torch.inference_mode():
        clips = [
            network.over(torch.from_numpy(features[run]), None) for run in (slice(40), slice(40, 41), slice(41, None))
        ]
    for name in ("camera", "rotations", "betas"):
        expected = torch.cat([getattr(clip, name) for clip in clips]).numpy()
        assert np.abs(getattr(said.words, name) - expected).max() < 1e-6, name
    assert said.words.boxes == pytest.approx(encodings(frames, features).squares * [1, 1, 1.2, 1.2])
    monkeypatch.setattr(speaking, "_AT_ONCE", 7)
    parts = read.speaker().speak(encodings(frames, features))
    assert np.abs(parts.words.rotations - said.words.rotations).max() < 1e-5
    assert np.ptp(said.words.rotations, axis=0).max() > 0.01
    read.close()


def test_the_filter_is_the_published_one_and_begins_anew_after_a_gap(features: np.ndarray) -> None:
    frames = np.concatenate([np.arange(50), np.arange(60, 60 + COUNT - 50)])
    read = reader()
    plain, smooth = (read.speaker(share).speak(encodings(frames, features)).words for share in (None, 0.3))
    read.close()
    for run in (slice(50), slice(50, None)):
        turns = SlerpFilter(0.3).smooth(from_matrices(plain.rotations[run].astype(float)))
        assert np.abs(smooth.rotations[run] - to_matrices(turns)).max() < 1e-6
    assert smooth.rotations.dtype == plain.rotations.dtype
    assert np.array_equal(smooth.camera, plain.camera)


def test_only_what_is_said_next_is_read(features: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[slice] = []

    class Stored:
        def __getitem__(self, rows: slice) -> np.ndarray:
            asked.append(rows)
            return features[rows]

    monkeypatch.setattr(speaking, "_AT_ONCE", 20)
    read = reader()
    read.speaker().speak(encodings(np.arange(COUNT), Stored()))
    read.close()
    assert asked[0] == slice(0, 36)
    assert all(rows.stop - rows.start <= 52 for rows in asked)


def test_whoever_is_told_may_stop_it(features: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(speaking, "_AT_ONCE", 20)
    told: list[int] = []

    def stop(done: int) -> None:
        told.append(done)
        raise KeyboardInterrupt

    read = reader()
    with pytest.raises(KeyboardInterrupt):
        Speaker(read.network, read.say).speak(encodings(np.arange(COUNT), features), stop)
    read.close()
    assert told == [20]
