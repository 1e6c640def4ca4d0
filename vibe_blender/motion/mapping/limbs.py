# SPDX-License-Identifier: GPL-3.0-or-later OR MIT
"""Arms and legs: pairs of branches on either side of a figure, and where they have their joints."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from itertools import combinations

import numpy as np

from ...contract.quaternions import Array
from .tree import Tree

_MIDDLE = 0.012
"""Heights to either side: what lies within is in the middle."""
_NEAR = 0.03
_MOST_ROOTS = 300
_LONGEST = 16
"""Bones of a limb, fingers and toes included."""
_LEAST = 0.02
"""Heights: a shorter segment is no segment of a limb."""
_POOREST = -14.0
"""Below this, a limb's best joints are none."""
_TRUNK = 1.65
"""Leg lengths to the length from hips to shoulders, on most people."""
_LEG_KINDS, _ARM_KINDS = {"hip", "knee", "ankle", "foot"}, {"collar", "shoulder", "elbow", "wrist"}


Cost = Callable[[tuple[int, ...], Array, tuple[int, int, int]], float]
"""Of joints, by their index on a way of bones through points (N, 3)."""


@dataclass(frozen=True)
class Pair:
    """Two branches that mirror each other.

    Attributes:
        above: the bone that carries both.
        ways: of either side, x > 0 first, the bones from below ``above`` along the longest way to its end.
    """

    above: int
    ways: tuple[tuple[int, ...], tuple[int, ...]]


@dataclass(frozen=True)
class Limb:
    """The bones of both arms or both legs, x > 0 first.

    Attributes:
        above: the bone that carries both.
        parts: for each part without its side, the bones of either side.
    """

    above: int
    parts: dict[str, tuple[int, int]]


def pairs(tree: Tree) -> list[Pair]:
    """All pairs of branches that begin in the middle and lead to the sides."""
    side = np.where(np.abs(tree.places[:, 0]) < _MIDDLE, 0, np.sign(tree.places[:, 0]))
    parents = np.array(tree.lineage.parents)
    roots = np.flatnonzero((side != 0) & (parents >= 0) & (side[parents] == 0))
    following, reach = _longest_ways(tree)
    kept = [sorted(roots[side[roots] == sign], key=lambda bone: -reach[bone])[:_MOST_ROOTS] for sign in (1, -1)]
    if not kept[0] or not kept[1]:
        return []
    mirrored, reaches = tree.places[kept[1]] * [-1.0, 1.0, 1.0], np.array([reach[bone] for bone in kept[1]])
    found = []
    for one in kept[0]:
        apart = np.linalg.norm(mirrored - tree.places[one], axis=1)
        apart += np.abs(reaches - reach[one])
        other = kept[1][int(np.argmin(apart))]
        above = tree.lineage.common(int(one), int(other))
        if np.min(apart) > 2.0 * _NEAR or above < 0:
            continue
        ways = tuple(tuple(_way(tree, above, int(root), following)) for root in (one, other))
        found.append(Pair(above, (ways[0], ways[1])))
    return found


def _longest_ways(tree: Tree) -> tuple[list[int], list[float]]:
    """Of each bone the child on the longest way down, -1 for none, and how long that way is."""
    following, reach = [-1] * len(tree.bones), [0.0] * len(tree.bones)
    parents = np.array(tree.lineage.parents)
    apart = np.linalg.norm(tree.places - tree.places[np.maximum(parents, 0)], axis=1)
    for bone in range(len(tree.bones) - 1, -1, -1):
        parent = tree.lineage.parents[bone]
        if parent >= 0 and (following[parent] < 0 or reach[parent] < reach[bone] + apart[bone]):
            following[parent], reach[parent] = bone, float(reach[bone] + apart[bone])
    return following, reach


def _way(tree: Tree, above: int, root: int, following: list[int]) -> list[int]:
    """The bones from below one on through a root to the end of its longest way."""
    way = tree.lineage.way(above, root)
    while following[way[-1]] >= 0 and len(way) < _LONGEST:
        way.append(following[way[-1]])
    return way[:_LONGEST]


def legs(tree: Tree, found: list[Pair], weight: float) -> Limb | None:
    """The pair that leads down to the floor, with its joints.

    Args:
        tree: standing.
        found: its pairs.
        weight: of names: 1 or 0.
    """
    best, pair = 0.0, None
    for one in found:
        points = tree.places[list(one.ways[0])]
        drop, lowest = float(np.max(points[:, 2]) - np.min(points[:, 2])), float(np.min(points[:, 2]))
        score = (
            4.0 * drop
            - 8.0 * lowest
            - 4.0 * max(float(points[0, 2]) - 0.62, 0.0)
            + weight * _said(tree, one, _LEG_KINDS, _ARM_KINDS)
        )
        if drop > 0.25 and lowest < 0.3 and len(points) > 1 and score > best:
            best, pair = score, one
    if pair is None:
        return None
    joints = _best(tree, pair, ("hip", "knee", "ankle"), _leg_cost, weight)
    return Limb(pair.above, _leg_parts(tree, pair, joints, weight)) if joints else None


