# SPDX-License-Identifier: GPL-3.0-or-later
"""Which actions are ours to remove: those we made, as long as nobody has worked on them."""

from __future__ import annotations

import uuid
import zlib
from collections.abc import Iterable
from dataclasses import dataclass

import bpy
import numpy as np
from numpy.typing import NDArray

from .steps import Steps

_MADE, _KEYS, _KEPT = "vibe_made", "vibe_keys", "vibe_kept_action"
"""Custom properties: what an armature and the action made for it have in common, a checksum of the keys, and the action
itself where another one moves the armature."""
_CURVES_PER_STEP = 8
APART = '["contact '
"""How the data paths of curves begin that are there to be edited: they do not count as work on the motion."""


@dataclass(frozen=True)
class Keys:
    """The keys of a curve.

    Attributes:
        state: what else of the curve moves something.
        places: (2 T,) frame and value of each.
        kinds: (T,) Blender's numbers of the interpolations.
    """

    state: str
    places: NDArray[np.float32]
    kinds: NDArray[np.uint8]

    @classmethod
    def of(cls, curve: bpy.types.FCurve) -> Keys:
        """Reads them."""
        count = len(curve.keyframe_points)
        places, kinds = np.empty(2 * count, np.float32), np.empty(count, np.uint8)
        curve.keyframe_points.foreach_get("co", places)
        curve.keyframe_points.foreach_get("interpolation", kinds)
        return cls(cls.state_of(curve), places, kinds)

    @staticmethod
    def state_of(curve: bpy.types.FCurve) -> str:
        """What else of the curve moves something."""
        return f"{curve.data_path} {curve.array_index} {curve.mute} {curve.extrapolation} {len(curve.modifiers)}"

    def checksum(self) -> int:
        """Of all of it."""
        return zlib.crc32(self.kinds.tobytes(), zlib.crc32(self.places.tobytes(), zlib.crc32(self.state.encode())))


def mark_made(action: bpy.types.Action) -> None:
    """Marks a new action as made by us."""
    action[_MADE] = uuid.uuid4().hex


def made_by_us(action: bpy.types.Action) -> bool:
    """Whether we made the action, or it is a copy of one."""
    return _MADE in action


def sealing(action: bpy.types.Action) -> Steps[None]:
    """Notes the keys as they are written, so that later changes are noticed."""
    action[_KEYS] = yield from _checksum(action)


def keep_in_mind(armature: bpy.types.Object, action: bpy.types.Action) -> None:
    """Remembers which action was made for the armature, without using it."""
    armature[_MADE] = action[_MADE]
    if _KEPT in armature:
        del armature[_KEPT]


def own_action(owner: bpy.types.ID) -> bpy.types.Action | None:
    """The action that was made for the owner last, whether or not it moves it now."""
    mark = owner.get(_MADE)
    moving = owner.animation_data.action if owner.animation_data else None
    if moving is not None and mark and moving.get(_MADE) == mark:
        return moving
    return next((action for action in bpy.data.actions if mark and action.get(_MADE) == mark), None)


def keep_own(owner: bpy.types.ID) -> None:
    """Keeps the action that was made for the owner in the file, for the time in which another one moves it."""
    if (action := own_action(owner)) is not None:
        owner[_KEPT] = action


def actions_of(owner: bpy.types.ID) -> list[bpy.types.Action]:
    """The action that moves the owner, and the one that was made for it where that moves nothing any more."""
    mark, kept = owner.get(_MADE), owner.get(_KEPT)
    idle = [
        action
        for action in bpy.data.actions
        if mark and action.get(_MADE) == mark and action.users <= (1 if action == kept else 0)
    ]
    moving = owner.animation_data.action if owner.animation_data else None
    return idle if moving is None else [moving, *(action for action in idle if action != moving)]


def untouched(action: bpy.types.Action) -> Steps[bool]:
    """Whether an action is as we wrote it: nobody has changed, extended or protected it since."""
    return _sealed(action) and action[_KEYS] == (yield from _checksum(action))


def protect(action: bpy.types.Action) -> bool:
    """Keeps an action in the file though nothing may use it; False where it lies in another file, safe anyway."""
    if action.library is None:
        action.use_fake_user = True
    return action.library is None


def read_keys(action: bpy.types.Action) -> list[tuple[bpy.types.FCurve, Keys]]:
    """The curves that a checksum is about, whomever they are for, with their keys; not to be held between steps."""
    return [(curve, Keys.of(curve)) for curve in _curves(action) if not curve.data_path.startswith(APART)]


def is_as_sealed(action: bpy.types.Action, keys: Iterable[Keys]) -> bool:
    """``untouched`` for who has read the keys anyway."""
    return _sealed(action) and action[_KEYS] == _sum(action, [item.checksum() for item in keys])


def seal(action: bpy.types.Action, keys: Iterable[Keys]) -> None:
    """``sealing`` for who knows the keys."""
    action[_KEYS] = _sum(action, [item.checksum() for item in keys])


def _sealed(action: bpy.types.Action) -> bool:
    return _KEYS in action and not action.use_fake_user and action.library is None


def _checksum(action: bpy.types.Action) -> Steps[str]:
    """Of all that moves something, whatever the order of the curves; 3 to 6 ms for 1,000 frames of a person."""
    sums: list[int] = []
    for first in range(0, len(_curves(action)), _CURVES_PER_STEP):
        some = _curves(action)[first : first + _CURVES_PER_STEP]
        sums += [Keys.of(curve).checksum() for curve in some if not curve.data_path.startswith(APART)]
        yield
    return _sum(action, sums)


def _sum(action: bpy.types.Action, sums: list[int]) -> str:
    return f"{len(sums)} {len(action.pose_markers) + sum(sums)}"


def _curves(action: bpy.types.Action) -> list[bpy.types.FCurve]:
    """All curves, whomever they are for."""
    if bpy.app.version < (4, 4, 0):
        return list(action.fcurves)
    strips = [strip for layer in action.layers for strip in layer.strips if strip.type == "KEYFRAME"]
    return [curve for strip in strips for bag in strip.channelbags for curve in bag.fcurves]
