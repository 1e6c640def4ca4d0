# SPDX-License-Identifier: MIT
"""Batches of clips labelled in pictures and in space, and of real motion, in an order that is a formula.

The k-th clip that is taken of a kind is number k mod n of the (k div n)-th shuffling of its n windows, and what is
shuffled how follows from the seed. So there is no state but how many steps were done: a run that ended early goes on
with the very same clips, and several processes agree about a batch without speaking to each other.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from vibe_blender.contract.errors import CaptureError

from .clips import Clip, ClipBatch, ClipDataset, Draw, MotionDataset, collate

Kind = Literal["two_d", "three_d", "motion"]
KINDS: tuple[Kind, ...] = ("two_d", "three_d", "motion")
Mixed = tuple[ClipBatch, Tensor | None]
"""Clips, and as much real motion (N, T, 69), or None without any."""

_AHEAD = 2


@dataclass(frozen=True)
class Pick:
    """One thing of a batch.

    Attributes:
        kind: of which dataset.
        draw: what of it.
    """

    kind: Kind
    draw: Draw


@dataclass(frozen=True)
class Shares:
    """How many of each kind are in a batch of all processes together.

    Attributes:
        two_d, three_d, motion: how many.
    """

    two_d: int
    three_d: int
    motion: int


def shares_of(batch: int, share_2d: float, *, two_d: bool, three_d: bool, motion: bool) -> Shares:
    """The published mixture: ``int(batch * share_2d)`` clips with 2D labels, the rest with 3D ones (VIBE: 19 and 13).

    Args:
        batch: clips in a batch.
        share_2d: 0..1, which only counts where there are both kinds.
        two_d, three_d, motion: which kinds there are.

    Raises:
        CaptureError: ``bad_setting`` where there are no clips.
    """
    if not two_d and not three_d:
        raise CaptureError("bad_setting", "There are no clips to learn from.", "Name archives in data.")
    both = two_d and three_d
    first = int(batch * (share_2d if both else two_d) + 1e-9)  # 100 * 0.29 is a little less than 29
    return Shares(first, batch - first, batch if motion else 0)


class MixedDataset(Dataset[Clip | Tensor]):
    """Clips of two kinds and real motion, by ``Pick``."""

    def __init__(
        self, two_d: ClipDataset | None, three_d: ClipDataset | None, motion: MotionDataset | None = None
    ) -> None:
        """Puts datasets side by side.

        Args:
            two_d, three_d: clips; both of features or both of pictures, with seeds of their own.
            motion: for the discriminator; None without one.
        """
        self._parts = dict(zip(KINDS, (two_d, three_d, motion), strict=True))

    @property
    def counts(self) -> dict[Kind, int]:
        """How many windows there are of each kind."""
        return {kind: 0 if part is None else len(part) for kind, part in self._parts.items()}

    def __getitem__(self, pick: Pick) -> Clip | Tensor:
        """A clip, or real motion (T, 69)."""
        part = self._parts[pick.kind]
        if part is None:
            raise KeyError(pick.kind)
        return part[pick.draw]


class MixedSampler(Sampler[list[Pick]]):
    """What is in each batch of an epoch, for one of several processes.

    Attributes:
        iterations: batches of an epoch.
        shares: of a batch of all processes.
    """

    def __init__(
        self,
        counts: dict[Kind, int],
        shares: Shares,
        iterations: int,
        seed: int,
        *,
        rank: int = 0,
        world_size: int = 1,
    ) -> None:
        """Begins with the first batch of epoch 0.

        Args:
            counts: windows of each kind.
            shares: of a batch of all processes.
            iterations: batches of an epoch.
            seed: of the order.
            rank: which process this is, from 0.
            world_size: how many there are.

        Raises:
            CaptureError: ``bad_setting`` where processes would get batches of different sizes.
            ValueError: a kind has a share and no windows.
        """
        if (shares.two_d + shares.three_d) % world_size or shares.motion % world_size:
            raise CaptureError(
                "bad_setting",
                f"A batch of {shares.two_d + shares.three_d} cannot be shared by {world_size} processes.",
                f"Make steps.batch a multiple of {world_size}.",
            )
        lacking = [kind for kind in KINDS if getattr(shares, kind) and not counts[kind]]
        if lacking:
            raise ValueError(f"there is nothing of {', '.join(lacking)}")
        self.iterations, self.shares = iterations, shares
        self._counts, self._seed = dict(counts), seed
        self._rank, self._world_size = rank, world_size
        self._epoch, self._first = 0, 0
        self._orders: dict[Kind, tuple[int, NDArray[np.intp]]] = {}

    def begin(self, epoch: int, step: int = 0) -> None:
        """Chooses where the next iteration begins.

        Args:
            epoch: from 0.
            step: batches of it that were done before; those are left out.
        """
        self._epoch, self._first = epoch, step

    def __len__(self) -> int:
        """How many batches are left of the epoch."""
        return max(0, self.iterations - self._first)

    def __iter__(self) -> Iterator[list[Pick]]:
        """Batches: clips with 2D labels, then with 3D ones, then motion; every ``world_size``-th is this process's."""
        for step in range(self._epoch * self.iterations + self._first, (self._epoch + 1) * self.iterations):
            clips = self._picks("two_d", step) + self._picks("three_d", step)
            mine = slice(self._rank, None, self._world_size)
            yield clips[mine] + self._picks("motion", step)[mine]

    def _picks(self, kind: Kind, step: int) -> list[Pick]:
        """What a batch has of a kind, for all processes.

        Args:
            kind: which.
            step: batches before it, in all epochs.
        """
        share, count = getattr(self.shares, kind), self._counts[kind]
        picks = []
        for k in range(step * share, (step + 1) * share):
            times, place = divmod(k, count)
            picks.append(Pick(kind, Draw(int(self._order(kind, times)[place]), times)))
        return picks

    def _order(self, kind: Kind, times: int) -> NDArray[np.intp]:
        """(n,) the windows of a kind as they are gone through for the ``times``-th time."""
        if self._orders.get(kind, (-1,))[0] != times:
            random = np.random.default_rng([self._seed, KINDS.index(kind), times])
            self._orders[kind] = (times, random.permutation(self._counts[kind]))
        return self._orders[kind][1]


def collate_mixed(things: list[Clip | Tensor]) -> Mixed:
    """Clips and motion as two batches."""
    motion = [thing for thing in things if isinstance(thing, Tensor)]
    return collate([thing for thing in things if isinstance(thing, Clip)]), torch.stack(motion) if motion else None


def new_loader(
    dataset: MixedDataset, sampler: MixedSampler, *, workers: int = 0, pin: bool = False
) -> DataLoader[Mixed]:
    """Batches as the sampler orders them; each iteration goes from where the sampler was told to begin.

    Args:
        dataset: what is picked from.
        sampler: what is picked.
        workers: processes that load; 0 loads when a batch is asked for. They stay from epoch to epoch.
        pin: put batches into memory that a GPU copies from while it computes.
    """
    # With a generator of its own, a loader leaves torch's random numbers alone: dropout draws the same with any number
    # of workers, and in a run that goes on.
    loader: DataLoader[Any] = DataLoader(
        dataset, batch_sampler=sampler, num_workers=workers, collate_fn=collate_mixed, pin_memory=pin,
        worker_init_fn=_alone, persistent_workers=workers > 0, prefetch_factor=_AHEAD if workers else None,
        generator=torch.Generator(),
    )  # fmt: skip
    return loader


def _alone(_: int) -> None:
    """One thread for each worker: there are as many workers as there are to be."""
    cv2.setNumThreads(0)
