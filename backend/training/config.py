# SPDX-License-Identifier: MIT
"""What a training run is: one TOML file, read strictly into these."""

from __future__ import annotations

import math
import tomllib
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Literal

from backend.networks.motion_discriminator import Pooling
from backend.own_networks import Architecture, DtsVibeOptions, Encoder, TcmrOptions
from vibe_blender.contract.errors import CaptureError
from vibe_blender.contract.records import from_record

PRESETS = Path(__file__).parent / "presets"
_LARGEST_FILE = 1 << 20

Body = Literal["smpl", "mannequin"]
Precision = Literal["float32", "bfloat16", "float16"]
Watched = Literal["pa_mpjpe", "mpjpe"]


@dataclass(frozen=True)
class Data:
    """Where clips come from.

    Attributes:
        two_d, three_d: clip archives labelled in pictures, and in space; paths from the configuration's folder.
        motion: archives of real motion for the discriminator.
        validation: archives to measure on after each epoch; their frames are never learned from.
        frames: of a window (T).
        overlap: 0..1, of neighbouring windows.
        motion_fps: real motion is thinned to about so many frames a second.
        share_2d: 0..1, of a batch.
        pictures: learn from pictures instead of features that were computed before.
        augment: occluders, shaken crops, mirrored pictures, colours; needs pictures.
    """

    two_d: tuple[str, ...] = ()
    three_d: tuple[str, ...] = ()
    motion: tuple[str, ...] = ()
    validation: tuple[str, ...] = ()
    frames: int = 16
    overlap: float = 0.75
    motion_fps: float = 25.0
    share_2d: float = 0.6
    pictures: bool = False
    augment: bool = False


@dataclass(frozen=True)
class Model:
    """What learns.

    Attributes:
        encoder, hidden, tcmr, dts_vibe: how it is built, see ``own_networks.Architecture``.
        start: a network to begin with, VIBE's published one or one of ours.
        spin: SPIN's published checkpoint; where there is no ``start``, its regressor is begun with, as VIBE's authors
            did. Its image network reads pictures.
        mean_body: ``smpl_mean_params.npz``, the body that a new regressor starts from; else the rest pose.
        body: whose joints and skin losses are about.
        body_files: the folder with SMPL's files; or the file of a mannequin, else our own.
    """

    encoder: Encoder = "gru"
    hidden: int = 1024
    tcmr: TcmrOptions = field(default_factory=TcmrOptions)
    dts_vibe: DtsVibeOptions = field(default_factory=DtsVibeOptions)
    start: str = ""
    spin: str = ""
    mean_body: str = ""
    body: Body = "smpl"
    body_files: str = ""

    @property
    def architecture(self) -> Architecture:
        """How the generator is built."""
        return Architecture(self.encoder, self.hidden, self.tcmr, self.dts_vibe)


@dataclass(frozen=True)
class Weights:
    """How much each loss counts (A.1.14 of our notes: the published configuration).

    Attributes:
        joints_2d: mean squared distance in the crop, -1..1, weighted by confidence.
        joints_3d: mean squared distance of centred joints, metres.
        pose: mean squared difference of rotation matrices.
        shape: mean squared difference of betas.
        adversarial: how far the discriminator is from taking the poses for real motion.
        flow: mean squared distance in the crop between joints traced back along optical flow, and where the network
            says they were in the frame before (DTS-VIBE's refinement); needs archives with flow.
    """

    joints_2d: float = 300.0
    joints_3d: float = 300.0
    pose: float = 60.0
    shape: float = 0.06
    adversarial: float = 0.5
    flow: float = 0.0


@dataclass(frozen=True)
class Discriminator:
    """What real motion is learned by.

    Attributes:
        use: whether there is one.
        pooling: how frames become one judgement.
        hidden: width of its layers, 1024 as published.
        rate, decay: of Adam.
    """

    use: bool = True
    pooling: Pooling = "attention"
    hidden: int = 1024
    rate: float = 1e-4
    decay: float = 1e-4


@dataclass(frozen=True)
class Steps:
    """How learning goes.

    Attributes:
        batch: clips of a step, of all processes together.
        epochs, iterations: epochs, and steps of each.
        rate, decay: of the generator's Adam.
        clip: longest gradient; 0 for no bound.
        average: 0..1, of an exponential moving average of the weights, which is what is measured and kept; 0 for none.
        patience, factor: after so many epochs without progress, rates are multiplied by so much.
        watch: what progress is.
        seed: of everything that is random.
        precision: of the networks' sums; ``float16`` with scaled losses, both on a GPU only.
        workers: processes that load clips; 0 loads them between steps.
        save_every: after so many steps, besides after each epoch, a killed run goes on from there.
    """

    batch: int = 32
    epochs: int = 30
    iterations: int = 500
    rate: float = 5e-5
    decay: float = 0.0
    clip: float = 0.0
    average: float = 0.0
    patience: int = 5
    factor: float = 0.1
    watch: Watched = "pa_mpjpe"
    seed: int = 0
    precision: Precision = "float32"
    workers: int = 2
    save_every: int = 100


