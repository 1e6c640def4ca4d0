# SPDX-License-Identifier: MIT
# ruff: noqa: E402 (what follows needs bpy)
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

bpy = pytest.importorskip("bpy")

from tests.characters import character, wide
from tests.characters_blender import add_character, evaluated_heads
from tests.characters_motion import add_source
from tests.random_rigs import MODES
from tests.walker import walker
from vibe_blender.contract.errors import CaptureError
from vibe_blender.contract.quaternions import conjugate, from_axis_angles, multiply
from vibe_blender.contract.take import Video
from vibe_blender.motion.retargeting.bone_map import BoneMap, Limb, Switch
from vibe_blender.motion.retargeting.settings import Retarget
from vibe_blender.scene.animation import animating, assign_action, assigned_curves
from vibe_blender.scene.armature import add_armature
from vibe_blender.scene.retargeting import transfer
from vibe_blender.scene.retargeting.live import bind, unbind
from vibe_blender.scene.retargeting.source import SMPL_MAP
from vibe_blender.scene.retargeting.transfer import check_pair, retargeting, solved
from vibe_blender.scene.steps import run_through

FPS = 30.0
LIMBS = [
    (f"{side}_{one}", f"{side}_{two}")
    for side in ("left", "right")
    for one, two in (("hip", "knee"), ("knee", "ankle"), ("shoulder", "elbow"), ("elbow", "wrist"))
]
PLAIN = Retarget(feet=0.0)


@pytest.fixture
def source(scene):
    scene.render.fps = 30
    return add_walk(scene.collection)


@pytest.fixture
def mixamo(scene):
    return add_character(character("Mixamo"), scene.collection)


def add_walk(collection, name: str = "walk", seed: int = 6):
    """A take's armature that walks and waves its arms."""
    person, times, _ = walker(40, FPS)
    random = np.random.default_rng(seed)
    for joint in (16, 17, 18, 19, 3, 6, 12):
        turn = np.sin(times[:, None] * 3 + random.uniform(0, 6, 3)) * random.uniform(0.2, 0.6, 3)
        half = np.concatenate([np.ones((len(times), 1)), turn / 2], axis=1)
        person.rotations[:, joint] = half / np.linalg.norm(half, axis=1, keepdims=True)
    heads = person.rest_joints[:, [0, 2, 1]] * (1.0, -1.0, 1.0)
    armature = add_armature(name, heads, 1.8, collection)
    run_through(animating(armature, person, Video("walk.mp4", 64, 64, FPS, times), fps=FPS, start=1.0))
    bpy.context.view_layer.update()
    return armature


def give(source, target, bone_map: BoneMap, settings: Retarget = PLAIN, **options):
    return run_through(retargeting(source, target, bone_map, settings, **options))


def directions(armature, bone_map: BoneMap) -> np.ndarray:
    """(8, 3) unit vectors along the limbs, in the armature's own axes."""
    back = np.linalg.inv(np.array(armature.matrix_world))[:3, :3]
    starts, ends = (
        evaluated_heads(armature, [bone_map.bones(limb[end])[0] for limb in LIMBS]) @ back.T for end in (0, 1)
    )
    return (ends - starts) / np.linalg.norm(ends - starts, axis=1, keepdims=True)


def worst_degrees(source, source_map, target, target_map, up: str, frames=(1, 7, 20, 33, 40)) -> float:
    upright = np.array([[1, 0, 0], [0, 0, -1], [0, 1, 0]]) if up == "Y" else np.eye(3)
    worst = 0.0
    for frame in frames:
        bpy.context.scene.frame_set(frame)
        one, two = directions(source, source_map), directions(target, target_map) @ upright.T
        worst = max(worst, np.degrees(np.linalg.norm(np.cross(one, two), axis=1)).max())
        assert np.sum(one * two, axis=1).min() > 0
    return float(worst)


