# SPDX-License-Identifier: GPL-3.0-or-later OR MIT
"""Hips, spine, neck and head: the way from between the legs up past the arms."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from ..retargeting.bone_map import MOST_BONES
from .limbs import Limb, size
from .tree import Tree

_MIDDLE = 0.02
_MOST = 30
"""Bones of the way from the hips to the top of the head."""
_HEAD_UP, _HEAD_SPREAD, _HEAD_MOST = 0.17, 0.13, 0.27
"""Leg lengths: how far the head's joint is above the shoulders, how far that differs, and hardly ever exceeds."""


@dataclass(frozen=True)
class Trunk:
    """The bones of the middle; any but the hips may be missing.

    Attributes:
        pelvis: the hips' bone.
        spine, neck: chains.
        head: -1 for none.
    """

    pelvis: int
    spine: tuple[int, ...]
    neck: tuple[int, ...]
    head: int


def trunk(tree: Tree, leg: Limb, arm: Limb, weight: float) -> Trunk | None:
    """The trunk between legs and arms.

    Args:
        tree: standing.
        leg, arm: its limbs.
        weight: of names: 1 or 0.
    """
    lineage = tree.lineage
    pelvis = lineage.common(leg.above, arm.above)
    if pelvis < 0:
        return None
    pelvis = _hips(tree, pelvis, leg, weight)
    below = lineage.way(pelvis, arm.above) if lineage.carries(pelvis, arm.above) else []
    above = _upwards(tree, arm)
    way = [*below, *above]
    if len(way) > _MOST:
        return None
    first, head = _split(tree, way, len(below), leg, arm, weight)
    neck = way[first:head] if head >= 0 else way[first:first]
    return Trunk(pelvis, _few(way[:first]), _few(neck), way[head] if head >= 0 else -1)


def _hips(tree: Tree, common: int, leg: Limb, weight: float) -> int:
    """The bone of the hips: what carries legs and arms, unless names or its place speak for one near it."""
    hips = float(np.mean(tree.places[list(leg.parts["hip"]), 2]))
    near = [common]
    parent = tree.lineage.parents[common]
    while parent >= 0 and abs(tree.places[parent, 2] - hips) < 0.12 and len(near) < 6:
        near.append(parent)
        parent = tree.lineage.parents[parent]
    best = max(near, key=lambda bone: (weight * tree.vote(bone, "pelvis"), -near.index(bone)))
    if weight * (tree.vote(best, "pelvis") - tree.vote(common, "pelvis")) < 3.0:
        best = common
    if tree.places[best, 2] < 0.5 * hips and tree.lineage.carries(best, leg.above):
        return leg.above
    return best


def _upwards(tree: Tree, arm: Limb) -> list[int]:
    """The bones in the middle from above the arms to the top."""
    limbs = {bone for pair in arm.parts.values() for bone in pair}
    tops = _tops(tree)
    way: list[int] = []
    bone = arm.above
    while len(way) < _MOST:
        children = [
            child
            for child in tree.lineage.children[bone]
            if abs(tree.places[child, 0]) < _MIDDLE
            and not any(child == limb or tree.lineage.carries(child, limb) for limb in limbs)
        ]
        if not children:
            break
        said = [child for child in children if {"neck", "head"} & set(tree.readings[child].kinds)]
        bone = max(said or children, key=lambda child: tops[child])
        way.append(bone)
    return way


def _tops(tree: Tree) -> list[float]:
    """How high each bone or what it carries reaches."""
    found = tree.places[:, 2].tolist()
    for bone in range(len(found) - 1, -1, -1):
        parent = tree.lineage.parents[bone]
        if parent >= 0:
            found[parent] = max(found[parent], found[bone])
    return found


def _split(tree: Tree, way: list[int], arms_at: int, leg: Limb, arm: Limb, weight: float) -> tuple[int, int]:
    """Where on the way up the neck begins and where the head is, -1 for none."""
    shoulders = float(np.mean(tree.places[list(arm.parts["shoulder"]), 2]))
    length = size(tree, leg, shoulders)

    def vote(bone: int, kind: str) -> float:
        # Many rigs number neck and head on as bones of the spine.
        return weight * (-0.5 if tree.readings[bone].kinds == ("spine",) and kind != "spine" else tree.vote(bone, kind))

    best, found = -np.inf, (arms_at, -1)
    for first in range(max(0, arms_at - 2), min(arms_at + 2, len(way)) + 1):
        for head in [-1, *range(first, min(first + MOST_BONES, len(way) - 1) + 1)]:
            score = -1.5 * abs(first - arms_at) + sum(vote(bone, "spine") for bone in way[:arms_at][:first])
            score += sum(min(vote(bone, "spine"), 1.2) for bone in way[arms_at:first])
            if head < 0:
                score -= 4.0
            else:
                place = way[head]
                up = (float(tree.places[place, 2]) - shoulders) / length
                score -= min(((up - _HEAD_UP) / _HEAD_SPREAD) ** 2, 9.0)
                score += 1.5 * (len(tree.lineage.children[place]) > 1) - 0.1 * max(head - first - 1, 0)
                score -= 0.8 * _still_neck(tree, way[head:], shoulders + _HEAD_MOST * length)
                score -= 1.0 * (head == first)
                score -= _leap(tree, way[head - 1] if head else arm.above, place)
                score += vote(place, "head") + sum(vote(bone, "neck") for bone in way[first:head])
                score += sum(min(vote(bone, "head"), 0.0) * -0.2 for bone in way[head + 1 :])
            if score > best:
                best, found = score, (first, head)
    return found


def _still_neck(tree: Tree, way: list[int], top: float) -> int:
    """How many bones lead on up from the first of a way, no higher than a head's joint is."""
    pairs = pairwise(way)
    return sum(tree.places[bone, 2] < top and _leap(tree, below, bone) == 0.0 for below, bone in pairs)


def _leap(tree: Tree, below: int, bone: int) -> float:
    """How unlike a neck is the way to a head: necks have a length, and lead up; jaws and faces do not."""
    way = tree.places[bone] - tree.places[below]
    length = float(np.linalg.norm(way))
    return 2.0 if length < 0.01 or float(way[2]) < 0.5 * length else 0.0


def _few(bones: list[int]) -> tuple[int, ...]:
    """Not more bones than a chain may have, the last among them."""
    if len(bones) <= MOST_BONES:
        return tuple(bones)
    chosen = np.linspace(0, len(bones) - 1, MOST_BONES).round().astype(int)
    return tuple(bones[index] for index in chosen)
