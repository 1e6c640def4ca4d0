# SPDX-License-Identifier: MIT
# ruff: noqa: E402 (what follows needs bpy)
import shutil
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest

bpy = pytest.importorskip("bpy")

from tests.fake_backend import small_take, walking_person
from vibe_blender import cleanup_numbers, contact_watch
from vibe_blender.cleanup_properties import LISTS
from vibe_blender.contract.take_file import save_take
from vibe_blender.live_cleanup import cleanup_of, kept_actions, problem
from vibe_blender.motion.keys import Bounds
from vibe_blender.motion.settings import Cleanup, Feet, Root, Smoothing, Strengths, View
from vibe_blender.scene.animation import assign_action, curves_of
from vibe_blender.scene.cleaning import (
    anchors_of,
    camera_path_of,
    is_applied,
    keep_camera_path,
    shown_contacts,
    worked_on,
)
from vibe_blender.scene.contact_curves import contact_path, edited_contacts
from vibe_blender.scene.key_reduction import reduce_action
from vibe_blender.scene.moving_camera import scene_camera_path
from vibe_blender.scene.ownership import own_action
from vibe_blender.scene.takes import camera_of, people

pytestmark = pytest.mark.usefixtures("panel")

CHANGES = (
    ("smoothing_cutoff_hz", 2.5),
    ("root_heading_rad", 0.4),
    ("feet_lock", "off"),
    ("strength_arms", 2.0),
    ("root_mode", "ground"),
    ("view_pitch_rad", 0.05),
    ("show_raw", True),
    ("show_raw", False),
    ("root_scale", 1.1),
    ("smoothing_method", "gaussian"),
)
"""Ten mixed ones."""


@pytest.fixture
def opened(video, tmp_path):
    folder = tmp_path / "my takes é"
    folder.mkdir()
    path = save_take(small_take(str(video), count=60), folder / "one.take")
    bpy.context.scene.render.fps = 25  # the video's
    bpy.ops.vibe.open_take(filepath=str(path))
    return path


def collection():
    return bpy.context.scene.vibe.active_take


def armature():
    return people(collection())[0][0]


def keys(action=None) -> dict:
    """All keys of an action, to the bit, and where the armature stands."""
    action = action or armature().animation_data.action
    found = {}
    for curve in curves_of(action).fcurves:
        places = np.empty(2 * len(curve.keyframe_points), np.float32)
        kinds = np.empty(len(curve.keyframe_points), np.uint8)
        curve.keyframe_points.foreach_get("co", places)
        curve.keyframe_points.foreach_get("interpolation", kinds)
        found[curve.data_path, curve.array_index] = places.tobytes(), kinds.tobytes()
    found["scale"] = tuple(armature().scale)
    found["camera"] = [tuple(row) for row in camera_of(collection()).matrix_basis]
    return found


def test_every_setting_has_a_property_with_its_default(opened) -> None:
    group = collection().vibe_cleanup
    for section, kind in (("smoothing", Smoothing), ("feet", Feet), ("root", Root), ("view", View)):
        for item in fields(kind):
            if item.name != "strengths" and f"{section}.{item.name}" not in LISTS:
                assert hasattr(group, f"{section}_{item.name}"), f"{section}.{item.name}"
    assert all(hasattr(group, f"strength_{item.name}") for item in fields(Strengths))
    assert cleanup_of(collection()) == Cleanup()
    names = [prop.identifier for prop in group.bl_rna.properties if prop.identifier not in ("rna_type", "name")]
    assert not [name for name in names if group.bl_rna.properties[name].is_animatable]


def test_a_new_take_is_shown_cleaned(opened) -> None:
    assert is_applied(collection(), cleanup_of(collection()), raw=False)
    cleaned = keys()
    bpy.ops.vibe.apply_cleanup()
    assert keys() == cleaned


def test_a_slider_writes_in_place_and_going_back_is_bit_equal(opened) -> None:
    action, first, group = armature().animation_data.action, keys(), collection().vibe_cleanup
    for name, value in CHANGES:
        before = getattr(group, name)
        shown = keys()
        setattr(group, name, value)
        assert problem(collection()) is None
        assert armature().animation_data.action == action
        assert keys() != shown or value == before or name == "feet_lock"  # nobody stands in this take
        setattr(group, name, before)
        assert keys() == shown
    assert keys() == first
    assert len([item for item in bpy.data.actions if "person" in item.name]) == 1


