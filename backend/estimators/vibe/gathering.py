# SPDX-License-Identifier: MIT
"""People are cut out while the video goes by: crops gather, and an image network makes features of them on a thread."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from backend.body.keypoints import LANDMARK_NAMES
from backend.body.model import BodyModel
from backend.estimators.words import Array
from backend.networks.regressor import Regressed
from backend.person_crops import SIDE_PX, cut_out, square_around
from backend.tracking import Observation
from vibe_blender.contract.quaternions import from_matrices
from vibe_blender.contract.skeleton import forward_kinematics

from .encoder import Encoder

_EARS, _SHOULDERS = ([LANDMARK_NAMES.index(f"{side}_{part}") for side in ("left", "right")] for part in
                     ("ear", "shoulder"))  # fmt: skip
_CROWN = 0.66
"""How far above the ears a head ends, in heights of the ears above the shoulders, on the mannequin."""
_LIKELY = 0.5
_AHEAD = 2
"""Batches that may wait for the network: more would only fill the memory."""


@dataclass(frozen=True)
class Gathered:
    """What was seen of one person.

    Attributes:
        person: number from 1.
        rows: (T,) its crops among those of everybody.
        features: (T, 2048) float32.
        squares: (T, 4) centre x, y, width, height, pixels, before they were enlarged for the crop.
    """

    person: int
    rows: NDArray[np.integer]
    features: Array
    squares: Array


def box_of(seen: Observation) -> Array:
    """(4,) centre x, y, width, height, pixels, as a detector would draw it: with the crown, where no landmark is."""
    box = seen.extent()
    if seen.landmarks is None or seen.landmarks.presence[[*_EARS, *_SHOULDERS]].min() < _LIKELY:
        return box
    ears, shoulders = (seen.landmarks.image_px[pair].mean(axis=0) for pair in (_EARS, _SHOULDERS))
    crown = ears + _CROWN * (ears - shoulders)
    low, high = np.minimum(box[:2] - box[2:] / 2, crown), np.maximum(box[:2] + box[2:] / 2, crown)
    return np.concatenate([(low + high) / 2, high - low])


def farthest_joint(body: BodyModel, one: Regressed, other: Regressed) -> float:
    """How far (metres) two readings (B, …) of the same crops put a joint from each other, each from its pelvis."""
    places = []
    for said in (one, other):
        rest = body.rest_joints(said.betas.cpu().double().numpy())
        turns = from_matrices(said.rotations.cpu().double().numpy())
        posed = [forward_kinematics(*each, np.zeros(3))[0] for each in zip(rest, turns, strict=True)]
        places.append(np.array(posed))
    return float(np.linalg.norm(places[0] - places[1], axis=-1).max())


class CropReader:
    """Cuts out whom it is shown, and has features made of them.

    Attributes:
        encoder: the image network at work.
    """

    def __init__(self, encoder: Encoder, enlarged_by: float) -> None:
        """Prepares for an image network whose crops are so much larger than the squares around people."""
        self.encoder, self._enlarged_by = encoder, enlarged_by
        self._thread = ThreadPoolExecutor(1)
        self._room = self._crops()
        self._rows = self._room.numpy()  # through torch, each crop would wake all of its threads
        self._count = 0
        self._seen: list[tuple[int, Array]] = []
        self._features: list[Future[Tensor]] = []

    def see(self, picture: np.ndarray, seen: Sequence[Observation]) -> None:
        """Cuts the people out of the next picture (H, W, 3) uint8 RGB."""
        for observation in seen:
            square = square_around(box_of(observation))
            self._rows[self._count] = self._cut(picture, observation.person, square)
            self._count += 1
            self._seen.append((observation.person, square))
            if self._count == len(self._rows):
                self._send()

    def _cut(self, picture: np.ndarray, person: int, square: Array) -> np.ndarray:
        """(224, 224, 3) what the network is shown of a person."""
        return cut_out(picture, square, self._enlarged_by)

    def close(self) -> None:
        """Ends the thread, with whatever was not waited for."""
        self._thread.shutdown(cancel_futures=True)

    def _gathered(self) -> list[Gathered]:
        """What was made of everybody seen since the last call; waits for it."""
        self._send()
        features = [future.result().numpy() for future in self._features]
        seen, self._seen, self._features = self._seen, [], []
        if not seen:
            return []
        people = np.array([person for person, _ in seen])
        squares, whole = np.array([square for _, square in seen]), np.concatenate(features)
        each = [(int(person), np.flatnonzero(people == person)) for person in np.unique(people)]
        return [Gathered(person, rows, whole[rows], squares[rows]) for person, rows in each]

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

    def _on_device(self, work: Callable[..., Any], *arguments: Any) -> Any:
        """What ``work`` answers; on the CPU where it does not work on the device."""
        try:
            return work(*arguments)
        except RuntimeError as error:
            if self.encoder.device.type == "cpu":
                raise
            self.encoder.leave(error)
        return work(*arguments)
