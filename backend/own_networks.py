# SPDX-License-Identifier: MIT
"""Networks that ``vibe train`` has made: how they are built, written and read; training and captures both need that."""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

import torch
from torch import Tensor

from vibe_blender.contract.errors import CaptureError
from vibe_blender.contract.records import from_record

from .networks.dts_vibe import DtsVibe
from .networks.frame_based import FrameBased
from .networks.tcmr import Tcmr
from .networks.vibe import Vibe
from .person_crops import Features
from .torch_files import printable

Generator = Vibe | FrameBased | Tcmr | DtsVibe
Encoder = Literal["gru", "none", "tcmr", "dts-vibe"]

VERSION = 2
_KIND = "vibe-network"
_LARGEST_HIDDEN = 1 << 13
_NAMES: dict[str, str] = {"gru": "VIBE", "none": "frame by frame", "tcmr": "TCMR", "dts-vibe": "DTS-VIBE"}


@dataclass(frozen=True)
class TcmrOptions:
    """What may differ in TCMR.

    Attributes:
        residual: the frame's own feature is added, as VIBE does and TCMR does not (its ablation).
    """

    residual: bool = False


@dataclass(frozen=True)
class DtsVibeOptions:
    """What may differ in DTS-VIBE; the first of each is the paper's.

    Attributes:
        flow: what reads optical flow: a ResNet-50, its mean over a grid of 32 x 32, which needs no GPU, or nothing.
        temporal: what reads features over time.
        regressor: what makes the coarse body finer: a transformer, or HMR's loop.
    """

    flow: Literal["resnet50", "grid", "none"] = "resnet50"
    temporal: Literal["transformer", "gru"] = "transformer"
    regressor: Literal["transformer", "iterative"] = "transformer"


@dataclass(frozen=True)
class Architecture:
    """How a generator is built.

    Attributes:
        encoder: over time: VIBE's ``gru``, ``tcmr``, ``dts-vibe``, or ``none``: every frame by itself.
        hidden: width of inner layers, 1024 as published; DTS-VIBE's tokens have half of it.
        tcmr, dts_vibe: what may differ in these.

    Raises:
        CaptureError: ``bad_setting``.
    """

    encoder: Encoder = "gru"
    hidden: int = 1024
    tcmr: TcmrOptions = field(default_factory=TcmrOptions)
    dts_vibe: DtsVibeOptions = field(default_factory=DtsVibeOptions)

    def __post_init__(self) -> None:
        if not 16 <= self.hidden <= _LARGEST_HIDDEN or self.hidden % 16:
            raise CaptureError(
                "bad_setting",
                f"model.hidden cannot be {self.hidden}.",
                f"It is a multiple of 16 from 16 to {_LARGEST_HIDDEN}.",
            )
        for name, options, encoder in (("tcmr", self.tcmr, "tcmr"), ("dts_vibe", self.dts_vibe, "dts-vibe")):
            if options != type(options)() and self.encoder != encoder:
                raise CaptureError(
                    "bad_setting",
                    f"model.{name} is for the encoder {encoder}.",
                    "Leave it out, or change model.encoder.",
                )

    @property
    def name(self) -> str:
        """The network's name as people know it."""
        return _NAMES[self.encoder]

    @property
    def shortest(self) -> int:
        """Frames that a window needs at least: TCMR's has a past, a middle and a future."""
        return 3 if self.encoder == "tcmr" else 1

    @property
    def reads_flow(self) -> bool:
        """Whether it needs optical flow beside features."""
        return self.encoder == "dts-vibe" and self.dts_vibe.flow != "none"


@dataclass(frozen=True)
class OwnNetwork:
    """A network with what a user of it has to know.

    Attributes:
        network: float32 on the CPU, in evaluation mode.
        architecture: how it is built.
        features: of which image network it has learned from.
        frames: of a window that it has learned from (T).
    """

    network: Generator
    architecture: Architecture
    features: Features
    frames: int


