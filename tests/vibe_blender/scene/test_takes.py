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
from vibe_blender.scene.removal import remove_unfinished
from vibe_blender.scene.takes import (
    PersonRecord,
    TakeRecord,
    body_of,
    camera_of,
    fit_timeline,
    is_editable,
    locate,
    people,
    remove_take,
    rename_take,
    replace_motion,
    replacing_motion,
    show_camera,
    show_person,
    take_collections,
    take_record,
    write_take_record,
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


def test_a_record_from_before_there_were_notices_is_read(walk) -> None:
    stored = walk.collection["vibe_take"].to_dict()
    del stored["notice"]
    walk.collection["vibe_take"] = stored
    assert take_record(walk.collection).notice == ""


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("frame_count", "40"), ("frame_count", -1), ("fps", float("nan")), ("fps", 25), ("start", 2000000),
        ("status", "odd"), ("notice", 1), ("warnings", 3), ("path", None), ("video", b"x"), ("end", 3),
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


def two_others(take):
    """Another motion for both people."""
    people = [walking_person(person.frames, person.id, seed=9) for person in take.people]
    kept = zip(people, take.people, strict=True)
    return replace(take, people=tuple(replace(new, rest_joints=old.rest_joints) for new, old in kept))


def own_action(name="MY OWN WORK"):
    """An action with one key on the pelvis, as an animator would make it."""
    action = bpy.data.actions.new(name)
    scratch = bpy.data.objects.new("scratch", None)
    scratch.animation_data_create().action = action
    scratch.keyframe_insert("location", frame=3)
    bpy.data.objects.remove(scratch)
    return action


def first_curve(action):
    bag = action if bpy.app.version < (4, 4, 0) else action.layers[0].strips[0].channelbags[0]
    return bag.fcurves[0]


def test_somebodys_own_action_is_kept(walk, take, tmp_path) -> None:
    armature = walk.actors[0].armature
    ours = walk.actors[0].action.name
    armature.animation_data.action = own_action()
    assert replace_motion(walk.collection, two_others(take)) == ("MY OWN WORK",)
    # Ours, which moved nothing any more, is gone; its name is that of the new one.
    assert sorted(action.name for action in bpy.data.actions) == ["MY OWN WORK", ours, "walk person 2"]
    assert armature.animation_data.action.name == ours
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "walk.blend"))
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "walk.blend"))
    assert "MY OWN WORK" in bpy.data.actions


def moved_key(action):
    first_curve(action).keyframe_points[3].co[1] += 0.01


def smoothed_key(action):
    first_curve(action).keyframe_points[3].interpolation = "BEZIER"


def noisy(action):
    first_curve(action).modifiers.new("NOISE")


def another_curve(action):
    bag = action if bpy.app.version < (4, 4, 0) else action.layers[0].strips[0].channelbags[0]
    bag.fcurves.new("scale", index=1)


def protected(action):
    action.use_fake_user = True


@pytest.mark.parametrize("work", [moved_key, smoothed_key, noisy, another_curve, protected])
def test_our_action_is_kept_once_somebody_worked_on_it(walk, take, work) -> None:
    action = walk.actors[0].action
    work(action)
    assert replace_motion(walk.collection, two_others(take)) == ("walk person 1",)
    assert action.use_fake_user
    assert walk.actors[0].armature.animation_data.action != action
    assert [found.name for found in bpy.data.actions if found.users == 0] == []


def test_what_is_only_looked_at_is_not_kept(walk, take, tmp_path) -> None:
    for point in first_curve(walk.actors[0].action).keyframe_points:
        point.select_control_point = False
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "walk.blend"))
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "walk.blend"))
    (collection,) = take_collections(bpy.context.scene)
    before = blocks()
    assert replace_motion(collection, two_others(take)) == ()
    assert blocks() == before


def test_an_action_that_something_else_uses_stays_there(walk, take) -> None:
    action = walk.actors[0].action
    track = walk.actors[0].armature.animation_data.nla_tracks.new()
    track.strips.new("mine", 1, action)
    assert replace_motion(walk.collection, two_others(take)) == ()
    assert track.strips[0].action == action


def test_a_tweaked_strip_does_not_lock_the_action(walk, take) -> None:
    animation = walk.actors[0].armature.animation_data
    animation.nla_tracks.new().strips.new("mine", 1, own_action())
    animation.use_tweak_mode = True
    assert replace_motion(walk.collection, two_others(take)) == ()
    names = sorted(action.name for action in bpy.data.actions)
    assert names == ["MY OWN WORK", animation.action.name, "walk person 2"]
    assert animation.action.name.startswith("walk person 1")


def test_deleting_a_take_keeps_somebodys_own_action(walk) -> None:
    walk.actors[0].armature.animation_data.action = own_action()
    walk.actors[1].action.use_fake_user = True
    remove_take(walk.collection)
    assert {action.name for action in bpy.data.actions} == {"MY OWN WORK", "walk person 2"}
    assert all(action.use_fake_user for action in bpy.data.actions)


