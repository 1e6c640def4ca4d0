# SPDX-License-Identifier: GPL-3.0-or-later
"""A person's motion as one action, its curves written in bulk; the same code from Blender 4.2 to 5.2."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import bpy
import numpy as np
from numpy.typing import NDArray

from ..contract.quaternions import Array, continuous, multiply
from ..contract.skeleton import JOINT_NAMES
from ..contract.take import Person, Video
from ..motion.curves import before_gap, presence, scene_frames
from ..motion.rotations import axis_changes, bone_location
from .armature import bone_quaternions
from .ownership import actions_of, keep_in_mind, mark_made, sealing
from .removal import finished, mark_unfinished
from .steps import Steps

CONSTANT, LINEAR = 0, 1
"""Blender's numbers of the interpolations, as ``foreach_set`` takes them."""
CONFIDENCE, TRACKED = "confidence", "tracked"
"""Custom properties of the armature object: how sure the capture is, 0..1, and whether the person was seen at all."""
CONFIDENCE_PATH, _TRACKED_PATH = f'["{CONFIDENCE}"]', f'["{TRACKED}"]'
LOCATION_PATH = f'pose.bones["{JOINT_NAMES[0]}"].location'
_GROUP, _HOME, _SIZE, _OWN_SCALE = "Capture", "vibe_home", "vibe_size", "vibe_own_scale"
_SAME_SIZE = 1e-4
_CONFIDENCE_COLOUR = (0.95, 0.75, 0.1)


def animating(
    armature: bpy.types.Object, person: Person, video: Video, *, fps: float, start: float
) -> Steps[bpy.types.Action]:
    """The armature's new action; the arguments are those of ``making_action``."""
    action = yield from making_action(armature, person, video, fps=fps, start=start)
    give_motion(armature, action)
    return action


def making_action(
    armature: bpy.types.Object, person: Person, video: Video, *, fps: float, start: float
) -> Steps[bpy.types.Action]:
    """A new action with a key for every frame the person was seen in, for ``give_motion``.

    Between those frames nothing is made up: across a gap the last pose is held, and ``tracked`` is 0.

    Args:
        armature: from ``add_armature``; it stays as it is.
        person: the motion.
        video: the times of its frames.
        fps: frames per second of the scene.
        start: scene frame of the video's first captured frame.

    Raises:
        CaptureError: ``bone_missing``.
    """
    action = new_action(armature, armature.name)
    mark_unfinished(action)
    try:
        for curve in motion_curves(armature, person, video, fps=fps, start=start):
            dress(write_curve(action, *curve.target, curve.group, curve.frames, curve.values, curve.interpolation))
            yield
        yield from sealing(action)
    except BaseException:
        with contextlib.suppress(ReferenceError):  # somebody was faster
            bpy.data.actions.remove(action)
        raise
    return action


@dataclass(frozen=True)
class Curve:
    """What one curve of a motion is to be.

    Attributes:
        target: data path of the property, and index in it.
        group: name of the channel group.
        frames: (T,) scene frames.
        values: (T,).
        interpolation: (T,) ``CONSTANT`` or ``LINEAR``, as bytes.
    """

    target: tuple[str, int]
    group: str
    frames: Array
    values: Array
    interpolation: NDArray[np.uint8]


