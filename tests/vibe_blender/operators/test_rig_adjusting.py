# SPDX-License-Identifier: MIT
# ruff: noqa: E402 (what follows needs bpy)
import numpy as np
import pytest

bpy = pytest.importorskip("bpy")

from mathutils import Quaternion

from tests.characters import character
from tests.characters_blender import add_character
from tests.fake_backend import small_take
from vibe_blender.contract.quaternions import conjugate, multiply
from vibe_blender.contract.take_file import save_take
from vibe_blender.motion.retargeting.settings import Retarget
from vibe_blender.motion.retargeting.solving import aligned
from vibe_blender.scene.retargeting.leader import is_bound
from vibe_blender.scene.retargeting.rigs import read_rig
from vibe_blender.scene.retargeting.source import SMPL_MAP, source_rig
from vibe_blender.scene.takes import people

pytestmark = pytest.mark.usefixtures("panel")
UPPER, FORE = "CC_Base_L_Upperarm", "CC_Base_L_Forearm"


@pytest.fixture
def hero(video, tmp_path):
    """A character in A-pose with bones of all rotation modes and an action, and a take."""
    bpy.context.scene.render.fps = 25
    path = save_take(small_take(str(video), count=20), tmp_path / "one.take")
    bpy.ops.vibe.open_take(filepath=str(path))
    armature = add_character(character("Character Creator"), bpy.context.scene.collection, rotation=(0.0, 0.4, 1.0))
    armature.name = "Hero"
    modes = ("QUATERNION", "XYZ", "ZYX", "AXIS_ANGLE")
    random = np.random.default_rng(1)
    for number, bone in enumerate(armature.pose.bones):
        bone.rotation_mode = modes[number % 4]
        bone.rotation_euler = random.normal(size=3)
        bone.rotation_axis_angle = random.normal(size=4)
        bone.rotation_quaternion = random.normal(size=4)
    armature.pose.bones[UPPER].constraints.new("LIMIT_SCALE")
    armature.pose.bones[FORE].rotation_mode = "QUATERNION"
    armature.pose.bones[FORE].keyframe_insert("rotation_quaternion", frame=1)
    armature.pose.bones[FORE]["my number"] = 3
    bpy.context.view_layer.update()
    bpy.context.scene.vibe_retargeting.target = armature
    return armature


def state(armature) -> dict:
    channels = ("location", "rotation_quaternion", "rotation_euler", "rotation_axis_angle", "scale", "rotation_mode")
    found = {
        bone.name: (
            [tuple(getattr(bone, channel)) for channel in channels],
            [(constraint.name, constraint.mute, constraint.influence) for constraint in bone.constraints],
            {key: bone[key] for key in bone.keys()},  # noqa: SIM118
        )
        for bone in armature.pose.bones
    }
    animation = armature.animation_data
    slot = getattr(animation, "action_slot", None)
    return found | {"action": animation.action.name, "slot": slot and slot.identifier, "nla": animation.use_nla}


def pose(armature, name: str) -> np.ndarray:
    bpy.context.view_layer.update()
    return np.array(armature.pose.bones[name].matrix.to_quaternion())


def wanted(armature):
    source = people(bpy.context.scene.vibe.active_take)[0][0]
    bone_map = armature.vibe_retarget.bone_map()
    return aligned(source_rig(source), SMPL_MAP, read_rig(armature), bone_map, Retarget())


def angle(one, other) -> float:
    w, *xyz = multiply(conjugate(np.array(one)), np.array(other))
    return float(np.degrees(2 * np.arctan2(np.linalg.norm(xyz), abs(w))))


