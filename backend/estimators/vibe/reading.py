# SPDX-License-Identifier: MIT
"""VIBE reads people while the video goes by: of features it speaks at once, and its memories are carried on."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from backend.estimators.words import Array, Spoken
from backend.networks.regressor import Regressed
from backend.person_crops import ENLARGED, enlarged
from vibe_blender.contract.take import NetworkWords

from .devices import exactly
from .encoder import Encoder
from .files import Networks
from .gathering import CropReader, farthest_joint

Memory = tuple[Array | None, int]
"""(2, hidden) state of the recurrent network, None at the beginning, and how many frames it has seen."""


class VibeReader(CropReader):
    """Speaks of everybody it is shown."""

    def __init__(
        self,
        networks: Networks,
        device: torch.device,
        *,
        chunk: int | None = None,
        compat: bool = False,
    ) -> None:
        """Prepares the networks.

        Args:
            networks: as they were read from their files.
            device: where they shall run.
            chunk: after so many frames of a person everything is forgotten, as the published demo does.
            compat: full precision; what is said refers to the box and not, as is right, to the larger crop.
        """
        self._vibe, self._chunk, self._compat = networks.vibe.to(device), chunk, compat
        self._body = networks.body
        super().__init__(Encoder(networks.encoder, device, self._apart, False if compat else None), ENLARGED)

    def settle(self, remembered: Callable[[int], Memory]) -> list[Spoken]:
        """What is to be said of everybody seen since the last call; waits for it.

        Args:
            remembered: a person's memory after that call.
        """
        saying = [
            self._thread.submit(
                self._on_device, self._spoken, each.person, each.features, each.squares, remembered(each.person)
            )
            for each in self._gathered()
        ]
        return [future.result() for future in saying]

    def _spoken(self, person: int, features: Array, squares: Array, memory: Memory) -> Spoken:
        """What is said of one person's newest frames: features (T, 2048), squares (T, 4)."""
        state, before = memory
        device = self.encoder.device
        network = self._vibe.to(device)
        gru = network.encoder.gru
        empty = np.zeros((gru.num_layers, gru.hidden_size), np.float32)
        carried = torch.from_numpy(empty if state is None else state)[:, None].to(device)
        parts, first = [], 0
        while first < len(features):
            age = before + first if self._chunk is None else (before + first) % self._chunk
            last = len(features) if self._chunk is None else first + self._chunk - age
            with exactly():
                some = torch.from_numpy(features[None, first:last]).to(device)
                said, carried = network(some, carried if age else torch.zeros_like(carried))
            parts.append([part[0].cpu().numpy() for part in (said.camera, said.rotations, said.betas)])
            first = last
        camera, rotations, betas = (np.concatenate(part) for part in zip(*parts, strict=True))
        words = NetworkWords(camera, rotations, betas, squares if self._compat else enlarged(squares))
        return Spoken(person, words, carried[:, 0].cpu().numpy())

    def _apart(self, one: Tensor, other: Tensor) -> float:
        """How far (metres) two features (B, 2048) of the same crops put a joint from each other, each its pelvis."""
        said = []
        for features in (one, other):
            with exactly():
                said.append(self._vibe.to(self.encoder.device)(features.to(self.encoder.device)[:, None])[0])
        return farthest_joint(self._body, *(_first(each) for each in said))


def _first(said: Regressed) -> Regressed:
    """The first frame (N, …) of each sequence (N, T, …)."""
    return Regressed(said.rotations[:, 0], said.betas[:, 0], said.camera[:, 0])
