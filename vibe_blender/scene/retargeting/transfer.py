# SPDX-License-Identifier: GPL-3.0-or-later
"""One rig's motion given to another, whole: read, solved, and written as an action."""

from __future__ import annotations

import contextlib
from collections.abc import Collection
from dataclasses import dataclass, replace

import bpy
import numpy as np

from ...contract.errors import CaptureError
from ...motion.retargeting.bone_map import BoneMap, Switch, check_usable
from ...motion.retargeting.ik import with_ik
from ...motion.retargeting.rig import BoneMotion, pose_of
from ...motion.retargeting.settings import Retarget
from ...motion.retargeting.solving import solve
from ...motion.retargeting.standing import found_stands
from ..animation import assigned_curves
from ..camera import frame_rate
from ..ownership import read_keys
from ..steps import Steps, run_through
from .bake import baking
from .keys import check_layers, is_held, locked, write_motion
from .leader import is_bound
from .rigs import (
    changed_by_constraints,
    check_armature,
    check_own,
    driven,
    held_pose,
    is_at_rest,
    is_plain,
    is_unscaled,
    moved_otherwise,
    path_of,
    read_rig,
    with_ancestors,
)
from .source import is_captured, sampling_source, source_frames, source_map, source_rig, source_stands
from .switches import in_ik, put_back, set_switches, switch_curves

_SHOWN = 4
"""Names in one sentence."""


@dataclass(frozen=True)
class Outcome:
    """What became of a retargeting.

    Attributes:
        action: that moves the target now.
        switches: that were set, each with its value before.
        kept: names of the actions in whose place it came, all of them still in the file.
        warnings: sentences for the user.
    """

    action: bpy.types.Action
    switches: tuple[tuple[Switch, float], ...]
    kept: tuple[str, ...]
    warnings: tuple[str, ...]


def solved(
    source: bpy.types.Object,
    target: bpy.types.Object,
    bone_map: BoneMap,
    settings: Retarget,
    *,
    source_parts: BoneMap | None = None,
) -> BoneMotion:
    """Where the bones of the target are to be; see ``solving``."""
    return run_through(solving(source, target, bone_map, settings, source_parts=source_parts))


def solving(
    source: bpy.types.Object,
    target: bpy.types.Object,
    bone_map: BoneMap,
    settings: Retarget,
    *,
    source_parts: BoneMap | None = None,
) -> Steps[BoneMotion]:
    """Where the bones of the target are to be, in every frame of the source's animation; nothing is changed.

    Args:
        source: an armature object with animation.
        target: an armature object.
        bone_map: of the target.
        settings: how.
        source_parts: map of the source; None looks it up.

    Raises:
        CaptureError: as ``check_pair``, ``source_frames`` and ``check_usable`` say.
    """
    check_pair(source, target)
    parts = source_parts or source_map(source)
    check_usable(parts, (bone.name for bone in source.data.bones), source.name)
    check_usable(bone_map, (bone.name for bone in target.data.bones), target.name)
    frames = source_frames(source)
    if limbs := in_ik(source, parts):
        raise CaptureError(
            "source_ik",
            f"{source.name} moves by IK controls, which say nothing of its limbs: {_listed(limbs)}.",
            "Bake it to its FK controls first.",
        )
    sampled = yield from sampling_source(source, frames, parts)
    to_target = None
    if settings.place == "world":
        to_target = np.linalg.solve(np.array(target.matrix_world, float), sampled.to_world)
    rig, stands = source_rig(source, parts), source_stands(source, frames)
    fps = frame_rate(bpy.context.scene)
    if stands is None and settings.feet > 0.0 and not is_captured(source):
        stands = found_stands(rig, parts, sampled.motion, fps)
    found = solve(
        rig, parts, sampled.motion, read_rig(target), bone_map, settings,
        stands=stands, to_target=to_target, fps=fps,
    )  # fmt: skip
    yield
    return found


