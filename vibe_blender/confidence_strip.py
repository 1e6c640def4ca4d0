# SPDX-License-Identifier: GPL-3.0-or-later
"""A strip in the timeline and the dope sheet that shows how sure the capture is: one bar per person of the active take.

Green is sure, red doubtful, grey not seen. The bars are computed when a curve changes and kept as triangles whose x is
in frames; drawing them is one matrix and one call per person.
"""

from __future__ import annotations

import zlib
from typing import Any

import bpy
import gpu
import numpy as np
from gpu_extras.batch import batch_for_shader

from .contract.quaternions import Array
from .motion.doubt import UNSEEN, confidence_bars
from .redraw import redraw_panels
from .scene.confidence import read_confidence
from .scene.takes import TakeRecord, people, take_record

_BAR_PX, _GAP_PX, _SCRUB_PX, _SCROLLER_PX = 5, 1, 24, 10
"""Heights at a resolution scale of 1; the last two are Blender's frame numbers above and its scroller below."""
_DOUBTFUL, _HALF_SURE, _SURE = (0.80, 0.13, 0.09), (0.90, 0.70, 0.10), (0.20, 0.62, 0.22)
_DOUBTFUL_AT, _SURE_AT = 0.3, 0.9
_GREY = (0.35, 0.35, 0.35)
_OPACITY = 0.9

_handle: Any = None
_batches: dict[int, tuple[tuple[int, int, int], Any]] = {}
"""By an armature's number: checksum of its keys and the take's range, and the triangles made of them."""


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
    _batches.clear()


def enabled() -> bool:
    """Whether the strip is drawn."""
    return _handle is not None


def row_height(room: float, rows: int, scale: float) -> float:
    """Pixels from one bar to the next: less where a timeline that is folded up has little room, one at least."""
    return max(1.0, min((_BAR_PX + _GAP_PX) * scale, room / max(rows, 1)))


def bar_triangles(spans: Array, levels: Array) -> tuple[Array, Array]:
    """Bars as triangles: corners (6 B, 2), x in frames, y from 0 to 1, and their colours (6 B, 4).

    Args:
        spans: (B, 2) frames.
        levels: (B,) 0..1, or ``UNSEEN``.
    """
    left, right = spans[:, 0], spans[:, 1]
    low, high = np.zeros(len(spans)), np.ones(len(spans))
    corners = [(left, low), (right, low), (right, high), (left, low), (right, high), (left, high)]
    places = np.stack([np.stack(corner, axis=-1) for corner in corners], axis=1).reshape(-1, 2)
    return places.astype(np.float32), np.repeat(bar_colours(levels), 6, axis=0)


def bar_colours(levels: Array) -> Array:
    """Red, green, blue, opacity (B, 4) of levels (B,) 0..1 or ``UNSEEN``."""
    levels = np.asarray(levels, float)
    stops = np.linspace(_DOUBTFUL_AT, _SURE_AT, 3)
    channels = np.array([_DOUBTFUL, _HALF_SURE, _SURE]).T
    colours = np.stack([np.interp(levels, stops, channel) for channel in channels], axis=-1)
    colours[levels == UNSEEN] = _GREY
    return np.column_stack([colours, np.full(len(levels), _OPACITY)]).astype(np.float32)


def _draw() -> None:
    """Called by Blender for every dope sheet and timeline, in the pixels of its region."""
    context = bpy.context
    settings = getattr(context.scene, "vibe", None)
    collection = settings.active_take if settings is not None else None
    record = take_record(collection) if collection is not None else None
    if record is None:
        return
    actors, region, scale = people(collection), context.region, context.preferences.system.ui_scale
    left, right = (region.view2d.region_to_view(x, 0.0)[0] for x in (0.0, float(region.width)))
    pixels_per_frame = region.width / (right - left)
    top = region.height - _SCRUB_PX * scale
    pitch = row_height(top - _SCROLLER_PX * scale, len(actors), scale)
    height = pitch - _GAP_PX * scale if pitch > 2 * _GAP_PX * scale else pitch
    shader = gpu.shader.from_builtin("FLAT_COLOR")
    gpu.state.blend_set("ALPHA")
    for row, (armature, _) in enumerate(actors):
        batch = _batch(armature, record, shader)
        if batch is not None:
            with gpu.matrix.push_pop():
                gpu.matrix.translate((-left * pixels_per_frame, top - row * pitch - height))
                gpu.matrix.scale((pixels_per_frame, height))
                batch.draw(shader)
    gpu.state.blend_set("NONE")


def _batch(armature: bpy.types.Object, record: TakeRecord, shader: gpu.types.GPUShader) -> Any:
    """The triangles of a person, computed again only where something changed; None where nothing is known."""
    known = read_confidence(armature)
    if known is None:
        return None
    keys = b"".join(np.ascontiguousarray(values).tobytes() for values in (known.frames, known.values, known.held))
    state = zlib.crc32(keys), record.start, record.end
    kept = _batches.get(armature.session_uid)
    if kept is None or kept[0] != state:
        spans, levels = confidence_bars(known.values, known.frames, known.held, record.start, record.end)
        places, colours = bar_triangles(spans, levels)
        kept = state, batch_for_shader(shader, "TRIS", {"pos": places, "color": colours})
        _batches[armature.session_uid] = kept
    return kept[1]
