# SPDX-License-Identifier: GPL-3.0-or-later
"""Where somebody is in a take's own world, whatever the animator and the root's mode have made of it in the scene."""

from __future__ import annotations

from dataclasses import replace

import bpy
import numpy as np

from ..contract.errors import CaptureError
from ..contract.quaternions import Array
from ..motion.cleanup import cleaned
from ..motion.settings import Cleanup
from .animation import home_of, size_of
from .cleaning import captured, with_lists
from .takes import people

_FLAT = 1e-12
"""A volume no armature has that can be seen."""


def in_take(place: Array, armature: bpy.types.Object, depsgraph: bpy.types.Depsgraph) -> Array:
    """A place (3,) of the scene in the take's world as it is shown, both metres.

    They differ by where the animator has put the armature, by itself or with a parent. What the clean-up does to the
    object, its size and its way along the floor, is no part of that.

    Args:
        place: metres, world of the scene.
        armature: of a person.
        depsgraph: that knows where the armature is at the current frame.

    Raises:
        CaptureError: ``armature_flat`` for one that has been scaled to nothing.
    """
    shown = armature.evaluated_get(depsgraph)
    to_scene, home = np.array(shown.matrix_world), home_of(armature)
    size = np.diag([*[1.0 / size_of(armature)] * 3, 1.0])
    flat = abs(np.linalg.det(to_scene)) < _FLAT
    if not flat and home is not None:
        there = np.array(shown.matrix_basis)
        at_home = there.copy()
        at_home[:3, 3] = home
        to_scene = to_scene @ np.linalg.solve(there, at_home)
    if flat:
        raise CaptureError("armature_flat", f"{armature.name} is scaled to nothing.", "Clear its scale.")
    return np.linalg.solve(to_scene @ size, np.append(np.asarray(place, float), 1.0))[:3]


def pelvis_at(collection: bpy.types.Collection, armature: bpy.types.Object, frame: int, settings: Cleanup) -> Array:
    """Where the pelvis of a person truly was, (3,) metres, in the take's world as it is shown, turned and scaled.

    The path is that before a mode or a locked height altered it: what those show is no place to hold somebody at.

    Args:
        collection: holds the take.
        armature: of one of its people.
        frame: of the video; where the person was not seen then, the place is between those before and after.
        settings: of the take, without lists.

    Raises:
        CaptureError: ``nobody`` for somebody who is never seen, else as ``clean_up``.
    """
    whole = with_lists(collection, settings)
    true = replace(whole, root=replace(whole.root, mode="full", lock_height=False))
    numbers = {found: record.id for found, record in people(collection)}
    take = cleaned(captured(collection), true).take
    person = next((found for found in take.people if found.id == numbers[armature] and len(found.frames)), None)
    if person is None:
        raise CaptureError("nobody", f"{armature.name} is never seen in its take.", "Choose another person.")
    return np.array([np.interp(frame, person.frames, person.root[:, axis]) for axis in range(3)])
