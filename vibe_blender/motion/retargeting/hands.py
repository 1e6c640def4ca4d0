# SPDX-License-Identifier: GPL-3.0-or-later OR MIT
"""Hands that keep their places to the body: on a hip, at the chest, on the head, in each other."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from ...contract.quaternions import Array, conjugate, rotate
from ..over_time import Timeline
from .figure import SIDES, Figure
from .limbs import Limb, bend, limbs
from .posture import Posture, places

ARM = ("shoulder", "elbow", "wrist")
# Shares of an arm's length: nearer than the first a hand belongs to what is there, further than the second it does not.
_NEAR, _FAR = 0.4, 1.0
_JOINED, _APART = 0.3, 0.6
_SOFT = 0.1
_SOFT_SHARE = 0.12
"""Of an arm's length: over the last of it an arm straightens ever more slowly."""
_BENT, _STRAIGHT = 0.85, 0.97
"""How far a wrist is from its shoulder: an arm stretched out leans on nothing, however near to the hips it hangs."""
_CHEST_UP, _HEAD_UP = 0.7, 0.25
"""Shares of the way from hips to shoulders: how high the chest's middle is, and the head's above its joint."""
_ROUNDS = 8
_CALM_S = 0.15
"""In a window of so many seconds a change is averaged, so that passing by something jerks no hand."""


def keep_hands(
    source: Figure, given: Posture, target: Figure, posture: Posture, share: float, timeline: Timeline
) -> Posture:
    """The target's posture with wrists where the source's are, as seen from the parts of the body they are near to.

    Where a wrist is between several, each counts the more the nearer it is; far from all, the arms keep their own
    angles. Hands keep their orientations, elbows their planes, and no arm is stretched.

    Args:
        source, target: at rest.
        given: what the source does.
        posture: what the target would do.
        share: 0..1, how much of it.
        timeline: of both.
    """
    if share == 0.0:
        return posture
    one, other = _body(source, given), _body(target, posture)
    ratio = _ratios(source, target)
    goals = [_beside_body(one, other, ratio, side) for side in range(2)]
    goals = _joined(one, other, ratio, goals)
    turned = posture.turned.copy()
    for arm, goal in zip(other.arms, goals, strict=True):
        change = timeline.averaged(share * (goal - arm.end), _CALM_S)
        bend(target, turned, arm, _within_reach(arm, arm.end + change), arm=True)
    return Posture(turned, posture.hips)


@dataclass(frozen=True)
class _Anchor:
    """A part of the body by which a hand may be.

    Attributes:
        place: (T, 3) character frame.
        tip: (T, 3) the other end of the line that a hand's distance is measured to.
        turn: (T, 4) from rest.
        wide: which of the target's widths it has: 0 of the hips, 1 of the shoulders, 2 of the head.
    """

    place: Array
    tip: Array
    turn: Array
    wide: int


@dataclass(frozen=True)
class _Body:
    """What hands may be by.

    Attributes:
        arms: left and right.
        anchors: those that the figure has, by their names.
    """

    arms: list[Limb]
    anchors: dict[str, _Anchor]

    def length(self, side: int) -> float:
        """Of one arm."""
        return self.arms[side].length


@dataclass(frozen=True)
class _Ratios:
    """How much larger the target is.

    Attributes:
        widths: of hips, shoulders and head; that of a head, which no bone tells, goes by the height.
        height: from hips to shoulders.
        arm: of both arms' lengths.
    """

    widths: tuple[float, float, float]
    height: float
    arm: float


def _shoulders(figure: Figure) -> Array:
    """(2, 3) where both upper arms begin, at rest."""
    return figure.heads[[figure.row(f"{side}_shoulder") for side in SIDES]]


def _body(figure: Figure, posture: Posture) -> _Body:
    begin, turns = places(figure, posture), posture.turns(figure)
    arms = limbs(figure, posture, ARM)
    pelvis, chest, head = (figure.row(part) for part in ("pelvis", "spine", "head"))
    chest = chest if chest >= 0 else pelvis
    left, right = arms[0].begin, arms[1].begin
    middle, up = (left + right) / 2.0, _shoulders(figure).mean(axis=0) - figure.hips
    down = rotate(turns[:, chest], (_CHEST_UP - 1.0) * up)
    thighs = [begin[:, figure.row(f"{side}_hip")] for side in SIDES]
    anchors = {
        "hips": _Anchor(thighs[0], thighs[1], turns[:, pelvis], 0),
        "chest": _Anchor(middle, middle + down, turns[:, chest], 1),
        "left": _Anchor(left, left, turns[:, chest], 1),
        "right": _Anchor(right, right, turns[:, chest], 1),
    }
    if head >= 0:
        size = _HEAD_UP * float(np.linalg.norm(up)) * np.array([0.0, 0.0, 1.0])
        place = begin[:, head]
        anchors["head"] = _Anchor(place, place + rotate(turns[:, head], size), turns[:, head], 2)
    return _Body(arms, anchors)


