# SPDX-License-Identifier: GPL-3.0-or-later OR MIT
"""Which bones of any rig are which parts of a body: as a known rig's, else by their names and their places."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from ..retargeting.bone_map import NEEDED, PARTS, BoneMap, Certainty, MappedPart
from ..retargeting.rig import Rig
from .beside import inline, root_bone, twist_bones
from .by_names import named_parts
from .known_rigs import known_map
from .lineage import Lineage
from .names import Reading
from .topology import Found, find_parts
from .tree import Tree, read_names, tree_of

_FURTHEST = 1e9
"""Armature units: no place of a bone is beyond."""


def map_bones(rig: Rig) -> BoneMap:
    """The map of a rig; what is not found is missing in it.

    Args:
        rig: at rest.
    """
    if not len(rig) or not np.all(np.abs(np.concatenate([rig.heads, rig.tails])) < _FURTHEST):
        return BoneMap(())
    lineage = Lineage(rig.parents.tolist())
    readings = read_names(rig.names)
    known = known_map(rig.names, lineage)
    if known is not None:
        bone_map, controls = known
        twists = () if controls else twist_bones(rig, bone_map, readings, lineage)
        bone_map = replace(bone_map, twists=twists)
    else:
        bone_map = _found(rig, readings, lineage)
        bone_map = replace(bone_map, twists=twist_bones(rig, bone_map, readings, lineage))
    return _with_root(rig, bone_map, readings)


def _found(rig: Rig, readings: Sequence[Reading], lineage: Lineage) -> BoneMap:
    """The map of a rig that is not known."""
    best, before = BoneMap(()), 0
    for roles in (("body",), ("body", "deform"), ("body", "deform", "twist")):
        tree = tree_of(rig, readings, lambda reading, roles=roles: reading.role in roles)  # type: ignore[misc]
        if len(tree.bones) in (before, *range(len(NEEDED))):
            continue
        before = len(tree.bones)
        named, plain = find_parts(tree)
        if found := named or plain:
            bone_map = _as_map(rig, tree, found, plain, readings, lineage)
            if len(bone_map.parts) > len(best.parts):
                best = bone_map
        if not set(best.missing()) & set(NEEDED):
            break
    return best if best.parts else named_parts(rig, readings, lineage)


def _as_map(
    rig: Rig, tree: Tree, found: Found, plain: Found | None, readings: Sequence[Reading], lineage: Lineage
) -> BoneMap:
    """The parts found, each as sure as names and places agree on it."""
    parts = []
    for part in PARTS:
        if part not in found.parts:
            continue
        bones = found.parts[part]
        kind = part.rpartition("_")[2]
        named = all(tree.vote(bone, kind) > 0.0 for bone in bones)
        side = part.partition("_")[0] if "_" in part else ""
        opposed = any(tree.readings[bone].side not in ("", side) for bone in bones if side)
        same = plain is not None and plain.parts.get(part) == bones
        certainty: Certainty = "sure" if named and same and found.sided and not opposed else "guessed"
        names = [rig.names[tree.bones[bone]] for bone in bones]
        parts.append(MappedPart(part, tuple(names), certainty))
    return inline(rig, BoneMap(tuple(parts)), readings, lineage)


def _with_root(rig: Rig, bone_map: BoneMap, readings: Sequence[Reading]) -> BoneMap:
    """The map with the bone on the floor that moves everything, where there is one."""
    if bone_map.bones("root") or not bone_map.bones("pelvis"):
        return bone_map
    root = root_bone(rig, bone_map, readings)
    if root < 0:
        return bone_map
    return bone_map.with_part(
        "root", [rig.names[root]], "sure" if bone_map.rig or readings[root].kinds == ("root",) else "guessed"
    )
