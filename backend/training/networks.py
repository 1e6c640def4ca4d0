# SPDX-License-Identifier: MIT
"""Generators by what a configuration calls them, and the weights that they begin with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path

import torch
from torch import Tensor, nn

from backend.checkpoints import load_mean_body, load_spin_regressor, load_tcmr, load_vibe
from backend.networks.dts_vibe import DtsVibe
from backend.networks.regressor import Regressed
from backend.networks.resnet import ResNet50
from backend.networks.tcmr import Tcmr
from backend.own_networks import Architecture, Generator, OwnNetwork, build, other, read_own
from backend.person_crops import Features
from backend.published import recognised

from .clips import ClipBatch, normalised
from .config import Model

_PICTURES_AT_ONCE = 64
_PUBLISHED_FRAMES = 16
_MEAN_BODY = ("init_pose", "init_shape", "init_cam")


def new_generator(model: Model, folder: Path, features: Features = "spin") -> Generator:
    """The generator that a run begins with.

    Args:
        model: what is asked for.
        folder: that its paths are from.
        features: that it is to learn from.

    Raises:
        CaptureError: as of ``checkpoints.load_vibe``, or ``network_other``.
    """
    if model.start:
        return _started(model, folder / model.start, features)
    generator = build(model.architecture)
    own = generator.regressor.state_dict()
    if model.spin:
        known = load_spin_regressor(folder / model.spin).state_dict()
        alike = _shapes(known) == _shapes(own)  # else only the body that it starts from can be had of it
        generator.regressor.load_state_dict(known if alike else {**own, **{name: known[name] for name in _MEAN_BODY}})
    elif model.mean_body:
        generator.regressor.load_state_dict({**own, **load_mean_body(folder / model.mean_body)})
    else:
        _at_rest(generator)
    return generator


def load_generator(path: Path) -> OwnNetwork:
    """A network that a run of ours has written, or a published one (``.pth.tar``), as if it were ours.

    Raises:
        CaptureError: ``network_missing``, ``network_broken`` or ``network_other``; as of ``checkpoints.load_vibe``.
    """
    if not (path.is_file() and path.name.endswith(".pth.tar")):
        return read_own(path)
    if recognised(path) == "tcmr":
        return OwnNetwork(load_tcmr(path), Architecture("tcmr"), "spin", _PUBLISHED_FRAMES)
    return OwnNetwork(load_vibe(path), Architecture("gru"), "spin", _PUBLISHED_FRAMES)


def inputs_of(clips: ClipBatch, encoder: ResNet50 | None, generator: nn.Module) -> tuple[Tensor, ...]:
    """What a generator is called with: features (N, T, 2048), and flow (N, T, 2, 56, 56) where it reads it."""
    features = features_of(clips, encoder)
    if not reads_flow(generator):
        return (features,)
    assert clips.flow is not None
    return features, clips.flow


def reads_flow(generator: nn.Module) -> bool:
    """Whether a generator needs optical flow."""
    return isinstance(generator, DtsVibe) and generator.flow_stream is not None


def spoken_of(clips: ClipBatch, generator: nn.Module) -> ClipBatch:
    """The labels of what a generator in training speaks of: TCMR of the middle frame three times, others of all."""
    if not isinstance(generator, Tcmr):
        return clips
    frames = [clips.joints2d.shape[1] // 2] * 3
    parts = {name: tensor if name == "origin" else tensor[:, frames] for name, tensor in clips.tensors().items()}
    return ClipBatch(**{item.name: parts.get(item.name) for item in fields(ClipBatch)})  # type: ignore[arg-type]


def bodies_of(generator: Generator, features: Tensor, flow: Tensor | None, length: int) -> Regressed:
    """The body of every frame of a sequence, F frames, F a multiple of ``length``: what is measured.

    VIBE and frame by frame read windows without overlap, each from a fresh state, as their authors measure; TCMR reads
    the window around each frame, DTS-VIBE windows that overlap.

    Args:
        generator: in evaluation mode.
        features: (F, 2048).
        flow: (F, 2, 56, 56) for a generator that reads it.
        length: frames of a window (T).
    """
    if isinstance(generator, Tcmr):
        return generator.over(features, length=length)[0]
    if isinstance(generator, DtsVibe):
        return generator.over(features, flow, length=length)
    said, _ = generator(features.unflatten(0, (-1, length)))
    return Regressed(*(part.flatten(0, 1) for part in (said.rotations, said.betas, said.camera)))


def features_of(clips: ClipBatch, encoder: ResNet50 | None) -> Tensor:
    """(N, T, 2048) features of clips: those they have, or what a fixed image network says of their pictures."""
    if clips.features is not None:
        return clips.features
    assert encoder is not None
    assert clips.pictures is not None
    with torch.no_grad():
        parts = [encoder(normalised(part)) for part in clips.pictures.flatten(0, 1).split(_PICTURES_AT_ONCE)]
    return torch.cat(parts).unflatten(0, clips.pictures.shape[:2])


def _started(model: Model, path: Path, features: Features) -> Generator:
    """The generator of a file, ours or a published one."""
    held, wanted = load_generator(path), build(model.architecture)
    if held.features != features:
        raise other(path, f"it has learned from the features {held.features}, and the archives have {features}")
    if type(held.network) is not type(wanted) or _shapes(held.network.state_dict()) != _shapes(wanted.state_dict()):
        raise other(path, f"it is built in another way than the {model.architecture.name} that [model] describes")
    wanted.load_state_dict(held.network.state_dict())
    return wanted.train()


def _shapes(weights: Mapping[str, Tensor]) -> dict[str, torch.Size]:
    return {name: value.shape for name, value in weights.items()}


def _at_rest(generator: Generator) -> None:
    """Lets the regressor start from a body in T-pose that stands upright before the camera."""
    upright = torch.diag(torch.tensor([1.0, -1.0, -1.0]))  # SMPL's y up, the camera's down
    matrices = torch.eye(3).repeat(24, 1, 1)
    matrices[0] = upright
    generator.regressor.init_pose.copy_(matrices[:, :, :2].reshape(1, -1))
    generator.regressor.init_cam.copy_(torch.tensor([[0.9, 0.0, 0.0]]))


def parameters(network: nn.Module) -> int:
    """How many numbers a network learns."""
    return sum(value.numel() for value in network.parameters() if value.requires_grad)
