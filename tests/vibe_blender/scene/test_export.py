# SPDX-License-Identifier: MIT
# ruff: noqa: E402 (what follows needs bpy)
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

bpy = pytest.importorskip("bpy")

from tests.fake_backend import FPS, small_take, walking_person
from vibe_blender.contract.errors import CaptureError
from vibe_blender.contract.skeleton import JOINT_NAMES
from vibe_blender.contract.take_file import save_take
from vibe_blender.scene.assembly import assemble
from vibe_blender.scene.camera import match_scene, set_frame_rate
from vibe_blender.scene.export import check_destination, save

REPOSITORY = Path(__file__).resolve().parents[3]


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


def posed(armature, frame: int) -> np.ndarray:
    """(24, 3) metres, world; the pelvis first."""
    bpy.context.scene.frame_set(frame)
    rig = armature.evaluated_get(bpy.context.evaluated_depsgraph_get())
    return np.array([rig.matrix_world @ rig.pose.bones[name].head for name in JOINT_NAMES])


def armatures() -> list:
    return sorted((thing for thing in bpy.data.objects if thing.type == "ARMATURE"), key=lambda thing: thing.name)


def test_a_saved_file_opens_as_it_was(scene, walk, folder) -> None:
    take, assembly = walk
    path = folder / "walk.blend"
    assert save(path, scene, assembly.actors) == [path]
    bpy.ops.wm.open_mainfile(filepath=str(path))
    for rig, person in zip(armatures(), take.people, strict=True):
        assert np.abs(posed(rig, 7) - person.joints()[6]).max() < 1e-5
    (image,) = (image for image in bpy.data.images if image.source == "MOVIE")
    assert Path(bpy.path.abspath(image.filepath)).samefile(take.video.path)
    assert bpy.context.scene.camera.data.show_background_images


def test_fbx_brings_the_motion_back(scene, walk, folder) -> None:
    take, assembly = walk
    save(folder / "walk.fbx", scene, assembly.actors)
    bpy.ops.wm.read_factory_settings(use_empty=True)
    set_frame_rate(bpy.context.scene, FPS)
    bpy.ops.import_scene.fbx(filepath=str(folder / "walk.fbx"))
    assert len(armatures()) == 2
    # The importer moves everything one frame on.
    assert np.abs(posed(armatures()[0], 8) - take.people[0].joints()[6]).max() < 1e-3
    assert sum(thing.type == "MESH" for thing in bpy.data.objects) == 2


def test_glb_brings_the_motion_back(tmp_path, scene, folder) -> None:
    take = small_take(tmp_path / "gone.mp4")
    save_take(take, tmp_path / "walk.take")
    # In a process of its own, because bpy 4.2 crashes when it is torn down after any glTF export.
    source, out = str(tmp_path / "walk.take"), str(folder / "walk.glb")
    command = [sys.executable, "-m", "vibe_blender", source, "--save", out, "--cleanup", "raw"]
    run = subprocess.run(command, cwd=REPOSITORY, capture_output=True, check=False)
    assert run.returncode == 0, run.stderr.decode()
    set_frame_rate(scene, FPS)
    bpy.ops.import_scene.gltf(filepath=str(folder / "walk.glb"))
    (rig,) = armatures()
    assert np.abs(posed(rig, 7) - take.people[0].joints()[6]).max() < 1e-3


def test_somebody_who_enters_later_is_exported_with_body(scene, boxes, folder) -> None:
    take = small_take("gone.mp4")
    take = replace(take, people=(walking_person(np.arange(3, 9)),))
    assembly = assemble(take, scene, "walk", start=1, model=boxes)
    match_scene(scene, assembly.camera, take.video, start=1)
    body = assembly.actors[0].body
    assert body.hide_viewport
    save(folder / "walk.fbx", scene, assembly.actors)
    assert body.hide_viewport
    bpy.ops.wm.read_factory_settings(use_empty=True)
    bpy.ops.import_scene.fbx(filepath=str(folder / "walk.fbx"))
    assert sum(thing.type == "MESH" for thing in bpy.data.objects) == 1


