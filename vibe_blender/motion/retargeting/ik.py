# SPDX-License-Identifier: GPL-3.0-or-later OR MIT
"""A motion for IK controls: hands, feet and poles where the motion of the FK bones has them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...contract.quaternions import Array, conjugate, from_axis_angles, multiply, rotate
from .bone_map import BoneMap, Limb
from .figure import Figure, figure_of
from .posture import Posture, places
from .rig import BoneMotion, Rig

_JOINTS = {"hip": ("hip", "knee", "ankle"), "shoulder": ("shoulder", "elbow", "wrist")}
_STRAIGHT, _BENT = 0.003, 0.02
"""How far knee or elbow is from the line through the limb's ends, in lengths of the limb: up to the first its plane is
that of the bones' own axes, from the second on the one in which it bends; between them it is partly both."""


def with_ik(target: Rig, bone_map: BoneMap, motion: BoneMotion) -> BoneMotion:
    """The same motion for the IK controls of arms and legs, in place of their FK controls.

    The control at the end of a limb is carried by hand or foot as at rest. Its pole lies beyond knee or elbow, as far
    as the limb is long. Toes that have a control of their own beside an IK foot turn as the FK ones do. A limb without
    IK controls, or without hand or foot, stays as it is.

    Args:
        target: at rest.
        bone_map: of it, usable.
        motion: of the FK controls, from ``solve``.

    Raises:
        CaptureError: ``no_figure``.
    """
    figure = figure_of(target, bone_map)
    limbs = [(limb, rows) for limb in bone_map.limbs if (rows := _rows(figure, target, limb))]
    if not limbs:
        return motion
    turns, heads = _carried(target, figure, motion)
    turned = dict(zip(motion.bones, np.moveaxis(motion.turned, 1, 0), strict=True))
    moved = dict(zip(motion.moved, np.moveaxis(motion.heads, 1, 0), strict=True))
    for name in _replaced(bone_map, [limb for limb, _ in limbs]):
        turned.pop(name, None)
    for limb, rows in limbs:
        end, last = target.numbers[limb.end], figure.bones[rows[2]]
        turned[limb.end] = multiply(turns[:, rows[2]], target.axes[end])
        moved[limb.end] = heads[:, rows[2]] + rotate(turns[:, rows[2]], target.heads[end] - target.heads[last])
        toes = figure.row(limb.part.replace("hip", "foot"))
        if limb.toes in target.numbers and toes >= 0:
            for name in bone_map.bones(figure.parts[toes]):
                turned.pop(name, None)
            turned[limb.toes] = multiply(turns[:, toes], target.axes[target.numbers[limb.toes]])
        if limb.pole in target.numbers:
            turned[limb.pole] = np.tile(target.axes[target.numbers[limb.pole]], (len(motion.frames), 1))
            moved[limb.pole] = _pole(_Chain.of(target, figure, rows, limb), turns[:, rows[0]], heads[:, list(rows)])
    bones, placed = sorted(turned, key=target.numbers.__getitem__), sorted(moved, key=target.numbers.__getitem__)
    return BoneMotion(
        frames=motion.frames,
        bones=tuple(bones),
        turned=np.stack([turned[name] for name in bones], axis=1),
        moved=tuple(placed),
        heads=np.stack([moved[name] for name in placed], axis=1),
    )


@dataclass(frozen=True)
class _Chain:
    """A limb at rest, armature frame.

    Attributes:
        length: of both its bones.
        ahead: (3,) unit vector from knee or elbow towards its pole, or towards where it bends.
    """

    length: float
    ahead: Array

    @classmethod
    def of(cls, target: Rig, figure: Figure, rows: tuple[int, int, int], limb: Limb) -> _Chain:
        begin, middle, end = target.heads[figure.bones[list(rows)]]
        length = float(np.linalg.norm(middle - begin) + np.linalg.norm(end - middle))
        pole = target.heads[target.numbers[limb.pole]]
        ahead = _across(pole - middle, end - begin)
        if np.linalg.norm(ahead) < _BENT * length:  # the pole lies in line with the limb: there it says nothing
            knee = limb.part.endswith("hip")
            ahead = _across(rotate(figure.frame, np.array([0.0, -1.0 if knee else 1.0, 0.0])), end - begin)
        return cls(length, _unit(ahead))


