# SPDX-License-Identifier: MIT
# ruff: noqa: E402 (what follows needs bpy)
import numpy as np
import pytest

bpy = pytest.importorskip("bpy")

from tests.characters import character
from tests.characters_blender import add_character
from tests.vibe_blender.conftest import blocks
from vibe_blender.motion.export_settings import ExportSettings
from vibe_blender.scene.exporting.saving import check_written, save, subject_of


@pytest.fixture
def rig(scene):
    """A character that turns its head, and stands at an angle."""
    armature = add_character(character("Mixamo"), scene.collection, rotation=(0, 0, 0.7), location=(1, 2, 0))
    head = armature.pose.bones["mixamorig:Head"]
    for frame, turn in ((1, 0.0), (5, 0.4)):
        head.rotation_quaternion = (np.cos(turn), 0.0, np.sin(turn), 0.0)
        head.keyframe_insert("rotation_quaternion", frame=frame)
    scene.frame_set(1)
    return armature


def add_box(scene, name: str):
    bpy.ops.mesh.primitive_cube_add(size=0.2, location=(0.3, 0.0, 1.0))
    box = bpy.context.object
    box.name, box.data.name = name, f"{name} mesh"
    return box


def shown(name: str, frame: int) -> np.ndarray:
    """(V, 3) metres, world."""
    bpy.context.scene.frame_set(frame)
    thing = bpy.data.objects[name].evaluated_get(bpy.context.evaluated_depsgraph_get())
    return np.array([thing.matrix_world @ vertex.co for vertex in thing.data.vertices])


def brought_back(path) -> None:
    bpy.ops.wm.read_factory_settings(use_empty=True)
    bpy.ops.import_scene.fbx(filepath=str(path), anim_offset=1.0)


@pytest.mark.parametrize("program", ["blender", "unreal", "unity"])
def test_what_hangs_on_a_bone_follows_it(scene, rig, tmp_path, program) -> None:
    box = add_box(scene, "hat é")
    box.parent, box.parent_type, box.parent_bone = rig, "BONE", "mixamorig:Head"
    box.matrix_world = np.eye(4)
    bpy.context.view_layer.update()
    box.scale = (30.0, -20.0, 10.0)  # in the rig's centimetres, and mirrored
    before = {frame: shown("hat é", frame) for frame in (1, 5)}
    save(tmp_path / "rig.fbx", scene, [subject_of(rig, scene)], ExportSettings(program=program))
    brought_back(tmp_path / "rig.fbx")
    for frame, vertices in before.items():
        assert np.abs(shown("hat é", frame) - vertices).max() < 1e-4


@pytest.mark.parametrize("program", ["blender", "unreal"])
def test_modifiers_that_form_a_mesh_are_applied(scene, rig, tmp_path, program) -> None:
    box = add_box(scene, "shirt")
    box.vertex_groups.new(name="mixamorig:Head").add(range(8), 1.0, "REPLACE")
    mirror = box.modifiers.new("Mirror", "MIRROR")
    mirror.mirror_object = rig
    box.modifiers.new("Solid", "SOLIDIFY").thickness = 0.03
    box.modifiers.new("Bones", "ARMATURE").object = rig
    before = shown("shirt", 1)
    assert len(before) == 32
    save(tmp_path / "rig.fbx", scene, [subject_of(rig, scene)], ExportSettings(program=program))
    assert len(box.modifiers) == 3
    assert len(box.data.vertices) == 8
    brought_back(tmp_path / "rig.fbx")
    assert np.abs(shown("shirt", 1) - before).max() < 1e-4


def test_everything_has_its_own_name_in_the_file_and_in_the_scene(scene, rig, tmp_path) -> None:
    box = add_box(scene, "shirt")
    box.modifiers.new("Bones", "ARMATURE").object = rig
    bpy.data.objects.new("Armature", None)  # the name that Unreal's file wants
    before = blocks()
    save(tmp_path / "rig.fbx", scene, [subject_of(rig, scene)], ExportSettings(program="unreal"))
    assert blocks() == before
    assert (rig.name, box.name, box.data.name) == ("Mixamo", "shirt", "shirt mesh")
    brought_back(tmp_path / "rig.fbx")
    assert {"Armature", "shirt"} == {thing.name for thing in bpy.data.objects}
    assert [mesh.name for mesh in bpy.data.meshes] == ["shirt mesh"]


@pytest.mark.parametrize("mode", ["EDIT", "SCULPT", "WEIGHT_PAINT"])
def test_any_mode_of_another_object_stays(scene, rig, tmp_path, mode) -> None:
    box = add_box(scene, "clay")
    bpy.ops.object.mode_set(mode=mode)
    written = save(tmp_path / "rig.fbx", scene, [subject_of(rig, scene)])
    assert box.mode == mode
    assert bpy.context.view_layer.objects.active == box
    bpy.ops.object.mode_set(mode="OBJECT")
    assert check_written(written).largest_mm < 1.0


def test_an_armature_in_pose_mode_and_its_strips(scene, rig, tmp_path) -> None:
    animation = rig.animation_data
    strip = animation.nla_tracks.new().strips.new("turn", 11, animation.action)
    animation.action = None
    strip.scale = 2.0
    bpy.context.view_layer.objects.active = rig
    bpy.ops.object.mode_set(mode="POSE")
    (places,) = save(tmp_path / "rig.bvh", scene, [subject_of(rig, scene)])
    assert rig.mode == "POSE"
    assert len(places.heads) == 9
    assert check_written([places]).largest_mm < 1.0
    bpy.ops.object.mode_set(mode="OBJECT")
