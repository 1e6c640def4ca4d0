# SPDX-License-Identifier: MIT
"""One person's landmark readings made consistent: left/right flips repaired, straight and mirrored merged."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from backend.body.keypoints import LANDMARK_NAMES, MIRROR

Array = NDArray[np.floating]


SWAP = np.array(MIRROR)
"""Index of the landmark with the same name on the other side of the body."""

LIMBS = np.array([LANDMARK_NAMES.index(f"{side}_{part}") for side in ("left", "right")
                  for part in ("shoulder", "elbow", "wrist", "hip", "knee", "ankle")])  # fmt: skip
_SWAP_COST = 0.001
_DISAGREEMENT = 0.5


@dataclass(frozen=True)
class Readings:
    """Landmarks of one person as the network gave them.

    Attributes:
        image_px: (T, 33, 2) pixels, image frame.
        world: (T, 33, 3) metres, hip-centred, axes of the upright image: x right, y down, z away from the camera.
        visibility: (T, 33) 0..1.
        side_px: (T,) side of the crop.
    """

    image_px: Array
    world: Array
    visibility: Array
    side_px: Array

    def window(self, frames: slice) -> Readings:
        """The readings of some frames."""
        return Readings(self.image_px[frames], self.world[frames], self.visibility[frames], self.side_px[frames])

    def swapped(self, frames: NDArray[np.bool_]) -> Readings:
        """The same with left and right exchanged in some frames (T,)."""
        if not frames.any():
            return self
        pick = np.where(frames[:, None], SWAP, np.arange(len(SWAP)))
        return Readings(
            np.take_along_axis(self.image_px, pick[..., None], axis=1),
            np.take_along_axis(self.world, pick[..., None], axis=1),
            np.take_along_axis(self.visibility, pick, axis=1),
            self.side_px,
        )


def repair_flips(straight: Readings, mirrored: Readings | None) -> tuple[Readings, Readings | None, NDArray[np.bool_]]:
    """Readings whose left and right stay on their side of the body, and the frames (T,) in which labels were swapped.

    The cheapest path (Viterbi) through the states "as read" and "swapped" of each reading, where a step costs the mean
    movement of the limbs in crop sides, and disagreement of the two readings of one frame costs as much as movement.
    """
    readings = [straight] if mirrored is None else [straight, mirrored]
    states = np.array(np.meshgrid(*[[False, True]] * len(readings), indexing="ij")).reshape(len(readings), -1).T
    side = straight.side_px[:, None, None]
    both = [np.stack([r.image_px[:, LIMBS], r.image_px[:, SWAP[LIMBS]]], axis=1) / side[..., None] for r in readings]
    count = len(straight.image_px)
    unary = np.tile(_SWAP_COST * states.sum(axis=1), (count, 1)).astype(float)
    if mirrored is not None:
        for index, (first, second) in enumerate(states.astype(int)):
            gap = np.linalg.norm(both[0][:, first] - both[1][:, second], axis=-1).mean(axis=-1)
            unary[:, index] += _DISAGREEMENT * gap
    path = _cheapest_path(unary, both, states.astype(int))
    chosen = states[path]
    repaired = [reading.swapped(chosen[:, index]) for index, reading in enumerate(readings)]
    return repaired[0], repaired[1] if mirrored is not None else None, chosen.any(axis=1)


def _cheapest_path(unary: Array, places: list[Array], states: NDArray[np.int_]) -> NDArray[np.intp]:
    count, total = unary.shape
    cost, back = unary[0], np.zeros((count, total), dtype=np.intp)
    for t in range(1, count):
        step = np.zeros((total, total))
        for reading, place in enumerate(places):
            moved = np.linalg.norm(place[t - 1][:, None] - place[t][None], axis=-1).mean(axis=-1)
            step += moved[np.ix_(states[:, reading], states[:, reading])]
        reached = cost[:, None] + step
        back[t] = reached.argmin(axis=0)
        cost = reached.min(axis=0) + unary[t]
    path = np.zeros(count, dtype=np.intp)
    path[-1] = cost.argmin()
    for t in range(count - 1, 0, -1):
        path[t - 1] = back[t, path[t]]
    return path


def merge(straight: Readings, mirrored: Readings | None) -> tuple[Readings, Array]:
    """The mean of both readings, and how well they agree, (T, 33) crop sides (zero where there is one reading)."""
    if mirrored is None:
        return straight, np.zeros(straight.visibility.shape)
    gap = np.linalg.norm(straight.image_px - mirrored.image_px, axis=-1) / straight.side_px[:, None]
    merged = Readings(
        (straight.image_px + mirrored.image_px) / 2,
        (straight.world + mirrored.world) / 2,
        (straight.visibility + mirrored.visibility) / 2,
        straight.side_px,
    )
    return merged, gap
