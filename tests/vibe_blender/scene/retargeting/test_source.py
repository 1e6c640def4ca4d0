# SPDX-License-Identifier: MIT
# ruff: noqa: E402 (what follows needs bpy)
import numpy as np
import pytest

bpy = pytest.importorskip("bpy")

from tests.characters_blender import pose_matrices
from tests.random_rigs import MODES, add_rig, connect, random_rig
from tests.walker import walker
from vibe_blender.contract.errors import CaptureError
from vibe_blender.contract.skeleton import JOINT_NAMES, forward_kinematics
from vibe_blender.contract.take import Video
from vibe_blender.motion.contact_ranges import from_steps
from vibe_blender.motion.retargeting.bone_map import BoneMap, MappedPart
from vibe_blender.scene.animation import animating, fit_armature
from vibe_blender.scene.armature import add_armature
from vibe_blender.scene.contact_curves import write_contacts
from vibe_blender.scene.retargeting import source as module
from vibe_blender.scene.retargeting.rigs import path_of
from vibe_blender.scene.retargeting.source import (
    SMPL_MAP,
    is_captured,
    sampling_source,
    source_frames,
    source_map,
    source_motion,
    source_rig,
    source_stands,
)
from vibe_blender.scene.steps import run_through

FPS = 30.0


@pytest.fixture
def armature(scene):
    return add_rig(random_rig(), scene.collection)


def all_of(armature) -> BoneMap:
    return BoneMap((MappedPart("spine", tuple(bone.name for bone in armature.data.bones)),))


def keyed(armature, first: float = 3.0, step: float = 3.5, count: int = 6, channels=("location", "rotation")) -> None:
    """Random keys in the bones' own rotation modes."""
    random = np.random.default_rng(4)
    for bone in armature.pose.bones:
        mode = bone.rotation_mode
        turn = {"QUATERNION": "rotation_quaternion", "AXIS_ANGLE": "rotation_axis_angle"}.get(mode, "rotation_euler")
        for channel in channels:
            name = turn if channel == "rotation" else channel
            for number in range(count):
                setattr(bone, name, random.normal(size=len(getattr(bone, name))))
                bone.keyframe_insert(name, frame=first + step * number, group=bone.name)


def assert_as_shown(armature, frames, bone_map=None) -> None:
    """The motion that was read is the one that Blender shows frame by frame."""
    bone_map = bone_map or all_of(armature)
    motion = source_motion(armature, frames, bone_map)
    rig = source_rig(armature, bone_map)
    for row, frame in enumerate(frames):
        bpy.context.scene.frame_set(int(frame))
        heads, turned = pose_matrices(armature, list(rig.names))
        assert np.abs(motion.heads[row] - heads).max() < 1e-4
        assert np.abs(np.sum(motion.turned[row] * turned, axis=-1)).min() > 1 - 1e-6
    assert np.array_equal(motion.frames, frames)
    assert np.sum(motion.turned[1:] * motion.turned[:-1], axis=-1).min(initial=1.0) > 0


def forbid(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_):
        raise AssertionError("frame by frame")

    monkeypatch.setattr(module, "_frame_by_frame", refuse)


@pytest.mark.parametrize("kind", ["CONSTANT", "LINEAR", "BEZIER", "BOUNCE"])
def test_curves_of_any_interpolation_and_rotation_mode_say_what_blender_shows(armature, monkeypatch, kind) -> None:
    keyed(armature)
    for curve in module.Curves(armature)._found.values():
        for point in curve.keyframe_points:
            point.interpolation = kind
    assert {bone.rotation_mode for bone in armature.pose.bones} == set(MODES)
    forbid(monkeypatch)
    frames = source_frames(armature)
    assert frames[0] == 3
    assert frames[-1] == 20
    assert_as_shown(armature, frames)


def test_extrapolation_modifiers_muted_curves_and_channels_without_curves(armature, monkeypatch) -> None:
    connect(armature, armature.pose.bones[4].name)
    keyed(armature)
    curves = list(module.Curves(armature)._found.values())
    curves[0].extrapolation = "LINEAR"
    curves[1].modifiers.new("CYCLES")
    curves[2].mute = True
    curves[8].group.mute = True
    armature.animation_data.action.update_tag()
    armature.pose.bones[0].location = (0.1, 0.2, 0.3)
    forbid(monkeypatch)
    assert_as_shown(armature, np.arange(-4.0, 40.0))


def test_frames_go_from_the_first_key_to_the_last_whole_ones_only(armature) -> None:
    keyed(armature, first=-2.5, step=1.25, count=5)
    armature["confidence"] = 1.0
    armature.keyframe_insert('["confidence"]', frame=400)
    assert source_frames(armature).tolist() == [-2, -1, 0, 1, 2]


