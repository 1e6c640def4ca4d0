# SPDX-License-Identifier: GPL-3.0-or-later
"""A take's action with few keys, as another action to be edited by hand; the take's own stays as it is."""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from dataclasses import dataclass, replace

import bpy
import numpy as np
from numpy.typing import NDArray

from ..contract.errors import CaptureError
from ..contract.quaternions import Array, conjugate, continuous, rotate
from ..contract.skeleton import JOINT_NAMES
from ..motion.eulers import best_order, quaternions_to_angles
from ..motion.keys import Bounds, KeyedTrack, Skeleton, Track, reduce_keys
from ..motion.rotations import axis_changes
from .animation import (
    CONSTANT,
    LOCATION_PATH,
    assign_action,
    curves_of,
    dress,
    new_action,
    new_curve,
    rotation_path,
    size_of,
    write_curve,
)
from .armature import bone_quaternions
from .ownership import APART, Keys, keep_own, own_action, protect, untouched
from .steps import run_through

_BEZIER, _LINEAR, _ALIGNED = 2, 1, 3
"""Blender's numbers of interpolations and of handle types."""
_MODES = ("QUATERNION", "XYZ", "XZY", "YXZ", "YZX", "ZXY", "ZYX")
"""Rotation modes by the numbers that curves know them by."""
_FEW = "vibe_few_keys"
"""Custom property: a checksum of the keys and handles of a reduced action as it was made."""
_WAY, _LEG = "location", ("hip", "knee", "ankle", "foot")


@dataclass(frozen=True)
class Reduced:
    """What became of an action.

    Attributes:
        action: the new one.
        before, after: how many keys move the body.
        kept: the name of the action that moved the armature before, where somebody has worked on it; else empty.
    """

    action: bpy.types.Action
    before: int
    after: int
    kept: str


def reduce_action(armature: bpy.types.Object, bounds: Bounds, *, euler: bool = False) -> Reduced:
    """Moves the armature by a new action with few keys.

    Args:
        armature: of a take.
        bounds: how exact.
        euler: Euler angles instead of quaternions, each bone in the order that suits its motion.

    Raises:
        CaptureError: ``no_motion`` where the take's own action is not there as it was made, ``one_frame`` where that
            is a single pose, ``bone_missing``.
    """
    curves = _own_curves(armature)
    motion = _Motion.read(armature, curves, euler=euler)
    left, right = axis_changes(bone_quaternions(armature))
    keyed, root = reduce_keys(
        motion.frames,
        motion.joints,
        Track(motion.place + motion.ground),
        Skeleton(conjugate(left), conjugate(right), _rest(armature)),
        _needed(motion.frames, motion.held, curves.values()),
        replace(bounds, millimetres=bounds.millimetres / size_of(armature)),
    )
    action = new_action(armature, f"{armature.name} keys")
    writer = _Writer(action, motion.frames, motion.held, bounds.smooth)
    for name, track, found in zip(JOINT_NAMES, motion.joints, keyed, strict=True):
        path = f'pose.bones["{name}"].rotation_euler' if euler else rotation_path(name)
        writer.write(path, name, found)
        mode = track.order or _MODES[0]
        armature.pose.bones[name].rotation_mode = mode
        _write_mode(action, name, motion.frames[0], mode)
    if motion.way is not None:
        slopes = (root.slopes * (1.0, 1.0, 0.0)) @ _axes(armature).T
        writer.write(_WAY, "Object Transforms", KeyedTrack(root.rows, motion.way[root.rows], slopes))
        rest = root.values - motion.ground[root.rows]
        root = KeyedTrack(root.rows, rest, root.slopes * (0.0, 0.0, 1.0))
    back = conjugate(bone_quaternions(armature)[0])
    turned = KeyedTrack(root.rows, rotate(back, root.values), rotate(back, root.slopes))
    writer.write(LOCATION_PATH, JOINT_NAMES[0], turned)
    written = {LOCATION_PATH, _WAY, *(rotation_path(name) for name in JOINT_NAMES)}
    for curve in (curve for (path, _), curve in curves.items() if path not in written):
        _copy(action, curve)
    action[_FEW] = _checksum(action)
    keep_own(armature)
    kept = _replace(armature, action)
    before = len(motion.frames) * (4 * len(JOINT_NAMES) + (3 if motion.way is None else 6))
    return Reduced(action, before, writer.keys, kept)


