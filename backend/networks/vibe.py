# SPDX-License-Identifier: MIT
"""VIBE's generator (Kocabas et al. 2020, 3.1): features of consecutive frames, made consistent by a GRU, to bodies."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from .regressor import Regressed, Regressor
from .resnet import FEATURES

_LAYERS = 2


class TemporalEncoder(nn.Module):
    """A GRU over time whose output corrects the features it was given."""

    def __init__(self, hidden: int = 1024) -> None:
        """A memory of ``hidden`` numbers a layer; 1024 as published."""
        super().__init__()
        self.gru = nn.GRU(FEATURES, hidden, num_layers=_LAYERS)
        self.linear = nn.Linear(hidden, FEATURES)

    def forward(self, features: Tensor, state: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Features that know of the frames before them.

        Args:
            features: (N, T, 2048).
            state: (2, N, hidden) after the frame before; None at the beginning.

        Returns:
            (N, T, 2048) features, and the state after the last frame.
        """
        inner, state = self.gru(features.transpose(0, 1), state)
        return self.linear(torch.relu(inner)).transpose(0, 1) + features, state


class Vibe(nn.Module):
    """The temporal encoder and the regressor; names as in ``gen_state_dict`` of the published files."""

    def __init__(self, hidden: int = 1024) -> None:
        """Layers of ``hidden`` numbers; 1024 as published."""
        super().__init__()
        self.encoder = TemporalEncoder(hidden)
        self.regressor = Regressor(hidden)

    def forward(self, features: Tensor, state: Tensor | None = None) -> tuple[Regressed, Tensor]:
        """(N, T, 2048) features to bodies (N, T, …), and the state to go on with."""
        features, state = self.encoder(features, state)
        return self.regressor(features), state
