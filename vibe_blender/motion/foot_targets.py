# SPDX-License-Identifier: GPL-3.0-or-later OR MIT
"""What standing asks of a foot: that heel and ball stay in one place per contact, and how it is turned there.

A foot is a rigid rod from under the heel to the ball. Contacts of heel and ball that overlap, as in a step that rolls,
are held together: their places lie exactly the rod's length apart, so the foot passes from one to the other without a
jump.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..contract.quaternions import Array, from_axis_angles, rotate, to_axis_angles
from .foot_tracks import Stand, between
from .legs import turn_between
from .over_time import Timeline, prefix_sums

_NEXT_FRAMES = 2
"""A ball that comes down so many frames after its heel left, or the other way round, still belongs to the same step."""
HEEL, BALL = 0, 1


@dataclass(frozen=True)
class Foot:
    """One foot over time, as a rod.

    Attributes:
        heel: (T, 3) metres, world, under the heel.
        ball: (T, 3) metres, world, the ball's joint.
        ball_height: metres, of the ball's joint above the floor where it stands.
    """

    heel: Array
    ball: Array
    ball_height: float

    @property
    def length(self) -> float:
        """Metres from under the heel to the ball."""
        return float(np.linalg.norm(self.ball[0] - self.heel[0]))

    @property
    def directions(self) -> Array:
        """Unit vectors (T, 3), world, from heel to ball."""
        return (self.ball - self.heel) / self.length


@dataclass(frozen=True)
class Hold:
    """What standing asks of one foot.

    Attributes:
        turns: (T, 3) axis-angle vectors, radians, world, that turn the foot about its heel.
        stand: where to move it after that.
        on_ball: (T,) 0 where it stands on its heel, 1 where on the ball alone, between them in between.
        away_s: (T,) seconds to the nearest contact.
    """

    turns: Array
    stand: Stand
    on_ball: Array
    away_s: Array


def hold(foot: Foot, stands: NDArray[np.bool_], timeline: Timeline, ease_s: float) -> Hold:
    """What the contacts of one foot ask of it.

    Args:
        foot: before.
        stands: (T, 2) whether heel and ball stand.
        timeline: the foot's.
        ease_s: seconds before its contacts in which a foot turns as it will stand, and after them.
    """
    flat, any_part = stands.all(axis=1), stands.any(axis=1)
    contact, shift, headings = _places(foot, stands, timeline)
    turns = np.zeros_like(foot.heel)
    turns[flat] = to_axis_angles(turn_between(foot.directions[flat], headings[flat]))
    far = seconds_from(flat, timeline) > ease_s
    turns = between(turns[None], flat[None], far[None], timeline)[0]
    ball = foot.heel + rotate(from_axis_angles(turns), foot.ball - foot.heel)
    asked = shift - np.where(stands[:, :1], foot.heel, ball)
    if any_part.any():
        on_ball = np.interp(timeline.times, timeline.times[any_part], (~stands[any_part, HEEL]).astype(float))
    else:
        on_ball = np.zeros(len(timeline))
    away_s = seconds_from(any_part, timeline)
    return Hold(turns, Stand(asked, contact, away_s > ease_s), on_ball, away_s)


def seconds_from(there: NDArray[np.bool_], timeline: Timeline) -> Array:
    """How long (T,) it is to anything that is there; infinite where there is nothing, or a gap lies between."""
    here, times = np.arange(len(timeline)), timeline.times
    before = np.maximum.accumulate(np.where(there, here, -1))
    after = np.minimum.accumulate(np.where(there, here, len(here))[::-1])[::-1]
    since = np.where(before >= timeline.first, times - times[before], np.inf)
    until = np.where(after < timeline.end, times[np.minimum(after, len(here) - 1)] - times, np.inf)
    return np.minimum(since, until)


def _places(foot: Foot, stands: NDArray[np.bool_], timeline: Timeline) -> tuple[NDArray[np.intp], Array, Array]:
    """Which contact a foot stands in (T,), -1 in none; where in it (T, 3), metres; directions (T, 3) of the flat foot.

    Contacts held together are one; where in it is that of the heel while it stands, else that of the ball.
    """
    ends = [timeline.stretches(stands[:, part]) for part in (HEEL, BALL)]
    contact, shift = np.full(len(stands), -1, dtype=np.intp), np.zeros((len(stands), 3))
    headings = np.zeros((len(stands), 3))
    if not stands.any():
        return contact, shift, headings
    group, apart = _held_together(foot, ends, timeline, headings)
    for part in (BALL, HEEL):
        lengths = np.diff(ends[part], axis=1)[:, 0]
        number = np.repeat(np.arange(len(lengths)) + (0 if part == HEEL else len(ends[HEEL])), lengths)
        contact[stands[:, part]] = group[number]
        shift[stands[:, part], :2] = apart[number]
        shift[stands[:, part], 2] = 0.0 if part == HEEL else foot.ball_height
    return contact, shift, headings


def _held_together(
    foot: Foot, ends: list[NDArray[np.intp]], timeline: Timeline, headings: Array
) -> tuple[NDArray[np.intp], Array]:
    """Which contacts belong together (C,), numbered, and how far (C, 2) each lies from the first of its group, metres.

    Contacts of one part never overlap, so of those that begin earlier at most one of the other part reaches a contact:
    following them in the order of time finds every group. Writes the flat foot's directions into ``headings``.
    """
    directions = prefix_sums(foot.directions)
    rise = np.clip(foot.ball_height / foot.length, -1.0, 1.0)
    level = np.sqrt(1.0 - rise**2)
    offset = (0, len(ends[HEEL]))
    count = len(ends[HEEL]) + len(ends[BALL])
    group, shift = np.arange(count), np.zeros((count, 2))
    order = sorted(
        (int(first), int(end), part, number) for part in (HEEL, BALL) for number, (first, end) in enumerate(ends[part])
    )
    latest: list[tuple[int, int] | None] = [None, None]
    for first, end, part, number in order:
        node = offset[part] + number
        other = latest[1 - part]
        if other is not None and first < other[1] + _NEXT_FRAMES and timeline.first[first] < other[1]:
            overlap = (first, min(end, other[1]))
            if overlap[1] > overlap[0]:
                mean = directions[overlap[1]] - directions[overlap[0]]
                ahead = mean[:2] / max(float(np.hypot(mean[0], mean[1])), 1e-12)
                headings[overlap[0] : overlap[1]] = (*(level * ahead), rise)
                rod = foot.length * level * ahead
            else:
                low, high = other[1] - 1, first + 1
                rod = foot.length * (directions[high] - directions[low])[:2] / (high - low)
            group[node] = group[other[0]]
            shift[node] = shift[other[0]] + (rod if part == BALL else -rod)
        latest[part] = (node, end)
    return np.unique(group, return_inverse=True)[1], shift