def _replace(armature: bpy.types.Object, action: bpy.types.Action) -> str:
    """Lets the armature move as a reduced action says; the name of the one before where it is kept as somebody's work.

    An earlier reduced action that nobody has changed makes room for the new one, and gives it its name.
    """
    armature.animation_data.use_tweak_mode = False  # it locks the action, and hides which one it is
    moving = armature.animation_data.action
    assign_action(armature, action)
    if moving is None or (moving == own_action(armature) and run_through(untouched(moving))):
        return ""
    if moving.get(_FEW) == _checksum(moving) and not moving.use_fake_user and moving.library is None:
        if not moving.users:
            name = moving.name
            bpy.data.actions.remove(moving)
            action.name = name
        return ""
    return moving.name if protect(moving) else ""


def _checksum(action: bpy.types.Action) -> str:
    """Of all that moves something, handles too: keys that are few are shaped by them.

    Empty where the action is not built as one of ours.
    """
    try:
        curves = curves_of(action).fcurves
    except IndexError:
        return ""
    total = len(action.pose_markers)
    for curve in curves:
        total += Keys.of(curve).checksum()
        for name in ("handle_left", "handle_right"):
            handles = np.empty(2 * len(curve.keyframe_points), np.float32)
            curve.keyframe_points.foreach_get(name, handles)
            total += zlib.crc32(handles.tobytes())
    return f"{len(curves)} {total}"


_Curves = dict[tuple[str, int], bpy.types.FCurve]


def _own_curves(armature: bpy.types.Object) -> _Curves:
    """The curves of the action that was made for the armature, by data path and index.

    Raises:
        CaptureError: ``no_motion``, ``one_frame``.
    """
    own = own_action(armature)
    curves = {} if own is None else {(curve.data_path, curve.array_index): curve for curve in curves_of(own).fcurves}
    wanted = [(rotation_path(name), axis) for name in JOINT_NAMES for axis in range(4)]
    wanted += [(LOCATION_PATH, axis) for axis in range(3)]
    counts = {len(curves[target].keyframe_points) if target in curves else 0 for target in wanted}
    if counts == {1}:
        raise CaptureError(
            "one_frame", f"{armature.name} was seen in one frame only.", "There are no keys that could be spared."
        )
    if len(counts) != 1 or counts.pop() < 2:
        raise CaptureError(
            "no_motion",
            f"The take's own motion of {armature.name} is not as it was made.",
            "Apply the clean-up, then reduce its keys.",
        )
    return curves


@dataclass(frozen=True)
class _Motion:
    """The motion of an action of ours.

    Attributes:
        frames: (T,) scene frames.
        held: (T,) true before a gap.
        joints: 24 tracks.
        place: (T, 3) of the pelvis bone, in the armature's axes and size.
        way: (T, 3) of the armature itself; None where it stays.
        ground: (T, 3) the same as ``place`` is, from the first frame on; zero where it stays.
    """

    frames: Array
    held: NDArray[np.bool_]
    joints: tuple[Track, ...]
    place: Array
    way: Array | None
    ground: Array

    @classmethod
    def read(cls, armature: bpy.types.Object, curves: _Curves, *, euler: bool) -> _Motion:
        keys = Keys.of(curves[LOCATION_PATH, 0])
        place = rotate(bone_quaternions(armature)[0], _values(curves, LOCATION_PATH, 3))
        way = _values(curves, _WAY, 3) if (_WAY, 2) in curves else None
        ground = np.zeros_like(place)
        if way is not None:
            ground = (way - way[:1]) @ np.linalg.inv(_axes(armature)).T * (1.0, 1.0, 0.0)
        joints = tuple(_rotations(_values(curves, rotation_path(name), 4), euler) for name in JOINT_NAMES)
        return cls(keys.places[0::2].astype(float), keys.kinds == CONSTANT, joints, place, way, ground)


