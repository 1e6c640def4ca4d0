# SPDX-License-Identifier: MIT
# ruff: noqa: E402 (what follows needs bpy)
from dataclasses import replace

import numpy as np
import pytest

bpy = pytest.importorskip("bpy")

from tests.characters_blender import pose_matrices
from tests.random_rigs import MODES, add_rig, connect, random_rig, random_turns
from vibe_blender.contract.errors import CaptureError
from vibe_blender.contract.quaternions import conjugate, continuous, from_axis_angles, multiply
from vibe_blender.motion.retargeting.rig import Pose, posed
from vibe_blender.motion.retargeting.settings import Retarget
from vibe_blender.scene.animation import assigned_curves
from vibe_blender.scene.retargeting.curve_values import turns
from vibe_blender.scene.retargeting.keys import channels, locked, pose_curves, write_motion
from vibe_blender.scene.retargeting.rigs import path_of, read_rig

FRAMES = np.arange(5.0, 45.0)
ACTION, STRIP, ADDED = Retarget(), Retarget(result="nla"), Retarget(result="additive")


@pytest.fixture
def armature(scene):
    return add_rig(random_rig(count=17), scene.collection)


@pytest.fixture
def motion(armature) -> tuple:
    """Bones and their pose: all but two of them, one of which carries others."""
    names = read_rig(armature).names[1:-1]
    locations = np.random.default_rng(5).normal(size=(len(FRAMES), len(names), 3))
    return names, Pose(random_turns(len(FRAMES), len(names), size=3.0), locations)


def write(armature, motion, settings=ACTION, name="rig walk", frames=FRAMES):
    names, pose = motion
    return write_motion(armature, name, frames, names, pose, names[:2], settings)


def other(motion, seed: int = 9) -> tuple:
    names, pose = motion
    return names, Pose(random_turns(len(pose.rotations), len(names), seed=seed), pose.locations)


def shown(armature, frame: float) -> tuple:
    bpy.context.scene.frame_set(int(frame))
    return pose_matrices(armature, list(read_rig(armature).names))


def assert_shows(armature, motion) -> None:
    names, pose = motion
    placed = np.isin(np.arange(len(names)), (0, 1))[:, None]
    heads, axes = posed(read_rig(armature), names, Pose(pose.rotations, pose.locations * placed))
    for row in range(0, len(FRAMES), 3):
        there, turned = shown(armature, FRAMES[row])
        assert np.abs(there - heads[row]).max() < 1e-4
        assert np.abs(np.sum(turned * axes[row], axis=-1)).min() > 1 - 1e-6


def test_bones_of_all_rotation_modes_move_as_asked_and_keep_their_modes(armature, motion) -> None:
    modes = [bone.rotation_mode for bone in armature.pose.bones]
    assert set(modes) == set(MODES)
    action = write(armature, motion)
    assert action == armature.animation_data.action
    assert action.name == "rig walk"
    assert [bone.rotation_mode for bone in armature.pose.bones] == modes
    assert_shows(armature, motion)
    curves = assigned_curves(armature)
    paths = {curve.data_path for curve in curves}
    assert not any(name in path for path in paths for name in (random_rig().names[0], "scale", "rotation_mode"))
    assert sum(path.endswith("location") for path in paths) == 2
    assert all(len(curve.keyframe_points) == len(FRAMES) for curve in curves)
    assert {point.interpolation for curve in curves for point in curve.keyframe_points} == {"LINEAR"}
    assert {curve.group.name for curve in curves} == set(motion[0])


def test_the_action_has_a_slot_of_its_own_for_the_target(armature, motion) -> None:
    action = write(armature, motion)
    if bpy.app.version >= (4, 4, 0):
        assert list(action.slots) == [armature.animation_data.action_slot]
        assert action.slots[0].name_display == armature.name
    assert action.users == 1
    assert not action.use_fake_user


@pytest.mark.parametrize("mode", MODES)
def test_channels_of_any_mode_have_no_jumps_and_are_the_same_rotation(mode) -> None:
    turning = np.linspace(0.0, 4 * np.pi, 400)[:, None] * np.array([0.1, 1.0, 0.3]) / 1.05
    turned = continuous(from_axis_angles(turning))
    turned[::3] *= -1  # signs do not matter
    values = channels(turned, mode)
    assert np.abs(np.diff(values, axis=0)).max() < 0.6
    assert np.abs(np.sum(turns(values, mode) * turned, axis=-1)).min() > 1 - 1e-9


