# SPDX-License-Identifier: MIT
# ruff: noqa: E402 (what follows needs bpy)
import json
import struct
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

bpy = pytest.importorskip("bpy")

from tests.characters import character
from tests.characters_blender import add_character
from tests.fake_backend import FPS, small_take, walking_person
from tests.vibe_blender.conftest import blocks
from vibe_blender.contract.errors import CaptureError
from vibe_blender.contract.skeleton import JOINT_NAMES
from vibe_blender.contract.take_file import save_take
from vibe_blender.motion.export_settings import ExportSettings
from vibe_blender.scene.assembly import assemble
from vibe_blender.scene.camera import match_scene, set_frame_rate
from vibe_blender.scene.exporting.checking import check
from vibe_blender.scene.exporting.saving import check_written, save, subject_of

REPOSITORY = Path(__file__).resolve().parents[4]
NEAR_MM = 1.0
SUFFIXES = ("fbx", "bvh", "usdc", "usdz")
"""Of the formats that this process may export to; bpy 4.2 crashes when it is torn down after any glTF export."""


@pytest.fixture
def folder(tmp_path) -> Path:
    return tmp_path / "new folder é 🎬 走"


@pytest.fixture
def walk(scene, boxes, movie):
    """A take of two people in the scene."""
    take = small_take(movie)
    take = replace(take, people=(walking_person(np.arange(12), 1), walking_person(np.arange(12), 2)))
    set_frame_rate(scene, FPS)
    assembly = assemble(take, scene, "walk", start=1, model=boxes)
    match_scene(scene, assembly.camera, take.video, start=1)
    return take, assembly


@pytest.fixture
def one(walk, scene):
    """The first of them."""
    return subject_of(walk[1].actors[0].armature, scene)


def subjects(assembly, scene) -> list:
    return [subject_of(actor.armature, scene) for actor in assembly.actors]


def posed(armature, frame: int) -> np.ndarray:
    """(24, 3) metres, world; the pelvis first."""
    bpy.context.scene.frame_set(frame)
    rig = armature.evaluated_get(bpy.context.evaluated_depsgraph_get())
    return np.array([rig.matrix_world @ rig.pose.bones[name].head for name in JOINT_NAMES])


def armatures() -> list:
    return sorted((thing for thing in bpy.data.objects if thing.type == "ARMATURE"), key=lambda thing: thing.name)


def wave(armature, *, scaled: bool = False) -> None:
    """Turns every bone at random, moves and perhaps swells some."""
    random = np.random.default_rng(1)
    for number, bone in enumerate(armature.pose.bones):
        for frame in (1, 4, 8, 12):
            quaternion = np.concatenate([[1.0], random.normal(scale=0.25, size=3)])
            bone.rotation_quaternion = quaternion / np.linalg.norm(quaternion)
            bone.keyframe_insert("rotation_quaternion", frame=frame)
            if number < 2:
                bone.location = random.normal(size=3) * armature.data.bones[0].length
                bone.keyframe_insert("location", frame=frame)
            if scaled and number in (2, 3):
                bone.scale = (1.0 + 0.03 * frame,) * 3
                bone.keyframe_insert("scale", frame=frame)


@pytest.fixture
def target(scene):
    """A character in centimetres with y up, turned, carried along by a parent, at a rate that is no whole number."""
    set_frame_rate(scene, 30000 / 1001)
    carrier = bpy.data.objects.new("carrier", None)
    scene.collection.objects.link(carrier)
    carrier.rotation_euler, carrier.scale = (0.0, 0.0, 0.6), (1.2,) * 3
    for frame, x in ((1, 1.0), (12, 3.0)):
        carrier.location = (x, 2.0, 0.5)
        carrier.keyframe_insert("location", frame=frame)
    armature = add_character(
        character("Mixamo"),
        scene.collection,
        rotation=(0, 0, 1.0),
        location=(0.3, 0.2, 0),
        parent=carrier,
        fleshed=True,
    )
    wave(armature, scaled=True)
    return armature


def test_a_saved_file_opens_as_it_was(scene, walk, folder) -> None:
    take, assembly = walk
    path = folder / "walk.blend"
    (written,) = save(path, scene, subjects(assembly, scene))
    assert written.path == path
    assert check_written([written]) is None
    bpy.ops.wm.open_mainfile(filepath=str(path))
    for rig, person in zip(armatures(), take.people, strict=True):
        assert np.abs(posed(rig, 7) - person.joints()[6]).max() < 1e-5
    (image,) = (image for image in bpy.data.images if image.source == "MOVIE")
    assert Path(bpy.path.abspath(image.filepath)).samefile(take.video.path)
    assert bpy.context.scene.camera.data.show_background_images


