# SPDX-License-Identifier: MIT
# ruff: noqa: E402 (what follows needs bpy)
import gc
import time

import numpy as np
import pytest

bpy = pytest.importorskip("bpy")

from tests.fake_backend import FPS, walking_person
from tests.vibe_blender.conftest import blocks
from vibe_blender.contract.protocol import Frames, PersonFound, VideoOpened
from vibe_blender.contract.skeleton import JOINT_NAMES
from vibe_blender.contract.take import Person
from vibe_blender.scene.body import person_colour
from vibe_blender.scene.live import LiveTake, remove_leftovers

VIDEO = VideoOpened("walk.mp4", 320, 180, FPS, 200)
START = 11


def found(person: Person) -> PersonFound:
    return PersonFound(person.id, int(person.frames[0]), person.rest_joints.tolist())


def stretch(person: Person, first: int, end: int) -> Frames:
    rows = (person.frames >= first) & (person.frames < end)
    poses = person.rotations[rows], person.root[rows], person.confidence[rows]
    return Frames(person.id, first, *(values.tolist() for values in poses))


def settle(live: LiveTake, scene) -> None:
    """Lets it work until there is nothing left to do."""
    give_up = time.monotonic() + 20
    while not live.advance(scene, time.monotonic() + 0.005):
        assert time.monotonic() < give_up


def rigs() -> dict[int, object]:
    return {thing["vibe_stand_in"]: thing for thing in bpy.context.scene.objects if thing.type == "ARMATURE"}


def heads(armature) -> np.ndarray:
    """(24, 3) metres, world, of the joints as they are shown."""
    rig = armature.evaluated_get(bpy.context.evaluated_depsgraph_get())
    return np.array([rig.matrix_world @ rig.pose.bones[name].head for name in JOINT_NAMES])


def error(person: Person, frame: int) -> float:
    return np.abs(heads(rigs()[person.id]) - person.joints()[person.frames == frame][0]).max()


@pytest.fixture
def walker() -> Person:
    return walking_person(np.arange(200))


@pytest.fixture
def live(scene):
    made = LiveTake("walk", VIDEO, START, scene)
    yield made
    made.remove()


def test_the_newest_pose_is_shown_whatever_the_current_frame(scene, live, walker) -> None:
    scene.frame_set(3)
    live = LiveTake("walk", VIDEO, START, scene)
    live.add(found(walker))
    for first in (0, 30):
        live.add(stretch(walker, first, first + 30))
        settle(live, scene)
        assert error(walker, first + 29) < 1e-4
    assert scene.frame_current == 3
    live.remove()


def test_what_arrives_is_played(scene, live, walker) -> None:
    live.add(found(walker))
    live.add(stretch(walker, 0, 1))
    settle(live, scene)
    live.add(stretch(walker, 1, 30))
    seen = set()
    give_up = time.monotonic() + 20
    while not live.advance(scene, time.monotonic() + 0.005):
        assert time.monotonic() < give_up
        seen.add(tuple(rigs()[1].pose.bones["pelvis"].location))
    assert len(seen) > 3


@pytest.mark.parametrize("scene_fps", [24, 25, 60])
def test_whoever_moves_in_time_sees_that_time_at_once(scene, live, walker, scene_fps) -> None:
    scene.render.fps = scene_fps
    live.add(found(walker))
    live.add(stretch(walker, 0, 100))
    settle(live, scene)
    for frame in (50, 10, 99):
        scene.frame_set(round(START + frame / FPS * scene_fps))
        assert error(walker, round((scene.frame_current - START) / scene_fps * FPS)) < 1e-4
    scene.frame_set(START)
    live.add(stretch(walker, 100, 130))
    settle(live, scene)
    assert error(walker, 0) < 1e-4
    scene.frame_set(5000)
    assert error(walker, 129) < 1e-4


def test_frames_count_from_the_first_captured_one(scene, walker) -> None:
    live = LiveTake("walk", VIDEO, START, scene, first=40)
    scene.render.fps = int(FPS)
    live.add(found(walker))
    live.add(stretch(walker, 40, 80))
    settle(live, scene)
    scene.frame_set(START + 5)
    assert error(walker, 45) < 1e-4
    live.remove()


