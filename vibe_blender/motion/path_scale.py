# SPDX-License-Identifier: GPL-3.0-or-later OR MIT
"""How many metres one unit of a tracked camera's path is: feet that stand tell, as they stand still."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..contract.quaternions import Array
from ..contract.skeleton import forward_kinematics
from ..contract.take import Person
from .soles import sole_points

_STILL_M_S = 0.3
"""Of the speed of a foot that stands, what may be left by what a capture reads wrongly."""
_DEPTH_SHARE = 0.5
"""What counts of a speed along the line of sight, which a single camera sees badly."""
_TRIED = np.logspace(-1.5, 1.5, 91)
_ROUNDS = 10
_MOST_FRAMES = 3000
_STILL_CAMERA = 1e-9


def path_scale(people: Sequence[Person], times: Sequence[Array], to_world: Sequence[Array]) -> float:
    """Metres per unit of the camera's places; 1 for one that only turned, whose places do not matter.

    A sole moves in the world with ``a + s b``, ``a`` being what it does around the camera, ``b`` the camera's own speed
    in units of the path and ``s`` the scale. At every moment the slowest point of both soles counts as standing, and
    the ``s`` at which these are slowest is found among many, then by least squares; by Geman and McClure's weights, as
    at some moments no foot stands.

    Args:
        people: in the camera's frame.
        times: for each person, (T,) seconds of the person's frames.
        to_world: for each person, (T, 4, 4) camera frame to the path's world in the person's frames.
    """
    squares = [_squares(*each) for each in zip(people, times, to_world, strict=True) if len(each[1]) > 1]
    if not squares:
        return 1.0
    around, mixed, own = (np.concatenate(parts) for parts in zip(*squares, strict=True))
    typical = float(np.median(own))
    if typical <= _STILL_CAMERA:
        return 1.0
    guess = float(np.sqrt(np.median(around) / typical))
    tried = guess * _TRIED
    costs = [_cost(np.min(around + 2 * s * mixed + s * s * own, axis=1)) for s in tried]
    scale = float(tried[int(np.argmin(costs))])
    rows = np.arange(len(around))
    for _ in range(_ROUNDS):
        speeds = around + 2 * scale * mixed + scale * scale * own
        slowest = np.argmin(speeds, axis=1)
        weights = 1.0 / (np.maximum(speeds[rows, slowest], 0.0) + _STILL_M_S**2) ** 2
        below = float(np.sum(weights * own[rows, slowest]))
        better = -float(np.sum(weights * mixed[rows, slowest])) / below if below > 0 else scale
        scale = better if better > 0 else scale
    return scale


def _squares(person: Person, times: Array, to_world: Array) -> tuple[Array, Array, Array]:
    """For the points of both soles (S, 6): the squares ``a·a``, ``a·b`` and ``b·b``, in m²/s² and units of the path."""
    positions, orientations = forward_kinematics(person.rest_joints, person.rotations, person.root)
    points = sole_points(person.rest_joints, positions, orientations).reshape(len(times), -1, 3)
    rays = points @ np.swapaxes(to_world[:, :3, :3], 1, 2)
    around, own = np.gradient(rays, times, axis=0), np.gradient(to_world[:, :3, 3], times, axis=0)[:, None]
    sight = rays / np.maximum(np.linalg.norm(rays, axis=-1, keepdims=True), 1e-9)
    around, own = (v - (1 - _DEPTH_SHARE) * np.sum(v * sight, axis=-1, keepdims=True) * sight for v in (around, own))
    few = slice(None, None, -(-len(times) // _MOST_FRAMES))
    return tuple(np.sum(a * b, axis=-1)[few] for a, b in ((around, around), (around, own), (own, own)))  # type: ignore[return-value]


def _cost(squared: Array) -> float:
    squared = np.maximum(squared, 0.0)
    return float(np.sum(squared / (squared + _STILL_M_S**2)))
