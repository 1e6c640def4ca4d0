# SPDX-License-Identifier: MIT
"""The generator without time, as HMR and SPIN have it: every picture by itself; what VIBE is compared with."""

from __future__ import annotations

from torch import Tensor, nn

from .regressor import Regressed, Regressor


class FrameBased(nn.Module):
    """The regressor alone, called as ``Vibe`` is."""

    def __init__(self, hidden: int = 1024) -> None:
        """Layers of ``hidden`` numbers; 1024 as published."""
        super().__init__()
        self.regressor = Regressor(hidden)

    def forward(self, features: Tensor, state: None = None) -> tuple[Regressed, None]:
        """(N, T, 2048) features to bodies (N, T, …); there is no state."""
        return self.regressor(features), state
