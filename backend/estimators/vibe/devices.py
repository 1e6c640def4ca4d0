# SPDX-License-Identifier: MIT
"""Where the networks run, how exactly, and how much of a picture's worth of work fits there at once."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch

_BYTES_EACH = 40 << 20
"""What one crop takes on its way through the image network, twice as much as was measured in single precision."""
_SHARE = 0.5
_MOST = 64
"""Half a stretch on a GPU, so that it works while the rest is still being read; more at once would be hardly faster."""
_ON_CPU = 6
"""Measured: what lies between two layers of more than that is fetched from the system anew each time."""
_SAYING_OUT_OF_MEMORY = (
    "out of memory",
    "not enough memory",
    "can't allocate memory",
    "alloc_failed",  # cuBLAS and cuDNN
    "unable to find a valid cudnn algorithm",  # for want of room to work in
)


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
            torch.device("cpu"), f"There is no {name} device that this PyTorch can use: the networks run on the CPU."
        )
    try:
        ones = torch.ones(1, 3, 8, 8, device=name)
        torch.nn.functional.conv2d(ones, ones).item()
    except RuntimeError as error:  # a driver or a chip that this PyTorch was not built for
        return Choice(torch.device("cpu"), f"{name} does not work, the networks run on the CPU: {first_line(error)}")
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
    return isinstance(error, torch.OutOfMemoryError) or any(words in said for words in _SAYING_OUT_OF_MEMORY)


@contextmanager
def exactly() -> Iterator[None]:
    """Single precision means 24 bits here also on GPUs that would rather round factors to 11 (TF32); no gradients.

    cuDNN takes the algorithm it expects to be the fastest: trying them all would cost more than it brings, with
    batches of many sizes.
    """
    with torch.inference_mode(), torch.backends.cudnn.flags(enabled=True, benchmark=False, allow_tf32=False):
        yield


def first_line(error: Exception) -> str:
    """What an error of torch says, without where it was."""
    return str(error).partition("\n")[0].rstrip(".") + "."
