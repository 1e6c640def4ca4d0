# SPDX-License-Identifier: GPL-3.0-or-later
"""The sidebar of the 3D view, tab VIBE, in the order of the work."""

import time
from functools import lru_cache
from pathlib import Path

import bpy

from . import confidence_strip, installing, session
from .backend_view import draw_backend
from .contract.interrupted import interrupted_takes
from .contract.take_file import final_path
from .contract.terms import described
from .estimator_view import draw_estimators, draw_speed
from .operators.active import TakeInScene, active_take
from .operators.presets import VIBE_PT_capture_presets
from .places import takes_folder
from .properties import VIBE_CaptureSettings
from .scene.camera import frame_rate
from .scene.takes import PersonRecord, body_of, people, take_collections, take_record
from .session import Outcome, Session
from .text_view import draw_text

_LOOK_SECONDS, _MOST_INTERRUPTED = 3.0, 3
_STAGES = {
    "start": "Starting",
    "seek": "Going to the range",
    "watch": "Reading the video",
    "solve": "Solving the motion",
    "refine": "Refining the motion",
    "world": "Finding the floor",
    "save": "Saving the take",
    "build": "Building the animation",
}


class _Sidebar:
    bl_space_type = "VIEW_3D"
    bl_region_type = "UI"
    bl_category = "VIBE"


class VIBE_PT_capture(_Sidebar, bpy.types.Panel):
    """From the video to the button."""

    bl_label = "Capture"

    def draw_header_preset(self, context: bpy.types.Context) -> None:
        """Presets."""
        VIBE_PT_capture_presets.draw_panel_header(self.layout)

    def draw(self, context: bpy.types.Context) -> None:
        """Settings, the button, and what is going on."""
        layout = self.layout
        layout.use_property_split = True
        layout.use_property_decorate = False
        if installing.wants_attention():
            draw_backend(layout.box(), context, everything=False)
        settings, running = context.scene.vibe, session.current()
        column = layout.column()
        column.enabled = running is None
        _draw_video(column, context, settings)
        _draw_choices(column, context, settings)
        if running is not None:
            _draw_running(layout.box(), running)
            return
        row = layout.row()
        row.scale_y = 1.6
        row.operator("vibe.capture", icon="PLAY")
        outcome = session.outcome()
        if outcome is not None:
            _draw_outcome(layout.box(), context, outcome)
        elif (video := settings.video_path()) is not None:
            _draw_interrupted(layout, context, video)


class VIBE_PT_takes(_Sidebar, bpy.types.Panel):
    """What was captured."""

    bl_label = "Takes"

    def draw(self, context: bpy.types.Context) -> None:
        """One box per take, the active one with its people."""
        layout = self.layout
        collections = take_collections(context.scene)
        if not collections:
            draw_text(layout, context, "No takes in this scene yet. Capture a video, or open a take file.")
        chosen = active_take(context)
        for collection in collections:
            box = layout.box()
            if chosen is not None and chosen.collection == collection:
                _draw_take_line(box, collection, chosen=True)
                _draw_active_take(box, context, chosen)
            else:
                _draw_take_line(box, collection, chosen=False)
        layout.operator("vibe.open_take", text="Open Take…", icon="FILE_FOLDER")


