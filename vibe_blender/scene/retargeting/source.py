# SPDX-License-Identifier: GPL-3.0-or-later
"""The rig that gives its motion: its bones at rest, and where they are in every whole frame of its animation."""

from __future__ import annotations

import itertools
from collections.abc import Collection
from dataclasses import dataclass

import bpy
import numpy as np
from numpy.typing import NDArray

from ...contract.errors import CaptureError
from ...contract.quaternions import Array, continuous, from_matrices, multiply, rotate, to_matrices
from ...contract.skeleton import JOINT_NAMES
from ...motion.mapping.mapping import map_bones
from ...motion.retargeting.bone_map import PARTS, BoneMap, MappedPart
from ...motion.retargeting.rig import Pose, Rig, RigMotion, posed
from ...motion.settings import FEET
from ...motion.settings import PARTS as SOLE
from ..animation import TRACKED, home_of
from ..contact_curves import contact_path
from ..passing import alone, pose_matrices
from ..steps import Steps, run_through
from .curve_values import WIDTHS, Curves, rotation_channel, turns
from .rigs import mapped, moves_itself, path_of, read_rig, with_ancestors

_BONES = 'pose.bones["'
_TRACKED_PATH = f'["{TRACKED}"]'
_PLACED = ("location", *WIDTHS)
_MOST_FRAMES = 200_000
_SAME = 1e-4

SMPL_MAP = BoneMap(
    tuple(
        MappedPart(part, ("spine1", "spine2", "spine3") if part == "spine" else (part,))
        for part in PARTS
        if part == "spine" or part in JOINT_NAMES
    ),
    rig="SMPL",
)
"""The bones of a take's armature."""


@dataclass(frozen=True)
class Sampled:
    """A rig's motion, and where it is.

    Attributes:
        motion: where its object stands still.
        to_world: (4, 4) from the armature to the scene's world, where the motion begins.
    """

    motion: RigMotion
    to_world: Array


def source_map(armature: bpy.types.Object) -> BoneMap:
    """Which bones are which parts of the body, of a take's armature or any other."""
    if all(name in armature.data.bones for name in JOINT_NAMES):
        return SMPL_MAP
    return map_bones(read_rig(armature))


def source_rig(armature: bpy.types.Object, bone_map: BoneMap | None = None) -> Rig:
    """The bones that a map speaks of at rest, with those that carry them and their children."""
    return read_rig(armature, mapped(bone_map or source_map(armature)))


def source_frames(armature: bpy.types.Object) -> Array:
    """The whole scene frames (T,) of an armature's animation, from its first key to its last.

    Raises:
        CaptureError: ``no_motion``, ``too_long``.
    """
    spans = [span for span in (Curves(armature).span(_moves_bones), *_strips(armature)) if span is not None]
    if not spans:
        raise CaptureError(
            "no_motion",
            f"{armature.name} has no animation of its bones.",
            "Give it an action, or choose another source; what other things make it do, bake first.",
        )
    first, last = int(np.ceil(min(span[0] for span in spans))), int(np.floor(max(span[1] for span in spans)))
    if last - first >= _MOST_FRAMES:
        raise CaptureError(
            "too_long",
            f"The animation of {armature.name} is {last - first + 1:,} frames long; more than {_MOST_FRAMES:,} "
            "cannot be taken over at once.",
            "Remove keys that lie far off.",
        )
    return np.arange(first, max(first, last) + 1, dtype=float)


def source_motion(armature: bpy.types.Object, frames: Array, bone_map: BoneMap | None = None) -> RigMotion:
    """Where the bones of ``source_rig`` are; see ``sampling_source``."""
    return run_through(sampling_source(armature, frames, bone_map)).motion


def sampling_source(armature: bpy.types.Object, frames: Array, bone_map: BoneMap | None = None) -> Steps[Sampled]:
    """Where the bones of ``source_rig`` are, from the curves at once where nothing else moves them.

    What the object itself does counts as done by the bones: a take's way along the floor, where that is its own, and
    any other way that begins at the first frame. What its parents do does not.

    Args:
        armature: the source.
        frames: (T,) scene frames.
        bone_map: of the armature; None looks it up.

    Raises:
        CaptureError: ``rest_position``.
    """
    bone_map = bone_map or source_map(armature)
    rig, names = source_rig(armature, bone_map), mapped(bone_map)
    curves = Curves(armature)
    if _curves_say_all(armature, curves, names):
        heads, turned = _from_curves(armature, curves, rig, names, frames)
        bases = _bases(armature, curves, frames)
    else:
        heads, turned, bases = yield from _frame_by_frame(armature, rig, frames)
    yield
    now = np.array(armature.matrix_basis, float)
    if (home := home_of(armature)) is not None:
        origin = now.copy()
        origin[:3, 3] = home
    else:
        origin = bases[0]
    way = np.linalg.solve(origin, bases)
    if np.abs(way - np.eye(4)).max() > _SAME:
        lengths = np.linalg.norm(way[:, :3, :3], axis=1, keepdims=True)
        along = from_matrices(way[:, :3, :3] / lengths)[:, None]
        heads, turned = rotate(along, heads) + way[:, None, :3, 3], multiply(along, turned)
    to_world = np.array(armature.matrix_world, float) @ np.linalg.solve(now, origin)
    return Sampled(RigMotion(np.asarray(frames, float), heads, continuous(turned)), to_world)


