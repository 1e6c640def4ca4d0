# SPDX-License-Identifier: GPL-3.0-or-later OR MIT
"""Legs bent so that ankles come to given places: two bones, solved exactly, never stretched."""

from __future__ import annotations

import numpy as np

from ..contract.quaternions import Array, conjugate, from_axis_angles, multiply, rotate, to_axis_angles

_SOFT_SHARE = 0.03
"""Of a leg's length: over the last of it a leg straightens ever more slowly, so that its knee never snaps."""
_STRAIGHT_SHARE = 0.01
"""Of a leg's length: a knee nearer than that to the line from hip to ankle bends forwards rather than by its noise."""


_STRAIGHT = 1.0 - 1e-5
_GIVE_M, _BENT_RAD = 0.0004, np.radians(12.0)
"""What a foot that stands may be off where its knee is all but straight, and the bend from which on that vanishes."""
_LEAST_BEND_RAD, _MOST_BEND_RAD = np.radians(4.0), np.radians(160.0)


def turn_between(from_: Array, to: Array) -> Array:
    """Unit quaternions (..., 4) of the shortest turn of unit vectors (..., 3) to others.

    Half-way construction: (1 + a·b, a×b), normalised; opposite vectors turn about any axis square to them.
    """
    cosine = _dot(from_, to)
    (a, b, c), (x, y, z) = np.moveaxis(from_, -1, 0), np.moveaxis(to, -1, 0)
    turn = np.stack([1.0 + cosine[..., 0], b * z - c * y, c * x - a * z, a * y - b * x], axis=-1)
    opposite = cosine < -1.0 + 1e-9
    if opposite.any():
        aside = np.where(np.abs(from_[..., :1]) < 0.6, [1.0, 0.0, 0.0], [0.0, 1.0, 0.0])
        half_turn = np.concatenate([np.zeros_like(cosine), np.cross(from_, aside)], axis=-1)
        turn = np.where(opposite, half_turn, turn)
    return turn / _length(turn)


def reached(distance: Array, was: Array, length: Array) -> Array:
    """How far from the hip an ankle (T, ...) may be, metres, that wants to be at ``distance``: never the leg's length.

    Up to a share of the length, or to where it was, nothing is changed; beyond, the rest of the way is approached
    exponentially ("soft IK", Andy Nicholas 2009).

    Args:
        distance: (T, ...) metres, wanted.
        was: (T, ...) metres, before.
        length: metres, of the straight leg; broadcast against them.
    """
    free = np.minimum(np.maximum(was, (1.0 - _SOFT_SHARE) * length), length)
    soft = np.maximum(length - free, 1e-9 * length)
    beyond = np.maximum(distance - free, 0.0)
    return np.where(distance > free, length - soft * np.exp(-beyond / soft), distance)


def lack_of_reach(hip: Array, was: Array, target: Array, length: float) -> Array:
    """How far (T,), metres, a hip has to come down for the ankle to reach its target without being held back.

    Args:
        hip: (T, 3) metres, world.
        was: (T, 3) metres, world, the ankle before.
        target: (T, 3) metres, world, where it should be.
        length: metres, of the straight leg.
    """
    free = np.clip(np.linalg.norm(was - hip, axis=-1), (1.0 - _SOFT_SHARE) * length, length)
    aside = np.sum((target - hip)[:, :2] ** 2, axis=-1)
    return np.maximum((hip - target)[:, 2] - np.sqrt(np.maximum(free**2 - aside, 0.0)), 0.0)


def leg_change(hip: Array, knee: Array, ankle: Array, target: Array) -> Array:
    """How a leg's angles change (T, 4), radians, for its ankle to reach a target, or to come as near as it can.

    Three are the axis-angle vector that swings the line from hip to ankle, world; the last is what the knee bends more.

    Args:
        hip: (T, 3) metres, world.
        knee: (T, 3) metres, world.
        ankle: (T, 3) metres, world.
        target: (T, 3) metres, world, where the ankle should be.
    """
    upper, lower, was = _length(knee - hip), _length(ankle - knee), _length(ankle - hip)
    wanted = target - hip
    distance = np.maximum(_length(wanted), 1e-6)
    swing = turn_between((ankle - hip) / np.maximum(was, 1e-12), wanted / distance)
    span = reached(distance, was, upper + lower)
    more = _bend_of(span, upper, lower) - _bend_of(was, upper, lower)
    return np.concatenate([to_axis_angles(swing), more], axis=1)


def knee_give(hip: Array, knee: Array, ankle: Array, change: Array) -> Array:
    """By how much a knee may bend otherwise than changed (T, 4), radians (T,), and its ankle hardly be moved by it.

    A straight leg's length all but stays while its knee bends, so there it is a lot, and of a bent one next to nothing.
    """
    upper, lower, was = _length(knee - hip), _length(ankle - knee), _length(ankle - hip)
    bend = np.clip(_bend_of(was, upper, lower) + change[:, 3:], 1e-3, np.pi - 1e-3)
    span = np.sqrt(upper**2 + lower**2 + 2.0 * upper * lower * np.cos(bend))
    metres_per_rad = upper * lower * np.sin(bend) / span
    return (_GIVE_M / metres_per_rad / np.maximum(bend / _BENT_RAD, 1.0) ** 2)[:, 0]


