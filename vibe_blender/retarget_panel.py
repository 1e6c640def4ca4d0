# SPDX-License-Identifier: GPL-3.0-or-later
"""The panel Retarget in the sidebar, tab VIBE: a character of the user's takes over the captured motion."""

import bpy

from . import live_retarget, retarget_baking
from .character_maps import is_changeable, note
from .motion.retargeting.bone_map import CERTAINTIES, MOST_BONES, NEEDED, PARTS, spoken
from .operators.characters import chosen_target, no_pair, offered, source_of, state_of, the_target
from .retarget_properties import SLOTS, VIBE_Retarget, VIBE_Retargeting, VIBE_RetargetPart
from .text_view import draw_text

_COLOURS = {
    "sure": "COLLECTION_COLOR_04",
    "guessed": "COLLECTION_COLOR_03",
    "chosen": "COLLECTION_COLOR_05",
    "missing": "COLLECTION_COLOR_01",
    "without": "LAYER_USED",
}
"""Green, yellow, blue, red where nothing works without it, else a grey dot."""
_FOUND = len(PARTS) - 1
_ROWS = 7


class _Sidebar:
    bl_space_type = "VIEW_3D"
    bl_region_type = "UI"
    bl_category = "VIBE"


class _Section(_Sidebar):
    bl_parent_id = "VIBE_PT_retarget"
    bl_options = {"DEFAULT_CLOSED"}  # noqa: RUF012

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Only with a character."""
        target = chosen_target(context)
        return target is not None and is_changeable(target)

    def begin(self, context: bpy.types.Context) -> tuple[bpy.types.UILayout, VIBE_Retarget, bpy.types.Object]:
        """A layout for properties, the settings of the target, and the target."""
        layout, target = self.layout, the_target(context)  # type: ignore[attr-defined]
        layout.use_property_split = True
        layout.use_property_decorate = False
        layout.enabled = retarget_baking.current() is None
        return layout, target.vibe_retarget, target


class VIBE_UL_retarget_parts(bpy.types.UIList):
    """The parts of the body, each with its first bone."""

    def draw_item(
        self,
        context: bpy.types.Context,
        layout: bpy.types.UILayout,
        data: VIBE_Retargeting,
        item: VIBE_RetargetPart,
        icon: int,
        active_data: VIBE_Retargeting,
        active_property: str,
    ) -> None:
        """How sure, which part, which bone, pick it."""
        target, bones = data.target, item.bones()
        if target is None:
            return
        split = layout.split(factor=0.4, align=True)
        split.label(text=_short(item.name), icon=_COLOURS[_certainty(target, item.name)])
        row = split.row(align=True)
        row.prop_search(item, SLOTS[0], target.data, "bones", text="")
        if len(bones) > 1:
            more = row.row(align=True)
            more.ui_units_x = 1.2
            more.label(text=f"+{len(bones) - 1}")
        row.operator("vibe.pick_bones", text="", icon="EYEDROPPER").part = item.name


class VIBE_PT_retarget(_Sidebar, bpy.types.Panel):
    """Who takes over whose motion, and the buttons."""

    bl_label = "Retarget"

    def draw(self, context: bpy.types.Context) -> None:
        """From the character to the bake."""
        layout, choice, target = self.layout, context.scene.vibe_retargeting, chosen_target(context)
        layout.use_property_split = True
        layout.use_property_decorate = False
        busy = retarget_baking.current()
        column = layout.column()
        column.enabled = busy is None
        column.prop(choice, "target", placeholder="Character")
        selected = offered(context)
        if selected is not None and selected != choice.target:
            column.operator("vibe.use_as_target", text=f"Use {selected.name}", icon="EYEDROPPER")
        if target is not None and not is_changeable(target):
            draw_text(layout, context, "This character is linked: make a library override of it.", icon="LINKED")
        elif target is not None:
            _draw_source(column, context, target)
            _draw_rig(column, context, target)
        elif selected is None:
            draw_text(column, context, "Your character's armature: any rig, with or without controls.", icon="INFO")
        if busy is not None:
            _draw_busy(layout.box(), busy)
        elif target is not None:
            _draw_buttons(layout, context, target)
        if busy is None:
            layout.operator("vibe.retarget_batch", icon="DUPLICATE")
            if (told := retarget_baking.told()) is not None:
                _draw_told(layout.box(), context, told)


class VIBE_PT_retarget_bones(_Section, bpy.types.Panel):
    """The bone map."""

    bl_label = "Bones"

    def draw(self, context: bpy.types.Context) -> None:
        """The list, what its colours mean, the bones of the chosen row, buttons."""
        layout, group, target = self.begin(context)
        layout.enabled = layout.enabled and not group.adjusting
        layout.use_property_split = False
        choice = context.scene.vibe_retargeting
        layout.template_list("VIBE_UL_retarget_parts", "", choice, "parts", choice, "row", rows=_ROWS)
        _draw_legend(layout)
        if 0 <= choice.row < len(choice.parts):
            _draw_bones(layout, choice.parts[choice.row], target)
        row = layout.row(align=True)
        row.operator("vibe.detect_bones", icon="FILE_REFRESH")
        row.operator_menu_enum("vibe.mirror_bones", "side", icon="MOD_MIRROR")
        row = layout.row(align=True)
        row.operator("vibe.import_bones", text="Import…", icon="IMPORT")
        row.operator("vibe.export_bones", text="Export…", icon="EXPORT")


class VIBE_PT_retarget_motion(_Section, bpy.types.Panel):
    """What becomes of the motion."""

    bl_label = "Motion"

    def draw(self, context: bpy.types.Context) -> None:
        """Path, feet and hands, keys."""
        layout, group, _ = self.begin(context)
        column = layout.column()
        column.prop(group, "place")
        column.prop(group, "root")
        scale = column.column()
        scale.active = group.root != "in_place"
        scale.prop(group, "path_scale")
        column.prop(group, "heading_rad")
        column.prop(group, "lock_height")
        column = layout.column()
        column.prop(group, "feet")
        column.prop(group, "hands")
        column.prop(group, "twist")
        column = layout.column()
        column.prop(group, "limbs")
        column.prop(group, "result")


class VIBE_PT_retarget_adjust(_Section, bpy.types.Panel):
    """Where the character differs."""

    bl_label = "Adjust"

    def draw(self, context: bpy.types.Context) -> None:
        """Alignment, offsets, spreads."""
        layout, group, _ = self.begin(context)
        if group.adjusting:
            draw_text(layout, context, "Turn bones until the pose is that of the source, a T-pose.", icon="POSE_HLT")
            row = layout.row(align=True)
            row.operator("vibe.apply_alignment", icon="CHECKMARK")
            row.operator("vibe.cancel_alignment", icon="X")
        else:
            layout.operator("vibe.align_rig", icon="ARMATURE_DATA")
            count = len(group.bone_map().offsets)
            row = layout.row()
            row.label(text=f"{count} bones are offset" if count != 1 else "1 bone is offset")
            row.operator("vibe.clear_offsets", text="Clear", icon="X")
        column = layout.column()
        column.enabled = not group.adjusting
        column.prop(group, "arm_spread_rad")
        column.prop(group, "foot_spread_rad")
        column.prop(group, "align_trunk")


def _short(part: str) -> str:
    """A part in few letters, such as ``Upper arm L``."""
    words = spoken(part)
    for side in ("left", "right"):
        if words.startswith(f"{side} "):
            return f"{words.removeprefix(f'{side} ').capitalize()} {side[0].upper()}"
    return words.capitalize()


def _certainty(target: bpy.types.Object, part: str) -> str:
    for entry in target.vibe_retarget.bone_map().parts:
        if entry.part == part:
            there = all(bone in target.data.bones for bone in entry.bones)
            return str(entry.certainty) if there else "missing"
    return "missing" if part in NEEDED else "without"


def _draw_source(layout: bpy.types.UILayout, context: bpy.types.Context, target: bpy.types.Object) -> None:
    group = target.vibe_retarget
    column = layout.column()
    column.enabled = not state_of(target)
    column.prop(group, "source_from", text="Source")
    source = source_of(context, target)
    if state_of(target) or group.source_from == "take":
        row = column.row()
        row.alignment = "RIGHT"
        none = "Removed" if state_of(target) else "No take yet"
        row.label(text=source.name if source is not None else none, icon="ARMATURE_DATA" if source else "NONE")
    else:
        column.prop(group, "source", text=" ")


def _draw_rig(layout: bpy.types.UILayout, context: bpy.types.Context, target: bpy.types.Object) -> None:
    """What the rig was recognised as, and how well."""
    bone_map = target.vibe_retarget.bone_map()
    found = _FOUND - len(bone_map.missing())
    lacking = [spoken(part) for part in NEEDED if not bone_map.bones(part)]
    draw_text(
        layout,
        context,
        f"{bone_map.rig or 'Unknown rig'}: {found} of {_FOUND} parts",
        icon=_COLOURS["missing" if lacking else _worst(target)],
    )
    if lacking:
        warned = layout.column()
        warned.alert = True
        draw_text(warned, context, f"Choose in the list of bones: {', '.join(lacking)}.", icon="ERROR")
    if text := note(target):
        draw_text(layout, context, text, icon="INFO")


def _worst(target: bpy.types.Object) -> str:
    found = {_certainty(target, entry.part) for entry in target.vibe_retarget.bone_map().parts}
    return next((name for name in ("missing", "guessed", "chosen") if name in found), "sure")


def _draw_buttons(layout: bpy.types.UILayout, context: bpy.types.Context, target: bpy.types.Object) -> None:
    state = state_of(target)
    if state == "adjusting":
        draw_text(layout, context, "The alignment is shown: apply or cancel it below, in Adjust.", icon="INFO")
        return
    if (error := live_retarget.problem(target)) is not None and state == "bound":
        box = layout.box()
        warned = box.column()
        warned.alert = True
        draw_text(warned, context, error.message, icon="ERROR")
        draw_text(box, context, error.hint)
        box.operator("vibe.update_link", icon="FILE_REFRESH")
    row = layout.row(align=True)
    row.scale_y = 1.4
    if state == "bound":
        row.operator("vibe.unbind_target", icon="UNLINKED", depress=True)
    else:
        row.operator("vibe.bind_target", text="Live Link", icon="LINKED")
    row.operator("vibe.retarget", icon="ACTION")
    if reason := no_pair(context):
        draw_text(layout, context, f"{reason}.", icon="INFO")


def _draw_busy(layout: bpy.types.UILayout, busy: retarget_baking.Baking) -> None:
    count = len(busy.works)
    work = busy.works[min(busy.done, count - 1)]
    layout.label(text=f"Baking {work.text}", icon="RENDER_ANIMATION")
    layout.progress(text=busy.text(), factor=busy.share())
    layout.operator("vibe.cancel_retarget", text="Cancelling…" if busy.cancelling else "Cancel", icon="X")


def _draw_told(layout: bpy.types.UILayout, context: bpy.types.Context, told: retarget_baking.Told) -> None:
    row = layout.row()
    row.alert = told.kind == "error"
    icon = {"done": "CHECKMARK", "cancelled": "CANCEL", "error": "ERROR"}[told.kind]
    draw_text(row.column(), context, told.text, icon=icon, taken_px=24)
    row.operator("vibe.dismiss_retarget", text="", icon="X", emboss=False)
    for text in told.notes:
        draw_text(layout, context, text, icon="INFO")


def _draw_legend(layout: bpy.types.UILayout) -> None:
    grid = layout.grid_flow(columns=2, align=True)
    grid.scale_y = 0.8
    for name in (*CERTAINTIES, "missing"):
        grid.label(text=name.capitalize(), icon=_COLOURS[name])


def _draw_bones(layout: bpy.types.UILayout, row: VIBE_RetargetPart, target: bpy.types.Object) -> None:
    """All bones of the chosen row, at full width, and room for one more."""
    count = len(row.bones())
    column = layout.column(align=True)
    heading = column.row()
    heading.label(text=f"{spoken(row.name).capitalize()}:")
    clear = heading.row()
    clear.enabled = bool(count)
    clear.operator("vibe.clear_part", text="", icon="X", emboss=False).part = row.name
    for slot in SLOTS[: min(count + 1, MOST_BONES)]:
        column.prop_search(row, slot, target.data, "bones", text="")


CLASSES = (
    VIBE_UL_retarget_parts,
    VIBE_PT_retarget,
    VIBE_PT_retarget_bones,
    VIBE_PT_retarget_motion,
    VIBE_PT_retarget_adjust,
)
