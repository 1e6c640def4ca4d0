# SPDX-License-Identifier: GPL-3.0-or-later
"""Lets the motion follow when contacts are edited in the dope sheet, as soon as the mouse is released.

An undo takes back the edit with the motion it had; where a redo brings back an edit that the motion did not follow yet,
it is noticed here again, and comes to the same curves.
"""

from __future__ import annotations

import bpy

from .live_cleanup import refresh
from .scene.cleaning import contacts_are_edited, worked_on
from .scene.steps import rendering
from .scene.takes import is_editable, take_collections

_SECONDS = 0.15


@bpy.app.handlers.persistent
def after_change(scene: bpy.types.Scene, depsgraph: bpy.types.Depsgraph) -> None:
    """Blender has evaluated a change: where it was one of an action, looks at it when there is time."""
    if bpy.app.background:
        return  # nobody edits, and a timer that never runs keeps Blender as a Python module from ending
    if depsgraph.id_type_updated("ACTION") and not bpy.app.timers.is_registered(look):
        bpy.app.timers.register(look, first_interval=_SECONDS)


def look() -> float | None:
    """Shows edited contacts in the motion; waits while the user drags keys, or a render reads them."""
    windows = bpy.context.window_manager.windows
    if rendering() or any(len(window.modal_operators) for window in windows):
        return _SECONDS
    for scene in {window.scene for window in windows} or {bpy.context.scene}:
        for collection in take_collections(scene):
            # What somebody has worked on is overwritten only when they ask for it.
            if is_editable(collection) and contacts_are_edited(collection) and not worked_on(collection):
                refresh(collection)
    return None


def stop() -> None:
    """Looks no more."""
    if bpy.app.timers.is_registered(look):
        bpy.app.timers.unregister(look)


HANDLERS = (("depsgraph_update_post", after_change),)
