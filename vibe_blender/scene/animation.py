# SPDX-License-Identifier: GPL-3.0-or-later
"""A person's motion as one action, its curves written in bulk; the same code from Blender 4.2 to 5.2."""

from __future__ import annotations

from typing import Any

import bpy
import numpy as np
from numpy.typing import NDArray

from ..contract.quaternions import continuous
from ..contract.skeleton import JOINT_NAMES
from ..contract.take import Person, Video
from ..motion.curves import before_gap, presence, scene_frames
from ..motion.rotations import bone_location, bone_rotations
from .armature import bone_quaternions

CONSTANT, LINEAR = 0, 1
"""Blender's numbers of the interpolations, as ``foreach_set`` takes them."""
CONFIDENCE, TRACKED = "confidence", "tracked"
"""Custom properties of the armature object: how sure the capture is, 0..1, and whether the person was seen at all."""


def animate(
    armature: bpy.types.Object, body: bpy.types.Object, person: Person, video: Video, *, fps: float, start: float
) -> bpy.types.Action:
    """A new action with a key for every frame the person was seen in.

    Between those frames nothing is made up: across a gap the last pose is held, and the body is hidden while
    ``tracked`` is 0.

    Args:
        armature: from ``add_armature``.
        body: from ``add_body``.
        person: the motion.
        video: the times of its frames.
        fps: frames per second of the scene.
        start: scene frame of the video's first captured frame.
    """
    grid = scene_frames(video.times, fps, start)
    frames = grid[np.asarray(person.frames, int) - video.first_frame]
    bones = bone_quaternions(armature)
    rotations = continuous(bone_rotations(person.rotations, bones))
    pelvis = armature.data.bones[JOINT_NAMES[0]]
    location = bone_location(person.root, np.array(pelvis.head_local), bones[0])
    interpolation = np.where(before_gap(person.frames), CONSTANT, LINEAR).astype(np.uint8)

    action, bag = new_action(armature, armature.name)
    for joint, name in enumerate(JOINT_NAMES):
        path = f'pose.bones["{name}"].rotation_quaternion'
        for axis in range(4):
            write_curve(bag, path, axis, name, frames, rotations[:, joint, axis], interpolation)
    for axis in range(3):
        path = f'pose.bones["{pelvis.name}"].location'
        write_curve(bag, path, axis, pelvis.name, frames, location[:, axis], interpolation)
    _add_property(armature, CONFIDENCE, 1.0, "How sure the capture is of this frame")
    write_curve(bag, f'["{CONFIDENCE}"]', 0, "Capture", frames, person.confidence, interpolation)

    steps = presence(person.frames, video.first_frame, len(grid))
    seen = np.array([value for _, value in steps], float)
    _add_property(armature, TRACKED, 1, "The person was seen in this frame; the body is hidden where it is 0")
    constant = np.full(len(steps), CONSTANT, np.uint8)
    write_curve(bag, f'["{TRACKED}"]', 0, "Capture", grid[[index for index, _ in steps]], seen, constant)
    for path in ("hide_viewport", "hide_render"):
        _hide_untracked(body, path, armature)
    return action


def new_action(owner: bpy.types.ID, name: str) -> tuple[bpy.types.Action, Any]:
    """A new action assigned to ``owner``, and what holds its ``fcurves`` and ``groups``.

    Args:
        owner: an object or other datablock; an armature object must have been through a view layer update.
        name: of the action.
    """
    action = bpy.data.actions.new(name)
    animation = owner.animation_data_create()
    animation.action = action
    if bpy.app.version < (4, 4, 0):
        return action, action
    slot = action.slots.new(id_type=owner.id_type, name=owner.name)
    animation.action_slot = slot
    strip = action.layers.new("Layer").strips.new(type="KEYFRAME")
    return action, strip.channelbag(slot, ensure=True)


def write_curve(
    bag: Any, path: str, index: int, group: str, frames: NDArray, values: NDArray, interpolation: NDArray[np.uint8]
) -> None:
    """Adds one curve with all its keys at once.

    Args:
        bag: from ``new_action``.
        path: data path of the property.
        index: of the array property, 0 for a single value.
        group: name of the channel group.
        frames: (T,) scene frames.
        values: (T,).
        interpolation: (T,) ``CONSTANT`` or ``LINEAR``, as bytes: any other type takes Blender ten times as long.
    """
    keys = np.empty((len(frames), 2), np.float32)
    keys[:, 0], keys[:, 1] = frames, values
    curve = _new_curve(bag, path, index, group)
    curve.keyframe_points.add(len(keys))
    curve.keyframe_points.foreach_set("co", keys.ravel())
    curve.keyframe_points.foreach_set("interpolation", interpolation)
    curve.update()


def _new_curve(bag: Any, path: str, index: int, group: str) -> bpy.types.FCurve:
    if bpy.app.version >= (5, 0, 0):
        return bag.fcurves.new(path, index=index, group_name=group)
    if bpy.app.version < (4, 4, 0):
        return bag.fcurves.new(path, index=index, action_group=group)
    curve = bag.fcurves.new(path, index=index)
    curve.group = bag.groups.get(group) or bag.groups.new(group)
    return curve


def _add_property(armature: bpy.types.Object, name: str, value: float, description: str) -> None:
    armature[name] = value
    armature.id_properties_ui(name).update(min=0, max=1, description=description)


def _hide_untracked(body: bpy.types.Object, path: str, armature: bpy.types.Object) -> None:
    driver = body.driver_add(path).driver
    driver.type = "SCRIPTED"
    variable = driver.variables.new()
    variable.name = TRACKED
    variable.targets[0].id = armature
    variable.targets[0].data_path = f'["{TRACKED}"]'
    driver.expression = f"1 - {TRACKED}"
