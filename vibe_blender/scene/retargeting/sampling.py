# SPDX-License-Identifier: GPL-3.0-or-later
"""An armature as Blender shows it at any frame, in a passing scene: the user's own stays as it is, frame and all."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress

import bpy
import numpy as np

from ...contract.quaternions import Array


class Alone:
    """Armatures in a scene of their own, without meshes: what they depend on is there too, and nothing else."""

    def __init__(self, scene: bpy.types.Scene) -> None:
        self._scene = scene

    def at(self, armature: bpy.types.Object, frame: float) -> bpy.types.Object:
        """The armature as it is at a frame; to be read before the next one is asked for."""
        whole = int(np.floor(frame))
        self._scene.frame_set(whole, subframe=float(frame - whole))
        return armature.evaluated_get(self._scene.view_layers[0].depsgraph)


@contextmanager
def alone(*armatures: bpy.types.Object) -> Iterator[Alone]:
    """Shows armatures at any frame; their own data, pose and frame stay as they are."""
    scratch = bpy.data.scenes.new("VIBE scratch")
    try:
        for armature in armatures:
            scratch.collection.objects.link(armature)
        yield Alone(scratch)
    finally:
        with suppress(ReferenceError):  # somebody was faster
            bpy.data.scenes.remove(scratch)


def pose_matrices(shown: bpy.types.Object) -> Array:
    """Bones to armature, (B, 4, 4), in the order of the pose's bones."""
    bones = shown.pose.bones
    numbers = np.empty(16 * len(bones), np.float32)
    bones.foreach_get("matrix", numbers)
    return numbers.reshape(-1, 4, 4).transpose(0, 2, 1).astype(float)