def test_axis_and_angle_of_what_rests_passes_rest_and_turns_to_the_other_side() -> None:
    angle = np.concatenate([np.zeros(5), np.linspace(0, 1, 9), np.linspace(1, -1, 17), np.zeros(3)])
    turned = from_axis_angles(angle[:, None] * np.array([0.0, 0.6, 0.8]))
    values = channels(turned, "AXIS_ANGLE")
    assert np.allclose(values[:, 1:], [0.0, 0.6, 0.8])
    assert np.allclose(values[:, 0], angle)
    assert np.allclose(channels(turned[:5], "AXIS_ANGLE"), [0.0, 0.0, 1.0, 0.0])


def test_locked_channels_get_no_keys(armature, motion) -> None:
    names, pose = motion
    by_mode = {armature.pose.bones[name].rotation_mode: armature.pose.bones[name] for name in names}
    euler, quaternion, both = by_mode["YXZ"], by_mode["QUATERNION"], by_mode["AXIS_ANGLE"]
    free = armature.pose.bones[names[0]]
    euler.lock_rotation = (True, False, True)
    quaternion.lock_rotation, quaternion.lock_rotation_w = (False, True, False), True
    quaternion.lock_rotations_4d = False
    both.lock_rotation, both.lock_rotation_w, both.lock_rotations_4d = (False, True, False), True, True
    free.lock_location = (False, True, False)
    keyed = {curve.target for curve in pose_curves(armature, FRAMES, names, pose, [names[0]])}

    def axes(bone, channel) -> list[int]:
        return sorted(index for path, index in keyed if path == path_of(bone.name, channel))

    assert axes(euler, "rotation_euler") == [1]
    assert axes(quaternion, "rotation_quaternion") == [0, 1, 3]
    assert axes(both, "rotation_axis_angle") == [1, 3]
    assert axes(free, "location") == [0, 2]
    assert set(locked(armature, names, [names[0]])) == {euler.name, quaternion.name, both.name, free.name}
    quaternion.lock_rotation = (True, True, True)
    keyed = {curve.target for curve in pose_curves(armature, FRAMES, names, pose, ())}
    assert axes(quaternion, "rotation_quaternion") == []


def test_a_connected_bone_gets_no_location(armature, motion) -> None:
    names, pose = motion
    rig = read_rig(armature)
    child = next(name for name in names if rig.parents[rig.numbers[name]] >= 0)
    connect(armature, child)
    keyed = {curve.target[0] for curve in pose_curves(armature, FRAMES, names, pose, [child])}
    assert path_of(child, "location") not in keyed
    assert locked(armature, names, [child]) == [child]


def test_where_everything_is_locked_nothing_is_written(armature, motion) -> None:
    for bone in armature.pose.bones:
        bone.lock_rotation = bone.lock_location = (True, True, True)
    with pytest.raises(CaptureError) as caught:
        write(armature, motion)
    assert caught.value.code == "all_locked"
    assert not bpy.data.actions


def users_action(armature):
    """An action of the user's that moves the first bone and one of those that get keys."""
    for bone in (armature.pose.bones[0], armature.pose.bones[2]):
        for frame, x in ((-2.5, 0.5), (60.0, 2.0)):
            bone.location = (x, -x, 0.3)
            bone.keyframe_insert("location", frame=frame)
    action = armature.animation_data.action
    action.name = "the user's"
    return action


def test_the_action_before_is_kept_as_it_was(armature, motion) -> None:
    before = users_action(armature)
    keys = [tuple(point.co) for curve in assigned_curves(armature) for point in curve.keyframe_points]
    action = write(armature, motion)
    assert armature.animation_data.action == action
    assert before.use_fake_user
    armature.animation_data.action = before
    if bpy.app.version >= (4, 4, 0):
        armature.animation_data.action_slot = before.slots[0]
    assert [tuple(point.co) for curve in assigned_curves(armature) for point in curve.keyframe_points] == keys


@pytest.mark.parametrize("blend", ["REPLACE", "ADD", "COMBINE"])
def test_what_was_active_becomes_a_strip_that_does_the_same(armature, motion, blend) -> None:
    before = users_action(armature)
    animation = armature.animation_data
    track = animation.nla_tracks.new()
    track.name = "theirs"
    walked = bpy.data.actions.new("walked")
    track.strips.new("walked", 1, walked)
    animation.action_blend_type, animation.action_influence = blend, 0.7
    animation.action_extrapolation = "HOLD_FORWARD"
    frames = (-2, 0, 3, 50, 59, 60)
    seen = [shown(armature, frame) for frame in frames]
    action = write(armature, motion, STRIP)
    assert animation.action is None
    assert [one.name for one in animation.nla_tracks] == ["theirs", "the user's", "rig walk"]
    theirs, pushed, ours = (one.strips[0] for one in animation.nla_tracks)
    assert theirs.action == walked
    assert (pushed.action, pushed.blend_type, pushed.extrapolation) == (before, blend, "HOLD_FORWARD")
    assert (pushed.frame_start, pushed.frame_end, pushed.scale) == (-2.5, 60.0, 1.0)
    assert pushed.influence == pytest.approx(0.7)
    assert (ours.action, ours.blend_type, ours.extrapolation) == (action, "REPLACE", "NOTHING")
    assert (ours.frame_start, ours.frame_end) == (FRAMES[0], FRAMES[-1])
    for frame, (heads, turned) in zip(frames, seen, strict=True):
        there, axes = shown(armature, frame)
        assert np.abs(there - heads).max() < 1e-5
        assert np.abs(turned - axes).max() < 1e-5


