# SPDX-License-Identifier: GPL-3.0-or-later OR MIT
"""What the contacts of a source's foot ask of the target's ankle: heel and ball go where the source's do."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...contract.quaternions import Array, conjugate, multiply, rotate
from ..over_time import Timeline
from .figure import Figure
from .posture import Posture

Flags = NDArray[np.bool_]
HEEL, BALL = 0, 1

# Shares of a leg's length: of the average adult (`motion/soles.py`).
_HEEL_BEHIND, _SOLE_BELOW, _BALL_AHEAD = 0.06, 0.087, 0.15
_LOWEST_ANKLE, _HIGHEST_ANKLE = 0.01, 0.3
_LEAST_ROD = 0.03
_BRIEF_S = 0.12


@dataclass(frozen=True)
class Sole:
    """Two points of a foot at rest, character frame.

    Attributes:
        offsets: (2, 3) from the ankle to under the heel and to the ball.
        heights: (2,) of both above the hips, negative.
    """

    offsets: Array
    heights: Array


def soles_of(source: Figure, target: Figure, side: str) -> tuple[Sole, Sole]:
    """The soles of one foot of both; where either has no foot, its ankles stand for them."""
    if min(figure.row(f"{side}_ankle") for figure in (source, target)) < 0:
        return _ankle_alone(source, side), _ankle_alone(target, side)
    return _sole(source, side), _sole(target, side)


def _ankle_alone(figure: Figure, side: str) -> Sole:
    height = figure.ends[figure.row(f"{side}_knee"), 2] - figure.hips[2]
    return Sole(np.zeros((2, 3)), np.repeat(height, 2))


def _sole(figure: Figure, side: str) -> Sole:
    """The sole of one foot.

    The floor is where the armature's origin is, if feet can stand there; otherwise it is where it would be for the
    average adult.
    """
    row, toes, leg = figure.row(f"{side}_ankle"), figure.row(f"{side}_foot"), figure.leg
    ankle = figure.heads[row]
    ball = (figure.heads[toes] if toes >= 0 else figure.ends[row]) - ankle
    ahead = ball * (1.0, 1.0, 0.0)
    if np.linalg.norm(ahead) < _LEAST_ROD * leg:  # a foot without toes, drawn straight down
        ball = ahead = np.array([0.0, -_BALL_AHEAD * leg, 0.0])
    below = ankle[2] if _LOWEST_ANKLE * leg < ankle[2] < _HIGHEST_ANKLE * leg else _SOLE_BELOW * leg
    heel = -_HEEL_BEHIND * leg * ahead / np.linalg.norm(ahead) - [0.0, 0.0, below]
    offsets = np.stack([heel, ball])
    return Sole(offsets, ankle[2] + offsets[:, 2] - figure.hips[2])


def sole_points(figure: Figure, posture: Posture, side: str, ankle: Array, sole: Sole) -> Array:
    """Under the heel and at the ball, (T, 2, 3), character frame, of a foot whose ankle is there (T, 3)."""
    row = figure.row(f"{side}_ankle")
    if row < 0 or not sole.offsets.any():
        return np.stack([ankle, ankle], axis=1)
    turn = multiply(posture.turned[:, row], conjugate(figure.axes[row]))
    return ankle[:, None] + rotate(turn[:, None], sole.offsets)


def asked(points: Array, foot: Array, ankle: Array, stands: Flags, timeline: Timeline) -> Array:
    """Where an ankle should be, (T, 3); as it is wherever nothing stands.

    In a contact heel or ball goes as it should but for one offset along the floor, which leaves the ankle where it is
    on the average. Where both stand, the foot passes from one to the other. What is lifted for a moment only comes down
    where it was.

    Args:
        points: (T, 2, 3) how heel and ball should move; their heights hold.
        foot: (T, 2, 3) where they are.
        ankle: (T, 3) where it is.
        stands: (T, 2) whether heel and ball stand.
        timeline: theirs.
    """
    moves, standing, goal = points - foot, stands.any(axis=1), ankle.copy()
    for first, end in timeline.stretches(standing | _briefly(~standing, timeline)):
        flags, some = stands[first:end], standing[first:end]
        if not some.any():
            continue
        move = moves[first:end].copy()
        move[..., :2] += _matched(move[..., :2], flags)
        on_ball = _on_ball(flags)[:, None]
        moved = (1.0 - on_ball) * move[:, HEEL] + on_ball * move[:, BALL]
        moved[:, :2] -= moved[some, :2].mean(axis=0)
        goal[first:end][some] += moved[some]
    return goal


def _briefly(flags: Flags, timeline: Timeline) -> Flags:
    """(T,) where flags (T,) are true, but not for long."""
    found = np.zeros_like(flags)
    for first, end in timeline.stretches(flags):
        found[first:end] = timeline.times[end - 1] - timeline.times[first] < _BRIEF_S
    return found


def _on_ball(stands: Flags) -> Array:
    """(N,) 0 where a foot stands on its heel, 1 where on its ball; where on both, from what was before to what comes.

    Args:
        stands: (N, 2) of one stretch.
    """
    both, only = stands.all(axis=1), np.flatnonzero(stands[:, HEEL] != stands[:, BALL])
    ball = stands[:, BALL].astype(float)
    for first, end in _stretches(both):
        sides = [ball[first - 1]] if first - 1 in only else []
        sides += [ball[end]] if end in only else []
        begin, last = (sides[0], sides[-1]) if sides else (0.0, 0.0)
        share = np.arange(1, end - first + 1) / (end - first + 1)
        ball[first:end] = begin + (last - begin) * share**2 * (3.0 - 2.0 * share)
    return ball


def _matched(moves: Array, stands: Flags) -> Array:
    """What to add to moves (N, 2, 2) of heel and ball, one offset a contact, so that they agree where they meet.

    Contacts of one part never overlap, so in the order of time each meets the one of the other part before it.
    """
    added = np.zeros_like(moves)
    latest: list[tuple[int, int] | None] = [None, None]
    contacts = [(int(low), int(high), point) for point in (HEEL, BALL) for low, high in _stretches(stands[:, point])]
    for first, end, part in sorted(contacts):
        if (other := latest[1 - part]) is not None:
            low, high = (first, min(end, other[1])) if first < other[1] else (other[1] - 1, first + 1)
            there = moves[low:high, 1 - part] + added[other[0], 1 - part]
            added[first:end, part] = (there - moves[low:high, part]).mean(axis=0)
        elif (own := latest[part]) is not None:
            added[first:end, part] = added[own[0], part]
        latest[part] = (first, end)
    return added


def _stretches(flags: Flags) -> Array:
    """First and after-last index (C, 2) of every stretch of true (N,)."""
    return np.flatnonzero(np.diff(np.concatenate([[False], flags, [False]]).astype(int))).reshape(-1, 2)