def arms(tree: Tree, found: list[Pair], leg: Limb, weight: float) -> Limb | None:
    """The pair above the legs that reaches furthest, with its joints; arguments as in ``legs``."""
    hips = float(np.mean(tree.places[list(leg.parts["hip"]), 2]))
    best, pair = 0.0, None
    for one in found:
        if set(one.ways[0]) & set(leg.parts["hip"]):
            continue
        points = tree.places[list(one.ways[0])]
        reach = float(np.sum(np.linalg.norm(np.diff(points, axis=0), axis=1)))
        fingers = max(int(_branches(tree, bone)) for bone in one.ways[0])
        score = 3.0 * reach + 2.0 * min(abs(float(points[-1, 0])), 0.4) + 0.2 * min(fingers, 4)
        score += weight * _said(tree, one, _ARM_KINDS, _LEG_KINDS)
        if points[0, 2] > hips + 0.05 and reach > 0.12 and len(points) > 1 and score > best:
            best, pair = score, one
    if pair is None:
        return None
    start = float(np.max(tree.places[list(pair.ways[0]), 2]))
    cost = partial(_arm_cost, tree, size(tree, leg, start))
    joints = _best(tree, pair, ("shoulder", "elbow", "wrist"), cost, weight)
    return Limb(pair.above, _arm_parts(tree, pair, joints, weight)) if joints else None


def _said(tree: Tree, pair: Pair, kinds: set[str], others: set[str]) -> float:
    """How much the names of a pair speak for one sort of limb and against another, -2 to 2."""
    read = [set(tree.readings[bone].kinds) for way in pair.ways for bone in way]
    count = sum(bool(said & kinds) - bool(said & others) for said in read)
    return float(np.clip(count / 2.0, -2.0, 2.0))


def _branches(tree: Tree, bone: int) -> int:
    """How many fingers begin on a bone: those named so, and other branches."""
    return max(int(tree.fingers[bone]), len(tree.lineage.children[bone]))


def size(tree: Tree, leg: Limb, shoulders: float) -> float:
    """How long the legs would be on a grown person of the figure's size, heights.

    Args:
        tree: standing.
        leg: its legs, which are short on many a cartoon; so the trunk has its say.
        shoulders: how high they are.
    """
    hip, knee = (tree.places[leg.parts[part][0]] for part in ("hip", "knee"))
    return max(float(np.linalg.norm(hip - knee)) + _TRUNK / 2.0 * (shoulders - float(hip[2])), _LEAST)


def _best(
    tree: Tree, pair: Pair, kinds: tuple[str, str, str], cost: Cost, weight: float
) -> tuple[int, int, int] | None:
    """Where on a pair's ways, by their index, three joints are; the last may be behind the end.

    Args:
        tree: standing.
        pair: the limbs.
        kinds: what the joints are called.
        cost: of three indices, from the way and its points.
        weight: of names.
    """
    count = min(map(len, pair.ways))
    way = pair.ways[0]
    points = np.concatenate([tree.places[list(way)], tree.ends[[way[-1]]]])
    votes = {
        kind: [
            weight * sum(tree.vote(one[index], kind) for one in pair.ways) / 2 if index < count else 0.0
            for index in range(len(points))
        ]
        for kind in kinds
    }
    best, found = _POOREST, None
    for joints in combinations(range(count if count < len(way) else len(points)), 3):
        score = -cost(way, points, joints) + sum(votes[kind][joint] for kind, joint in zip(kinds, joints, strict=True))
        # What lies between joints belongs to the one before.
        score += sum(
            0.3 * np.sign(votes[kind][between])
            for kind, joint, after in zip(kinds[:2], joints[:2], joints[1:], strict=True)
            for between in range(joint + 1, after)
        )
        if score > best:
            best, found = score, joints
    return found


def _segments(points: Array, joints: tuple[int, int, int]) -> tuple[Array, Array, float, float]:
    """Both segments (3,) between three joints, and their lengths."""
    upper, lower = points[joints[1]] - points[joints[0]], points[joints[2]] - points[joints[1]]
    return upper, lower, float(np.linalg.norm(upper)), float(np.linalg.norm(lower))


