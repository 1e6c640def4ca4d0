# SPDX-License-Identifier: GPL-3.0-or-later
"""An armature in motion, read frame by frame as it is seen: whatever moves it, and without moving the user's scene."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import bpy
import numpy as np
from numpy.typing import NDArray

from ...contract.errors import CaptureError
from ...contract.quaternions import Array
from ...motion.export_settings import Bones
from ..animation import assigned_curves
from ..passing import alone, pose_matrices

AT_ORIGIN = 0.02
"""Of the skeleton's size: how near to the floor's origin a bone is that stands on it."""
_RIGIFY_DEFORM, _RIGIFY_ORIGINAL = "DEF-", "ORG-"


@dataclass(frozen=True)
class Sampled:
    """An armature's bones over some frames.

    Attributes:
        names: of the bones, B of them.
        parents: (B,) index of each one's parent among them, -1 for none; parents come before their children.
        lengths: (B,) metres.
        rest: (B, 4, 4) at rest, standing on the world's origin: metres, world axes.
        posed: (T, B, 4, 4) metres, world.
        own: (T, 4, 4) what the armature object itself does, from where it stands at rest: metres, world.
        shapes: by mesh object, values (T, K) of its shape keys.
    """

    names: tuple[str, ...]
    parents: NDArray[np.intp]
    lengths: Array
    rest: Array
    posed: Array
    own: Array
    shapes: dict[bpy.types.Object, Array]


def motion_range(armatures: Sequence[bpy.types.Object], scene: bpy.types.Scene) -> tuple[int, int]:
    """First and last whole scene frame in which something of the armatures is keyed; else those of the scene."""
    spans = []
    for armature in armatures:
        spans += [tuple(curve.range()) for curve in assigned_curves(armature) if len(curve.keyframe_points)]
        tracks = armature.animation_data.nla_tracks if armature.animation_data else ()
        spans += [
            (strip.frame_start, strip.frame_end)
            for track in tracks
            if not track.mute
            for strip in track.strips
            if not strip.mute
        ]
    if not spans:
        return scene.frame_start, scene.frame_end
    first, last = math.ceil(min(span[0] for span in spans)), math.floor(max(span[1] for span in spans))
    return first, max(first, last)


def kept_bones(armature: bpy.types.Object, which: Bones) -> tuple[list[str], list[str | None]]:
    """Names of the bones to export, parents before their children, and the name of each one's parent among them.

    Raises:
        CaptureError: ``no_bones``.
    """
    bones = armature.data.bones
    if not len(bones):
        raise CaptureError("no_bones", f"{armature.name} has no bones.", "Choose another armature.")
    if which == "auto":
        which = "deform" if _is_driven(armature) else "all"
    kept = {bone.name for bone in bones if bone.use_deform or which == "all"} or {bone.name for bone in bones}
    root = None if which == "all" else _root({_top(bones[name]) for name in kept}, bones)
    kept |= {root} if root else set()
    choices: tuple[set[str], set[str]] = (kept, set())
    for twins in choices:
        parents = {bone.name: _kept_parent(bones, bone.name, kept, twins) for bone in bones}
        if root:
            parents |= {name: root for name in kept if parents[name] is None and name != root}
        ordered = _ordered([bone.name for bone in bones if bone.name in kept], parents)
        if len(ordered) == len(kept):
            break
    return ordered, [parents[name] for name in ordered]


def _is_driven(armature: bpy.types.Object) -> bool:
    """Whether anything but keys moves bones."""
    drivers = armature.animation_data.drivers if armature.animation_data else ()
    return any(bone.constraints for bone in armature.pose.bones) or any(
        curve.data_path.startswith("pose.bones") for curve in drivers
    )


def _top(bone: bpy.types.Bone) -> bpy.types.Bone:
    return bone.parent_recursive[-1] if bone.parent else bone


def _root(tops: set[bpy.types.Bone], bones: bpy.types.ArmatureBones) -> str | None:
    """The bone that carries all others: the only topmost one, else the only one that stands on the origin."""
    if len(tops) > 1:
        heads = np.array([bone.head_local for bone in bones])
        near = AT_ORIGIN * float(np.ptp(heads, axis=0).max())
        tops = {bone for bone in tops if bone.head_local.length <= near}
    return next(iter(tops)).name if len(tops) == 1 else None


def _kept_parent(bones: bpy.types.ArmatureBones, name: str, kept: set[str], twins: set[str]) -> str | None:
    """The nearest ancestor that is exported; in Rigify's rigs the deform bone that stands for one that is not."""
    for ancestor in bones[name].parent_recursive:
        if ancestor.name in kept:
            return ancestor.name
        twin = _RIGIFY_DEFORM + ancestor.name.removeprefix(_RIGIFY_ORIGINAL)
        if ancestor.name.startswith(_RIGIFY_ORIGINAL) and twin in twins and twin != name:
            return twin
    return None


def _ordered(names: list[str], parents: dict[str, str | None]) -> list[str]:
    """The names, parents first; fewer where some are their own ancestors."""
    children: dict[str | None, list[str]] = {}
    for name in names:
        children.setdefault(parents[name], []).append(name)
    found, waiting = [], list(reversed(children.get(None, [])))
    while waiting:
        found.append(name := waiting.pop())
        waiting += reversed(children.get(name, []))
    return found


def sample(
    armature: bpy.types.Object, meshes: Sequence[bpy.types.Object], frames: range, which: Bones, scene: bpy.types.Scene
) -> Sampled:
    """What an armature does in a scene, frame by frame; frame, pose and selection there stay as they are.

    Args:
        armature: at any place, of any size, under any constraints; hidden or not.
        meshes: whose shape keys are read as well.
        frames: whole scene frames.
        which: of its bones.
        scene: whose frame rate counts.

    Raises:
        CaptureError: ``no_bones`` or ``edit_mode``.
    """
    if armature.data.is_editmode:
        raise CaptureError("edit_mode", f"{armature.name} is being edited.", "Leave Edit Mode (Tab), then export.")
    names, parents = kept_bones(armature, which)
    numbers = {name: number for number, name in enumerate(names)}
    posed, objects = np.empty((len(frames), len(names), 4, 4)), np.empty((len(frames), 4, 4))
    shaped = [mesh for mesh in meshes if mesh.data.shape_keys]
    shapes = {mesh: np.empty((len(frames), len(mesh.data.shape_keys.key_blocks))) for mesh in shaped}
    found = {bone.name: number for number, bone in enumerate(armature.pose.bones)}
    rows = np.array([found[name] for name in names])
    with alone(armature, shaped, scene) as at:
        for row, frame in enumerate(frames):
            graph = at(frame)
            rig = armature.evaluated_get(graph)
            objects[row] = rig.matrix_world
            posed[row] = pose_matrices(rig)[rows]
            for mesh, values in shapes.items():
                mesh.data.shape_keys.evaluated_get(graph).key_blocks.foreach_get(
                    "value", buffer := np.empty(values.shape[1], np.float32)
                )
                values[row] = buffer
    standing = objects[0].copy()
    standing[:3, 3] = 0.0
    local = np.array([armature.data.bones[name].matrix_local for name in names])
    size = np.cbrt(abs(np.linalg.det(standing[:3, :3])))
    return Sampled(
        names=tuple(names),
        parents=np.array([-1 if parent is None else numbers[parent] for parent in parents], np.intp),
        lengths=np.array([armature.data.bones[name].length for name in names]) * size,
        rest=standing @ local,
        posed=objects[:, None] @ posed,
        own=objects @ np.linalg.inv(standing),
        shapes=shapes,
    )
