# SPDX-License-Identifier: GPL-3.0-or-later
"""Removing what was made, all of it and nothing else."""

from __future__ import annotations

import bpy

from .ownership import actions_of, made_by_us, protect

_UNFINISHED = "vibe_unfinished"


def new_unfinished(name: str) -> bpy.types.Collection:
    """A collection for what is being built. It may get into an undo step, and come back with that."""
    collection = bpy.data.collections.new(name)
    mark_unfinished(collection)
    return collection


def mark_unfinished(block: bpy.types.ID) -> None:
    """Marks what is being built."""
    block[_UNFINISHED] = True


def finished(block: bpy.types.ID) -> None:
    """Everything is in it now."""
    if _UNFINISHED in block:
        del block[_UNFINISHED]


def remove_unfinished() -> None:
    """Removes what undo or redo has brought back half built; nothing may be in the making meanwhile."""
    for collection in [collection for collection in bpy.data.collections if _UNFINISHED in collection]:
        discard(collection, list(collection.objects))
    for action in [action for action in bpy.data.actions if _UNFINISHED in action]:
        bpy.data.actions.remove(action)


def remove_collection(collection: bpy.types.Collection, ours: list[bpy.types.Object]) -> None:
    """Removes a collection and the objects in it that are ours; what else is in it stays in sight and in place.

    Args:
        collection: need not be in a scene.
        ours: objects to remove with it, and with all that was made for them.
    """
    scenes = [scene for scene in bpy.data.scenes if collection in scene.collection.children_recursive]
    for home in (scene.collection for scene in scenes):
        for thing in collection.objects:
            if thing not in ours and set(thing.users_collection) == {collection}:
                home.objects.link(thing)
        for child in collection.children:
            if child.name not in home.children:
                home.children.link(child)
    for thing in bpy.data.objects:
        if thing.parent in ours and thing not in ours:
            place = thing.matrix_world.copy()
            thing.parent = None
            thing.matrix_world = place
    discard(collection, ours)


def discard(collection: bpy.types.Collection, things: list[bpy.types.Object]) -> None:
    """Removes a collection, objects, and whatever nobody else uses of their data, actions, materials and pictures.

    Actions that we have not made stay in the file, and so does what the user has given a fake user.
    """
    made = list({block for thing in things for block in made_for(thing)})
    for action in [block for block in made if isinstance(block, bpy.types.Action) and not made_by_us(block)]:
        protect(action)
        made.remove(action)
    for thing in things:
        bpy.data.objects.remove(thing)
    bpy.data.collections.remove(collection)
    # An action goes after what it moves, a picture after the camera that shows it.
    while unused := [block for block in made if not block.users]:
        made = [block for block in made if block not in unused]
        bpy.data.batch_remove(unused)


def made_for(thing: bpy.types.Object) -> list[bpy.types.ID]:
    """The datablocks that came with an object of ours."""
    blocks: list[bpy.types.ID] = [] if thing.data is None else [thing.data]
    if thing.type == "MESH":
        blocks += [material for material in thing.data.materials if material is not None]
    if thing.type == "CAMERA":
        blocks += [shown.image for shown in thing.data.background_images if shown.image is not None]
    for owner in (thing, thing.data):
        if owner is not None:
            blocks += actions_of(owner)
    return blocks