def test_a_body_moves_with_each_rig_in_a_colour_of_its_own(scene, live) -> None:
    for number in (1, 2):
        person = walking_person(np.arange(30), number)
        live.add(found(person))
        live.add(stretch(person, 0, 30))
    settle(live, scene)
    bodies = [thing for thing in scene.objects if thing.type == "MESH"]
    assert len(bodies) == 2
    for body in bodies:
        colour = body.data.materials[0].diffuse_color
        assert tuple(colour)[:3] == pytest.approx(person_colour(body["vibe_stand_in"]))
        mesh = body.evaluated_get(bpy.context.evaluated_depsgraph_get()).data
        top, low = max(v.co.z for v in mesh.vertices), min(v.co.z for v in mesh.vertices)
        assert 1.0 < top - low < 2.2
    assert person_colour(1) != person_colour(2)


def test_what_is_no_longer_there_is_made_again(scene, live, walker) -> None:
    live.add(found(walker))
    live.add(stretch(walker, 0, 30))
    settle(live, scene)
    names = blocks()
    for remove in (
        lambda: bpy.data.objects.remove(rigs()[1]),
        lambda: bpy.data.batch_remove([*bpy.data.objects, *bpy.data.collections]),
        lambda: scene.collection.children.unlink(bpy.data.collections["walk (capturing)"]),
    ):
        remove()
        settle(live, scene)
        assert error(walker, 29) < 1e-4
    live.remove()
    assert blocks()["objects"] == []
    assert names["objects"] != []


def test_undo_takes_nothing_from_it(scene, walker) -> None:
    bpy.context.preferences.edit.use_global_undo = True
    bpy.ops.ed.undo_push(message="before")
    live = LiveTake("walk", VIDEO, START, scene)
    live.add(found(walker))
    live.add(stretch(walker, 0, 30))
    settle(live, scene)
    bpy.ops.ed.undo_push(message="with a stand-in")
    live.add(stretch(walker, 30, 60))
    settle(live, bpy.context.scene)
    bpy.ops.ed.undo_push(message="with another pose")
    for _ in range(2):
        bpy.ops.ed.undo()
        settle(live, bpy.context.scene)
        assert error(walker, 59) < 1e-4
    bpy.ops.ed.redo()
    settle(live, bpy.context.scene)
    assert error(walker, 59) < 1e-4
    live.remove()
    assert len(bpy.context.scene.objects) == 0


@pytest.mark.parametrize("pushes", [0, 1])
def test_undo_while_a_stand_in_is_built(scene, walker, pushes) -> None:
    bpy.context.preferences.edit.use_global_undo = True
    bpy.ops.ed.undo_push(message="before")
    live = LiveTake("walk", VIDEO, START, scene)
    live.add(found(walker))
    live.add(stretch(walker, 0, 30))
    live._rest[1].result()
    for _ in range(12):
        live.advance(bpy.context.scene, 0.0)
    assert len(bpy.data.objects) == 2
    for message in ["half built"] * pushes + ["later"]:
        bpy.ops.ed.undo_push(message=message)
        for _ in range(5):
            live.advance(bpy.context.scene, 0.0)
    bpy.ops.ed.undo()
    settle(live, bpy.context.scene)
    assert error(walker, 29) < 1e-4
    assert len(rigs()) == 1
    (body,) = (thing for thing in bpy.context.scene.objects if thing.type == "MESH")
    assert len(body.vertex_groups) == 24
    live.remove()
    assert len(bpy.context.scene.objects) == 0


def test_a_file_opened_while_a_stand_in_is_built(scene, walker, recwarn) -> None:
    live = LiveTake("walk", VIDEO, START, scene)
    live.add(found(walker))
    live.add(stretch(walker, 0, 30))
    live._rest[1].result()
    for _ in range(12):
        live.advance(scene, 0.0)
    bpy.ops.wm.read_factory_settings(use_empty=True)
    del live
    gc.collect()
    assert len(bpy.data.objects) == 0
    assert not recwarn.list


