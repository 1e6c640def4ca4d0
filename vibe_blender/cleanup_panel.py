# SPDX-License-Identifier: GPL-3.0-or-later
"""The panel Clean-up in the sidebar, tab VIBE: what becomes of the active take's motion, tuned at any time."""

import math
import time

import bpy

from . import cleanup_numbers, contact_strip, raw_ghost
from .cleanup_properties import VIBE_Cleanup
from .contract.errors import CaptureError
from .live_cleanup import cleanup_of, problem
from .motion.measures import Measures
from .motion.presets import PRESETS, with_preset
from .motion.settings import Cleanup
from .operators.active import active_take, named_take
from .operators.cleanup import VIBE_PT_cleanup_presets
from .scene.cleaning import anchors_of, camera_path_of, is_applied, video_frame, worked_on
from .scene.contact_curves import edited_contacts
from .scene.takes import chosen_armature, is_editable, people
from .text_view import draw_text

_PATIENCE = 20.0
"""How many times as long as a look took is waited until the next."""
_worked: dict[int, tuple[float, list[str]]] = {}
"""By a collection's number: when to look again for actions that somebody has worked on, and what was found."""


class _Sidebar:
    bl_space_type = "VIEW_3D"
    bl_region_type = "UI"
    bl_category = "VIBE"

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Only with a take."""
        return active_take(context) is not None


class _Section(_Sidebar):
    bl_parent_id = "VIBE_PT_cleanup"
    bl_options = {"DEFAULT_CLOSED"}  # noqa: RUF012

    def begin(self, context: bpy.types.Context) -> tuple[bpy.types.UILayout, VIBE_Cleanup, bpy.types.Collection]:
        """A layout for properties, and the settings of the active take."""
        layout = self.layout  # type: ignore[attr-defined]
        layout.use_property_split = True
        layout.use_property_decorate = False
        collection = named_take("", context).collection
        layout.enabled = is_editable(collection)
        return layout, collection.vibe_cleanup, collection


class VIBE_PT_cleanup(_Sidebar, bpy.types.Panel):
    """Where to begin, and what came of it."""

    bl_label = "Clean-up"

    def draw_header_preset(self, context: bpy.types.Context) -> None:
        """The user's own presets."""
        VIBE_PT_cleanup_presets.draw_panel_header(self.layout)

    def draw(self, context: bpy.types.Context) -> None:
        """Presets, before and after, numbers."""
        layout, collection = self.layout, named_take("", context).collection
        if not is_editable(collection):
            draw_text(layout, context, "This take is linked from another .blend file.", icon="LINKED")
            return
        settings = _settings(collection)
        row = layout.row(align=True)
        for name, preset in PRESETS.items():
            same = settings is not None and with_preset(settings, preset) == settings
            row.operator("vibe.cleanup_choice", text=name.title(), depress=same).name = name
        _draw_state(layout, context, collection, settings is not None)
        row = layout.row(align=True)
        row.prop(collection.vibe_cleanup, "show_raw", toggle=True, icon="HIDE_OFF")
        row.operator("vibe.toggle_ghost", text="", icon="GRAPH", depress=raw_ghost.enabled())
        _draw_numbers(layout, collection)


class VIBE_PT_cleanup_smoothing(_Section, bpy.types.Panel):
    """Jitter, wild frames, gaps."""

    bl_label = "Smoothing"
    bl_options = set()  # noqa: RUF012

    def draw(self, context: bpy.types.Context) -> None:
        """The filter, then strengths by region."""
        layout, settings, _ = self.begin(context)
        column = layout.column()
        column.prop(settings, "smoothing_method")
        filters = column.column()
        filters.active = settings.smoothing_method != "none"
        filters.prop(settings, "smoothing_cutoff_hz")
        fast = filters.column()
        fast.active = settings.smoothing_method in ("adaptive", "one_euro")
        fast.prop(settings, "smoothing_keep_fast")
        column.prop(settings, "smoothing_repair")
        column.prop(settings, "smoothing_fill_s")
        header, body = layout.panel("vibe_strengths", default_closed=True)
        header.label(text="Strength by Region")
        if body is not None:
            body.active = settings.smoothing_method != "none"
            column = body.column(align=True)
            for name in ("root", "spine", "head", "arms", "hands", "legs", "feet"):
                column.prop(settings, f"strength_{name}")


