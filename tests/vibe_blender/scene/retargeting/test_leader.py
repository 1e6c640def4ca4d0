# SPDX-License-Identifier: MIT
# ruff: noqa: E402 (what follows needs bpy)
from dataclasses import replace

import numpy as np
import pytest

bpy = pytest.importorskip("bpy")

from tests.characters_blender import pose_matrices
from tests.random_rigs import add_rig, random_rig, random_turns
from vibe_blender.contract.quaternions import Array, continuous, from_axis_angles, multiply
from vibe_blender.motion.retargeting.rig import BoneMotion
from vibe_blender.scene.retargeting.leader import lead, leader_of, let_go, names_since
from vibe_blender.scene.retargeting.rigs import OURS

RIG = random_rig()
LED = tuple(RIG.names[number] for number in (0, 3, 4, 7))
FRAMES = np.arange(11.0, 31.0)


@pytest.fixture
def armature(scene):
    return add_rig(RIG, scene.collection)


def wanted(bones=LED, seed: int = 1) -> BoneMotion:
    rows = [RIG.numbers[name] for name in bones]
    turned = multiply(random_turns(len(FRAMES), len(bones), seed, 3.0), RIG.axes[rows])
    places = np.random.default_rng(seed).normal(size=(len(FRAMES), 1, 3))
    return BoneMotion(FRAMES, bones, continuous(turned), bones[:1], places)


def errors(armature, motion: BoneMotion) -> tuple[float, float]:
    """Largest error of orientations, degrees, and places, armature units."""
    angles, places = [0.0], [0.0]
    for row, frame in enumerate(motion.frames):
        bpy.context.scene.frame_set(int(frame))
        heads, axes = pose_matrices(armature, list(motion.bones))
        angles.append(between(axes, motion.turned[row]).max())
        at = [motion.bones.index(name) for name in motion.moved]
        places.append(np.abs(heads[at] - motion.heads[row]).max())
    return max(angles), max(places)


def between(one: Array, other: Array) -> Array:
    """Angles between orientations, degrees; precise where they are small."""
    off = multiply(one * (1.0, -1.0, -1.0, -1.0), other)
    return np.degrees(2.0 * np.arctan2(np.linalg.norm(off[..., 1:], axis=-1), np.abs(off[..., 0])))


def test_bones_are_where_they_are_to_be_whatever_else_moves_them(armature) -> None:
    for name in LED:
        bone = armature.pose.bones[name]
        bone.constraints.new("LIMIT_ROTATION").use_limit_x = True
        bone.keyframe_insert("location", frame=1)
    motion = wanted()
    lead(armature, motion)
    assert errors(armature, motion) < (1e-3, 1e-5)


@pytest.mark.parametrize("scale", [(0.01,) * 3, (100.0,) * 3, (1.0, -2.0, 0.3)])
def test_the_place_and_the_size_of_the_object_do_not_matter(scene, armature, scale) -> None:
    armature.parent = bpy.data.objects.new("parent", None)
    scene.collection.objects.link(armature.parent)
    armature.parent.rotation_euler = (1.0, -0.3, 2.0)
    armature.location, armature.rotation_euler, armature.scale = (3.0, -2.0, 1.0), (0.3, 0.2, -2.0), scale
    motion = wanted()
    lead(armature, motion)
    assert errors(armature, motion) < (1e-3, 1e-5)


def test_where_two_axes_of_the_default_order_coincide_nothing_is_lost(armature) -> None:
    for middle in range(3):
        locked = from_axis_angles(np.pi / 2 * np.eye(3)[middle])
        near = from_axis_angles(1e-5 * np.random.default_rng(0).normal(size=(len(FRAMES), len(LED), 3)))
        motion = replace(wanted(), turned=continuous(multiply(near, locked)))
        lead(armature, motion)
        assert errors(armature, motion)[0] < 1e-3


def test_another_motion_is_given_in_place(armature) -> None:
    leader = lead(armature, wanted())
    action, moves = leader.animation_data.action, wanted(seed=2)
    assert lead(armature, moves) == leader
    assert leader.animation_data.action == action
    assert errors(armature, moves) < (1e-3, 1e-5)
    shorter = replace(moves, frames=FRAMES[:5], turned=moves.turned[:5], heads=moves.heads[:5])
    lead(armature, shorter)
    assert errors(armature, shorter) < (1e-3, 1e-5)
    assert leader.animation_data.action.frame_range[1] == FRAMES[4]
    assert len(bpy.data.actions) == 1


def test_other_bones_can_be_led_and_fewer(armature) -> None:
    lead(armature, wanted())
    for bones in (RIG.names[:3], LED[1:]):
        lead(armature, wanted(bones))
        assert errors(armature, wanted(bones)) < (1e-3, 1e-5)
        ours = {bone.name for bone in armature.pose.bones for item in bone.constraints if item.name.startswith(OURS)}
        assert ours == set(bones)
    assert len([thing for thing in bpy.data.objects if thing.type == "ARMATURE"]) == 2
    assert len(bpy.data.actions) == 1


def test_let_go_nothing_is_left_of_it(scene, armature) -> None:
    bone = armature.pose.bones[LED[0]]
    own = bone.constraints.new("COPY_ROTATION")
    own.name = f"{OURS}rotation"  # as the user may call one
    own.target, own.mute = bpy.data.objects.new("aim", None), True
    objects, properties = set(bpy.data.objects), set(armature.keys())
    channels = [tuple(map(tuple, one.matrix_basis)) for one in armature.pose.bones]
    lead(armature, wanted())
    scene.frame_set(20)
    let_go(armature)
    assert (set(bpy.data.objects), set(armature.keys())) == (objects, properties)
    assert len(bpy.data.armatures) == 1
    assert not bpy.data.actions
    assert [item for one in armature.pose.bones for item in one.constraints] == [own]
    assert [tuple(map(tuple, one.matrix_basis)) for one in armature.pose.bones] == channels
    let_go(armature)


def test_a_copy_of_a_rig_follows_on_its_own(scene, armature) -> None:
    motion = wanted()
    leader = lead(armature, motion)
    twin = armature.copy()
    scene.collection.objects.link(twin)
    let_go(armature)
    assert leader_of(armature) is None
    assert leader_of(twin) == leader
    assert errors(twin, motion) < (1e-3, 1e-5)
    let_go(twin)
    assert not bpy.data.actions


def test_renamed_bones_are_known(armature) -> None:
    lead(armature, wanted())
    armature.data.bones[LED[1]].name = "another"
    assert names_since(armature) == {LED[1]: "another"}
    motion = wanted()
    renamed = replace(motion, bones=tuple("another" if name == LED[1] else name for name in LED))
    lead(armature, renamed)
    assert errors(armature, renamed) < (1e-3, 1e-5)
    assert names_since(armature) == {}


def test_it_lasts_through_saving_and_goes_with_its_rig(scene, armature, tmp_path) -> None:
    lead(armature, wanted())
    name, path = armature.name, str(tmp_path / "led é.blend")
    bpy.ops.wm.save_as_mainfile(filepath=path)
    bpy.ops.wm.open_mainfile(filepath=path)
    armature = bpy.data.objects[name]
    assert errors(armature, wanted()) < (1e-3, 1e-5)
    bpy.data.objects.remove(armature)
    bpy.ops.wm.save_as_mainfile(filepath=path)
    bpy.ops.wm.open_mainfile(filepath=path)
    assert not bpy.data.objects
