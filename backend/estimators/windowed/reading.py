# SPDX-License-Identifier: MIT
"""People are read for a network that looks ahead: features are kept, and it speaks of them when it is asked."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
import torch
from torch import Tensor

from backend.estimators.encodings import Encoded
from backend.estimators.vibe.devices import exactly
from backend.estimators.vibe.encoder import Encoder
from backend.estimators.vibe.gathering import CropReader, farthest_joint
from backend.estimators.words import Array
from backend.flow import CELLS, Crop, Flow, backward_flow
from backend.tracking import Observation

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
        self._flow_thread = ThreadPoolExecutor(1)
        self._flows: list[Future[Flow]] = []
        self._moving: list[Future[Array]] = []
        self._before: tuple[np.ndarray, set[int]] | None = None
        encoder = Encoder(networks.encoder, device, self._apart, False if exact else None)
        super().__init__(encoder, self.network.enlarged_by)

    def speaker(self, slerp: float | None = None) -> Speaker:
        """What has the network speak, smoothed by ``slerp``."""
        return Speaker(self.network, self.say, slerp)

    def look_back(self, picture: np.ndarray, people: Iterable[int]) -> None:
        """Shows the picture before the next one, and who was seen in it, to a network that asks how pictures move."""
        self._before = (picture, set(people)) if self.network.reads_flow else None

    def see(self, picture: np.ndarray, seen: Sequence[Observation]) -> None:
        """Cuts the people out of the next picture (H, W, 3) uint8 RGB."""
        super().see(picture, seen)
        self.look_back(picture, (observation.person for observation in seen))

    def settle(self) -> list[Encoded]:
        """What was made of everybody seen since the last call; waits for it."""
        gathered = self._gathered()
        parts, self._moving = [part.result() for part in self._moving], []
        moving = np.concatenate(parts) if parts else None
        return [
            Encoded(each.person, each.features, each.squares, None if moving is None else moving[each.rows])
            for each in gathered
        ]

    def close(self) -> None:
        """Ends the threads, with whatever was not waited for."""
        self._flow_thread.shutdown(cancel_futures=True)
        super().close()

    def say(self, features: Array, moving: Array | None) -> tuple[Array, Array, Array]:
        """What the network says of a clip (F, 2048), (F, W): cameras (F, 3), rotations (F, 24, 3, 3), shapes (F, 10).

        It runs on the thread of the image network, whose turn comes first.
        """
        return self._thread.submit(self._on_device, self._said, features, moving).result()

    def _cut(self, picture: np.ndarray, person: int, square: Array) -> np.ndarray:
        now = super()._cut(picture, person, square)
        if self.network.reads_flow:
            before = None
            if self._before is not None and person in self._before[1]:
                before = super()._cut(self._before[0], person, square)
            self._flows.append(self._flow_thread.submit(_flow, now, before))
        return now

    def _send(self) -> None:
        if self._flows:  # of the crops that are sent
            self._moving.append(self._thread.submit(self._on_device, self._moved, self._flows))
            self._flows = []
        super()._send()

    def _moved(self, flows: Sequence[Future[Flow]]) -> Array:
        """(B, W) what the network makes of flow."""
        flow = torch.from_numpy(np.stack([each.result() for each in flows]))
        network = self._ready()
        with exactly():
            return network.moving(flow.to(self.encoder.device).float()).cpu().numpy()

    def _said(self, features: Array, moving: Array | None) -> tuple[Array, Array, Array]:
        network, device = self._ready(), self.encoder.device
        with exactly():
            moved = None if moving is None else torch.from_numpy(moving).to(device)
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


def _flow(now: Crop, before: Crop | None) -> Flow:
    """(2, 56, 56) how a crop has moved since the frame before; zeros where the person was not seen in that."""
    return np.zeros((2, CELLS, CELLS), np.float16) if before is None else backward_flow(now, before)
