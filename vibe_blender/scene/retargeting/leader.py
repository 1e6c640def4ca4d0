# SPDX-License-Identifier: GPL-3.0-or-later
"""A hidden armature that leads a rig's controls: a free bone for each, posed as the control is to be.

It is in no scene: Blender evaluates it because constraints need it, and forgets it when they are gone. Its bones lie
along the axes of its armature, and the constraints compare poses of both armatures in their own frames: so its poses
are what is wanted, and it does not matter where, how large or how skewed the rig's object is.
"""

from __future__ import annotations

import itertools

import bpy
import numpy as np

from ...contract.quaternions import Array, to_matrices
from ...motion.retargeting.rig import BoneMotion
from ..animation import LINEAR, Curve, assign_action, new_action
from ..armature import edit_bones
from ..ownership import seal
from ..rewriting import rewrite
from .rigs import OURS, path_of

_LEADER, _LEADS = "vibe_leader", "vibe_leads"
"""Custom properties: the rig's, its leader; the leader's, that it is one."""
_NAMES = {"COPY_ROTATION": f"{OURS}rotation", "COPY_LOCATION": f"{OURS}location"}
"""Of the constraints, by their types."""
_ORDERS = tuple("".join(order) for order in itertools.permutations("XYZ"))


def leader_of(rig: bpy.types.Object) -> bpy.types.Object | None:
    """What leads a rig; None where nothing does."""
    leader = rig.get(_LEADER)
    return leader if isinstance(leader, bpy.types.Object) and _LEADS in leader else None


def is_bound(target: bpy.types.Object) -> bool:
    """Whether an object follows another one live."""
    return leader_of(target) is not None


def lead(rig: bpy.types.Object, motion: BoneMotion) -> bpy.types.Object:
    """Lets a rig follow a motion, whatever moves it otherwise; the leader, which is a new one where there was none.

    What leads it already is given other keys in place.

    Args:
        rig: an armature object that has been through a view layer update.
        motion: of bones it has.
    """
    if (leader := leader_of(rig)) is None or not _is_whole(rig, leader, motion):
        let_go(rig)
        rig[_LEADER] = leader = _new_leader(rig.name, motion)
    _move(leader, motion)
    _tie(rig, leader, motion)
    return leader


def let_go(rig: bpy.types.Object) -> None:
    """Lets a rig be moved by its own animation again, and forgets what has led it."""
    for bone in rig.pose.bones:
        for constraint in [constraint for constraint in bone.constraints if _is_ours(constraint)]:
            bone.constraints.remove(constraint)
    leader = leader_of(rig)
    if _LEADER in rig:
        del rig[_LEADER]
    if leader is not None and leader.users == 0:  # a copy of the rig may follow it too
        action, data = leader.animation_data.action if leader.animation_data else None, leader.data
        bpy.data.objects.remove(leader)
        bpy.data.armatures.remove(data)
        if action is not None and action.users == 0:
            bpy.data.actions.remove(action)


def names_since(rig: bpy.types.Object) -> dict[str, str]:
    """What bones that are led have been renamed to since."""
    return {
        constraint.subtarget: bone.name
        for bone in rig.pose.bones
        for constraint in bone.constraints
        if _is_ours(constraint) and constraint.subtarget not in ("", bone.name)
    }


def _is_ours(constraint: bpy.types.Constraint) -> bool:
    if constraint.type not in _NAMES or not constraint.name.startswith(OURS):
        return False
    if constraint.target is None:
        return constraint.name == _NAMES[constraint.type]
    return _LEADS in constraint.target


def _is_whole(rig: bpy.types.Object, leader: bpy.types.Object, motion: BoneMotion) -> bool:
    """Whether a leader has what it takes to lead a motion."""
    return all(name in leader.data.bones for name in motion.bones) and not names_since(rig)


def _new_leader(name: str, motion: BoneMotion) -> bpy.types.Object:
    """A leader for the bones of a motion, at rest; nothing follows it yet."""
    data = bpy.data.armatures.new(f"{name} (led)")
    leader = bpy.data.objects.new(f"{name} (led)", data)
    leader[_LEADS] = True
    with edit_bones(leader) as bones:
        for bone_name in motion.bones:
            bone = bones.new(bone_name)
            bone.head, bone.tail, bone.roll = (0.0, 0.0, 0.0), (0.0, 1.0, 0.0), 0.0
    for bone in leader.pose.bones:
        bone.rotation_mode = "QUATERNION"
    return leader


def _move(leader: bpy.types.Object, motion: BoneMotion) -> None:
    """Gives a leader the keys of a motion, in place."""
    straight = np.full(len(motion.frames), LINEAR, np.uint8)
    curves = [
        Curve((path_of(name, channel), axis), name, motion.frames, values[:, row, axis], straight)
        for channel, names, values in (
            ("rotation_quaternion", motion.bones, motion.turned),
            ("location", motion.moved, motion.heads),
        )
        for row, name in enumerate(names)
        for axis in range(values.shape[-1])
    ]
    action = leader.animation_data.action if leader.animation_data else None
    if action is not None and rewrite(action, curves):
        return
    if action is not None:  # somebody has found it, and changed it
        bpy.data.actions.remove(action)
    action = new_action(leader, leader.name)
    seal(action, ())
    rewrite(action, curves)
    assign_action(leader, action)


def _tie(rig: bpy.types.Object, leader: bpy.types.Object, motion: BoneMotion) -> None:
    """Lets the bones of a rig follow a leader, after all other constraints, and no others."""
    wanted = {(name, "COPY_ROTATION") for name in motion.bones} | {(name, "COPY_LOCATION") for name in motion.moved}
    orders = dict(zip(motion.bones, _orders(motion.turned), strict=True))
    for bone in rig.pose.bones:
        for constraint in [constraint for constraint in bone.constraints if _is_ours(constraint)]:
            if (bone.name, constraint.type) not in wanted:
                bone.constraints.remove(constraint)
    for name, kind in sorted(wanted):
        bone = rig.pose.bones[name]
        constraint = next((found for found in bone.constraints if found.type == kind and _is_ours(found)), None)
        if constraint is None:
            constraint = bone.constraints.new(kind)
            constraint.name = _NAMES[kind]
        if constraint.target != leader or constraint.subtarget != name:
            constraint.target, constraint.subtarget = leader, name
            constraint.owner_space = constraint.target_space = "POSE"
        if kind == "COPY_ROTATION" and constraint.euler_order != orders[name]:
            constraint.euler_order = orders[name]


def _orders(turned: Array) -> list[str]:
    """For each bone the order of Euler angles that is furthest from gimbal lock in a motion (T, M, 4).

    Blender's Copy Rotation goes by way of Euler angles in single precision, which are worth little where two of three
    axes coincide: as an arm's do in T-pose, in the order that is the default. Of an order ABC that is where A's turned
    axis lies along C.
    """
    matrices = np.abs(to_matrices(turned)).max(axis=0)
    worst = np.stack([matrices[:, "XYZ".index(order[2]), "XYZ".index(order[0])] for order in _ORDERS])
    return [_ORDERS[number] for number in np.argmin(worst, axis=0)]
