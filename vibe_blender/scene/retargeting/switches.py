# SPDX-License-Identifier: GPL-3.0-or-later
"""The switches of a rig that say whether its limbs follow their FK or their IK controls."""

from __future__ import annotations

from collections.abc import Iterable

import bpy

from ...motion.retargeting.bone_map import BoneMap, Switch
from ...motion.retargeting.settings import Limbs


def set_switches(target: bpy.types.Object, bone_map: BoneMap, limbs: Limbs) -> list[tuple[Switch, float]]:
    """Lets the limbs follow the controls that are wanted; what was changed, each with its value before.

    Poles are switched on for IK, and left alone for FK, where they do not matter. What a rig lacks is left out.

    Args:
        target: the armature object.
        bone_map: of it.
        limbs: which controls.
    """
    switches = list(bone_map.switches)
    if limbs == "ik":
        switches += [limb.pole_switch for limb in bone_map.limbs if limb.pole_switch is not None]
    found = []
    for switch in switches:
        before = value_of(target, switch)
        if before is not None and before != (value := getattr(switch, limbs)):
            put(target, switch, value)
            found.append((switch, before))
    return found


def put_back(target: bpy.types.Object, switches: Iterable[tuple[Switch, float]]) -> None:
    """Gives switches the values they had before ``set_switches``; those that are gone are left out."""
    for switch, before in switches:
        if value_of(target, switch) is not None:
            put(target, switch, before)


def value_of(target: bpy.types.Object, switch: Switch) -> float | None:
    """What a switch says; None where the rig has none such."""
    bone = target.pose.bones.get(switch.bone)
    value = None if bone is None else bone.get(switch.name)
    return float(value) if isinstance(value, int | float) else None


def put(target: bpy.types.Object, switch: Switch, value: float) -> None:
    """Sets a switch that is there, and keeps its type: Blender would take another for another property."""
    bone = target.pose.bones[switch.bone]
    bone[switch.name] = type(bone[switch.name])(value)
    target.update_tag()  # a custom property alone does not let the rig's drivers run
