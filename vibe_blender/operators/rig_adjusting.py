# SPDX-License-Identifier: GPL-3.0-or-later
"""Alignment: the target is shown in the pose that the source's rest pose gives it, and the user corrects it there."""

from dataclasses import replace

import bpy

from ..character_maps import keep_map
from ..motion.retargeting.bone_map import Offset
from ..motion.retargeting.solving import aligned
from ..scene.retargeting.adjusting import Before, check_free, restore, show_pose, turned_since
from ..scene.retargeting.leader import is_bound
from ..scene.retargeting.live import bind, unbind
from ..scene.retargeting.rigs import check_armature, read_rig
from ..scene.retargeting.source import source_map, source_rig
from .active import UNDO
from .bone_mapping import tell_note
from .characters import chosen_target, free, no_mapping, no_pair, no_target, pair, the_target
from .reporting import Reporting


def _not_shown(context: bpy.types.Context) -> str:
    """What keeps the alignment from being ended; empty where nothing does."""
    target = chosen_target(context)
    if target is None or no_target(context):
        return no_target(context)
    if not target.vibe_retarget.adjusting:
        return "Show the alignment first"
    return "" if context.mode in ("OBJECT", "POSE") else "Leave the current mode first"


class VIBE_OT_align_rig(Reporting, bpy.types.Operator):
    """Show the character in the T-pose of the captured person. Where it differs, turn bones until it fits, then apply:
    the motion is corrected by what you turned"""

    bl_idname = "vibe.align_rig"
    bl_label = "Show Alignment"
    bl_options = UNDO

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Says why not."""
        reason = no_pair(context)
        if not reason and context.mode not in ("OBJECT", "POSE"):
            reason = "Leave the current mode first"
        return free(cls, reason)

    def run(self, context: bpy.types.Context) -> None:
        """Takes its animation off, and poses it."""
        source, target = pair(context)
        group = target.vibe_retarget
        check_armature(source, "source")
        check_armature(target, "target")
        check_free(target, context.view_layer)
        parts, bone_map = source_map(source), group.bone_map()
        motion = aligned(source_rig(source, parts), parts, read_rig(target), bone_map, group.settings())
        was_bound = is_bound(target)
        if was_bound:
            unbind(target)
        mode = target.mode
        before, action = show_pose(target, bone_map, motion, context.view_layer, bound=was_bound)
        group.adjusting, group.adjusting_action = before.to_text(), action
        group.followed = source
        if mode != "POSE":
            _enter(context, target, "POSE")


class _Ending(Reporting):
    """An operator that ends the alignment."""

    bl_options = UNDO

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Says why not."""
        return free(cls, _not_shown(context))  # type: ignore[arg-type]

    def run(self, context: bpy.types.Context) -> None:
        """Brings back pose, animation and link."""
        target = the_target(context)
        group = target.vibe_retarget
        before = Before.from_text(group.adjusting)
        offsets = self.offsets(context, target, before)
        keyed = restore(target, before, group.adjusting_action)
        group.adjusting, group.adjusting_action = "", None
        if target.mode != before.mode and before.mode in ("OBJECT", "POSE"):
            _enter(context, target, before.mode)
        context.view_layer.update()
        if keyed:
            self.report({"INFO"}, f"Keys that you set meanwhile are in the action {keyed}, unassigned")  # type: ignore[attr-defined]
        if offsets is not None:
            keep_map(target, replace(group.bone_map(), offsets=offsets))
            tell_note(self, target)  # type: ignore[arg-type]
        if before.bound and group.followed is not None:
            bind(group.followed, target, group.bone_map(), group.settings())
        else:
            group.followed = None

    def offsets(
        self, context: bpy.types.Context, target: bpy.types.Object, before: Before
    ) -> tuple[Offset, ...] | None:
        """The map's new offsets; None leaves those it has."""
        raise NotImplementedError


class VIBE_OT_apply_alignment(_Ending, bpy.types.Operator):
    """Keep what you have turned as offsets, for this character and all of its rig. Pose and animation come back"""

    bl_idname = "vibe.apply_alignment"
    bl_label = "Apply"

    def offsets(
        self, context: bpy.types.Context, target: bpy.types.Object, before: Before
    ) -> tuple[Offset, ...] | None:
        """What was turned."""
        context.view_layer.update()
        return turned_since(target, before, target.vibe_retarget.bone_map().offsets)


class VIBE_OT_cancel_alignment(_Ending, bpy.types.Operator):
    """Forget what you have turned. Pose and animation come back"""

    bl_idname = "vibe.cancel_alignment"
    bl_label = "Cancel"

    def offsets(
        self, context: bpy.types.Context, target: bpy.types.Object, before: Before
    ) -> tuple[Offset, ...] | None:
        """None of it."""
        return None


class VIBE_OT_clear_offsets(Reporting, bpy.types.Operator):
    """Forget all offsets of this character and its rig"""

    bl_idname = "vibe.clear_offsets"
    bl_label = "Clear Offsets"
    bl_options = UNDO

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Says why not."""
        target, reason = chosen_target(context), no_mapping(context)
        if target is not None and not reason and not target.vibe_retarget.bone_map().offsets:
            reason = "There are no offsets"
        return free(cls, reason)

    def run(self, context: bpy.types.Context) -> None:
        """Forgets them."""
        target = the_target(context)
        keep_map(target, replace(target.vibe_retarget.bone_map(), offsets=()))
        tell_note(self, target)


def _enter(context: bpy.types.Context, target: bpy.types.Object, mode: str) -> None:
    """Makes the target active, in a mode."""
    active = context.view_layer.objects.active
    if active is not None and active != target and active.mode != "OBJECT":
        bpy.ops.object.mode_set(mode="OBJECT")
    context.view_layer.objects.active = target
    target.select_set(True)
    bpy.ops.object.mode_set(mode=mode)


CLASSES = (VIBE_OT_align_rig, VIBE_OT_apply_alignment, VIBE_OT_cancel_alignment, VIBE_OT_clear_offsets)