def motion_curves(
    armature: bpy.types.Object, person: Person, video: Video, *, fps: float, start: float
) -> Iterator[Curve]:
    """All curves of a person's motion, one by one; the arguments are those of ``making_action``.

    Raises:
        CaptureError: ``bone_missing``.
    """
    grid = scene_frames(video.times, fps, start)
    frames = grid[np.asarray(person.frames, int) - video.first_frame]
    bones = bone_quaternions(armature)
    left, right = axis_changes(bones)
    pelvis = armature.data.bones[JOINT_NAMES[0]]
    interpolation = np.where(before_gap(person.frames), CONSTANT, LINEAR).astype(np.uint8)
    root = np.array(person.root, float) / size_of(armature)
    if (home := home_of(armature)) is not None:
        way = root * (1.0, 1.0, 0.0)
        root = root - way
        places = home + way @ np.array(armature.matrix_basis.to_3x3()).T
        for axis in range(3):
            yield Curve(("location", axis), "Object Transforms", frames, places[:, axis], interpolation)
    location = bone_location(root, np.array(pelvis.head_local), bones[0])
    for joint, name in enumerate(JOINT_NAMES):
        rotations = continuous(multiply(multiply(left[joint], person.rotations[:, joint]), right[joint]))
        for axis in range(4):
            yield Curve((rotation_path(name), axis), name, frames, rotations[:, axis], interpolation)
    for axis in range(3):
        yield Curve((LOCATION_PATH, axis), JOINT_NAMES[0], frames, location[:, axis], interpolation)
    yield Curve((CONFIDENCE_PATH, 0), _GROUP, frames, np.asarray(person.confidence, float), interpolation)
    steps = presence(person.frames, video.first_frame, len(grid))
    seen = np.array([value for _, value in steps], float)
    constant = np.full(len(steps), CONSTANT, np.uint8)
    yield Curve((_TRACKED_PATH, 0), _GROUP, grid[[index for index, _ in steps]], seen, constant)


def home_of(armature: bpy.types.Object) -> Array | None:
    """Where an armature stood, (3,), that goes along the floor itself now; None where only its pelvis moves."""
    home = armature.get(_HOME)
    whole = getattr(home, "typecode", "") == "d" and len(home) == 3 and np.all(np.isfinite(home))
    return np.array(home) if whole else None


def fit_armature(armature: bpy.types.Object, person: Person, *, moves: bool) -> None:
    """Makes an armature as large as the person, before its curves are made.

    Args:
        armature: of this person.
        person: may be larger or smaller than what the armature was made for.
        moves: whether the way along the floor is the armature's own from now on, or its pelvis's.
    """
    home = home_of(armature)
    if moves and home is None:
        armature[_HOME] = [float(value) for value in armature.location]
    elif not moves and _HOME in armature:
        if home is not None:
            armature.location = home
        del armature[_HOME]
    bones = np.array([armature.data.bones[name].head_local for name in JOINT_NAMES], float)
    size = float(np.linalg.norm(person.rest_joints - person.rest_joints[0]) / np.linalg.norm(bones - bones[0]))
    size = 1.0 if abs(size - 1.0) < _SAME_SIZE else size
    if size != (before := size_of(armature)):
        own = _own_scale(armature, before)
        armature.scale = own * size
        armature[_SIZE], armature[_OWN_SCALE] = size, own.tolist()


def size_of(armature: bpy.types.Object) -> float:
    """How much larger the clean-up has made an armature."""
    size = armature.get(_SIZE)
    return size if isinstance(size, float) and 0 < size < np.inf else 1.0


def _own_scale(armature: bpy.types.Object, size: float) -> Array:
    """The scale (3,) the user has given an armature that the clean-up has made larger by ``size``.

    Blender rounds scales to single precision: divided by the size, one would come back as another.
    """
    shown, own = np.array(armature.scale), armature.get(_OWN_SCALE)
    if getattr(own, "typecode", "") == "d" and len(own) == 3:
        known = np.array(own)
        if np.array_equal((known * size).astype(np.float32), shown.astype(np.float32)):
            return known
    return shown / size  # the user has scaled it since


def give_motion(armature: bpy.types.Object, action: bpy.types.Action) -> list[bpy.types.Action]:
    """Lets the armature move as an action from ``making_action`` says; the actions in whose place that is."""
    # Tweaking a strip locks the action, and hides which one it is.
    armature.animation_data_create().use_tweak_mode = False
    before = actions_of(armature)
    for name in JOINT_NAMES:  # keys that were reduced to Euler angles leave the bones in their mode
        if name in armature.pose.bones and armature.pose.bones[name].rotation_mode != "QUATERNION":
            armature.pose.bones[name].rotation_mode = "QUATERNION"
    _add_property(armature, CONFIDENCE, 1.0, "How sure the capture is of this frame")
    _add_property(armature, TRACKED, 1, "The person was seen in this frame; the body is hidden where it is 0")
    assign_action(armature, action)
    keep_in_mind(armature, action)
    finished(action)
    return before


