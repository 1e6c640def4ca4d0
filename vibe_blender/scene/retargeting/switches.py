# SPDX-License-Identifier: GPL-3.0-or-later
"""The switches of a rig that say whether its limbs follow their FK or their IK controls."""

from __future__ import annotations

from collections.abc import Iterable

import bpy
import numpy as np

from ...motion.retargeting.bone_map import BoneMap, Switch
from ...motion.retargeting.settings import Limbs, Retarget
from ..animation import CONSTANT, Curve, assigned_curves

_HELD = "vibe_held"
"""A variable by which drivers of ours are known."""


def set_switches(target: bpy.types.Object, bone_map: BoneMap, limbs: Limbs) -> list[tuple[Switch, float]]:
    """Lets the limbs follow the controls that are wanted; what was changed, each with its value before.

    Poles are switched on for IK, and left alone for FK, where they do not matter. What a rig lacks is left out.

    Args:
        target: the armature object.
        bone_map: of it.
        limbs: which controls.
    """
    found = []
    for switch in _heeded(bone_map, limbs):
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


def in_ik(armature: bpy.types.Object, bone_map: BoneMap) -> list[str]:
    """The bones with switches that let limbs follow their IK controls, now or by a key of the armature's animation."""
    keyed: dict[str, list[float]] = {}
    for curve in assigned_curves(armature):
        keyed.setdefault(curve.data_path, []).extend(point.co[1] for point in curve.keyframe_points)
    found = []
    for switch in bone_map.switches:
        now = value_of(armature, switch)
        values = keyed.get(_path(switch)) or ([] if now is None else [now])
        if any(abs(value - switch.ik) < abs(value - switch.fk) for value in values):
            found.append(switch.bone)
    return found


def hold_switches(target: bpy.types.Object, bone_map: BoneMap, limbs: Limbs) -> None:
    """Keeps switches where ``set_switches`` puts them though the rig's animation has keys for them: by a driver.

    Those that the rig drives itself are left alone.
    """
    animation = target.animation_data
    if animation is None:
        return
    driven = {driver.data_path for driver in animation.drivers}
    keyed = {curve.data_path for curve in assigned_curves(target)}
    layered = any(track.strips for track in animation.nla_tracks)
    for switch in _heeded(bone_map, limbs):
        path = _path(switch)
        if value_of(target, switch) is not None and path not in driven and (layered or path in keyed):
            driver = target.driver_add(path).driver
            driver.type, driver.expression = "SCRIPTED", f"{getattr(switch, limbs):g}"
            mark = driver.variables.new()
            mark.name = _HELD
            mark.targets[0].id, mark.targets[0].data_path = target, "pass_index"


def loose_switches(target: bpy.types.Object) -> None:
    """Leaves switches to the rig's own animation again."""
    drivers = target.animation_data.drivers if target.animation_data else ()
    for curve in [curve for curve in drivers if _HELD in curve.driver.variables]:
        target.animation_data.drivers.remove(curve)


def switch_curves(target: bpy.types.Object, bone_map: BoneMap, settings: Retarget, frame: float) -> list[Curve]:
    """A key for each switch, by which an action brings along what it depends on, whatever other actions say.

    In an additive layer it is what has to be added so that whatever lies below comes to the wanted side; Blender keeps
    the sum within the property's limits. Switches that the rig drives itself get none.

    Args:
        target: the armature object.
        bone_map: of it.
        settings: which controls, and what kind of layer.
        frame: of the keys.
    """
    found = {}
    driven = {driver.data_path for driver in (target.animation_data.drivers if target.animation_data else ())}
    for switch in _heeded(bone_map, settings.limbs):
        path = _path(switch)
        if value_of(target, switch) is None or path in driven:
            continue
        value = getattr(switch, settings.limbs)
        if settings.result == "additive":
            unset = target.pose.bones[switch.bone].id_properties_ui(switch.name).as_dict().get("default", 0.0)
            value = float(unset) + 2.0 * value - switch.fk - switch.ik
        found[path] = Curve(
            (path, 0), switch.bone, np.array([frame]), np.array([float(value)]), np.array([CONSTANT], np.uint8)
        )
    return list(found.values())


def value_of(target: bpy.types.Object, switch: Switch) -> float | None:
    """What a switch says; None where the rig has none such."""
    bone = target.pose.bones.get(switch.bone)
    value = None if bone is None else bone.get(switch.name)
    return float(value) if isinstance(value, int | float) else None


def _heeded(bone_map: BoneMap, limbs: Limbs) -> list[Switch]:
    """The switches that matter where limbs follow such controls."""
    poles = [limb.pole_switch for limb in bone_map.limbs if limb.pole_switch is not None]
    return [*bone_map.switches, *(poles if limbs == "ik" else ())]


def _path(switch: Switch) -> str:
    bone, name = map(bpy.utils.escape_identifier, (switch.bone, switch.name))
    return f'pose.bones["{bone}"]["{name}"]'


def put(target: bpy.types.Object, switch: Switch, value: float) -> None:
    """Sets a switch that is there, and keeps its type: Blender would take another for another property."""
    bone = target.pose.bones[switch.bone]
    bone[switch.name] = type(bone[switch.name])(value)
    target.update_tag()  # a custom property alone does not let the rig's drivers run
