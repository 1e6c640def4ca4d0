# SPDX-License-Identifier: MIT
# ruff: noqa: E402 (what follows needs bpy)
import numpy as np
import pytest

bpy = pytest.importorskip("bpy")

from tests.characters import character
from tests.characters_blender import add_character, editing, evaluated_heads
from vibe_blender.contract.errors import CaptureError
from vibe_blender.scene.exporting.sampling import kept_bones, motion_range, sample


@pytest.fixture
def rig(scene):
    return add_character(character("Mixamo"), scene.collection)


def add_bones(armature, rows) -> None:
    """Bones above each other: name, parent, whether it deforms."""
    with editing(armature) as bones:
        for number, (name, parent, deforms) in enumerate(rows):
            bone = bones.new(name)
            bone.head, bone.tail = (0, 0, number), (0, 0, number + 1)
            bone.parent = bones[parent] if parent else None
            bone.use_deform = deforms


@pytest.fixture
def empty(scene):
    armature = bpy.data.objects.new("rig", bpy.data.armatures.new("rig"))
    scene.collection.objects.link(armature)
    return armature


def test_the_range_is_that_of_all_keys(scene, rig) -> None:
    assert motion_range([rig], scene) == (scene.frame_start, scene.frame_end)
    for frame in (2.4, 7.8):
        rig.pose.bones[0].keyframe_insert("location", frame=frame)
    assert motion_range([rig], scene) == (3, 7)
    rig.keyframe_insert("location", frame=20)
    assert motion_range([rig], scene) == (3, 20)


def test_the_range_of_strips(scene, rig) -> None:
    for frame in (1, 11):
        rig.pose.bones[0].keyframe_insert("location", frame=frame)
    animation = rig.animation_data
    strip = animation.nla_tracks.new().strips.new("walk", 30, animation.action)
    animation.action = None
    assert motion_range([rig], scene) == (30, 40)
    strip.mute = True
    assert motion_range([rig], scene) == (scene.frame_start, scene.frame_end)


def test_all_bones_of_a_plain_rig_are_kept(rig) -> None:
    names, parents = kept_bones(rig, "auto")
    assert set(names) == {bone.name for bone in rig.data.bones}
    assert all(
        parent is None or names.index(parent) < names.index(name) for name, parent in zip(names, parents, strict=True)
    )


def test_of_a_rig_with_constraints_what_deforms_is_kept_in_one_tree(empty) -> None:
    rows = (
        ("root", None, False), ("ctrl", "root", False), ("ORG-spine", "ctrl", False), ("DEF-spine", "ORG-spine", True),
        ("ORG-arm", "ORG-spine", False), ("DEF-arm", "ORG-arm", True), ("mch", "root", False),
    )  # fmt: skip
    add_bones(empty, rows)
    assert set(kept_bones(empty, "auto")[0]) == {name for name, _, _ in rows}
    empty.pose.bones["DEF-arm"].constraints.new("COPY_ROTATION")
    assert kept_bones(empty, "auto") == (["root", "DEF-spine", "DEF-arm"], [None, "root", "DEF-spine"])
    assert len(kept_bones(empty, "all")[0]) == len(rows)


def test_the_bone_on_the_origin_carries_what_nothing_else_does(empty) -> None:
    rows = (("root", None, False), ("mch", None, False), ("DEF-a", "mch", True), ("DEF-b", "root", True))
    add_bones(empty, rows)
    deforming, everything = (dict(zip(*kept_bones(empty, which), strict=True)) for which in ("deform", "all"))
    assert deforming == {"root": None, "DEF-a": "root", "DEF-b": "root"}
    assert everything == {name: parent for name, parent, _ in rows}


def test_bones_that_would_carry_each_other_are_left_as_they_are(empty) -> None:
    add_bones(
        empty, (("DEF-b", None, True), ("ORG-a", "DEF-b", False), ("DEF-a", "ORG-a", True), ("ORG-b", "DEF-a", False))
    )
    with editing(empty) as bones:
        bones["DEF-b"].parent = None
    assert kept_bones(empty, "deform") == (["DEF-b", "DEF-a"], [None, "DEF-b"])


def test_an_armature_without_bones_is_told(empty) -> None:
    with pytest.raises(CaptureError) as caught:
        kept_bones(empty, "auto")
    assert caught.value.code == "no_bones"


def test_an_armature_that_is_edited_is_told(scene, rig) -> None:
    with editing(rig), pytest.raises(CaptureError) as caught:
        sample(rig, (), range(1, 3), "all", scene)
    assert caught.value.code == "edit_mode"


def test_bones_are_where_they_are_seen_with_constraints_and_shape_keys(scene, rig) -> None:
    follower = bpy.data.objects.new("aim", None)
    scene.collection.objects.link(follower)
    for frame, x in ((1, 0.0), (5, 2.0)):
        follower.location.x = x
        follower.keyframe_insert("location", frame=frame)
    rig.constraints.new("CHILD_OF").target = follower
    rig.scale = (0.02,) * 3
    mesh = bpy.data.objects.new("skin", bpy.data.meshes.new("skin"))
    mesh.data.from_pydata([(0, 0, 0), (1, 0, 0), (0, 1, 0)], [], [(0, 1, 2)])
    scene.collection.objects.link(mesh)
    mesh.shape_key_add(name="Basis")
    key = mesh.shape_key_add(name="smile")
    for frame, value in ((1, 0.0), (5, 1.0)):
        key.value = value
        key.keyframe_insert("value", frame=frame)
    scene.frame_set(9)
    sampled = sample(rig, (mesh,), range(1, 6), "all", scene)
    assert scene.frame_current == 9
    for row, frame in enumerate(range(1, 6)):
        scene.frame_set(frame)
        assert np.abs(sampled.posed[row, :, :3, 3] - evaluated_heads(rig, list(sampled.names))).max() < 1e-5
    assert np.allclose(sampled.shapes[mesh][[0, 2, 4], 1], [0.0, 0.5, 1.0], atol=1e-6)
    assert np.allclose(
        sampled.rest[0, :3, 3], rig.matrix_world.to_3x3() @ rig.data.bones[sampled.names[0]].head_local, atol=1e-5
    )


def test_a_hidden_armature_moves_as_it_does_when_it_is_shown(scene, rig) -> None:
    for frame, x in ((1, 0.0), (5, 2.0)):
        rig.pose.bones[0].location.x = x
        rig.pose.bones[0].keyframe_insert("location", frame=frame)
    seen = sample(rig, (), range(1, 6), "all", scene)
    assert np.ptp(seen.posed, axis=0).max() > 1e-3
    rig.hide_viewport = True
    assert np.abs(sample(rig, (), range(1, 6), "all", scene).posed - seen.posed).max() < 1e-6