def test_a_single_pose_is_one_frame(armature) -> None:
    keyed(armature, first=7.25, count=1)
    assert source_frames(armature).tolist() == [8]
    assert_as_shown(armature, source_frames(armature))


def test_a_source_without_animation_or_with_far_too_much_says_so(armature) -> None:
    with pytest.raises(CaptureError) as caught:
        source_frames(armature)
    assert caught.value.code == "no_motion"
    keyed(armature, step=100_000.0)
    with pytest.raises(CaptureError) as caught:
        source_frames(armature)
    assert caught.value.code == "too_long"


def constrain(armature) -> None:
    goal = bpy.data.objects.new("goal", None)
    bpy.context.scene.collection.objects.link(goal)
    for frame, place in ((1, (0, 0, 0)), (20, (2, 3, 4))):
        goal.location = place
        goal.keyframe_insert("location", frame=frame)
    armature.pose.bones[3].constraints.new("COPY_LOCATION").target = goal


def drive(armature) -> None:
    driver = armature.driver_add(path_of(armature.pose.bones[2].name, "rotation_euler"), 1).driver
    driver.expression = "frame / 10"


def scale(armature) -> None:
    bone = armature.pose.bones[1]
    for frame, size in ((3, 1.0), (20, 1.5)):
        bone.scale = (size,) * 3
        bone.keyframe_insert("scale", frame=frame)


def change_modes(armature) -> None:
    bone = armature.pose.bones[1]
    for frame, mode in ((3, "XYZ"), (12, "ZYX")):
        bone.rotation_mode = mode
        bone.keyframe_insert("rotation_mode", frame=frame)


def push_down(armature) -> None:
    animation = armature.animation_data
    action, animation.action = animation.action, None
    strip = animation.nla_tracks.new().strips.new("strip", 5, action)
    if bpy.app.version >= (4, 4, 0):
        strip.action_slot = action.slots[0]
    strip.scale = 1.5


@pytest.mark.parametrize("complicate", [constrain, drive, scale, change_modes, push_down])
def test_what_curves_do_not_say_is_read_frame_by_frame_and_nothing_changes(armature, complicate) -> None:
    keyed(armature)
    complicate(armature)
    scene = bpy.context.scene
    scene.frame_set(6)
    armature.pose.bones[0].rotation_quaternion = (0.0, 1.0, 0.0, 0.0)  # not keyed: lost when the frame changes
    bpy.context.view_layer.update()

    def state() -> tuple:
        poses = [tuple(map(tuple, bone.matrix)) for bone in armature.pose.bones]
        own = [tuple(map(tuple, bone.matrix_basis)) for bone in armature.pose.bones]
        return scene.frame_current, poses, own, len(bpy.data.scenes), armature.users, bpy.context.scene

    before = state()
    frames = source_frames(armature)
    assert (frames[0], frames[-1]) == ((5, 31) if complicate == push_down else (3, 20))
    source_motion(armature, frames, all_of(armature))
    assert state() == before
    assert_as_shown(armature, frames)


def test_a_hidden_rig_moves_as_it_does_when_it_is_shown(armature) -> None:
    keyed(armature)
    constrain(armature)
    frames, bone_map = source_frames(armature), all_of(armature)
    seen = source_motion(armature, frames, bone_map)
    armature.hide_viewport = True
    found = source_motion(armature, frames, bone_map)
    assert np.abs(found.heads - seen.heads).max() < 1e-6
    assert [thing.name for thing in bpy.data.objects if thing.type == "ARMATURE"] == ["rig"]
    assert armature.hide_viewport


def test_steps_that_are_left_half_way_leave_nothing(armature) -> None:
    keyed(armature)
    constrain(armature)
    steps = sampling_source(armature, source_frames(armature), all_of(armature))
    armature.hide_viewport = True
    for _ in range(3):
        next(steps)
    assert len(bpy.data.scenes) == 2
    steps.close()
    assert [thing.name for thing in bpy.data.objects if thing.type == "ARMATURE"] == ["rig"]
    assert [scene.name for scene in bpy.data.scenes] == [bpy.context.scene.name]


def test_a_rig_in_rest_position_that_has_to_be_looked_at_says_so(armature) -> None:
    keyed(armature)
    constrain(armature)
    armature.data.pose_position = "REST"
    with pytest.raises(CaptureError) as caught:
        source_motion(armature, source_frames(armature), all_of(armature))
    assert caught.value.code == "rest_position"