def state(walk) -> list:
    actions = [actor.armature.animation_data.action for actor in walk.actors]
    records = [actor.armature["vibe_person"].to_dict() for actor in walk.actors]
    return [blocks(), actions, records, walk.collection["vibe_take"].to_dict()]


def test_closed_before_its_last_step_nothing_has_changed(walk, take) -> None:
    old = [actor.action for actor in walk.actors]
    changed = replace(two_others(take), status="partial")
    count, switched = 0, None
    steps = replacing_motion(walk.collection, changed, Path("new.take"))
    for _ in steps:
        count += 1
        moved = [actor.armature.animation_data.action not in old for actor in walk.actors]
        assert moved in ([False, False], [True, True])
        told = take_record(walk.collection).path == "new.take"
        assert told == moved[0]
        switched = switched or (count if told else None)
    assert 200 < switched < count
    assert take_record(walk.collection).status == "partial"
    remove_take(walk.collection)


@pytest.mark.parametrize("stop", [1, 50, 112, 130, 220])
def test_closed_half_way_it_leaves_nothing(walk, take, stop) -> None:
    before = state(walk)
    steps = replacing_motion(walk.collection, two_others(take), Path("new.take"))
    for _ in range(stop):
        next(steps)
    steps.close()
    assert state(walk) == before


def test_closed_while_clearing_up_it_is_done_at_once(walk, take) -> None:
    action = walk.actors[0].action
    moved_key(action)
    steps = replacing_motion(walk.collection, two_others(take), Path("new.take"))
    while take_record(walk.collection).path != "new.take":
        next(steps)
    steps.close()
    assert action.use_fake_user
    assert len(bpy.data.actions) == 3


def test_a_half_replaced_motion_that_comes_back_is_known(walk, take) -> None:
    before = blocks()
    steps = replacing_motion(walk.collection, two_others(take))
    for _ in range(150):
        next(steps)
    assert blocks() != before
    remove_unfinished()
    assert blocks() == before
    steps.close()


@pytest.mark.parametrize("what", ["armature", "collection"])
def test_a_take_removed_meanwhile_is_told(walk, take, what) -> None:
    steps = replacing_motion(walk.collection, two_others(take))
    for _ in range(150):
        next(steps)
    if what == "armature":
        bpy.data.objects.remove(walk.actors[0].armature)
    else:
        remove_take(walk.collection)
    with pytest.raises(CaptureError) as caught:
        list(steps)
    assert caught.value.code == "take_gone"
    assert {action.name for action in bpy.data.actions} <= {"walk person 1", "walk person 2"}


def test_another_motion_says_where_it_is_from(walk, take) -> None:
    changed = replace(two_others(take), status="partial", warnings=("One.",))
    before = take_record(walk.collection)
    replace_motion(walk.collection, changed)
    assert take_record(walk.collection) == before
    replace_motion(walk.collection, changed, Path("walk 2.take"))
    assert take_record(walk.collection) == replace(before, path="walk 2.take", status="partial", warnings=("One.",))


def test_a_rig_without_one_of_its_bones_is_told(walk, take) -> None:
    armature = walk.actors[1].armature
    bpy.context.view_layer.objects.active = armature
    bpy.ops.object.mode_set(mode="EDIT")
    armature.data.edit_bones.remove(armature.data.edit_bones["head"])
    bpy.ops.object.mode_set(mode="OBJECT")
    before = state(walk)
    with pytest.raises(CaptureError, match="walk person 2 has no bone called head") as caught:
        replace_motion(walk.collection, two_others(take), Path("new.take"))
    assert caught.value.code == "bone_missing"
    assert state(walk) == before


@pytest.mark.parametrize("start", [1_048_560, -1_048_575, 2_000_000, 1 << 40, 10**400])
def test_frames_beyond_blenders_are_refused(scene, boxes, take, start) -> None:
    before = blocks()
    with pytest.raises(CaptureError, match="another start frame") as caught:
        assemble(take, scene, "walk", start=start, model=boxes)
    assert caught.value.code == "bad_frames"
    assert blocks() == before
    walk = assemble(take, scene, "walk", start=1, model=boxes)
    with pytest.raises(CaptureError) as caught:
        write_take_record(walk.collection, take, None, start=start, scene_fps=24.0)
    assert caught.value.code == "bad_frames"
    assert take_record(walk.collection).start == 1


@pytest.mark.parametrize("start", [1_048_574 - 39, -1_048_574])
def test_blenders_outmost_frames_are_taken(scene, boxes, take, start) -> None:
    set_frame_rate(scene, FPS)
    collection = assemble(take, scene, "walk", start=start, model=boxes).collection
    assert take_record(collection).end == start + 39
    assert len(people(collection)) == 2


def test_a_take_longer_than_blenders_timeline_is_told(scene, boxes, take) -> None:
    times = np.append(take.video.times[:-1], 90_000.0)
    with pytest.raises(CaptureError, match="shorter range") as caught:
        assemble(replace(take, video=replace(take.video, times=times)), scene, "walk", start=1, model=boxes)
    assert caught.value.code == "bad_frames"
    assert len(bpy.data.objects) == 0


