# SPDX-License-Identifier: GPL-3.0-or-later OR MIT
"""Feet that stand are held where they stand, none goes below the floor, and the body's path follows them."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ..contract.quaternions import Array, from_axis_angles, multiply, rotate, to_axis_angles
from ..contract.take import Person
from .contacts import contacts_of, standing
from .foot_targets import Foot, Hold, hold
from .foot_tracks import between, tracks
from .legs import bend_leg, changed_ankle, knee_give, lack_of_reach, leg_change, lifted_toes, local, turn_between
from .over_time import Timeline
from .settings import Feet
from .soles import ANKLE, ANKLES, BALL, BALLS, HIP, HIPS, KNEE, KNEES, Legs, leg_length, legs_of, sole_offsets

_REACH_S = 0.2
_REACH_SHARE = 0.3
"""Of what a leg lacks to its place; the rest is left to its last reach, because bent knees cost more than they gain."""
_LIFT_S, _CLEAR_S = 0.1, 0.2
_MOST_SINK_M = 0.15
_MOST_BEND_RAD = np.radians(70.0)
_UP = np.array([0.0, 0.0, 1.0])


def hold_feet(person: Person, times: Array, feet: Feet, legs: Legs | None = None) -> Person:
    """The person with feet that stand where they stand; with a strength of 0, the very same.

    Args:
        person: the floor is the world's z = 0.
        times: (T,) seconds of the person's frames.
        feet: settings.
        legs: of the person, where they are known already.
    """
    if feet.strength == 0.0 or not len(times):
        return person
    timeline, legs = Timeline.of(times, person.frames), legs or legs_of(person)
    stands = standing(contacts_of(person, times, feet, legs), person.frames)
    if not (stands.any() or feet.clamp or feet.bend_toes):
        return person
    root, contacts = person.root, person.contacts
    if stands.any():
        contacts = stands.any(axis=2).astype(float)
    held = [_held(legs, side, stands[:, side], timeline, feet) for side in range(2)]
    way, moves = np.zeros_like(root), np.zeros((len(root), 2, 3))
    if stands.any():
        way, moves = tracks(root, [hold.stand for _, hold in held], timeline, feet.correct_root)
        way, moves = feet.strength * way, feet.strength * moves
        root, legs = root + way, legs.moved(way)
    goals = [_goal(legs, side, *held[side], way, moves[:, side], feet) for side in range(2)]
    share = feet.correct_root * feet.strength
    if share and stands.any():
        sink = share * _sink(legs, goals, stands, timeline)
        root, legs = root + sink, legs.moved(sink)
    ankles = _led(legs, goals, [hold.stand.far for _, hold in held], timeline)
    goals = [_cleared_goal(legs, side, *held[side], goals[side], ankles[side], timeline, feet) for side in range(2)]
    rotations = np.array(person.rotations, dtype=float)
    for side, goal in enumerate(goals):
        bent = _bend(rotations, legs, side, goal)
        if feet.bend_toes:
            _bend_toes(rotations, legs, side, bent, feet.strength)
    return replace(person, root=root, rotations=rotations, contacts=contacts)


@dataclass(frozen=True)
class _Goal:
    """Where an ankle should be: place (T, 3) metres and orientation (T, 4), world; ``changed`` (T,) where it is not."""

    place: Array
    turned: Array
    changed: NDArray[np.bool_]


def _held(legs: Legs, side: int, stands: NDArray[np.bool_], timeline: Timeline, feet: Feet) -> tuple[Foot, Hold]:
    """One foot, 0 left or 1 right, and what its contacts (T, 2), of heel and ball, ask of it."""
    ball_height = -float(sole_offsets(legs.rest_joints)[1][1])
    foot = Foot(legs.soles[:, side, 0], legs.places[:, side, BALL], ball_height)
    return foot, hold(foot, stands, timeline, feet.ease_s)


def _goal(legs: Legs, side: int, foot: Foot, held: Hold, way: Array, moves: Array, feet: Feet) -> _Goal:
    """Where one ankle should be in its contacts.

    Args:
        legs: of the person, moved.
        side: 0 left, 1 right.
        foot: before anything moved.
        held: what its contacts ask of it.
        way: (T, 3) metres, by which the person moved.
        moves: (T, 3) metres, by which the foot moves besides.
        feet: settings.
    """
    turn = from_axis_angles(feet.strength * held.turns)
    heel = foot.heel + way + moves
    if feet.clamp:
        heel, turn, _ = _cleared(legs, side, foot, held.on_ball, heel, turn, feet)
    turned = multiply(turn, legs.turned[:, side, ANKLE])
    return _Goal(heel - rotate(turned, sole_offsets(legs.rest_joints)[0]), turned, held.stand.contact >= 0)


def _led(legs: Legs, goals: list[_Goal], far: list[NDArray[np.bool_]], timeline: Timeline) -> list[Array]:
    """Where both ankles (T, 3) come to, metres, world, also between their contacts.

    There a leg's angles lead from one to the next, so a knee is never quicker than need be, however straight it is; and
    where it is all but straight in a contact, it rather gives way by what hardly moves the foot.
    """
    joints = [(legs.places[:, side, HIP], legs.places[:, side, KNEE], legs.places[:, side, ANKLE]) for side in range(2)]
    there = np.stack([goal.changed for goal in goals])
    if not there.any():
        return [ankle for _, _, ankle in joints]
    changes = [leg_change(*leg, goal.place) for leg, goal in zip(joints, goals, strict=True)]
    give = [knee_give(*leg, change) for leg, change in zip(joints, changes, strict=True)]
    swings = np.stack([change[:, :3] for change in changes])
    bends = np.stack([np.repeat(change[:, 3:], 3, axis=1) for change in changes])
    led = between(
        np.concatenate([swings, bends]), np.tile(there, (2, 1)), np.tile(far, (2, 1)), timeline,
        np.concatenate([np.zeros_like(give), give]),
    )  # fmt: skip
    return [
        changed_ankle(*leg, np.concatenate([led[side], led[2 + side, :, :1]], axis=1))
        for side, leg in enumerate(joints)
    ]


def _cleared_goal(
    legs: Legs, side: int, foot: Foot, held: Hold, goal: _Goal, place: Array, timeline: Timeline, feet: Feet
) -> _Goal:
    """Where one ankle should be at all times.

    Args:
        legs: of the person, moved.
        side: 0 left, 1 right.
        foot: before anything moved.
        held: what its contacts ask of it.
        goal: in its contacts.
        place: (T, 3) metres, world, where it would come to.
        timeline: the person's.
        feet: settings.
    """
    there = goal.changed
    ankle, ankle_turned = legs.places[:, side, ANKLE], legs.turned[:, side, ANKLE]
    turn = from_axis_angles(feet.strength * held.turns)
    changed = np.any(held.turns != 0.0, axis=1) | (~held.stand.far if there.any() else there)
    turned = multiply(turn, ankle_turned)
    if feet.clamp:
        offset = sole_offsets(legs.rest_joints)[0]
        heel = place + rotate(turned, offset)
        lift = feet.strength * _lift(heel, foot, turn, held, timeline)
        heel, turn, low = _cleared(legs, side, foot, held.on_ball, heel + lift[:, None] * _UP, turn, feet)
        turned = multiply(turn, ankle_turned)
        place = np.where(there[:, None], place, heel - rotate(turned, offset))
        changed = changed | low | (lift > 0.0)
    turned = np.where(there[:, None], goal.turned, turned)
    keep = ~changed[:, None]
    return _Goal(np.where(keep, ankle, place), np.where(keep, ankle_turned, turned), changed)


def _lift(heel: Array, foot: Foot, turn: Array, held: Hold, timeline: Timeline) -> Array:
    """How far (T,), metres, a foot in the air is to be lifted lest it goes through the floor: gently, and early."""
    ball = heel[:, 2] + rotate(turn, foot.ball - foot.heel)[:, 2] - foot.ball_height
    deep = np.maximum(-np.minimum(heel[:, 2], ball), 0.0)
    lift = timeline.averaged(timeline.highest(deep, _LIFT_S), _LIFT_S)
    away = np.clip(held.away_s / _CLEAR_S, 0.0, 1.0)
    return away**2 * (3.0 - 2.0 * away) * lift


def _cleared(
    legs: Legs, side: int, foot: Foot, on_ball: Array, heel: Array, turn: Array, feet: Feet
) -> tuple[Array, Array, NDArray[np.bool_]]:
    """A foot turned and moved so that none of it is below the floor: heel (T, 3), turn (T, 4), and in which frames."""
    rod = rotate(turn, foot.ball - foot.heel)
    heel, lift, low = _above_floor(heel, rod, foot, on_ball, feet.strength)
    turn = multiply(lift, turn)
    if not feet.bend_toes:
        toes = multiply(turn, legs.turned[:, side, BALL])
        tip = heel + rotate(lift, rod) + rotate(toes, sole_offsets(legs.rest_joints)[2])
        below = np.maximum(-tip[:, 2], 0.0)
        heel = heel + feet.strength * below[:, None] * _UP
        low |= below > 0.0
    return heel, turn, low


def _above_floor(
    heel: Array, rod: Array, foot: Foot, on_ball: Array, strength: float
) -> tuple[Array, Array, NDArray[np.bool_]]:
    """A foot brought out of the floor: where its heel comes to, how it turns (T, 4), and in which frames.

    What is below the floor comes up to it and what is above stays, so a foot half in the floor turns flat. The part
    that stands keeps its place along the floor.

    Args:
        heel: (T, 3) metres, world, under the heel.
        rod: (T, 3) metres, world, from there to the ball.
        foot: for its length and the height of its ball.
        on_ball: (T,) 0 where it stands on its heel, 1 where on its ball.
        strength: 0..1.
    """
    heel_rise = strength * np.maximum(-heel[:, 2], 0.0)
    ball_rise = strength * np.maximum(foot.ball_height - heel[:, 2] - rod[:, 2], 0.0)
    rise = np.clip((rod[:, 2] + ball_rise - heel_rise) / foot.length, -1.0, 1.0)
    ahead = rod[:, :2] / np.maximum(np.linalg.norm(rod[:, :2], axis=1, keepdims=True), 1e-12)
    direction = np.concatenate([np.sqrt(1.0 - rise**2)[:, None] * ahead, rise[:, None]], axis=1)
    low = (heel_rise > 0.0) | (ball_rise > 0.0)
    turn = np.tile([1.0, 0.0, 0.0, 0.0], (len(heel), 1))
    turn[low] = turn_between(rod[low] / foot.length, direction[low])
    back = on_ball[:, None] * (rod - foot.length * direction) * (1.0 - _UP)
    return heel + np.where(low[:, None], back + heel_rise[:, None] * _UP, 0.0), turn, low


def _sink(legs: Legs, goals: list[_Goal], stands: NDArray[np.bool_], timeline: Timeline) -> Array:
    """What to add to the path (T, 3), metres, so that the legs of standing feet reach: downwards, and gently."""
    length = leg_length(legs.rest_joints)
    lack = np.zeros(len(timeline))
    for side, goal in enumerate(goals):
        hip, ankle = legs.places[:, side, HIP], legs.places[:, side, ANKLE]
        missing = lack_of_reach(hip, ankle, goal.place, length)
        lack = np.maximum(lack, np.where(stands[:, side].any(axis=1), missing, 0.0))
    lack = timeline.averaged(timeline.highest(np.minimum(lack, _MOST_SINK_M), 2.0 * _REACH_S), _REACH_S)
    return -_REACH_SHARE * lack[:, None] * _UP


def _bend(rotations: Array, legs: Legs, side: int, goal: _Goal) -> _Goal:
    """Where the ankle came to; writes one leg's new rotations into ``rotations``, in the changed frames only."""
    some = goal.changed
    if not some.any():
        return goal
    hip, knee, ankle = HIPS[side], KNEES[side], ANKLES[side]
    places, turned = legs.places[some, side], legs.turned[some, side]
    thigh, shin = bend_leg(
        places[:, HIP], places[:, KNEE], places[:, ANKLE], turned[:, HIP], turned[:, KNEE], goal.place[some]
    )
    pelvis = legs.pelvis[some]
    for joint, new in (
        (hip, local(pelvis, thigh)),
        (knee, local(thigh, shin)),
        (ankle, local(shin, goal.turned[some])),
    ):
        sign = np.sign(np.sum(new * rotations[some, joint], axis=1, keepdims=True))
        rotations[some, joint] = np.where(sign < 0, -new, new)
    rest, place = legs.rest_joints, goal.place.copy()
    place[some] = places[:, HIP] + rotate(thigh, rest[knee] - rest[hip]) + rotate(shin, rest[ankle] - rest[knee])
    return replace(goal, place=place)


def _bend_toes(rotations: Array, legs: Legs, side: int, ankle: _Goal, strength: float) -> None:
    """Writes the rotations of toes that would be below the floor into ``rotations``."""
    rest, joint = legs.rest_joints, BALLS[side]
    _, _, tip = sole_offsets(rest)
    ball = ankle.place + rotate(ankle.turned, rest[joint] - rest[ANKLES[side]])
    toes = multiply(ankle.turned, rotations[:, joint])
    low = (ball + rotate(toes, tip))[:, 2] < 0.0
    lifted = lifted_toes(toes[low], tip, -ball[low, 2], _MOST_BEND_RAD)
    part = from_axis_angles(strength * to_axis_angles(local(toes[low], lifted)))
    rotations[low, joint] = multiply(rotations[low, joint], part)
