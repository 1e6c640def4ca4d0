# SPDX-License-Identifier: MIT
# ruff: noqa: E402 (what follows needs bpy)
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest

bpy = pytest.importorskip("bpy")

from tests.fake_backend import FPS, small_take, walking_person
from tests.vibe_blender.conftest import blocks
from vibe_blender.contract.errors import CaptureError
from vibe_blender.contract.skeleton import JOINT_NAMES
from vibe_blender.scene.assembly import assemble
from vibe_blender.scene.camera import set_frame_rate
from vibe_blender.scene.takes import (
    PersonRecord,
    TakeRecord,
    body_of,
    camera_of,
    fit_timeline,
    locate,
    people,
    remove_take,
    rename_take,
    replace_motion,
    show_camera,
    take_collections,
    take_record,
)


@pytest.fixture
def take():
    take = small_take("gone.mp4", count=40)
    return replace(take, people=(walking_person(np.arange(40), 1), walking_person(np.arange(10, 30), 2)))


@pytest.fixture
def walk(scene, boxes, take):
    set_frame_rate(scene, FPS)
    return assemble(take, scene, "walk", start=101, path=Path("there") / "walk é.take", model=boxes)


def posed(armature, frame: int) -> np.ndarray:
    bpy.context.scene.frame_set(frame)
    rig = armature.evaluated_get(bpy.context.evaluated_depsgraph_get())
    return np.array([rig.matrix_world @ rig.pose.bones[name].head for name in JOINT_NAMES])


def cube(collection, name="cube"):
    thing = bpy.data.objects.new(name, bpy.data.meshes.new(name))
    collection.objects.link(thing)
    return thing


def test_the_records_survive_the_file(walk, tmp_path) -> None:
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "walk.blend"))
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "walk.blend"))
    (collection,) = take_collections(bpy.context.scene)
    assert take_record(collection) == TakeRecord(
        path=str(Path("there") / "walk é.take"),
        video="gone.mp4",
        start=101,
        fps=FPS,
        scene_fps=FPS,
        first_frame=0,
        frame_count=40,
        status="complete",
        estimator="keypoints",
        warnings=(),
        end=140,
    )
    assert [record for _, record in people(collection)] == [
        PersonRecord(1, 101, 140, pytest.approx(0.75)),
        PersonRecord(2, 111, 130, pytest.approx(0.75)),
    ]
    for armature, record in people(collection):
        assert armature.name == f"walk person {record.id}"
        assert body_of(armature).name == f"walk person {record.id} body"
    assert camera_of(collection).name == "walk camera"


def test_warnings_survive_the_file(scene, boxes, take) -> None:
    take = replace(take, status="partial", warnings=("One. Two.", "Three."))
    record = take_record(assemble(take, scene, "walk", start=1, model=boxes).collection)
    assert (record.path, record.status, record.warnings) == ("", "partial", ("One. Two.", "Three."))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("frame_count", "40"), ("frame_count", -1), ("fps", float("nan")), ("fps", 25), ("start", 2000000),
        ("status", "odd"), ("warnings", 3), ("path", None), ("video", b"x"), ("end", 3),
    ],
)  # fmt: skip
def test_a_strangers_record_is_no_record(walk, name, value) -> None:
    stored = walk.collection["vibe_take"].to_dict()
    assert take_record(walk.collection) is not None
    walk.collection["vibe_take"] = {**stored, name: value} if value is not None else {"other": 1}
    assert take_record(walk.collection) is None
    assert take_collections(bpy.context.scene) == []


@pytest.mark.parametrize(
    "value", [1, "text", [1.0, 2.0], {"id": 1}, {"id": 0, "first": 1, "last": 2, "confidence": 1.0}]
)
def test_a_strangers_person_is_nobody(walk, value) -> None:
    for armature, _ in people(walk.collection):
        armature["vibe_person"] = value
    assert people(walk.collection) == []


def test_a_take_goes_with_everything_made_for_it(scene, boxes, take, movie) -> None:
    before = blocks()
    other = cube(scene.collection)
    kept = assemble(take, scene, "kept", start=1, model=boxes)
    alone = blocks()
    take = replace(take, video=replace(take.video, path=str(movie)))
    gone = assemble(take, scene, "gone", start=1, model=boxes).collection
    assert blocks() != alone
    remove_take(gone)
    assert blocks() == alone
    remove_take(kept.collection)
    bpy.data.meshes.remove(other.data)
    assert blocks() == before


