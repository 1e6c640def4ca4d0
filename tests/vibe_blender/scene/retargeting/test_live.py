# SPDX-License-Identifier: MIT
# ruff: noqa: E402 (what follows needs bpy)
from dataclasses import replace

import numpy as np
import pytest

bpy = pytest.importorskip("bpy")

from tests.characters import character
from tests.characters_blender import add_character, pose_matrices
from tests.walker import walker
from vibe_blender.contract.errors import CaptureError
from vibe_blender.contract.quaternions import Array, multiply
from vibe_blender.contract.take import Video
from vibe_blender.motion.retargeting.bone_map import Limb
from vibe_blender.motion.retargeting.ik import with_ik
from vibe_blender.motion.retargeting.rig import BoneMotion
from vibe_blender.motion.retargeting.settings import Retarget
from vibe_blender.scene.animation import animating
from vibe_blender.scene.armature import add_armature
from vibe_blender.scene.retargeting.leader import is_bound
from vibe_blender.scene.retargeting.live import bind, bound_to, unbind, update
from vibe_blender.scene.retargeting.rigs import read_rig
from vibe_blender.scene.retargeting.switches import value_of
from vibe_blender.scene.retargeting.transfer import solved
from vibe_blender.scene.steps import run_through

FPS = 30.0
ARP, MIXAMO = character("Auto-Rig Pro"), character("Mixamo")
MAPS = {one.name: one.true_map for one in (ARP, MIXAMO)}
FRAMES = (1, 9, 17, 20)


@pytest.fixture
def source(scene):
    scene.render.fps = 30
    return add_walk(scene.collection)


@pytest.fixture
def target(scene, source):
    armature = add_character(ARP, scene.collection)
    armature.name = ARP.name
    bpy.context.view_layer.update()
    return armature


def add_walk(collection):
    person, times, _ = walker(20, FPS)
    heads = person.rest_joints[:, [0, 2, 1]] * (1.0, -1.0, 1.0)
    armature = add_armature("walk", heads, 1.8, collection)
    run_through(animating(armature, person, Video("walk.mp4", 64, 64, FPS, times), fps=FPS, start=1.0))
    bpy.context.view_layer.update()
    return armature


def worst(armature, wanted: BoneMotion) -> float:
    """Degrees by which the bones are off at some frames."""
    found = [0.0]
    for frame in FRAMES:
        bpy.context.scene.frame_set(frame)
        turned = wanted.turned[list(wanted.frames).index(frame)]
        found.append(angles(pose_matrices(armature, list(wanted.bones))[1], turned).max())
    return max(found)


def angles(one: Array, other: Array) -> Array:
    off = multiply(one * (1.0, -1.0, -1.0, -1.0), other)
    return np.degrees(2.0 * np.arctan2(np.linalg.norm(off[..., 1:], axis=-1), np.abs(off[..., 0])))


def snapshot(armature) -> tuple:
    """All that the user has of a rig, and what there is in the file."""
    bones = [
        (
            bone.name,
            bone.rotation_mode,
            *map(tuple, (bone.location, bone.rotation_quaternion, bone.rotation_euler, bone.scale)),
            [(item.name, item.type, item.influence, item.mute) for item in bone.constraints],
            sorted(bone.items()),
        )
        for bone in armature.pose.bones
    ]
    animation = armature.animation_data
    action = animation.action.name if animation and animation.action else None
    kinds = ("scenes", "objects", "armatures", "actions", "collections")
    drivers = [curve.data_path for curve in animation.drivers] if animation else []
    return (
        bones,
        action,
        drivers,
        sorted(armature.keys()),
        [[one.name for one in getattr(bpy.data, kind)] for kind in kinds],
    )