class VIBE_PT_cleanup_feet(_Section, bpy.types.Panel):
    """Feet that stand."""

    bl_label = "Feet"
    bl_options = set()  # noqa: RUF012

    def draw(self, context: bpy.types.Context) -> None:
        """Lock, contacts, how they are found."""
        layout, settings, collection = self.begin(context)
        layout.row().prop(settings, "feet_lock", expand=True)
        locked = layout.column()
        locked.active = settings.feet_lock != "off"
        locked.prop(settings, "feet_strength")
        locked.prop(settings, "feet_ease_s")
        locked.prop(settings, "feet_correct_root")
        column = layout.column(heading="Floor")
        column.prop(settings, "feet_clamp")
        column.prop(settings, "feet_bend_toes")
        header, body = layout.panel("vibe_contacts", default_closed=False)
        header.label(text="Contacts")
        if body is not None:
            body.enabled = settings.feet_lock != "off"
            _draw_contacts(body, context, collection)
        header, body = layout.panel("vibe_finding", default_closed=True)
        header.label(text="How Contacts Are Found")
        if body is not None:
            column = body.column()
            column.active = settings.feet_lock != "off"
            for name in ("enter_m_s", "leave_m_s", "height_m", "shortest_s"):
                column.prop(settings, f"feet_{name}")


class VIBE_PT_cleanup_root(_Section, bpy.types.Panel):
    """The path."""

    bl_label = "Root"

    def draw(self, context: bpy.types.Context) -> None:
        """What becomes of it, and drift."""
        layout, settings, collection = self.begin(context)
        layout.prop(settings, "root_mode")
        layout.prop(settings, "root_lock_height")
        layout.prop(settings, "root_heading_rad")
        layout.prop(settings, "root_scale")
        armature = chosen_armature(collection, context.active_object)
        if armature is None:
            return
        header, body = layout.panel("vibe_drift", default_closed=True)
        header.label(text="Drift")
        if body is None:
            return
        draw_text(body, context, "Say at two frames where the person is: what lies between is moved along.")
        row = body.row(align=True)
        row.operator("vibe.add_anchor", text="At 3D Cursor", icon="PIVOT_CURSOR").at_cursor = True
        row.operator("vibe.add_anchor", text="Where It Is", icon="PINNED").at_cursor = False
        frames = [anchor.frame for anchor in anchors_of(armature)]
        here = video_frame(named_take("", context).record, context.scene.frame_current)
        row = body.row(align=True)
        row.label(text=f"{len(frames)} anchors" if len(frames) != 1 else "1 anchor")
        one = row.row(align=True)
        one.enabled = here in frames
        one.operator("vibe.clear_anchors", text="This", icon="X").everywhere = False
        all_of_them = row.row(align=True)
        all_of_them.enabled = bool(frames)
        all_of_them.operator("vibe.clear_anchors", text="All", icon="TRASH").everywhere = True


class VIBE_PT_cleanup_camera(_Section, bpy.types.Panel):
    """Where the camera stood, and the floor."""

    bl_label = "Camera and Floor"

    def draw(self, context: bpy.types.Context) -> None:
        """Lens, angles, floor, a moving camera."""
        layout, settings, collection = self.begin(context)
        moving = camera_path_of(collection) is not None
        column = layout.column()
        lens = column.column()
        lens.enabled = not moving
        lens.prop(settings, "view_focal_scale")
        column.prop(settings, "view_pitch_rad")
        column.prop(settings, "view_roll_rad")
        column.prop(settings, "view_height_m")
        column.prop(settings, "view_refit_floor")
        layout.label(text="Pick the Floor")
        row = layout.row(align=True)
        for name, text in (("cursor", "Cursor"), ("object", "Object"), ("vertices", "Vertices")):
            row.operator("vibe.pick_floor", text=text).by = name
        header, body = layout.panel("vibe_moving_camera", default_closed=not moving)
        header.label(text="Moving Camera")
        if body is not None:
            _draw_moving_camera(body, context, settings, moving)


class VIBE_PT_cleanup_keys(_Section, bpy.types.Panel):
    """For editing by hand."""

    bl_label = "Keys"

    def draw(self, context: bpy.types.Context) -> None:
        """Fewer of them."""
        layout, _, _ = self.begin(context)
        layout.operator("vibe.reduce_keys", text="Reduce Keys…", icon="KEY_DEHLT")


def _settings(collection: bpy.types.Collection) -> Cleanup | None:
    try:
        return cleanup_of(collection)
    except CaptureError:
        return None


def _draw_state(
    layout: bpy.types.UILayout, context: bpy.types.Context, collection: bpy.types.Collection, sound: bool
) -> None:
    """What went wrong, what would be kept, and the button that applies what is not shown yet."""
    error = problem(collection)
    if error is not None:
        box = layout.box()
        warned = box.column()
        warned.alert = True
        draw_text(warned, context, error.message, icon="ERROR")
        draw_text(box, context, error.hint)
        if error.code == "other_take" or error.code.startswith("take_"):
            box.operator("vibe.locate_take", icon="FILE_FOLDER")
    names = _worked_on(collection)
    if names:
        kept = f"{', '.join(names)}: not as the clean-up left it. The next change keeps it, and makes a new action."
        draw_text(layout.box(), context, kept, icon="INFO")
    if (
        error is not None
        or names
        or not (sound and is_applied(collection, cleanup_of(collection), raw=_raw(collection)))
    ):
        layout.operator("vibe.apply_cleanup", icon="FILE_REFRESH")


