# SPDX-License-Identifier: GPL-3.0-or-later OR MIT
"""One rig's motion on another: rest poses are brought together, then every bone turns as its counterpart does.

``T(t) = S(t) S0^-1 A T0``: what the source has turned since its rest, after the target's rest pose was aligned to the
source's. That is independent of how bones are named, drawn and rolled, and keeps the directions of all limbs.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ...contract.errors import CaptureError
from ...contract.quaternions import Array, conjugate, continuous, from_axis_angles, from_matrices, multiply, rotate
from ..over_time import Timeline
from .aligning import alignment, shares
from .bone_map import CARRIERS, CHAINS, BoneMap, check_usable
from .feet import stand
from .figure import SIDES, Figure, figure_of
from .hands import keep_hands
from .posture import Posture, partway, places
from .rig import BoneMotion, Rig, RigMotion
from .settings import Retarget
from .twist import twisted

_UP, _FORWARDS = np.array([0.0, 0.0, 1.0]), np.array([0.0, -1.0, 0.0])
_STILL = np.array([1.0, 0.0, 0.0, 0.0])


def solve(
    source: Rig,
    source_map: BoneMap,
    motion: RigMotion,
    target: Rig,
    target_map: BoneMap,
    settings: Retarget,
    *,
    stands: NDArray[np.bool_] | None = None,
    to_target: Array | None = None,
    fps: float = 30.0,
) -> BoneMotion:
    """Where the target's bones are to be.

    Args:
        source, target: at rest.
        source_map, target_map: which bones are which parts of them.
        motion: of the source.
        settings: how.
        stands: (T, 2, 2) whether heel and ball of the left and the right foot stand; None where it is not known.
        to_target: (4, 4) the source's armature frame to the target's, of the places where their objects are; for a
            motion that is to be where the source is.
        fps: frames a second.

    Raises:
        CaptureError: ``part_missing``, ``bone_missing``, ``bone_twice``, ``no_figure``, ``no_root``.
    """
    check_usable(source_map, source.names, "The source")
    check_usable(target_map, target.names, "The target")
    one, other = figure_of(source, source_map), figure_of(target, target_map)
    given = _given(one, motion)
    posture = _transferred(one, given, other, _offsets(other, target, target_map), settings)
    timeline = _timeline(motion.frames, fps)
    if stands is not None:
        posture = stand(one, given, other, posture, stands, settings.feet, timeline)
    posture = keep_hands(one, given, other, posture, settings.hands, timeline)
    stage = _stage(one, given, other, posture, settings, to_target)
    return _placed(other, target, target_map, posture, motion.frames, stage, settings)


def aligned(source: Rig, source_map: BoneMap, target: Rig, target_map: BoneMap, settings: Retarget) -> BoneMotion:
    """The target in the pose that the source's rest pose gives it, as one frame; errors as in ``solve``."""
    still = RigMotion(np.zeros(1), source.heads[None], source.axes[None])
    plain = replace(settings, place="object", root="hips", heading_deg=0.0, feet=0.0, hands=0.0, lock_height=True)
    return solve(source, source_map, still, target, target_map, plain)


def _given(source: Figure, motion: RigMotion) -> Posture:
    """The source's posture (T, M, ...) in its character frame."""
    back = conjugate(source.frame)
    thighs = [source.bones[source.row(f"{side}_hip")] for side in SIDES]
    hips = np.mean(motion.heads[:, thighs], axis=1)
    return Posture(multiply(back, motion.turned[:, source.bones]), rotate(back, hips))


def _timeline(frames: Array, fps: float) -> Timeline:
    """When frames are; what leaves out more than one step is a gap."""
    frames = np.asarray(frames, float)
    step = float(np.median(np.diff(frames))) if len(frames) > 1 else 1.0
    return Timeline.of(frames / fps, np.round((frames - frames[:1]) / step))


def _transferred(source: Figure, given: Posture, target: Figure, offsets: Array, settings: Retarget) -> Posture:
    """The target's posture, its limbs parallel to the source's."""
    turns = given.turns(source)
    wanted = np.stack([_turn(source, turns, target, row) for row in range(len(target))], axis=1)
    wanted = _spread(target, wanted, alignment(source, target, trunk=settings.align_trunk), settings)
    ratio = target.leg / source.leg
    way = given.hips - source.hips
    scale = np.array([settings.path_scale, settings.path_scale, 0.0 if settings.lock_height else 1.0]) * ratio
    if settings.root == "in_place":
        scale = scale * _UP
    return Posture(multiply(multiply(wanted, target.axes), offsets), target.hips + scale * way)


def _turn(source: Figure, turns: Array, target: Figure, row: int) -> Array:
    """(T, 4) by how much a bone of the target is to turn from its aligned rest.

    Chains of as many bones as the source's follow bone by bone; of others, each bone turns as the source's chain does
    where it ends, by length, so the last one always turns as the source's last.
    """
    part = target.parts[row]
    rows, there = target.rows(part), source.rows(part)
    if not there:
        carrier = _nearest(source, part)
        return turns[:, source.row(carrier)]
    if part not in CHAINS or len(rows) == len(there):
        return turns[:, there[rows.index(row)]]
    at = shares(target, part)[rows.index(row) + 1]
    marks = shares(source, part)
    before = source.row(_nearest(source, part))
    last = int(np.clip(np.searchsorted(marks, at - 1e-9), 1, len(there)))
    begin, end = (turns[:, there[last - 2] if last > 1 else before], turns[:, there[last - 1]])
    share = (at - marks[last - 1]) / max(marks[last] - marks[last - 1], 1e-12)
    return partway(begin, end, float(np.clip(share, 0.0, 1.0)))


