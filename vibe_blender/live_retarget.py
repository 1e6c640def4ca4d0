# SPDX-License-Identifier: GPL-3.0-or-later
"""What bound characters do when what they follow has changed: they follow, or it is kept why they could not."""

from __future__ import annotations

import bpy

from .contract.errors import CaptureError
from .redraw import redraw_panels
from .scene.retargeting.leader import is_bound
from .scene.retargeting.live import bound_to, update
from .scene.steps import rendering
from .scene.takes import people

_problems: dict[int, CaptureError] = {}
"""By a target's number: why it could not follow the last change."""


def follow(collection: bpy.types.Collection) -> None:
    """The motion of a take was changed: all that is bound to its people follows."""
    for armature, _ in people(collection):
        for target in bound_to(armature):
            refresh(target)


def changed(target: bpy.types.Object) -> None:
    """The target's settings or its bone map were changed: it follows, where it is bound."""
    if is_bound(target):
        refresh(target)
        redraw_panels()


def refresh(target: bpy.types.Object) -> None:
    """Computes a bound target's motion anew; where that cannot be, the reason is kept for the panel."""
    _problems.pop(target.session_uid, None)
    try:
        if rendering():
            raise CaptureError("rendering", "A render reads the motion.", "Update the link when it is done.")
        _update(target)
    except CaptureError as error:
        _problems[target.session_uid] = error


def _update(target: bpy.types.Object) -> None:
    group = target.vibe_retarget
    bone_map = group.bone_map()
    # Bones that were renamed since are known to the link only.
    there = all(bone in target.data.bones for entry in bone_map.parts for bone in entry.bones)
    update(target, bone_map if there else None, group.settings())


def problem(target: bpy.types.Object) -> CaptureError | None:
    """Why the target could not follow the last change."""
    return _problems.get(target.session_uid)


def settled(target: bpy.types.Object) -> None:
    """Nothing is wrong with the target any more."""
    _problems.pop(target.session_uid, None)


def forget() -> None:
    """Forgets what went wrong."""
    _problems.clear()
