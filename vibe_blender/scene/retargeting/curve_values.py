# SPDX-License-Identifier: GPL-3.0-or-later
"""What curves say at many frames at once, and the turns and places that channels of any rotation mode come to."""

from __future__ import annotations

from collections.abc import Callable

import bpy
import numpy as np

from ...contract.quaternions import Array, continuous, from_axis_angles
from ...motion.beziers import has_one_value, values_between
from ...motion.eulers import ORDERS, angles_to_quaternions
from ..animation import CONSTANT, LINEAR, assigned_curves
from ..ownership import Keys

_MODES = {-1: "AXIS_ANGLE", 0: "QUATERNION", **dict(enumerate(ORDERS, start=1))}
"""Rotation modes by the numbers that curves know them by."""
WIDTHS = {"rotation_quaternion": 4, "rotation_axis_angle": 4, "rotation_euler": 3}
_BEZIER = 2
"""Blender's number of that interpolation."""
_SMALL = 1e-12


class Curves:
    """The curves that move something now, by what they move; those that are switched off are left out.

    Where a channel has no curve, its value is what it is now.
    """

    def __init__(self, owner: bpy.types.ID) -> None:
        self._found = {
            (curve.data_path, curve.array_index): curve
            for curve in assigned_curves(owner)
            if not (curve.mute or _is_in_muted_group(curve)) and (curve.keyframe_points or curve.sampled_points)
        }

    def __contains__(self, path: str) -> bool:
        """Whether any part of a property has a curve."""
        return any((path, index) in self._found for index in range(4))

    def span(self, counts: Callable[[str], bool]) -> tuple[float, float] | None:
        """First and last frame that the curves with such data paths have keys in; None where there is none."""
        ranges = [tuple(curve.range()) for (path, _), curve in self._found.items() if counts(path)]
        return (min(first for first, _ in ranges), max(last for _, last in ranges)) if ranges else None

    def values(self, path: str, now: Array, frames: Array) -> Array:
        """A property over time (T, W), from its value ``now`` (W,)."""
        found = np.empty((len(frames), len(now)))
        for index, value in enumerate(now):
            curve = self._found.get((path, index))
            found[:, index] = value if curve is None else evaluated(curve, frames)
        return found

    def mode(self, path: str, now: str, frames: Array) -> str | None:
        """The rotation mode that a property says; None where it changes over time."""
        curve = self._found.get((path, 0))
        if curve is None:
            return now
        numbers = np.unique(np.round(evaluated(curve, frames)))
        return _MODES.get(int(numbers[0])) if len(numbers) == 1 else None


def evaluated(curve: bpy.types.FCurve, frames: Array) -> Array:
    """The values (T,) of a curve; frame by frame only where no keys say it, or they do so with easing."""
    keys = Keys.of(curve)
    if len(curve.modifiers) or not len(keys.kinds):
        return np.array([curve.evaluate(frame) for frame in frames])
    at, values = keys.places[0::2].astype(float), keys.places[1::2].astype(float)
    before = np.searchsorted(at, frames, side="right") - 1
    start, end = np.clip(before, 0, None), np.clip(before + 1, None, len(at) - 1)
    way = at[end] - at[start]
    part = np.divide(frames - at[start], way, out=np.zeros(len(frames)), where=way > 0)
    straight = keys.kinds[start] == LINEAR
    found = values[start] + np.where(straight, np.clip(part, 0.0, 1.0), 0.0) * (values[end] - values[start])
    outside = (frames < at[0]) | (frames > at[-1])
    bent = ~outside & ~straight & (keys.kinds[start] != CONSTANT) & (frames != at[start])
    if (bent & (keys.kinds[start] == _BEZIER)).any():
        corners = keys.places.reshape(-1, 2).astype(float)
        right, left = _handles(curve, "handle_right"), _handles(curve, "handle_left")
        known = has_one_value(corners[start], right[start], left[end], corners[end])
        rows = np.flatnonzero(bent & (keys.kinds[start] == _BEZIER) & known)
        first, last = start[rows], end[rows]
        found[rows] = values_between(corners[first], right[first], left[last], corners[last], frames[rows])
        bent[rows] = False
    for row in np.flatnonzero(bent | (outside & (curve.extrapolation != "CONSTANT"))):
        found[row] = curve.evaluate(frames[row])
    return found


def _handles(curve: bpy.types.FCurve, side: str) -> Array:
    """Frame and value (K, 2) of the ends of all keys' handles on one side."""
    ends = np.empty(2 * len(curve.keyframe_points), np.float32)
    curve.keyframe_points.foreach_get(side, ends)
    return ends.reshape(-1, 2).astype(float)


def turns(values: Array, mode: str) -> Array:
    """Unit quaternions (T, 4) of the channels of a rotation mode (T, 3 or 4); what is no rotation is none."""
    if mode == "QUATERNION":
        length = np.linalg.norm(values, axis=-1, keepdims=True)
        unit = np.where(length > _SMALL, values / np.maximum(length, _SMALL), (1.0, 0.0, 0.0, 0.0))
        return continuous(unit)
    if mode == "AXIS_ANGLE":
        length = np.linalg.norm(values[:, 1:], axis=-1, keepdims=True)
        return from_axis_angles(values[:, :1] * values[:, 1:] / np.maximum(length, _SMALL))
    return angles_to_quaternions(values, mode)


def rotation_channel(mode: str) -> str:
    """The property that a rotation mode is about."""
    return {"QUATERNION": "rotation_quaternion", "AXIS_ANGLE": "rotation_axis_angle"}.get(mode, "rotation_euler")


def _is_in_muted_group(curve: bpy.types.FCurve) -> bool:
    """Whether Blender leaves a curve out for its group's sake: since layered actions it does not."""
    return bpy.app.version < (4, 4, 0) and curve.group is not None and curve.group.mute