def test_removing_leaves_nothing_at_any_moment(scene, walker) -> None:
    before = blocks()
    handlers = len(bpy.app.handlers.frame_change_pre)
    for steps in range(0, 40, 3):
        live = LiveTake("walk", VIDEO, START, scene)
        live.add(found(walker))
        live.add(stretch(walker, 0, 30))
        live._rest[1].result()
        for _ in range(steps):
            live.advance(scene, 0.0)
        live.remove()
        assert blocks() == before, steps
    assert len(bpy.app.handlers.frame_change_pre) == handlers


def test_leftovers_of_a_saved_file_are_removed(scene, live, walker, tmp_path) -> None:
    before = blocks()
    live.add(found(walker))
    live.add(stretch(walker, 0, 30))
    settle(live, scene)
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "half.blend"))
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "half.blend"))
    assert blocks() != before
    remove_leftovers()
    assert blocks() == before


def test_the_users_mode_selection_and_things_stay(scene, live, walker) -> None:
    mesh = bpy.data.meshes.new("cube")
    mesh.from_pydata([(0, 0, 0), (1, 0, 0), (0, 1, 0)], [], [(0, 1, 2)])
    cube = bpy.data.objects.new("cube", mesh)
    scene.collection.objects.link(cube)
    bpy.context.view_layer.objects.active = cube
    cube.select_set(True)
    bpy.ops.object.mode_set(mode="EDIT")
    live.add(found(walker))
    live.add(stretch(walker, 0, 30))
    settle(live, scene)
    assert (cube.mode, bpy.context.view_layer.objects.active) == ("EDIT", cube)
    live.remove()
    assert [thing.name for thing in scene.objects] == ["cube"]


def test_nobody_found_is_nothing_to_do(scene, live) -> None:
    assert live.advance(scene, time.monotonic() + 0.005)
    assert len(scene.objects) == 0


def test_nothing_is_touched_while_a_render_runs(scene, live, walker, monkeypatch) -> None:
    live.add(found(walker))
    live.add(stretch(walker, 0, 30))
    live._rest[1].result()
    before = blocks()
    monkeypatch.setattr("vibe_blender.scene.live.rendering", lambda: True)
    for _ in range(20):
        assert live.advance(scene, time.monotonic() + 0.005)
    assert blocks() == before
    monkeypatch.setattr("vibe_blender.scene.live.rendering", lambda: False)
    settle(live, scene)
    assert error(walker, 29) < 1e-4


@pytest.mark.parametrize("gone", ["head", "pelvis", "all"])
def test_a_stand_in_without_a_bone_moves_the_others(scene, live, walker, gone) -> None:
    live.add(found(walker))
    live.add(stretch(walker, 0, 30))
    settle(live, scene)
    armature = rigs()[1]
    bpy.context.view_layer.objects.active = armature
    bpy.ops.object.mode_set(mode="EDIT")
    for bone in list(armature.data.edit_bones):
        if gone in ("all", bone.name):
            armature.data.edit_bones.remove(bone)
    bpy.ops.object.mode_set(mode="OBJECT")
    live.add(stretch(walker, 30, 60))
    settle(live, scene)
    assert rigs() == {1: armature}
    if gone == "head":
        rig = armature.evaluated_get(bpy.context.evaluated_depsgraph_get())
        knee = JOINT_NAMES.index("left_knee")
        assert np.abs(np.array(rig.pose.bones["left_knee"].head) - walker.joints()[59][knee]).max() < 1e-4


@pytest.mark.parametrize("name", ["x" * 63, "走" * 80])
def test_a_long_name_of_a_take(scene, walker, name) -> None:
    live = LiveTake(name, VIDEO, START, scene)
    live.add(found(walker))
    live.add(stretch(walker, 0, 30))
    settle(live, scene)
    (armature,) = rigs().values()
    assert [child.name for child in armature.children] == [f"{armature.name} body"]
    assert armature.name.endswith(" person 1 (capturing)")
    live.remove()
