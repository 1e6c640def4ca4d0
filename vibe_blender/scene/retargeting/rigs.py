# SPDX-License-Identifier: GPL-3.0-or-later
"""An armature of Blender's as a rig at rest, and whether its bones obey their own channels alone."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence

import bpy
import numpy as np

from ...contract.errors import CaptureError
from ...contract.quaternions import from_matrices
from ...motion.retargeting.bone_map import BoneMap
from ...motion.retargeting.rig import Pose, Rig

OURS = "VIBE "
"""How the names of constraints begin by which a rig of ours drives bones: they do not count as the rig's own."""
_Counts = Callable[[bpy.types.PoseBone, bpy.types.Constraint], bool]
_CHANNELS = ("location", "rotation_quaternion", "rotation_euler", "rotation_axis_angle", "rotation_mode", "scale")
_STILL, _EVEN, _FLAT = 1e-6, 1e-3, 1e-12


def read_rig(armature: bpy.types.Object, names: Collection[str] | None = None) -> Rig:
    """The bones of an armature object at rest.

    Args:
        armature: not in edit mode, where its bones are not up to date.
        names: leaves out all bones but these, those that carry them, and their children; None reads all.
    """
    bones = list(armature.data.bones)
    if names is not None:
        kept = with_ancestors(armature, names)
        kept |= {bone.name for bone in bones if bone.parent is not None and bone.parent.name in names}
        bones = [bone for bone in bones if bone.name in kept]
    bones = sorted(bones, key=_depth)
    numbers = {bone.name: number for number, bone in enumerate(bones)}
    matrices = np.array([bone.matrix_local for bone in bones], float).reshape(-1, 4, 4)
    return Rig(
        names=tuple(numbers),
        parents=np.array([numbers[bone.parent.name] if bone.parent else -1 for bone in bones], np.intp),
        heads=matrices[:, :3, 3],
        tails=np.array([bone.tail_local for bone in bones], float).reshape(-1, 3),
        axes=from_matrices(matrices[:, :3, :3]),
        inherits=np.array([bone.use_inherit_rotation for bone in bones], bool),
        local=np.array([bone.use_local_location for bone in bones], bool),
    )


def with_ancestors(armature: bpy.types.Object, names: Iterable[str]) -> set[str]:
    """Those of the bones that are there, and all that carry them."""
    found = set[str]()
    for bone in map(armature.data.bones.get, names):
        while bone is not None and bone.name not in found:
            found.add(bone.name)
            bone = bone.parent
    return found


def mapped(bone_map: BoneMap) -> tuple[str, ...]:
    """The bones that a map speaks of, those that twist too."""
    parts = [bone for entry in bone_map.parts for bone in entry.bones]
    return tuple(dict.fromkeys([*parts, *(twist.bone for twist in bone_map.twists)]))


def is_plain(armature: bpy.types.Object, bone_map: BoneMap) -> bool:
    """Whether the mapped bones stand where their own and their parents' channels put them.

    That is: without constraints but ours, without drivers, not scaled. What else the rig has does not matter.
    """
    return moves_itself(armature, (bone for entry in bone_map.parts for bone in entry.bones), ours_count=False)


def moves_itself(armature: bpy.types.Object, names: Iterable[str], *, ours_count: bool = True) -> bool:
    """``is_plain`` for bones by their names.

    Args:
        armature: with a pose.
        names: of its bones; what carries them counts too.
        ours_count: whether constraints of ours count.
    """
    needed = with_ancestors(armature, names)
    if needed & moved_otherwise(armature, ours_count=ours_count):
        return False
    return all(is_unscaled(armature.pose.bones[name]) for name in needed)


def moved_otherwise(armature: bpy.types.Object, *, ours_count: bool = True) -> set[str]:
    """The bones that constraints or drivers move; the arguments are those of ``moves_itself``."""
    return _constrained(armature, ours_count) | driven(armature)


def changed_by_constraints(armature: bpy.types.Object, names: Collection[str]) -> list[str]:
    """Those of the bones whose keys constraints of the rig's own change before they are seen.

    Constraints whose influence is driven do not count: that is how rigs switch them.
    """
    drivers = armature.animation_data.drivers if armature.animation_data else ()
    driven = {driver.data_path for driver in drivers}

    def counts(bone: bpy.types.PoseBone, constraint: bpy.types.Constraint) -> bool:
        path = f'{path_of(bone.name, "constraints")}["{bpy.utils.escape_identifier(constraint.name)}"].'
        switched = any(path + name in driven for name in ("influence", "mute", "enabled"))
        return constraint.influence > 0.0 and constraint.is_valid and not switched

    return sorted(_constrained(armature, False, counts) & set(names))


