# SPDX-License-Identifier: GPL-3.0-or-later
"""Which character a button of the panel Retarget is about, whose motion it takes over, and what is in the way."""

from __future__ import annotations

import bpy

from .. import retarget_baking
from ..character_maps import is_changeable
from ..contract.errors import CaptureError
from ..motion.retargeting.bone_map import NEEDED, spoken
from ..retarget_properties import of_a_take
from ..scene.retargeting.leader import is_bound
from ..scene.takes import chosen_armature
from .active import active_take


def offered(context: bpy.types.Context) -> bpy.types.Object | None:
    """The armature that could be the target: the active object, or what its mesh is skinned to; None where none is."""
    thing = context.active_object
    if thing is not None and thing.type == "MESH":
        thing = thing.find_armature()
    if thing is None or thing.type != "ARMATURE" or of_a_take(thing):
        return None
    return thing


def chosen_target(context: bpy.types.Context) -> bpy.types.Object | None:
    """The character that the panel is about; None where none is chosen, or the chosen one has left the scene."""
    target = context.scene.vibe_retargeting.target
    there = target is not None and target.type == "ARMATURE" and target.name in context.scene.objects
    return target if there else None


def the_target(context: bpy.types.Context) -> bpy.types.Object:
    """The same.

    Raises:
        CaptureError: ``no_target`` where there is none.
    """
    target = chosen_target(context)
    if target is None:
        raise CaptureError("no_target", "No character is chosen.", "Choose one in the panel Retarget.")
    return target


def source_of(context: bpy.types.Context, target: bpy.types.Object) -> bpy.types.Object | None:
    """The armature whose motion a target takes over; None where there is none."""
    group = target.vibe_retarget
    if group.followed is not None and (is_bound(target) or group.adjusting):
        return group.followed
    if group.source_from == "other":
        source = group.source
        return source if source is not None and source != target and source.users_collection else None
    take = active_take(context)
    return chosen_armature(take.collection, context.active_object) if take is not None else None


def no_target(context: bpy.types.Context) -> str:
    """What keeps a button from changing the target; empty where nothing does."""
    target = chosen_target(context)
    if target is None:
        return "Choose the character first"
    if not is_changeable(target):
        return "This character is linked from another .blend file: make a library override of it"
    if retarget_baking.current() is not None:
        return "Motion is being baked: wait for its end, or cancel it"
    return ""


def no_mapping(context: bpy.types.Context) -> str:
    """What keeps a button from changing the target's bone map; empty where nothing does."""
    target = chosen_target(context)
    if reason := no_target(context):
        return reason
    if target is not None and target.vibe_retarget.adjusting:
        return "Apply or cancel the alignment first"
    return ""


def no_pair(context: bpy.types.Context) -> str:
    """What keeps a button from taking over motion; empty where nothing does."""
    target = chosen_target(context)
    if target is None or no_mapping(context):
        return no_mapping(context)
    if source_of(context, target) is None:
        if target.vibe_retarget.source_from == "other":
            return "Choose the armature whose motion is taken over"
        return "Capture a video or open a take first"
    if target.mode == "EDIT":
        return "Leave Edit Mode first"
    bone_map = target.vibe_retarget.bone_map()
    lacking = [spoken(part) for part in NEEDED if not bone_map.bones(part)]
    if lacking:
        return f"Choose the bones of: {', '.join(lacking)}"
    return ""


def free(operator: type[bpy.types.Operator], reason: str) -> bool:
    """Whether nothing is in the way; tells the user what is."""
    if reason:
        operator.poll_message_set(reason)
    return not reason


def pair(context: bpy.types.Context) -> tuple[bpy.types.Object, bpy.types.Object]:
    """Source and target.

    Raises:
        CaptureError: ``no_pair``.
    """
    reason, target = no_pair(context), chosen_target(context)
    source = source_of(context, target) if target is not None else None
    if reason or target is None or source is None:
        raise CaptureError("no_pair", f"{reason}.")
    return source, target


def state_of(target: bpy.types.Object) -> str:
    """``bound``, ``adjusting`` or empty."""
    if target.vibe_retarget.adjusting:
        return "adjusting"
    return "bound" if is_bound(target) else ""