@dataclass
class _Writer:
    """Writes keyed tracks as curves; ``keys`` counts them."""

    action: bpy.types.Action
    frames: Array
    held: NDArray[np.bool_]
    smooth: bool
    keys: int = 0

    def write(self, path: str, group: str, track: KeyedTrack) -> None:
        """One curve per column."""
        at, count = self.frames[track.rows], len(track.rows)
        kinds = np.where(self.held[track.rows], CONSTANT, _BEZIER if self.smooth else _LINEAR).astype(np.uint8)
        steps = np.diff(at) / 3.0
        before, after = np.append(steps[:1], steps), np.append(steps, steps[-1:])
        for axis in range(track.values.shape[1]):
            values, slopes = track.values[:, axis], track.slopes[:, axis]
            curve = new_curve(self.action, path, axis, group)
            points = curve.keyframe_points
            points.add(count)
            _set(points, "co", at, values)
            points.foreach_set("interpolation", kinds)
            if self.smooth:
                for side in ("handle_left_type", "handle_right_type"):
                    points.foreach_set(side, np.full(count, _ALIGNED, np.uint8))
                _set(points, "handle_left", at - before, values - slopes * before)
                _set(points, "handle_right", at + after, values + slopes * after)
            curve.update()
            self.keys += count


def _write_mode(action: bpy.types.Action, bone: str, frame: float, mode: str) -> None:
    """One key, so that the bone can read the action whatever another one has left it in."""
    write_curve(
        action,
        f'pose.bones["{bone}"].rotation_mode',
        0,
        bone,
        np.array([frame]),
        np.array([_MODES.index(mode)]),
        np.array([CONSTANT], np.uint8),
    )


def _set(points: bpy.types.FCurveKeyframePoints, name: str, frames: Array, values: Array) -> None:
    points.foreach_set(name, np.column_stack([frames, values]).astype(np.float32).ravel())


def _values(curves: _Curves, path: str, count: int) -> Array:
    """Values (T, ``count``) of curves with a key at each of the same frames."""
    return np.stack([Keys.of(curves[path, axis]).places[1::2].astype(float) for axis in range(count)], axis=-1)


def _rotations(turns: Array, euler: bool) -> Track:
    """The track of quaternions (T, 4)."""
    turns = continuous(turns / np.linalg.norm(turns, axis=-1, keepdims=True))
    order = best_order(turns) if euler else ""
    return Track(quaternions_to_angles(turns, order) if euler else turns, order)


def _needed(frames: Array, held: NDArray[np.bool_], curves: Iterable[bpy.types.FCurve]) -> NDArray[np.bool_]:
    """Frames (25, T) in which a joint, and the root last, keeps its key.

    That is beside gaps, and for the leg and the root in the first and the last frame of each contact.
    """
    needed = np.repeat((held | np.append(False, held[:-1]))[None], len(JOINT_NAMES) + 1, axis=0)
    for curve in curves:
        if curve.data_path.startswith(APART):
            foot = curve.data_path.removeprefix(APART).split()[0]
            moving = [JOINT_NAMES.index(f"{foot}_{joint}") for joint in _LEG]
            rows = np.searchsorted(frames, Keys.of(curve).places[2::2] - 1e-3)  # the first key is no change
            for row in (rows, rows - 1):
                needed[np.array([*moving, -1])[:, None], np.clip(row, 0, len(frames) - 1)] = True
    return needed


def _copy(action: bpy.types.Action, curve: bpy.types.FCurve) -> None:
    """The same curve in another action."""
    keys = Keys.of(curve)
    made = new_curve(action, curve.data_path, curve.array_index, curve.group.name if curve.group else "")
    made.keyframe_points.add(len(keys.kinds))
    made.keyframe_points.foreach_set("co", keys.places)
    made.keyframe_points.foreach_set("interpolation", keys.kinds)
    made.color_mode, made.color = curve.color_mode, curve.color
    dress(made)
    made.update()


def _rest(armature: bpy.types.Object) -> Array:
    """Joints (24, 3) at rest in the body frame: x to the left, y up, z out of the chest."""
    heads = np.array([armature.data.bones[name].head_local for name in JOINT_NAMES], float)
    return heads[:, [0, 2, 1]] * (1.0, 1.0, -1.0)


def _axes(armature: bpy.types.Object) -> Array:
    """(3, 3) what an armature's own way along the floor was multiplied with."""
    return np.array(armature.matrix_basis.to_3x3(), float)
