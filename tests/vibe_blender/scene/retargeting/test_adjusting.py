# SPDX-License-Identifier: MIT
# ruff: noqa: E402 (what follows needs bpy)
import numpy as np
import pytest

bpy = pytest.importorskip("bpy")

from mathutils import Quaternion, Vector

from tests.characters import character
from tests.characters_blender import add_character, add_rigify, remove_rigify
from tests.walker import walker
from vibe_blender.contract.errors import CaptureError
from vibe_blender.contract.quaternions import conjugate, multiply
from vibe_blender.motion.mapping.mapping import map_bones
from vibe_blender.motion.retargeting.bone_map import Offset
from vibe_blender.motion.retargeting.settings import Retarget
from vibe_blender.motion.retargeting.solving import aligned
from vibe_blender.scene.armature import add_armature
from vibe_blender.scene.retargeting.adjusting import Before, check_free, restore, show_pose, turned_since
from vibe_blender.scene.retargeting.rigs import read_rig
from vibe_blender.scene.retargeting.source import SMPL_MAP, source_rig


@pytest.fixture
def person(scene):
    heads = walker(2, 30.0)[0].rest_joints[:, [0, 2, 1]] * (1.0, -1.0, 1.0)
    armature = add_armature("person", heads, 1.8, scene.collection)
    bpy.context.view_layer.update()
    return armature


@pytest.fixture
def rigify(scene, person):
    metarig, rig = add_rigify(scene)
    bpy.data.objects.remove(metarig)
    random = np.random.default_rng(4)
    for bone in rig.pose.bones:
        if bone.name.endswith(("_fk.L", "_fk.R")):
            bone.rotation_quaternion = bone.rotation_euler.to_quaternion() @ Quaternion(random.normal(size=3), 0.4)
    bpy.context.view_layer.update()
    yield rig
    remove_rigify()


def everything(rig) -> dict:
    channels = ("location", "rotation_quaternion", "rotation_euler", "rotation_axis_angle", "scale", "rotation_mode")
    return {
        bone.name: (
            [tuple(getattr(bone, channel)) for channel in channels],
            {key: bone[key] for key in bone.keys() if isinstance(bone[key], int | float)},  # noqa: SIM118
        )
        for bone in rig.pose.bones
    }


def degrees(one, other) -> float:
    w, *xyz = multiply(conjugate(np.array(one)), np.array(other))
    return float(np.degrees(2 * np.arctan2(np.linalg.norm(xyz), abs(w))))


def turned(rig, name: str) -> np.ndarray:
    bpy.context.view_layer.update()
    return np.array(rig.pose.bones[name].matrix.to_quaternion())


def test_a_generated_rig_stands_as_its_source_rests_and_then_as_before(rigify, person) -> None:
    bone_map = map_bones(read_rig(rigify))
    assert bone_map.switches
    before, layer = everything(rigify), bpy.context.view_layer
    motion = aligned(source_rig(person), SMPL_MAP, read_rig(rigify), bone_map, Retarget())
    kept, action = show_pose(rigify, bone_map, motion, layer)
    for row, name in enumerate(motion.bones):
        assert degrees(turned(rigify, name), motion.turned[0, row]) < 0.05, name
    # What deforms follows: the switches are set.
    arm = motion.bones.index("forearm_fk.L")
    along = np.array(rigify.pose.bones["ORG-forearm.L"].vector.normalized())
    wanted = np.array(Quaternion(motion.turned[0, arm]) @ Vector((0.0, 1.0, 0.0)))
    assert np.linalg.norm(along - wanted) < 1e-3
    assert turned_since(rigify, kept, ()) == ()
    bone = rigify.pose.bones["upper_arm_fk.L"]
    bone.matrix = bone.matrix @ Quaternion((0, 0, 1), 0.3).to_matrix().to_4x4()
    layer.update()
    offsets = {item.bone: item.turn for item in turned_since(rigify, kept, ())}
    np.testing.assert_allclose(offsets["upper_arm_fk.L"], [np.cos(0.15), 0, 0, np.sin(0.15)], atol=1e-5)
    assert "upper_arm_fk.R" not in offsets
    assert restore(rigify, Before.from_text(kept.to_text()), action) == ""
    assert everything(rigify) == before


def test_offsets_are_added_to_those_that_are_known(scene, person) -> None:
    hero = add_character(character("Unreal 5"), scene.collection)
    bpy.context.view_layer.update()
    bone_map = character("Unreal 5").true_map
    motion = aligned(source_rig(person), SMPL_MAP, read_rig(hero), bone_map, Retarget())
    kept, _ = show_pose(hero, bone_map, motion, bpy.context.view_layer)
    first = Offset("head", (np.cos(0.1), np.sin(0.1), 0.0, 0.0))
    other = Offset("pelvis", (np.cos(0.2), 0.0, np.sin(0.2), 0.0))
    bone = hero.pose.bones["head"]
    bone.matrix = bone.matrix @ Quaternion((1, 0, 0), 0.4).to_matrix().to_4x4()
    bpy.context.view_layer.update()
    found = {item.bone: item.turn for item in turned_since(hero, kept, (first, other))}
    np.testing.assert_allclose(found["head"], [np.cos(0.3), np.sin(0.3), 0, 0], atol=1e-5)
    np.testing.assert_allclose(found["pelvis"], other.turn, atol=1e-12)


def test_bones_that_were_removed_meanwhile_are_left_out(scene, person) -> None:
    hero = add_character(character("Mixamo"), scene.collection)
    bpy.context.view_layer.update()
    bone_map = character("Mixamo").true_map
    motion = aligned(source_rig(person), SMPL_MAP, read_rig(hero), bone_map, Retarget())
    kept, action = show_pose(hero, bone_map, motion, bpy.context.view_layer)
    bpy.context.view_layer.objects.active = hero
    bpy.ops.object.mode_set(mode="EDIT")
    hero.data.edit_bones.remove(hero.data.edit_bones["mixamorig:Head"])
    bpy.ops.object.mode_set(mode="OBJECT")
    assert turned_since(hero, kept, ()) == ()
    restore(hero, kept, action)


def test_a_rig_that_cannot_be_posed_says_why(scene, person) -> None:
    layer = bpy.context.view_layer
    check_free(person, layer)
    person.data.pose_position = "REST"
    with pytest.raises(CaptureError) as caught:
        check_free(person, layer)
    assert caught.value.code == "rest_position"
    person.hide_set(True)
    with pytest.raises(CaptureError) as caught:
        check_free(person, layer)
    assert caught.value.code == "hidden"