def test_ten_changes_are_undone_and_redone_to_the_bit(opened) -> None:
    states = [keys()]
    bpy.ops.ed.undo_push(message="start")
    for name, value in CHANGES:
        setattr(collection().vibe_cleanup, name, value)
        bpy.ops.ed.undo_push(message=name)
        states.append(keys())
    for state in states[-2::-1]:
        bpy.ops.ed.undo()
        assert keys() == state
    for state in states[1:]:
        bpy.ops.ed.redo()
        assert keys() == state
    collection().vibe_cleanup.root_heading_rad = 0.1
    assert problem(collection()) is None


def test_a_saved_file_goes_on_where_it_was(opened, tmp_path) -> None:
    collection().vibe_cleanup.smoothing_cutoff_hz = 3.0
    three = keys()
    collection().vibe_cleanup.smoothing_cutoff_hz = 7.0
    seven = keys()
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "walk.blend"))
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "walk.blend"))
    assert collection().vibe_cleanup.smoothing_cutoff_hz == 7.0
    assert keys() == seven
    assert is_applied(collection(), cleanup_of(collection()), raw=False)
    collection().vibe_cleanup.smoothing_cutoff_hz = 3.0
    assert keys() == three


def test_an_action_somebody_worked_on_is_kept(opened) -> None:
    mine = armature().animation_data.action
    mine_name = mine.name
    curves_of(mine).fcurves[0].keyframe_points[5].co[1] += 0.1
    edited = keys(mine)
    assert worked_on(collection()) == [mine_name]
    collection().vibe_cleanup.smoothing_cutoff_hz = 3.0
    assert kept_actions(collection()) == (mine.name,)
    assert mine.use_fake_user
    assert armature().animation_data.action != mine
    assert {**keys(mine), "scale": 0, "camera": 0} == {**edited, "scale": 0, "camera": 0}
    assert worked_on(collection()) == []
    new = armature().animation_data.action
    collection().vibe_cleanup.smoothing_cutoff_hz = 4.0
    assert armature().animation_data.action == new


def test_without_its_file_nothing_is_lost_and_it_is_found_again(opened, tmp_path) -> None:
    moved = Path(shutil.move(opened, tmp_path / "elsewhere.take"))
    before = keys()
    collection().vibe_cleanup.smoothing_cutoff_hz = 2.0
    assert problem(collection()).code == "take_missing"
    assert keys() == before
    assert not is_applied(collection(), cleanup_of(collection()), raw=False)
    other = save_take(small_take(count=20), tmp_path / "other.take")
    with pytest.raises(RuntimeError, match="is not the take"):
        bpy.ops.vibe.locate_take(filepath=str(other))
    bpy.ops.vibe.locate_take(filepath=str(moved))
    assert problem(collection()) is None
    assert keys() != before


def test_presets_leave_what_is_true_of_the_clip(opened) -> None:
    group = collection().vibe_cleanup
    group.view_pitch_rad = 0.1
    bpy.ops.vibe.cleanup_choice(name="raw")
    assert (group.smoothing_method, group.feet_lock) == ("none", "off")
    assert group.view_pitch_rad == pytest.approx(0.1)
    bpy.ops.vibe.cleanup_choice(name="game")
    assert group.root_mode == "ground"
    assert {("location", axis) for axis in range(3)} <= {
        (curve.data_path, curve.array_index) for curve in curves_of(armature().animation_data.action).fcurves
    }
    bpy.ops.vibe.cleanup_choice(name="film")
    assert tuple(armature().location) == (0.0, 0.0, 0.0)


