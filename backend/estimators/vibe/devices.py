# SPDX-License-Identifier: MIT
"""Where the networks run, and how much of a picture's worth of work fits there at once."""

from __future__ import annotations

from dataclasses import dataclass

import torch

_BYTES_EACH = 40 << 20
"""What one crop takes on its way through the image network, twice as much as was measured in single precision."""
_SHARE = 0.5
_MOST = 256
_ON_CPU = 10
"""Measured: caches hold no more, and three of them make a stretch."""


@dataclass(frozen=True)
class Choice:
    """A device that works, and what the user should know about the choice, empty where it is the one they made."""

    device: torch.device
    warning: str = ""


def choose_device(wanted: str) -> Choice:
    """The device that was asked for, or the CPU with a warning where that one does not work.

    Args:
        wanted: ``auto`` (the best there is), ``cuda``, ``mps`` or ``cpu``.
    """
    there = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if wanted == "cpu" or (wanted == "auto" and not any(there.values())):
        return Choice(torch.device("cpu"))
    name = wanted if wanted != "auto" else next(name for name, is_there in there.items() if is_there)
    if not there[name]:
        return Choice(
            torch.device("cpu"), f"There is no {name} device that this PyTorch can use: VIBE runs on the CPU."
        )
    try:
        torch.ones(1, device=name).add_(1).item()
    except RuntimeError as error:  # a driver or a chip that this PyTorch was not built for
        return Choice(torch.device("cpu"), f"{name} does not work, VIBE runs on the CPU: {_first_line(error)}")
    return Choice(torch.device(name))


def batch_size(device: torch.device) -> int:
    """How many crops fit into the device's free memory at once, with room to spare."""
    if device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(device)
    elif device.type == "mps":
        free = torch.mps.recommended_max_memory() - torch.mps.driver_allocated_memory()
    else:
        return _ON_CPU
    return max(1, min(_MOST, int(free * _SHARE) // _BYTES_EACH))


def is_out_of_memory(error: RuntimeError) -> bool:
    """Whether an error of torch says that memory did not suffice, which each device says in its own way."""
    said = str(error).lower()
    return isinstance(error, torch.OutOfMemoryError) or any(
        words in said for words in ("out of memory", "not enough memory", "can't allocate memory")
    )


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0].rstrip(".") + "."
