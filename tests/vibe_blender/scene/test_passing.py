# SPDX-License-Identifier: MIT
# ruff: noqa: E402 (what follows needs bpy)
import numpy as np
import pytest

bpy = pytest.importorskip("bpy")

from tests.characters import character
from tests.characters_blender import add_character
from tests.vibe_blender.conftest import blocks
from vibe_blender.scene.passing import alone, editing, passing_scene, pose_matrices, remove_passing

FRAMES = (1, 3, 5)


@pytest.fixture
def rig(scene):
    """A character that turns its spine and moves, in a collection of its own."""
    collection = bpy.data.collections.new("cast")
    scene.collection.children.link(collection)
    armature = add_character(character("Mixamo"), collection)
    spine = armature.pose.bones["mixamorig:Spine"]
    for frame, turn in ((1, 0.0), (5, 0.8)):
        spine.rotation_quaternion = (np.cos(turn), np.sin(turn), 0.0, 0.0)
        spine.keyframe_insert("rotation_quaternion", frame=frame)
        armature.location.x = turn
        armature.keyframe_insert("location", frame=frame)
    scene.frame_set(2)
    return armature


def looked_at(armature) -> np.ndarray:
    """(T, B, 4, 4) bones to the world."""
    with alone(armature) as at:
        found = []
        for frame in FRAMES:
            seen = armature.evaluated_get(at(frame))
            found.append(np.array(seen.matrix_world) @ pose_matrices(seen))
    return np.array(found)


def hide_object(armature) -> None:
    armature.hide_viewport = True


def hide_by_key(armature) -> None:
    for frame, hidden in ((1, False), (3, True)):
        armature.hide_viewport = hidden
        armature.keyframe_insert("hide_viewport", frame=frame)


def hide_by_driver(armature) -> None:
    armature.driver_add("hide_viewport").driver.expression = "1"


def hide_in_layer(armature) -> None:
    armature.hide_set(True)


def hide_collection(armature) -> None:
    armature.users_collection[0].hide_viewport = True


def exclude_collection(_armature) -> None:
    bpy.context.view_layer.layer_collection.children[0].exclude = True


def take_out_of_the_scene(armature) -> None:
    armature.users_collection[0].objects.unlink(armature)


@pytest.mark.parametrize(
    "hide",
    [
        hide_object, hide_by_key, hide_by_driver, hide_in_layer, hide_collection, exclude_collection,
        take_out_of_the_scene,
    ],
)  # fmt: skip
def test_what_is_hidden_moves_as_it_does_when_it_is_shown(scene, rig, hide) -> None:
    seen = []
    for frame in FRAMES:
        scene.frame_set(frame)
        seen.append([np.array(rig.matrix_world @ bone.matrix) for bone in rig.pose.bones])
    assert np.ptp(np.array(seen)[..., :3, 3], axis=0).max() > 0.5
    scene.frame_set(2)
    hide(rig)
    bpy.context.view_layer.update()
    before = blocks()
    assert np.abs(looked_at(rig) - seen).max() < 1e-5
    assert blocks() == before
    assert scene.frame_current == 2


def test_shape_keys_of_hidden_meshes_are_evaluated(scene, rig) -> None:
    mesh = bpy.data.objects.new("skin", bpy.data.meshes.new("skin"))
    mesh.data.from_pydata([(0, 0, 0), (1, 0, 0), (0, 1, 0)], [], [(0, 1, 2)])
    scene.collection.objects.link(mesh)
    mesh.shape_key_add(name="Basis")
    key = mesh.shape_key_add(name="smile")
    for frame, value in ((1, 0.0), (5, 1.0)):
        key.value = value
        key.keyframe_insert("value", frame=frame)
    mesh.driver_add("hide_viewport").driver.expression = "1"
    before, found = blocks(), []
    with alone(rig, [mesh]) as at:
        for frame in FRAMES:
            graph = at(frame)
            found.append(mesh.data.shape_keys.evaluated_get(graph).key_blocks["smile"].value)
    assert found == pytest.approx([0.0, 0.5, 1.0], abs=1e-6)
    assert blocks() == before


def test_a_passing_scene_has_the_frame_rate_it_is_given(scene) -> None:
    scene.render.fps, scene.render.fps_base = 30, 1.001
    with passing_scene(like=scene) as passing:
        assert passing.render.fps == 30
        assert passing.render.fps_base == pytest.approx(1.001)
    assert list(bpy.data.scenes) == [scene]


def test_time_is_that_of_the_scene_the_armature_is_in(scene, rig) -> None:
    scene.render.fps = 50
    with alone(rig) as at:
        assert at(1).scene.render.fps == 50


def test_a_passing_scene_that_was_removed_is_not_removed_again(scene) -> None:
    with passing_scene() as passing:
        bpy.data.scenes.remove(passing)
    assert list(bpy.data.scenes) == [scene]


def test_what_a_file_kept_of_a_look_is_removed(rig, tmp_path) -> None:
    before, path = blocks(), str(tmp_path / "midway é.blend")
    with alone(rig) as at:
        at(1)
        bpy.ops.wm.save_as_mainfile(filepath=path, copy=True)
    bpy.ops.wm.open_mainfile(filepath=path)
    assert blocks() != before
    remove_passing()
    assert blocks() == before


def test_what_was_removed_meanwhile_leaves_nothing(rig) -> None:
    before = blocks()
    with pytest.raises(ReferenceError), alone(rig) as at:  # noqa: PT012 (it is the second look that fails)
        at(1)
        remove_passing()
        at(3)
    assert blocks() == before


def test_bones_are_edited_in_a_passing_scene(scene, rig) -> None:
    active = bpy.context.view_layer.objects.active
    with passing_scene() as passing:
        passing.collection.objects.link(rig)
        with editing(passing, rig) as bones:
            bones["mixamorig:Spine"].name = "renamed"
    assert "renamed" in rig.data.bones
    assert (rig.mode, bpy.context.view_layer.objects.active) == ("OBJECT", active)