def retargeting(
    source: bpy.types.Object,
    target: bpy.types.Object,
    bone_map: BoneMap,
    settings: Retarget,
    name: str | None = None,
    *,
    source_parts: BoneMap | None = None,
) -> Steps[Outcome]:
    """Gives the target the source's motion as an action of its own; the arguments are those of ``solving``.

    Args:
        source: an armature object with animation.
        target: an armature object.
        bone_map: of the target.
        settings: how, and what becomes of the action.
        name: of the action; None calls it after both.
        source_parts: map of the source; None looks it up.

    Raises:
        CaptureError: as ``solving``, and ``target_linked``, ``target_bound``, ``all_locked``, ``nla_off``,
            ``nla_solo``. Nothing has changed then.
    """
    check_pair(source, target)
    check_own(target)
    if is_bound(target):
        raise CaptureError("target_bound", f"{target.name} follows another rig live.", "Unbind it first.")
    check_layers(target, settings)
    bone_map = without_driven_twists(target, bone_map)
    motion = yield from solving(source, target, bone_map, settings, source_parts=source_parts)
    name = name or f"{target.name} {source.name}"
    before = target.animation_data.action if target.animation_data else None
    # Where nothing moves its FK controls, IK ones still have to be brought to where those would be.
    plain = is_plain(target, bone_map) and (settings.limbs == "fk" or not bone_map.limbs)
    keyed = motion if plain or settings.limbs == "fk" else with_ik(read_rig(target), bone_map, motion)
    warnings = warnings_of(target, keyed, settings)
    switches = tuple(set_switches(target, bone_map, settings.limbs))
    try:
        if plain:
            others, held = held_pose(target, motion.bones)
            pose = pose_of(read_rig(target), motion, others, held)
            switched = switch_curves(target, bone_map, settings, float(motion.frames[0]))
            action = write_motion(target, name, motion.frames, motion.bones, pose, motion.moved, settings, switched)
        else:
            action = yield from baking(target, bone_map, motion, settings, name)
    except BaseException:
        with contextlib.suppress(ReferenceError):  # the rig is gone
            put_back(target, switches)
        raise
    now = target.animation_data.action
    kept = (before.name,) if settings.result == "action" and before is not None and before != now else ()
    return Outcome(action, switches, kept, warnings)


def check_pair(source: bpy.types.Object | None, target: bpy.types.Object | None) -> None:
    """Raises where two objects cannot give and take a motion.

    Raises:
        CaptureError: ``same_rig`` and what ``check_armature`` raises.
    """
    source, target = check_armature(source, "source"), check_armature(target, "target")
    if source == target:
        raise CaptureError("same_rig", f"{source.name} is both source and target.", "Choose another target.")


def without_driven_twists(target: bpy.types.Object, bone_map: BoneMap) -> BoneMap:
    """The map without the twist bones that the rig itself turns."""
    driven = moved_otherwise(target, ours_count=False)
    free = tuple(twist for twist in bone_map.twists if twist.bone not in driven)
    return bone_map if len(free) == len(bone_map.twists) else replace(bone_map, twists=free)


def warnings_of(target: bpy.types.Object, motion: BoneMotion, settings: Retarget) -> tuple[str, ...]:
    """What the user is to know of a target before it is given a motion for the bones that get keys."""
    found = []
    carriers = with_ancestors(target, motion.bones) - set(motion.bones)
    below = _animated(target, carriers, replaced=settings.result == "action")
    if below:
        found.append(f"Other animation moves {_listed(below)}, and the whole motion with it.")
    held = [name for name in motion.moved if is_held(target.pose.bones[name])]
    shut = [name for name in locked(target, motion.bones, motion.moved) if name not in held]
    strayed = [name for name in motion.bones if name not in motion.moved and _is_off(target.pose.bones[name])]
    changed = changed_by_constraints(target, motion.bones)
    if changed:
        found.append(f"Constraints of their own change what the keys of these say: {_listed(changed)}.")
    off = sorted(name for name in carriers if not is_at_rest(target.pose.bones[name]))
    if scaled := [name for name in off if not is_unscaled(target.pose.bones[name])]:
        found.append(
            f"{_listed(scaled)} makes the character another size: feet miss the floor. Scale its object instead."
        )
    elif off and settings.place == "object":
        found.append(f"{_listed(off)} is not at rest: the motion plays at the object's place, not there.")
    if turned := sorted(driven(target) & set(motion.bones)):
        found.append(f"Drivers move these whatever their keys say: {_listed(turned)}.")
    if held:
        found.append(f"{_listed(held)} hangs connected on its parent, and stays there: disconnect it in edit mode.")
    if shut:
        found.append(f"Locked channels got no keys: {_listed(shut)}.")
    if strayed:
        found.append(f"Moved off their places by hand, and left so: {_listed(strayed)}. Alt G puts them back.")
    if target.data.pose_position == "REST":
        found.append(f"{target.name} shows its rest position: choose Pose Position to see the motion.")
    return tuple(found)


def _animated(target: bpy.types.Object, names: Collection[str], *, replaced: bool) -> list[str]:
    """Those of the bones that a strip of the armature moves, or its action, unless that is ``replaced``."""
    animation = target.animation_data
    strips = [strip for track in animation.nla_tracks for strip in track.strips] if animation else []
    actions = [action for action in (strip.action for strip in strips) if action is not None]
    paths = {curve.data_path for action in dict.fromkeys(actions) for curve, _ in read_keys(action)}
    if not replaced:
        paths |= {curve.data_path for curve in assigned_curves(target)}
    return sorted(name for name in names if any(path.startswith(path_of(name, "")) for path in paths))


def _is_off(bone: bpy.types.PoseBone) -> bool:
    return not is_held(bone) and bone.location.length > 1e-4 * bone.length


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more
