# SPDX-License-Identifier: GPL-3.0-or-later OR MIT
"""The roll of arms and legs shared out along them, so that skin does not wring at a wrist or a shoulder."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ...contract.quaternions import Array, conjugate, from_axis_angles, multiply, rotate
from .bone_map import BoneMap
from .figure import SIDES, Figure
from .posture import Posture
from .rig import Rig

_LIMBS = ("shoulder", "elbow", "hip", "knee")
_ENDS = {"elbow": "wrist", "knee": "ankle"}


def twisted(figure: Figure, rig: Rig, bone_map: BoneMap, posture: Posture, share: float) -> Iterator[tuple[str, Array]]:
    """Names and orientations (T, 4), character frame, of the bones that take roll, or give some of theirs away.

    A forearm's bones roll with the hand, the more the nearer to it; an upper arm's roll less than it does, the less the
    nearer to the body. A roll is the twist about the limb of a swing-twist decomposition.

    Args:
        figure: of the rig.
        rig: the target at rest.
        bone_map: its map.
        posture: what it does.
        share: 0..1.
    """
    turns = posture.turns(figure)
    for side in SIDES:
        for joint in _LIMBS:
            part = f"{side}_{joint}"
            row, end = figure.row(part), figure.row(f"{side}_{_ENDS[joint]}") if joint in _ENDS else -1
            beside = [(item.bone, item.along) for item in bone_map.twists if item.part == part]
            inline = bone_map.bones(part)
            if row < 0 or (joint in _ENDS and end < 0) or not (beside or len(inline) > 1):
                continue
            if joint in _ENDS:
                roll, first = _roll(turns[:, row], turns[:, end], figure.directions[row]), 0.0
            else:
                body = turns[:, figure.carriers[row]]
                roll, first = _roll(body, turns[:, row], figure.directions[row]), -1.0
            lined = [(name, _middle(figure, rig, row, inline, name)) for name in inline] if len(inline) > 1 else []
            if joint in _ENDS:
                lined = lined[1:]
            for name, along in (*beside, *lined):
                turn = from_axis_angles((share * (first + along) * roll)[:, None] * figure.directions[row])
                rest = multiply(conjugate(figure.frame), rig.axes[rig.numbers[name]])
                yield name, multiply(multiply(turns[:, row], turn), rest)


def _roll(before: Array, after: Array, along: Array) -> Array:
    """By how much (T,), radians, one bone is twisted against another about an axis (3,); continuous, mostly small."""
    between = multiply(conjugate(before), after)
    roll = np.unwrap(2.0 * np.arctan2(between[:, 1:] @ along, between[:, 0]))
    # Of a quaternion and its negative, which are the same turn, one says a whole turn more.
    return roll - 2.0 * np.pi * np.round(np.median(roll) / (2.0 * np.pi))


def _middle(figure: Figure, rig: Rig, row: int, inline: tuple[str, ...], name: str) -> float:
    """How far along its limb, 0..1, the middle of a bone in line is."""
    place = inline.index(name)
    begin = rotate(conjugate(figure.frame), rig.heads[rig.numbers[name]])
    end = (
        rotate(conjugate(figure.frame), rig.heads[rig.numbers[inline[place + 1]]]) if place + 1 < len(inline) else None
    )
    middle = (begin + (figure.ends[row] if end is None else end)) / 2.0
    along = float((middle - figure.heads[row]) @ figure.directions[row]) / max(float(figure.lengths[row]), 1e-12)
    return float(np.clip(along, 0.0, 1.0))
