# SPDX-License-Identifier: GPL-3.0-or-later
"""The raw motion as grey lines in the Graph Editor, behind the selected curves of a take: what the clean-up changed."""

from __future__ import annotations

from typing import Any

import bpy
import gpu
import numpy as np
from gpu_extras.batch import batch_for_shader

from .contract.errors import CaptureError
from .contract.quaternions import Array
from .contract.take import Person
from .redraw import redraw_panels
from .scene.animation import motion_curves
from .scene.ownership import own_action
from .scene.raw_takes import raw_take
from .scene.takes import TakeRecord, people, take_record

_COLOUR = (0.75, 0.75, 0.75, 0.55)
_MOST_CURVES = 24

_Ghost = dict[tuple[str, int], tuple[Array, Array]]
_handle: Any = None
_ghosts: dict[int, tuple[Person, _Ghost]] = {}
"""By an armature's number: the raw person, and frames and values by data path and index."""


def enable() -> None:
    """Draws the ghosts from now on."""
    global _handle
    if _handle is None:
        _handle = bpy.types.SpaceGraphEditor.draw_handler_add(_draw, (), "WINDOW", "POST_PIXEL")
        _redraw()


def disable() -> None:
    """Draws them no more; may be called at any time."""
    global _handle
    if _handle is not None:
        bpy.types.SpaceGraphEditor.draw_handler_remove(_handle, "WINDOW")
        _handle = None
        _redraw()
    _ghosts.clear()


def enabled() -> bool:
    """Whether they are drawn."""
    return _handle is not None


def ghost_of(armature: bpy.types.Object, record: TakeRecord, person_id: int) -> _Ghost:
    """The raw curves of a person: frames (T,) and values (T,) by data path and index.

    Raises:
        CaptureError: where the take's file is gone.
    """
    take = raw_take(record)
    person = take.person(person_id)
    known = _ghosts.get(armature.session_uid)
    if known is None or known[0] is not person:
        curves = motion_curves(armature, person, take.video, fps=record.scene_fps, start=record.start)
        known = person, {curve.target: (curve.frames, curve.values) for curve in curves}
        _ghosts[armature.session_uid] = known
    return known[1]


def _draw() -> None:
    """Called by Blender for every Graph Editor, in the pixels of its region."""
    context = bpy.context
    settings = getattr(context.scene, "vibe", None)
    collection = settings.active_take if settings is not None else None
    record = take_record(collection) if collection is not None else None
    if record is None or context.space_data.use_normalization:  # then every curve has a scale of its own
        return
    actors = {own_action(armature): (armature, person.id) for armature, person in people(collection)}
    region = context.region
    left, low = region.view2d.region_to_view(0.0, 0.0)
    right, high = region.view2d.region_to_view(float(region.width), float(region.height))
    scale = np.array([region.width / (right - left), region.height / (high - low)])
    shader = gpu.shader.from_builtin("UNIFORM_COLOR")
    gpu.state.blend_set("ALPHA")
    shader.uniform_float("color", _COLOUR)
    for curve in list(context.selected_visible_fcurves or ())[:_MOST_CURVES]:
        armature, person = actors.get(curve.id_data, (None, 0))
        if armature is None:
            continue
        try:
            frames, values = ghost_of(armature, record, person)[curve.data_path, curve.array_index]
        except (CaptureError, KeyError):  # the file is gone, which the panel says; or a curve of the user's own
            continue
        places = (np.column_stack([frames, values]) - [left, low]) * scale
        batch_for_shader(shader, "LINE_STRIP", {"pos": places.astype(np.float32)}).draw(shader)
    gpu.state.blend_set("NONE")


def _redraw() -> None:
    redraw_panels()
    for window in bpy.context.window_manager.windows:
        for area in window.screen.areas:
            if area.type == "GRAPH_EDITOR":
                area.tag_redraw()
