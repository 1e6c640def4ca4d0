# SPDX-License-Identifier: GPL-3.0-or-later
"""A motion as keys on a rig of controls: what its constraints and drivers leave to be done, frame by frame.

That is found on a copy of the rig in a passing scene of its own: the user's rig, scene and frame stay as they are, and
what else is in the scene is not evaluated.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import bpy
import numpy as np

from ...contract.errors import CaptureError
from ...contract.quaternions import from_matrices
from ...motion.retargeting.bone_map import BoneMap
from ...motion.retargeting.ik import with_ik
from ...motion.retargeting.rig import BoneMotion, Pose
from ...motion.retargeting.settings import Result, Retarget
from ..passing import PASSING, passing_scene, remove_passing
from ..steps import Steps
from .keys import write_motion
from .leader import lead, let_go
from .rigs import read_rig
from .switches import hold_switches, set_switches, switch_curves


def baking(
    target: bpy.types.Object, bone_map: BoneMap, motion: BoneMotion, settings: Retarget, name: str
) -> Steps[bpy.types.Action]:
    """The action that moves a rig's controls so; a step for every frame.

    Closed before its end, it leaves nothing.

    Args:
        target: an armature object that follows nothing else.
        bone_map: of it.
        motion: of its FK controls.
        settings: which controls get keys, and what becomes of the action.
        name: of the action.

    Raises:
        CaptureError: ``bone_missing``, or as ``write_motion``.
    """
    if settings.limbs == "ik":
        motion = with_ik(read_rig(target), bone_map, motion)
    pose = yield from rehearsing(target, bone_map, motion, settings)
    if gone := [bone for bone in motion.bones if bone not in target.pose.bones]:
        raise CaptureError(
            "bone_missing", f"{gone[0]} of {target.name} was removed or renamed meanwhile.", "Bake it again."
        )
    set_switches(target, bone_map, settings.limbs)  # the action before may have moved them since
    switched = switch_curves(target, bone_map, settings, float(motion.frames[0]))
    return write_motion(target, name, motion.frames, motion.bones, pose, motion.moved, settings, switched)


def rehearsing(target: bpy.types.Object, bone_map: BoneMap, motion: BoneMotion, settings: Retarget) -> Steps[Pose]:
    """The pose channels (T, M, ...) by which a rig comes to a motion; nothing of it is changed.

    Args:
        target: an armature object.
        bone_map: of it.
        motion: of the controls that are to get keys.
        settings: which controls that are; and a layer above the rig's animation is to be seen over that.
    """
    found = np.empty((len(motion.frames), len(motion.bones), 4, 4))
    with _rehearsal(target, settings.result) as (scene, twin):
        yield
        set_switches(twin, bone_map, settings.limbs)
        hold_switches(twin, bone_map, settings.limbs)
        lead(twin, motion)
        yield
        for number, frame in enumerate(np.asarray(motion.frames, float)):
            whole = int(np.floor(frame))
            scene.frame_set(whole, subframe=float(frame - whole))
            shown = twin.evaluated_get(scene.view_layers[0].depsgraph)
            bones = [shown.pose.bones[name] for name in motion.bones]
            found[number] = [
                shown.convert_space(pose_bone=bone, matrix=bone.matrix, from_space="POSE", to_space="LOCAL")
                for bone in bones
            ]
            yield
    axes = found[..., :3, :3]
    return Pose(from_matrices(axes / np.linalg.norm(axes, axis=-2, keepdims=True)), found[..., :3, 3])


@contextmanager
def _rehearsal(target: bpy.types.Object, result: Result) -> Iterator[tuple[bpy.types.Scene, bpy.types.Object]]:
    """A copy of a rig, moved only by what will move the rig besides the new action, in a scene of its own."""
    try:
        with passing_scene() as scene:
            twin = target.copy()
            twin[PASSING] = True
            twin.hide_viewport = False  # what is hidden is not evaluated
            twin.data = _own_data(target, twin)
            let_go(twin)
            if (animation := twin.animation_data) is not None and result != "nla":
                animation.use_tweak_mode = False
                animation.action = None
                animation.use_nla = animation.use_nla and result == "action"
            scene.collection.objects.link(twin)
            scene.view_layers[0].update()
            yield scene, twin
    finally:
        remove_rehearsals()


def _own_data(target: bpy.types.Object, twin: bpy.types.Object) -> bpy.types.Armature:
    """The bones of a rig for its copy: driven by that, or the rig would have to be evaluated as well."""
    data = target.data.copy()
    data[PASSING], data.pose_position = True, "POSE"
    for curve in data.animation_data.drivers if data.animation_data else ():
        for variable in curve.driver.variables:
            for heeded in variable.targets:
                if heeded.id == target:
                    heeded.id = twin
    return data


def remove_rehearsals() -> None:
    """Removes copies of rigs with what leads them, and all else that was there for a moment."""
    for twin in [thing for thing in bpy.data.objects if PASSING in thing and thing.type == "ARMATURE"]:
        let_go(twin)
    remove_passing()
