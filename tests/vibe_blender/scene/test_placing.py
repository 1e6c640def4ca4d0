# SPDX-License-Identifier: MIT
# ruff: noqa: E402 (what follows needs bpy)
"""Places that the user points at in the scene: the floor, and where somebody was."""

from dataclasses import replace

import numpy as np
import pytest

bpy = pytest.importorskip("bpy")

from mathutils import Matrix

from tests.fake_backend import small_take
from vibe_blender.contract.take_file import save_take
from vibe_blender.live_cleanup import problem
from vibe_blender.scene.cleaning import anchors_of
from vibe_blender.scene.takes import camera_of, people

pytestmark = pytest.mark.usefixtures("panel", "opened")

FLOOR = np.array([(0.0, 0.0, 0.1), (1.0, 0.0, 0.15), (0.3, 1.5, 0.0)])


@pytest.fixture
def opened(panel, video, tmp_path):
    take = small_take(str(video), count=60)
    person = take.people[0]
    rising = person.root + np.linspace(0.0, 0.2, 60)[:, None] * [0.0, 0.0, 1.0]  # a height to be locked
    path = save_take(replace(take, people=(replace(person, root=rising),)), tmp_path / "one.take")
    bpy.context.scene.render.fps = 25  # the video's
    bpy.ops.vibe.open_take(filepath=str(path))


def group():
    return bpy.context.scene.vibe.active_take.vibe_cleanup


def armature():
    return people(bpy.context.scene.vibe.active_take)[0][0]


def pelvis(frame: int) -> np.ndarray:
    """Where it is shown, (3,) metres, world."""
    bpy.context.scene.frame_set(frame)
    return np.array(armature().matrix_world @ armature().pose.bones["pelvis"].head)


def set_mode(mode: str, *, lock_height: bool = False) -> None:
    group().root_mode, group().root_lock_height = mode, lock_height
    assert problem(bpy.context.scene.vibe.active_take) is None


def stand_elsewhere(how: str) -> None:
    """As an animator moves a person on the stage."""
    if how == "parent":
        parent = bpy.data.objects.new("stage", None)
        bpy.context.scene.collection.objects.link(parent)
        parent.matrix_basis = Matrix.Translation((3, -4, 0.5)) @ Matrix.Rotation(1.1, 4, "Z")
        armature().parent = parent
    else:
        armature().location = (10, 0, 0)
        armature().rotation_euler.z = 0.4
    bpy.context.view_layer.update()


@pytest.mark.parametrize("set_before", [{}, {"root_heading_rad": 0.7}, {"root_scale": 1.5}, {"root_heading_rad": 0.7,
                         "root_scale": 1.5, "view_pitch_rad": 0.1}])  # fmt: skip
def test_the_picked_floor_is_level_however_the_world_is_turned(set_before) -> None:
    bpy.ops.vibe.cleanup_choice(name="raw")
    for name, value in set_before.items():
        setattr(group(), name, value)
    mesh = bpy.data.meshes.new("floor")
    mesh.from_pydata(FLOOR.tolist(), [], [])
    for vertex in mesh.vertices:
        vertex.select = True
    thing = bpy.data.objects.new("floor", mesh)
    bpy.context.scene.collection.objects.link(thing)
    bpy.context.view_layer.objects.active = thing
    eye = camera_of(bpy.context.scene.vibe.active_take)
    bpy.context.view_layer.update()
    before = np.array(eye.matrix_world)
    bpy.ops.vibe.pick_floor(by="vertices")
    bpy.context.view_layer.update()
    moved = np.array(eye.matrix_world) @ np.linalg.inv(before)  # what the camera sees moves along
    np.testing.assert_allclose(FLOOR @ moved[2, :3] + moved[2, 3], 0.0, atol=1e-5)


def test_places_are_read_from_the_cleaned_motion_alone() -> None:
    group().show_raw = True
    with pytest.raises(RuntimeError, match="Show the cleaned motion first"):
        bpy.ops.vibe.pick_floor(by="cursor")
    with pytest.raises(RuntimeError, match="Show the cleaned motion first"):
        bpy.ops.vibe.add_anchor(at_cursor=True)
    group().show_raw = False
    bpy.ops.vibe.add_anchor(at_cursor=True)
    assert len(anchors_of(armature())) == 1


@pytest.mark.parametrize("mode", ["full", "ground"])
@pytest.mark.parametrize("how", ["itself", "parent"])
def test_an_anchor_at_the_cursor_is_there_wherever_the_person_was_moved(mode, how) -> None:
    group().root_scale = 1.2
    stand_elsewhere(how)
    set_mode(mode)
    bpy.context.scene.cursor.location = (15.0, 6.0, 0.0)
    for frame in (1, 60):
        bpy.context.scene.frame_set(frame)
        bpy.ops.vibe.add_anchor(at_cursor=True)
    for frame in (1, 60):
        np.testing.assert_allclose(pelvis(frame)[:2], (15.0, 6.0), atol=1e-3)


@pytest.mark.parametrize("mode", ["full", "ground"])
@pytest.mark.parametrize("how", ["itself", "parent"])
def test_who_is_held_where_they_are_does_not_move(mode, how) -> None:
    stand_elsewhere(how)
    set_mode(mode)
    before = [pelvis(frame) for frame in (1, 30, 60)]
    for frame in (1, 60):
        bpy.context.scene.frame_set(frame)
        bpy.ops.vibe.add_anchor(at_cursor=False)
    np.testing.assert_allclose([pelvis(frame) for frame in (1, 30, 60)], before, atol=1e-5)


@pytest.mark.parametrize(("mode", "lock"), [("in_place", False), ("line", False), ("full", True), ("ground", True)])
@pytest.mark.parametrize("heading", [0.0, 0.7])
def test_an_anchor_keeps_the_true_place_under_a_mode_that_alters_it(mode, lock, heading) -> None:
    group().root_heading_rad = heading
    group().root_scale = 1.0 + heading
    true = [pelvis(frame) for frame in (1, 30, 60)]
    set_mode(mode, lock_height=lock)
    shown = [pelvis(frame) for frame in (1, 30, 60)]
    assert np.abs(np.array(shown) - true).max() > 1e-3
    for frame in (1, 60):
        bpy.context.scene.frame_set(frame)
        bpy.ops.vibe.add_anchor(at_cursor=False)
    np.testing.assert_allclose([pelvis(frame) for frame in (1, 30, 60)], shown, atol=1e-5)
    set_mode("full")
    np.testing.assert_allclose([pelvis(frame) for frame in (1, 30, 60)], true, atol=1e-5)
