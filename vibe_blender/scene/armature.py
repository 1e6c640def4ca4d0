# SPDX-License-Identifier: GPL-3.0-or-later
"""A person's skeleton as an armature: 24 bones with SMPL's joint names, standing in T-pose at the world's origin.

Bones point from their joint to the next one down the limb, so they can be posed, mirrored and retargeted like any
other rig. Every bone's z axis looks forward, the feet's up: knees and elbows bend about x, and left and right mirror.
The armature object stays at the origin; the path through the world is the location of the pelvis bone.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import bpy
import numpy as np

from ..contract.errors import CaptureError
from ..contract.quaternions import Array, from_matrices
from ..contract.skeleton import JOINT_NAMES, PARENTS
from .passing import editing, passing_scene

_FORWARD = (0.0, -1.0, 0.0)
_UP = (0.0, 0.0, 1.0)
_NEXT = {"pelvis": "spine1", "spine1": "spine2", "spine2": "spine3", "spine3": "neck", "neck": "head"} | {
    f"{side}_{joint}": f"{side}_{following}"
    for side in ("left", "right")
    for joint, following in (
        ("hip", "knee"), ("knee", "ankle"), ("ankle", "foot"),
        ("collar", "shoulder"), ("shoulder", "elbow"), ("elbow", "wrist"), ("wrist", "hand"),
    )
}  # fmt: skip
"""The joint each bone points to."""
_TOE_LENGTH = 0.5
"""Of the distance from ankle to ball."""


def add_armature(name: str, heads: Array, crown: float, collection: bpy.types.Collection) -> bpy.types.Object:
    """A new armature object at rest.

    Args:
        name: of the object and its data.
        heads: (24, 3) metres, world, where the joints rest.
        crown: metres, world, height of the top of the head.
        collection: receives the object; it need not be in a scene.
    """
    data = bpy.data.armatures.new(name)
    armature = bpy.data.objects.new(name, data)
    collection.objects.link(armature)
    armature.show_in_front = True
    data.display_type = "STICK"
    tails = bone_tails(heads, crown)
    with edit_bones(armature) as bones:
        for joint, joint_name in enumerate(JOINT_NAMES):
            bone = bones.new(joint_name)
            bone.head, bone.tail = heads[joint], tails[joint]
            bone.align_roll(_UP if joint_name.endswith(("ankle", "foot")) else _FORWARD)
            if joint > 0:
                bone.parent = bones[JOINT_NAMES[PARENTS[joint]]]
                bone.use_connect = _NEXT.get(bone.parent.name) == joint_name
    for bone in armature.pose.bones:
        bone.rotation_mode = "QUATERNION"
    return armature


def bone_tails(heads: Array, crown: float) -> Array:
    """Where the bones end, (24, 3) metres, world: at the next joint, or as far as the body part reaches.

    Args:
        heads: (24, 3) metres, world.
        crown: metres, world, height of the top of the head.
    """
    heads = np.asarray(heads, float)
    place = dict(zip(JOINT_NAMES, heads, strict=True))
    tails = heads.copy()
    for joint, name in enumerate(JOINT_NAMES):
        parent = heads[PARENTS[joint]]
        if name in _NEXT:
            tails[joint] = place[_NEXT[name]]
        elif name == "head":
            tails[joint] = (heads[joint][0], heads[joint][1], crown)
        elif name.endswith("hand"):
            tails[joint] += heads[joint] - parent
        else:
            tails[joint] += _TOE_LENGTH * (heads[joint] - parent) * (1.0, 1.0, 0.0)
    return tails


def bone_quaternions(armature: bpy.types.Object) -> Array:
    """Rest axes of the bones to the armature, (24, 4) unit quaternions in SMPL joint order.

    Raises:
        CaptureError: ``bone_missing``.
    """
    bones = armature.data.bones
    missing = [name for name in JOINT_NAMES if name not in bones]
    if missing:
        raise CaptureError(
            "bone_missing",
            f"{armature.name} has no bone called {missing[0]} any more.",
            "Undo its removal or renaming, or open the take again.",
        )
    return from_matrices(np.array([bones[name].matrix_local.to_3x3() for name in JOINT_NAMES], float))


@contextmanager
def edit_bones(armature: bpy.types.Object) -> Iterator[bpy.types.ArmatureEditBones]:
    """The armature's bones in edit mode, in a passing scene: the user's mode, selection and active object stay."""
    with passing_scene() as scene:
        scene.collection.objects.link(armature)
        with editing(scene, armature) as bones:
            yield bones