def changed_ankle(hip: Array, knee: Array, ankle: Array, change: Array) -> Array:
    """Where the ankle (T, 3) is, metres, world, of a leg whose angles are changed by (T, 4) as in ``leg_change``."""
    upper, lower, was = _length(knee - hip), _length(ankle - knee), _length(ankle - hip)
    bend = _bend_of(was, upper, lower)
    bend = np.clip(bend + change[:, 3:], np.minimum(bend, _LEAST_BEND_RAD), _MOST_BEND_RAD)
    span = np.sqrt(upper**2 + lower**2 + 2.0 * upper * lower * np.cos(bend))
    along = (ankle - hip) / np.maximum(was, 1e-12)
    return hip + span * rotate(from_axis_angles(change[:, :3]), along)


def _bend_of(span: Array, upper: Array, lower: Array) -> Array:
    """The angle, radians, of a knee between two bones whose ends are so far apart; 0 is straight."""
    return np.arccos(np.clip((span**2 - upper**2 - lower**2) / (2.0 * upper * lower), -1.0, 1.0))


def bend_leg(hip: Array, knee: Array, ankle: Array, thigh: Array, shin: Array, target: Array) -> tuple[Array, Array]:
    """Thigh and shin turned so that the ankle comes to its target, or as near as the leg reaches.

    A target out of reach straightens the leg all but wholly. The leg is swung to the target's direction by the shortest
    turn, which keeps the plane of hip, knee and ankle, and bent within that plane by the law of cosines.

    Args:
        hip: (T, 3) metres, world; stays.
        knee: (T, 3) metres, world.
        ankle: (T, 3) metres, world.
        thigh: (T, 4) unit quaternions, hip joint to world; its z axis points forwards.
        shin: (T, 4) unit quaternions, knee joint to world.
        target: (T, 3) metres, world.

    Returns:
        The new ``thigh`` and ``shin``.
    """
    upper, lower = knee - hip, ankle - knee
    upper_m, lower_m = _length(upper), _length(lower)
    length = upper_m + lower_m
    was = _length(ankle - hip)
    wanted = target - hip
    distance = _length(wanted)
    along_before = (ankle - hip) / np.maximum(was, 1e-12)
    along = np.where(distance > 1e-6 * length, wanted / np.maximum(distance, 1e-12), along_before)
    span = np.clip(distance, np.abs(upper_m - lower_m), np.maximum(was, _STRAIGHT * length))
    swing = turn_between(along_before, along)
    upper, lower = rotate(swing, upper), rotate(swing, lower)
    thigh, shin = multiply(swing, thigh), multiply(swing, shin)
    forwards = _unit(_square_to(rotate(thigh, np.array([0.0, 0.0, 1.0])), along))
    aside = _square_to(upper, along)
    aside = _unit(aside + np.maximum(_STRAIGHT_SHARE * length - _length(aside), 0.0) * forwards)
    # Law of cosines: how far along the line from hip to ankle the knee is, and how far aside.
    foot = (upper_m**2 - lower_m**2 + span**2) / (2.0 * np.maximum(span, 1e-12))
    foot = np.clip(foot, -upper_m, upper_m)
    new_upper = foot * along + np.sqrt(np.maximum(upper_m**2 - foot**2, 0.0)) * aside
    new_lower = span * along - new_upper
    thigh = multiply(turn_between(upper / upper_m, new_upper / upper_m), thigh)
    shin = multiply(turn_between(lower / lower_m, _unit(new_lower)), shin)
    return thigh, shin


def lifted_toes(toes: Array, offset: Array, least: Array, most_rad: float) -> Array:
    """The toes' orientations (T, 4) turned up until their tips are no lower than ``least`` against the ball.

    Args:
        toes: (T, 4) unit quaternions, to the world.
        offset: (3,) metres, from the ball to under the toes' tip, at rest.
        least: (T,) metres, height against the ball.
        most_rad: they bend no further.
    """
    length = float(np.linalg.norm(offset))
    tip = rotate(toes, offset)
    is_at = np.arcsin(np.clip(tip[:, 2] / length, -1.0, 1.0))
    should = np.arcsin(np.clip(least / length, -1.0, 1.0))
    angle = np.clip(should - is_at, 0.0, most_rad)
    axis = _unit(np.cross(tip, [0.0, 0.0, 1.0]))
    return multiply(from_axis_angles(axis * angle[:, None]), toes)


def local(parent: Array, child: Array) -> Array:
    """The child's orientation as seen from its parent: quaternions (..., 4) of two to the world."""
    return multiply(conjugate(parent), child)


def _length(vectors: Array) -> Array:
    return np.sqrt(_dot(vectors, vectors))


def _dot(one: Array, other: Array) -> Array:
    """(..., 1), several times as fast as a sum over so short an axis."""
    return np.einsum("...i,...i->...", one, other)[..., None]


def _unit(vectors: Array) -> Array:
    return vectors / np.maximum(_length(vectors), 1e-12)


def _square_to(vectors: Array, along: Array) -> Array:
    return vectors - _dot(vectors, along) * along