def test_what_the_user_added_to_a_take_stays_where_it_is(scene, walk, tmp_path) -> None:
    hat, child = cube(walk.collection, "hat"), bpy.data.collections.new("mine")
    walk.collection.children.link(child)
    cube(child, "in mine")
    armature = walk.actors[0].armature
    armature.location = (1.0, 2.0, 3.0)
    hat.parent = armature
    picture = bpy.data.images.new("picture", 4, 4)
    walk.camera.data.background_images.new().image = picture
    cube(scene.collection, "user of the picture")["picture"] = picture
    material = walk.actors[0].body.data.materials[0]
    other = cube(scene.collection)
    other.data.materials.append(material)
    bpy.context.view_layer.update()
    remove_take(walk.collection)
    bpy.context.view_layer.update()
    assert hat.name in scene.collection.objects
    assert tuple(hat.matrix_world.translation) == (1.0, 2.0, 3.0)
    assert child.name in scene.collection.children
    assert other.data.materials[0] == material
    assert bpy.data.images.get("picture") is not None
    assert {thing.name for thing in bpy.data.objects} == {"hat", "in mine", "cube", "user of the picture"}


def test_renaming_renames_what_is_inside(walk) -> None:
    rename_take(walk.collection, "走 run")
    actor = walk.actors[1]
    names = (walk.collection, actor.armature, actor.armature.data, actor.body, actor.action, walk.camera)
    end = ("", " person 2", " person 2", " person 2 body", " person 2", " camera")
    assert [block.name for block in names] == [f"走 run{rest}" for rest in end]
    actor.armature.name = "Bob"
    rename_take(walk.collection, "jump")
    assert actor.armature.name == "Bob"


def test_another_motion_for_the_same_rigs(scene, walk, take) -> None:
    before = blocks()
    person = replace(walking_person(np.arange(5, 40), 1, seed=9), rest_joints=take.people[0].rest_joints)
    armature, other = walk.actors[0].armature, walk.actors[1].armature
    stays = posed(other, 120)
    replace_motion(walk.collection, replace(take, people=(person, walking_person(np.arange(3), 7))))
    assert np.abs(posed(armature, 111) - person.joints()[5]).max() < 1e-5
    assert np.abs(posed(other, 120) - stays).max() < 1e-6
    assert blocks() == before
    (_, record), _ = people(walk.collection)
    assert (record.first, record.last) == (106, 140)
    assert len(walk.actors[0].body.animation_data.drivers) == 2


def test_a_former_action_that_is_used_elsewhere_stays(walk, take) -> None:
    action = walk.actors[0].action
    track = walk.actors[0].armature.animation_data.nla_tracks.new()
    track.strips.new("mine", 1, action)
    replace_motion(walk.collection, take)
    assert action in list(bpy.data.actions)
    assert walk.actors[0].armature.animation_data.action != action


def test_no_take_has_no_motion_to_replace(scene, take) -> None:
    with pytest.raises(CaptureError) as caught:
        replace_motion(scene.collection, take)
    assert caught.value.code == "take_gone"


def test_the_timeline_becomes_the_takes_and_nothing_else(scene, walk) -> None:
    before = (scene.camera, scene.render.resolution_x, scene.frame_current)
    fit_timeline(scene, walk.collection)
    assert (scene.frame_start, scene.frame_end) == (101, 140)
    assert (scene.camera, scene.render.resolution_x, scene.frame_current) == before


def test_the_camera_shows_the_videos_picture(scene, walk) -> None:
    show_camera(scene, walk.collection)
    assert scene.camera == walk.camera
    assert (scene.render.resolution_x, scene.render.resolution_y) == (320, 180)
    bpy.data.objects.remove(walk.camera)
    with pytest.raises(CaptureError) as caught:
        show_camera(scene, walk.collection)
    assert caught.value.code == "camera_gone"


def test_a_take_is_found_where_it_was_or_beside_the_file(walk, tmp_path) -> None:
    record = replace(take_record(walk.collection), path=str(tmp_path / "first" / "walk 走.take"))
    for blend in ("", tmp_path / "scenes" / "a.blend"):
        with pytest.raises(CaptureError) as caught:
            locate(record, blend)
        assert caught.value.code == "take_missing"
    beside = tmp_path / "scenes" / "walk 走.take"
    beside.parent.mkdir()
    beside.touch()
    assert locate(record, tmp_path / "scenes" / "a.blend") == beside
    assert locate(replace(record, path="C:\\takes\\walk 走.take"), str(tmp_path / "scenes" / "a.blend")) == beside
    there = Path(record.path)
    there.parent.mkdir()
    there.touch()
    assert locate(record, tmp_path / "scenes" / "a.blend") == there


@pytest.mark.parametrize("blend", ["", "here/a.blend"])
def test_a_take_without_a_file_is_told(walk, blend) -> None:
    with pytest.raises(CaptureError) as caught:
        locate(replace(take_record(walk.collection), path=""), blend)
    assert caught.value.code == "take_missing"


def test_records_are_what_was_written(walk) -> None:
    record = take_record(walk.collection)
    assert asdict(record)["scene_fps"] == FPS
    assert record.sound()
