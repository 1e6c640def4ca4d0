# SPDX-License-Identifier: GPL-3.0-or-later OR MIT
"""Where the floor is below people who were filmed: which way is up, and how far down it lies.

Four witnesses are heard, each as far as it can be trusted: cameras are held about level and about as high as a head,
people stand about upright, and feet that stand do so on one plane. How far away a foot is, is known much worse than in
which direction it is seen, and how large a person is only to some percent; both are told apart from a slope.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..contract.quaternions import Array
from ..contract.skeleton import forward_kinematics
from .soles import leg_length, sole_points

STANDING_SPEED = 0.60
"""Metres a second below which a point of a sole may stand."""
_DEPTH_SHARE = 0.5
"""What counts of a speed along the line of sight: of feet that stand, it is read two to six times as fast as across."""
_SAMPLE_SECONDS = 0.3

_LEVEL_SPREAD = np.radians(14.0)
_ROLL_SPREAD = np.radians(2.0)
_UPRIGHT_SPREAD, _UPRIGHT_ONCE = np.radians(3.0), np.radians(8.0)
"""How far from upright people may stand all the time, and in a single frame."""
_USUAL_HEIGHT_M, _HEIGHT_SPREAD = 1.4, 0.3
"""Where cameras are held, and by which share of it they differ: between a tripod's seat and a tall man's eyes."""
_SIZE_SPREAD = 0.05
"""By which share the size of a person, and with it the distance, may be wrong as a whole."""
_DEPTH_SPREAD, _SOLE_SPREAD_M = 0.08, 0.03
"""By which share of the distance, and by how much across it, the place of a single sole may be wrong."""
_STRAIGHT_LEG, _STRAIGHT_BODY = 0.93, np.cos(np.radians(15.0))
_ROUNDS = 10
_STEP = 1e-6


@dataclass(frozen=True)
class Seen:
    """One person's motion, and from where it was seen; all in one frame of reference with y about down.

    Attributes:
        times: (T,) seconds.
        rotations: (T, 24, 4) unit quaternions, joint to parent; the root's, body frame to that frame.
        root: (T, 3) metres, the pelvis.
        rest_joints: (24, 3) metres, body frame.
        eyes: (3,) or (T, 3) metres, the camera.
    """

    times: Array
    rotations: Array
    root: Array
    rest_joints: Array
    eyes: Array


@dataclass(frozen=True)
class Floor:
    """A plane: the points with ``up · point == level_m``.

    Attributes:
        up: (3,) unit vector.
        level_m: metres.
    """

    up: Array
    level_m: float


@dataclass(frozen=True)
class _Evidence:
    """What speaks for a floor.

    Attributes:
        rays: (S, 3) metres, from the camera to soles that stand.
        eyes: (S, 3) metres, the camera at that time.
        owners: (S,) numbers of the people they belong to, from 0.
        lean: (2,) tangents of upright bodies to the side and in depth; None where nobody stood upright.
        lean_spread: radians.
    """

    rays: Array
    eyes: Array
    owners: Array
    lean: Array | None
    lean_spread: float


def find_floor(people: Sequence[Seen]) -> Floor:
    """The floor under everybody.

    Args:
        people: at least one, each with at least one frame, in the axes of the camera (of its mean, if it moves: x
            right, y down, z forward).
    """
    posed = [forward_kinematics(person.rest_joints, person.rotations, person.root) for person in people]
    places = [sole_points(person.rest_joints, *joints) for person, joints in zip(people, posed, strict=True)]
    speeds = [sole_speeds(points, person.times, person.eyes) for points, person in zip(places, people, strict=True)]
    upright = [_upright(positions, person.rest_joints) for (positions, _), person in zip(posed, people, strict=True)]
    up = _up(_evidence(people, places, speeds, np.concatenate(upright)))
    heights = [_standing_heights(points, speed, up) for points, speed in zip(places, speeds, strict=True)]
    return Floor(up, float(np.median(np.concatenate(heights))))


def soles(person: Seen) -> Array:
    """(T, 2, 3, 3) metres, the person's frame of reference: heel, ball and toe tip of the left and the right sole."""
    return sole_points(person.rest_joints, *forward_kinematics(person.rest_joints, person.rotations, person.root))


def sole_speeds(places: Array, times: Array, eyes: Array) -> Array:
    """Speeds in m/s of points (T, ..., 3) by central differences over the true times; less along the line of sight.

    Args:
        places: (T, ..., 3) metres.
        times: (T,) seconds.
        eyes: (3,) or (T, 3) metres, the camera.
    """
    if len(places) < 2:
        return np.zeros(places.shape[:-1])
    velocity = np.gradient(places, times, axis=0)
    sight = places - _beside(eyes, places)
    sight = sight / np.maximum(np.linalg.norm(sight, axis=-1, keepdims=True), 1e-9)
    along = np.sum(velocity * sight, axis=-1, keepdims=True)
    return np.linalg.norm(velocity - (1.0 - _DEPTH_SHARE) * along * sight, axis=-1)


def _beside(eyes: Array, places: Array) -> Array:
    """The camera's place, shaped to go with points (T, ..., 3)."""
    eyes = np.asarray(eyes)
    return eyes if eyes.ndim == 1 else eyes.reshape(len(eyes), *[1] * (places.ndim - 2), 3)


