# SPDX-License-Identifier: MIT
"""Features of people's pictures by SPIN's image encoder, which training reads instead of pictures."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from backend.checkpoints import load_image_encoder
from backend.networks.resnet import COLOUR_MEAN, COLOUR_SPREAD, ResNet50
from backend.person_crops import Features


class SpinEncoder:
    """The encoder at work, on a GPU where there is one."""

    name: Features = "spin"

    def __init__(self, encoder: ResNet50, device: torch.device | None = None) -> None:
        """Takes a network over.

        Args:
            encoder: in evaluation mode.
            device: where it runs; None for a GPU where there is one.
        """
        self._device = device or torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self._encoder = encoder.to(self._device)
        self._mean, self._spread = (
            torch.tensor(values, device=self._device).view(3, 1, 1) for values in (COLOUR_MEAN, COLOUR_SPREAD)
        )

    def encode(self, crops: NDArray[np.uint8]) -> NDArray[np.float16]:
        """(B, 2048) features of crops (B, 224, 224, 3) RGB."""
        pixels = torch.from_numpy(crops).to(self._device).permute(0, 3, 1, 2)
        with torch.inference_mode():
            features = self._encoder(pixels.float().div_(255).sub_(self._mean).div_(self._spread))
        return features.cpu().numpy().astype(np.float16)


def spin_encoder(spin: Path) -> SpinEncoder:
    """The encoder of ``spin_model_checkpoint.pth.tar``.

    Raises:
        CaptureError: ``checkpoint_missing``, ``checkpoint_unsafe``, ``checkpoint_damaged`` or ``checkpoint_mismatch``.
    """
    return SpinEncoder(load_image_encoder(spin))
