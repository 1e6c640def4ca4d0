# SPDX-License-Identifier: MIT
"""Labels of people in scenes, exact by construction, and how much of each joint the camera sees."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from backend.training.prepare.tracks import Track
from vibe_blender.contract.quaternions import Array, from_matrices, multiply, to_axis_angles
from vibe_blender.contract.skeleton import JOINT_COUNT, JOINT_NAMES

from .people import contacts
from .scenes import Scene

SEEN, BEHIND_ITSELF, BEHIND_OTHERS = 1.0, 0.6, 0.2
"""Confidence of joints by what is in front of them. What others hide is below ``tracks.SEEN``."""
_TRUNK_M, _LIMB_M = 0.22, 0.11
"""How deep joints are inside their body, at most."""
_TRUNK = frozenset(
    number for number, name in enumerate(JOINT_NAMES)
    if name in ("pelvis", "spine1", "spine2", "spine3", "neck", "head") or name.endswith(("hip", "collar", "shoulder"))
)  # fmt: skip
_TOUCHING_M = 0.01

Ray = Callable[[Array, Array, float], float | None]
"""Metres from a point (3,) in a direction (3,) to the first thing hit, None where there is none so near."""


def tracks_of(
    scene: Scene, places: Sequence[int], skins: Sequence[Array], rays: Callable[[int], list[Ray]]
) -> list[Track]:
    """The people of a scene through all its frames, without boxes.

    Args:
        scene: the scene.
        places: of each of the 49 joints, the one of 25 points; -1 for none.
        skins: (T, V, 3) of each person, metres, world.
        rays: of a frame, one per person and then one of all solids.
    """
    points = [walker.points() for walker in scene.walkers]
    seen = np.stack([np.ones(some.shape[:2]) for some in points])
    for frame in range(scene.plan.count):
        hitters = rays(frame)
        to_world = np.linalg.inv(scene.camera.from_world[frame])
        for person, some in enumerate(points):
            seen[person, frame] = [
                _confidence(hitters, person, to_world[:3, 3], point, _depth_of(place))
                for place, point in enumerate(some[frame])
            ]
    return [_track(scene, places, person, points[person], seen[person], skins[person]) for person in range(len(points))]


def _depth_of(place: int) -> float:
    return _TRUNK_M if place in _TRUNK else _LIMB_M


def _confidence(hitters: Sequence[Ray], person: int, eye: Array, point: Array, depth: float) -> float:
    way = point - eye
    distance = float(np.linalg.norm(way))
    way = way / distance
    found = SEEN
    for number, ray in enumerate(hitters):
        hit = ray(eye, way, distance)
        if hit is None:
            continue
        if number != person and hit < distance - _TOUCHING_M:
            return BEHIND_OTHERS
        if number == person and hit < distance - depth:
            found = BEHIND_ITSELF
    return found


def _track(scene: Scene, places: Sequence[int], person: int, points: Array, seen: Array, skin: Array) -> Track:
    walker, camera, count = scene.walkers[person], scene.camera, scene.plan.count
    in_camera = camera.seen(points)
    pixels = camera.projected(in_camera)
    inside = ((pixels >= -0.5) & (pixels < np.array(camera.size_px) - 0.5)).all(axis=2) & (in_camera[..., 2] > 0.05)
    known = np.array(places) >= 0
    order = np.where(known, places, 0)
    joints2d = np.concatenate([pixels, (seen * inside)[..., None]], axis=2)[:, order] * known[:, None]
    joints2d *= joints2d[..., 2:] > 0
    joints3d = np.concatenate([in_camera, np.ones((*in_camera.shape[:2], 1))], axis=2)[:, order] * known[:, None]
    rotations = walker.rotations.copy()
    rotations[:, 0] = multiply(from_matrices(camera.from_world[:, :3, :3]), rotations[:, 0])
    arrays: dict[str, NDArray[np.generic]] = {
        "joints2d": joints2d.astype(np.float32),
        "joints3d": joints3d.astype(np.float32),
        "rotations": to_axis_angles(rotations).astype(np.float32),
        "betas": np.tile(walker.dressed.betas, (count, 1)).astype(np.float32),
        "intrinsics": np.tile(camera.intrinsics, (count, 1)).astype(np.float32),
        "contacts": contacts(walker, skin, scene.plan.fps),
        "frames": np.arange(count),
    }
    assert rotations.shape[1] == JOINT_COUNT
    return Track(f"{scene.plan.name}/{person}", scene.plan.fps, arrays)
