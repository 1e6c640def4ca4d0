# SPDX-License-Identifier: MIT
"""Where a run is, as a file: with it, learning goes on to the last bit as if it had never ended.

Nothing random is in it: whatever is drawn by lot in a step is drawn anew from the run's seed and the step's number.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from backend.networks.motion_discriminator import MotionDiscriminator
from backend.own_networks import Generator, read_whole, write_whole
from vibe_blender.contract.errors import CaptureError

VERSION = 2
_KIND = "vibe-training"


@dataclass(frozen=True)
class Progress:
    """How far a run is.

    Attributes:
        epoch: the one that is being learned, from 0.
        step: of that epoch, the next one to be taken.
        best: the lowest error that was measured, mm; infinite before the first.
        stale: epochs since then.
    """

    epoch: int = 0
    step: int = 0
    best: float = float("inf")
    stale: int = 0


class Average:
    """An exponential moving average of a network's weights (Polyak and Juditsky 1992).

    Attributes:
        decay: 0..1; with 0 the average is the network itself.
        values: the averaged weights, by name.
    """

    def __init__(self, network: nn.Module, decay: float) -> None:
        """Begins with the network's own weights."""
        self.decay = decay
        held = network.state_dict()
        self.values = {name: value.detach().clone() for name, value in held.items()} if decay else held

    def follow(self, network: nn.Module) -> None:
        """Takes a step towards the network's weights."""
        if not self.decay:
            return
        with torch.no_grad():
            for name, value in network.state_dict().items():
                if value.dtype.is_floating_point:
                    self.values[name].lerp_(value, 1.0 - self.decay)
                else:
                    self.values[name].copy_(value)

    @contextlib.contextmanager
    def instead_of(self, network: nn.Module) -> Iterator[None]:
        """While it lasts, the network has the averaged weights."""
        if not self.decay:
            yield
            return
        own = {name: value.clone() for name, value in network.state_dict().items()}
        network.load_state_dict(self.values)
        try:
            yield
        finally:
            network.load_state_dict(own)


@dataclass
class Parts:
    """Everything of a run that changes while it learns.

    Attributes:
        generator, discriminator: networks; the second is None where there is none.
        average: of the generator.
        optimisers: of the generator and, where there is one, the discriminator.
        schedules: that lower their rates.
        scaler: of half precision's gradients.
        progress: how far it is.
    """

    generator: Generator
    discriminator: MotionDiscriminator | None
    average: Average
    optimisers: list[torch.optim.Optimizer]
    schedules: list[torch.optim.lr_scheduler.ReduceLROnPlateau]
    scaler: torch.amp.GradScaler
    progress: Progress


def save_state(path: Path, parts: Parts, settings: str) -> None:
    """Writes where a run is; whoever is killed meanwhile finds the state before.

    Args:
        path: of the file.
        parts: of the run.
        settings: of the run as text: another run does not go on with it.
    """
    record = {
        "kind": _KIND, "version": VERSION, "settings": settings,
        "generator": parts.generator.state_dict(),
        "discriminator": parts.discriminator.state_dict() if parts.discriminator is not None else {},
        "average": parts.average.values,
        "optimisers": [optimiser.state_dict() for optimiser in parts.optimisers],
        "schedules": [schedule.state_dict() for schedule in parts.schedules],
        "scaler": parts.scaler.state_dict(),
        "progress": [parts.progress.epoch, parts.progress.step, parts.progress.best, parts.progress.stale],
    }  # fmt: skip
    write_whole(path, record)


def load_state(path: Path, parts: Parts, settings: str) -> None:
    """Brings a run to where it was.

    Raises:
        CaptureError: ``state_broken``, or ``state_other`` for a run with other settings.
    """
    try:
        record = read_whole(path)
    except ValueError as error:
        raise _broken(path, error) from error
    if (record.get("kind"), record.get("version")) != (_KIND, VERSION):
        raise _broken(path, "it is of another program")
    if record.get("settings") != settings:
        raise CaptureError(
            "state_other",
            f"{path} is of a run with other settings.",
            "Choose another output folder, or delete this one.",
        )
    try:
        parts.generator.load_state_dict(record["generator"], strict=True)
        if parts.discriminator is not None:
            parts.discriminator.load_state_dict(record["discriminator"], strict=True)
        for name, value in record["average"].items():
            parts.average.values[name].copy_(value)
        for optimiser, state in zip(parts.optimisers, record["optimisers"], strict=True):
            optimiser.load_state_dict(state)
        for schedule, state in zip(parts.schedules, record["schedules"], strict=True):
            schedule.load_state_dict(state)
        parts.scaler.load_state_dict(record["scaler"])
        epoch, step, best, stale = record["progress"]
        parts.progress = Progress(epoch, step, best, stale)
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        raise _broken(path, error) from error


def _broken(path: Path, why: object) -> CaptureError:
    reason = str(why).splitlines()[0] if str(why) else type(why).__name__
    return CaptureError(
        "state_broken", f"{path} cannot be read: {reason[:200]}.", "Delete it, and the run begins anew."
    )