def _raw(collection: bpy.types.Collection) -> bool:
    return bool(collection.vibe_cleanup.show_raw)


def _worked_on(collection: bpy.types.Collection) -> list[str]:
    """As ``worked_on``, looked for now and then: it reads all keys."""
    now = time.monotonic()
    again, names = _worked.get(collection.session_uid, (0.0, []))
    if now >= again or names:
        names = worked_on(collection)
        took = time.monotonic() - now
        _worked[collection.session_uid] = now + max(0.5, _PATIENCE * took), names
    return names


def _draw_numbers(layout: bpy.types.UILayout, collection: bpy.types.Collection) -> None:
    found, fresh = cleanup_numbers.numbers_of(collection)
    column = layout.column(align=True)
    column.scale_y = 0.8
    column.active = fresh
    rows = (
        ("Foot slide, mm/frame", "slide_mm", "{:.1f}"),
        ("Above floor, mm", "float_mm", "{:.0f}"),
        ("Below floor, mm", "below_mm", "{:.0f}"),
        ("Jitter, 10 m/s³", "jitter", "{:.1f}"),
    )
    for text, name, form in rows:
        row = column.split(factor=0.52)
        row.label(text=text)
        if found is None:
            row.label(text="…")
        else:
            row.label(text=f"{_number(found.before, name, form)} → {_number(found.after, name, form)}")


def _number(measures: Measures, name: str, form: str) -> str:
    value = getattr(measures, name)
    return form.format(value) if math.isfinite(value) else "–"


def _draw_contacts(layout: bpy.types.UILayout, context: bpy.types.Context, collection: bpy.types.Collection) -> None:
    row = layout.row()
    row.operator("vibe.toggle_contacts", text="Strip in the Timeline", icon="COLOR", depress=contact_strip.enabled())
    armature = chosen_armature(collection, context.active_object)
    if armature is None:
        return
    edited = any(edited_contacts(person) is not None for person, _ in people(collection))
    grid = layout.column(align=True)
    for foot in ("left", "right"):
        split = grid.split(factor=0.3, align=True)
        split.label(text=foot.title())
        row = split.row(align=True)
        for text, name, values in (
            ("Stand", "vibe.set_contact", {"stands": True}),
            ("Lift", "vibe.set_contact", {"stands": False}),
            ("Delete", "vibe.delete_contact", {}),
        ):
            operator = row.operator(name, text=text)
            operator.foot, operator.part = foot, "both"
            for key, value in values.items():
                setattr(operator, key, value)
    grid = layout.column(align=True)
    _three(grid, "", "Begin", "End")
    for foot in ("left", "right"):
        cells = _three(grid, foot.title(), "", "")
        for cell, end in zip(cells, ("first", "last"), strict=True):
            for icon, frames in (("TRIA_LEFT", -1), ("TRIA_RIGHT", 1)):
                operator = cell.operator("vibe.move_contact", text="", icon=icon)
                operator.foot, operator.part = foot, "both"
                setattr(operator, end, frames)
    row = layout.row()
    row.enabled = edited
    row.operator("vibe.found_contacts", icon="LOOP_BACK")


def _three(layout: bpy.types.UILayout, *texts: str) -> list[bpy.types.UILayout]:
    """A line with three labels; the layouts of the last two, for buttons instead."""
    split = layout.split(factor=0.3, align=True)
    split.label(text=texts[0])
    rest = split.row(align=True)
    cells = []
    for text in texts[1:]:
        cell = rest.row(align=True)
        cell.alignment = "CENTER"
        if text:
            cell.label(text=text)
        cells.append(cell)
    return cells


def _draw_moving_camera(
    layout: bpy.types.UILayout, context: bpy.types.Context, settings: VIBE_Cleanup, moving: bool
) -> None:
    column = layout.column()
    column.prop(settings, "camera")
    column.operator("vibe.use_camera", text="Use This Camera", icon="VIEW_CAMERA")
    column = layout.column()
    column.prop(settings, "clip")
    column.operator("vibe.use_clip", text="Use Its Solved Camera", icon="TRACKER")
    if moving:
        draw_text(layout, context, "The motion is placed through the path of that camera.", icon="CHECKMARK")
        layout.operator("vibe.forget_camera", icon="X")


CLASSES = (
    VIBE_PT_cleanup,
    VIBE_PT_cleanup_smoothing,
    VIBE_PT_cleanup_feet,
    VIBE_PT_cleanup_root,
    VIBE_PT_cleanup_camera,
    VIBE_PT_cleanup_keys,
)
