# SPDX-License-Identifier: MIT
"""What a run learns from: the right clips in the right order, from any step on, with any number of workers."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from backend.training.config import read_training
from backend.training.distributed import Place
from backend.training.feeding import Feed
from tests.training_runs import RUN, write_run
from vibe_blender.contract.errors import CaptureError


@pytest.fixture
def run(tmp_path) -> Path:
    return write_run(tmp_path)


def opened(path: Path, place: Place = Place()) -> Feed:  # noqa: B008
    return Feed(read_training(path), path.parent, place)


def seen(feed: Feed, epoch: int, step: int = 0) -> dict[int, tuple]:
    """What is in each batch: which clips, and the motion."""
    return {number: (clips.origin, motion) for number, clips, motion in feed.batches(epoch, step)}


def same(one: dict[int, tuple], other: dict[int, tuple]) -> bool:
    return one.keys() == other.keys() and all(
        torch.equal(mine, theirs) for key in one for mine, theirs in zip(one[key], other[key], strict=True)
    )


def test_batches_are_mixed_as_the_settings_say(run) -> None:
    for _, clips, motion in opened(run).batches(0, 0):
        assert len(clips) == 4
        assert clips.has_smpl[:, 0].tolist() == [False, False, True, True]  # int(4 * 0.6) = 2 of pictures only
        assert motion.shape == (4, 4, 69)


def test_an_epoch_goes_on_from_any_step(run) -> None:
    whole = seen(opened(run), 1)
    assert list(whole) == list(range(6))
    feed = opened(run)
    assert same(seen(feed, 1, 4), {number: whole[number] for number in (4, 5)})
    assert seen(feed, 1, 6) == {}
    assert not same(seen(feed, 0), whole)


def test_workers_change_nothing(run) -> None:
    whole = seen(opened(run), 0)
    run.write_text(RUN.replace("workers = 0", "workers = 1"))
    assert same(seen(opened(run), 0), whole)


def test_processes_share_a_batch(run) -> None:
    whole = seen(opened(run), 0)
    halves = [seen(opened(run, Place(rank, 2, rank)), 0) for rank in (0, 1)]
    for number, (origins, motion) in whole.items():
        for rank, half in enumerate(halves):
            assert torch.equal(half[number][0], origins[rank::2])
            assert torch.equal(half[number][1], motion[rank::2])
    with pytest.raises(CaptureError, match="multiple of 3"):
        opened(run, Place(0, 3, 0))


def test_waiting_and_learning_are_timed(run) -> None:
    feed = opened(run)
    for _ in feed.batches(0, 0):
        torch.randn(200, 200) @ torch.randn(200, 200)
    waited, learned = feed.take_times()
    assert waited > 0
    assert learned > 0
    assert feed.take_times() == (0.0, 0.0)


def test_what_is_missing_is_said(run) -> None:
    for before, after, code in (
        ('motion = ["real.clips"]', "", "bad_setting"),
        ('motion = ["real.clips"]', 'motion = ["two.clips"]', "windows_none"),
        ('["two.clips"]', '["no.clips"]', "archive_missing"),
        ('two_d = ["two.clips"]\nthree_d = ["three.clips"]', "", "bad_setting"),
        ("frames = 4", "frames = 40", "windows_none"),
        ('["held out.clips"]', '["two.clips"]', "windows_none"),
        ('body = "mannequin"', "", "bad_setting"),
    ):
        run.write_text(RUN.replace(before, after))
        with pytest.raises(CaptureError) as raised:
            opened(run)
        assert raised.value.code == code