def test_what_is_to_be_in_the_file_are_the_joints_of_the_take(scene, walk, one, folder) -> None:
    take, _ = walk
    (places,) = save(folder / "walk.bvh", scene, [one])
    assert set(places.names) == set(JOINT_NAMES)
    ordered = places.heads[:, [places.names.index(name) for name in JOINT_NAMES]]
    assert np.abs(ordered - take.people[0].joints()).max() < 1e-5


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_people_are_where_they_were(scene, walk, folder, suffix) -> None:
    written = save(folder / f"walk é.{suffix}", scene, subjects(walk[1], scene))
    assert len(written) == 2
    found = check_written(written)
    assert found.largest_mm < NEAR_MM
    assert (found.frames, found.joints) == (12, 24)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_target_is_where_it_was(scene, target, folder, suffix) -> None:
    subject = subject_of(target, scene)
    assert len(subject.meshes) == 1
    assert check_written(save(folder / f"target.{suffix}", scene, [subject])).largest_mm < NEAR_MM


@pytest.mark.parametrize("reader", ["new", "old"])
@pytest.mark.parametrize("program", ["blender", "unreal", "unity"])
def test_every_program_s_fbx_comes_back(scene, target, folder, program, reader) -> None:
    settings = ExportSettings(program=program, leaf_bones=True, primary_axis="X", secondary_axis="-Y")
    written = save(folder / "target.fbx", scene, [subject_of(target, scene)], settings)
    assert ("root" in written[0].names) == (program == "unreal")
    assert check(written, reader).largest_mm < NEAR_MM


def test_unreal_s_file_has_nothing_to_be_converted(scene, walk, one, folder) -> None:
    height = one.armature.data.bones["pelvis"].head_local.z
    save(folder / "walk.fbx", scene, [one], ExportSettings(program="unreal"))
    bpy.ops.wm.read_factory_settings(use_empty=True)
    bpy.ops.import_scene.fbx(filepath=str(folder / "walk.fbx"))
    (rig,) = armatures()
    assert rig.name == "Armature"
    assert np.allclose(rig.scale, 0.01)  # centimetres
    assert np.allclose(rig.rotation_euler, 0.0, atol=1e-6)
    assert np.allclose(rig.data.bones["root"].matrix_local.to_3x3(), np.eye(3), atol=1e-5)
    assert np.allclose(rig.data.bones["pelvis"].head_local.z, 100 * height)


@pytest.mark.parametrize(
    ("program", "axes", "unit"),
    [("unreal", (2, 1, -1), 1.0), ("unity", (1, 2, 1), 1.0), ("blender", (1, 2, 1), 100.0)],
)
def test_an_fbx_says_which_axes_and_unit_it_has(scene, one, folder, program, axes, unit) -> None:
    from io_scene_fbx.parse_fbx import parse

    save(folder / "walk.fbx", scene, [one], ExportSettings(program=program))
    root, _ = parse(str(folder / "walk.fbx"))
    top = {element.id: element for element in root.elems}
    found = {item.props[0]: item.props[4] for item in top[b"GlobalSettings"].elems[1].elems if len(item.props) > 4}
    assert (found[b"UpAxis"], found[b"FrontAxis"], found[b"FrontAxisSign"]) == axes
    assert found[b"UnitScaleFactor"] == unit
    nodes = [item for item in top[b"Objects"].elems if item.id == b"Model" and item.props[2] in (b"Null", b"Mesh")]
    assert len(nodes) == 2
    for node in nodes:
        (properties,) = (item for item in node.elems if item.id == b"Properties70")
        for item in properties.elems:
            if item.props[0] in (b"Lcl Translation", b"Lcl Rotation"):
                assert item.props[4:] == [0.0, 0.0, 0.0]
            elif item.props[0] == b"Lcl Scaling":
                assert item.props[4:] == [1.0, 1.0, 1.0]


def test_rest_is_the_t_pose_on_the_origin(scene, walk, one, folder) -> None:
    one.armature.location = (3.0, 1.0, 0.0)
    rest = {bone.name: np.array(bone.head_local) for bone in one.armature.data.bones}
    body = one.meshes[0].name
    save(folder / "walk.fbx", scene, [one])
    bpy.ops.wm.read_factory_settings(use_empty=True)
    bpy.ops.import_scene.fbx(filepath=str(folder / "walk.fbx"))
    (rig,) = armatures()
    for name, place in rest.items():
        assert np.abs(np.array(rig.matrix_world @ rig.data.bones[name].head_local) - place).max() < 1e-5
    assert [thing.name for thing in rig.children] == [body]


