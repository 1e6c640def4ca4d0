# SPDX-License-Identifier: GPL-3.0-or-later
"""An action of ours given other keys in place: what a slider does, many times a second."""

from __future__ import annotations

from collections.abc import Iterable

import bpy
import numpy as np

from .animation import Curve, curves_of, dress, new_curve
from .ownership import Keys, is_as_sealed, read_keys, seal


def rewrite(action: bpy.types.Action, curves: Iterable[Curve]) -> bool:
    """Gives the action these curves and no others; False, and nothing is done, where somebody has worked on it.

    Only what differs is written, and in bulk: 10,000 frames of a person take a quarter of a second.

    Args:
        action: from ``making_action``.
        curves: from ``motion_curves``.
    """
    found = read_keys(action)
    if not is_as_sealed(action, (keys for _, keys in found)):
        return False
    known = {(curve.data_path, curve.array_index): (curve, keys) for curve, keys in found}
    written = []
    for wanted in curves:
        curve, keys = known.pop(wanted.target, (None, None))
        if curve is None:
            curve = new_curve(action, *wanted.target, wanted.group)
            dress(curve)
        written.append(_written(curve, keys, wanted))
    for curve, _ in known.values():
        curves_of(action).fcurves.remove(curve)
    seal(action, written)
    return True


def _written(curve: bpy.types.FCurve, before: Keys | None, wanted: Curve) -> Keys:
    """The keys of the curve after it was given those that are wanted."""
    places = np.empty((len(wanted.frames), 2), np.float32)
    places[:, 0], places[:, 1] = wanted.frames, wanted.values
    places = places.ravel()
    points = curve.keyframe_points
    if before is None or len(before.kinds) != len(wanted.frames):
        if before is not None:
            points.clear()
        points.add(len(wanted.frames))
    elif np.array_equal(before.kinds, wanted.interpolation) and before.places.tobytes() == places.tobytes():
        return before
    points.foreach_set("co", places)
    points.foreach_set("interpolation", wanted.interpolation)
    curve.update()
    return Keys(Keys.state_of(curve), places, wanted.interpolation)
