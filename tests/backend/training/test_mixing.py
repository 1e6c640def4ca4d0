# SPDX-License-Identifier: MIT
from __future__ import annotations

from collections import Counter

import pytest
import torch

from backend.training.augment import Augmentation
from backend.training.clips import ClipDataset, Draw, MotionDataset
from backend.training.mixing import (
    KINDS,
    Kind,
    Mixed,
    MixedDataset,
    MixedSampler,
    Pick,
    Shares,
    new_loader,
    shares_of,
)
from backend.training.windows import Windows
from tests.training_data import write_archive
from vibe_blender.contract.errors import CaptureError

COUNTS: dict[Kind, int] = {"two_d": 47, "three_d": 23, "motion": 50}
VIBE = Shares(19, 13, 32)


def sampler_of(seed: int = 0, iterations: int = 5, **place: int) -> MixedSampler:
    return MixedSampler(COUNTS, VIBE, iterations, seed, **place)


def epochs(sampler: MixedSampler, count: int) -> list[list[Pick]]:
    batches = []
    for epoch in range(count):
        sampler.begin(epoch)
        batches += list(sampler)
    return batches


def test_the_published_mixture() -> None:
    assert shares_of(32, 0.6, two_d=True, three_d=True, motion=True) == VIBE
    assert shares_of(100, 0.29, two_d=True, three_d=True, motion=False) == Shares(29, 71, 0)
    assert shares_of(8, 0.6, two_d=True, three_d=False, motion=True) == Shares(8, 0, 8)
    assert shares_of(8, 0.6, two_d=False, three_d=True, motion=False) == Shares(0, 8, 0)
    with pytest.raises(CaptureError) as caught:
        shares_of(8, 0.6, two_d=False, three_d=False, motion=True)
    assert caught.value.code == "bad_setting"
    for batch in epochs(sampler_of(), 3):
        assert [pick.kind for pick in batch] == ["two_d"] * 19 + ["three_d"] * 13 + ["motion"] * 32