def test_a_bound_rig_follows_and_is_as_before_when_it_is_unbound(scene, source, target) -> None:
    hand = target.pose.bones["c_hand_fk.l"]
    hand.constraints.new("LIMIT_ROTATION").use_limit_x = True
    hand.rotation_mode = "XYZ"
    hand.rotation_euler = (0.3, 0.2, 0.1)
    hand.keyframe_insert("rotation_euler", frame=1)
    switch = ARP.true_map.switches[0]
    target.pose.bones[switch.bone].keyframe_insert(f'["{switch.name}"]', frame=1)
    bpy.context.view_layer.update()
    before = snapshot(target)
    bind(source, target, ARP.true_map, Retarget())
    assert is_bound(target)
    assert worst(target, solved(source, target, ARP.true_map, Retarget())) < 1e-3
    assert [value_of(target, switch) for switch in ARP.true_map.switches] == [1.0, 1.0, 1.0, 1.0]
    scene.frame_set(1)
    unbind(target)
    assert not is_bound(target)
    assert snapshot(target) == before
    unbind(target)
    assert snapshot(target) == before


def test_it_follows_what_the_source_does_now(source, target) -> None:
    bind(source, target, ARP.true_map, Retarget())
    source.pose.bones["left_shoulder"].rotation_mode = "XYZ"
    source.pose.bones["left_shoulder"].rotation_euler = (0.0, 0.0, 0.5)
    actions = len(bpy.data.actions)
    update(target)
    assert worst(target, solved(source, target, ARP.true_map, Retarget())) < 1e-3
    assert len(bpy.data.actions) == actions


def test_settings_and_map_can_change_while_it_follows(scene, source, target) -> None:
    before = snapshot(target)
    bind(source, target, ARP.true_map, Retarget())
    wide, handless = Retarget(arm_spread_deg=20.0), ARP.true_map.with_part("left_wrist", ())
    update(target, settings=wide)
    assert worst(target, solved(source, target, ARP.true_map, wide)) < 1e-3
    update(target, handless)
    assert worst(target, solved(source, target, handless, wide)) < 1e-3
    assert not target.pose.bones["c_hand_fk.l"].constraints
    bind(source, target, ARP.true_map, Retarget())
    assert worst(target, solved(source, target, ARP.true_map, Retarget())) < 1e-3
    scene.frame_set(1)
    unbind(target)
    assert snapshot(target) == before


def test_ik_controls_follow_and_their_switches_come_back(source, target) -> None:
    limbs = tuple(Limb(f"{side}_hip", f"c_foot_ik.{side[0]}", f"c_leg_pole.{side[0]}") for side in ("left", "right"))
    bone_map = replace(ARP.true_map, limbs=limbs)
    before = [value_of(target, switch) for switch in bone_map.switches]
    bind(source, target, bone_map, Retarget())
    bind(source, target, bone_map, Retarget(limbs="ik"))
    assert [value_of(target, switch) for switch in bone_map.switches] == [0.0] * 4
    fk = with_ik(read_rig(target), bone_map, solved(source, target, bone_map, Retarget()))
    assert "c_foot_ik.l" in fk.moved
    assert worst(target, fk) < 1e-3
    assert not target.pose.bones["c_thigh_fk.l"].constraints
    unbind(target)
    assert [value_of(target, switch) for switch in bone_map.switches] == before


def test_plain_rigs_follow_too_several_of_one_source(scene, source, target) -> None:
    other = add_character(MIXAMO, scene.collection)
    bpy.context.view_layer.update()
    assert bound_to(source) == []
    bind(source, target, ARP.true_map, Retarget())
    bind(source, other, MIXAMO.true_map, Retarget())
    assert set(bound_to(source)) == {target, other}
    assert worst(other, solved(source, other, MIXAMO.true_map, Retarget())) < 1e-3
    unbind(target)
    assert bound_to(source) == [other]
    assert worst(other, solved(source, other, MIXAMO.true_map, Retarget())) < 1e-3


