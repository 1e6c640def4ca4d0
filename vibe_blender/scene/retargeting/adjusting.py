# SPDX-License-Identifier: GPL-3.0-or-later
"""A rig shown in a pose for a while: the user turns its bones, and then it is as it was, to the bit."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import bpy
import numpy as np
from mathutils import Matrix, Quaternion

from ...contract.errors import CaptureError
from ...contract.quaternions import conjugate, multiply
from ...motion.retargeting.bone_map import BoneMap, Offset
from ...motion.retargeting.rig import BoneMotion
from .switches import set_switches

_CHANNELS = {"location": 3, "rotation_quaternion": 4, "rotation_euler": 3, "rotation_axis_angle": 4, "scale": 3}
_PASSES = 2
"""A control's parent may depend on the control: the second time it stands where it stays."""
_TURNED_RAD = 2e-4
"""Less than this is no turn of the user's, but what single precision leaves of none."""


@dataclass(frozen=True)
class Before:
    """What a rig was like before, to bring it back.

    Attributes:
        channels: by bone: its rotation mode, all its channels, and its custom properties that are numbers.
        slot: identifier of the slot of its action; empty where there was none, or in Blender 4.2.
        nla: whether its strips counted.
        mode: its object was in.
        bound: whether it followed a source.
        shown: by bone: its orientation (4,) in the pose it is shown in, armature frame.
    """

    channels: dict[str, dict[str, Any]]
    slot: str
    nla: bool
    mode: str
    bound: bool
    shown: dict[str, list[float]]

    def to_text(self) -> str:
        """For ``from_text``."""
        return json.dumps(vars(self))

    @classmethod
    def from_text(cls, text: str) -> Before:
        """What ``to_text`` wrote.

        Raises:
            CaptureError: ``bad_state`` where a file holds something else.
        """
        try:
            before = cls(**json.loads(text))
            whole = all(map(_is_whole, before.channels.values())) and all(map(_are_numbers, before.shown.values()))
            whole = whole and all(isinstance(word, str) for word in (before.slot, before.mode))
        except (AttributeError, KeyError, TypeError, ValueError, RecursionError):
            whole = False
        if not whole:
            raise CaptureError("bad_state", "The pose before the alignment cannot be read.", "Undo, or pose it anew.")
        return before


def check_free(target: bpy.types.Object, view_layer: bpy.types.ViewLayer) -> None:
    """Raises ``CaptureError`` where a rig cannot be posed: ``hidden``, ``tweaking`` or ``rest_position``."""
    if target.name not in view_layer.objects or not target.visible_get(view_layer=view_layer):
        raise CaptureError("hidden", f"{target.name} is hidden.", "Show it first.")
    if target.animation_data is not None and target.animation_data.use_tweak_mode:
        raise CaptureError(
            "tweaking", f"A strip of {target.name} is being edited.", "Leave Tweak Mode in the NLA (Tab)."
        )
    if target.data.pose_position == "REST":
        raise CaptureError(
            "rest_position", f"{target.name} shows its rest position.", "Choose Pose Position in its data's properties."
        )


def show_pose(
    target: bpy.types.Object,
    bone_map: BoneMap,
    motion: BoneMotion,
    view_layer: bpy.types.ViewLayer,
    *,
    bound: bool = False,
) -> tuple[Before, bpy.types.Action | None]:
    """Takes a rig's animation off and gives it a pose; what it was like before, and its action, for ``restore``.

    Args:
        target: ``check_free``.
        bone_map: of the target.
        motion: one frame.
        view_layer: that shows it.
        bound: to be remembered.
    """
    animation = target.animation_data
    channels = {bone.name: _read(bone) for bone in target.pose.bones}
    slot = getattr(animation, "action_slot", None) if animation is not None else None
    before = Before(
        channels,
        slot.identifier if slot is not None else "",
        animation.use_nla if animation is not None else True,
        target.mode,
        bound,
        {},
    )
    action = animation.action if animation is not None else None
    if animation is not None:
        animation.action, animation.use_nla = None, False
    set_switches(target, bone_map, "fk")
    view_layer.update()
    for _ in range(_PASSES):
        for row, name in enumerate(motion.bones):
            _turn(target.pose.bones[name], motion, row)
            view_layer.update()
    before.shown.update({name: _turned(target.pose.bones[name]) for name in motion.bones})
    return before, action


