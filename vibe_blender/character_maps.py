# SPDX-License-Identifier: GPL-3.0-or-later
"""The bone map of a character: found, changed by the user, and stored for the next character of its rig."""

from __future__ import annotations

from functools import lru_cache

import bpy

from .contract.errors import CaptureError
from .live_retarget import changed
from .motion.mapping.mapping import map_bones
from .motion.mapping.text import from_json, to_json
from .motion.retargeting.bone_map import MOST_BONES, BoneMap
from .redraw import redraw_panels
from .scene.retargeting.rigs import read_rig
from .stored_maps import forget_map, store_map, stored_map

_UNMAPPED = BoneMap(())
_notes: dict[int, str] = {}
"""By a target's number: what went wrong with the file of its map."""


def is_changeable(target: bpy.types.Object) -> bool:
    """Whether a character belongs to this file, if only as a library override."""
    override = target.override_library
    return target.library is None and not (override is not None and override.is_system_override)


def bone_names(target: bpy.types.Object) -> list[str]:
    """The names of its bones."""
    return list(target.data.bones.keys())


def detect(target: bpy.types.Object, *, anew: bool = False) -> None:
    """Finds the target's bones: the user's own map for such a rig, else what can be recognised.

    Args:
        target: gets the map.
        anew: forgets what the user has chosen for such rigs.
    """
    _notes.pop(target.session_uid, None)
    names, found = bone_names(target), None
    if anew:
        forget_map(names)
    else:
        try:
            found = stored_map(names)
        except CaptureError as error:
            _notes[target.session_uid] = f"{error.message} What was chosen for this rig before is not used."
    keep_map(target, found or map_bones(read_rig(target)), store=False)


def keep_map(target: bpy.types.Object, bone_map: BoneMap, *, store: bool = True) -> None:
    """Gives the target another map, which it follows at once where it is bound.

    Args:
        target: gets it.
        bone_map: the new one.
        store: for the next character of that rig as well.
    """
    target.vibe_retarget.map_text = to_json(bone_map)
    if store:
        _notes.pop(target.session_uid, None)
        try:
            store_map(bone_names(target), bone_map)
        except CaptureError as error:
            _notes[target.session_uid] = error.message
    changed(target)
    redraw_panels()


def set_part(target: bpy.types.Object, part: str, bones: list[str]) -> None:
    """Maps a part to bones that the user has chosen; where one was another part's, it is not any more."""
    chosen = list(dict.fromkeys(filter(None, bones)))[:MOST_BONES]
    bone_map = target.vibe_retarget.bone_map()
    for entry in bone_map.parts:
        left = [bone for bone in entry.bones if bone not in chosen]
        if entry.part != part and len(left) < len(entry.bones):
            bone_map = bone_map.with_part(entry.part, left, entry.certainty)
    keep_map(target, bone_map.with_part(part, chosen))


def note(target: bpy.types.Object) -> str:
    """What went wrong with the file of the target's map; empty where nothing did."""
    return _notes.get(target.session_uid, "")


@lru_cache(maxsize=32)
def map_in(text: str) -> BoneMap:
    """The map in a text; an empty one where there is none, or one that makes no sense."""
    try:
        return from_json(text) if text else _UNMAPPED
    except CaptureError:  # a stranger's file
        return _UNMAPPED


def forget_notes() -> None:
    """Forgets what went wrong."""
    _notes.clear()