def test_the_alignment_is_shown_and_cancel_puts_everything_back(hero) -> None:
    before = state(hero)
    assert bpy.ops.vibe.align_rig() == {"FINISHED"}
    assert hero.mode == "POSE"
    motion = wanted(hero)
    for row, name in enumerate(motion.bones):
        assert angle(pose(hero, name), motion.turned[0, row]) < 0.01, name
    assert not bpy.ops.vibe.retarget.poll()
    assert not bpy.ops.vibe.detect_bones.poll()
    hero.pose.bones[UPPER].rotation_mode = "YXZ"
    hero.pose.bones[UPPER].rotation_euler = (1.0, 0.5, 0.2)
    hero.pose.bones[FORE]["my number"] = 7
    assert bpy.ops.vibe.cancel_alignment() == {"FINISHED"}
    assert hero.mode == "OBJECT"
    assert state(hero) == before
    assert hero.vibe_retarget.bone_map().offsets == ()
    assert hero.vibe_retarget.adjusting == ""
    assert bpy.ops.vibe.retarget.poll()


def test_what_was_turned_is_what_the_source_s_rest_gives_from_then_on(hero) -> None:
    before = state(hero)
    for turn in ((0.3, -0.2, 0.5), (-0.1, 0.4, 0.0)):
        bpy.ops.vibe.align_rig()
        for name in (UPPER, "CC_Base_Spine01"):
            bone = hero.pose.bones[name]
            bone.matrix = bone.matrix @ Quaternion(turn, 0.35).to_matrix().to_4x4()
            bpy.context.view_layer.update()
        seen = {name: pose(hero, name) for name in wanted(hero).bones}
        assert bpy.ops.vibe.apply_alignment() == {"FINISHED"}
        assert state(hero) == before
        motion = wanted(hero)
        for row, name in enumerate(motion.bones):
            assert angle(seen[name], motion.turned[0, row]) < 0.01, name
    turned = {item.bone for item in hero.vibe_retarget.bone_map().offsets}
    assert {UPPER, FORE, "CC_Base_Spine01"} <= turned
    assert "CC_Base_R_Thigh" not in turned
    assert bpy.ops.vibe.clear_offsets() == {"FINISHED"}
    assert hero.vibe_retarget.bone_map().offsets == ()
    assert not bpy.ops.vibe.clear_offsets.poll()


def test_a_bound_character_is_bound_again(hero) -> None:
    bpy.ops.vibe.bind_target()
    bpy.context.scene.frame_set(5)
    before, followed = pose(hero, FORE), hero.vibe_retarget.followed
    bpy.ops.vibe.align_rig()
    assert not is_bound(hero)
    bpy.ops.vibe.cancel_alignment()
    assert is_bound(hero)
    assert hero.vibe_retarget.followed == followed
    assert angle(pose(hero, FORE), before) < 0.01


def test_keys_set_meanwhile_are_told_and_unassigned(hero) -> None:
    before = state(hero)
    bpy.ops.vibe.align_rig()
    hero.pose.bones[UPPER].keyframe_insert("location", frame=3)
    made = hero.animation_data.action.name
    assert made != before["action"]
    bpy.ops.vibe.cancel_alignment()
    assert state(hero) == before
    assert made in bpy.data.actions


def test_the_alignment_survives_the_file(hero, tmp_path) -> None:
    before = state(hero)
    bpy.ops.vibe.align_rig()
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "adjusting.blend"))
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "adjusting.blend"))
    hero = bpy.data.objects["Hero"]
    bpy.ops.vibe.cancel_alignment()
    assert state(hero) == before


@pytest.mark.parametrize("text", ["{", "[]", '{"channels": {"x": {}}, "slot": "", "nla": true}', "null"])
def test_a_state_that_makes_no_sense_is_told(hero, text) -> None:
    hero.vibe_retarget.adjusting = text
    with pytest.raises(RuntimeError, match="cannot be read"):
        bpy.ops.vibe.cancel_alignment()


def test_a_hidden_character_is_not_aligned(hero) -> None:
    hero.hide_set(True)
    with pytest.raises(RuntimeError, match="is hidden"):
        bpy.ops.vibe.align_rig()
