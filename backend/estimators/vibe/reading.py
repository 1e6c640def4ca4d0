# SPDX-License-Identifier: MIT
"""VIBE reads people while the video goes by: crops gather, features are made on a thread, memories are carried on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
import torch
from torch import Tensor

from backend.body.keypoints import LANDMARK_NAMES
from backend.estimators.words import Array, Spoken
from backend.person_crops import SIDE_PX, cut_out, enlarged, square_around
from backend.tracking import Observation
from vibe_blender.contract.quaternions import from_matrices
from vibe_blender.contract.skeleton import forward_kinematics
from vibe_blender.contract.take import NetworkWords

from .devices import exactly
from .encoder import Encoder
from .files import Networks

_EARS, _SHOULDERS = ([LANDMARK_NAMES.index(f"{side}_{part}") for side in ("left", "right")] for part in
                     ("ear", "shoulder"))  # fmt: skip
_CROWN = 0.66
"""How far above the ears a head ends, in heights of the ears above the shoulders, on the mannequin."""
_LIKELY = 0.5
_AHEAD = 2
"""Batches that may wait for the network: more would only fill the memory."""

MEMORY_SHAPE = (2, 1024)
Memory = tuple[Array | None, int]
"""(2, 1024) state of the recurrent network, None at the beginning, and how many frames it has seen."""


def box_of(seen: Observation) -> Array:
    """(4,) centre x, y, width, height, pixels, as a detector would draw it: with the crown, where no landmark is."""
    box = seen.extent()
    if seen.landmarks is None or seen.landmarks.presence[[*_EARS, *_SHOULDERS]].min() < _LIKELY:
        return box
    ears, shoulders = (seen.landmarks.image_px[pair].mean(axis=0) for pair in (_EARS, _SHOULDERS))
    crown = ears + _CROWN * (ears - shoulders)
    low, high = np.minimum(box[:2] - box[2:] / 2, crown), np.maximum(box[:2] + box[2:] / 2, crown)
    return np.concatenate([(low + high) / 2, high - low])


class VibeReader:
    """Speaks of everybody it is shown.

    Attributes:
        encoder: the image network at work.
    """

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
        self.encoder = Encoder(networks.encoder, device, self._apart, False if compat else None)
        self._thread = ThreadPoolExecutor(1)
        self._room = self._crops()
        self._rows = self._room.numpy()  # through torch, each crop would wake all of its threads
        self._count = 0
        self._seen: list[tuple[int, Array]] = []
        self._features: list[Future[Tensor]] = []

    def see(self, picture: np.ndarray, seen: Sequence[Observation]) -> None:
        """Cuts the people out of the next picture (H, W, 3) uint8 RGB; what is said of them ``settle`` tells."""
        for observation in seen:
            square = square_around(box_of(observation))
            self._rows[self._count] = cut_out(picture, square)
            self._count += 1
            self._seen.append((observation.person, square))
            if self._count == len(self._rows):
                self._send()

    def settle(self, remembered: Callable[[int], Memory]) -> list[Spoken]:
        """What is to be said of everybody seen since the last call; waits for it.

        Args:
            remembered: a person's memory after that call.
        """
        self._send()
        features = [future.result().numpy() for future in self._features]
        seen, self._seen, self._features = self._seen, [], []
        if not seen:
            return []
        people = np.array([person for person, _ in seen])
        squares, whole = np.array([square for _, square in seen]), np.concatenate(features)
        saying = [
            self._thread.submit(self._say, int(person), whole[mine], squares[mine], remembered(int(person)))
            for person in np.unique(people)
            for mine in [people == person]
        ]
        return [future.result() for future in saying]

    def close(self) -> None:
        """Ends the thread, with whatever was not settled."""
        self._thread.shutdown(cancel_futures=True)

    def _crops(self) -> Tensor:
        """Room (B, 224, 224, 3) for a batch, where the GPU fetches it without the CPU's help."""
        size = (self.encoder.batch, SIDE_PX, SIDE_PX, 3)
        return torch.empty(size, dtype=torch.uint8, pin_memory=self.encoder.device.type == "cuda")

    def _send(self) -> None:
        """Gives the gathered crops to the network's thread, and waits where that is too far behind."""
        if not self._count:
            return
        self._features.append(self._thread.submit(self.encoder.encode, self._room[: self._count]))
        waiting = [future for future in self._features if not future.done()]
        if len(waiting) > _AHEAD:
            waiting[0].result()
        self._room, self._count = self._crops(), 0
        self._rows = self._room.numpy()

    def _say(self, person: int, features: Array, squares: Array, memory: Memory) -> Spoken:
        """As ``_spoken``; on the CPU where that does not work on the device."""
        try:
            return self._spoken(person, features, squares, memory)
        except RuntimeError as error:
            if self.encoder.device.type == "cpu":
                raise
            self.encoder.leave(error)
        return self._spoken(person, features, squares, memory)

    def _spoken(self, person: int, features: Array, squares: Array, memory: Memory) -> Spoken:
        """What is said of one person's newest frames: features (T, 2048), squares (T, 4)."""
        state, before = memory
        device = self.encoder.device
        carried = torch.from_numpy(np.zeros(MEMORY_SHAPE, np.float32) if state is None else state)[:, None].to(device)
        network = self._vibe.to(device)
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
        places = []
        for features in (one, other):
            with exactly():
                said, _ = self._vibe.to(self.encoder.device)(features[:, None].to(self.encoder.device))
                rest = self._body.rest_joints(said.betas[:, 0].cpu().double().numpy())
            turns = from_matrices(said.rotations[:, 0].cpu().double().numpy())
            posed = [forward_kinematics(*each, np.zeros(3))[0] for each in zip(rest, turns, strict=True)]
            places.append(np.array(posed))
        return float(np.linalg.norm(places[0] - places[1], axis=-1).max())
