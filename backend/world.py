# SPDX-License-Identifier: MIT
"""Stage 7: camera-frame motion placed in the world, floor at z = 0, with foot contacts; the camera stands still."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d

from backend.estimators.estimate import Estimate
from vibe_blender.contract import quaternions
from vibe_blender.contract.take import Camera, Person
from vibe_blender.motion.floor import STANDING_SPEED, Seen, find_floor, sole_speeds, soles

Array = NDArray[np.floating]

_STANDING_WIDTH = 0.10
_STANDING_HEIGHT, _HEIGHT_WIDTH = 0.06, 0.015
_CONTACT_SMOOTHING_S = 0.04


@dataclass(frozen=True)
class Ground:
    """Where the floor is, as the camera sees it.

    Attributes:
        up: (3,) unit vector, camera frame.
        height_m: of the camera above the floor.
        origin: (2,) metres, where in the world's x and y, measured from the camera, the world's origin lies.
    """

    up: Array
    height_m: float
    origin: Array

    def from_camera(self) -> tuple[Array, Array]:
        """Rotation (3, 3) and translation (3,) that take camera points to the world; the camera looks along +y."""
        z = self.up
        y = np.array([0.0, 0.0, 1.0]) - z[2] * z
        y = y / np.linalg.norm(y)
        rotation = np.stack([np.cross(y, z), y, z])
        return rotation, np.array([-self.origin[0], -self.origin[1], self.height_m])

    def camera(self, focal_px: float, centre_px: Array) -> Camera:
        """The camera that saw it."""
        rotation, translation = self.from_camera()
        from_world = np.eye(4)
        from_world[:3, :3] = rotation.T
        from_world[:3, 3] = -rotation.T @ translation
        return Camera(focal_px, np.asarray(centre_px, dtype=float), from_world)


def find_ground(estimates: Sequence[Estimate]) -> Ground:
    """The floor under all people of a shot.

    Args:
        estimates: at least one, each with at least one frame.
    """
    floor = find_floor([_seen(estimate) for estimate in estimates])
    ground = Ground(floor.up, -floor.level_m, np.zeros(2))
    rotation, translation = ground.from_camera()
    first = min(estimates, key=lambda estimate: estimate.frames[0])
    return Ground(ground.up, ground.height_m, (rotation @ first.root[0] + translation)[:2])


def place(estimate: Estimate, ground: Ground, person_id: int) -> Person:
    """One person's motion in the world."""
    rotation, translation = ground.from_camera()
    turn = quaternions.from_matrices(rotation)
    rotations = estimate.rotations.copy()
    rotations[:, 0] = quaternions.multiply(turn, rotations[:, 0])
    seen = _seen(estimate)
    places = soles(seen)
    return Person(
        id=person_id,
        frames=estimate.frames,
        rotations=quaternions.continuous(rotations),
        root=estimate.root @ rotation.T + translation,
        contacts=_contacts(places @ rotation.T + translation, sole_speeds(places, seen.times, seen.eyes), seen.times),
        confidence=estimate.confidence,
        boxes=estimate.boxes,
        rest_joints=estimate.rest_joints,
        betas=estimate.betas,
        keypoints=estimate.keypoints,
        words=estimate.words,
    )


def _seen(estimate: Estimate) -> Seen:
    """The estimate as a camera that stands still at the origin sees it."""
    return Seen(estimate.times, estimate.rotations, estimate.root, estimate.rest_joints, np.zeros(3))


def _contacts(places: Array, speeds: Array, times: Array) -> Array:
    """How surely each foot stands (T, 2), 0..1: a point of its sole is near the floor and slow."""
    slow = 1.0 / (1.0 + np.exp((speeds - STANDING_SPEED) / _STANDING_WIDTH))
    low = 1.0 / (1.0 + np.exp((places[..., 2] - _STANDING_HEIGHT) / _HEIGHT_WIDTH))
    sure = (slow * low).max(axis=2)
    if len(times) < 3:
        return sure
    frames = _CONTACT_SMOOTHING_S / max(float(np.median(np.diff(times))), 1e-3)
    return np.clip(gaussian_filter1d(sure, frames, axis=0, mode="nearest"), 0.0, 1.0)
