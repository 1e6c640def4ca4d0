# SPDX-License-Identifier: MIT
"""People are read for a network that looks ahead: features are kept, and it speaks of them when it is asked."""

from __future__ import annotations

import torch
from torch import Tensor

from backend.estimators.encodings import Encoded
from backend.estimators.vibe.devices import exactly
from backend.estimators.vibe.encoder import Encoder
from backend.estimators.vibe.gathering import CropReader, farthest_joint
from backend.estimators.words import Array

from .networks import WindowNetwork, WindowNetworks
from .speaking import Speaker


class WindowReader(CropReader):
    """Keeps features of everybody it is shown, and has the network speak of them."""

    def __init__(self, networks: WindowNetworks, device: torch.device, *, exact: bool = False) -> None:
        """Prepares the networks.

        Args:
            networks: as they were read from their files.
            device: where they shall run.
            exact: full precision.
        """
        self.network, self._body = networks.network, networks.body
        encoder = Encoder(networks.encoder, device, self._apart, False if exact else None)
        super().__init__(encoder, self.network.enlarged_by)

    def speaker(self, slerp: float | None = None) -> Speaker:
        """What has the network speak, smoothed by ``slerp``."""
        return Speaker(self.network, self.say, slerp)

    def settle(self) -> list[Encoded]:
        """What was made of everybody seen since the last call; waits for it."""
        return [Encoded(each.person, each.features, each.squares) for each in self._gathered()]

    def say(self, features: Array, flow: Array | None) -> tuple[Array, Array, Array]:
        """What the network says of a clip: cameras (F, 3), rotations (F, 24, 3, 3) and shapes (F, 10).

        It runs on the thread of the image network, whose turn comes first.
        """
        return self._thread.submit(self._on_device, self._said, features, flow).result()

    def _said(self, features: Array, flow: Array | None) -> tuple[Array, Array, Array]:
        network, device = self._ready(), self.encoder.device
        with exactly():
            moved = None if flow is None else torch.from_numpy(flow).to(device).float()
            said = network.over(torch.from_numpy(features).to(device), moved)
        camera, rotations, betas = (part.cpu().numpy() for part in (said.camera, said.rotations, said.betas))
        return camera, rotations, betas

    def _apart(self, one: Tensor, other: Tensor) -> float:
        """How far (metres) two features (B, 2048) of the same crops put a joint from each other, each its pelvis."""
        network = self._ready()
        with exactly():
            said = [network.alone(features.to(self.encoder.device)) for features in (one, other)]
        return farthest_joint(self._body, *said)

    def _ready(self) -> WindowNetwork:
        """The network where the image network is."""
        self.network.to(self.encoder.device)
        return self.network
