# SPDX-License-Identifier: GPL-3.0-or-later
"""The panel Export in the sidebar, tab VIBE: the motion as a file for another program."""

import bpy

from . import export_check
from .export_properties import VIBE_Export
from .operators.exporting import cast
from .text_view import draw_text


class VIBE_PT_export(bpy.types.Panel):
    """What, for whom, where to."""

    bl_label = "Export"
    bl_space_type = "VIEW_3D"
    bl_region_type = "UI"
    bl_category = "VIBE"
    bl_options = {"DEFAULT_CLOSED"}  # noqa: RUF012

    def draw(self, context: bpy.types.Context) -> None:
        """Settings, the button, and what the check found."""
        layout, settings = self.layout, context.scene.vibe_export
        layout.use_property_split = True
        layout.use_property_decorate = False
        column = layout.column()
        column.prop(settings, "whom")
        found = cast(context)
        if found is not None:
            names = ", ".join(armature.name for armature in found.armatures)
            column.label(text=names, icon="ARMATURE_DATA")
        column.prop(settings, "format")
        if settings.format == "fbx":
            column.prop(settings, "program")
        if settings.format != "npz":
            _draw_frames(layout, settings)
            _draw_details(layout, settings)
        layout.prop(settings, "check")
        row = layout.row()
        row.scale_y = 1.3
        row.operator("vibe.export", text="Export…", icon="EXPORT")
        _draw_outcome(layout, context)


def _draw_frames(layout: bpy.types.UILayout, settings: VIBE_Export) -> None:
    column = layout.column(align=True)
    column.prop(settings, "frames")
    if settings.frames == "range":
        column.prop(settings, "first")
        column.prop(settings, "last")


def _draw_details(layout: bpy.types.UILayout, settings: VIBE_Export) -> None:
    header, body = layout.panel("vibe_export_details", default_closed=True)
    header.label(text="Skeleton")
    if body is None:
        return
    body.prop(settings, "bones")
    body.prop(settings, "root_bone")
    if settings.format != "bvh":
        body.prop(settings, "meshes")
    if settings.format == "fbx":
        body.prop(settings, "leaf_bones")
        column = body.column(align=True)
        column.prop(settings, "primary_axis")
        column.prop(settings, "secondary_axis")


def _draw_outcome(layout: bpy.types.UILayout, context: bpy.types.Context) -> None:
    outcome = export_check.outcome()
    if outcome is None:
        return
    box = layout.box()
    for path in outcome.paths:
        box.label(text=path.name, icon="FILE_TICK")
    if export_check.running():
        box.label(text="Reading it back…", icon="TIME")
    elif outcome.error is not None:
        warned = box.column()
        warned.alert = True
        draw_text(warned, context, f"{outcome.error.message} {outcome.error.hint}", icon="ERROR")
    elif outcome.found is not None:
        far = outcome.found.largest_mm > export_check.LARGEST_MM
        column = box.column()
        column.alert = far
        draw_text(column, context, str(outcome.found), icon="ERROR" if far else "CHECKMARK")


CLASSES = (VIBE_PT_export,)
