# SPDX-License-Identifier: MIT
"""What TCMR and DTS-VIBE attend to, as plain arrays, for pictures of it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from .dts_vibe import DtsVibe
from .tcmr import Tcmr

Array = NDArray[np.float32]


@dataclass(frozen=True)
class Maps:
    """What the frames (second last) of one window attended to (last), each row summing to 1.

    Attributes:
        encoder: (layers, heads, T, T); None where a GRU is the encoder.
        regressor: (layers, heads, T, T); None where the regressor is HMR's.
    """

    encoder: Array | None
    regressor: Array | None


@torch.no_grad()
def branch_weights(network: Tcmr, features: Array, length: int) -> Array:
    """(F, 3) how much past, all and future frames count in each frame of a clip; each row sums to 1.

    Args:
        network: in evaluation mode, on the CPU.
        features: (F, 2048).
        length: frames of a window.
    """
    return network.over(torch.from_numpy(features), length=length)[1].numpy()


@torch.no_grad()
def maps(network: DtsVibe, features: Array, flow: Array | None) -> Maps:
    """What a window's frames attend to.

    Args:
        network: in evaluation mode, on the CPU.
        features: (T, 2048).
        flow: (T, 2, 56, 56) pixels of the crop; not looked at by a network without a flow stream.
    """
    moved = None if flow is None else torch.from_numpy(flow)[None]
    attended = network.attention(torch.from_numpy(features)[None], moved)
    parts = (attended.encoder, attended.regressor)
    return Maps(*(None if part is None else part[0].numpy() for part in parts))