def test_a_scene_faster_than_any_is_told(scene, boxes, take) -> None:
    scene.render.fps, scene.render.fps_base = 240, 1e-5
    with pytest.raises(CaptureError) as caught:
        assemble(replace(take, video=replace(take.video, times=np.arange(40) * 1e-3)), scene, "walk", start=1)
    assert caught.value.code == "bad_frames"
    assert len(bpy.data.objects) == 0


@pytest.mark.parametrize("size", [5, "hello", "ab", [1], {}, {"1": 1, "2": 2}, [0, 5], [1.5, 2.5], [1, 2, 3]])
def test_a_strangers_camera_leaves_the_pictures_size_alone(scene, walk, size) -> None:
    walk.camera["vibe_camera"] = size
    before = scene.render.resolution_x, scene.render.resolution_y
    show_camera(scene, walk.collection)
    assert scene.camera == walk.camera
    assert (scene.render.resolution_x, scene.render.resolution_y) == before


@pytest.mark.parametrize("name", ["a" * 5000, "a\0b", "/".join(["a" * 5000] * 3), "\udcff" * 300])
def test_a_path_that_cannot_be_is_nowhere(walk, tmp_path, name) -> None:
    with pytest.raises(CaptureError) as caught:
        locate(replace(take_record(walk.collection), path=name), tmp_path / "a.blend")
    assert caught.value.code == "take_missing"
    assert len(caught.value.message) < 300


def linked(walk, tmp_path, how: str):
    """The take in another file, and in this one as a link to it or an override of that."""
    name = str(tmp_path / "library.blend")
    bpy.ops.wm.save_as_mainfile(filepath=name)
    bpy.ops.wm.read_factory_settings(use_empty=True)
    with bpy.data.libraries.load(name, link=True) as (_, wanted):
        wanted.collections = ["walk"]
    (collection,) = wanted.collections
    scene = bpy.context.scene
    scene.collection.children.link(collection)
    if how == "override":
        collection = collection.override_hierarchy_create(scene, bpy.context.view_layer)
    elif how == "objects":
        own = bpy.data.collections.new("own")
        own["vibe_take"] = collection["vibe_take"].to_dict()
        for thing in collection.objects:
            own.objects.link(thing)
        scene.collection.children.unlink(collection)
        scene.collection.children.link(own)
        collection = own
    return collection


@pytest.mark.parametrize("how", ["link", "override", "objects"])
@pytest.mark.parametrize(
    "change",
    [
        lambda collection, take: rename_take(collection, "run"),
        lambda collection, take: remove_take(collection),
        lambda collection, take: replace_motion(collection, two_others(take), Path("new.take")),
    ],
)
def test_a_take_of_another_file_is_not_changed(walk, take, tmp_path, how, change) -> None:
    assert is_editable(walk.collection)
    collection = linked(walk, tmp_path, how)
    assert not is_editable(collection)
    assert take_record(collection) is not None
    before = blocks()
    with pytest.raises(CaptureError) as caught:
        change(collection, take)
    assert caught.value.code == "take_linked"
    assert blocks() == before


def test_a_person_is_hidden_where_it_is_seen(walk) -> None:
    layer = bpy.context.view_layer
    armature, body = walk.actors[0].armature, walk.actors[0].body
    for shown in (False, True):
        show_person(armature, layer, shown)
        assert (armature.hide_get(), body.hide_get()) == (not shown, not shown)
    walk.collection.objects.unlink(body)
    show_person(armature, layer, False)
    assert armature.hide_get()
    layer.layer_collection.children["walk"].exclude = True
    show_person(armature, layer, True)
    bpy.data.objects.remove(body)
    layer.layer_collection.children["walk"].exclude = False
    show_person(armature, layer, True)
    assert not armature.hide_get()


@pytest.mark.parametrize("name", ["x" * 63, "x" * 300, "走" * 80, "👩‍🚒" * 20])
def test_long_names_stay_apart(scene, boxes, take, name) -> None:
    for collection in (
        assemble(take, scene, name, start=1, model=boxes).collection,
        assemble(take, scene, name, start=1, model=boxes).collection,
    ):
        begin = collection.name
        assert name.startswith(begin.removesuffix(".001"))
        ends = ["", " body"]
        expected = {f"{begin} person {number}{end}" for number in (1, 2) for end in ends} | {f"{begin} camera"}
        assert {thing.name for thing in collection.objects} == expected
    rename_take(collection, "y" + name)
    assert {thing.name.removeprefix(collection.name) for thing in collection.objects} == {
        " camera", " person 1", " person 1 body", " person 2", " person 2 body",
    }  # fmt: skip


def test_the_videos_picture_keeps_the_files_name(scene, boxes, take, movie) -> None:
    take = replace(take, video=replace(take.video, path=str(movie)))
    collection = assemble(take, scene, "grey", start=1, model=boxes).collection
    rename_take(collection, "run")
    assert movie.name in bpy.data.images
