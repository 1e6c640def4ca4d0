# SPDX-License-Identifier: GPL-3.0-or-later OR MIT
"""Feet that stand on the source stand on the target's own legs, however long they are and however far apart."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...contract.quaternions import Array
from ..foot_targets import seconds_from
from ..foot_tracks import between
from ..legs import changed_ankle, lack_of_reach, leg_change
from ..over_time import Timeline
from .figure import SIDES, Figure
from .footing import asked, sole_points, soles_of
from .limbs import Limb, bend, in_metres, limbs, metres_per_unit
from .posture import Posture

LEG = ("hip", "knee", "ankle")
_EASE_S = 0.4
"""Within so long before and after its contacts a foot is led there and back."""
_REACH_S, _MOST_SINK_M = 0.2, 0.15
_LIFT_S, _CLEAR_S = 0.1, 0.1
_UP = np.array([0.0, 0.0, 1.0])


def stand(
    source: Figure,
    given: Posture,
    target: Figure,
    posture: Posture,
    stands: NDArray[np.bool_],
    share: float,
    timeline: Timeline,
) -> Posture:
    """The target's posture with feet that stand where the source's do, as seen from the path that its hips were given.

    In its contacts a heel or a ball moves as the source's does times the ratio of their legs, and the sole is as high
    as at rest where the source's is. Between contacts a leg's angles lead from one to the next. Feet keep their
    orientations; where a leg is too short, the hips come down.

    Args:
        source, target: at rest.
        given: what the source does.
        posture: what the target would do, its limbs parallel to the source's.
        stands: (T, 2, 2) whether heel and ball of the left and the right foot stand.
        share: 0..1, how much of it.
        timeline: of both.
    """
    if share == 0.0 or not stands.any():
        return posture
    scale = metres_per_unit(target)
    source, given = in_metres(source, given)
    target, posture = in_metres(target, posture)
    legs, theirs, there = limbs(target, posture, LEG), limbs(source, given, LEG), stands.any(axis=2)
    soles = [_sole(source, given, target, posture, side, legs[side], theirs[side]) for side in range(2)]
    goals = [
        asked(sole.wanted, sole.points, leg.end, stands[:, side], timeline)
        for side, (sole, leg) in enumerate(zip(soles, legs, strict=True))
    ]
    goals = [leg.end + share * (goal - leg.end) for leg, goal in zip(legs, goals, strict=True)]
    sink = _sink(legs, goals, there, timeline)
    lowered = [leg.moved(sink) for leg in legs]
    ankles = _led(lowered, goals, there, timeline)
    turned = posture.turned.copy()
    for side, (leg, ankle) in enumerate(zip(lowered, ankles, strict=True)):
        lift = share * _lift(soles[side], ankle - legs[side].end, there[:, side], timeline)
        _bend(target, turned, leg, ankle + lift[:, None] * _UP)
    return Posture(turned, (posture.hips + sink) / scale)


def _bend(target: Figure, turned: Array, leg: Limb, ankle: Array) -> None:
    """Writes the orientations of one leg into ``turned``, in the frames in which its ankle is to be elsewhere only."""
    some = np.any(ankle != leg.end, axis=1)
    part = turned[some]
    bend(target, part, Limb(leg.rows, leg.begin[some], leg.middle[some], leg.end[some]), ankle[some], arm=False)
    turned[some] = part


@dataclass(frozen=True)
class _Sole:
    """Heel and ball of one foot of the target over time, character frame.

    Attributes:
        points: (T, 2, 3) where they are.
        wanted: (T, 2, 3) where they should be when they stand, but for an offset along the floor.
        heights: (T, 2) how high ``wanted`` is above where they rest.
    """

    points: Array
    wanted: Array
    heights: Array


def _sole(source: Figure, given: Posture, target: Figure, posture: Posture, side: int, leg: Limb, was: Limb) -> _Sole:
    one, other = soles_of(source, target, SIDES[side])
    theirs = sole_points(source, given, SIDES[side], was.end, one)
    wanted = theirs + (posture.hips - given.hips)[:, None]
    wanted[..., 2] += other.heights - one.heights
    heights = theirs[..., 2] - (source.hips[2] + one.heights)
    return _Sole(sole_points(target, posture, SIDES[side], leg.end, other), wanted, heights)


def _led(legs: list[Limb], goals: list[Array], there: NDArray[np.bool_], timeline: Timeline) -> list[Array]:
    """Where both ankles (T, 3) come to, also between their contacts, where a leg's angles lead from one to the next."""
    joints = [(leg.begin, leg.middle, leg.end) for leg in legs]
    known, far = there.T, np.stack([seconds_from(there[:, side], timeline) > _EASE_S for side in range(2)])
    changes = [leg_change(*leg, goal) for leg, goal in zip(joints, goals, strict=True)]
    swings = np.stack([change[:, :3] for change in changes])
    bends = np.stack([np.repeat(change[:, 3:], 3, axis=1) for change in changes])
    led = between(np.concatenate([swings, bends]), np.tile(known, (2, 1)), np.tile(far, (2, 1)), timeline)
    found = []
    for side, leg in enumerate(joints):
        change = np.concatenate([led[side], led[2 + side, :, :1]], axis=1)
        found.append(np.where(np.any(change != 0.0, axis=1)[:, None], changed_ankle(*leg, change), leg[2]))
    return found


def _lift(sole: _Sole, moved: Array, there: NDArray[np.bool_], timeline: Timeline) -> Array:
    """How far (T,) a foot in the air is to be lifted lest it goes deeper into the floor than the source's.

    Args:
        sole: of that foot, before.
        moved: (T, 3) by how much it was moved.
        there: (T,) where it stands.
        timeline: theirs.
    """
    heights = (sole.points - sole.wanted)[..., 2] + sole.heights + moved[:, None, 2]
    deep = np.maximum(np.minimum(sole.heights, 0.0) - heights, 0.0).max(axis=1)
    lift = timeline.averaged(timeline.highest(deep, _LIFT_S), _LIFT_S)
    away = np.clip(seconds_from(there, timeline) / _CLEAR_S, 0.0, 1.0)
    return away**2 * (3.0 - 2.0 * away) * lift


def _sink(legs: list[Limb], goals: list[Array], there: NDArray[np.bool_], timeline: Timeline) -> Array:
    """What to add to the hips (T, 3) so that the legs of standing feet reach: downwards, and gently."""
    lack = np.zeros(len(timeline))
    for side, (leg, goal) in enumerate(zip(legs, goals, strict=True)):
        missing = lack_of_reach(leg.begin, leg.end, goal, leg.length)
        lack = np.maximum(lack, np.where(there[:, side], missing, 0.0))
    lack = timeline.averaged(timeline.highest(np.minimum(lack, _MOST_SINK_M), 2.0 * _REACH_S), _REACH_S)
    return -lack[:, None] * _UP
