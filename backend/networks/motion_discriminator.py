# SPDX-License-Identifier: MIT
"""VIBE's motion discriminator (Kocabas et al. 2020, 3.2): does a sequence of poses move as people do?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

Pooling = Literal["attention", "average_max", "last"]

POSE = 69
"""Numbers of a frame: axis-angle vectors, radians, of the 23 joints below the root."""
_LAYERS = 2
_DROPOUT = 0.2
_REACH, _BIAS = 0.1, 0.01


@dataclass(frozen=True)
class Judged:
    """What the discriminator says of sequences.

    Attributes:
        score: (N,) 1 for real motion, 0 for made-up motion, without bounds.
        attention: (N, T) how much each frame counts, summing to 1; None with other poolings.
    """

    score: Tensor
    attention: Tensor | None


class SelfAttention(nn.Module):
    """Weights for the frames of a sequence, from what a GRU says of each (equation 8).

    Attributes:
        attention: layers; their names and numbers are those of the published files.
    """

    def __init__(self, hidden: int = 1024) -> None:
        """Layers of ``hidden`` numbers."""
        super().__init__()
        layers: list[nn.Module] = []
        for width in (hidden, hidden, 1):
            layers += [nn.Linear(hidden, width), nn.Tanh(), nn.Dropout(_DROPOUT)]
        self.attention = nn.Sequential(*layers)
        for layer in self.attention:
            if isinstance(layer, nn.Linear):
                nn.init.uniform_(layer.weight, -_REACH, _REACH)
                nn.init.constant_(layer.bias, _BIAS)

    def forward(self, inner: Tensor) -> tuple[Tensor, Tensor]:
        """(N, T, hidden) to their weighted sums (N, hidden), and the weights (N, T)."""
        weights = torch.softmax(self.attention(inner).squeeze(-1), dim=1)
        return torch.einsum("nt,ntd->nd", weights, inner), weights


class MotionDiscriminator(nn.Module):
    """A GRU over poses, what it says of all frames pooled, and one number made of that.

    Args:
        pooling: ``attention`` as published; for ablations ``average_max``, mean and maximum over time side by side, or
            ``last``, what is said after the last frame.
        hidden: numbers of a layer; 1024 as published.
    """

    def __init__(self, pooling: Pooling = "attention", hidden: int = 1024) -> None:
        super().__init__()
        self.pooling = pooling
        self.gru = nn.GRU(POSE, hidden, num_layers=_LAYERS)
        if pooling == "attention":
            self.attention = SelfAttention(hidden)
        self.fc = nn.Linear(2 * hidden if pooling == "average_max" else hidden, 1)

    def forward(self, poses: Tensor) -> Judged:
        """Judges sequences of poses (N, T, 69), axis-angle, radians, without the root."""
        inner = self.gru(poses.transpose(0, 1))[0].transpose(0, 1)
        weights = None
        if self.pooling == "attention":
            pooled, weights = self.attention(inner)
        elif self.pooling == "average_max":
            pooled = torch.cat([inner.mean(dim=1), inner.amax(dim=1)], dim=1)
        else:
            pooled = inner[:, -1]
        return Judged(self.fc(pooled)[:, 0], weights)
