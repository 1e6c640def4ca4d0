# SPDX-License-Identifier: MIT
"""The published files, and networks of the user's own, as networks and a body, ready to be used."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

from torch import nn

from backend.body.model import BodyModel
from backend.body.smpl_files import read_smpl
from backend.checkpoints import load_image_encoder, load_vibe
from backend.networks.resnet import ResNet50
from backend.networks.vibe import Vibe
from backend.own_networks import read_own
from backend.published import find_published, require
from vibe_blender.contract.errors import CaptureError
from vibe_blender.contract.terms import NAMES

Network = TypeVar("Network", bound=nn.Module)
_ESTIMATORS = {"gru": "vibe", "tcmr": "tcmr", "dts-vibe": "dts-vibe"}
"""Which estimator a network is for, by what it is over time."""


@dataclass(frozen=True)
class Networks:
    """What VIBE is made of, on the CPU, in eval mode.

    Attributes:
        encoder: crops to features.
        vibe: features over time to bodies.
        body: SMPL's, to which the bodies belong.
    """

    encoder: ResNet50
    vibe: Vibe
    body: BodyModel


@dataclass(frozen=True)
class Own(Generic[Network]):
    """A network that ``vibe train`` has made: the network, and how many frames the windows had it has learned from."""

    network: Network
    frames: int


def open_networks(*folders: Path, own: Path | None = None) -> Networks:
    """The networks of the published files in folders, earlier ones first.

    Args:
        folders: to look in.
        own: a network of the user's own, to be used instead of VIBE's published one.

    Raises:
        CaptureError: a file is missing, damaged, unsafe or another than its name says.
    """
    files = find_published(*folders)
    if own is not None:
        spin, smpl = require(files, "spin", "smpl")
        return Networks(load_image_encoder(spin), open_own(own, Vibe, "vibe").network, read_smpl(smpl))
    spin, vibe, smpl = require(files, "spin", "vibe", "smpl")
    return Networks(load_image_encoder(spin), load_vibe(vibe, spin, files.mean_params), read_smpl(smpl))


def open_own(path: Path, kind: type[Network], estimator: str) -> Own[Network]:
    """A network of the user's own, which has to be of the estimator's kind and know the features that captures make.

    Raises:
        CaptureError: ``network_other``, or as of ``read_own``.
    """
    own = read_own(path)
    if not isinstance(own.network, kind):
        right = _ESTIMATORS.get(own.architecture.encoder)
        other = f"Choose the estimator {right}, or name" if right else "No estimator of a capture runs it: name"
        raise CaptureError(
            "network_other",
            f"{path} is a network of the kind {own.architecture.name}, and the estimator {estimator} runs"
            f" {NAMES[estimator]}.",
            f"{other} another file with --network.",
        )
    if own.features != "spin":
        raise CaptureError(
            "network_other",
            f"{path} has learned from features of the kind {own.features}, and captures make those of SPIN.",
            "Train it on archives whose features are SPIN's (`vibe prepare` with SPIN's file), or name another file.",
        )
    return Own(own.network, own.frames)