def test_the_body_comes_along_and_follows(scene, walk, one, folder) -> None:
    def vertices(body, frame: int) -> np.ndarray:
        bpy.context.scene.frame_set(frame)
        shown = body.evaluated_get(bpy.context.evaluated_depsgraph_get())
        return np.array([shown.matrix_world @ vertex.co for vertex in shown.data.vertices])

    before = vertices(one.meshes[0], 7)
    save(folder / "walk.fbx", scene, [one], ExportSettings(program="unity"))
    bpy.ops.wm.read_factory_settings(use_empty=True)
    bpy.ops.import_scene.fbx(filepath=str(folder / "walk.fbx"), anim_offset=1.0)
    (body,) = (thing for thing in bpy.data.objects if thing.type == "MESH")
    # The correctives are shape keys, which come along with their values.
    assert np.abs(vertices(body, 7) - before).max() < 1e-3


def test_glb_brings_the_motion_back(tmp_path, folder) -> None:
    take = small_take(tmp_path / "gone.mp4")
    save_take(take, tmp_path / "walk.take")
    # In a process of its own, because bpy 4.2 crashes when it is torn down after any glTF export.
    source, out = str(tmp_path / "walk.take"), folder / "walk.glb"
    command = [sys.executable, "-m", "vibe_blender", source, "--save", str(out), "--check", "--scene-fps", "29.97"]
    run = subprocess.run(command, cwd=REPOSITORY, capture_output=True, check=False)
    assert run.returncode == 0, run.stderr.decode()
    assert b"Joints within 0.0" in run.stderr
    content = out.read_bytes()
    (length,) = struct.unpack("<I", content[12:16])
    found = json.loads(content[20 : 20 + length])
    times = found["accessors"][found["animations"][0]["samplers"][0]["input"]]
    assert times["max"][0] == pytest.approx((times["count"] - 1) / 29.97, rel=1e-5)


def test_somebody_who_enters_later_is_exported_with_body(scene, boxes, folder) -> None:
    take = small_take("gone.mp4")
    take = replace(take, people=(walking_person(np.arange(3, 9)),))
    assembly = assemble(take, scene, "walk", start=1, model=boxes)
    match_scene(scene, assembly.camera, take.video, start=1)
    body = assembly.actors[0].body
    assert body.hide_viewport
    save(folder / "walk.fbx", scene, subjects(assembly, scene))
    assert body.hide_viewport
    bpy.ops.wm.read_factory_settings(use_empty=True)
    bpy.ops.import_scene.fbx(filepath=str(folder / "walk.fbx"))
    assert sum(thing.type == "MESH" for thing in bpy.data.objects) == 1


def test_what_the_user_has_hidden_stays_out(scene, walk, folder) -> None:
    rig = walk[1].actors[0].armature
    proxy = bpy.data.objects.new("proxy", bpy.data.meshes.new("proxy"))
    scene.collection.objects.link(proxy)
    proxy.parent, proxy.parent_type, proxy.parent_bone = rig, "BONE", "head"
    assert proxy in subject_of(rig, scene).meshes
    proxy.hide_set(True)
    assert proxy not in subject_of(rig, scene).meshes


def test_meshes_can_stay_out(scene, one, folder) -> None:
    save(folder / "walk.fbx", scene, [one], ExportSettings(meshes=False))
    bpy.ops.wm.read_factory_settings(use_empty=True)
    bpy.ops.import_scene.fbx(filepath=str(folder / "walk.fbx"))
    assert {thing.type for thing in bpy.data.objects} == {"ARMATURE"}


def test_a_range_of_frames(scene, walk, one, folder) -> None:
    (whole,) = save(folder / "walk.bvh", scene, [one])
    (part,) = save(folder / "part.bvh", scene, [one], ExportSettings(first=3, last=7))
    assert np.abs(part.heads - whole.heads[2:7]).max() < 1e-6
    assert check_written([part]).largest_mm < NEAR_MM
    with pytest.raises(CaptureError) as caught:
        save(folder / "part.bvh", scene, [one], ExportSettings(first=100))
    assert caught.value.code == "bad_setting"