def test_a_way_of_blending_that_blender_did_not_heed_is_not_taken_over(armature, motion) -> None:
    users_action(armature)
    animation = armature.animation_data
    animation.action_blend_type, animation.action_influence = "SUBTRACT", 0.3
    seen = shown(armature, 3)
    write(armature, motion, STRIP)
    assert all(np.abs(one - two).max() < 1e-5 for one, two in zip(seen, shown(armature, 3), strict=True))


def test_a_strip_above_plays_our_motion_on_what_it_does_not_key(armature, motion) -> None:
    users_action(armature)
    write(armature, motion, STRIP)
    names, pose = motion
    name = names[3]
    bpy.context.scene.frame_set(20)
    bone = armature.pose.bones[name]
    there = np.array(bone.matrix_basis.to_quaternion())
    assert abs(np.dot(there, pose.rotations[15, 3])) > 1 - 1e-6
    assert armature.pose.bones[0].location.x > 0.5


def test_an_added_strip_turns_what_is_below_further(armature, motion) -> None:
    names = motion[0]
    bone = next(armature.pose.bones[name] for name in names if armature.pose.bones[name].rotation_mode == "QUATERNION")
    bone.rotation_quaternion = (0.6, 0.8, 0.0, 0.0)
    for frame in (1, 60):
        bone.keyframe_insert("rotation_quaternion", frame=frame)
    write(armature, motion, ADDED)
    assert armature.animation_data.nla_tracks[-1].strips[0].blend_type == "COMBINE"
    bpy.context.scene.frame_set(20)
    found = np.array(bone.rotation_quaternion)
    turned = motion[1].rotations[:, names.index(bone.name)]
    change = multiply(conjugate(turned[0]), turned[15])
    wanted = multiply(np.array([0.6, 0.8, 0.0, 0.0]), change)
    assert abs(np.dot(found / np.linalg.norm(found), wanted)) > 1 - 1e-5


def test_over_its_first_pose_an_added_strip_comes_to_the_motion_itself(armature, motion) -> None:
    names, pose = motion
    first = Pose(np.repeat(pose.rotations[:1], len(FRAMES), 0), np.repeat(pose.locations[:1], len(FRAMES), 0))
    write(armature, (names, first), name="held")
    write(armature, motion, ADDED)
    assert_shows(armature, motion)


def test_where_an_added_strip_begins_what_is_below_is_as_it_was(armature, motion) -> None:
    names, pose = other(motion)
    still = Pose(np.repeat(pose.rotations[7:8], len(FRAMES), 0), np.repeat(pose.locations[7:8], len(FRAMES), 0))
    write(armature, (names, still), name="held")
    before = shown(armature, FRAMES[0])
    write(armature, motion, ADDED)
    after = shown(armature, FRAMES[0])
    assert np.abs(after[0] - before[0]).max() < 1e-4
    assert np.abs(np.sum(after[1] * before[1], axis=-1)).min() > 1 - 1e-6


def test_an_active_action_without_curves_stays_active_below_a_strip(armature, motion) -> None:
    empty = bpy.data.actions.new("empty")
    armature.animation_data_create().action = empty
    write(armature, motion, STRIP)
    assert armature.animation_data.action == empty
    assert len(armature.animation_data.nla_tracks) == 1
    bpy.context.scene.frame_set(20)
    assert_shows(armature, motion)


@pytest.mark.parametrize("settings", [ACTION, STRIP, ADDED])
def test_our_own_action_is_written_anew_in_place(armature, motion, settings) -> None:
    first = write(armature, motion, settings)
    tracks = [track.name for track in armature.animation_data.nla_tracks]
    shorter = FRAMES[4:-3]
    names, pose = other(motion)
    cut = Pose(pose.rotations[4:-3], pose.locations[4:-3])
    assert write(armature, (names, cut), settings, frames=shorter) == first
    assert len(bpy.data.actions) == 1
    assert [track.name for track in armature.animation_data.nla_tracks] == tracks
    assert tuple(first.frame_range) == (shorter[0], shorter[-1])
    bpy.context.scene.frame_set(20)
    found = np.array(armature.pose.bones[names[3]].matrix_basis.to_quaternion())
    if settings is not ADDED:
        assert abs(np.dot(found, pose.rotations[15, 3])) > 1 - 1e-6
    if tracks:
        strip = armature.animation_data.nla_tracks[0].strips[0]
        assert (strip.frame_start, strip.frame_end) == (shorter[0], shorter[-1])
        assert (strip.action_frame_start, strip.action_frame_end) == (shorter[0], shorter[-1])


