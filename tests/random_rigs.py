# SPDX-License-Identifier: MIT
"""Rigs made of chance, with every way in which a bone can hang on another, and motions of them."""

from __future__ import annotations

from typing import Any

import numpy as np

from tests.characters_blender import build_bones, editing
from vibe_blender.contract.quaternions import Array, continuous, from_axis_angles, from_matrices
from vibe_blender.motion.retargeting.rig import Rig

MODES = ("QUATERNION", "XYZ", "XZY", "YXZ", "YZX", "ZXY", "ZYX", "AXIS_ANGLE")


def random_rig(seed: int = 0, count: int = 10) -> Rig:
    """Bones whose parents, places, axes and kinds of inheritance are random."""
    random = np.random.default_rng(seed)
    axes = np.linalg.qr(random.normal(size=(count, 3, 3)))[0]
    axes *= np.linalg.det(axes)[:, None, None]
    heads = random.normal(size=(count, 3))
    return Rig(
        names=tuple(f'bone "{number}" é' for number in range(count)),
        parents=np.array([-1, -1, *(random.integers(0, number) for number in range(2, count))]),
        heads=heads,
        tails=heads + axes[:, :, 1] * random.uniform(0.2, 0.6, (count, 1)),
        axes=from_matrices(axes),
        inherits=random.uniform(size=count) < 0.7,
        local=random.uniform(size=count) < 0.7,
    )


def add_rig(rig: Rig, collection: Any, name: str = "rig") -> Any:
    """An armature object with these bones, whose rotation modes are all there are, in turn."""
    import bpy

    armature = bpy.data.objects.new(name, bpy.data.armatures.new(name))
    collection.objects.link(armature)
    build_bones(armature, rig)
    for number, bone in enumerate(armature.pose.bones):
        bone.rotation_mode = MODES[number % len(MODES)]
    return armature


def connect(armature: Any, name: str) -> None:
    """Moves a bone to its parent's tail, and connects it."""
    with editing(armature) as bones:
        bones[name].use_connect = True


def random_turns(count: int, bones: int, seed: int = 1, size: float = 1.5) -> Array:
    """Smooth rotations (count, bones, 4), up to about ``size`` radians."""
    random = np.random.default_rng(seed)
    phase = np.linspace(0, 4, count)[:, None, None] + random.uniform(0, 6, (1, bones, 3))
    return continuous(from_axis_angles(size * np.sin(phase) * random.uniform(0.3, 1.0, (1, bones, 3))))
