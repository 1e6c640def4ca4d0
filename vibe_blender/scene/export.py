# SPDX-License-Identifier: GPL-3.0-or-later
"""The assembled take as a file: the scene as .blend, the rigs as .fbx, .glb or .bvh by Blender's own exporters."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import bpy
import numpy as np
from mathutils import Matrix

from ..contract.errors import CaptureError
from .assembly import Actor

FORMATS = (".blend", ".fbx", ".glb", ".bvh")


def check_destination(path: Path) -> None:
    """Raises ``CaptureError`` where ``path`` could not be written later: ``bad_format`` or ``unwritable``."""
    if path.suffix.lower() not in FORMATS:
        raise CaptureError(
            "bad_format", f"{path.name} is none of the formats that can be saved.", f"End it in {', '.join(FORMATS)}."
        )
    check_writable(path)


def check_writable(path: Path) -> None:
    """Raises ``CaptureError`` (``unwritable``) where no file can be written at ``path``; leaves what is there alone."""
    probe = path.with_name(f".{path.name}.probe-{os.getpid()}")
    try:
        if path.is_dir():
            raise IsADirectoryError("a folder has this name")
        path.parent.mkdir(parents=True, exist_ok=True)
        probe.touch()
        probe.unlink()
        if path.exists():
            path.open("r+b").close()
    except OSError as error:
        raise _unwritable(path, error.strerror or str(error)) from error


def save(path: Path, scene: bpy.types.Scene, actors: tuple[Actor, ...]) -> list[Path]:
    """Writes the file and returns what was written: .bvh holds one skeleton, so several people give several files.

    Args:
        path: its suffix chooses the format; .blend holds the whole file, the others the actors alone.
        scene: the current scene; its frame range is exported.
        actors: whom to export.

    Raises:
        CaptureError: ``bad_format`` or ``unwritable``.
    """
    check_destination(path)
    suffix = path.suffix.lower()
    if suffix == ".blend":
        _run(bpy.ops.wm.save_as_mainfile, path, relative_remap=True, compress=True)
        return [path]
    if suffix == ".bvh":
        return [_save_bvh(_numbered(path, actor, actors), scene, actor) for actor in actors]
    with _all_shown(actors):
        _select([thing for actor in actors for thing in (actor.armature, actor.body)])
        if suffix == ".fbx":
            _run(
                bpy.ops.export_scene.fbx,
                path,
                use_selection=True,
                add_leaf_bones=False,
                bake_anim_use_nla_strips=False,
                bake_anim_use_all_actions=False,
                bake_anim_simplify_factor=0.0,
            )
        else:
            _run(
                bpy.ops.export_scene.gltf,
                path,
                export_format="GLB",
                use_selection=True,
                export_animation_mode="ACTIVE_ACTIONS",
                export_optimize_animation_size=False,
            )
    return [path]


def _save_bvh(path: Path, scene: bpy.types.Scene, actor: Actor) -> Path:
    stand_in, size = _stand_in(scene, actor.armature)
    try:
        _select([stand_in])
        _run(
            bpy.ops.export_anim.bvh,
            path,
            frame_start=scene.frame_start,
            frame_end=scene.frame_end,
            global_scale=size,
            root_transform_only=True,
        )
    finally:
        bpy.data.armatures.remove(stand_in.data)
    return path


def _stand_in(scene: bpy.types.Scene, armature: bpy.types.Object) -> tuple[bpy.types.Object, float]:
    """An armature whose pose alone is the motion in the world, y up, and how many metres its unit is.

    Blender's exporter writes its own axes, though everybody reads BVH, Blender too, with y up, and it leaves out what
    moves, turns or scales the armature object itself. So every bone here follows its original in the world, and the
    object does nothing but undo the turn of its bones.
    """
    data = armature.data.copy()
    data.transform(Matrix.Rotation(-np.pi / 2, 4, "X"))
    stand_in = bpy.data.objects.new(armature.name, data)
    scene.collection.objects.link(stand_in)
    size = armature.matrix_world.median_scale
    stand_in.matrix_basis = Matrix.Rotation(np.pi / 2, 4, "X") @ Matrix.Scale(size, 4)
    bpy.context.view_layer.update()
    for bone in stand_in.pose.bones:
        bone.rotation_mode = armature.pose.bones[bone.name].rotation_mode
        following = bone.constraints.new("COPY_TRANSFORMS")
        following.target, following.subtarget = armature, bone.name
    return stand_in, size


@contextmanager
def _all_shown(actors: tuple[Actor, ...]) -> Iterator[None]:
    """Exporters leave out what is hidden now, as somebody is who enters later: nobody is hidden meanwhile."""
    drivers = [curve for actor in actors for curve in actor.body.animation_data.drivers]
    muted = [curve for curve in drivers if curve.data_path.startswith("hide_") and not curve.mute]
    for curve in muted:
        curve.mute = True
    for actor in actors:
        actor.body.hide_viewport = actor.body.hide_render = False
    bpy.context.view_layer.update()
    try:
        yield
    finally:
        for curve in muted:
            curve.mute = False
        bpy.context.view_layer.update()


def _numbered(path: Path, actor: Actor, actors: tuple[Actor, ...]) -> Path:
    return path if len(actors) == 1 else path.with_name(f"{path.stem}_{actor.person}{path.suffix}")


def _select(objects: list[bpy.types.Object]) -> None:
    for thing in bpy.context.view_layer.objects:
        thing.select_set(thing in objects)
    bpy.context.view_layer.objects.active = objects[0] if objects else None


def _run(operator: Any, path: Path, **options: Any) -> None:
    try:
        operator(filepath=str(path), **options)
    except (RuntimeError, OSError) as error:
        raise _unwritable(path, str(error).strip().removeprefix("Error: ")) from error
    if not path.is_file():
        raise _unwritable(path, "Blender wrote nothing")


def _unwritable(path: Path, why: str) -> CaptureError:
    return CaptureError("unwritable", f"{path} cannot be written: {why}.", "Choose a folder you may write to.")