def test_everything_is_seen_before_anything_is_seen_again() -> None:
    picks = [pick for batch in epochs(sampler_of(), 20) for pick in batch]
    orders = []
    for kind in KINDS:
        mine = [pick.draw for pick in picks if pick.kind == kind]
        assert len(mine) == 100 * getattr(VIBE, kind)
        count = COUNTS[kind]
        for times in range(len(mine) // count):
            some = mine[times * count : (times + 1) * count]
            assert {draw.times for draw in some} == {times}
            assert sorted(draw.number for draw in some) == list(range(count))
            orders.append(tuple(draw.number for draw in some))
    assert len(set(orders)) == len(orders)  # and never in the same order


def test_the_order_follows_from_the_seed() -> None:
    assert epochs(sampler_of(3), 2) == epochs(sampler_of(3), 2)
    assert epochs(sampler_of(3), 1) != epochs(sampler_of(4), 1)


def test_it_goes_on_anywhere() -> None:
    whole = epochs(sampler_of(iterations=7), 12)
    for epoch in (0, 1, 5, 11):
        for step in range(8):
            again = sampler_of(iterations=7)
            again.begin(epoch, step)
            assert len(again) == 7 - step
            assert list(again) == whole[7 * epoch + step : 7 * (epoch + 1)]


@pytest.mark.parametrize("world_size", [2, 4, 32])
def test_processes_share_each_batch(world_size: int) -> None:
    whole = epochs(sampler_of(), 3)
    parts = [epochs(sampler_of(rank=rank, world_size=world_size), 3) for rank in range(world_size)]
    for number, batch in enumerate(whole):
        mine = [part[number] for part in parts]
        assert {len(picks) for picks in mine} == {64 // world_size}
        assert Counter(pick for picks in mine for pick in picks) == Counter(batch)
        assert {sum(pick.kind == "motion" for pick in picks) for picks in mine} == {32 // world_size}
        apart = [sum(pick.kind == "two_d" for pick in picks) for picks in mine]
        assert max(apart) - min(apart) <= 1


def test_what_cannot_be_shared_is_refused() -> None:
    with pytest.raises(CaptureError, match="32 cannot be shared by 3") as caught:
        sampler_of(world_size=3)
    assert caught.value.code == "bad_setting"
    with pytest.raises(ValueError, match="nothing of motion"):
        MixedSampler({**COUNTS, "motion": 0}, VIBE, 5, 0)


@pytest.fixture(scope="module")
def archives(tmp_path_factory: pytest.TempPathFactory) -> MixedDataset:
    folder = tmp_path_factory.mktemp("archives")
    two_d = Windows([write_archive(folder / "2.clips", "2d", (30, 21), pictures=True)], 4, overlap=0.5)
    three_d = Windows([write_archive(folder / "3.clips", "3d", (25,), pictures=True, seed=5)], 4)
    motion = Windows([write_archive(folder / "m.clips", "motion", (25, 40), seed=9)], 4)
    changes = Augmentation()
    return MixedDataset(
        ClipDataset(two_d, pictures=True, augmentation=changes, seed=1),
        ClipDataset(three_d, pictures=True, augmentation=changes, seed=2),
        MotionDataset(motion),
    )


def mixed(dataset: MixedDataset, epoch: int, step: int, workers: int, shares: Shares) -> list[Mixed]:
    sampler = MixedSampler(dataset.counts, shares, 6, 3)
    sampler.begin(epoch, step)
    return list(new_loader(dataset, sampler, workers=workers))


def equal(one: list[Mixed], other: list[Mixed]) -> bool:
    return len(one) == len(other) and all(
        torch.equal(clips.tensors()[name], tensor) and (motion is None) == (motion_too is None)
        and (motion is None or torch.equal(motion, motion_too))
        for (clips, motion), (clips_too, motion_too) in zip(one, other, strict=True)
        for name, tensor in clips_too.tensors().items()
    )  # fmt: skip


def test_batches_do_not_depend_on_who_loads_them(archives: MixedDataset) -> None:
    shares = Shares(3, 2, 5)
    alone = mixed(archives, 1, 0, 0, shares)
    clips, motion = alone[0]
    assert motion is not None
    assert clips.joints2d.shape == (5, 4, 49, 3)
    assert motion.shape == (5, 4, 69)
    assert clips.has_3d.any(dim=1).tolist() == [False, False, False, True, True]
    for workers in (1, 2):
        assert equal(mixed(archives, 1, 0, workers, shares), alone)
    assert equal(mixed(archives, 1, 4, 1, shares), alone[4:])
    assert not equal(mixed(archives, 0, 0, 0, shares), alone)


def test_workers_stay_and_begin_where_they_are_told(archives: MixedDataset) -> None:
    shares = Shares(2, 2, 0)
    sampler = MixedSampler(archives.counts, shares, 6, 3)
    loader = new_loader(archives, sampler, workers=1)
    sampler.begin(0, 3)
    first = list(loader)
    assert len(first) == 3
    assert all(motion is None for _, motion in first)
    assert equal(first, mixed(archives, 0, 3, 0, shares))
    sampler.begin(1)
    assert equal(list(loader), mixed(archives, 1, 0, 0, shares))


def test_loading_leaves_other_random_numbers_alone(archives: MixedDataset) -> None:
    torch.manual_seed(7)
    wanted = torch.rand(3)
    torch.manual_seed(7)
    mixed(archives, 0, 5, 0, Shares(1, 1, 1))
    mixed(archives, 0, 5, 1, Shares(1, 1, 1))
    assert torch.equal(torch.rand(3), wanted)


def test_without_some_kinds(archives: MixedDataset) -> None:
    only = MixedDataset(None, archives._parts["three_d"], None)  # type: ignore[arg-type]
    assert only.counts == {"two_d": 0, "three_d": 6, "motion": 0}
    ((clips, motion), *_) = mixed(only, 0, 0, 0, Shares(0, 4, 0))
    assert len(clips) == 4
    assert motion is None
    with pytest.raises(KeyError):
        only[Pick("two_d", Draw(0))]
