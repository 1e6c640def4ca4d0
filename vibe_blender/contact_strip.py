# SPDX-License-Identifier: GPL-3.0-or-later
"""A strip in the timeline and the dope sheet that shows when feet stand: the keys of the group Contacts as bars.

Left is blue, right red, the heel above the toe, for the person who is selected. The keys themselves are what is edited.
"""

from __future__ import annotations

import itertools
from typing import Any

import bpy
import gpu
import numpy as np
from gpu_extras.batch import batch_for_shader

from .motion.settings import FEET, PARTS
from .redraw import redraw_panels
from .scene.contact_curves import stretches_shown
from .scene.ownership import own_action
from .scene.takes import chosen_armature, take_record

_BAR_PX, _GAP_PX, _SCROLLER_PX = 4, 1, 12
"""Heights at a resolution scale of 1; the last is Blender's scroller below."""
_COLOURS = {"left": (0.30, 0.58, 0.95), "right": (0.95, 0.38, 0.30)}
_OPACITY, _BEHIND = 0.9, 0.12

_handle: Any = None


def enable() -> None:
    """Draws the strip from now on."""
    global _handle
    if _handle is None:
        _handle = bpy.types.SpaceDopeSheetEditor.draw_handler_add(_draw, (), "WINDOW", "POST_PIXEL")
        redraw_panels()


def disable() -> None:
    """Draws it no more; may be called at any time."""
    global _handle
    if _handle is not None:
        bpy.types.SpaceDopeSheetEditor.draw_handler_remove(_handle, "WINDOW")
        _handle = None
        redraw_panels()


def enabled() -> bool:
    """Whether the strip is drawn."""
    return _handle is not None


def _draw() -> None:
    """Called by Blender for every dope sheet and timeline, in the pixels of its region."""
    context = bpy.context
    settings = getattr(context.scene, "vibe", None)
    collection = settings.active_take if settings is not None else None
    record = take_record(collection) if collection is not None else None
    armature = chosen_armature(collection, context.active_object) if record is not None else None
    action = own_action(armature) if armature is not None else None
    if record is None or action is None:
        return
    scale, to_region = context.preferences.system.ui_scale, context.region.view2d.view_to_region
    shader = gpu.shader.from_builtin("UNIFORM_COLOR")
    gpu.state.blend_set("ALPHA")
    for row, (foot, part) in enumerate(itertools.product(reversed(FEET), reversed(PARTS))):
        low = (_SCROLLER_PX + row * (_BAR_PX + _GAP_PX)) * scale
        whole = np.array([[record.start, record.end]], float)
        for spans, opacity in ((whole, _BEHIND), (stretches_shown(action, foot, part, record.end), _OPACITY)):
            if len(spans):
                places = np.array([to_region(x, 0.0, clip=False)[0] for x in spans.ravel()], float).reshape(-1, 2)
                shader.uniform_float("color", (*_COLOURS[foot], opacity))
                corners = _triangles(places, low, low + _BAR_PX * scale)
                batch_for_shader(shader, "TRIS", {"pos": corners}).draw(shader)
    gpu.state.blend_set("NONE")


def _triangles(spans: np.ndarray, low: float, high: float) -> np.ndarray:
    """Corners (6 B, 2) of bars (B, 2) from left to right, in pixels."""
    left, right = spans[:, 0], spans[:, 1]
    corners = [(left, low), (right, low), (right, high), (left, low), (right, high), (left, high)]
    return np.stack(
        [np.stack(np.broadcast_arrays(x, y), axis=-1) for x, y in corners], axis=1
    ).reshape(-1, 2).astype(np.float32)  # fmt: skip