def test_contacts_are_added_moved_deleted_and_found_again(opened) -> None:
    scene = bpy.context.scene
    found = shown_contacts(collection(), armature())
    scene.frame_set(21)
    bpy.ops.vibe.set_contact(foot="left", part="heel", stands=True, length=10)
    edited = edited_contacts(armature())
    assert any(item.foot == "left" and item.part == "heel" and item.first <= 20 <= item.last for item in edited)
    assert shown_contacts(collection(), armature()) == edited
    last = next(
        item.last for item in edited if (item.foot, item.part) == ("left", "heel") and item.first <= 20 <= item.last
    )
    bpy.ops.vibe.move_contact(foot="left", part="heel", last=-2)
    assert any(item.last == last - 2 for item in edited_contacts(armature()))
    bpy.ops.vibe.delete_contact(foot="left", part="heel")
    assert not any(
        (item.foot, item.part) == ("left", "heel") and item.first <= 20 <= item.last
        for item in edited_contacts(armature())
    )
    with pytest.raises(RuntimeError, match="does not stand here"):
        bpy.ops.vibe.delete_contact(foot="left", part="heel")
    bpy.ops.vibe.found_contacts()
    assert edited_contacts(armature()) is None
    assert shown_contacts(collection(), armature()) == found


def test_contacts_edited_in_the_dope_sheet_are_followed(opened) -> None:
    action = own_action(armature())
    before = keys()
    curve = next(item for item in curves_of(action).fcurves if item.data_path == contact_path("right", "toe"))
    points = curve.keyframe_points
    points.clear()
    points.add(2)
    points.foreach_set("co", [11.0, 1.0, 31.0, 0.0])
    points.foreach_set("interpolation", np.zeros(2, np.uint8))
    curve.update()
    assert worked_on(collection()) == []
    contact_watch.look()
    mine = [item for item in edited_contacts(armature()) if (item.foot, item.part) == ("right", "toe")]
    assert [(item.first, item.last) for item in mine] == [(0, 29)]  # a curve has its first key's value before it too
    assert keys() != before
    assert armature().animation_data.action == action


def test_numbers_and_keys(opened) -> None:
    numbers = cleanup_numbers.compute(collection())
    assert numbers.after.slide_mm <= numbers.before.slide_mm or np.isnan(numbers.before.slide_mm)
    found, fresh = cleanup_numbers.numbers_of(collection())
    assert fresh
    assert found == numbers
    own = armature().animation_data.action
    bpy.ops.vibe.reduce_keys()
    assert armature().animation_data.action != own
    assert own.users == 1
    assert worked_on(collection()) == [armature().animation_data.action.name]
    bpy.ops.vibe.apply_cleanup()
    assert armature().animation_data.action == own


def test_few_keys_somebody_worked_on_are_kept(opened) -> None:
    bpy.ops.vibe.reduce_keys()
    mine = armature().animation_data.action
    curves_of(mine).fcurves[0].keyframe_points[0].handle_right[1] += 0.1
    edited = keys(mine)
    bpy.ops.vibe.reduce_keys()
    assert armature().animation_data.action != mine
    assert mine.use_fake_user
    assert keys(mine) == edited


def test_few_keys_nobody_touched_make_room_for_the_next(opened) -> None:
    bpy.ops.vibe.reduce_keys()
    name, count = armature().animation_data.action.name, len(bpy.data.actions)
    bpy.ops.vibe.reduce_keys(euler=True)
    assert (armature().animation_data.action.name, len(bpy.data.actions)) == (name, count)


def test_a_strangers_action_is_kept_when_keys_are_reduced(opened) -> None:
    mine = bpy.data.actions.new("by hand")  # not even a layer
    armature().animation_data.action = mine
    (item,) = [reduce_action(armature(), Bounds())]
    assert item.kept == "by hand"
    assert mine.use_fake_user


@pytest.mark.parametrize("euler", [True, False])
def test_few_keys_can_be_used_again(opened, euler) -> None:
    scene, rig = bpy.context.scene, armature()
    bpy.ops.vibe.reduce_keys(euler=euler)
    few = rig.animation_data.action
    scene.frame_set(30)
    before = np.array([bone.matrix for bone in rig.pose.bones])
    scene.frame_set(10)  # a bone keeps its pose when its mode is changed
    collection().vibe_cleanup.smoothing_cutoff_hz = 3.0
    assert rig.animation_data.action != few
    for bone in rig.pose.bones:
        bone.rotation_mode = "QUATERNION" if euler else "YZX"
    assign_action(rig, few)
    scene.frame_set(31)
    scene.frame_set(30)
    assert np.abs(np.array([bone.matrix for bone in rig.pose.bones]) - before).max() < 1e-5


