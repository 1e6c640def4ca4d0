# SPDX-License-Identifier: MIT
"""Generators by what a configuration calls them, and the weights that they begin with."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn

from backend.checkpoints import load_mean_body, load_spin_regressor, load_vibe
from backend.networks.frame_based import FrameBased
from backend.networks.resnet import ResNet50
from backend.networks.vibe import Vibe
from vibe_blender.contract.errors import CaptureError

from .clips import ClipBatch, normalised
from .config import Encoder, Model
from .state import NETWORK, Generator, read_whole

_PICTURES_AT_ONCE = 64


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
    if model.spin:
        generator.regressor.load_state_dict(load_spin_regressor(folder / model.spin).state_dict())
    elif model.mean_body:
        for name, value in load_mean_body(folder / model.mean_body).items():
            getattr(generator.regressor, name).copy_(value)
    else:
        _at_rest(generator)
    return generator


def empty_generator(encoder: Encoder) -> Generator:
    """A generator with weights drawn by lot."""
    return Vibe() if encoder == "gru" else FrameBased()


def load_generator(path: Path) -> Generator:
    """A generator that a run of ours has written, or VIBE's published one (``.pth.tar``), in evaluation mode.

    Raises:
        CaptureError: ``network_missing``, ``state_broken`` or ``network_other``; as of ``checkpoints.load_vibe``.
    """
    if not path.is_file():
        raise CaptureError("network_missing", f"There is no network {path}.", "`vibe train` makes one, best.pt.")
    if path.name.endswith(".pth.tar"):
        return load_vibe(path)
    record = read_whole(path)
    if record.get("kind") != NETWORK or record.get("encoder") not in ("gru", "none"):
        raise _other(path, "it is no network of ours")
    generator = empty_generator(record["encoder"])
    try:
        generator.load_state_dict(record["gen_state_dict"], strict=True)
    except (RuntimeError, KeyError, TypeError, AttributeError) as error:
        raise _other(path, str(error).splitlines()[0]) from error
    return generator.eval()


def features_of(clips: ClipBatch, encoder: ResNet50 | None) -> Tensor:
    """(N, T, 2048) features of clips: those they have, or what a fixed image network says of their pictures."""
    if clips.features is not None:
        return clips.features
    assert encoder is not None
    assert clips.pictures is not None
    with torch.no_grad():
        parts = [encoder(normalised(part)) for part in clips.pictures.flatten(0, 1).split(_PICTURES_AT_ONCE)]
    return torch.cat(parts).unflatten(0, clips.pictures.shape[:2])


def _started(model: Model, path: Path) -> Generator:
    """The generator of a file, ours or the published one."""
    generator = load_generator(path)
    if isinstance(generator, Vibe) != (model.encoder == "gru"):
        raise _other(path, f"it has {'no' if model.encoder == 'gru' else 'a'} temporal encoder")
    return generator.train()


def _at_rest(generator: Generator) -> None:
    """Lets the regressor start from a body in T-pose that stands upright before the camera."""
    upright = torch.diag(torch.tensor([1.0, -1.0, -1.0]))  # SMPL's y up, the camera's down
    matrices = torch.eye(3).repeat(24, 1, 1)
    matrices[0] = upright
    generator.regressor.init_pose.copy_(matrices[:, :, :2].reshape(1, -1))
    generator.regressor.init_cam.copy_(torch.tensor([[0.9, 0.0, 0.0]]))


def _other(path: Path, why: str) -> CaptureError:
    return CaptureError("network_other", f"{path} cannot be used: {why}.", "Name another file.")


def parameters(network: nn.Module) -> int:
    """How many numbers a network learns."""
    return sum(value.numel() for value in network.parameters() if value.requires_grad)