def test_it_lasts_through_saving(source, target, tmp_path) -> None:
    bind(source, target, ARP.true_map, Retarget())
    path = str(tmp_path / "bound é.blend")
    bpy.ops.wm.save_as_mainfile(filepath=path)
    bpy.ops.wm.open_mainfile(filepath=path)
    source, target = bpy.data.objects["walk"], bpy.data.objects[ARP.name]
    assert bound_to(source) == [target]
    update(target, settings=Retarget(arm_spread_deg=10.0))
    assert worst(target, solved(source, target, ARP.true_map, Retarget(arm_spread_deg=10.0))) < 1e-3
    unbind(target)
    assert [value_of(target, switch) for switch in ARP.true_map.switches] == [0.0] * 4
    assert [action.name for action in bpy.data.actions] == ["walk"]


def test_a_source_that_was_removed_leaves_the_last_motion_and_unbinding_works(source, target) -> None:
    bind(source, target, ARP.true_map, Retarget())
    wanted = solved(source, target, ARP.true_map, Retarget())
    bpy.data.objects.remove(source)
    assert worst(target, wanted) < 1e-3
    with pytest.raises(CaptureError, match="was removed") as caught:
        update(target)
    assert caught.value.code == "source_gone"
    unbind(target)
    assert not target.pose.bones["c_hand_fk.l"].constraints
    assert len(bpy.data.objects) == 1


def test_bones_renamed_since_are_known(source, target) -> None:
    bind(source, target, ARP.true_map, Retarget())
    target.data.bones["c_arm_fk.l"].name = "upper arm"
    target.data.bones["c_head.x"].name = "c_arm_fk.l"
    update(target, settings=Retarget(arm_spread_deg=15.0))
    bone_map = ARP.true_map.with_part("left_shoulder", ["upper arm"]).with_part("head", ["c_arm_fk.l"])
    assert worst(target, solved(source, target, bone_map, Retarget(arm_spread_deg=15.0))) < 1e-3
    unbind(target)
    assert not any(bone.constraints for bone in target.pose.bones)


def test_a_bone_that_was_removed_is_named_and_the_rest_follows_on(source, target) -> None:
    bind(source, target, ARP.true_map, Retarget())
    with bpy.context.temp_override(active_object=target, object=target):
        bpy.context.view_layer.objects.active = target
        bpy.ops.object.mode_set(mode="EDIT")
        target.data.edit_bones.remove(target.data.edit_bones["c_arm_fk.l"])
        bpy.ops.object.mode_set(mode="OBJECT")
    with pytest.raises(CaptureError, match=r"c_arm_fk\.l"):
        update(target)
    assert is_bound(target)
    assert target.pose.bones["c_head.x"].constraints
    unbind(target)
    assert not any(bone.constraints for bone in target.pose.bones)


def test_what_cannot_be_solved_changes_nothing(source, target) -> None:
    before = snapshot(target)
    with pytest.raises(CaptureError, match="nobody"):
        bind(source, target, ARP.true_map.with_part("head", ["nobody"]), Retarget())
    with pytest.raises(CaptureError) as caught:
        update(target)
    assert caught.value.code == "not_bound"
    assert snapshot(target) == before


def test_undo_takes_the_link_back_and_redo_brings_it_again(source, target) -> None:
    names = source.name, target.name
    bpy.ops.ed.undo_push(message="before")
    bind(source, target, ARP.true_map, Retarget())
    bpy.ops.ed.undo_push(message="bound")
    bpy.ops.ed.undo()
    source, target = (bpy.data.objects[name] for name in names)
    assert not is_bound(target)
    assert not any(bone.constraints for bone in target.pose.bones)
    bpy.ops.ed.redo()
    source, target = (bpy.data.objects[name] for name in names)
    assert bound_to(source) == [target]
    update(target)
    assert worst(target, solved(source, target, ARP.true_map, Retarget())) < 1e-3
    unbind(target)
    assert [value_of(target, switch) for switch in ARP.true_map.switches] == [0.0] * 4
