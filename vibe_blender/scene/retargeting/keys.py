# SPDX-License-Identifier: GPL-3.0-or-later
"""A motion as keys on another rig: its bones' own rotation modes, its locks, and its other animation are kept."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

import bpy
import numpy as np

from ...contract.errors import CaptureError
from ...contract.quaternions import Array, conjugate, continuous, multiply
from ...motion.eulers import quaternions_to_angles
from ...motion.retargeting.rig import Pose
from ...motion.retargeting.settings import Retarget
from ..animation import CONSTANT, LINEAR, Curve, assign_action, assigned_curves, new_action
from ..ownership import protect, seal
from ..rewriting import rewrite
from .curve_values import rotation_channel
from .rigs import is_at_rest, moved_otherwise, path_of, with_ancestors

_OF = "vibe_retargeted"
"""Custom property of an action: the name it was asked for by, whatever Blender or the user has called it since."""
_BLENDS = {"nla": "REPLACE", "additive": "COMBINE"}
_SMALL = 1e-9


def write_motion(
    target: bpy.types.Object,
    name: str,
    frames: Array,
    bones: Sequence[str],
    pose: Pose,
    moved: Collection[str],
    settings: Retarget,
    switched: Sequence[Curve] = (),
) -> bpy.types.Action:
    """The action that moves an armature so, in the place that the settings say.

    The one that an earlier call has made by that name is given other keys where nobody has worked on it; otherwise a
    new one is made. An action in whose place it comes is kept.

    Args:
        target: the armature object; it must have been through a view layer update.
        name: of the action.
        frames: (T,) scene frames.
        bones: that get keys, M of them.
        pose: (T, M, ...) their channels.
        moved: those that get keys of their location too.
        settings: ``result`` says where the action goes; what is added to other animation is how the pose has changed
            since its first frame.
        switched: curves of the rig's switches that the motion depends on.

    Raises:
        CaptureError: ``all_locked`` where every channel is, and what ``check_layers`` raises.
    """
    check_layers(target, settings)
    curves = list(pose_curves(target, frames, bones, pose, moved, added=settings.result == "additive"))
    if not curves:
        raise CaptureError(
            "all_locked", f"All channels of the mapped bones of {target.name} are locked.", "Unlock some of them."
        )
    curves += switched
    if settings.result == "action":
        curves += _carrier_curves(target, bones, float(frames[0]))
    animation = target.animation_data_create()
    animation.use_tweak_mode = False  # tweaking a strip locks the action, and hides which one it is
    earlier = _earlier(target, name)
    action = next((found for found in earlier if rewrite(found, curves)), None)
    if action is None:
        action = new_action(target, name)
        action[_OF] = name
        seal(action, ())
        rewrite(action, curves)
    _put_to_use(target, action, settings, (float(frames[0]), float(frames[-1])))
    for other in earlier:
        if other != action and settings.result == "additive":
            _silence(target, other)
    return action


def check_layers(target: bpy.types.Object, settings: Retarget) -> None:
    """Raises where a strip would not be heard.

    Raises:
        CaptureError: ``nla_off``, ``nla_solo``.
    """
    animation = target.animation_data
    if settings.result == "action" or animation is None:
        return
    if not animation.use_nla:
        raise CaptureError(
            "nla_off", f"{target.name} does not play its NLA strips.", "Switch them on in the NLA editor's list."
        )
    if any(track.is_solo for track in animation.nla_tracks):
        raise CaptureError(
            "nla_solo", f"One NLA track of {target.name} plays solo.", "Take the star off it in the NLA editor."
        )


def _carrier_curves(target: bpy.types.Object, bones: Sequence[str], frame: float) -> Iterator[Curve]:
    """A key for each channel of the bones that carry others and get no motion: the pose that it was solved over.

    Without it the action would look different wherever another one has left them.
    """
    moved = {curve.data_path for curve in assigned_curves(target)}
    free = with_ancestors(target, bones) - set(bones) - moved_otherwise(target)
    one, still = np.array([frame]), np.full(1, CONSTANT, np.uint8)
    for bone in (bone for bone in target.pose.bones if bone.name in free):
        turning = rotation_channel(bone.rotation_mode)
        paths = {channel: path_of(bone.name, channel) for channel in ("location", turning, "scale")}
        if is_at_rest(bone) and not moved & set(paths.values()):
            continue
        for channel, path in paths.items():
            for index, value in enumerate(getattr(bone, channel)):
                yield Curve((path, index), bone.name, one, np.array([value]), still)


def _since_first(values: Array, mode: str) -> Array:
    """What channels (T, ...) of a rotation mode are to be in a layer that adds how they change since the first frame.

    Blender combines quaternions as ``below * added``, and adds all else; so over the first frame's own pose the layer
    comes to the motion itself, and over any other pose it moves that.
    """
    if mode == "QUATERNION":
        return continuous(multiply(conjugate(values[:1]), values))
    return values - values[:1]


def pose_curves(
    target: bpy.types.Object,
    frames: Array,
    bones: Sequence[str],
    pose: Pose,
    moved: Collection[str],
    *,
    added: bool = False,
) -> Iterator[Curve]:
    """The curves of a motion, without those of locked channels; the arguments are those of ``write_motion``.

    With ``added``, how it changes since its first frame.
    """
    straight = np.full(len(frames), LINEAR, np.uint8)
    for row, name in enumerate(bones):
        bone = target.pose.bones[name]
        path = path_of(name, rotation_channel(bone.rotation_mode))
        values, places = channels(pose.rotations[:, row], bone.rotation_mode), pose.locations[:, row]
        if added:
            values, places = _since_first(values, bone.rotation_mode), places - places[:1]
        for index in _free_turns(bone):
            yield Curve((path, index), name, frames, values[:, index], straight)
        if name in moved and not is_held(bone):
            for index in (axis for axis in range(3) if not bone.lock_location[axis]):
                yield Curve((path_of(name, "location"), index), name, frames, places[:, index], straight)


def is_held(bone: bpy.types.PoseBone) -> bool:
    """Whether a bone hangs on its parent's tail, and heeds no location."""
    return bone.parent is not None and bone.bone.use_connect