def test_bvh_is_one_file_per_person(scene, walk, folder) -> None:
    take, assembly = walk
    written = save(folder / "walk.bvh", scene, assembly.actors)
    assert [path.name for path in written] == ["walk_1.bvh", "walk_2.bvh"]
    bpy.ops.wm.read_factory_settings(use_empty=True)
    set_frame_rate(bpy.context.scene, FPS)
    bpy.ops.import_anim.bvh(filepath=str(written[1]))
    assert np.abs(posed(armatures()[0], 7) - take.people[1].joints()[6]).max() < 1e-3


@pytest.mark.parametrize("size", [1.0, 1.5])
def test_bvh_holds_what_the_armature_object_does(scene, walk, folder, size) -> None:
    _, assembly = walk
    rig = assembly.actors[0].armature
    rig.scale = (size, size, size)
    rig.rotation_euler.z = 0.5
    for frame, x in ((1, 0.0), (12, 3.0)):
        rig.location = (x, 1.0, 0.0)
        rig.keyframe_insert("location", frame=frame)
    before = {frame: posed(rig, frame) for frame in (1, 7, 12)}
    (path,) = save(folder / "walk.bvh", scene, assembly.actors[:1])
    bpy.ops.wm.read_factory_settings(use_empty=True)
    set_frame_rate(bpy.context.scene, FPS)
    bpy.ops.import_anim.bvh(filepath=str(path))
    for frame, joints in before.items():
        assert np.abs(posed(armatures()[0], frame) - joints).max() < 1e-3


def test_exporting_bvh_leaves_the_rig_alone(scene, walk, folder) -> None:
    take, assembly = walk
    names = {thing.name for thing in bpy.data.objects}
    save(folder / "walk.bvh", scene, assembly.actors)
    assert {thing.name for thing in bpy.data.objects} == names
    assert len(bpy.data.armatures) == 2
    assert np.abs(posed(assembly.actors[0].armature, 7) - take.people[0].joints()[6]).max() < 1e-5


def test_bvh_of_one_person_has_the_name_asked_for(scene, walk, folder) -> None:
    _, assembly = walk
    assert save(folder / "walk.bvh", scene, assembly.actors[:1]) == [folder / "walk.bvh"]


@pytest.mark.parametrize("name", ["walk.obj", "walk", "walk.blend.txt"])
def test_an_unknown_format_is_told(tmp_path, name) -> None:
    with pytest.raises(CaptureError) as caught:
        check_destination(tmp_path / name)
    assert caught.value.code == "bad_format"
    assert ".glb" in caught.value.hint


def test_a_place_that_cannot_be_written_is_told(tmp_path) -> None:
    (tmp_path / "file").write_text("in the way")
    (tmp_path / "folder.blend").mkdir()
    for path in (tmp_path / "file" / "walk.blend", tmp_path / "folder.blend"):
        with pytest.raises(CaptureError) as caught:
            check_destination(path)
        assert caught.value.code == "unwritable"
        assert str(path) in caught.value.message


def test_checking_leaves_an_existing_file_alone(tmp_path) -> None:
    path = tmp_path / "walk.blend"
    path.write_bytes(b"precious")
    check_destination(path)
    assert path.read_bytes() == b"precious"
    assert [*tmp_path.iterdir()] == [path]


def test_a_disk_that_fails_while_saving_is_told(scene, walk, folder, monkeypatch) -> None:
    _, assembly = walk
    monkeypatch.setattr("vibe_blender.scene.export.check_destination", lambda path: None)
    with pytest.raises(CaptureError) as caught:
        save(folder / "absent" / "walk.blend", scene, assembly.actors)
    assert caught.value.code == "unwritable"
