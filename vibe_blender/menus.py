# SPDX-License-Identifier: GPL-3.0-or-later
"""The buttons as menu entries: Blender's search (F3) finds what is in a menu."""

import bpy


class VIBE_MT_view(bpy.types.Menu):
    """View > VIBE, in every mode of the 3D view."""

    bl_label = "VIBE"

    def draw(self, context: bpy.types.Context) -> None:
        """In the order of the work."""
        layout = self.layout
        layout.operator_context = "INVOKE_DEFAULT"
        for name in (
            "install_backend",
            "add_networks",
            "check_backend",
            "remove_backend",
            "cancel_install",
            "open_install_log",
        ):
            layout.operator(f"vibe.{name}")
        layout.separator()
        layout.operator("vibe.choose_video", text="Choose Video…")
        for name in (
            "match_frame_rate",
            "look_again",
            "what_is_missing",
            "capture",
            "resume_capture",
            "cancel_capture",
        ):
            layout.operator(f"vibe.{name}")
        layout.separator()
        for name in ("open_take", "rename_take", "delete_take", "fit_timeline", "look_through_camera"):
            layout.operator(f"vibe.{name}")
        layout.separator()
        for name in ("toggle_strip", "mark_doubtful", "clear_marks", "resolve_range"):
            layout.operator(f"vibe.{name}")
        layout.separator()
        for name in ("apply_cleanup", "locate_take", "pick_floor", "set_contact", "found_contacts", "reduce_keys"):
            layout.operator(f"vibe.{name}")


def add_menus() -> None:
    """Adds the entries to Blender's own menus."""
    bpy.types.VIEW3D_MT_view.append(_draw_view)
    bpy.types.TOPBAR_MT_file_import.append(_draw_import)


def remove_menus() -> None:
    """Takes them away again."""
    bpy.types.VIEW3D_MT_view.remove(_draw_view)
    bpy.types.TOPBAR_MT_file_import.remove(_draw_import)


def _draw_view(self: bpy.types.Menu, context: bpy.types.Context) -> None:
    self.layout.separator()
    self.layout.menu(VIBE_MT_view.__name__)


def _draw_import(self: bpy.types.Menu, context: bpy.types.Context) -> None:
    self.layout.operator("vibe.open_take", text="VIBE Take (.take)")


CLASSES = (VIBE_MT_view,)