@pytest.mark.parametrize("name", ["Mixamo", "Unreal 5", "MPFB", "VRoid", "Character Creator", "Daz", "Rigify metarig"])
def test_limbs_of_plain_rigs_point_as_the_source_s_do_in_any_rotation_mode(scene, source, name) -> None:
    known = character(name)
    parent = bpy.data.objects.new("parent", None)
    scene.collection.objects.link(parent)
    parent.location, parent.rotation_euler, parent.scale = (3, 2, 1), (0.3, 0.5, 0.7), (0.5,) * 3
    target = add_character(
        known, scene.collection, scale=0.01, rotation=(0.1, 0.2, 2.0), location=(1, 0, 4), parent=parent
    )
    for number, bone in enumerate(target.pose.bones):
        bone.rotation_mode = MODES[number % len(MODES)]
    bpy.context.view_layer.update()
    outcome = give(source, target, known.true_map)
    assert outcome.action == target.animation_data.action
    assert outcome.action.name == f"{target.name} walk"
    assert tuple(outcome.action.frame_range) == (1, 40)
    assert outcome.kept == ()
    assert worst_degrees(source, SMPL_MAP, target, known.true_map, known.up) < 0.1


def test_another_character_with_an_action_gives_its_motion_and_what_comes_back_is_the_same(
    scene, source, mixamo
) -> None:
    known = character("Mixamo").true_map
    give(source, mixamo, known)
    back = add_walk(scene.collection, "back", seed=8)
    was = back.animation_data.action
    outcome = give(mixamo, back, SMPL_MAP)
    assert outcome.kept == (was.name,)
    assert was.use_fake_user
    assert worst_degrees(source, SMPL_MAP, back, SMPL_MAP, "Z") < 0.1


def test_a_take_s_own_action_is_never_written_over(scene, source) -> None:
    other = add_walk(scene.collection, "other", seed=2)
    own = other.animation_data.action
    curves = len(own.fcurves) if bpy.app.version < (4, 4, 0) else len(own.layers[0].strips[0].channelbags[0].fcurves)
    outcome = give(source, other, SMPL_MAP)
    assert outcome.action != own
    after = len(own.fcurves) if bpy.app.version < (4, 4, 0) else len(own.layers[0].strips[0].channelbags[0].fcurves)
    assert after == curves
    assert give(source, other, SMPL_MAP).action == outcome.action


def test_a_target_that_is_held_by_what_carries_it_is_placed_all_the_same(source, scene) -> None:
    known = character("Unreal 5")
    target = add_character(known, scene.collection)
    loose = known.true_map.with_part("root", ())
    root = target.pose.bones["root"]
    root.rotation_mode, root.rotation_euler, root.location = "XYZ", (0.4, 0.2, 1.0), (20.0, 30.0, 5.0)
    bpy.context.view_layer.update()
    give(source, target, loose)
    assert worst_degrees(source, SMPL_MAP, target, loose, known.up) < 0.1
    assert tuple(root.location) == (20.0, 30.0, 5.0)


def test_in_the_world_the_target_is_where_the_source_is(source, mixamo) -> None:
    source.location, source.rotation_euler = (5.0, 1.0, 0.0), (0.0, 0.0, 0.7)
    mixamo.location = (-3.0, 2.0, 1.0)
    bpy.context.view_layer.update()
    known = character("Mixamo").true_map
    for place, near in (("world", True), ("object", False)):
        give(source, mixamo, known, Retarget(feet=0.0, place=place))
        bpy.context.scene.frame_set(1)
        here, there = evaluated_heads(source, ["pelvis"]), evaluated_heads(mixamo, [known.bones("pelvis")[0]])
        assert (np.linalg.norm((here - there)[0, :2]) < 0.1) == near