def hide_untracked(body: bpy.types.Object, armature: bpy.types.Object) -> None:
    """Hides the body, in views and renders, wherever the armature's ``tracked`` is 0."""
    for path in ("hide_viewport", "hide_render"):
        driver = body.driver_add(path).driver
        driver.type = "SCRIPTED"
        variable = driver.variables.new()
        variable.name = TRACKED
        variable.targets[0].id = armature
        variable.targets[0].data_path = _TRACKED_PATH
        driver.expression = f"1 - {TRACKED}"


def rotation_path(bone: str) -> str:
    """Data path of a bone's pose rotation."""
    return f'pose.bones["{bone}"].rotation_quaternion'


def new_action(owner: bpy.types.ID, name: str) -> bpy.types.Action:
    """A new, empty action for things of the owner's kind, not assigned yet."""
    action = bpy.data.actions.new(name)
    mark_made(action)
    if bpy.app.version >= (4, 4, 0):
        slot = action.slots.new(id_type=owner.id_type, name=owner.name)
        action.layers.new("Layer").strips.new(type="KEYFRAME").channelbag(slot, ensure=True)
    return action


def assign_action(owner: bpy.types.ID, action: bpy.types.Action | None) -> None:
    """Lets the owner move as the action says, or not at all.

    Args:
        owner: an armature object must have been through a view layer update.
        action: from ``new_action``.
    """
    animation = owner.animation_data_create()
    animation.action = action
    if action is not None and bpy.app.version >= (4, 4, 0):
        animation.action_slot = action.slots[0]


def curves_of(action: bpy.types.Action) -> Any:
    """What holds the ``fcurves`` and ``groups`` of an action with one owner, in any version of Blender."""
    return action if bpy.app.version < (4, 4, 0) else action.layers[0].strips[0].channelbags[0]


def assigned_curves(owner: bpy.types.ID) -> list[bpy.types.FCurve]:
    """The curves that move the owner now, whoever made its action; none where it has no action."""
    animation = owner.animation_data
    if animation is None or animation.action is None:
        return []
    action = animation.action
    if bpy.app.version < (4, 4, 0):
        return list(action.fcurves)
    if animation.action_slot is None:
        return []
    strips = [strip for layer in action.layers for strip in layer.strips if strip.type == "KEYFRAME"]
    bags = [strip.channelbag(animation.action_slot) for strip in strips]
    return [curve for bag in bags if bag is not None for curve in bag.fcurves]


def write_curve(
    action: bpy.types.Action,
    path: str,
    index: int,
    group: str,
    frames: NDArray,
    values: NDArray,
    interpolation: NDArray[np.uint8],
) -> bpy.types.FCurve:
    """Adds one curve with all its keys at once.

    Args:
        action: from ``new_action``.
        path: data path of the property.
        index: of the array property, 0 for a single value.
        group: name of the channel group.
        frames: (T,) scene frames.
        values: (T,).
        interpolation: (T,) ``CONSTANT`` or ``LINEAR``, as bytes: any other type takes Blender ten times as long.
    """
    keys = np.empty((len(frames), 2), np.float32)
    keys[:, 0], keys[:, 1] = frames, values
    curve = new_curve(action, path, index, group)
    curve.keyframe_points.add(len(keys))
    curve.keyframe_points.foreach_set("co", keys.ravel())
    curve.keyframe_points.foreach_set("interpolation", interpolation)
    curve.update()
    return curve


def new_curve(action: bpy.types.Action, path: str, index: int, group: str) -> bpy.types.FCurve:
    """A new curve without keys."""
    bag = curves_of(action)
    if bpy.app.version >= (5, 0, 0):
        return bag.fcurves.new(path, index=index, group_name=group)
    if bpy.app.version < (4, 4, 0):
        return bag.fcurves.new(path, index=index, action_group=group)
    curve = bag.fcurves.new(path, index=index)
    curve.group = bag.groups.get(group) or bag.groups.new(group)
    return curve


def dress(curve: bpy.types.FCurve) -> None:
    """Gives a new curve of ours its colour."""
    if curve.data_path == CONFIDENCE_PATH:
        curve.color_mode, curve.color = "CUSTOM", _CONFIDENCE_COLOUR


def _add_property(armature: bpy.types.Object, name: str, value: float, description: str) -> None:
    armature[name] = value
    armature.id_properties_ui(name).update(min=0, max=1, description=description)
