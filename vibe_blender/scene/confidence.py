# SPDX-License-Identifier: GPL-3.0-or-later
"""How sure a capture is: read from the actions, and its doubtful stretches as timeline markers."""

from __future__ import annotations

from dataclasses import dataclass

import bpy
import numpy as np

from ..contract.quaternions import Array
from ..motion.doubt import doubtful_ranges
from .animation import CONFIDENCE_PATH, CONSTANT, assigned_curves
from .names import short_name

_MARKS = "vibe_marks"


@dataclass(frozen=True)
class Confidence:
    """How sure the capture is of a person.

    Attributes:
        frames: (T,) ascending scene frames.
        values: (T,) 0..1.
        held: (T,) true where the person is not seen after the frame.
    """

    frames: Array
    values: Array
    held: Array


def confidence_curve(armature: bpy.types.Object) -> bpy.types.FCurve | None:
    """The curve of an armature's confidence; None where the user removed it."""
    return next((curve for curve in assigned_curves(armature) if curve.data_path == CONFIDENCE_PATH), None)


def read_confidence(armature: bpy.types.Object) -> Confidence | None:
    """What the confidence curve of an armature says; None where there is none, or it is empty."""
    curve = confidence_curve(armature)
    if curve is None or not len(curve.keyframe_points):
        return None
    keys = np.empty(2 * len(curve.keyframe_points), np.float32)
    kinds = np.empty(len(curve.keyframe_points), np.uint8)
    curve.keyframe_points.foreach_get("co", keys)
    curve.keyframe_points.foreach_get("interpolation", kinds)
    return Confidence(keys[0::2], keys[1::2], kinds == CONSTANT)


def mark_doubtful(scene: bpy.types.Scene, armature: bpy.types.Object, threshold: float) -> int:
    """Adds a timeline marker at the start of each doubtful stretch of a person; how many there are.

    Args:
        scene: receives the markers.
        armature: of a take.
        threshold: confidence, 0..1, below which a frame is doubtful.
    """
    known = read_confidence(armature)
    if known is None:
        return 0
    ranges = doubtful_ranges(known.values, known.frames, threshold)
    names = []
    for first, last in ranges:
        first, last = int(np.floor(first)), int(np.ceil(last))
        marker = scene.timeline_markers.new(f"? {_label(armature)} ({first}–{last})", frame=first)
        names.append(marker.name)
    if names:
        armature[_MARKS] = "\n".join([*_marks(armature), *names])
    return len(names)


def clear_marks(scene: bpy.types.Scene, collection: bpy.types.Collection) -> None:
    """Removes the markers that stand for the doubtful stretches of a take's people."""
    for armature in collection.objects:
        ours = _marks(armature)
        for marker in [marker for marker in scene.timeline_markers if marker.name in ours]:
            scene.timeline_markers.remove(marker)
        if _MARKS in armature:
            del armature[_MARKS]


def _marks(armature: bpy.types.Object) -> list[str]:
    """The names of the markers that were made for an armature."""
    names = armature.get(_MARKS)
    return names.splitlines() if isinstance(names, str) else []


def _label(armature: bpy.types.Object) -> str:
    """The armature's name without that of its take, short enough for the range behind it."""
    for collection in armature.users_collection:
        if armature.name.startswith(f"{collection.name} "):
            return short_name(armature.name.removeprefix(f"{collection.name} "))
    return short_name(armature.name)