def state(scene) -> dict[str, Any]:
    """All that is the user's: of every armature, of every action, of the scene and what is chosen in it."""

    def own(bone) -> tuple:
        locks = (bone.lock_location, bone.lock_rotation, bone.lock_rotation_w, bone.lock_rotations_4d, bone.lock_scale)
        return (*(lock if isinstance(lock, bool) else tuple(lock) for lock in locks), tuple(bone.scale), *bone.keys())

    def constraint(item) -> tuple:
        return item.name, item.type, item.mute, item.influence, getattr(item, "target", None)

    def strips(animation) -> list:
        return [
            (
                track.name,
                track.mute,
                track.is_solo,
                [(s.name, s.action, s.frame_start, s.frame_end) for s in track.strips],
            )
            for track in animation.nla_tracks
        ]

    def keys(action) -> list:
        strips = [strip for layer in getattr(action, "layers", ()) for strip in layer.strips]
        bags = [action] if bpy.app.version < (4, 4, 0) else [bag for strip in strips for bag in strip.channelbags]
        return [
            (curve.data_path, curve.array_index, [tuple(point.co) for point in curve.keyframe_points])
            for bag in bags
            for curve in bag.fcurves
        ]

    found: dict[str, Any] = {}
    for thing in (thing for thing in bpy.data.objects if thing.type == "ARMATURE"):
        animation = thing.animation_data
        found[thing.name] = {
            "rest": [(bone.name, bone.parent, tuple(map(tuple, bone.matrix_local))) for bone in thing.data.bones],
            "flags": [(bone.use_connect, bone.use_inherit_rotation, bone.hide_select) for bone in thing.data.bones],
            "pose": [(bone.name, bone.rotation_mode, *own(bone)) for bone in thing.pose.bones],
            "fingers": [tuple(map(tuple, bone.matrix_basis)) for bone in thing.pose.bones if "Index" in bone.name],
            "constraints": [[constraint(item) for item in bone.constraints] for bone in thing.pose.bones],
            "drivers": [(item.data_path, item.driver.expression) for item in animation.drivers] if animation else [],
            "tracks": strips(animation)[:1] if animation else [],
            "object": (tuple(map(tuple, thing.matrix_basis)), thing.rotation_mode, thing.parent, thing.mode),
            "data": (thing.data.pose_position, thing.data.name, sorted(thing.data.keys())),
        }
    found["actions"] = {action.name: keys(action) for action in bpy.data.actions}
    found["scene"] = (
        scene.frame_current, scene.frame_start, scene.frame_end, scene.render.fps, scene.render.fps_base,
        scene.use_preview_range, scene.tool_settings.use_keyframe_insert_auto, scene.unit_settings.scale_length,
        [marker.name for marker in scene.timeline_markers], bpy.context.scene.name, len(bpy.data.scenes),
    )  # fmt: skip
    layer = bpy.context.view_layer
    found["chosen"] = (
        layer.objects.active.name,
        sorted(thing.name for thing in layer.objects.selected),
        bpy.context.mode,
    )
    found["objects"] = sorted(thing.name for thing in bpy.data.objects)
    return found


@pytest.mark.parametrize("result", ["action", "nla", "additive"])
def test_nothing_of_the_user_s_is_changed(scene, source, mixamo, result) -> None:
    """Must show 7: rest bones, modes, constraints, drivers, other actions, NLA tracks, selection, frame, settings."""
    known = character("Mixamo").true_map
    track = mixamo.animation_data_create().nla_tracks.new()
    track.name = "theirs"
    finger = mixamo.pose.bones["mixamorig:LeftHandIndex1"]
    for frame, x in ((1, 0.0), (50, 0.5)):
        finger.rotation_mode = "ZXY"
        finger.rotation_euler = (x, 0.0, 0.0)
        finger.keyframe_insert("rotation_euler", frame=frame)
    theirs = mixamo.animation_data.action
    theirs.name = "theirs"
    track.strips.new("idle", 60, bpy.data.actions.new("idle"))
    finger.constraints.new("LIMIT_ROTATION")
    driver = mixamo.driver_add('pose.bones["mixamorig:RightHandIndex1"].rotation_euler', 0).driver
    driver.expression = "0.25"
    mixamo.pose.bones["mixamorig:Head"].lock_location = (True, True, True)
    mixamo.pose.bones["mixamorig:LeftArm"].rotation_mode = "YZX"
    scene.frame_start, scene.frame_end, scene.render.fps = 7, 77, 25
    scene.timeline_markers.new("here", frame=12)
    scene.frame_set(13)
    bpy.context.view_layer.objects.active = mixamo
    mixamo.select_set(True)
    bpy.ops.object.mode_set(mode="POSE")
    bpy.context.view_layer.update()
    before = state(scene)
    outcome = give(source, mixamo, known, Retarget(feet=0.0, result=result))
    bpy.context.view_layer.update()
    after = state(scene)
    ours = after["actions"].pop(outcome.action.name)
    assert ours
    assert after == before
    assert theirs.use_fake_user == (result == "action")
    assert outcome.kept == (("theirs",) if result == "action" else ())
    if result != "action":
        assert [strip.action for track in mixamo.animation_data.nla_tracks for strip in track.strips][-2:] == [
            theirs, outcome.action,
        ]  # fmt: skip


