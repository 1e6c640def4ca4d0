# SPDX-License-Identifier: MIT
"""The published files as networks and a body, ready to be used."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from backend.body.model import BodyModel
from backend.body.smpl_files import read_smpl
from backend.checkpoints import load_image_encoder, load_vibe
from backend.networks.resnet import ResNet50
from backend.networks.vibe import Vibe
from backend.published import find_published, require


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


def open_networks(*folders: Path) -> Networks:
    """The networks of the published files in folders, earlier ones first.

    Raises:
        CaptureError: a file is missing, damaged, unsafe or another than its name says.
    """
    files = find_published(*folders)
    spin, vibe, smpl = require(files, "spin", "vibe", "smpl")
    return Networks(load_image_encoder(spin), load_vibe(vibe, spin, files.mean_params), read_smpl(smpl))