@pytest.mark.parametrize("constrained", [False, True])
def test_what_an_object_does_itself_counts_as_done_by_its_bones(armature, constrained) -> None:
    keyed(armature)
    parent = bpy.data.objects.new("parent", None)
    bpy.context.scene.collection.objects.link(parent)
    parent.location, parent.rotation_euler, parent.scale = (1, 2, 3), (0.3, 0.4, 0.5), (2, 2, 2)
    armature.parent = parent
    armature.scale, armature.rotation_mode, armature.delta_location = (0.01,) * 3, "ZXY", (3.0, 0.0, 1.0)
    armature.delta_rotation_euler = (0.2, 0.1, -0.4)
    for frame in (3, 11, 20):
        armature.location, armature.rotation_euler = (frame, 2.0, 1.0), (0.1 * frame, 0.4, 0.03 * frame)
        armature.keyframe_insert("location", frame=frame)
        armature.keyframe_insert("rotation_euler", frame=frame)
    if constrained:
        constrain(armature)
    bpy.context.scene.frame_set(9)
    frames, bone_map = source_frames(armature), all_of(armature)
    sampled = run_through(sampling_source(armature, frames, bone_map))
    names = list(source_rig(armature, bone_map).names)
    for row, frame in enumerate(frames):
        bpy.context.scene.frame_set(int(frame))
        world = np.array([armature.matrix_world @ armature.pose.bones[name].head for name in names])
        found = sampled.motion.heads[row] @ sampled.to_world[:3, :3].T + sampled.to_world[:3, 3]
        assert np.abs(world - found).max() < 1e-4
    bpy.context.scene.frame_set(int(frames[0]))
    assert np.abs(sampled.to_world - np.array(armature.matrix_world)).max() < 1e-5


@pytest.fixture
def walk(scene):
    person, times, stands = walker(40, FPS)
    collection = scene.collection
    heads = person.rest_joints[:, [0, 2, 1]] * (1.0, -1.0, 1.0)
    armature = add_armature("walk", heads, 1.8, collection)
    return armature, person, Video("walk.mp4", 64, 64, FPS, times), stands


@pytest.mark.parametrize("moves", [False, True])
@pytest.mark.parametrize("fps", [30.0, 24.0])
def test_a_take_s_motion_is_that_of_its_joints_whoever_goes_along_the_floor(walk, moves, fps, monkeypatch) -> None:
    armature, person, video, _ = walk
    forbid(monkeypatch)
    armature.location, armature.rotation_euler = (4.0, 5.0, 0.0), (0.0, 0.0, 1.0)
    bpy.context.view_layer.update()
    fit_armature(armature, person, moves=moves)
    run_through(animating(armature, person, video, fps=fps, start=1.0))
    bpy.context.view_layer.update()
    frames = source_frames(armature)
    assert frames.tolist() == list(range(1, int(1 + 39 / FPS * fps) + 1))
    sampled = run_through(sampling_source(armature, frames))
    joints, _ = forward_kinematics(person.rest_joints, person.rotations, person.root)
    names = source_rig(armature).names
    rows = [names.index(name) for name in JOINT_NAMES]
    assert set(rows) == set(range(len(names)))
    way = (frames - 1) / fps * FPS
    whole = np.abs(way - np.round(way)) < 1e-6
    expected = joints[np.round(way[whole]).astype(int)]
    assert np.abs(sampled.motion.heads[whole][:, rows] - expected).max() < 1e-4
    turned = np.array([[np.cos(1), -np.sin(1), 0, 4], [np.sin(1), np.cos(1), 0, 5], [0, 0, 1, 0], [0, 0, 0, 1]])
    assert np.allclose(sampled.to_world, turned, atol=1e-6)


def test_the_joints_of_a_take_are_known_parts_of_a_body(walk) -> None:
    armature, *_ = walk
    assert source_map(armature) == SMPL_MAP
    assert SMPL_MAP.missing() == ()
    assert SMPL_MAP.bones("spine") == ("spine1", "spine2", "spine3")
    assert SMPL_MAP.bones("left_foot") == ("left_foot",)


def test_when_a_take_says_that_feet_stand(walk) -> None:
    armature, person, video, _ = walk
    action = run_through(animating(armature, person, video, fps=FPS, start=1.0))
    frames = source_frames(armature)
    assert source_stands(armature, frames) is None
    contacts = (
        *from_steps([(0, True), (10, False), (20, True)], "left", "heel", 39),
        *from_steps([(0, False), (5, True), (12, False)], "right", "toe", 39),
    )
    write_contacts(armature, action, contacts, 1.0 + np.arange(40), 0)
    stands = source_stands(armature, frames)
    assert stands.shape == (40, 2, 2)
    row = np.arange(40)
    assert np.array_equal(stands[:, 0, 0], (row < 10) | (row >= 20))
    assert np.array_equal(stands[:, 1, 1], (row >= 5) & (row < 12))
    assert not stands[:, 0, 1].any()
    assert not stands[:, 1, 0].any()


def test_a_take_is_known_by_its_motion(walk, armature) -> None:
    captured, person, video, _ = walk
    run_through(animating(captured, person, video, fps=FPS, start=1.0))
    keyed(armature)
    assert is_captured(captured)
    assert not is_captured(armature)
    captured.animation_data.action = armature.animation_data.action
    assert not is_captured(captured)