def _rows(figure: Figure, target: Rig, limb: Limb) -> tuple[int, int, int] | None:
    """The rows of a limb's three bones in the figure; None where it cannot follow its IK controls."""
    side, _, joint = limb.part.rpartition("_")
    first, second, third = (figure.row(f"{side}_{name}") for name in _JOINTS[joint])
    return (first, second, third) if third >= 0 and limb.end in target.numbers else None


def _replaced(bone_map: BoneMap, limbs: list[Limb]) -> set[str]:
    """The bones that IK controls stand for: those of the limbs, and what twists with them."""
    sides = {(limb.part.rpartition("_")[0], limb.part.rpartition("_")[2]) for limb in limbs}
    parts = {f"{side}_{name}" for side, joint in sides for name in _JOINTS[joint]}
    bones = {bone for entry in bone_map.parts if entry.part in parts for bone in entry.bones}
    return bones | {twist.bone for twist in bone_map.twists if twist.part in parts}


def _carried(target: Rig, figure: Figure, motion: BoneMotion) -> tuple[Array, Array]:
    """By how much the figure's bones are turned from rest (T, M, 4), and where they begin (T, M, 3), armature frame.

    Each is carried by the part of the body that carries it: the bones of a control rig may have other parents.
    """
    rows = {name: row for row, name in enumerate(motion.bones)}
    turns = np.empty((len(motion.frames), len(figure), 4))
    for row, (bone, carrier) in enumerate(zip(figure.bones, figure.carriers, strict=True)):
        there = rows.get(target.names[bone])
        if there is not None:
            turns[:, row] = multiply(motion.turned[:, there], conjugate(target.axes[bone]))
        else:
            turns[:, row] = turns[:, carrier] if carrier >= 0 else np.array([1.0, 0.0, 0.0, 0.0])
    back = conjugate(figure.frame)
    turned = multiply(multiply(back, turns), multiply(figure.frame, figure.axes))
    pelvis = figure.row("pelvis")
    at = motion.moved.index(target.names[figure.bones[pelvis]])
    off = rotate(multiply(back, multiply(turns[:, pelvis], figure.frame)), figure.hips - figure.heads[pelvis])
    found = places(figure, Posture(turned, rotate(back, motion.heads[:, at]) + off))
    return turns, rotate(figure.frame, found)


def _pole(chain: _Chain, turns: Array, joints: Array) -> Array:
    """Where a limb's pole is to be (T, 3), armature frame.

    Args:
        chain: the limb at rest.
        turns: (T, 4) of its first bone from rest.
        joints: (T, 3, 3) where both bones begin, and where the limb ends.
    """
    begin, middle, end = joints[:, 0], joints[:, 1], joints[:, 2]
    # The line that the plane turns about; where the limb is folded up, both of its bones are.
    along = np.where(
        np.linalg.norm(end - begin, axis=-1, keepdims=True) > 1e-3 * chain.length, end - begin, end - middle
    )
    axis = _unit(along)
    own, bent = _across(rotate(turns, chain.ahead), along), _across(middle - begin, along)
    own = np.where(np.linalg.norm(own, axis=-1, keepdims=True) > 1e-3, _unit(own), _unit(bent))
    angle = np.arctan2(np.sum(np.cross(own, bent) * axis, axis=-1), np.sum(own * bent, axis=-1))
    share = np.clip((np.linalg.norm(bent, axis=-1) / chain.length - _STRAIGHT) / (_BENT - _STRAIGHT), 0.0, 1.0)
    share = share * share * (3.0 - 2.0 * share)
    return middle + chain.length * rotate(from_axis_angles((share * angle)[:, None] * axis), own)


def _across(vectors: Array, along: Array) -> Array:
    """What of vectors (..., 3) is at a right angle to others (..., 3)."""
    axis = _unit(along)
    return vectors - np.sum(vectors * axis, axis=-1, keepdims=True) * axis


def _unit(vectors: Array) -> Array:
    return vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-12)
