# SPDX-License-Identifier: MIT
"""The estimators with an image network of a thousandth of the size: fast, and everything else as it is."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import torch
from torch import Tensor, nn

from backend.body.model import from_arrays
from backend.estimators.vibe.files import Networks
from backend.estimators.windowed.networks import DtsVibeNetwork, TcmrNetwork, WindowNetworks
from backend.networks.dts_vibe import DtsVibe, FlowKind
from backend.networks.resnet import FEATURES
from tests.published_bodies import make_arrays
from tests.published_files import random_tcmr, random_vibe


class SmallEncoder(nn.Module):
    """Crops (B, 3, 224, 224) to features (B, 2048) by colours and positions only; knows how many came at once."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mix", torch.randn(3 * 49, FEATURES, generator=torch.Generator().manual_seed(0)) / 12)
        self.batches: list[int] = []

    def forward(self, pictures: Tensor) -> Tensor:
        self.batches.append(len(pictures))
        cells = nn.functional.avg_pool2d(pictures, 32).flatten(1)
        return torch.relu(cells @ self.mix)


@lru_cache(maxsize=1)
def _rest():
    return random_vibe(0), from_arrays(make_arrays(0), Path("made.npz"))


def small_networks() -> Networks:
    """Networks of random weights; each call's encoder is its own."""
    vibe, body = _rest()
    return Networks(SmallEncoder().eval(), vibe, body)


@lru_cache(maxsize=1)
def _tcmr():
    return random_tcmr(0, 128)


def small_tcmr(*, repeat_ends: bool = False) -> WindowNetworks:
    """TCMR of random weights, an eighth as wide."""
    return WindowNetworks(SmallEncoder().eval(), TcmrNetwork(_tcmr(), repeat_ends=repeat_ends), _rest()[1])


@lru_cache(maxsize=2)
def random_dts_vibe(flow: FlowKind = "grid") -> DtsVibe:
    """A DTS-VIBE of random weights, an eighth as wide, whose bodies move with what it sees and with the flow."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = DtsVibe(64, flow=flow)
    regressor, mean = network.regressor, random_vibe(0).regressor
    with torch.no_grad():
        for name in ("init_pose", "init_shape", "init_cam"):
            getattr(regressor, name).copy_(getattr(mean, name))
        for layer in (regressor.coarse, regressor.fine):
            layer.weight.mul_(20)
    return network.eval()


def small_dts_vibe(flow: FlowKind = "grid") -> WindowNetworks:
    """DTS-VIBE of random weights."""
    return WindowNetworks(SmallEncoder().eval(), DtsVibeNetwork(random_dts_vibe(flow), 16), _rest()[1])
