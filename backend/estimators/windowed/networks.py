# SPDX-License-Identifier: MIT
"""The networks that read windows of frames, each with what a capture has to know of it, and their files."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from backend.body.model import BodyModel
from backend.body.smpl_files import read_smpl
from backend.checkpoints import load_image_encoder, load_tcmr
from backend.estimators.vibe.files import open_own
from backend.flow import CELLS
from backend.networks.dts_vibe import DtsVibe, windows
from backend.networks.regressor import Regressed
from backend.networks.resnet import ResNet50
from backend.networks.tcmr import WINDOW, Tcmr
from backend.person_crops import TCMR_ENLARGED
from backend.published import find_published, require


class WindowNetwork(ABC):
    """A network that says of each frame of a clip what the frames around it tell.

    Attributes:
        length: how many frames it looks at; what it says of a frame never depends on one farther away than that.
        stride: how far apart its windows are.
        reads_flow: whether it needs to know how pictures move.
        enlarged_by: how much larger its crops are than the squares around people.
    """

    enlarged_by = TCMR_ENLARGED

    def __init__(self, network: nn.Module, length: int, *, stride: int = 1, reads_flow: bool = False) -> None:
        """Prepares a network in eval mode that has learned from windows of ``length`` frames."""
        self._module = network
        self.length, self.stride, self.reads_flow = length, stride, reads_flow

    def to(self, device: torch.device) -> None:
        """Moves it."""
        self._module.to(device)

    def moving(self, flow: Tensor) -> Tensor:
        """(B, W) what flow (B, 2, 56, 56) says of each frame by itself; only of a network that reads flow."""
        raise NotImplementedError

    @abstractmethod
    def over(self, features: Tensor, moving: Tensor | None) -> Regressed:
        """Bodies (F, …) of a clip: (F, 2048) and, where it reads flow, (F, W) of ``moving``, on its device."""

    @abstractmethod
    def alone(self, features: Tensor) -> Regressed:
        """Bodies (B, …) of frames (B, 2048) each of which lasts for a whole window."""


class TcmrNetwork(WindowNetwork):
    """TCMR, whose windows are one frame apart.

    Its crops are the published demo's, 1.2 times the square. Those it learned from were 1.43 times the diagonal of the
    joints, by our notes (A.1.14); our clip archives show 1.32 times that to every network.
    """

    def __init__(self, network: Tcmr, length: int = WINDOW, *, repeat_ends: bool = False) -> None:
        """Prepares a network; with ``repeat_ends`` a clip's first and last frames are said as in the published demo."""
        super().__init__(network, length)
        self._network, self._repeat_ends = network, repeat_ends

    def over(self, features: Tensor, moving: Tensor | None) -> Regressed:
        """As ``WindowNetwork``."""
        return self._network.over(features, repeat_ends=self._repeat_ends, length=self.length)[0]

    def alone(self, features: Tensor) -> Regressed:
        """As ``WindowNetwork``."""
        return _frame(self._network(features[:, None].expand(-1, self.length, -1))[0], 0)


class DtsVibeNetwork(WindowNetwork):
    """DTS-VIBE, whose windows overlap and are blended.

    No published program says how large its crops are in a capture. Its clip archives show 1.32 times the diagonal of
    the joints, about a standing person's height, and of 1.1 and 1.2 times the box the larger is nearer to that.
    """

    def __init__(self, network: DtsVibe, length: int) -> None:
        """Prepares a network in eval mode that has learned from windows of ``length`` frames."""
        stride = int(windows(4 * length, length)[1, 0])
        super().__init__(network, length, stride=stride, reads_flow=network.flow_stream is not None)
        self._network = network

    def moving(self, flow: Tensor) -> Tensor:
        """As ``WindowNetwork``."""
        return self._network.moving(flow)

    def over(self, features: Tensor, moving: Tensor | None) -> Regressed:
        """As ``WindowNetwork``."""
        return self._network.over(features, moving=moving, length=self.length)

    def alone(self, features: Tensor) -> Regressed:
        """As ``WindowNetwork``; nothing is known of how they move."""
        still = features.new_zeros(len(features), self.length, 2, CELLS, CELLS) if self.reads_flow else None
        return _frame(self._network(features[:, None].expand(-1, self.length, -1), still)[0], self.length // 2)


@dataclass(frozen=True)
class WindowNetworks:
    """What an estimator that reads windows is made of, on the CPU, in eval mode.

    Attributes:
        encoder: crops to features.
        network: features of a clip to bodies.
        body: SMPL's, to which the bodies belong.
    """

    encoder: ResNet50
    network: WindowNetwork
    body: BodyModel


def open_tcmr(*folders: Path, own: Path | None = None, repeat_ends: bool = False) -> WindowNetworks:
    """TCMR out of the published files in folders, earlier ones first.

    Args:
        folders: to look in.
        own: a network of the user's own, to be used instead of the published one.
        repeat_ends: as of ``TcmrNetwork``.

    Raises:
        CaptureError: a file is missing, damaged, unsafe or another than its name says.
    """
    files = find_published(*folders)
    if own is not None:
        spin, smpl = require(files, "spin", "smpl")
        ours = open_own(own, Tcmr, "tcmr")
        network = TcmrNetwork(ours.network, ours.frames, repeat_ends=repeat_ends)
        return WindowNetworks(load_image_encoder(spin), network, read_smpl(smpl))
    spin, tcmr, smpl = require(files, "spin", "tcmr", "smpl")
    network = TcmrNetwork(load_tcmr(tcmr, spin, files.mean_params), repeat_ends=repeat_ends)
    return WindowNetworks(load_image_encoder(spin), network, read_smpl(smpl))


def open_dts_vibe(*folders: Path, own: Path) -> WindowNetworks:
    """DTS-VIBE, a network of the user's own, with the published files in folders, earlier ones first.

    Raises:
        CaptureError: a file is missing, damaged, unsafe or another than its name says.
    """
    ours = open_own(own, DtsVibe, "dts-vibe")
    spin, smpl = require(find_published(*folders), "spin", "smpl")
    return WindowNetworks(load_image_encoder(spin), DtsVibeNetwork(ours.network, ours.frames), read_smpl(smpl))


def _frame(said: Regressed, index: int) -> Regressed:
    """One frame (N, …) of each sequence (N, T, …)."""
    return Regressed(said.rotations[:, index], said.betas[:, index], said.camera[:, index])
