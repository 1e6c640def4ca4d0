# SPDX-License-Identifier: MIT
"""Generators by what a configuration calls them, and the weights that they begin with."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import nn

from backend.checkpoints import load_mean_body, load_vibe
from backend.networks.frame_based import FrameBased
from backend.networks.vibe import Vibe
from vibe_blender.contract.errors import CaptureError

from .config import Encoder, Model
from .state import NETWORK, read_whole

Generator = Vibe | FrameBased


def new_generator(model: Model, folder: Path) -> Generator:
    """The generator that a run begins with.

    Args:
        model: what is asked for.
        folder: that its paths are from.

    Raises:
        CaptureError: as of ``checkpoints.load_vibe``, or ``network_other``.
    """
    if model.start:
        return _started(model, folder / model.start)
    generator = empty_generator(model.encoder)
    if model.mean_body:
        for name, value in load_mean_body(folder / model.mean_body).items():
            getattr(generator.regressor, name).copy_(value)
    else:
        _at_rest(generator)
    return generator


def empty_generator(encoder: Encoder) -> Generator:
    """A generator with weights drawn by lot."""
    return Vibe() if encoder == "gru" else FrameBased()


def load_generator(path: Path) -> Generator:
    """A generator that a run of ours has written, in evaluation mode.

    Raises:
        CaptureError: ``state_broken`` or ``network_other``.
    """
    record = read_whole(path)
    if record.get("kind") != NETWORK or record.get("encoder") not in ("gru", "none"):
        raise _other(path, "it is no network of ours")
    generator = empty_generator(record["encoder"])
    try:
        generator.load_state_dict(record["gen_state_dict"], strict=True)
    except (RuntimeError, KeyError, TypeError, AttributeError) as error:
        raise _other(path, str(error).splitlines()[0]) from error
    return generator.eval()


def _started(model: Model, path: Path) -> Generator:
    """The generator of a file, ours or the published one."""
    if path.name.endswith(".pth.tar"):
        if model.encoder != "gru":
            raise _other(path, "a published VIBE has a temporal encoder")
        return load_vibe(path).train()
    generator = load_generator(path)
    if isinstance(generator, Vibe) != (model.encoder == "gru"):
        raise _other(path, f"it has {'no ' if model.encoder == 'gru' else 'a '}temporal encoder")
    return generator.train()


def _at_rest(generator: Generator) -> None:
    """Lets the regressor start from a body in T-pose that stands upright before the camera."""
    upright = torch.diag(torch.tensor([1.0, -1.0, -1.0]))  # SMPL's y up, the camera's down
    matrices = torch.eye(3).repeat(24, 1, 1)
    matrices[0] = upright
    generator.regressor.init_pose.copy_(matrices[:, :, :2].reshape(1, -1))
    generator.regressor.init_cam.copy_(torch.tensor([[0.9, 0.0, 0.0]]))


def _other(path: Path, why: str) -> CaptureError:
    return CaptureError("network_other", f"{path} cannot be used: {why}.", "Name another in model.start.")


def parameters(network: nn.Module) -> int:
    """How many numbers a network learns."""
    return sum(value.numel() for value in network.parameters() if value.requires_grad)