def build(architecture: Architecture) -> Generator:
    """A generator with weights drawn by lot."""
    if architecture.encoder == "gru":
        return Vibe(architecture.hidden)
    if architecture.encoder == "none":
        return FrameBased(architecture.hidden)
    if architecture.encoder == "tcmr":
        return Tcmr(architecture.hidden, residual=architecture.tcmr.residual)
    own = architecture.dts_vibe
    return DtsVibe(architecture.hidden // 2, flow=own.flow, temporal=own.temporal, regressor=own.regressor)


def save_own(
    path: Path, weights: dict[str, Tensor], architecture: Architecture, features: Features, frames: int, settings: str
) -> None:
    """Writes a network that has learned, for ``vibe test`` and for captures.

    Args:
        path: of the file.
        weights: of the generator.
        architecture: of the generator.
        features: of which image network it has learned from.
        frames: of a window (T).
        settings: of the run as text.
    """
    record = {"kind": _KIND, "version": VERSION, "architecture": asdict(architecture), "settings": settings}
    write_whole(path, {**record, "features": features, "frames": frames, "gen_state_dict": weights})


def read_own(path: Path) -> OwnNetwork:
    """A network that ``vibe train`` has written.

    Raises:
        CaptureError: ``network_missing``, ``network_broken`` or ``network_other``.
    """
    if not path.is_file():
        raise CaptureError("network_missing", f"There is no network {path}.", "`vibe train` makes one, best.pt.")
    try:
        record = read_whole(path)
    except ValueError as error:
        raise CaptureError("network_broken", f"{path} cannot be read: {error}.", "Name another file.") from error
    if record.get("kind") != _KIND or record.get("version") != VERSION:
        raise other(path, "it is no network of this program's")
    features, frames = record.get("features"), record.get("frames")
    if features not in get_args(Features) or type(frames) is not int or not 0 < frames <= 1024:
        raise other(path, "it does not say what it has learned from")
    try:
        architecture = from_record(Architecture, record["architecture"])
    except (CaptureError, KeyError, TypeError) as error:
        raise other(path, "its layers are of a kind that is not known here") from error
    if frames < architecture.shortest:
        raise other(path, f"{architecture.name} cannot have learned from windows of {frames} frames")
    with torch.device("meta"):  # a small file may speak of a large network
        wanted = build(architecture).state_dict()
    weights: Any = record.get("gen_state_dict")
    if why := _difference(weights, wanted):
        raise other(path, why)
    network = build(architecture)
    network.load_state_dict(weights)
    return OwnNetwork(network.eval(), architecture, "landmarks" if features == "landmarks" else "spin", frames)


def _difference(held: object, wanted: dict[str, Tensor]) -> str:
    """Why weights are not those that a network has; empty where they are."""
    if not isinstance(held, dict):
        return "it has no weights"
    for name in (*wanted, *held):
        if name not in held:
            return f"it lacks {name}"
        if name not in wanted:
            return f"it should not have {printable(str(name))}"
        value = held[name]
        if not isinstance(value, Tensor) or value.shape != wanted[name].shape or value.dtype != wanted[name].dtype:
            return f"{name} is not of the shape {tuple(wanted[name].shape)}"
        if not torch.isfinite(value).all():
            return f"{name} holds values that are not numbers"
    return ""


def write_whole(path: Path, record: dict[str, Any]) -> None:
    """Writes a file of torch's that is there as a whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    passing = path.with_name(f".{path.name}.new")
    with passing.open("wb") as file:
        torch.save(record, file)
        file.flush()
        os.fsync(file.fileno())
    passing.replace(path)


def read_whole(path: Path) -> dict[str, Any]:
    """What ``write_whole`` wrote; only tensors and plain values are read, and nothing is run.

    Raises:
        ValueError: it cannot be read, with a reason of one line.
    """
    try:
        record = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # whatever a damaged file makes of torch's reader
        said = str(error).splitlines()
        raise ValueError(said[0][:200] if said else type(error).__name__) from error
    if not isinstance(record, dict):
        raise ValueError("it is of another program")
    return record


def other(path: Path, why: str) -> CaptureError:
    """The error of a file that is not the network that was meant."""
    return CaptureError("network_other", f"{path} cannot be used: {why}.", "Name another file.")