def held_pose(armature: bpy.types.Object, names: Collection[str]) -> tuple[tuple[str, ...], Pose]:
    """Bones that carry others and are not at rest themselves now, with their pose (1, M, ...).

    Args:
        armature: with a pose.
        names: of the bones that are carried; what these have for a pose does not matter.
    """
    carriers = with_ancestors(armature, names) - set(names)
    posed = [bone for bone in armature.pose.bones if bone.name in carriers and not is_at_rest(bone)]
    rotations = [bone.matrix_basis.to_quaternion() for bone in posed]
    locations = [bone.matrix_basis.to_translation() for bone in posed]
    pose = Pose(np.array(rotations, float).reshape(1, -1, 4), np.array(locations, float).reshape(1, -1, 3))
    return tuple(bone.name for bone in posed), pose


def path_of(bone: str, channel: str) -> str:
    """Data path of a pose bone's channel."""
    return f'pose.bones["{bpy.utils.escape_identifier(bone)}"].{channel}'


def check_armature(armature: bpy.types.Object | None, role: str) -> bpy.types.Object:
    """The armature, where its bones can be read and its units are the same along all axes.

    Args:
        armature: what was chosen.
        role: what it is to be, such as ``source``.

    Raises:
        CaptureError: ``not_armature``, ``edit_mode``, ``armature_flat``, ``uneven_scale``.
    """
    if armature is None or armature.type != "ARMATURE":
        what = "Nothing is chosen" if armature is None else f"{armature.name} is no armature"
        raise CaptureError("not_armature", f"{what} as the {role}.", "Choose an armature.")
    if armature.data.is_editmode:
        raise CaptureError("edit_mode", f"{armature.name} is being edited.", "Leave its edit mode (Tab).")
    axes = np.array(armature.matrix_world.to_3x3(), float)
    lengths = np.linalg.norm(axes, axis=0)
    if lengths.min() < _FLAT:
        raise CaptureError("armature_flat", f"{armature.name} is scaled to nothing.", "Clear its scale (Alt S).")
    axes = axes / lengths
    uneven = lengths.max() > lengths.min() * (1.0 + _EVEN) or np.abs(axes.T @ axes - np.eye(3)).max() > _EVEN
    if uneven or np.linalg.det(axes) < 0:
        how = "not scaled evenly" if uneven else "mirrored by its scale"
        raise CaptureError("uneven_scale", f"{armature.name} is {how}.", "Apply its scale (Ctrl A), its parents' too.")
    return armature


def check_own(armature: bpy.types.Object) -> None:
    """Raises ``target_linked`` where an armature cannot be animated in this file."""
    override = armature.override_library
    if armature.library is not None or (override is not None and override.is_system_override):
        raise CaptureError(
            "target_linked",
            f"{armature.name} is linked from another file.",
            "Make a library override of it (Object > Library Override > Make), or make it local.",
        )


def _depth(bone: bpy.types.Bone) -> int:
    depth = 0
    while (bone := bone.parent) is not None:
        depth += 1
    return depth


def _constrained(armature: bpy.types.Object, ours_count: bool, counts: _Counts | None = None) -> set[str]:
    """The bones that constraints move: those that have them, and where those reach up a chain, the chain."""
    found = set[str]()
    for bone in armature.pose.bones:
        for constraint in bone.constraints:
            if constraint.mute or (constraint.name.startswith(OURS) and not ours_count):
                continue
            if counts is not None and not counts(bone, constraint):
                continue
            found.add(bone.name)
            if constraint.type in ("IK", "SPLINE_IK"):
                chain: Sequence[bpy.types.PoseBone] = bone.parent_recursive
                found |= {
                    link.name for link in (chain[: constraint.chain_count - 1] if constraint.chain_count else chain)
                }
    return found


def driven(armature: bpy.types.Object) -> set[str]:
    """The bones with a driver on a channel."""
    drivers = armature.animation_data.drivers if armature.animation_data else ()
    paths = {driver.data_path for driver in drivers if not driver.mute}
    if not paths:
        return set()
    return {bone.name for bone in armature.pose.bones if any(path_of(bone.name, item) in paths for item in _CHANNELS)}


def is_unscaled(bone: bpy.types.PoseBone) -> bool:
    """Whether a bone's scale changes nothing."""
    return all(abs(value - 1.0) < _EVEN for value in bone.scale)


def is_at_rest(bone: bpy.types.PoseBone) -> bool:
    """Whether a bone's channels add nothing to its rest."""
    return bool(np.abs(np.array(bone.matrix_basis) - np.eye(4)).max() < _STILL)
