# SPDX-License-Identifier: GPL-3.0-or-later OR MIT
"""What lies in and beside the limbs of a map: bones in line with them, bones that twist with them, the root below."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from ...contract.quaternions import Array
from ..retargeting.bone_map import MOST_BONES, BoneMap, MappedPart, TwistBone
from ..retargeting.rig import Rig
from .lineage import Lineage
from .names import Reading

_FOLLOWING = {"hip": "knee", "knee": "ankle", "shoulder": "elbow", "elbow": "wrist"}
_OFF_LINE = 0.12
"""Of a limb's length: what is further from its line is not in it."""
_ON_FLOOR = -0.3, 0.15
"""Of the height of the hips: a root is no further below or above where the lowest joint of the feet is."""
_KEPT = ("body", "twist", "deform")


def inline(rig: Rig, bone_map: BoneMap, readings: Sequence[Reading], lineage: Lineage) -> BoneMap:
    """The map whose limbs have all bones that lead from one joint to the next."""
    parts = []
    for entry in bone_map.parts:
        ends = _ends(rig, bone_map, entry.part)
        bones = entry.bones
        if ends is not None and len(bones) == 1:
            first, last = rig.numbers[bones[0]], rig.numbers[bone_map.bones(_following(entry.part))[0]]
            between = lineage.way(first, last)[:-1] if lineage.carries(first, last) else []
            on_line = [
                bone
                for bone in between
                if readings[bone].role in _KEPT
                and (along := _along(rig.heads[bone], *ends)) is not None
                and 0.03 < along < 0.97
            ]
            bones = (*bones, *(rig.names[bone] for bone in on_line[: MOST_BONES - 1]))
        parts.append(MappedPart(entry.part, bones, entry.certainty))
    return replace(bone_map, parts=tuple(parts))


def twist_bones(rig: Rig, bone_map: BoneMap, readings: Sequence[Reading], lineage: Lineage) -> tuple[TwistBone, ...]:
    """The bones on limbs, called so, that carry no part of the body."""
    used = {rig.numbers[bone] for entry in bone_map.parts for bone in entry.bones}
    found = []
    for entry in bone_map.parts:
        ends = _ends(rig, bone_map, entry.part)
        if ends is None:
            continue
        for name in entry.bones:
            for child in rig.children[rig.numbers[name]]:
                if readings[child].role != "twist" or any(
                    child == bone or lineage.carries(child, bone) for bone in used
                ):
                    continue
                along = _along(rig.heads[child], *ends)
                if along is not None:
                    found.append(TwistBone(rig.names[child], entry.part, round(float(np.clip(along, 0.0, 1.0)), 4)))
    return tuple(found)


def root_bone(rig: Rig, bone_map: BoneMap, readings: Sequence[Reading]) -> int:
    """The highest carrier of the hips, no helper, that lies on the floor in the middle below them, -1 for none."""
    hips = np.mean([rig.heads[rig.numbers[name]] for name in _firsts(bone_map, "hip")], axis=0)
    feet = [rig.heads[rig.numbers[name]] for part in ("foot", "ankle") for name in _firsts(bone_map, part)]
    shoulders = [rig.heads[rig.numbers[name]] for name in _firsts(bone_map, "shoulder")]
    if not feet or len(shoulders) < 2 or not np.all(np.isfinite(hips)):
        return -1
    up = np.mean(shoulders, axis=0) - hips
    up = np.eye(3)[np.argmax(np.abs(up))] * np.sign(up[np.argmax(np.abs(up))])
    floor = min(float(foot @ up) for foot in feet)
    height = float(hips @ up) - floor
    found = -1
    for bone in rig.ancestors(rig.numbers[bone_map.bones("pelvis")[0]]):
        if readings[bone].role == "helper":
            continue
        below = rig.heads[bone] - hips
        aside = float(np.linalg.norm(below - (below @ up) * up))
        above = (float(rig.heads[bone] @ up) - floor) / max(height, 1e-9)
        if _ON_FLOOR[0] < above < _ON_FLOOR[1] and aside < 0.5 * height:
            found = bone
    return found


def _firsts(bone_map: BoneMap, joint: str) -> list[str]:
    """The first bones of a part on both sides."""
    return [bones[0] for side in ("left", "right") if (bones := bone_map.bones(f"{side}_{joint}"))]


def _following(part: str) -> str:
    """The part a limb's part leads to, empty for none."""
    side, _, joint = part.rpartition("_")
    return f"{side}_{_FOLLOWING[joint]}" if joint in _FOLLOWING else ""


def _ends(rig: Rig, bone_map: BoneMap, part: str) -> tuple[Array, Array] | None:
    """Where a limb's part begins and ends (3,), armature frame."""
    bones, following = bone_map.bones(part), bone_map.bones(_following(part))
    if not bones or not following:
        return None
    return rig.heads[rig.numbers[bones[0]]], rig.heads[rig.numbers[following[0]]]


def _along(point: Array, begin: Array, end: Array) -> float | None:
    """How far along a line a point is, 0 to 1; None where it is not near it."""
    way = end - begin
    length = float(np.linalg.norm(way))
    if length < 1e-9:
        return None
    along = float((point - begin) @ way) / length**2
    off = float(np.linalg.norm(point - begin - along * way)) / length
    return along if off < _OFF_LINE and -0.05 < along < 1.02 else None
