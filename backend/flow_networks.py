# SPDX-License-Identifier: MIT
"""Optical flow by a network: RAFT as torchvision has it, with a file of weights that torchvision publishes.

Teed and Deng, "RAFT: Recurrent All-Pairs Field Transforms for Optical Flow", ECCV 2020. torchvision is BSD-3; its
weights were learned from FlyingChairs, FlyingThings3D and, of some files, Sintel, KITTI and HD1K, each with its own
terms.
"""

from __future__ import annotations

import importlib
import importlib.util
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from vibe_blender.contract.errors import CaptureError

from .flow import CELLS, Crop, Flow, in_cells
from .torch_files import declared

_FILES = "https://download.pytorch.org/models/raft_small_C_T_V2-01064c6d.pth"
_SIZES = ("raft_small", "raft_large")
_AT_ONCE, _AT_ONCE_GPU = 4, 32
_UPDATES = 12


class Raft:
    """RAFT at work, on a GPU where there is one; as ``flow.FlowMethod``.

    Attributes:
        name: ``raft_small`` or ``raft_large``.
    """

    def __init__(self, network: nn.Module, name: str, device: torch.device | None = None) -> None:
        """Takes a network over.

        Args:
            network: of torchvision, in evaluation mode.
            name: which one.
            device: where it runs; None for a GPU where there is one.
        """
        self.name = name
        self._device = device or torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self._network = network.to(self._device)

    def backward(self, now: Crop, before: Crop) -> Flow:
        """(B, 2, 56, 56) flow of crops ``now`` to crops ``before`` (B, 224, 224, 3) RGB."""
        found = np.zeros((len(now), 2, CELLS, CELLS), np.float16)
        step = _AT_ONCE if self._device.type == "cpu" else _AT_ONCE_GPU
        for first in range(0, len(now), step):
            some = slice(first, first + step)
            with torch.inference_mode():
                # Each of the updates gives a flow; the last is the best.
                pixels = self._network(self._shown(now[some]), self._shown(before[some]), num_flow_updates=_UPDATES)[-1]
            flows = pixels.permute(0, 2, 3, 1).float().cpu().numpy()
            found[some] = [in_cells(*each) for each in zip(flows, now[some], before[some], strict=True)]
        return found

    def _shown(self, crops: Crop) -> torch.Tensor:
        """(B, 3, 224, 224) -1..1, as it was trained."""
        return torch.from_numpy(crops).to(self._device).permute(0, 3, 1, 2).float().div_(127.5).sub_(1)


def load_raft(file: Path, device: torch.device | None = None) -> Raft:
    """RAFT with the weights of a file; which of its two sizes is seen from what the file holds.

    Args:
        file: such as ``raft_small_C_T_V2-01064c6d.pth``.
        device: where it runs; None for a GPU where there is one.

    Raises:
        CaptureError: ``torchvision_missing``, ``checkpoint_missing``, ``checkpoint_unsafe``, ``checkpoint_damaged`` or
            ``checkpoint_mismatch``.
    """
    networks = _networks()
    try:
        with file.open("rb") as stream:
            held = declared(stream, file.name)
            if not isinstance(held, dict):
                raise _mismatch(file)
            name = _size_of(file, held, networks)
            stream.seek(0)
            weights = torch.load(stream, map_location="cpu", weights_only=True)
            network: nn.Module = getattr(networks, name)(weights=None, progress=False)
            network.load_state_dict(weights, strict=True)
    except OSError as error:
        raise CaptureError(
            "checkpoint_missing", f"{file} cannot be read: {error.strerror}.", f"Download {_FILES}, and name that file."
        ) from error
    except (pickle.UnpicklingError, RuntimeError, ValueError, TypeError, LookupError, EOFError) as error:
        why = str(error).partition("\n")[0]
        raise CaptureError("checkpoint_damaged", f"{file}: {why}.", f"Download it again: {_FILES}.") from error
    if not all(torch.isfinite(values).all() for values in network.state_dict().values()):
        raise CaptureError("checkpoint_damaged", f"{file} holds what are no numbers.", f"Download it again: {_FILES}.")
    return Raft(network.eval(), name, device)


def _size_of(file: Path, held: dict[Any, Any], networks: Any) -> str:
    """Which network has the tensors of a file, by their names and shapes."""
    found = {name: tuple(getattr(value, "shape", ())) for name, value in held.items()}
    for size in _SIZES:
        with torch.device("meta"):
            network = getattr(networks, size)(weights=None, progress=False)
        if {name: tuple(values.shape) for name, values in network.state_dict().items()} == found:
            return size
    raise _mismatch(file)


def _networks() -> Any:
    """torchvision's networks of optical flow."""
    if importlib.util.find_spec("torchvision") is None:
        raise CaptureError(
            "torchvision_missing",
            "RAFT needs torchvision, which is not installed.",
            "Install `vibe-for-blender[flow]` with pip, or leave --raft away: --flow alone needs nothing.",
        )
    try:
        return importlib.import_module("torchvision.models.optical_flow")
    # RuntimeError: its compiled half is for another PyTorch, as where one is for CUDA and the other is not.
    except (ImportError, OSError, RuntimeError) as error:
        why = str(error).partition("\n")[0].rstrip(".")
        raise CaptureError(
            "torchvision_missing",
            f"RAFT needs torchvision, which is installed but does not go with this PyTorch: {why}.",
            f"Install the torchvision of PyTorch {torch.__version__}, from where that is from.",
        ) from error


def _mismatch(file: Path) -> CaptureError:
    return CaptureError(
        "checkpoint_mismatch",
        f"{file} does not hold the weights of torchvision's RAFT.",
        f"Download {_FILES}, and name that file.",
    )