def source_stands(armature: bpy.types.Object, frames: Array) -> NDArray[np.bool_] | None:
    """When feet stand, (T, 2, 2): left and right, heel and ball; None where the animation does not say."""
    curves = Curves(armature)
    paths = [contact_path(foot, part) for foot, part in itertools.product(FEET, SOLE)]
    if not any(path in curves for path in paths):
        return None
    values = [curves.values(path, np.zeros(1), frames)[:, 0] >= 0.5 for path in paths]
    return np.stack(values, axis=-1).reshape(-1, len(FEET), len(SOLE))


def is_captured(armature: bpy.types.Object) -> bool:
    """Whether a take's own motion moves an armature: where that does not say that feet stand, they are not to."""
    return _TRACKED_PATH in Curves(armature)


def _moves_bones(path: str) -> bool:
    return path.startswith(_BONES)


def _strips(armature: bpy.types.Object) -> list[tuple[float, float]]:
    """From when to when the strips that count move the armature."""
    animation = armature.animation_data
    if animation is None or not animation.use_nla:
        return []
    alone_one = [track for track in animation.nla_tracks if track.is_solo]
    heard = alone_one or [track for track in animation.nla_tracks if not track.mute]
    return [
        (strip.frame_start, strip.frame_end)
        for track in heard
        for strip in track.strips
        if not strip.mute and strip.type in ("CLIP", "META")
    ]


def _curves_say_all(armature: bpy.types.Object, curves: Curves, names: Collection[str]) -> bool:
    """Whether the curves of its action are all that moves the armature, and do so in a way that is known here."""
    if _strips(armature) or not moves_itself(armature, names):
        return False
    drivers = armature.animation_data.drivers if armature.animation_data else ()
    if any(driver.data_path in _PLACED for driver in drivers):
        return False
    frames = np.array(curves.span(_moves_bones) or (0.0, 0.0))
    for name in with_ancestors(armature, names):
        bone, scaled = armature.pose.bones[name], path_of(name, "scale")
        if scaled in curves and np.abs(curves.values(scaled, bone.scale, frames) - 1.0).max() > 1e-3:
            return False
        if curves.mode(path_of(name, "rotation_mode"), bone.rotation_mode, frames) is None:
            return False
    return True


def _from_curves(
    armature: bpy.types.Object, curves: Curves, rig: Rig, names: Collection[str], frames: Array
) -> tuple[Array, Array]:
    """Heads (T, B, 3) and orientations (T, B, 4) that the curves come to."""
    needed = with_ancestors(armature, names)
    bones = [name for name in rig.names if name in needed]
    pose = Pose(np.empty((len(frames), len(bones), 4)), np.zeros((len(frames), len(bones), 3)))
    for row, name in enumerate(bones):
        bone = armature.pose.bones[name]
        mode = curves.mode(path_of(name, "rotation_mode"), bone.rotation_mode, frames) or bone.rotation_mode
        channel = rotation_channel(mode)
        pose.rotations[:, row] = turns(curves.values(path_of(name, channel), getattr(bone, channel), frames), mode)
        if not (bone.bone.use_connect and bone.parent):
            pose.locations[:, row] = curves.values(path_of(name, "location"), bone.location, frames)
    return posed(rig, bones, pose)


def _bases(armature: bpy.types.Object, curves: Curves, frames: Array) -> Array:
    """The object's own transform (T, 4, 4) that the curves come to."""
    now = np.array(armature.matrix_basis, float)
    bases = np.repeat(now[None], len(frames), axis=0)
    channel = rotation_channel(armature.rotation_mode)
    if "location" in curves:
        moved = curves.values("location", armature.location, frames) - np.array(armature.location)
        bases[:, :3, 3] += moved
    if channel in curves:
        mode, value = armature.rotation_mode, np.array(getattr(armature, channel), float)
        there = to_matrices(turns(curves.values(channel, value, frames), mode))
        scale = np.linalg.norm(now[:3, :3], axis=0)
        deltas = now[:3, :3] / scale @ to_matrices(turns(value[None], mode)[0]).T
        bases[:, :3, :3] = deltas @ there * scale
    return bases


def _frame_by_frame(armature: bpy.types.Object, rig: Rig, frames: Array) -> Steps[tuple[Array, Array, Array]]:
    """Heads (T, B, 3), orientations (T, B, 4) and the object's own transform (T, 4, 4), as Blender shows them."""
    if armature.data.pose_position == "REST":
        raise CaptureError(
            "rest_position",
            f"{armature.name} shows its rest position.",
            "Choose Pose Position in its data's properties.",
        )
    numbers = {bone.name: number for number, bone in enumerate(armature.pose.bones)}
    rows = np.array([numbers[name] for name in rig.names])
    matrices, bases = np.empty((len(frames), len(rows), 4, 4)), np.empty((len(frames), 4, 4))
    with alone(armature) as at:
        for row, frame in enumerate(frames):
            shown = armature.evaluated_get(at(frame))
            matrices[row], bases[row] = pose_matrices(shown)[rows], np.array(shown.matrix_basis)
            yield
    axes = matrices[..., :3, :3] / np.linalg.norm(matrices[..., :3, :3], axis=-2, keepdims=True)
    return matrices[..., :3, 3], from_matrices(axes), bases