def locked(target: bpy.types.Object, bones: Sequence[str], moved: Collection[str]) -> list[str]:
    """The bones that cannot be given all that a motion has for them."""
    return [
        name
        for name in bones
        if (bone := target.pose.bones[name])
        and (
            len(_free_turns(bone)) < (3 if bone.rotation_mode not in ("QUATERNION", "AXIS_ANGLE") else 4)
            or (name in moved and (is_held(bone) or any(bone.lock_location)))
        )
    ]


def channels(turned: Array, mode: str) -> Array:
    """What the channels of a rotation mode are, (T, 3 or 4), for unit quaternions (T, 4); without jumps."""
    turned = continuous(turned)
    if mode == "QUATERNION":
        return -turned if turned[0, 0] < 0 else turned
    if mode == "AXIS_ANGLE":
        return _axis_angles(turned)
    return quaternions_to_angles(turned, mode)


def _axis_angles(turned: Array) -> Array:
    """Angle and axis (T, 4) of sign-continuous unit quaternions (T, 4).

    Where nothing turns any axis will do: it stays what it was. Where it would flip, the angle goes on below zero.
    """
    sine = np.linalg.norm(turned[:, 1:], axis=-1)
    known = np.flatnonzero(sine > _SMALL)
    if not len(known):
        return np.tile([0.0, 0.0, 1.0, 0.0], (len(turned), 1))
    nearest = known[np.clip(np.searchsorted(known, np.arange(len(turned)), side="right") - 1, 0, None)]
    axes = turned[nearest, 1:] / sine[nearest, None]
    flips = np.sum(axes[1:] * axes[:-1], axis=-1) < 0
    signs = np.where(np.append(0, np.cumsum(flips)) % 2 == 1, -1.0, 1.0)
    angles = np.unwrap(signs * 2.0 * np.arctan2(sine, turned[:, 0]))
    angles -= 2.0 * np.pi * np.round(angles[0] / (2.0 * np.pi))
    return np.column_stack([angles, axes * signs[:, None]])


def _free_turns(bone: bpy.types.PoseBone) -> list[int]:
    """The channels of its rotation mode that are not locked."""
    axes = list(bone.lock_rotation)
    if bone.rotation_mode not in ("QUATERNION", "AXIS_ANGLE"):
        return [axis for axis in range(3) if not axes[axis]]
    shut = [all(axes) or (bone.lock_rotations_4d and bone.lock_rotation_w), *axes]
    return [index for index in range(4) if not shut[index]]


