# SPDX-License-Identifier: GPL-3.0-or-later
"""Which take a button is about."""

import bpy

from ..contract.errors import CaptureError
from ..scene.takes import take_record

UNDO = {"REGISTER", "UNDO"}


def active_take(context: bpy.types.Context) -> bpy.types.Collection | None:
    """The take that the buttons are about."""
    collection = context.scene.vibe.active_take
    return collection if collection is not None and take_record(collection) is not None else None


def has_take(operator: type[bpy.types.Operator], context: bpy.types.Context) -> bool:
    """Whether there is one; tells the user where not."""
    if active_take(context) is None:
        operator.poll_message_set("Capture a video or open a take first")
        return False
    return True


def named_take(name: str, context: bpy.types.Context) -> bpy.types.Collection:
    """The take of this name, the active one where no name is given."""
    collection = bpy.data.collections.get(name) if name else active_take(context)
    if collection is None or take_record(collection) is None:
        raise CaptureError("take_gone", f"There is no take {name or 'chosen'} in this file.", "Open its take file.")
    return collection
