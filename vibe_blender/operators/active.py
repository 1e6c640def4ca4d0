# SPDX-License-Identifier: GPL-3.0-or-later
"""Which take a button is about."""

from dataclasses import dataclass

import bpy

from ..contract.errors import CaptureError
from ..scene.takes import TakeRecord, chosen_armature, is_editable, take_collections, take_record

UNDO = {"UNDO"}
"""No REGISTER: there is nothing to adjust after the click."""


@dataclass(frozen=True)
class TakeInScene:
    """A collection that holds a take, and what it came from."""

    collection: bpy.types.Collection
    record: TakeRecord


def active_take(context: bpy.types.Context) -> TakeInScene | None:
    """The take that the buttons are about: the chosen one, else the first of the scene; None where there is none."""
    there = take_collections(context.scene)
    chosen = context.scene.vibe.active_take
    if chosen not in there:
        chosen = there[0] if there else None
    return _found(chosen)


def has_take(operator: type[bpy.types.Operator], context: bpy.types.Context) -> bool:
    """Whether there is one; tells the user where not."""
    if active_take(context) is None:
        operator.poll_message_set("Capture a video or open a take first")
        return False
    return True


def has_editable_take(operator: type[bpy.types.Operator], context: bpy.types.Context) -> bool:
    """Whether there is one that is not linked from another .blend file; tells the user where not."""
    take = active_take(context)
    if take is not None and not is_editable(take.collection):
        operator.poll_message_set("This take is linked from another .blend file: make it local, or open that file")
        return False
    return has_take(operator, context)


def named_take(name: str, context: bpy.types.Context) -> TakeInScene:
    """The take of this name, the active one where no name is given.

    Raises:
        CaptureError: ``take_gone``.
    """
    found = _found(bpy.data.collections.get(name)) if name else active_take(context)
    if found is None:
        raise CaptureError("take_gone", f"There is no take {name or 'chosen'} in this file.", "Open its take file.")
    return found


def chosen_person(context: bpy.types.Context, collection: bpy.types.Collection) -> bpy.types.Object:
    """The armature of the person whom the user has selected, else of the first of the take.

    Raises:
        CaptureError: ``nobody``.
    """
    armature = chosen_armature(collection, context.active_object)
    if armature is None:
        raise CaptureError("nobody", f"There is nobody in {collection.name} any more.", "Open the take again.")
    return armature


def _found(collection: bpy.types.Collection | None) -> TakeInScene | None:
    record = take_record(collection) if collection is not None else None
    return TakeInScene(collection, record) if record is not None else None