def test_solving_alone_changes_nothing_at_all(scene, source, mixamo) -> None:
    bpy.context.view_layer.objects.active = mixamo
    before = state(scene)
    motion = solved(source, mixamo, character("Mixamo").true_map, PLAIN)
    assert motion.frames.tolist() == list(range(1, 41))
    assert state(scene) == before
    assert mixamo.animation_data is None


def why(source, target, bone_map: BoneMap, settings: Retarget = PLAIN) -> str:
    bpy.context.view_layer.update()
    names = sorted(action.name for action in bpy.data.actions)
    with pytest.raises(CaptureError) as caught:
        give(source, target, bone_map, settings)
    assert caught.value.hint
    assert sorted(action.name for action in bpy.data.actions) == names
    return caught.value.code


def test_what_cannot_be_done_says_why_and_changes_nothing(scene, source, mixamo) -> None:
    known = character("Mixamo").true_map
    still = add_character(character("VRoid"), scene.collection)
    assert why(source, source, SMPL_MAP) == "same_rig"
    assert why(still, mixamo, known) == "no_motion"
    assert why(source, None, known) == why(None, mixamo, known) == "not_armature"
    assert why(source, mixamo, character("VRoid").true_map) == "bone_missing"
    assert why(source, mixamo, known.with_part("left_hip", ())) == "part_missing"
    mixamo.animation_data_create().use_nla = False
    assert why(source, mixamo, known, Retarget(result="nla")) == "nla_off"
    mixamo.scale = (1.0, 2.0, 1.0)
    assert why(source, mixamo, known) == "uneven_scale"
    mixamo.scale = (0.0, 0.0, 0.0)
    assert why(source, mixamo, known) == "armature_flat"
    mixamo.scale = (1.0, 1.0, 1.0)
    bpy.context.view_layer.objects.active = source
    bpy.ops.object.mode_set(mode="EDIT")
    assert why(source, mixamo, known) == "edit_mode"
    bpy.ops.object.mode_set(mode="OBJECT")
    check_pair(source, mixamo)


def test_a_bound_target_says_what_to_do(source, mixamo) -> None:
    known = character("Mixamo").true_map
    bind(source, mixamo, known, PLAIN)
    assert why(source, mixamo, known) == "target_bound"
    unbind(mixamo)
    give(source, mixamo, known)


def test_a_linked_target_says_what_to_do(scene, source, mixamo, tmp_path) -> None:
    path = tmp_path / "characters.blend"
    bpy.data.libraries.write(str(path), {mixamo})
    with bpy.data.libraries.load(str(path), link=True) as (_, wanted):
        wanted.objects = ["Mixamo"]
    scene.collection.objects.link(wanted.objects[0])
    assert why(source, wanted.objects[0], character("Mixamo").true_map) == "target_linked"


def test_an_override_of_a_linked_target_is_animated(scene, source, mixamo, tmp_path) -> None:
    path = tmp_path / "characters.blend"
    bpy.data.libraries.write(str(path), {mixamo})
    with bpy.data.libraries.load(str(path), link=True) as (_, wanted):
        wanted.objects = ["Mixamo"]
    override = wanted.objects[0].override_create(remap_local_usages=True)
    override.override_library.is_system_override = False
    if override.name not in scene.collection.all_objects:
        scene.collection.objects.link(override)
    bpy.context.view_layer.update()
    known = character("Mixamo").true_map
    give(source, override, known)
    assert worst_degrees(source, SMPL_MAP, override, known, "Y") < 0.1


def test_what_the_user_is_to_know_is_said(source, mixamo) -> None:
    known = character("Mixamo").true_map
    mixamo.pose.bones[known.bones("left_knee")[0]].lock_rotation = (False, True, True)
    mixamo.pose.bones[known.bones("right_elbow")[0]].location = (3.0, 0.0, 0.0)
    mixamo.data.pose_position = "REST"
    warnings = give(source, mixamo, known).warnings
    for bone in ("left_knee", "right_elbow"):
        assert any(known.bones(bone)[0] in text for text in warnings)
    assert any("rest position" in text for text in warnings)
    assert len(warnings) == 3


