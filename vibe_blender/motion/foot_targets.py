# SPDX-License-Identifier: GPL-3.0-or-later OR MIT
"""Where a standing foot belongs: one place for its heel and its ball per contact, and how the foot gets there and away.

A foot is a rigid rod from under the heel to the ball. Contacts of heel and ball that overlap, as in a step that rolls,
are held together: their places lie exactly the rod's length apart, so the foot passes from one to the other without a
jump.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..contract.quaternions import Array, from_axis_angles, rotate, to_axis_angles
from .legs import turn_between
from .over_time import Timeline, prefix_sums

_STILL_M_S = 0.3
_MOST_M_S2 = 6.0
"""An ease takes as long as it needs for a foot that is far from its place not to be accelerated more than that."""
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
    """What is done to one foot.

    Attributes:
        turns: (T, 3) axis-angle vectors, radians, world, that turn the foot about its heel.
        moves: (T, 3) metres, world, that move it after that.
        on_ball: (T,) 0 where it stands on its heel, 1 where on the ball alone, between them in between.
        held: (T,) whether any of this is not nothing.
    """

    turns: Array
    moves: Array
    on_ball: Array
    held: NDArray[np.bool_]


def hold(foot: Foot, stands: NDArray[np.bool_], timeline: Timeline, ease_s: float) -> Hold:
    """What brings one foot to its places, eased in before its contacts and out after them.

    Args:
        foot: before.
        stands: (T, 2) whether heel and ball stand.
        timeline: the foot's.
        ease_s: seconds.
    """
    places, headings = _places(foot, stands, timeline)
    flat, any_part = stands.all(axis=1), stands.any(axis=1)
    turns = np.zeros_like(foot.heel)
    turns[flat] = to_axis_angles(turn_between(foot.directions[flat], headings[flat]))
    turns = eased(turns, flat, timeline, ease_s)
    ball = foot.heel + rotate(from_axis_angles(turns), foot.ball - foot.heel)
    moves = np.where(stands[:, :1], places[:, HEEL] - foot.heel, places[:, BALL] - ball)
    moves = eased(np.where(any_part[:, None], moves, 0.0), any_part, timeline, ease_s, _MOST_M_S2)
    if any_part.any():
        on_ball = np.interp(timeline.times, timeline.times[any_part], (~stands[any_part, HEEL]).astype(float))
    else:
        on_ball = np.zeros(len(timeline))
    held = np.any(turns != 0.0, axis=1) | np.any(moves != 0.0, axis=1)
    return Hold(turns, moves, on_ball, held)


def eased(values: Array, there: NDArray[np.bool_], timeline: Timeline, ease_s: float, most: float = np.inf) -> Array:
    """The values (T, D) where they are there, and eased from and to nothing where not.

    Cubic Hermite curves go on as fast as the values came, so no velocity jumps at a border; where two borders are too
    near for two eases, one curve leads from one to the other. No ease reaches across a gap in the frames.

    Args:
        values: (T, D).
        there: (T,) where they are there.
        timeline: theirs.
        ease_s: seconds, the shortest.
        most: the most acceleration that an ease may need, per second squared; those from farther take longer.
    """
    result = np.where(there[:, None], values, 0.0)
    if not there.any() or there.all():
        return result
    times, here = timeline.times, np.arange(len(timeline))
    before = np.maximum.accumulate(np.where(there, here, -1))
    after = np.minimum.accumulate(np.where(there, here, len(here))[::-1])[::-1]
    has_before, has_after = before >= timeline.first, after < timeline.end
    rates = _border_rates(values, there, timeline)
    left, right = np.where(has_before, before, here), np.where(has_after, after, here)
    out_s, in_s = times - times[left], times[right] - times
    # The steepest acceleration of the curve below is six times its height over its length squared.
    longest = np.maximum(ease_s, np.sqrt(6.0 * np.linalg.norm(values, axis=1) / most))
    near = has_before & has_after & (out_s + in_s < longest[left] + longest[right])
    out_span = np.maximum(np.where(near, out_s + in_s, longest[left]), 1e-9)
    in_span = np.maximum(np.where(near, out_s + in_s, longest[right]), 1e-9)
    leaving = _hermite(out_s / out_span, values[left], rates[left], out_span)
    coming = _hermite(in_s / in_span, values[right], -rates[right], in_span)
    blend = np.where(has_before[:, None], leaving, 0.0) + np.where(has_after[:, None], coming, 0.0)
    return np.where(there[:, None], result, blend)


def _hermite(u: Array, value: Array, rate: Array, span: Array) -> Array:
    """From a value with a rate at u = 0 to nothing at rest at u = 1, and nothing after."""
    u = np.minimum(u, 1.0)[:, None]
    return (1.0 - u) ** 2 * ((1.0 + 2.0 * u) * value + u * span[:, None] * rate)


def _border_rates(values: Array, there: NDArray[np.bool_], timeline: Timeline) -> Array:
    """The rates (T, D) per second of the values at the borders of where they are there, from inside; 0 of one frame."""
    times, here = timeline.times, np.arange(len(timeline))
    previous, following = np.maximum(here - 1, timeline.first), np.minimum(here + 1, timeline.end - 1)
    previous = np.where(there[previous], previous, here)
    following = np.where(there[following], following, here)
    seconds = np.where(following > previous, times[following] - times[previous], 1.0)
    return (values[following] - values[previous]) / seconds[:, None]


def _places(foot: Foot, stands: NDArray[np.bool_], timeline: Timeline) -> tuple[Array, Array]:
    """Places (T, 2, 3) of heel and ball, metres, and directions (T, 3) of the flat foot, where there are any.

    Every contact has the place where its part was, the stiller the more; contacts held together are shifted as one.
    """
    ends = [timeline.stretches(stands[:, part]) for part in (HEEL, BALL)]
    part = np.repeat([HEEL, BALL], [len(ends[HEEL]), len(ends[BALL])])
    ends_of = np.concatenate(ends)
    ground = np.stack([foot.heel[:, :2], foot.ball[:, :2]], axis=1)
    weight = 1.0 / (np.sum(timeline.velocities(ground) ** 2, axis=-1) + _STILL_M_S**2)
    places, headings = np.zeros((len(stands), 2, 3)), np.zeros((len(stands), 3))
    places[:, BALL, 2] = foot.ball_height
    if not len(ends_of):
        return places, headings
    sums = prefix_sums(np.concatenate([ground * weight[..., None], weight[..., None]], axis=2))
    total = (sums[ends_of[:, 1]] - sums[ends_of[:, 0]])[np.arange(len(part)), part]
    middle, sure = total[:, :2] / total[:, 2:], total[:, 2]
    group, shift = _held_together(foot, ends, timeline, headings)
    count = np.bincount(group, sure)
    base = np.stack([np.bincount(group, sure * (middle - shift)[:, axis]) / count for axis in range(2)], axis=1)
    found = base[group] + shift
    for number, (first, end) in enumerate(ends_of):
        places[first:end, part[number], :2] = found[number]
    return places, headings


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
