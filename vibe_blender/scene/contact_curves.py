# SPDX-License-Identifier: GPL-3.0-or-later
"""When feet stand, as keys in the dope sheet: 1 where a heel or a ball of the foot stands, 0 where it does not.

Keys are what Blender's users move, box-select, copy and delete anyway, they are saved and undone with the action, and
the dope sheet shows runs of equal keys as bars. What was edited there is read back, and kept on the armature.
"""

from __future__ import annotations

import itertools
import zlib

import bpy
import numpy as np

from ..contract.quaternions import Array
from ..motion.contact_ranges import Contacts, as_numbers, from_numbers, from_steps, steps
from ..motion.settings import FEET, PARTS
from .animation import CONSTANT, curves_of, new_curve
from .ownership import APART

GROUP = "Contacts"
_EDITED, _WRITTEN = "vibe_contacts", "vibe_contact_keys"
"""Custom properties: of the armature, what the user has made of the contacts; of the action, a checksum of the keys."""
_COLOURS = {"left": (0.35, 0.62, 0.95), "right": (0.95, 0.45, 0.35)}
_EPSILON = 1e-3


def contact_path(foot: str, part: str) -> str:
    """Data path of the property that is 1 while a part of a foot stands."""
    return f'{APART}{foot} {part}"]'


def write_contacts(
    armature: bpy.types.Object, action: bpy.types.Action, contacts: Contacts, grid: Array, first: int
) -> None:
    """Shows the contacts of a person in an action in place of those before.

    Args:
        armature: gets the properties.
        action: the one that moves it.
        contacts: of the person.
        grid: (N,) scene frames of the video's frames.
        first: number of the first of those.
    """
    known = _contact_curves(action)
    for foot, part in itertools.product(FEET, PARTS):
        name = contact_path(foot, part)[2:-2]
        if name not in armature:
            armature[name] = 0
            armature.id_properties_ui(name).update(
                min=0, max=1, description=f"1 while the {part} of the {foot} foot stands on the floor"
            )
        curve = known.get(contact_path(foot, part))
        if curve is None:
            curve = new_curve(action, contact_path(foot, part), 0, GROUP)
            curve.color_mode, curve.color = "CUSTOM", _COLOURS[foot]
        changes = steps(contacts, foot, part, first, first + len(grid) - 1)
        keys = np.array([(grid[frame - first], stands) for frame, stands in changes], np.float32)
        points = curve.keyframe_points
        points.clear()
        points.add(len(keys))
        points.foreach_set("co", keys.ravel())
        points.foreach_set("interpolation", np.full(len(keys), CONSTANT, np.uint8))
        curve.update()
    action[_WRITTEN] = _checksum(action)


def contacts_in(action: bpy.types.Action, grid: Array, first: int) -> Contacts | None:
    """The contacts that an action shows; None where it never showed any. The arguments are ``write_contacts``'s."""
    if _WRITTEN not in action:
        return None
    known, last = _contact_curves(action), first + len(grid) - 1
    found: list = []
    for foot, part in itertools.product(FEET, PARTS):
        curve = known.get(contact_path(foot, part))
        if curve is None or not len(curve.keyframe_points):
            continue
        keys = np.empty((len(curve.keyframe_points), 2), np.float32)
        curve.keyframe_points.foreach_get("co", keys.ravel())
        frames = first + np.searchsorted(grid, keys[:, 0] - _EPSILON)
        frames[0] = first  # a curve has the value of its first key before it too
        changes = [(int(frame), bool(value >= 0.5)) for frame, value in zip(frames, keys[:, 1], strict=True)]
        found += from_steps(changes, foot, part, last)
    return tuple(found)


def stretches_shown(action: bpy.types.Action, foot: str, part: str, end: float) -> Array:
    """Scene frames (B, 2) from and to which an action says that a part of a foot stands; the last to ``end``."""
    curve = _contact_curves(action).get(contact_path(foot, part))
    if curve is None or not len(curve.keyframe_points):
        return np.empty((0, 2))
    keys = np.empty((len(curve.keyframe_points), 2), np.float32)
    curve.keyframe_points.foreach_get("co", keys.ravel())
    spans = np.column_stack([keys[:, 0], np.append(keys[1:, 0], max(end, keys[-1, 0]))])
    return spans[keys[:, 1] >= 0.5].astype(float)


def are_edited(action: bpy.types.Action) -> bool:
    """Whether somebody has changed the keys since they were written."""
    return _WRITTEN in action and action[_WRITTEN] != _checksum(action)


def edited_contacts(armature: bpy.types.Object) -> Contacts | None:
    """What the user has made of a person's contacts; None where they are those that were found."""
    numbers = armature.get(_EDITED)
    if getattr(numbers, "typecode", "") != "i":
        return None
    return from_numbers(list(numbers)[1:])


def keep_contacts(armature: bpy.types.Object, contacts: Contacts | None) -> None:
    """Remembers what the user has made of a person's contacts; None goes back to those that are found."""
    if contacts is not None:
        armature[_EDITED] = [len(contacts), *as_numbers(contacts)]  # there is no empty array
    elif _EDITED in armature:
        del armature[_EDITED]


def _contact_curves(action: bpy.types.Action) -> dict[str, bpy.types.FCurve]:
    """By data path; the action may be a stranger's of our name."""
    layered = bpy.app.version >= (4, 4, 0)
    if layered and not (action.layers and action.layers[0].strips and action.layers[0].strips[0].channelbags):
        return {}
    return {curve.data_path: curve for curve in curves_of(action).fcurves if curve.data_path.startswith(APART)}


def _checksum(action: bpy.types.Action) -> str:
    """Of the keys in whatever order of the curves; a few of them only."""
    total = 0
    for path, curve in _contact_curves(action).items():
        keys = np.empty(2 * len(curve.keyframe_points), np.float32)
        curve.keyframe_points.foreach_get("co", keys)
        total += zlib.crc32(keys.tobytes(), zlib.crc32(path.encode()))
    return str(total)