def test_somebody_seen_in_one_frame_has_no_keys_to_spare(video, tmp_path) -> None:
    bpy.context.scene.render.fps = 25
    take = small_take(str(video), count=60)
    one = replace(take, people=(walking_person(np.arange(20, 21)),))
    bpy.ops.vibe.open_take(filepath=str(save_take(one, tmp_path / "one.take")))
    with pytest.raises(RuntimeError, match="in one frame only"):
        bpy.ops.vibe.reduce_keys()
    two = replace(take, people=(walking_person(np.arange(60), 1), walking_person(np.arange(20, 21), 2)))
    bpy.ops.vibe.open_take(filepath=str(save_take(two, tmp_path / "two.take")))
    assert bpy.ops.vibe.reduce_keys() == {"FINISHED"}


def test_anchors_and_the_floor(opened) -> None:
    scene = bpy.context.scene
    scene.frame_set(1)
    bpy.ops.vibe.add_anchor(at_cursor=False)
    scene.frame_set(60)
    scene.cursor.location = (5.0, 6.0, 7.0)
    bpy.ops.vibe.add_anchor(at_cursor=True)
    assert len(anchors_of(armature())) == 2
    scene.frame_set(59)
    scene.frame_set(60)
    pelvis = armature().matrix_world @ armature().pose.bones["pelvis"].head
    assert tuple(pelvis)[:2] == pytest.approx((5.0, 6.0), abs=0.2)
    bpy.ops.vibe.clear_anchors(everywhere=True)
    assert anchors_of(armature()) == ()
    scene.cursor.location = (0.0, 0.0, 0.25)
    bpy.ops.vibe.pick_floor(by="cursor")
    assert collection().vibe_cleanup.view_height_m == pytest.approx(-0.25, abs=1e-3)


def test_a_moving_camera_is_followed(opened) -> None:
    scene, group = bpy.context.scene, collection().vibe_cleanup
    scene.render.resolution_x, scene.render.resolution_y = 320, 180
    eye = camera_of(collection()).copy()
    eye.data = eye.data.copy()
    scene.collection.objects.link(eye)
    for frame, x in ((1, 0.0), (60, 1.0)):
        eye.location.x = x
        eye.keyframe_insert("location", frame=frame)
    bpy.context.view_layer.update()
    with pytest.raises(RuntimeError, match="No camera"):
        bpy.ops.vibe.use_camera()
    group.camera = eye
    still = keys()
    bpy.ops.vibe.use_camera()
    assert keys() != still
    ours = camera_of(collection())
    places = []
    for frame in (1, 60):
        scene.frame_set(frame)
        places.append(ours.matrix_world.translation.x - eye.matrix_world.translation.x)
    assert places[0] == pytest.approx(places[1], abs=1e-3)
    bpy.ops.vibe.forget_camera()
    assert keys() == still


def test_a_users_preset_is_used_at_once(opened) -> None:
    group = collection().vibe_cleanup
    group.smoothing_cutoff_hz = 2.0
    bpy.ops.vibe.cleanup_preset(name="mine")
    group.smoothing_cutoff_hz = 9.0
    bpy.ops.vibe.use_cleanup_preset(filepath=str(Path(bpy.utils.user_resource("SCRIPTS")) / "mine.py"))
    assert group.smoothing_cutoff_hz == 2.0
    assert is_applied(collection(), cleanup_of(collection()), raw=False)


def test_the_lists_of_a_stranger_are_checked(opened) -> None:
    collection()["vibe_camera_path"] = [1.0, 2.0]
    armature()["vibe_anchors"] = [float("nan")] * 4
    armature()["vibe_contacts"] = [3, 7, 7, 7, 7, 0, 0, 5, 2]
    assert edited_contacts(armature()) == ()
    assert anchors_of(armature()) == ()
    bpy.ops.vibe.apply_cleanup()
    assert problem(collection()) is None


def test_a_camera_path_survives_as_it_was(opened) -> None:
    scene = bpy.context.scene
    scene.render.resolution_x, scene.render.resolution_y = 320, 180
    path = scene_camera_path(scene, camera_of(collection()), small_take(count=60).video, fps=25.0, start=1)
    keep_camera_path(collection(), path)
    back = camera_path_of(collection())
    np.testing.assert_array_equal(back.to_world, path.to_world)
    np.testing.assert_array_equal(back.focal_px, path.focal_px)
    assert back.scale == path.scale