def test_controls_whose_own_constraints_change_their_keys_are_named(source, mixamo) -> None:
    known = character("Mixamo").true_map
    limited = [known.bones(part)[0] for part in ("left_shoulder", "left_elbow", "right_elbow", "head", "left_knee")]
    for name in limited:
        mixamo.pose.bones[name].constraints.new("LIMIT_ROTATION")
    mixamo.pose.bones[limited[4]].constraints[0].influence = 0.0
    mixamo.pose.bones[known.bones("right_knee")[0]].constraints.new("COPY_ROTATION")  # of nothing
    shin = mixamo.pose.bones[known.bones("right_ankle")[0]]
    chain = shin.constraints.new("IK")
    chain.target, chain.chain_count, chain.mute = source, 2, True
    (text,) = give(source, mixamo, known).warnings
    assert all(name in text for name in limited[:4])
    assert not any(word in text for word in ("more", limited[4], shin.name))
    chain.mute = False
    (text,) = give(source, mixamo, known).warnings
    assert text.endswith("and 2 more.")
    mixamo.animation_data.action = None
    chain.driver_add("influence")
    (text,) = give(source, mixamo, known).warnings
    assert "more" not in text


def test_ik_controls_get_their_keys_also_where_nothing_else_moves_the_fk_ones(scene, source) -> None:
    known = character("Auto-Rig Pro")
    target = add_character(known, scene.collection)
    limbs = tuple(Limb(f"{side}_hip", f"c_foot_ik.{side[0]}", f"c_leg_pole.{side[0]}") for side in ("left", "right"))
    target.pose.bones["c_foot_ik.l"].constraints.new("LIMIT_LOCATION")
    (text,) = give(source, target, replace(known.true_map, limbs=limbs), Retarget(feet=0.0, limbs="ik")).warnings
    assert "c_foot_ik.l" in text
    keyed = {curve.data_path.split('"')[1] for curve in assigned_curves(target)}
    assert {"c_foot_ik.l", "c_leg_pole.r", "c_thigh_fk.l"} & keyed == {"c_foot_ik.l", "c_leg_pole.r"}


def test_animation_below_a_strip_that_carries_the_motion_along_is_told(scene, source) -> None:
    known = character("Unreal 5")
    target = add_character(known, scene.collection)
    loose = known.true_map.with_part("root", ())
    assert give(source, target, loose, Retarget(feet=0.0, result="nla")).warnings == ()
    target.pose.bones["root"].keyframe_insert("location", frame=1)
    for _ in range(2):  # as the active action, and as a strip
        (text,) = give(source, target, loose, Retarget(feet=0.0, result="nla")).warnings
        assert "root" in text


def test_a_strip_that_carries_the_motion_of_an_action_along_is_told(scene, source) -> None:
    known = character("Unreal 5")
    target = add_character(known, scene.collection)
    loose = known.true_map.with_part("root", ())
    target.pose.bones["root"].keyframe_insert("location", frame=1)
    animation = target.animation_data
    assert give(source, target, loose).warnings == ()  # that action is replaced
    animation.nla_tracks.new().strips.new("below", 1, bpy.data.actions[0])
    animation.action = None
    assert any("root" in text for text in give(source, target, loose).warnings)


def test_an_action_does_not_depend_on_where_another_one_has_left_the_root(scene, source) -> None:
    known = character("Unreal 5")
    target = add_character(known, scene.collection)
    loose, root, pelvis = (
        known.true_map.with_part("root", ()),
        target.pose.bones["root"],
        known.true_map.bones("pelvis"),
    )
    for frame, place in ((1, 0.0), (40, 150.0)):
        root.location = (place, 0.0, 0.0)
        root.keyframe_insert("location", frame=frame)
    users = target.animation_data.action
    scene.frame_set(20)
    made = give(source, target, loose).action
    scene.frame_set(10)
    there = evaluated_heads(target, pelvis)
    assign_action(target, users)
    scene.frame_set(40)
    assign_action(target, made)
    scene.frame_set(10)
    assert np.abs(evaluated_heads(target, pelvis) - there).max() < 1e-4


def test_limbs_that_follow_ik_controls_are_no_source(scene, source, mixamo) -> None:
    arp, mixamo_map = add_character(character("Auto-Rig Pro"), scene.collection), character("Mixamo").true_map
    known = character("Auto-Rig Pro").true_map
    give(source, arp, known)
    give(arp, mixamo, mixamo_map)
    switches = [curve for curve in assigned_curves(arp) if known.switches[0].name in curve.data_path]
    assert len(switches) == len(known.switches)
    switches[0].keyframe_points[0].co[1] = known.switches[0].ik
    assert why(arp, mixamo, mixamo_map) == "source_ik"