def _leg_cost(way: tuple[int, ...], points: Array, joints: tuple[int, int, int]) -> float:
    """How unlike a leg is one with these joints; proportions as in most adults and cartoons."""
    upper, lower, one, other = _segments(points, joints)
    if min(one, other) < _LEAST:
        return np.inf
    hip, ankle = float(points[joints[0], 2]), float(points[joints[2], 2])
    cost = ((one / (one + other) - 0.5) / 0.08) ** 2
    cost += (max(abs(ankle / max(hip, _LEAST) - 0.07) - 0.07, 0.0) / 0.04) ** 2
    cost += (1.0 + float(upper[2]) / one) / 0.08 + (1.0 + float(lower[2]) / other) / 0.08
    cost += ((float(np.max(points[:, 2])) - hip) / 0.05) ** 2
    cost += ((abs(float(points[joints[0], 0])) / (one + other) - 0.11) / 0.12) ** 2
    cost += 0.25 * (joints[2] - joints[0] - 2) + 0.4 * joints[0]
    # A leg leads down from the hip, and no further down from the ankle.
    cost += min((1.0 + _slope(points, joints[0])) / 0.15, 4.0)
    cost += 2.0 if joints[2] < len(way) - 1 and _slope(points, joints[2]) < -0.8 else 0.0
    return cost + (2.0 if joints[2] == len(way) else 0.0) + (0.4 if joints[2] == len(way) - 1 else 0.0)


def _slope(points: Array, at: int) -> float:
    """How much a way rises from one of its points to the next, -1 to 1."""
    way = points[at + 1] - points[at]
    return float(way[2]) / max(float(np.linalg.norm(way)), 1e-9)


def _arm_cost(tree: Tree, leg: float, way: tuple[int, ...], points: Array, joints: tuple[int, int, int]) -> float:
    """How unlike an arm is one with these joints, on a figure with legs so long."""
    upper, lower, one, other = _segments(points, joints)
    if min(one, other) < _LEAST:
        return np.inf
    first, _, last = joints
    cost = ((one / (one + other) - 0.52) / 0.07) ** 2 + (((one + other) / leg - 0.64) / 0.17) ** 2
    cost += ((abs(float(points[first, 0])) / leg - 0.21) / 0.1) ** 2
    cost += (1.0 - float(upper @ lower) / (one * other)) / 0.4
    cost += 0.25 * (last - first - 2) + 0.3 * abs(first - 1)
    cost += 1.5 if first and _slope(points, first - 1) < -0.7 else 0.0  # clavicles do not hang
    if last == len(way):
        return cost + 2.5
    fingers = _branches(tree, way[last])
    cost -= 1.0 * min(fingers - 1, 3) if fingers > 2 else -0.4 * (len(way) - 1 - last)
    hand = float(np.sum(np.linalg.norm(np.diff(points[last : len(way)], axis=0), axis=1))) / (one + other)
    return cost + (max(hand - 0.35, 0.0) / 0.15) ** 2


def _leg_parts(tree: Tree, pair: Pair, joints: tuple[int, int, int], weight: float) -> dict[str, tuple[int, int]]:
    """The bones of both legs."""
    found = {
        part: (pair.ways[0][joint], pair.ways[1][joint])
        for part, joint in zip(("hip", "knee", "ankle"), joints, strict=True)
        if joint < min(map(len, pair.ways))
    }
    if "ankle" in found:
        toes = tuple(_toe(tree, ankle, weight) for ankle in found["ankle"])
        if min(toes) >= 0:
            found["foot"] = (toes[0], toes[1])
    return found


def _toe(tree: Tree, ankle: int, weight: float) -> int:
    """The bone of all toes on a foot, -1 for none."""
    best, found = 0.0, -1
    children = tree.lineage.children[ankle]
    if weight * sum(tree.vote(child, "foot") > 0.0 for child in children) > 2:  # each toe has its own
        return -1
    for child in children:
        way = tree.places[child] - tree.places[ankle]
        ahead = float(np.linalg.norm(way[:2]))
        vote = weight * tree.vote(child, "foot")
        stub = not tree.lineage.children[child] and np.linalg.norm(tree.ends[child] - tree.places[child]) < 0.01
        single = len(children) < 3 and ahead > 0.02 and way[2] < 0.02 and not stub
        score = vote + ahead + (0.5 if single else -0.5) + (0.1 if tree.lineage.children[child] else 0.0)
        if score > best:
            best, found = score, child
    return found


def _arm_parts(tree: Tree, pair: Pair, joints: tuple[int, int, int], weight: float) -> dict[str, tuple[int, int]]:
    """The bones of both arms."""
    found = {
        part: (pair.ways[0][joint], pair.ways[1][joint])
        for part, joint in zip(("shoulder", "elbow", "wrist"), joints, strict=True)
        if joint < min(map(len, pair.ways))
    }
    before = range(joints[0])
    if before:
        at = max(before, key=lambda index: (weight * tree.vote(pair.ways[0][index], "collar"), -index))
        bones = pair.ways[0][at], pair.ways[1][at]
        if weight * min(tree.vote(bone, "collar") for bone in bones) >= 0.0:
            found["collar"] = bones
    return found
