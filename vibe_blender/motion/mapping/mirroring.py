# SPDX-License-Identifier: GPL-3.0-or-later OR MIT
"""The bones of one side found from those of the other: by their names, else by where they are."""

from __future__ import annotations

import re
from collections.abc import Iterator
from difflib import SequenceMatcher

import numpy as np

from ...contract.quaternions import Array
from ..retargeting.bone_map import BoneMap, mirrored
from ..retargeting.rig import Rig

_SIDES = (
    re.compile(r"left|right", re.IGNORECASE),
    re.compile(r"(?<![A-Za-z])[lr](?![A-Za-z])", re.IGNORECASE),
    re.compile(r"^[lr](?=[A-Z])"),
    re.compile(r"(?<=[a-z0-9])[LR]$"),
)
"""How names say a side, the plainest first: ``LeftArm``, ``arm.L``, ``lArm``, ``armL``."""
_OTHER = {"left": "right", "right": "left", "l": "r", "r": "l"}
_NEAR = 0.01
"""Of the rig's size: so far may a bone be from the mirror image of another."""


def mirror_map(rig: Rig, bone_map: BoneMap, side: str) -> BoneMap:
    """The map with one side's parts made from the other's; a part stays as it is where its bones are not found.

    Args:
        rig: the rig.
        bone_map: of it.
        side: ``left`` or ``right``, whose parts are copied to the other side.
    """
    found, images = bone_map, None
    for entry in bone_map.parts:
        if not entry.part.startswith(f"{side}_"):
            continue
        names = []
        for bone in entry.bones:
            other = next((name for name in flipped(bone) if name in rig.numbers), "")
            if not other and bone in rig.numbers:
                images = _mirror_images(rig) if images is None else images
                other = _opposite(rig, images, rig.numbers[bone])
            names.append(other)
        if all(names) and len(set(names)) == len(names):
            for taken in found.parts:
                left = [bone for bone in taken.bones if bone not in names]
                if taken.part != mirrored(entry.part) and len(left) < len(taken.bones):
                    found = found.with_part(taken.part, left, taken.certainty)
            found = found.with_part(mirrored(entry.part), names)
    return found


def flipped(name: str) -> Iterator[str]:
    """Names that the bone on the other side might have."""
    for pattern in _SIDES:
        other = pattern.sub(lambda match: _swapped(match[0]), name)
        if other != name:
            yield other


def _swapped(word: str) -> str:
    other = _OTHER[word.lower()]
    return other.upper() if word.isupper() else other.title() if word[0].isupper() else other


def _mirror_images(rig: Rig) -> Array:
    """Heads and tails (B, 6) mirrored in the plane, square to an axis of the armature, in which most have images."""
    ends = np.concatenate([rig.heads, rig.tails], axis=1)
    best, most = ends, -1
    for axis in range(3):
        along = ends[:, [axis, axis + 3]]
        for middle in (0.0, float(np.median(along)), float(np.min(along) + np.max(along)) / 2.0):
            images = ends.copy()
            images[:, [axis, axis + 3]] = 2.0 * middle - along
            # Bones in the plane are their own images, in any rig that is flat there: they do not count.
            apart = np.linalg.norm(images - ends, axis=1) > _NEAR * _size(rig)
            near = sum(_offsets(rig, image).min() < _NEAR * _size(rig) for image in images[apart])
            if near > most:
                best, most = images, near
    return best


def _opposite(rig: Rig, images: Array, bone: int) -> str:
    """The name of the bone that lies where a bone's mirror image does; of several, the one called most like it."""
    far = _offsets(rig, images[bone])
    near = [int(other) for other in np.flatnonzero(far < _NEAR * _size(rig)) if other != bone]
    name = rig.names[bone]
    return max(
        (rig.names[other] for other in near), key=lambda other: SequenceMatcher(None, name, other).ratio(), default=""
    )


def _offsets(rig: Rig, image: Array) -> Array:
    """(B,) how far all bones are from a place for head and tail (6,)."""
    return np.linalg.norm(np.concatenate([rig.heads, rig.tails], axis=1) - image, axis=1)


def _size(rig: Rig) -> float:
    return float(np.linalg.norm(np.ptp(rig.heads, axis=0)))
