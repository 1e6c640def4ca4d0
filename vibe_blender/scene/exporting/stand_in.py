# SPDX-License-Identifier: GPL-3.0-or-later
"""A plain armature that moves as another does, and copies of the meshes that follow it, for the exporters to write.

Exporters differ in what they make of an armature object's scale, of rotations above it, of constraints, of bones that
only help, of what is hidden. A stand-in leaves them no choice: its object is at the world's origin, every motion is a
key of a bone, and what is applied to the data are the file's axes and unit.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

import bpy
import numpy as np
from mathutils import Matrix
from numpy.typing import NDArray

from ...contract.quaternions import Array
from ...motion.local_pose import local_pose, orthonormal
from ..animation import LINEAR, assign_action, new_action, write_curve
from ..passing import editing
from .sampling import AT_ORIGIN, Sampled

ROOT = "root"
_STILL_M = 1e-5
_SAME = 1e-6
_ROOT_LENGTH = 0.1
_SHORTEST, _SMALLEST = 1e-5, 1e-12
_SHAPING = {
    "ARRAY", "BEVEL", "DECIMATE", "EDGE_SPLIT", "MASK", "MIRROR", "MULTIRES", "NODES", "REMESH", "SCREW", "SKIN",
    "SOLIDIFY", "SUBSURF", "TRIANGULATE", "WELD", "WEIGHTED_NORMAL",
}  # fmt: skip
"""Modifiers that are applied; others move vertices by what moves around them."""


@dataclass(frozen=True)
class Plain:
    """A skeleton as it will be in the file.

    Attributes:
        names: of the bones, B of them.
        parents: (B,) index of each one's parent, -1 for none; parents come before their children.
        lengths: (B,) file units.
        rest: (B, 4, 4) unit axes, file axes and units.
        posed: (T, B, 4, 4) the same; axes longer than 1 are scaled bones.
        places: (T, B, 3) metres, world: where the heads are.
        unit: how many of the file's units a metre is.
    """

    names: tuple[str, ...]
    parents: NDArray[np.intp]
    lengths: Array
    rest: Array
    posed: Array
    places: Array
    unit: float


def plain(sampled: Sampled, conversion: Array, *, root_bone: bool) -> Plain:
    """The skeleton in the file's axes and unit.

    Args:
        sampled: in the world.
        conversion: (4, 4) from the world's metres to the file, a rotation and a scale.
        root_bone: whether one that does not stand on the origin by itself is given a bone that does.
    """
    unit = float(np.cbrt(np.linalg.det(conversion[:3, :3])))
    rest: Array = conversion @ sampled.rest
    posed: Array = conversion @ sampled.posed
    lengths = np.maximum(np.linalg.norm(rest[:, :3, :3], axis=-2), _SMALLEST)
    rest[:, :3, :3] = orthonormal(rest[:, :3, :3])
    posed[..., :3, :3] /= lengths[:, None]
    names, parents, places = sampled.names, sampled.parents, sampled.posed[..., :3, 3]
    if root_bone and not _has_root(sampled):
        name = ROOT
        while name in names:
            name += "_"
        turned = conversion[:3, :3] / unit
        own = np.tile(np.eye(4), (len(posed), 1, 1))
        own[:, :3, :3] = turned @ orthonormal(sampled.own[:, :3, :3]) @ turned.T
        own[:, :3, 3] = sampled.own[:, :3, 3] @ conversion[:3, :3].T
        names, parents = (name, *names), np.concatenate([[-1], parents + 1])
        rest = np.concatenate([np.eye(4)[None], rest])
        posed = np.concatenate([own[:, None], posed], axis=1)
        places = np.concatenate([sampled.own[:, None, :3, 3], places], axis=1)
        bone_lengths = np.concatenate([[_ROOT_LENGTH], sampled.lengths])
    else:
        bone_lengths = sampled.lengths
    return Plain(names, parents, np.maximum(bone_lengths * unit, _SHORTEST), rest, posed, places, unit)


def _has_root(sampled: Sampled) -> bool:
    """Whether one bone at the origin carries all others."""
    (tops,) = np.nonzero(sampled.parents < 0)
    heads = sampled.rest[:, :3, 3]
    size = float(np.ptp(heads, axis=0).max())
    return len(tops) == 1 and len(heads) > 1 and float(np.linalg.norm(heads[tops[0]])) <= AT_ORIGIN * size


def add_armature(
    scene: bpy.types.Scene, name: str, skeleton: Plain, bone_names: Sequence[str], *, half: bool
) -> bpy.types.Object:
    """An armature in a scene that does what the skeleton does, from frame 0 on.

    Args:
        scene: a passing one.
        name: of the object, its data and its action, as far as it is free.
        skeleton: its bones.
        bone_names: what they are called in the file.
        half: whether the file keeps scales in half precision.
    """
    data = bpy.data.armatures.new(name)
    armature = bpy.data.objects.new(name, data)
    scene.collection.objects.link(armature)
    with editing(scene, armature) as bones:
        for number, (bone_name, matrix) in enumerate(zip(bone_names, skeleton.rest, strict=True)):
            bone = bones.new(bone_name)
            bone.head, bone.tail = (0.0, 0.0, 0.0), (0.0, float(skeleton.lengths[number]), 0.0)
            bone.matrix = Matrix(matrix)
            if (parent := int(skeleton.parents[number])) >= 0:
                bone.parent = bones[bone_names[parent]]
    _animate(armature, skeleton, bone_names, half)
    return armature


def _animate(armature: bpy.types.Object, skeleton: Plain, bone_names: Sequence[str], half: bool) -> None:
    made = np.array([armature.data.bones[name].matrix_local for name in bone_names], float)
    pose = local_pose(skeleton.parents, made, skeleton.posed, _STILL_M * skeleton.unit, half=half)
    action = new_action(armature, armature.name)
    assign_action(armature, action)
    count = len(skeleton.posed)
    frames, linear = np.arange(count, dtype=float), np.full(count, LINEAR, np.uint8)
    for number, name in enumerate(bone_names):
        armature.pose.bones[name].rotation_mode = "QUATERNION"
        path = f'pose.bones["{bpy.utils.escape_identifier(name)}"].'
        for channel, values, neutral in (
            ("rotation_quaternion", pose.rotations[:, number], None),
            ("location", pose.locations[:, number], 0.0),
            ("scale", pose.scales[:, number], 1.0),
        ):
            if neutral is not None and not np.any(values != neutral):
                continue
            for axis in range(values.shape[1]):
                write_curve(action, path + channel, axis, name, frames, values[:, axis], linear)


def add_mesh(
    scene: bpy.types.Scene,
    mesh: bpy.types.Object,
    armature: bpy.types.Object,
    stand_in: bpy.types.Object,
    sampled: Sampled,
    conversion: Array,
    bone_names: dict[str, str],
) -> bpy.types.Object:
    """A copy of a mesh that follows the stand-in as the mesh follows its armature.

    Args:
        scene: a passing one.
        mesh: deformed by the armature, or parented to one of its bones.
        armature: the mesh's.
        stand_in: from ``add_armature``.
        sampled: of the armature.
        conversion: (4, 4) from the world's metres to the file.
        bone_names: what the armature's bones are called in the file.
    """
    at_rest, carrier = _at_rest(mesh, armature, set(bone_names))
    copy = mesh.copy()
    copy.animation_data_clear()
    copy.constraints.clear()
    copy.parent, copy.matrix_basis = None, mesh.matrix_world
    scene.collection.objects.link(copy)
    copy.data = _shaped(scene, copy)
    copy.modifiers.clear()
    standing = sampled.rest[0] @ np.linalg.inv(np.array(armature.data.bones[sampled.names[0]].matrix_local))
    placed = Matrix(conversion @ standing) @ at_rest
    copy.data.transform(placed, shape_keys=True)
    if placed.determinant() < 0:
        copy.data.flip_normals()
    copy.matrix_basis = Matrix()
    copy.parent, copy.matrix_parent_inverse = stand_in, Matrix()
    copy.hide_viewport = copy.hide_render = False
    _follow(copy, stand_in, bone_names, carrier)
    if mesh in sampled.shapes and copy.data.shape_keys:
        _animate_shapes(copy, sampled.shapes[mesh])
    return copy


def _at_rest(mesh: bpy.types.Object, armature: bpy.types.Object, kept: set[str]) -> tuple[Matrix, str]:
    """Where a mesh is in its armature's space at rest, and the bone it hangs on; empty where weights say it."""
    inside = armature.matrix_world.inverted_safe() @ mesh.matrix_world
    if mesh.parent != armature or mesh.parent_type != "BONE" or mesh.parent_bone not in armature.pose.bones:
        return inside, ""
    bone = armature.pose.bones[mesh.parent_bone]
    inside = bone.bone.matrix_local @ bone.matrix.inverted_safe() @ inside
    names = [bone.name, *(ancestor.name for ancestor in bone.bone.parent_recursive)]
    return inside, next((name for name in names if name in kept), "")