@dataclass(frozen=True)
class Training:
    """A training run.

    Attributes:
        output: folder for checkpoints, curves and what is found; from the configuration's folder.
        device: ``auto``, ``cpu``, ``cuda`` or ``mps``.

    Raises:
        CaptureError: ``bad_setting``, which names the value.
    """

    output: str
    data: Data = field(default_factory=Data)
    model: Model = field(default_factory=Model)
    weights: Weights = field(default_factory=Weights)
    discriminator: Discriminator = field(default_factory=Discriminator)
    steps: Steps = field(default_factory=Steps)
    device: str = "auto"

    def __post_init__(self) -> None:
        for name, (low, high) in _RANGES.items():
            section, key = name.split(".")
            value = getattr(getattr(self, section), key)
            if not (math.isfinite(value) and low <= value <= high):
                raise _bad(f"{name} cannot be {value}", f"It goes from {low:g} to {high:g}.")
        for item in fields(Weights):
            if not 0.0 <= getattr(self.weights, item.name) < math.inf:
                raise _bad(f"weights.{item.name} cannot be {getattr(self.weights, item.name)}", "Give 0 or more.")
        if self.data.augment and not self.data.pictures:
            raise _bad("data.augment needs pictures", "Set data.pictures, or leave features as they are.")
        if self.data.pictures and not self.model.spin:
            raise _bad("data.pictures needs a network that reads them", "Name SPIN's checkpoint in model.spin.")
        if self.discriminator.use and self.data.frames < 2:
            raise _bad("A discriminator of motion needs more than one frame", "Set data.frames to 16.")
        if self.model.architecture.encoder == "tcmr" and (self.discriminator.use or self.weights.flow):
            raise _bad(
                "TCMR speaks of a window's middle frame only, not of its motion",
                "Set discriminator.use to false and weights.flow to 0, as its authors have it.",
            )
        shortest = self.model.architecture.shortest if not self.weights.flow else 2
        if self.data.frames < shortest:
            raise _bad(f"data.frames cannot be {self.data.frames} here", f"Windows have at least {shortest} frames.")
        if self.model.mean_body and (self.model.spin or self.model.start):
            raise _bad("model.mean_body would not be used: spin and start have one", "Leave it out.")
        if self.model.start and self.model.spin and not self.data.pictures:
            raise _bad(
                "model.spin would not be used: the run begins with start, and features are there", "Leave it out."
            )
        if self.needs_flow and self.data.augment:
            raise _bad("data.augment would change pictures, but not the flow of them", "Set data.augment to false.")

    @property
    def needs_flow(self) -> bool:
        """Whether clips must have optical flow."""
        return self.model.architecture.reads_flow or self.weights.flow > 0.0


_RANGES = {
    "data.frames": (1, 1024), "data.overlap": (0.0, 0.99), "data.motion_fps": (1.0, 1000.0),
    "data.share_2d": (0.0, 1.0),
    "steps.batch": (1, 65536), "steps.epochs": (1, 1_000_000), "steps.iterations": (1, 10_000_000),
    "steps.rate": (0.0, 10.0), "steps.decay": (0.0, 10.0), "steps.clip": (0.0, 1e9), "steps.average": (0.0, 0.999999),
    "steps.patience": (0, 1_000_000), "steps.factor": (1e-6, 1.0), "steps.seed": (0, 2**31 - 1),
    "steps.workers": (0, 256), "steps.save_every": (1, 10_000_000),
    "model.hidden": (16, 8192), "discriminator.hidden": (1, 8192),
    "discriminator.rate": (0.0, 10.0), "discriminator.decay": (0.0, 10.0),
}  # fmt: skip


def read_training(path: Path) -> Training:
    """The run that a TOML file describes; paths in it are from its own folder.

    A file may say ``preset = "vibe"`` (``frame_based``, …) and then name only what differs.

    Args:
        path: of the file.

    Raises:
        CaptureError: ``config_missing`` or ``bad_setting``.
    """
    record = read_toml(path)
    preset = record.pop("preset", None)
    if preset is not None:
        known = sorted(file.stem for file in PRESETS.glob("*.toml"))
        if preset not in known:
            raise _bad(f"There is no preset {preset!r}", f"There are: {', '.join(known)}.")
        record = _merged(read_toml(PRESETS / f"{preset}.toml"), record)
    return from_record(Training, record)


def read_toml(path: Path) -> dict[str, object]:
    """What a TOML file of settings says.

    Raises:
        CaptureError: ``config_missing`` or ``bad_setting``.
    """
    try:
        if path.stat().st_size > _LARGEST_FILE:
            raise _bad(f"{path} is too long for settings", "Name another file.")
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise CaptureError("config_missing", f"{path} cannot be read: {error.strerror}.", "Check the path.") from error
    except (ValueError, RecursionError) as error:
        raise _bad(f"{path} is no TOML: {error}", "Correct it, or name another") from error


def _merged(base: dict[str, object], changes: dict[str, object]) -> dict[str, object]:
    """The base with its tables changed value by value."""
    result = dict(base)
    for key, value in changes.items():
        before = result.get(key)
        result[key] = _merged(before, value) if isinstance(before, dict) and isinstance(value, dict) else value
    return result


def _bad(message: str, remedy: str) -> CaptureError:
    return CaptureError("bad_setting", f"{message}.", remedy)
