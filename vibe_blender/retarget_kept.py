# SPDX-License-Identifier: GPL-3.0-or-later
"""A retargeting's settings kept with its character, also where the add-on is not switched on: without a window."""

import contextlib
import math
from collections.abc import Iterator

import bpy

from .motion.mapping.text import to_json
from .motion.retargeting.bone_map import BoneMap
from .motion.retargeting.settings import NAMES, Retarget
from .retarget_properties import ANGLES, CLASSES, register_retargeting, unregister_retargeting


@contextlib.contextmanager
def retargeting_registered() -> Iterator[None]:
    """``object.vibe_retarget`` is there meanwhile, also where the add-on is not switched on."""
    if hasattr(bpy.types.Object, "vibe_retarget"):
        yield
        return
    for cls in CLASSES:
        bpy.utils.register_class(cls)
    register_retargeting()
    try:
        yield
    finally:
        unregister_retargeting()
        for cls in reversed(CLASSES):
            bpy.utils.unregister_class(cls)


def keep_retarget(
    target: bpy.types.Object, source: bpy.types.Object, bone_map: BoneMap, settings: Retarget, scene: bpy.types.Scene
) -> None:
    """Keeps with a character whose motion it has and how, for the panel to go on with.

    Args:
        target: the character's armature.
        source: whose motion.
        bone_map, settings: how.
        scene: in whose panel the character is to be.
    """
    group = target.vibe_retarget
    group.map_text = to_json(bone_map)
    group.source_from, group.source = "other", source
    for name in NAMES:
        value = getattr(settings, name)
        setattr(group, ANGLES.get(name, name), math.radians(value) if name in ANGLES else value)
    scene.vibe_retargeting.target = target
