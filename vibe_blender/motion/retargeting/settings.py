# SPDX-License-Identifier: GPL-3.0-or-later OR MIT
"""What can be set about a retargeted motion."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from typing import Literal, get_args

from ...contract.errors import CaptureError

Place = Literal["object", "world"]
RootMotion = Literal["hips", "root", "in_place"]
Limbs = Literal["fk", "ik"]
Result = Literal["action", "nla", "additive"]
PLACES, ROOT_MOTIONS, LIMBS, RESULTS = (get_args(kind) for kind in (Place, RootMotion, Limbs, Result))


@dataclass(frozen=True)
class Retarget:
    """How one rig takes over another's motion.

    Attributes:
        place: ``object`` plays the motion where the target's object stands and faces; ``world`` where the source is.
        root: who walks: the ``hips``; the ``root`` bone, along the floor and turning with them; ``in_place``: nobody.
        lock_height: whether the hips stay as high as they are at rest.
        path_scale: of the path, times the ratio of both rigs' legs.
        heading_deg: turns the motion about the vertical, degrees, seen from above against the clock.
        feet: 0..1, how much feet that stand on the source stand on the target.
        hands: 0..1, how much hands keep their places to body, head and each other rather than the arms' angles.
        twist: 0..1, the share of roll given to twist bones.
        align_trunk: whether spine, neck and collars too point as the source's do; else they keep the target's posture.
        arm_spread_deg: arms further from the body, degrees.
        foot_spread_deg: thighs further apart, degrees.
        limbs: for rigs that have both, which controls get keys.
        result: a new ``action`` in place of the one before; a new strip above it (``nla``), or one added to it.

    Raises:
        CaptureError: ``bad_setting``, which names what is wrong.
    """

    place: Place = "object"
    root: RootMotion = "hips"
    lock_height: bool = False
    path_scale: float = 1.0
    heading_deg: float = 0.0
    feet: float = 1.0
    hands: float = 0.0
    twist: float = 0.0
    align_trunk: bool = False
    arm_spread_deg: float = 0.0
    foot_spread_deg: float = 0.0
    limbs: Limbs = "fk"
    result: Result = "action"

    def __post_init__(self) -> None:
        for name, choices in (("place", PLACES), ("root", ROOT_MOTIONS), ("limbs", LIMBS), ("result", RESULTS)):
            if getattr(self, name) not in choices:
                raise _bad(name, getattr(self, name), f"Choose one of {', '.join(choices)}.")
        for name, (low, high) in RANGES.items():
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
                raise _bad(name, value, "Give a number.")
            if not low <= value <= high:
                raise _bad(name, value, f"It goes from {low:g} to {high:g}.")
        for name in ("lock_height", "align_trunk"):
            if not isinstance(getattr(self, name), bool):
                raise _bad(name, getattr(self, name), "Give true or false.")


RANGES = {
    "path_scale": (0.0, 100.0), "heading_deg": (-360.0, 360.0), "feet": (0.0, 1.0), "hands": (0.0, 1.0),
    "twist": (0.0, 1.0), "arm_spread_deg": (-45.0, 45.0), "foot_spread_deg": (-30.0, 30.0),
}  # fmt: skip
"""Lowest and highest value of each setting that is a number."""
NAMES = tuple(field.name for field in fields(Retarget))


def _bad(name: str, value: object, remedy: str) -> CaptureError:
    return CaptureError("bad_setting", f"{name} cannot be {value!r}.", remedy)