def test_bvh_is_one_file_per_person(scene, walk, folder) -> None:
    _, assembly = walk
    written = save(folder / "walk.bvh", scene, subjects(assembly, scene), people=[1, 2])
    assert [places.path.name for places in written] == ["walk_1.bvh", "walk_2.bvh"]
    assert check_written(written).largest_mm < NEAR_MM


@pytest.mark.parametrize("size", [1.0, 1.5])
@pytest.mark.parametrize("suffix", ["bvh", "fbx"])
def test_files_hold_what_the_armature_object_does(scene, walk, one, folder, size, suffix) -> None:
    rig = one.armature
    rig.scale = (size, size, size)
    rig.rotation_euler.z = 0.5
    for frame, x in ((1, 0.0), (12, 3.0)):
        rig.location = (x, 1.0, 0.0)
        rig.keyframe_insert("location", frame=frame)
    written = save(folder / f"walk.{suffix}", scene, [one], ExportSettings(program="unreal"))
    ordered = written[0].heads[:, [written[0].names.index(name) for name in JOINT_NAMES]]
    for frame in (1, 7, 12):
        assert np.abs(posed(rig, frame) - ordered[frame - 1]).max() < 1e-5
    assert check_written(written).largest_mm < NEAR_MM


def test_the_armature_object_s_way_is_the_root_bone_s(scene, walk, one, folder) -> None:
    for frame, x in ((1, 0.0), (12, 3.0)):
        one.armature.location = (x, 1.0, 0.0)
        one.armature.keyframe_insert("location", frame=frame)
    (places,) = save(folder / "walk.fbx", scene, [one], ExportSettings(program="unreal", meshes=False))
    root = places.heads[:, places.names.index("root")]
    assert np.allclose(root[[0, -1]], [(0.0, 1.0, 0.0), (3.0, 1.0, 0.0)], atol=1e-6)
    assert check_written([places]).largest_mm < NEAR_MM


def test_smpl_s_parameters_are_those_of_the_take(scene, walk, folder) -> None:
    take, assembly = walk
    written = save(folder / "walk.npz", scene, subjects(assembly, scene), take=take, people=[1, 2])
    assert [places.path.name for places in written] == ["walk_1.npz", "walk_2.npz"]
    assert check_written(written).largest_mm < 0.001
    with np.load(written[0].path, allow_pickle=False) as stored:
        assert stored["poses"].shape == (12, 72)
        assert float(stored["mocap_framerate"]) == FPS


def test_a_target_has_no_smpl_parameters(scene, target, folder) -> None:
    with pytest.raises(CaptureError) as caught:
        save(folder / "target.npz", scene, [subject_of(target, scene)])
    assert caught.value.code == "not_smpl"


@pytest.mark.parametrize("suffix", ["fbx", "bvh", "usdc"])
def test_nothing_of_the_user_s_changes(scene, walk, folder, suffix) -> None:
    _, assembly = walk
    rig = assembly.actors[1].armature
    rig.select_set(True)
    bpy.context.view_layer.objects.active = rig
    bpy.ops.object.mode_set(mode="POSE")
    rig.pose.bones["head"].rotation_quaternion = (0.9, 0.1, 0.2, 0.3)  # not keyed
    scene.frame_set(5)
    rig.pose.bones["head"].rotation_quaternion = (0.9, 0.1, 0.2, 0.3)

    def state() -> tuple:
        return (
            blocks(),
            scene.frame_current, scene.frame_start, scene.frame_end, scene.render.fps, scene.render.fps_base,
            bpy.context.mode, bpy.context.view_layer.objects.active.name, bpy.context.window.scene.name,
            sorted(thing.name for thing in scene.objects if thing.select_get()),
            [(thing.name, thing.hide_viewport, thing.hide_get()) for thing in scene.objects],
            tuple(rig.pose.bones["head"].rotation_quaternion),
            [actor.armature.animation_data.action.name for actor in assembly.actors],
        )  # fmt: skip

    before = state()
    save(folder / f"walk.{suffix}", scene, subjects(assembly, scene))
    assert state() == before


def test_a_disk_that_fails_while_saving_is_told(scene, walk, folder, monkeypatch) -> None:
    _, assembly = walk
    monkeypatch.setattr("vibe_blender.scene.exporting.saving.check_destination", lambda path: None)
    for name in ("walk.blend", "walk.bvh", "walk.npz"):
        with pytest.raises(CaptureError) as caught:
            save(folder / "absent" / name, scene, subjects(assembly, scene), take=walk[0], people=[1, 2])
        assert caught.value.code == "unwritable"
    assert len(bpy.data.scenes) == 1
