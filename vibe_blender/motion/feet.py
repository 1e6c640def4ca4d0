# SPDX-License-Identifier: GPL-3.0-or-later OR MIT
"""Feet that stand are held where they stand, none goes below the floor, and the body's path follows them."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ..contract.quaternions import Array, from_axis_angles, multiply, rotate, to_axis_angles
from ..contract.take import Person
from .contacts import contacts_of, standing
from .foot_targets import Foot, hold
from .legs import bend_leg, lack_of_reach, lifted_toes, local, turn_between
from .over_time import Timeline
from .settings import Feet
from .soles import ANKLE, ANKLES, BALL, BALLS, HIP, HIPS, KNEE, KNEES, Legs, leg_length, legs_of, sole_offsets

_SWAY_S = 3.0
"""Sway of the body slower than that stays with the path: what stands cannot tell it from a wrong stride."""
_FLOAT_S = 0.2
_REACH_S = 0.2
_REACH_SHARE = 0.3
"""Of what a leg lacks to its place; the rest is left to its last reach, because bent knees cost more than they gain."""
_MOST_SINK_M = 0.15
_MOST_BEND_RAD = np.radians(70.0)
_UP = np.array([0.0, 0.0, 1.0])


def hold_feet(person: Person, times: Array, feet: Feet) -> Person:
    """The person with feet that stand where they stand; with a strength of 0, the very same.

    Args:
        person: the floor is the world's z = 0.
        times: (T,) seconds of the person's frames.
        feet: settings.
    """
    if feet.strength == 0.0 or not len(times):
        return person
    timeline, legs = Timeline.of(times, person.frames), legs_of(person)
    stands = standing(contacts_of(person, times, feet, legs), person.frames)
    if not (stands.any() or feet.clamp or feet.bend_toes):
        return person
    share = feet.correct_root * feet.strength
    root, contacts = person.root, person.contacts
    if stands.any():
        contacts = stands.any(axis=2).astype(float)
        way = share * _correction(legs, timeline, stands)
        root, legs = root + way, legs.moved(way)
    goals = [_goal(legs, side, stands[:, side], timeline, feet) for side in range(2)]
    if share and stands.any():
        way = share * _sink(legs, goals, stands, timeline)
        root, legs = root + way, legs.moved(way)
        goals = [replace(goal, changed=goal.changed | np.any(way != 0.0, axis=1)) for goal in goals]
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


def _correction(legs: Legs, timeline: Timeline, stands: NDArray[np.bool_]) -> Array:
    """What to add to the path (T, 3), metres, so that standing feet neither slide nor float.

    Sliding is taken off as a velocity, but only what is faster than a few strides, so that the path cannot drift;
    floating as a height.

    Args:
        legs: the floor is the world's z = 0.
        timeline: theirs.
        stands: (T, 2, 2) left and right foot, heel and ball; somewhere.
    """
    points, times = legs.soles[:, :, :2], timeline.times
    there = stands.any(axis=(1, 2))
    count = np.maximum(stands.sum(axis=(1, 2)), 1)[:, None]
    slide = np.sum(timeline.velocities(points)[..., :2] * stands[..., None], axis=(1, 2)) / count
    height = np.sum(points[..., 2] * stands, axis=(1, 2))[:, None] / count
    slide, height = (
        np.stack([np.interp(times, times[there], column[there]) for column in values.T], axis=1)
        for values in (slide, height)
    )
    steps = np.diff(times, prepend=times[0])[:, None] * (slide + np.roll(slide, 1, axis=0)) / 2
    steps[timeline.first == np.arange(len(timeline))] = 0.0
    way = np.cumsum(steps, axis=0)
    sway = way - timeline.averaged(way, _SWAY_S)
    return -np.concatenate([sway, timeline.averaged(height, _FLOAT_S)], axis=1)


def _goal(legs: Legs, side: int, stands: NDArray[np.bool_], timeline: Timeline, feet: Feet) -> _Goal:
    """Where one ankle should be.

    Args:
        legs: of the person.
        side: 0 left, 1 right.
        stands: (T, 2) heel and ball of this foot.
        timeline: the person's.
        feet: settings.
    """
    heel_offset, under_ball, tip_offset = sole_offsets(legs.rest_joints)
    ankle, ankle_turned = legs.places[:, side, ANKLE], legs.turned[:, side, ANKLE]
    foot = Foot(legs.soles[:, side, 0], legs.places[:, side, BALL], -float(under_ball[1]))
    done = hold(foot, stands, timeline, feet.ease_s)
    turn = from_axis_angles(feet.strength * done.turns)
    heel = foot.heel + feet.strength * done.moves
    changed = done.held
    if feet.clamp:
        rod = rotate(turn, foot.ball - foot.heel)
        heel, lift, low = _above_floor(heel, rod, foot, done.on_ball, feet.strength)
        turn = multiply(lift, turn)
        if not feet.bend_toes:
            toes = multiply(turn, legs.turned[:, side, BALL])
            below = np.maximum(-(heel + rotate(lift, rod) + rotate(toes, tip_offset))[:, 2], 0.0)
            heel = heel + feet.strength * below[:, None] * _UP
            low |= below > 0.0
        changed = changed | low
    turned = multiply(turn, ankle_turned)
    place = heel - rotate(turned, heel_offset)
    keep = ~changed[:, None]
    return _Goal(np.where(keep, ankle, place), np.where(keep, ankle_turned, turned), changed)


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