def _shaped(scene: bpy.types.Scene, copy: bpy.types.Object) -> bpy.types.Mesh:
    """The mesh's data with the modifiers applied that give it its form; shape keys exclude them."""
    forming = [item for item in copy.modifiers if item.show_viewport and item.type in _SHAPING]
    if copy.data.shape_keys or not forming:
        data = copy.data.copy()
        if data.shape_keys:
            data.shape_keys.animation_data_clear()
        return data
    for item in [item for item in copy.modifiers if item not in forming]:
        copy.modifiers.remove(item)
    view_layer = scene.view_layers[0]
    view_layer.update()
    graph = view_layer.depsgraph
    return bpy.data.meshes.new_from_object(copy.evaluated_get(graph), preserve_all_data_layers=True, depsgraph=graph)


def _follow(copy: bpy.types.Object, stand_in: bpy.types.Object, bone_names: dict[str, str], carrier: str) -> None:
    if carrier:
        copy.vertex_groups.clear()
        group = copy.vertex_groups.new(name=bone_names[carrier])
        group.add(range(len(copy.data.vertices)), 1.0, "REPLACE")
    else:
        # From the last to the first, so that a name that another group still has is never asked for.
        for group in copy.vertex_groups:
            group.name = bone_names.get(group.name, group.name)
    modifier = copy.modifiers.new("Armature", "ARMATURE")
    modifier.object = stand_in
    modifier.use_deform_preserve_volume = False