class VIBE_PT_confidence(_Sidebar, bpy.types.Panel):
    """Where to look twice, and what to do about it."""

    bl_label = "Confidence"
    bl_parent_id = "VIBE_PT_takes"
    bl_options = {"DEFAULT_CLOSED"}  # noqa: RUF012

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Only with a take."""
        return active_take(context) is not None

    def draw(self, context: bpy.types.Context) -> None:
        """Strip, marks, a second try."""
        layout, settings = self.layout, context.scene.vibe
        layout.use_property_split = True
        layout.use_property_decorate = False
        layout.operator(
            "vibe.toggle_strip", text="Strip in the Timeline", icon="COLOR", depress=confidence_strip.enabled()
        )
        column = layout.column(align=True)
        column.prop(settings, "doubt", slider=True)
        row = column.row(align=True)
        row.operator("vibe.mark_doubtful", text="Mark Doubtful", icon="MARKER_HLT")
        row.operator("vibe.clear_marks", text="", icon="X")
        column = layout.column(align=True)
        column.prop(settings, "resolve_first", text="Frames From")
        column.prop(settings, "resolve_last", text="To")
        column.prop(settings, "resolve_blend")
        column.operator("vibe.resolve_range", icon="FILE_REFRESH")


def _draw_video(layout: bpy.types.UILayout, context: bpy.types.Context, settings: VIBE_CaptureSettings) -> None:
    row = layout.row(align=True)
    row.use_property_split = False
    row.prop(settings, "video", text="", icon="FILE_MOVIE", placeholder="Choose or drop a video")
    path = settings.video_path()
    if path is None:
        return
    found = settings.video_facts()
    if found is None:
        warned = layout.column()
        warned.alert = True
        reason = "This file is no video that Blender can read." if path.is_file() else "There is no such file."
        draw_text(warned, context, reason, icon="ERROR")
        return
    seconds = found.frames / found.fps
    length = f"{int(seconds) // 60}:{seconds % 60:04.1f}" if seconds >= 60 else f"{seconds:.1f} s"
    layout.label(text=f"{found.width_px} × {found.height_px}, {found.fps:.5g} fps, {length}, {found.frames} frames")
    scene_fps = frame_rate(context.scene)
    if abs(scene_fps - found.fps) > 0.01:
        row = layout.row()
        row.label(text=f"Scene: {scene_fps:.5g} fps")
        row.operator("vibe.match_frame_rate", text=f"Use {found.fps:.5g}")


def _draw_choices(layout: bpy.types.UILayout, context: bpy.types.Context, settings: VIBE_CaptureSettings) -> None:
    column = layout.column(heading="Range", align=True)
    column.prop(settings, "use_range", text="Part of the Video")
    if settings.use_range:
        column.prop(settings, "start")
        column.prop(settings, "end")
    draw_estimators(layout, context, settings)
    column = layout.column(align=True)
    column.prop(settings, "people")
    if settings.people == "count":
        column.prop(settings, "people_count")
    column = layout.column(align=True)
    column.prop(settings, "focal")
    if settings.focal == "mm":
        column.prop(settings, "focal_mm")
    column = layout.column(heading="Actor Height", align=True)
    row = column.row(align=True)
    row.prop(settings, "use_height", text="")
    field = row.row()
    field.enabled = settings.use_height
    field.prop(settings, "height_m", text="")
    layout.prop(settings, "scene_start")
    header, body = layout.panel("vibe_speed", default_closed=True)
    header.label(text="Speed and Quality")
    if body is not None:
        draw_speed(body, context, settings)


def _draw_running(layout: bpy.types.UILayout, running: Session) -> None:
    layout.label(text=f"{_STAGES.get(running.stage, running.stage)}: {running.name}", icon="RENDER_ANIMATION")
    if running.total:
        layout.progress(text=f"{running.done} of {running.total} frames", factor=running.done / running.total)
    else:
        layout.progress(text=f"{running.done} frames" if running.done else "…", factor=0.0)
    row = layout.row()
    row.label(text=f"{running.rate:.0f} fps" if running.rate else "")
    row.label(text=_time_left(running.seconds_left))
    row.label(text="1 person" if running.people == 1 else f"{running.people} people")
    layout.operator("vibe.cancel_capture", text="Cancelling…" if running.cancelling else "Cancel", icon="X")


def _time_left(seconds: float | None) -> str:
    if seconds is None:
        return ""
    return f"{int(seconds) // 60}:{int(seconds) % 60:02} left"


def _draw_outcome(layout: bpy.types.UILayout, context: bpy.types.Context, outcome: Outcome) -> None:
    row = layout.row()
    row.alert = outcome.kind == "error"
    icon = {"done": "CHECKMARK", "cancelled": "CANCEL", "error": "ERROR"}[outcome.kind]
    draw_text(row.column(), context, outcome.text, icon=icon, taken_px=24)
    row.operator("vibe.dismiss", text="", icon="X", emboss=False)
    if outcome.hint:
        draw_text(layout, context, outcome.hint)
    for warning in outcome.warnings:
        draw_text(layout, context, warning, icon="INFO")
    if outcome.take is not None and not outcome.collection:
        row = layout.row(align=True)
        if outcome.resumable:
            row.operator("vibe.resume_capture", icon="PLAY").take = str(outcome.take)
        row.operator("vibe.open_take", icon="IMPORT").filepath = str(outcome.take)


def _draw_interrupted(layout: bpy.types.UILayout, context: bpy.types.Context, video: Path) -> None:
    shown = [record.path for found in take_collections(context.scene) if (record := take_record(found)) is not None]
    for path in _interrupted(takes_folder(context, video), video, int(time.monotonic() / _LOOK_SECONDS)):
        if {str(path), str(final_path(path))} & set(shown):
            continue  # its Resume button is with the take
        box = layout.box()
        box.label(text=f"Interrupted: {path.stem}", icon="RECOVER_LAST")
        row = box.row(align=True)
        row.operator("vibe.resume_capture", icon="PLAY").take = str(path)
        row.operator("vibe.open_take", icon="IMPORT").filepath = str(path)


@lru_cache(maxsize=1)
def _interrupted(folder: Path, video: Path, _moment: int) -> tuple[Path, ...]:
    """The first interrupted captures, looked for every few seconds and not at every redraw."""
    return tuple(interrupted_takes(folder, video)[:_MOST_INTERRUPTED])


def _draw_take_line(layout: bpy.types.UILayout, collection: bpy.types.Collection, *, chosen: bool) -> None:
    row = layout.row(align=True)
    icon = "RADIOBUT_ON" if chosen else "RADIOBUT_OFF"
    row.operator("vibe.activate_take", text=collection.name, icon=icon, emboss=False).name = collection.name
    row.prop(collection, "hide_viewport", text="", emboss=False)
    row.operator("vibe.rename_take", text="", icon="GREASEPENCIL", emboss=False).name = collection.name
    row.operator("vibe.delete_take", text="", icon="TRASH", emboss=False).name = collection.name


def _draw_active_take(layout: bpy.types.UILayout, context: bpy.types.Context, take: TakeInScene) -> None:
    if take.record.status != "complete":
        row = layout.row(align=True)
        row.label(text="Unfinished", icon="ERROR")
        row.operator("vibe.resume_capture", icon="PLAY").take = take.record.path
    draw_text(layout, context, f"Estimator: {described(take.record.estimator, take.record.notice)}")
    for armature, person in people(take.collection):
        _draw_person(layout.column(align=True), armature, person)
    row = layout.row(align=True)
    row.operator("vibe.fit_timeline", icon="PREVIEW_RANGE").name = take.collection.name
    row.operator("vibe.look_through_camera", text="Camera View", icon="VIEW_CAMERA").name = take.collection.name


def _draw_person(layout: bpy.types.UILayout, armature: bpy.types.Object, person: PersonRecord) -> None:
    row, body = layout.row(align=True), body_of(armature)
    if body is not None and body.active_material is not None:
        swatch = row.row()
        swatch.ui_units_x = 1.0
        swatch.prop(body.active_material, "diffuse_color", text="")
    row.prop(armature, "name", text="")
    row.operator("vibe.select_person", text="", icon="RESTRICT_SELECT_OFF", emboss=False).armature = armature.name
    eye = "HIDE_ON" if armature.hide_get() else "HIDE_OFF"
    row.operator("vibe.show_person", text="", icon=eye, emboss=False).armature = armature.name
    layout.label(text=f"Frames {person.first}–{person.last}, {person.confidence:.0%} sure", icon="BLANK1")


CLASSES = (VIBE_PT_capture, VIBE_PT_takes, VIBE_PT_confidence)
