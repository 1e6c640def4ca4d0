# SPDX-License-Identifier: GPL-3.0-or-later
"""Choose the video: in a file browser, or by dropping it on the 3D view."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import bpy
from bpy.props import StringProperty

from ..contract.errors import CaptureError
from ..scene.video_facts import facts
from .active import UNDO
from .reporting import Reporting

SUFFIXES = ".mp4;.mov;.m4v;.avi;.mkv;.webm;.mts;.m2ts;.mpg;.mpeg;.wmv;.ogv"
CATEGORY = "VIBE"
_TRY_SECONDS, _TRIES = 0.1, 20


class VIBE_OT_choose_video(Reporting, bpy.types.Operator):
    """Choose the video to capture"""

    bl_idname = "vibe.choose_video"
    bl_label = "Capture with VIBE"  # so Blender's menu after a drop says
    bl_options = UNDO

    filepath: StringProperty(subtype="FILE_PATH", options={"SKIP_SAVE"})  # type: ignore[valid-type]
    filter_movie: bpy.props.BoolProperty(default=True, options={"HIDDEN"})  # type: ignore[valid-type]
    filter_folder: bpy.props.BoolProperty(default=True, options={"HIDDEN"})  # type: ignore[valid-type]

    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        """A dropped file is taken as it is; otherwise the user chooses one."""
        if self.filepath:
            return self.execute(context)
        context.window_manager.fileselect_add(self)
        return {"RUNNING_MODAL"}

    def run(self, context: bpy.types.Context) -> None:
        """Sets it, and shows the sidebar where that is closed."""
        path = Path(bpy.path.abspath(self.filepath))
        if not path.is_file():
            raise CaptureError("video_missing", f"There is no file {path}.", "Check the path.")
        found = facts(path)
        context.scene.vibe.video = str(path)
        _show_sidebar(context)
        self.report({"INFO"}, f"{path.name}: {found.width_px} x {found.height_px}, {found.frames} frames")


class VIBE_FH_video(bpy.types.FileHandler):
    """A video dropped on the 3D view."""

    bl_idname = "VIBE_FH_video"
    bl_label = "Capture with VIBE"
    bl_import_operator = VIBE_OT_choose_video.bl_idname
    bl_file_extensions = SUFFIXES

    @classmethod
    def poll_drop(cls, context: bpy.types.Context) -> bool:
        """Only there, so that other editors keep their own way with videos."""
        return context.area is not None and context.area.type == "VIEW_3D"


def _show_sidebar(context: bpy.types.Context) -> None:
    """Opens the sidebar of the 3D view at our tab."""
    area = context.area
    if area is None or area.type != "VIEW_3D":
        return
    area.spaces.active.show_region_ui = True
    if not _show_tab(area):
        identity, tries = area.as_pointer(), iter(range(_TRIES))
        bpy.app.timers.register(lambda: _show_tab_later(identity, tries), first_interval=_TRY_SECONDS)


def _show_tab(area: bpy.types.Area) -> bool:
    """Whether our tab is chosen: a sidebar that has never been drawn knows no tabs yet."""
    (sidebar,) = (region for region in area.regions if region.type == "UI")
    with contextlib.suppress(TypeError, AttributeError):  # read-only before it is drawn
        sidebar.active_panel_category = CATEGORY
    area.tag_redraw()
    return sidebar.active_panel_category == CATEGORY


def _show_tab_later(identity: int, tries: Iterator[int]) -> float | None:
    areas = [area for window in bpy.context.window_manager.windows for area in window.screen.areas]
    area = next((area for area in areas if area.as_pointer() == identity and area.type == "VIEW_3D"), None)
    done = area is None or _show_tab(area) or next(tries, None) is None
    return None if done else _TRY_SECONDS


CLASSES = (VIBE_OT_choose_video, VIBE_FH_video)
