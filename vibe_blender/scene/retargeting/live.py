# SPDX-License-Identifier: GPL-3.0-or-later
"""The live link: a rig follows another one's motion, over its own animation, until it is unbound or baked."""

from __future__ import annotations

import json
from dataclasses import asdict, replace

import bpy

from ...contract.errors import CaptureError
from ...motion.mapping.text import from_json, to_json
from ...motion.retargeting.bone_map import BoneMap, Switch
from ...motion.retargeting.ik import with_ik
from ...motion.retargeting.settings import Retarget
from .leader import lead, leader_of, let_go, names_since
from .rigs import check_own, read_rig
from .switches import hold_switches, loose_switches, put_back, set_switches
from .transfer import solved, without_driven_twists

_SOURCE, _MAP, _LIMBS, _SETTINGS = "vibe_source", "vibe_map", "vibe_limbs", "vibe_settings"
_SWITCHES = "vibe_switches"
"""Custom properties of what leads a bound rig: how it was bound, and the rig's switches before that."""


def bind(source: bpy.types.Object, target: bpy.types.Object, bone_map: BoneMap, settings: Retarget) -> None:
    """Lets the target follow the source's motion from now on; bound already, it follows as is said now.

    Its action, pose and constraints stay as they are, and are as before after ``unbind``.

    Args:
        source: an armature object with animation.
        target: an armature object of this file.
        bone_map: of the target.
        settings: how.

    Raises:
        CaptureError: as ``transfer.solving``, and ``target_linked``. Nothing has changed then.
    """
    check_own(target)
    motion = solved(source, target, without_driven_twists(target, bone_map), settings)
    if settings.limbs == "ik":
        motion = with_ik(read_rig(target), bone_map, motion)
    known, text = leader_of(target), to_json(bone_map)
    if known is not None and (known.get(_MAP), known.get(_LIMBS)) == (text, settings.limbs):
        switches = known[_SWITCHES]
    else:
        switches = ""
        _leave_switches(target)
    leader = lead(target, motion)
    leader[_SOURCE] = source
    leader[_MAP], leader[_LIMBS], leader[_SETTINGS] = text, settings.limbs, json.dumps(asdict(settings))
    leader[_SWITCHES] = switches
    if not switches:
        found = set_switches(target, bone_map, settings.limbs)
        leader[_SWITCHES] = json.dumps([(asdict(switch), value) for switch, value in found])
        hold_switches(target, bone_map, settings.limbs)


def update(target: bpy.types.Object, bone_map: BoneMap | None = None, settings: Retarget | None = None) -> None:
    """Lets a bound target follow what its source does now.

    Args:
        target: bound.
        bone_map: None takes the one it was bound with; bones renamed since are known by their new names.
        settings: None takes those it was bound with.

    Raises:
        CaptureError: as ``bind``, and ``not_bound``, ``source_gone``. It follows as before then.
    """
    leader = leader_of(target)
    if leader is None or _MAP not in leader:
        raise CaptureError("not_bound", f"{target.name} follows nothing.", "Bind it.")
    source = leader.get(_SOURCE)
    if source is None:
        raise CaptureError("source_gone", f"What {target.name} follows was removed.", "Bind it anew, or unbind it.")
    bone_map = bone_map or renamed_since(target, from_json(leader[_MAP]))
    bind(source, target, bone_map, settings or Retarget(**json.loads(leader[_SETTINGS])))


def renamed_since(target: bpy.types.Object, bone_map: BoneMap) -> BoneMap:
    """A map of a bound target's bones by the names that they have now."""
    return _renamed(bone_map, names_since(target))


def unbind(target: bpy.types.Object) -> None:
    """Ends the link: the target is as it was before; nothing happens where it is not bound."""
    _leave_switches(target)
    let_go(target)


def bound_to(source: bpy.types.Object) -> list[bpy.types.Object]:
    """The objects that follow a source live."""
    found = []
    for thing in bpy.data.objects:
        leader = leader_of(thing)
        if leader is not None and leader.get(_SOURCE) == source:
            found.append(thing)
    return found


def _leave_switches(target: bpy.types.Object) -> None:
    """Gives switches that were set for the link the values they had before."""
    loose_switches(target)
    leader = leader_of(target)
    text = "" if leader is None else leader.get(_SWITCHES, "")
    put_back(target, [(Switch(**switch), value) for switch, value in json.loads(text or "[]")])


def _renamed(bone_map: BoneMap, names: dict[str, str]) -> BoneMap:
    """The map of the same bones after they were renamed."""
    if not names:
        return bone_map

    def now(name: str) -> str:
        return names.get(name, name)

    return replace(
        bone_map,
        parts=tuple(replace(entry, bones=tuple(map(now, entry.bones))) for entry in bone_map.parts),
        twists=tuple(replace(twist, bone=now(twist.bone)) for twist in bone_map.twists),
        offsets=tuple(replace(offset, bone=now(offset.bone)) for offset in bone_map.offsets),
        limbs=tuple(
            replace(limb, end=now(limb.end), pole=now(limb.pole), toes=now(limb.toes)) for limb in bone_map.limbs
        ),
    )