def _ratios(source: Figure, target: Figure) -> _Ratios:
    def sizes(figure: Figure) -> tuple[float, float, float, float]:
        thighs = figure.heads[[figure.row(f"{side}_hip") for side in SIDES]]
        shoulders = _shoulders(figure)
        arms = [figure.row(f"{side}_{joint}") for side in SIDES for joint in ARM[:2]]
        return (
            float(np.linalg.norm(thighs[0] - thighs[1])), float(np.linalg.norm(shoulders[0] - shoulders[1])),
            float(np.linalg.norm(shoulders.mean(axis=0) - figure.hips)), float(figure.lengths[arms].sum()),
        )  # fmt: skip

    hips, shoulders, height, arm = (
        new / max(old, 1e-12) for new, old in zip(sizes(target), sizes(source), strict=True)
    )
    return _Ratios((hips, shoulders, height), height, arm)


def _beside_body(one: _Body, other: _Body, ratio: _Ratios, side: int) -> Array:
    """Where a wrist (T, 3) of the target should be for the sake of the body alone."""
    wrist, arm, length = one.arms[side].end, other.arms[side], one.length(side)
    total, sums, none = np.zeros(len(wrist)), np.zeros_like(wrist), np.ones(len(wrist))
    for anchor, there in _shared(one, other, side):
        near, weight = _nearness(wrist, anchor, length)
        width = ratio.widths[anchor.wide]
        size = np.array([width, (width + ratio.height) / 2.0, ratio.height])
        offset = size * rotate(conjugate(anchor.turn), wrist - anchor.place)
        sums += weight[:, None] * (there.place + rotate(there.turn, offset))
        total += weight
        none *= 1.0 - near
    stretched = np.linalg.norm(wrist - one.arms[side].begin, axis=1) / length
    belongs = _falling(stretched, _BENT, _STRAIGHT) * (1.0 - none)
    goal = sums / np.maximum(total, 1e-12)[:, None]
    return arm.end + np.where(total > 0.0, belongs, 0.0)[:, None] * (goal - arm.end)


def _shared(one: _Body, other: _Body, side: int) -> Iterator[tuple[_Anchor, _Anchor]]:
    """The anchors both have for one hand, its own shoulder not among them."""
    for name, anchor in one.anchors.items():
        if name in other.anchors and name != SIDES[side]:
            yield anchor, other.anchors[name]


def _nearness(wrist: Array, anchor: _Anchor, length: float) -> tuple[Array, Array]:
    """How near (T,) a wrist is to an anchor, 0..1, and what that one counts among others."""
    along = anchor.tip - anchor.place
    share = np.einsum("ti,ti->t", wrist - anchor.place, along) / np.maximum(np.einsum("ti,ti->t", along, along), 1e-12)
    nearest = anchor.place + np.clip(share, 0.0, 1.0)[:, None] * along
    distance = np.linalg.norm(wrist - nearest, axis=1) / length
    near = _falling(distance, _NEAR, _FAR)
    return near, near / (distance + _SOFT) ** 2


def _joined(one: _Body, other: _Body, ratio: _Ratios, goals: list[Array]) -> list[Array]:
    """Goals that both arms reach, and as far apart as hands that are by each other should be."""
    between = one.arms[0].end - one.arms[1].end
    length = (one.length(0) + one.length(1)) / 2.0
    by = _falling(np.linalg.norm(between, axis=1) / length, _JOINED, _APART)[:, None]
    half = ratio.arm * between / 2.0
    for _ in range(_ROUNDS if by.any() else 0):
        middle = (goals[0] + goals[1]) / 2.0
        apart = [goal + by * (middle + sign * half - goal) for goal, sign in zip(goals, (1.0, -1.0), strict=True)]
        goals = [_within_reach(arm, goal) for arm, goal in zip(other.arms, apart, strict=True)]
    return goals


def _within_reach(arm: Limb, goal: Array) -> Array:
    """The goal (T, 3), or the nearest place an arm comes to without a jerk ("soft IK", Andy Nicholas 2009)."""
    way, length = goal - arm.begin, arm.length
    distance = np.maximum(np.linalg.norm(way, axis=1), 1e-12 * length)
    free = np.clip(np.linalg.norm(arm.end - arm.begin, axis=1), (1.0 - _SOFT_SHARE) * length, (1.0 - 1e-6) * length)
    beyond = np.maximum(distance - free, 0.0) / (length - free)
    span = np.where(distance > free, length - (length - free) * np.exp(-beyond), distance)
    return arm.begin + (span / distance)[:, None] * way


def _falling(values: Array, high: float, low: float) -> Array:
    """1 up to one value, 0 from another, smoothly between them."""
    share = np.clip((low - values) / (low - high), 0.0, 1.0)
    return share**2 * (3.0 - 2.0 * share)