def test_channels_that_a_driver_moves_are_named(source, mixamo) -> None:
    known = character("Mixamo").true_map
    mixamo.pose.bones[known.bones("left_wrist")[0]].driver_add("rotation_quaternion", 1)
    assert any(known.bones("left_wrist")[0] in text for text in give(source, mixamo, known).warnings)


def test_a_rig_that_is_not_plain_is_baked_and_its_switches_are_told(source, mixamo, monkeypatch) -> None:
    known = character("Mixamo").true_map
    arm = known.bones("left_shoulder")[0]
    mixamo.pose.bones[arm].constraints.new("COPY_ROTATION")
    mixamo.pose.bones[arm]["IK_FK"] = 0.0
    switch = Switch(arm, "IK_FK", fk=1.0, ik=0.0)
    switched = BoneMap(known.parts, switches=(switch,))
    made = bpy.data.actions.new("baked")

    def baking(target, bone_map, motion, settings, name):
        assert (target, bone_map, settings, name) == (mixamo, switched, PLAIN, "mine")
        assert target.pose.bones[arm]["IK_FK"] == 1.0
        yield
        target.animation_data_create().action = made
        return made

    monkeypatch.setattr(transfer, "baking", baking)
    outcome = give(source, mixamo, switched, name="mine")
    assert outcome.action == made
    assert outcome.switches == ((switch, 0.0),)


def test_a_bake_that_is_left_half_way_puts_the_switches_back(source, mixamo, monkeypatch) -> None:
    known = character("Mixamo").true_map
    arm = known.bones("left_shoulder")[0]
    mixamo.pose.bones[arm].constraints.new("COPY_ROTATION")
    mixamo.pose.bones[arm]["IK_FK"] = 0.0

    def baking(*_):
        while True:
            yield

    monkeypatch.setattr(transfer, "baking", baking)
    steps = retargeting(source, mixamo, BoneMap(known.parts, switches=(Switch(arm, "IK_FK", 1.0, 0.0),)), PLAIN)
    while mixamo.pose.bones[arm]["IK_FK"] == 0.0:
        next(steps)
    next(steps)
    steps.close()
    assert mixamo.pose.bones[arm]["IK_FK"] == 0.0


def lowest_slides(armature, bone_map: BoneMap, frames=range(1, 41)) -> np.ndarray:
    """Metres along the floor that the lower of both ankles goes in each frame."""
    places = []
    for frame in frames:
        bpy.context.scene.frame_set(frame)
        places.append(evaluated_heads(armature, [bone_map.bones(f"{side}_ankle")[0] for side in ("left", "right")]))
    steps = np.linalg.norm(np.diff(np.array(places)[..., :2], axis=0), axis=-1)
    return steps.min(axis=1)


def test_feet_of_a_character_that_walks_stand_on_another_too(scene, mixamo, monkeypatch) -> None:
    person, times, _ = walker(40, FPS)
    sway = from_axis_angles(0.3 * np.sin(6.3 * times)[:, None] * [0.0, 1.0, 0.0])
    person.rotations[:, 0] = multiply(person.rotations[:, 0], sway)
    for joint in (1, 2):  # the thighs stay as they were
        person.rotations[:, joint] = multiply(conjugate(sway), person.rotations[:, joint])
    take = add_source(person, scene)
    bpy.context.view_layer.update()
    asked = []
    found = transfer.found_stands
    monkeypatch.setattr(transfer, "found_stands", lambda *given: asked.append(found(*given)) or asked[-1])
    known = character("Mixamo")
    give(take, mixamo, known.true_map)
    give(take, mixamo, known.true_map, Retarget())
    assert asked == []  # a take says itself when feet stand, or that they are not to
    other = add_character(wide(known), scene.collection)
    bpy.context.view_layer.update()
    give(mixamo, other, known.true_map, Retarget())
    assert asked[0].any(axis=2).mean() > 0.3
    still = lowest_slides(other, known.true_map)
    give(mixamo, other, known.true_map, PLAIN)
    assert len(asked) == 1
    sliding = lowest_slides(other, known.true_map)
    assert np.median(still) < 0.7 * np.median(sliding)