def _animate_shapes(copy: bpy.types.Object, values: Array) -> None:
    keys = copy.data.shape_keys
    action = None
    frames, linear = np.arange(len(values), dtype=float), np.full(len(values), LINEAR, np.uint8)
    for number, key in enumerate(keys.key_blocks):
        key.value = values[0, number]
        if np.ptp(values[:, number]) <= _SAME or key == keys.reference_key:
            continue
        if action is None:
            action = new_action(keys, copy.name)
            assign_action(keys, action)
        path = f'key_blocks["{bpy.utils.escape_identifier(key.name)}"].value'
        write_curve(action, path, 0, "Shape Keys", frames, values[:, number], linear)


@contextmanager
def called(names: dict[bpy.types.ID, str]) -> Iterator[None]:
    """Gives datablocks the names they are to have in the file; who has them now steps aside meanwhile."""
    with ExitStack() as undone:
        for block, name in names.items():
            if block.name == name:
                continue
            kind = {"OBJECT": "objects", "MESH": "meshes", "ARMATURE": "armatures", "ACTION": "actions"}[block.id_type]
            owner = next((other for other in getattr(bpy.data, kind) if other.name == name and not other.library), None)
            if owner is not None:
                owner.name = f"{name[:40]} VIBE"
                # Undone last to first: the stand-in gives the name back before its owner takes it.
                undone.callback(setattr, owner, "name", name)
            undone.callback(setattr, block, "name", block.name)
            block.name = name
        yield