def test_a_strip_that_the_user_has_moved_stays_there(armature, motion) -> None:
    write(armature, motion, STRIP)
    strip = armature.animation_data.nla_tracks[0].strips[0]
    strip.frame_start_raw, strip.frame_end_raw = 105.0, 144.0
    write(armature, other(motion), STRIP)
    assert (strip.frame_start, strip.frame_end) == (105.0, 144.0)
    assert len(armature.animation_data.nla_tracks) == 1


def work_on(armature, action) -> None:
    if armature.animation_data.action == action:
        curves = assigned_curves(armature)
    else:
        curves = action.fcurves if bpy.app.version < (4, 4, 0) else action.layers[0].strips[0].channelbags[0].fcurves
    curves[0].keyframe_points[3].co.y += 0.25


@pytest.mark.parametrize("settings", [ACTION, STRIP, ADDED])
def test_an_action_that_somebody_has_worked_on_is_kept_and_a_new_one_made(armature, motion, settings) -> None:
    first = write(armature, motion, settings)
    work_on(armature, first)
    second = write(armature, other(motion), settings)
    assert second != first
    assert second.name == "rig walk.001"
    tracks = armature.animation_data.nla_tracks
    if settings is ACTION:
        assert first.use_fake_user
        assert armature.animation_data.action == second
    else:
        assert [track.strips[0].action for track in tracks] == [first, second]
        assert [track.strips[0].mute for track in tracks] == [settings is ADDED, False]
    third = write(armature, motion, settings)
    assert third == second


def test_an_added_motion_that_the_user_protects_is_kept_and_does_not_add_up(armature, motion) -> None:
    first = write(armature, motion, ADDED)
    first.use_fake_user = True
    assert write(armature, motion, ADDED) != first
    assert [track.strips[0].mute for track in armature.animation_data.nla_tracks] == [True, False]


def test_another_take_gets_an_action_of_its_own(armature, motion) -> None:
    first = write(armature, motion, name="rig walk")
    second = write(armature, other(motion), name="rig run")
    assert (first.name, second.name) == ("rig walk", "rig run")
    assert first.use_fake_user


def test_an_action_that_another_object_uses_too_is_left_alone(armature, motion) -> None:
    first = write(armature, motion)
    copy = armature.copy()
    bpy.context.scene.collection.objects.link(copy)
    bpy.context.view_layer.update()
    assert copy.animation_data.action == first
    assert write(copy, other(motion)) != first
    assert_shows(armature, motion)


@pytest.mark.parametrize(("one", "two"), [(ACTION, STRIP), (STRIP, ACTION), (STRIP, ADDED), (ADDED, ACTION)])
def test_our_own_action_changes_its_place_with_the_setting(armature, motion, one, two) -> None:
    first = write(armature, motion, one)
    assert write(armature, motion, two) == first
    animation = armature.animation_data
    assert (animation.action == first) == (two is ACTION)
    assert [track.strips[0].blend_type for track in animation.nla_tracks] == {
        "action": [], "nla": ["REPLACE"], "additive": ["COMBINE"]
    }[two.result]  # fmt: skip
    if two is not ADDED:
        assert_shows(armature, motion)


def test_strips_that_would_not_be_heard_are_refused(armature, motion) -> None:
    animation = armature.animation_data_create()
    animation.nla_tracks.new().is_solo = True
    with pytest.raises(CaptureError) as caught:
        write(armature, motion, STRIP)
    assert caught.value.code == "nla_solo"
    animation.nla_tracks[0].is_solo = False
    animation.use_nla = False
    with pytest.raises(CaptureError) as caught:
        write(armature, motion, ADDED)
    assert caught.value.code == "nla_off"
    assert not bpy.data.actions


def test_a_strip_that_is_being_tweaked_is_left_first(armature, motion) -> None:
    users_action(armature)
    write(armature, motion, replace(STRIP))
    animation = armature.animation_data
    track = animation.nla_tracks[0]
    animation.nla_tracks.active, track.strips[0].select = track, True
    animation.use_tweak_mode = True
    if animation.use_tweak_mode:
        assert animation.action is not None
    action = write(armature, other(motion), ACTION, name="rig run")
    assert not animation.use_tweak_mode
    assert animation.action == action
    assert [one.strips[0].action.name for one in animation.nla_tracks] == ["the user's", "rig walk"]
