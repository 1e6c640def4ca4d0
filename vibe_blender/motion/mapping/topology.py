# SPDX-License-Identifier: GPL-3.0-or-later OR MIT
"""The parts of a body found by where bones are, with as much heed to their names as is wanted."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...contract.quaternions import Array
from .figure_axes import standings
from .limbs import Limb, Pair, arms, legs, pairs
from .tree import Tree
from .trunk import Trunk, trunk

_SIDES = ("left", "right")
_FEWEST_SIDED = 4
_AGREED = 0.75
"""The share of names of limbs that have to agree on which side is which."""
_AHEAD = 0.02
"""Heights: feet shorter than this do not tell where the front is."""


@dataclass(frozen=True)
class Found:
    """What was found, by index in the tree.

    Attributes:
        parts: the bones of each part; limbs with their side.
        sided: whether the sides are told by names, or by where the feet point.
    """

    parts: dict[str, tuple[int, ...]]
    sided: bool


def find_parts(tree: Tree) -> tuple[Found | None, Found | None]:
    """The parts of the body that a tree is, by places and names, and by places alone; None where it is none.

    Args:
        tree: in the armature's axes.
    """
    best: tuple[Found | None, Found | None] = (None, None)
    for axes, origin in standings(tree.places, tree.lineage):
        standing = tree.standing(axes, origin)
        branches = pairs(standing)
        found = _standing(standing, branches, axes, 1.0), _standing(standing, branches, axes, 0.0)
        # Of several ways to stand, the one that shows most of a body.
        best = max(best, found, key=lambda both: max(len(one.parts) if one else 0 for one in both))
        if all(one is not None and "head" in one.parts for one in best):
            break
    return best


def _standing(tree: Tree, branches: list[Pair], axes: Array, weight: float) -> Found | None:
    """The parts of a body that stands as the tree does."""
    leg = legs(tree, branches, weight)
    arm = arms(tree, branches, leg, weight) if leg else None
    body = trunk(tree, leg, arm, weight) if leg and arm else None
    if leg is None or arm is None or body is None or not _whole(tree, leg, arm, body):
        return None
    first, sided = _first_side(tree, leg, arm, axes, weight)
    parts: dict[str, tuple[int, ...]] = {"pelvis": (body.pelvis,)}
    if body.spine:
        parts["spine"] = body.spine
    if body.neck:
        parts["neck"] = body.neck
    if body.head >= 0:
        parts["head"] = (body.head,)
    for limb in (leg, arm):
        for part, bones in limb.parts.items():
            for number, bone in enumerate(bones):
                parts[f"{_SIDES[(number + first) % 2]}_{part}"] = (bone,)
    used = [bone for bones in parts.values() for bone in bones]
    return Found(parts, sided) if len(used) == len(set(used)) else None


def _whole(tree: Tree, leg: Limb, arm: Limb, body: Trunk) -> bool:
    """Whether arms begin above legs, and the head is no lower than the arms' middle."""
    shoulders, hips = (
        float(np.mean(tree.places[list(bones), 2])) for bones in (arm.parts["shoulder"], leg.parts["hip"])
    )
    return shoulders > hips + 0.05 and (body.head < 0 or float(tree.places[body.head, 2]) > (shoulders + hips) / 2)


def _first_side(tree: Tree, leg: Limb, arm: Limb, axes: Array, weight: float) -> tuple[int, bool]:
    """Whether x > 0 is left (0) or right (1), and whether anything tells so."""
    votes = []
    for limb in (leg, arm) if weight else ():
        for bones in limb.parts.values():
            for number, bone in enumerate(bones):
                if side := tree.readings[bone].side:
                    votes.append(1 if (side == "left") == (number == 0) else -1)
    if len(votes) >= _FEWEST_SIDED and abs(sum(votes)) >= (2 * _AGREED - 1) * len(votes):
        return (0 if sum(votes) > 0 else 1), True
    ahead = _ahead(tree, leg)
    if abs(ahead) > _AHEAD:
        # With x across, y in depth and z up, who looks along -y has his left at x > 0.
        return (0 if ahead < 0 else 1), True
    # Nothing tells. Figures look along -y where z is up, along z where y is: their left is where x grows.
    return (0 if float(axes[0].sum()) > 0 else 1), False


def _ahead(tree: Tree, leg: Limb) -> float:
    """How far in y toes are from ankles, or feet reach."""
    if "ankle" not in leg.parts:
        return 0.0
    ankles = tree.places[list(leg.parts["ankle"])]
    tips = tree.places[list(leg.parts["foot"])] if "foot" in leg.parts else tree.ends[list(leg.parts["ankle"])]
    return float(np.mean(tips[:, 1] - ankles[:, 1]))
