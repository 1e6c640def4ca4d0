# SPDX-License-Identifier: GPL-3.0-or-later
"""A character brought in from a user's .blend file: its armature and what belongs to that, and nothing else of it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import bpy

from ...contract.errors import CaptureError
from ..names import short_name

_SHOWN = 8
"""Names in one sentence."""


@dataclass(frozen=True)
class Character:
    """What was brought in.

    Attributes:
        armature: the character's.
        collection: holds it, what carries it and what hangs on it.
        scripted: names of what has drivers that are Python, and stand still where Blender may not run any.
    """

    armature: bpy.types.Object
    collection: bpy.types.Collection
    scripted: tuple[str, ...]


def append_character(path: Path, scene: bpy.types.Scene, name: str = "") -> Character:
    """Brings a copy of a character into a scene, in a collection called after its file.

    With it comes what its parts depend on, such as the shapes of its controls, its action, and what its constraints
    look at. No script of the file is run by that.

    Args:
        path: a .blend file.
        scene: receives it.
        name: of the armature object in the file; empty where there is only one.

    Raises:
        CaptureError: ``rig_missing``, ``rig_unreadable``, ``no_armature``, ``many_armatures``, ``no_such_armature``.
            Nothing of the file is left then.
    """
    before, kept = set(bpy.data.user_map()), set[bpy.types.ID]()
    try:
        things = _all_objects(path)
        armature = _chosen({name: thing for name, thing in things.items() if thing.type == "ARMATURE"}, path, name)
        parts = _parts(armature, things.values())
        kept = _needed_by(parts)
    finally:
        bpy.data.batch_remove(block for block in bpy.data.user_map() if block not in before and block not in kept)
    collection = bpy.data.collections.new(short_name(path.stem))
    scene.collection.children.link(collection)
    for part in parts:
        collection.objects.link(part)
    loose = [thing for thing in kept if isinstance(thing, bpy.types.Object) and not thing.users]
    for thing in sorted(loose, key=lambda each: each.name):  # what constraints look at: nothing else keeps it
        collection.objects.link(thing)
    return Character(armature, collection, tuple(sorted(block.name for block in kept if _is_scripted(block))))


def _all_objects(path: Path) -> dict[str, bpy.types.Object]:
    """A copy of every object in a file, in no scene, by its name there."""
    if not path.is_file():
        raise CaptureError("rig_missing", f"There is no file {path}.", "Check the path.")
    try:
        with bpy.data.libraries.load(str(path), link=False) as (there, wanted):
            if not there.armatures:
                raise _no_armature(path)
            names = list(there.objects)
            wanted.objects = list(names)
    except (OSError, RuntimeError) as error:
        raise CaptureError(
            "rig_unreadable",
            f"{path} cannot be read as a file of this Blender's.",
            "Give a .blend file; import characters of other formats into Blender, and save.",
        ) from error
    return {name: thing for name, thing in zip(names, wanted.objects, strict=True) if thing is not None}


def _chosen(armatures: dict[str, bpy.types.Object], path: Path, name: str) -> bpy.types.Object:
    """The armature that is asked for."""
    if not armatures:
        raise _no_armature(path)
    more = f" and {len(armatures) - _SHOWN} more" if len(armatures) > _SHOWN else ""
    listed = ", ".join(sorted(armatures)[:_SHOWN]) + more
    if name and name not in armatures:
        raise CaptureError("no_such_armature", f"{path} has no armature {name!r}.", f"There are: {listed}.")
    if not name and len(armatures) > 1:
        raise CaptureError(
            "many_armatures",
            f"{path} has several armatures: {listed}.",
            "Name the one that is meant (--target-object).",
        )
    return armatures[name] if name else next(iter(armatures.values()))


def _parts(armature: bpy.types.Object, things: Iterable[bpy.types.Object]) -> list[bpy.types.Object]:
    """The armature, what carries it, what it deforms, and what hangs on any of these but for what carries it."""
    shapes = {bone.custom_shape for bone in armature.pose.bones}
    parts = [armature]
    for thing in things:
        deformed = any(item.type == "ARMATURE" and item.object == armature for item in thing.modifiers)
        if thing != armature and thing not in shapes and (deformed or _hangs_on(thing, armature)):
            parts += [thing, *(child for child in thing.children_recursive if child not in shapes)]
    carrier = armature.parent
    while carrier is not None:
        parts.append(carrier)
        carrier = carrier.parent
    return list(dict.fromkeys(parts))


def _hangs_on(thing: bpy.types.Object, armature: bpy.types.Object) -> bool:
    while (carrier := thing.parent) is not None:
        if carrier == armature:
            return True
        thing = carrier
    return False


def _needed_by(parts: Iterable[bpy.types.Object]) -> set[bpy.types.ID]:
    """The parts and all they depend on."""
    uses: dict[bpy.types.ID, list[bpy.types.ID]] = {}
    for block, users in bpy.data.user_map().items():
        for user in users:
            uses.setdefault(user, []).append(block)
    found, left = set[bpy.types.ID](), list(parts)
    while left:
        block = left.pop()
        if block not in found:
            found.add(block)
            left += uses.get(block, [])
    return found


def _is_scripted(block: bpy.types.ID) -> bool:
    animation = getattr(block, "animation_data", None)
    drivers = [curve.driver for curve in animation.drivers] if animation else []
    return any(driver.type == "SCRIPTED" and not driver.is_simple_expression for driver in drivers)


def _no_armature(path: Path) -> CaptureError:
    return CaptureError("no_armature", f"{path} has no armature.", "Give the file with the character.")
