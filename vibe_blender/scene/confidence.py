# SPDX-License-Identifier: GPL-3.0-or-later
"""Stretches the capture is not sure of, as timeline markers."""

from __future__ import annotations

import bpy

_MARKS = "vibe_marks"


def clear_marks(scene: bpy.types.Scene, collection: bpy.types.Collection) -> None:
    """Removes the markers that stand for a take's people."""
    for armature in collection.objects:
        names = armature.get(_MARKS)
        if isinstance(names, str):
            ours = set(names.splitlines())
            for marker in [marker for marker in scene.timeline_markers if marker.name in ours]:
                scene.timeline_markers.remove(marker)
            del armature[_MARKS]