def turned_since(target: bpy.types.Object, before: Before, known: Iterable[Offset]) -> tuple[Offset, ...]:
    """The offsets that make the shown pose the one the user has turned it to.

    Args:
        target: as the user has left it.
        before: from ``show_pose``.
        known: the offsets it was shown with; of bones that were not shown they stay.
    """
    turns = {item.bone: np.array(item.turn) for item in known}
    for name, shown in before.shown.items():
        bone = target.pose.bones.get(name)
        if bone is None:
            continue
        more = multiply(conjugate(np.array(shown)), np.array(_turned(bone)))
        if 2.0 * float(np.linalg.norm(more[1:])) > _TURNED_RAD:  # a small angle, or large anyway
            turns[name] = multiply(turns.get(name, np.array([1.0, 0.0, 0.0, 0.0])), more)
    offsets = []
    for bone, turn in turns.items():
        w, x, y, z = (turn * np.copysign(1.0 / np.linalg.norm(turn), turn[0])).tolist()
        offsets.append(Offset(bone, (w, x, y, z)))
    return tuple(offsets)


def restore(target: bpy.types.Object, before: Before, action: bpy.types.Action | None) -> str:
    """Brings back pose and animation as they were; the name of an action that keys were put into meanwhile, or ''."""
    animation = target.animation_data
    keyed = animation.action if animation is not None else None
    if animation is not None:
        animation.action = None
    for name, channels in before.channels.items():
        bone = target.pose.bones.get(name)
        if bone is not None:
            _write(bone, channels)
    if animation is not None:
        animation.use_nla = before.nla
        if action is not None:
            animation.action = action
            slot = action.slots.get(before.slot) if before.slot else None
            if slot is not None:
                animation.action_slot = slot
    target.update_tag()
    return keyed.name if keyed is not None else ""


def _read(bone: bpy.types.PoseBone) -> dict[str, Any]:
    """The bone's channels and custom properties, as JSON has them."""
    properties = {key: bone[key] for key in bone.keys() if isinstance(bone[key], int | float)}  # noqa: SIM118
    return {
        "rotation_mode": bone.rotation_mode,
        **{channel: list(getattr(bone, channel)) for channel in _CHANNELS},
        "properties": properties,
    }


def _is_whole(kept: Mapping[str, Any]) -> bool:
    """Whether ``_write`` can make something of it."""
    modes = bpy.types.PoseBone.bl_rna.properties["rotation_mode"].enum_items
    numbers = all(_are_numbers(kept[channel], count) for channel, count in _CHANNELS.items())
    return numbers and kept["rotation_mode"] in modes and _are_numbers(list(kept["properties"].values()), None)


def _are_numbers(values: list[float], count: int | None = 4) -> bool:
    return (count is None or len(values) == count) and all(
        isinstance(value, int | float) and math.isfinite(value) for value in values
    )


def _write(bone: bpy.types.PoseBone, channels: Mapping[str, Any]) -> None:
    if bone.rotation_mode != channels["rotation_mode"]:
        bone.rotation_mode = channels["rotation_mode"]
    for channel in _CHANNELS:
        setattr(bone, channel, channels[channel])
    for key, value in channels["properties"].items():
        if key in bone and bone[key] != value:
            bone[key] = value


def _turn(bone: bpy.types.PoseBone, motion: BoneMotion, row: int) -> None:
    """Gives a bone its orientation, and its place where that counts; its scale, and else its location, stay."""
    location, scale = bone.location.copy(), bone.scale.copy()
    moves = bone.name in motion.moved
    place = motion.heads[0, motion.moved.index(bone.name)] if moves else bone.matrix.translation
    bone.matrix = Matrix.LocRotScale(place, Quaternion(motion.turned[0, row]), bone.matrix.to_scale())
    bone.scale = scale
    if not moves:
        bone.location = location


def _turned(bone: bpy.types.PoseBone) -> list[float]:
    """Its orientation (4,), armature frame."""
    return [float(value) for value in bone.matrix.to_quaternion()]