def _nearest(source: Figure, part: str) -> str:
    """The part that carries a part on the source, mapped there or not."""
    part = CARRIERS[part]
    while not source.rows(part):
        part = CARRIERS[part]
    return part


def _spread(target: Figure, turns: Array, align: Array, settings: Retarget) -> Array:
    """The turns (T, M, 4) from rest, alignment included, of limbs that are further from the body by the angles set."""
    wanted = multiply(turns, align)
    trunk = target.row("spine" if target.rows("spine") else "pelvis")
    for joints, body, degrees in (
        (("shoulder", "elbow", "wrist"), trunk, settings.arm_spread_deg),
        (("hip", "knee"), target.row("pelvis"), settings.foot_spread_deg),
    ):
        for sign, side in ((1.0, "left"), (-1.0, "right")) if degrees else ():
            limb = target.row(f"{side}_{joints[0]}")
            hanging = -rotate(wanted[:, limb], target.directions[limb])[:, 2]
            # An arm that is raised has nothing to avoid.
            share = np.clip(0.5 + 0.5 * hanging, 0.0, 1.0)[:, None]
            away = from_axis_angles(sign * np.radians(degrees) * share * rotate(turns[:, body], _FORWARDS))
            for row in (target.row(f"{side}_{joint}") for joint in joints):
                if row >= 0:
                    wanted[:, row] = multiply(away, wanted[:, row])
    return wanted


def _offsets(target: Figure, rig: Rig, bone_map: BoneMap) -> Array:
    """The user's turns (M, 4) of the figure's bones, about their own axes."""
    known = {item.bone: item.turn for item in bone_map.offsets}
    turns = np.array([known.get(rig.names[bone], _STILL) for bone in target.bones], float)
    return turns / np.linalg.norm(turns, axis=-1, keepdims=True)


@dataclass(frozen=True)
class _Stage:
    """Where a figure acts: its character frame to the target's armature.

    Attributes:
        turn: (4,) unit quaternion.
        origin: (3,) armature frame.
        shift: (3,) character frame, by which all is moved before.
    """

    turn: Array
    origin: Array
    shift: Array

    def place(self, points: Array) -> Array:
        """Points (..., 3) of the character frame in the armature's."""
        return self.origin + rotate(self.turn, points + self.shift)


def _stage(
    source: Figure, given: Posture, target: Figure, posture: Posture, settings: Retarget, to_target: Array | None
) -> _Stage:
    """Where the target acts: at its own object, or where the source is."""
    heading = from_axis_angles(np.radians(settings.heading_deg) * _UP)
    if settings.place == "object" or to_target is None:
        return _Stage(multiply(target.frame, heading), np.zeros(3), np.zeros(3))
    size = np.cbrt(np.linalg.det(to_target[:3, :3]))
    turn = multiply(from_matrices(to_target[:3, :3] / size), source.frame)
    flat = np.array([1.0, 1.0, 0.0])
    # Both begin at one place, from which steps are as long as the target's legs make them; there, too, they are turned.
    there = to_target[:3, 3] + rotate(turn, size * flat * given.hips[0])
    return _Stage(multiply(turn, heading), there, -flat * posture.hips[0])


def _placed(
    target: Figure, rig: Rig, bone_map: BoneMap, posture: Posture, frames: Array, stage: _Stage, settings: Retarget
) -> BoneMotion:
    """The posture as the motion of the rig's bones, with what twists and the root besides."""
    found = {int(bone): posture.turned[:, row] for row, bone in enumerate(target.bones)}
    if settings.twist > 0.0:
        for name, turned in twisted(target, rig, bone_map, posture, settings.twist):
            found[rig.numbers[name]] = turned
    pelvis = target.row("pelvis")
    heads = {int(target.bones[pelvis]): places(target, posture)[:, pelvis]}
    if settings.root == "root":
        root, turned, head = _root(target, rig, bone_map, posture)
        found[root], heads[root] = turned, head
    bones, moved = sorted(found), sorted(heads)
    turned = np.stack([multiply(stage.turn, found[bone]) for bone in bones], axis=1)
    return BoneMotion(
        frames=frames,
        bones=tuple(rig.names[bone] for bone in bones),
        turned=continuous(turned),
        moved=tuple(rig.names[bone] for bone in moved),
        heads=np.stack([stage.place(heads[bone]) for bone in moved], axis=1),
    )


def _root(target: Figure, rig: Rig, bone_map: BoneMap, posture: Posture) -> tuple[int, Array, Array]:
    """The root bone, its orientation (T, 4) and place (T, 3), character frame: below the hips, heading as they do."""
    if not bone_map.bones("root"):
        raise CaptureError(
            "no_root", "The target has no root bone that is mapped.", "Map one, or choose that the hips walk."
        )
    root = rig.numbers[bone_map.bones("root")[0]]
    back = conjugate(target.frame)
    head, axes = rotate(back, rig.heads[root]), multiply(back, rig.axes[root])
    turn = posture.turns(target)[:, target.row("pelvis")]
    # The twist about the vertical of a swing-twist decomposition.
    yaw = np.unwrap(2.0 * np.arctan2(turn[:, 3], turn[:, 0]))
    heading = from_axis_angles(yaw[:, None] * _UP)
    ahead = (target.hips - head) * (1.0, 1.0, 0.0)
    flat = posture.hips * (1.0, 1.0, 0.0) + head * _UP
    return root, multiply(heading, axes), flat - rotate(heading, ahead)
