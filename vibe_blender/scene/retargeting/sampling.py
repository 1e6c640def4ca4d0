# SPDX-License-Identifier: GPL-3.0-or-later
"""An armature as Blender shows it at any frame, in a passing scene: the user's own stays as it is, frame and all."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import bpy
import numpy as np

from ...contract.quaternions import Array

PASSING = "vibe_rehearsal"
"""Custom property of scenes and objects that are there for a moment only, by which left ones are found."""


@contextmanager
def alone(armature: bpy.types.Object) -> Iterator[Callable[[float], bpy.types.Object]]:
    """What gives the armature as it is at a frame, to be read before it is asked for another.

    The scene has no meshes, and what the armature depends on comes along.
    """
    scene = bpy.data.scenes.new("VIBE scratch")
    scene[PASSING] = True
    twin = None
    try:
        actor = armature
        if armature.hide_viewport:  # what is hidden is not evaluated
            actor = twin = armature.copy()
            twin[PASSING], twin.hide_viewport = True, False
        scene.collection.objects.link(actor)

        def at(frame: float) -> bpy.types.Object:
            whole = int(np.floor(frame))
            scene.frame_set(whole, subframe=float(frame - whole))
            return actor.evaluated_get(scene.view_layers[0].depsgraph)

        yield at
    finally:
        with suppress(ReferenceError):  # somebody was faster
            bpy.data.scenes.remove(scene)
        with suppress(ReferenceError):
            if twin is not None:
                bpy.data.objects.remove(twin)


def pose_matrices(shown: bpy.types.Object) -> Array:
    """Bones to armature, (B, 4, 4), in the order of the pose's bones."""
    bones = shown.pose.bones
    numbers = np.empty(16 * len(bones), np.float32)
    bones.foreach_get("matrix", numbers)
    return numbers.reshape(-1, 4, 4).transpose(0, 2, 1).astype(float)
