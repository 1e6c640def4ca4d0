# SPDX-License-Identifier: MIT
"""Several processes that learn as one: started by ``torchrun``, on one machine or many."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from vibe_blender.contract.errors import CaptureError


@dataclass(frozen=True)
class Place:
    """Which of the processes this one is.

    Attributes:
        rank: 0 for the one that writes files and speaks.
        world: how many there are.
        local: its number on this machine, which is that of its GPU.
    """

    rank: int = 0
    world: int = 1
    local: int = 0

    @property
    def leads(self) -> bool:
        """Whether it is the one that writes files and speaks."""
        return self.rank == 0


@contextlib.contextmanager
def joined(device: torch.device) -> Iterator[Place]:
    """Takes part in the group that ``torchrun`` started; alone where it did not.

    Args:
        device: where this process works; its kind chooses how processes talk (NCCL between GPUs, else Gloo).

    Raises:
        CaptureError: ``not_joined``.
    """
    if "RANK" not in os.environ:
        yield Place()
        return
    try:
        place = Place(int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"]), int(os.environ.get("LOCAL_RANK", "0")))
        dist.init_process_group("nccl" if device.type == "cuda" else "gloo")
    except (RuntimeError, ValueError, KeyError) as error:
        raise CaptureError(
            "not_joined", f"The processes cannot join: {error}.", "Start them with torchrun, and one GPU for each."
        ) from error
    try:
        yield place
    finally:
        dist.destroy_process_group()


def together(network: nn.Module, place: Place) -> nn.Module:
    """The network with gradients that are the mean of all processes'; the same network where there is one process."""
    return network if place.world == 1 else DistributedDataParallel(network)


def shared_mean(value: Tensor) -> Tensor:
    """The mean of a number over all processes, without gradients; itself where there is one process."""
    if not (dist.is_available() and dist.is_initialized()):
        return value.detach()
    shared = value.detach().clone()
    dist.all_reduce(shared)
    return shared / dist.get_world_size()


def anybody(flag: bool) -> bool:
    """Whether a flag is set in any of the processes, so that all of them stop together."""
    if not (dist.is_available() and dist.is_initialized()):
        return flag
    flags: list[bool] = [False] * dist.get_world_size()
    dist.all_gather_object(flags, flag)
    return any(flags)