def _evidence(people: Sequence[Seen], places: Sequence[Array], speeds: Sequence[Array], upright: Array) -> _Evidence:
    rays, eyes, owners = [], [], []
    for number, (person, points, speed) in enumerate(zip(people, places, speeds, strict=True)):
        rows, columns = _slowest(speed, person.times)
        eye = np.broadcast_to(person.eyes, (len(points), 3))[rows]
        rays.append(points.reshape(len(points), -1, 3)[rows, columns] - eye)
        eyes.append(eye)
        owners.append(np.full(len(rows), number))
    lean = np.median(upright[:, [0, 2]] / -upright[:, 1:2], axis=0) if len(upright) else None
    return _Evidence(
        np.concatenate(rays),
        np.concatenate(eyes),
        np.concatenate(owners),
        lean,
        float(np.hypot(_UPRIGHT_SPREAD, _UPRIGHT_ONCE / np.sqrt(max(len(upright), 1)))),
    )


def _slowest(speeds: Array, times: Array) -> tuple[Array, Array]:
    """Frames and points (S,) of the slowest point of each stretch of time, where it is slow enough to stand."""
    flat = speeds.reshape(len(speeds), -1)
    point = np.argmin(flat, axis=1)
    slow = flat[np.arange(len(flat)), point]
    stretch = ((times - times[0]) / _SAMPLE_SECONDS).astype(int)
    order = np.lexsort((slow, stretch))
    rows = order[np.diff(stretch[order], prepend=-1) > 0]
    rows = rows[slow[rows] < STANDING_SPEED]
    return rows, point[rows]


def _upright(positions: Array, rest_joints: Array) -> Array:
    """Unit vectors (S, 3) that point up where the legs are nearly straight and the trunk is in line with them."""
    ankles, hips, neck = (positions[:, joints].mean(axis=1) for joints in ((7, 8), (1, 2), (12,)))
    body = _unit(neck - ankles)
    reach = np.linalg.norm(positions[:, [1, 2]] - positions[:, [7, 8]], axis=-1).min(axis=1)
    straight = reach > _STRAIGHT_LEG * leg_length(rest_joints)
    straight &= np.sum(_unit(neck - hips) * _unit(hips - ankles), axis=1) > _STRAIGHT_BODY
    straight &= body[:, 1] < -0.7
    return body[straight]


def _unit(vectors: Array) -> Array:
    return vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-9)


def _up(evidence: _Evidence) -> Array:
    """The direction up: (a, -1, b), normalised.

    By Gauss-Newton with weights in a, b, the logarithm of c, which is how far (0, 0, 0) lies above the floor along y,
    and of each person's size. A sole on the floor, seen along a ray from a camera at height h, is off by
    ``log(height of the camera above the sole / h)`` where its distance is off by that share: what is measured badly
    stands alone on one side, as it must for the slope not to be biased towards the rays.
    """
    lean = np.zeros(2) if evidence.lean is None else evidence.lean
    guess = evidence.rays @ [-lean[0], 1.0, -lean[1]]
    start = float(np.log(max(np.median(guess), 0.3))) if len(guess) else np.log(_USUAL_HEIGHT_M)
    answer = np.array([lean[0], lean[1], start, *np.zeros(int(evidence.owners.max(initial=0)) + 1)])
    for _ in range(_ROUNDS):
        errors = _errors(answer, evidence)
        slopes = [(_errors(answer + _STEP * unit, evidence) - errors) / _STEP for unit in np.eye(len(answer))]
        # The camera's pitch and height and the soles may be far off, and then shall not count by the square.
        weights = np.ones(len(errors))
        weights[1:3] = 1.0 / np.sqrt(1.0 + np.abs(errors[1:3]))
        soles_from = len(errors) - len(evidence.rays)
        weights[soles_from:] = 1.0 / np.sqrt(1.0 + np.abs(errors[soles_from:]))
        step, *_ = np.linalg.lstsq(np.stack(slopes, axis=1) * weights[:, None], errors * weights, rcond=None)
        answer = answer - np.clip(step, -0.5, 0.5)
    up = np.array([answer[0], -1.0, answer[1]])
    return up / np.linalg.norm(up)


def _errors(answer: Array, evidence: _Evidence) -> Array:
    """How far off each witness is, in units of how far it may be: the camera's three, bodies' two, sizes, soles."""
    a, b, log_c = answer[:3]
    sizes = answer[3:]
    length = np.sqrt(1.0 + a * a + b * b)
    camera = [a / _ROLL_SPREAD, b / _LEVEL_SPREAD, (log_c - np.log(length * _USUAL_HEIGHT_M)) / _HEIGHT_SPREAD]
    bodies = [] if evidence.lean is None else list((answer[:2] - evidence.lean) / evidence.lean_spread)
    normal = np.array([a, -1.0, b])
    heights = np.maximum(evidence.eyes @ normal + np.exp(log_c), 0.05)
    below = np.maximum(-(evidence.rays @ normal), 0.05 * heights)
    spread = np.hypot(_DEPTH_SPREAD, _SOLE_SPREAD_M * length / heights)
    on_floor = (np.log(below / heights) + sizes[evidence.owners]) / spread
    return np.concatenate([camera, bodies, sizes / _SIZE_SPREAD, on_floor])


def _standing_heights(places: Array, speeds: Array, up: Array) -> Array:
    """Heights along ``up`` (S,), metres, of each frame's lowest sole point where it is slow, else of all frames."""
    heights = (places @ up).reshape(len(places), -1)
    lowest = np.argmin(heights, axis=1)
    rows = np.arange(len(heights))
    slow = speeds.reshape(len(places), -1)[rows, lowest] < STANDING_SPEED
    return heights[rows, lowest][slow] if slow.any() else heights[rows, lowest]
