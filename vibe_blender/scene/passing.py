# SPDX-License-Identifier: GPL-3.0-or-later
"""Scenes that are there for a moment only: in them things are made and looked at, and the user's stay as they are."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress

import bpy
import numpy as np

from ..contract.quaternions import Array

PASSING = "vibe_rehearsal"
"""Custom property of what is there for a moment only, by which what was left is found."""
_NAME = "VIBE scratch"


@contextmanager
def passing_scene(name: str = _NAME, like: bpy.types.Scene | None = None) -> Iterator[bpy.types.Scene]:
    """An empty scene, which is gone afterwards.

    Args:
        name: of the scene.
        like: whose frame rate it has.
    """
    scene = bpy.data.scenes.new(name)
    try:
        scene[PASSING] = True
        scene.sync_mode = "NONE"
        if like is not None:
            scene.render.fps, scene.render.fps_base = like.render.fps, like.render.fps_base
        yield scene
    finally:
        with suppress(ReferenceError):  # somebody was faster
            bpy.data.scenes.remove(scene)


def remove_passing() -> None:
    """Removes what was there for a moment: undo, or a file saved meanwhile, may have brought some back."""
    for things in (bpy.data.scenes, bpy.data.objects, bpy.data.armatures, bpy.data.meshes):
        for thing in [thing for thing in things if PASSING in thing]:
            things.remove(thing)


@contextmanager
def editing(scene: bpy.types.Scene, armature: bpy.types.Object) -> Iterator[bpy.types.ArmatureEditBones]:
    """The bones, in edit mode, of an armature in a passing scene."""
    view_layer = scene.view_layers[0]
    view_layer.objects.active = armature
    with bpy.context.temp_override(scene=scene, view_layer=view_layer, active_object=armature, object=armature):
        bpy.ops.object.mode_set(mode="EDIT")
        try:
            yield armature.data.edit_bones
        finally:
            bpy.ops.object.mode_set(mode="OBJECT")
    # A pose exists only after an update; assigning an action slot before it crashes Blender 4.4 to 5.2.
    view_layer.update()


@contextmanager
def alone(
    armature: bpy.types.Object, meshes: Sequence[bpy.types.Object] = (), like: bpy.types.Scene | None = None
) -> Iterator[Callable[[float], bpy.types.Depsgraph]]:
    """What gives the state of things at a frame, to be read before it is asked for another.

    Evaluated are the armature, the shape keys of meshes and what these depend on, all of it whether it is hidden or
    not: what is hidden is evaluated where something that is shown needs it, and that is all that the scene has.

    Args:
        armature: may be in any scenes, or in none.
        meshes: objects.
        like: whose frame rate counts; None for that of a scene the armature is in.
    """
    data, witnesses = bpy.data.meshes.new(_NAME), []
    try:
        data[PASSING] = True
        with passing_scene(like=like or next(iter(armature.users_scene), None)) as scene:
            for shown in (data, *(mesh.data for mesh in meshes)):
                witnesses.append(witness := bpy.data.objects.new(_NAME, shown))
                witness[PASSING] = True
                scene.collection.objects.link(witness)
            modifier = witnesses[0].modifiers.new(_NAME, "ARMATURE")
            modifier.object, modifier.use_bone_envelopes = armature, True  # else it needs the bones of its groups only

            def at(frame: float) -> bpy.types.Depsgraph:
                whole = int(np.floor(frame))
                scene.frame_set(whole, subframe=float(frame - whole))
                return scene.view_layers[0].depsgraph

            yield at
    finally:
        for things, left in ((bpy.data.objects, witnesses), (bpy.data.meshes, (data,))):
            for thing in left:
                with suppress(ReferenceError):
                    things.remove(thing)


def pose_matrices(shown: bpy.types.Object) -> Array:
    """Bones to armature, (B, 4, 4), in the order of the pose's bones."""
    bones = shown.pose.bones
    numbers = np.empty(16 * len(bones), np.float32)
    bones.foreach_get("matrix", numbers)
    return numbers.reshape(-1, 4, 4).transpose(0, 2, 1).astype(float)
