# SPDX-License-Identifier: MIT
"""The rigs of `characters` in Blender, with a body so that they can be looked at; and Rigify's own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from tests.characters import Character
from tests.characters_flesh import flesh_of
from vibe_blender.contract.quaternions import Array, from_axis_angles, from_matrices, multiply, rotate
from vibe_blender.motion.retargeting.rig import Rig


def add_character(
    character: Character,
    collection: Any,
    *,
    scale: float = 1.0,
    rotation: tuple[float, float, float] = (0.0, 0.0, 0.0),
    location: tuple[float, float, float] = (0.0, 0.0, 0.0),
    parent: Any = None,
    fleshed: bool = False,
) -> Any:
    """An armature object with the character's bones.

    Args:
        character: what to build.
        collection: receives it; it need not be in a scene.
        scale: of the object, times what makes it life-size (as importers do it, 0.01 for a rig in centimetres).
        rotation: axis-angle vector of the object, radians, on top of what stands it upright.
        location: of the object, metres.
        parent: object that carries it.
        fleshed: whether it gets a skinned mesh, which is a child of it.
    """
    import bpy

    data = bpy.data.armatures.new(character.name)
    armature = bpy.data.objects.new(character.name, data)
    collection.objects.link(armature)
    upright = from_axis_angles(np.array([np.pi / 2 if character.up == "Y" else 0.0, 0.0, 0.0]))
    armature.parent = parent
    armature.location = location
    armature.rotation_mode = "QUATERNION"
    armature.rotation_quaternion = multiply(from_axis_angles(np.array(rotation)), upright)
    armature.scale = (character.unit_m * scale,) * 3
    build_bones(armature, character.rig, connected=character.recipe.connected)
    for switch in character.true_map.switches:
        armature.pose.bones[switch.bone][switch.name] = switch.ik
    if fleshed:
        _add_flesh(armature, character, collection)
    return armature


def build_bones(armature: Any, rig: Rig, *, connected: bool = False) -> None:
    """Gives an empty armature the bones of a rig, all with quaternions."""
    near = 1e-4 * float(np.ptp(rig.heads, axis=0).max())
    z_axes = rotate(rig.axes, [0.0, 0.0, 1.0])
    with editing(armature) as bones:
        for number, name in enumerate(rig.names):
            bone = bones.new(name)
            bone.head, bone.tail = rig.heads[number], rig.tails[number]
            bone.align_roll(z_axes[number])
            above = int(rig.parents[number])
            if above >= 0:
                bone.parent = bones[rig.names[above]]
                bone.use_connect = connected and bool(np.linalg.norm(rig.heads[number] - rig.tails[above]) < near)
            bone.use_inherit_rotation = bool(rig.inherits[number])
            bone.use_local_location = bool(rig.local[number])
    for bone in armature.pose.bones:
        bone.rotation_mode = "QUATERNION"


@contextmanager
def editing(armature: Any) -> Iterator[Any]:
    """The armature's edit bones, in a scene of its own that goes again."""
    import bpy

    scratch = bpy.data.scenes.new("scratch")
    try:
        scratch.collection.objects.link(armature)
        layer = scratch.view_layers[0]
        layer.objects.active = armature
        with bpy.context.temp_override(scene=scratch, view_layer=layer, active_object=armature, object=armature):
            bpy.ops.object.mode_set(mode="EDIT")
            try:
                yield armature.data.edit_bones
            finally:
                bpy.ops.object.mode_set(mode="OBJECT")
        layer.update()
    finally:
        bpy.data.scenes.remove(scratch)


def add_rigify(scene: Any) -> tuple[Any, Any]:
    """Rigify's human metarig and the rig it generates, in the scene that is active; then call ``remove_rigify``."""
    import addon_utils
    import bpy

    addon_utils.enable("rigify", default_set=True)
    import rigify.generate

    bpy.ops.object.armature_human_metarig_add()
    metarig = bpy.context.active_object
    rigify.generate.generate_rig(bpy.context, metarig)
    rig = next(one for one in scene.objects if one.type == "ARMATURE" and one != metarig and "rig_id" in one.data)
    bpy.ops.object.mode_set(mode="OBJECT")
    return metarig, rig


def remove_rigify() -> None:
    """Puts away Rigify's classes and those that its rigs' scripts have registered: with them Blender 4.5 never ends."""
    import addon_utils
    import bpy

    for kind in (bpy.types.Operator, bpy.types.Panel, bpy.types.PropertyGroup):
        for one in kind.__subclasses__():
            # What a script registers that ran without a module.
            if one.__module__ == "builtins" and one.is_registered:
                bpy.utils.unregister_class(one)
    addon_utils.disable("rigify", default_set=True)


def evaluated_heads(armature: Any, names: list[str]) -> Array:
    """(len(names), 3) where the heads of bones are now, world, metres, as Blender shows them."""
    import bpy

    shown = armature.evaluated_get(bpy.context.evaluated_depsgraph_get())
    return np.array([shown.matrix_world @ shown.pose.bones[name].head for name in names])


def _add_flesh(armature: Any, character: Character, collection: Any) -> Any:
    """A body that is skinned to the bones, the armature's child."""
    import bpy

    flesh = flesh_of(character)
    mesh = bpy.data.meshes.new(f"{character.name} body")
    mesh.from_pydata(flesh.vertices.tolist(), [], flesh.faces.tolist())
    mesh.shade_smooth()
    body = bpy.data.objects.new(mesh.name, mesh)
    collection.objects.link(body)
    body.parent = armature
    for name, first, after in flesh.owners:
        body.vertex_groups.new(name=name).add(list(range(first, after)), 1.0, "REPLACE")
    body.modifiers.new("Armature", "ARMATURE").object = armature
    return body


def rig_of(armature: Any) -> Rig:
    """The bones of an armature object as Blender has them, parents first."""
    bones = armature.data.bones
    order = [bone for bone in bones if bone.parent is None]
    for bone in order:
        order.extend(bone.children)
    number = {bone.name: index for index, bone in enumerate(order)}
    return Rig(
        names=tuple(number),
        parents=np.array([number[bone.parent.name] if bone.parent else -1 for bone in order]),
        heads=np.array([bone.head_local for bone in order]),
        tails=np.array([bone.tail_local for bone in order]),
        axes=from_matrices(np.array([bone.matrix_local.to_3x3() for bone in order], float)),
        inherits=np.array([bone.use_inherit_rotation for bone in order]),
        local=np.array([bone.use_local_location for bone in order]),
    )


def pose_matrices(armature: Any, names: list[str]) -> tuple[Array, Array]:
    """Heads (B, 3) and orientations (B, 4) of posed bones, armature frame, as Blender evaluates them."""
    import bpy

    shown = armature.evaluated_get(bpy.context.evaluated_depsgraph_get())
    matrices = np.array([shown.pose.bones[name].matrix for name in names], float)
    turns = matrices[:, :3, :3] / np.linalg.norm(matrices[:, :3, :3], axis=1, keepdims=True)
    return matrices[:, :3, 3], from_matrices(turns)
