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


def own_place() -> Place | None:
    """Which process this is of those that ``torchrun`` started; None where it did not start this one.

    Raises:
        CaptureError: ``not_joined``.
    """
    if "RANK" not in os.environ:
        return None
    try:
        return Place(int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"]), int(os.environ["LOCAL_RANK"]))
    except (ValueError, KeyError) as error:
        raise _not_joined(error) from error


@contextlib.contextmanager
def joined(device: torch.device) -> Iterator[Place]:
    """Takes part in the group that ``torchrun`` started; alone where it did not.

    Args:
        device: where this process works; its kind chooses how processes talk (NCCL between GPUs, else Gloo).

    Raises:
        CaptureError: ``not_joined``.
    """
    place = own_place()
    if place is None:
        yield Place()
        return
    try:
        dist.init_process_group("nccl" if device.type == "cuda" else "gloo")
    except (RuntimeError, ValueError) as error:
        raise _not_joined(error) from error
    try:
        yield place
        dist.barrier()  # who leaves while another still speaks to it may crash it
    finally:
        dist.destroy_process_group()


def device_of(name: str, local: int) -> torch.device:
    """The device that settings name: ``auto`` is a GPU where there is one; each process of a machine has its own.

    Args:
        name: ``auto``, ``cpu``, ``cuda`` or ``mps``.
        local: the process's number on this machine.

    Raises:
        CaptureError: ``no_device``.
    """
    there = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if name == "auto":
        name = "cuda" if there["cuda"] else "cpu"
    if not there.get(name, False):
        raise CaptureError("no_device", f"There is no device {name!r} here.", 'Set device to "cpu" or "auto".')
    if name == "cuda" and local >= torch.cuda.device_count():
        raise CaptureError("no_device", f"There is no GPU number {local} here.", "Start fewer processes.")
    if name != "cuda":
        return torch.device(name)
    torch.cuda.set_device(local)
    return torch.device("cuda", local)


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


def anybody(flag: Tensor) -> bool:
    """Whether a flag, a bool, is set in any of the processes, so that all of them stop together."""
    if dist.is_available() and dist.is_initialized():
        flag = flag.to(torch.int32)
        dist.all_reduce(flag, dist.ReduceOp.MAX)
    return bool(flag)


def _not_joined(why: object) -> CaptureError:
    return CaptureError(
        "not_joined", f"The processes cannot join: {why}.", "Start them with torchrun, and one GPU for each."
    )
