# SPDX-License-Identifier: GPL-3.0-or-later
"""Bone maps as files: the user's own, one per kind of rig, found again for the next character of that rig."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import bpy

from .contract.errors import CaptureError
from .motion.mapping.signature import signature
from .motion.mapping.text import from_json, to_json
from .motion.retargeting.bone_map import BoneMap
from .places import ADDON_ID

SUFFIX = ".json"
_FOLDER = "bone_maps"
_MOST_BYTES = 1_000_000


def maps_folder() -> Path:
    """Where the user's maps are: a folder that survives an update of the extension. It need not exist yet."""
    try:
        return Path(bpy.utils.extension_path_user(ADDON_ID, path=_FOLDER))
    except ValueError:  # not installed as an extension, but enabled from a checkout
        return Path(bpy.utils.user_resource("DATAFILES", path="vibe_blender")) / _FOLDER


def stored_map(names: Iterable[str]) -> BoneMap | None:
    """The map that was stored for rigs with bones of these names; None where there is none.

    Raises:
        CaptureError: ``bad_map`` where there is one that cannot be used.
    """
    path = _path(names)
    return read_map(path) if path.is_file() else None


def store_map(names: Iterable[str], bone_map: BoneMap) -> None:
    """Stores a map for all rigs with bones of these names.

    Raises:
        CaptureError: ``map_unwritable``.
    """
    write_map(_path(names), bone_map)


def forget_map(names: Iterable[str]) -> None:
    """Removes the stored map of rigs with bones of these names; one that cannot be removed stays.

    Args:
        names: of the bones.
    """
    with contextlib.suppress(OSError):
        _path(names).unlink(missing_ok=True)


def read_map(path: Path) -> BoneMap:
    """The map in a file.

    Raises:
        CaptureError: ``bad_map`` where it cannot be read or makes no sense.
    """
    try:
        with path.open("rb") as file:
            read = file.read(_MOST_BYTES + 1)
        if len(read) > _MOST_BYTES:
            raise CaptureError("bad_map", f"{path.name} is too long for a bone map.", "Choose another file.")
        return from_json(read.decode("utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise CaptureError(
            "bad_map", f"{path.name} cannot be read ({_reason(error)}).", "Choose another file."
        ) from error


def write_map(path: Path, bone_map: BoneMap) -> None:
    """Writes a map into a file, whole or not at all.

    Raises:
        CaptureError: ``map_unwritable``.
    """
    unfinished = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile("wb", dir=path.parent, suffix=".part", delete=False) as file:
            unfinished = Path(file.name)
            file.write(to_json(bone_map).encode("utf-8"))
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(path)
    except (OSError, UnicodeEncodeError) as error:  # bones may have names that are no text
        if unfinished is not None:
            with contextlib.suppress(OSError):
                unfinished.unlink(missing_ok=True)
        raise CaptureError(
            "map_unwritable", f"The bone map cannot be written to {path} ({_reason(error)}).", "Choose another folder."
        ) from error


def fitted(bone_map: BoneMap, names: Iterable[str]) -> tuple[BoneMap, int]:
    """A map without what it says of bones that a rig lacks, and how many of its parts that has cost.

    Args:
        bone_map: of another rig, perhaps.
        names: of the rig's bones.
    """
    there = set(names)
    parts = tuple(
        replace(entry, bones=tuple(bone for bone in entry.bones if bone in there)) for entry in bone_map.parts
    )
    limbs = tuple(
        replace(
            limb,
            pole=limb.pole if limb.pole in there else "",
            toes=limb.toes if limb.toes in there else "",
            pole_switch=limb.pole_switch if limb.pole_switch and limb.pole_switch.bone in there else None,
        )
        for limb in bone_map.limbs
        if limb.end in there
    )
    kept = tuple(entry for entry in parts if entry.bones)
    found = replace(
        bone_map,
        parts=kept,
        twists=tuple(item for item in bone_map.twists if item.bone in there),
        offsets=tuple(item for item in bone_map.offsets if item.bone in there),
        switches=tuple(item for item in bone_map.switches if item.bone in there),
        limbs=limbs,
    )
    return found, len(parts) - len(kept)


def _path(names: Iterable[str]) -> Path:
    return maps_folder() / f"{signature(names)}{SUFFIX}"


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error)