def _earlier(target: bpy.types.Object, name: str) -> list[bpy.types.Action]:
    """The actions of that name that were made here for this armature and move it and nothing else now."""
    animation = target.animation_data
    used = [animation.action, *(strip.action for track in animation.nla_tracks for strip in track.strips)]
    return [
        action
        for action in dict.fromkeys(used)
        if action is not None
        and action.get(_OF) == name
        and action.users - action.use_fake_user == 1
        and action.library is None
    ]


def _put_to_use(
    target: bpy.types.Object, action: bpy.types.Action, settings: Retarget, span: tuple[float, float]
) -> None:
    """Lets an action move the armature in the place that the settings say."""
    animation = target.animation_data
    if settings.result == "action":
        _take_off(animation, action)
        if animation.action != action:
            if animation.action is not None:
                protect(animation.action)
            assign_action(target, action)
        return
    blend = _BLENDS[settings.result]
    strip = _strip_of(animation, action)
    if strip is not None and strip.blend_type != blend:
        _take_off(animation, action)
        strip = None
    if strip is None:
        if animation.action == action:
            animation.action = None
        elif assigned_curves(target):
            _push_down(target)
        strip = _add_strip(animation, action, span)
        strip.blend_type, strip.extrapolation = blend, "NOTHING"
    elif strip.frame_start == strip.action_frame_start and strip.frame_end == strip.action_frame_end:
        _stretch(strip, span)
    else:  # the user has put it elsewhere
        strip.action_frame_start, strip.action_frame_end = span


def _push_down(target: bpy.types.Object) -> None:
    """Makes a strip of the armature's action, as Blender's Push Down does: above all others, and as it was blended.

    Where there were no tracks, Blender has not heeded how it is to be blended; then nothing of that is taken over.
    """
    animation = target.animation_data
    action = animation.action
    slot = animation.action_slot if bpy.app.version >= (4, 4, 0) else None
    blend, influence, beyond = "REPLACE", 1.0, "HOLD"
    if animation.nla_tracks:
        blend, influence = animation.action_blend_type, animation.action_influence
        beyond = animation.action_extrapolation
    animation.action = None
    strip = _add_strip(animation, action, tuple(action.frame_range), slot)
    strip.blend_type, strip.extrapolation = blend, beyond
    if influence < 1.0:
        strip.influence = influence  # first: the key that the next line sets takes it over
        strip.use_animated_influence = True


def _add_strip(
    animation: bpy.types.AnimData,
    action: bpy.types.Action,
    span: tuple[float, float],
    slot: bpy.types.ID | None = None,
) -> bpy.types.NlaStrip:
    """A strip of an action on a new track above all others."""
    track = animation.nla_tracks.new()
    track.name = action.name
    strip = track.strips.new(action.name, int(np.floor(span[0])), action)
    if bpy.app.version >= (4, 4, 0):
        strip.action_slot = slot or action.slots[0]
    _stretch(strip, span)
    return strip


def _stretch(strip: bpy.types.NlaStrip, span: tuple[float, float]) -> None:
    """Lets a strip play its action from one frame to another, unmoved."""
    start, end = span[0], max(span[1], span[0] + 1.0)
    strip.action_frame_start, strip.action_frame_end = start, end
    strip.frame_start_raw, strip.frame_end_raw = start, end


def _strip_of(animation: bpy.types.AnimData, action: bpy.types.Action) -> bpy.types.NlaStrip | None:
    return next((strip for track in animation.nla_tracks for strip in track.strips if strip.action == action), None)


def _take_off(animation: bpy.types.AnimData, action: bpy.types.Action) -> None:
    """Removes the strips of an action of ours, and the tracks that were there for them."""
    for track in list(animation.nla_tracks):
        for strip in [strip for strip in track.strips if strip.action == action]:
            track.strips.remove(strip)
            if not track.strips:
                animation.nla_tracks.remove(track)
                break


def _silence(target: bpy.types.Object, action: bpy.types.Action) -> None:
    """Mutes the strips of an action of ours that another one was made in place of: both would add up."""
    for track in target.animation_data.nla_tracks:
        for strip in track.strips:
            if strip.action == action:
                strip.mute = True
