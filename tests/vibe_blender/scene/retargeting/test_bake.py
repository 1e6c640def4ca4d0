# SPDX-License-Identifier: MIT
# ruff: noqa: E402 (what follows needs bpy)
from dataclasses import replace

import numpy as np
import pytest

bpy = pytest.importorskip("bpy")

from tests.characters_blender import add_rigify, pose_matrices, remove_rigify
from tests.random_rigs import add_rig, random_rig, random_turns
from vibe_blender.contract.quaternions import Array, continuous, from_axis_angles, multiply, rotate
from vibe_blender.motion.mapping.mapping import map_bones
from vibe_blender.motion.retargeting.bone_map import BoneMap, Switch
from vibe_blender.motion.retargeting.rig import BoneMotion
from vibe_blender.motion.retargeting.settings import Retarget
from vibe_blender.scene.animation import assigned_curves
from vibe_blender.scene.retargeting.bake import baking, remove_rehearsals
from vibe_blender.scene.retargeting.rigs import read_rig
from vibe_blender.scene.steps import run_through

RIG = random_rig(4, 14)
LED = tuple(RIG.names[number] for number in (1, 5, 6, 9, 12, 13))
FRAMES = np.arange(5.0, 25.0)
SWITCH = Switch(RIG.names[0], "IK_FK", 1.0, 0.0)
MAP = BoneMap((), switches=(SWITCH,))


@pytest.fixture
def armature(scene):
    """Of which no led bone moves as its channels alone say."""
    rig = add_rig(RIG, scene.collection)
    bones = rig.pose.bones
    for name in RIG.names:
        if name in LED:
            continue
        copied = bones[name].constraints.new("COPY_ROTATION")
        copied.target, copied.subtarget, copied.influence = rig, RIG.names[0], 0.4
        copied.mute = name == RIG.names[0]
    bones[RIG.names[0]][SWITCH.name] = SWITCH.ik
    driver = bones[RIG.names[0]].driver_add("location", 1).driver
    driver.type = "AVERAGE"
    variable = driver.variables.new()
    variable.targets[0].id = rig
    variable.targets[0].data_path = f'pose.bones["{bpy.utils.escape_identifier(SWITCH.bone)}"]["{SWITCH.name}"]'
    bones[RIG.names[0]].rotation_mode = "XYZ"
    bones[RIG.names[0]].keyframe_insert("rotation_euler", frame=1)
    bones[RIG.names[0]].rotation_euler = (0.5, 1.0, 0.2)
    bones[RIG.names[0]].keyframe_insert("rotation_euler", frame=30)
    rig.location, rig.scale = (1.0, 2.0, 0.0), (0.01,) * 3
    bpy.context.view_layer.update()
    return rig


@pytest.fixture
def wanted() -> BoneMotion:
    rows = [RIG.numbers[name] for name in LED]
    turned = multiply(random_turns(len(FRAMES), len(LED), size=2.0), RIG.axes[rows])
    places = 0.2 * np.random.default_rng(1).normal(size=(len(FRAMES), 1, 3))
    return BoneMotion(FRAMES, LED, continuous(turned), LED[:1], places)


def bake(armature, wanted: BoneMotion, bone_map: BoneMap = MAP, **settings) -> bpy.types.Action:
    return run_through(baking(armature, bone_map, wanted, Retarget(**settings), "baked"))


def angles(one: Array, other: Array) -> Array:
    """Between orientations, degrees."""
    off = multiply(one * (1.0, -1.0, -1.0, -1.0), other)
    return np.degrees(2.0 * np.arctan2(np.linalg.norm(off[..., 1:], axis=-1), np.abs(off[..., 0])))


def errors(armature, wanted: BoneMotion) -> tuple[float, float]:
    """Largest error of orientations, degrees, and places, armature units."""
    worst = [(0.0, 0.0)]
    for row, frame in enumerate(wanted.frames):
        bpy.context.scene.frame_set(int(frame))
        heads, axes = pose_matrices(armature, list(wanted.bones))
        worst.append((angles(axes, wanted.turned[row]).max(), np.abs(heads[0] - wanted.heads[row, 0]).max()))
    return max(one for one, _ in worst), max(one for _, one in worst)


def everything() -> dict[str, list[str]]:
    kinds = ("scenes", "objects", "armatures", "actions")
    return {kind: [block.name for block in getattr(bpy.data, kind)] for kind in kinds}


def channels(armature) -> list[tuple[float, ...]]:
    return [
        (*bone.location, *bone.rotation_quaternion, *bone.rotation_euler, *bone.rotation_axis_angle, *bone.scale)
        for bone in armature.pose.bones
    ]


def test_what_other_bones_do_to_those_that_get_keys_is_undone(armature, wanted) -> None:
    before = {name: [item.name for item in armature.pose.bones[name].constraints] for name in RIG.names}
    action = bake(armature, wanted)
    assert errors(armature, wanted) < (1e-3, 1e-5)
    assert armature.animation_data.action == action
    assert before == {name: [item.name for item in armature.pose.bones[name].constraints] for name in RIG.names}
    assert armature.pose.bones[SWITCH.bone][SWITCH.name] == SWITCH.fk


def test_over_other_animation_it_is_found_as_that_goes_on(armature, wanted) -> None:
    bake(armature, wanted, result="nla")
    assert errors(armature, wanted) < (1e-3, 1e-5)
    assert len(armature.animation_data.nla_tracks) == 2


def test_while_it_is_found_nothing_of_the_users_changes(scene, armature, wanted) -> None:
    scene.frame_set(3)
    names, pose = everything(), channels(armature)
    steps = baking(armature, MAP, wanted, Retarget(), "baked")
    for _ in range(7):
        next(steps)
        assert scene.frame_current == 3
        assert channels(armature) == pose
        assert armature.animation_data.action.name == names["actions"][0]
        assert armature.pose.bones[SWITCH.bone][SWITCH.name] == SWITCH.ik
    steps.close()
    assert everything() == names
    assert channels(armature) == pose


def test_a_step_is_a_frame(armature, wanted) -> None:
    assert len(list(baking(armature, MAP, wanted, Retarget(), "baked"))) == len(FRAMES) + 2


@pytest.mark.parametrize("gone", ["rig", "scene"])
def test_what_is_removed_meanwhile_ends_it_and_leaves_nothing(scene, armature, wanted, gone) -> None:
    steps = baking(armature, MAP, wanted, Retarget(), "baked")
    for _ in range(3):
        next(steps)
    if gone == "rig":
        bpy.data.objects.remove(armature)
    else:
        bpy.data.scenes.remove(next(one for one in bpy.data.scenes if one != scene))
    with pytest.raises(ReferenceError):
        run_through(steps)
    assert list(bpy.data.scenes) == [scene]
    assert len(bpy.data.objects) == (0 if gone == "rig" else 1)
    assert len(bpy.data.actions) == 1


def test_what_a_file_kept_of_one_that_was_under_way_is_removed(armature, wanted, tmp_path) -> None:
    names, path = everything(), str(tmp_path / "midway é.blend")
    steps = baking(armature, MAP, wanted, Retarget(), "baked")
    for _ in range(3):
        next(steps)
    bpy.ops.wm.save_as_mainfile(filepath=path, copy=True)
    steps.close()
    bpy.ops.wm.open_mainfile(filepath=path)
    assert everything() != names
    remove_rehearsals()
    assert everything() == names


def test_hidden_rigs_and_those_that_show_their_rest_are_baked(armature, wanted) -> None:
    names = everything()
    armature.hide_viewport = True
    armature.data.pose_position = "REST"
    bake(armature, wanted)
    assert (armature.hide_viewport, armature.data.pose_position) == (True, "REST")
    assert everything()["armatures"] == names["armatures"]
    armature.hide_viewport = False
    armature.data.pose_position = "POSE"
    assert errors(armature, wanted) < (1e-3, 1e-5)


@pytest.fixture(scope="module")
def rigify_file(tmp_path_factory) -> str:
    """A file with Rigify's generated human."""
    bpy.ops.wm.read_factory_settings(use_empty=True)
    path = str(tmp_path_factory.mktemp("rigify") / "human.blend")
    try:
        add_rigify(bpy.context.scene)
        bpy.ops.wm.save_as_mainfile(filepath=path)
    finally:
        remove_rigify()
    return path


@pytest.fixture
def rigify(rigify_file):
    bpy.ops.wm.open_mainfile(filepath=rigify_file)
    rig = next(thing for thing in bpy.data.objects if thing.type == "ARMATURE" and "rig_id" in thing.data)
    rig.location, rig.rotation_euler, rig.scale = (1.0, 2.0, 0.0), (0.2, 0.3, 1.0), (0.5,) * 3
    bpy.context.view_layer.update()
    return rig


def acted(armature, bone_map: BoneMap, count: int = 40) -> BoneMotion:
    """Arms, legs, spine and head turn; knees and elbows bend as hinges, up to 70 degrees."""
    rig = read_rig(armature)
    parts = {entry.part: entry.bones for entry in bone_map.parts if entry.part != "root"}
    names = sorted((name for bones in parts.values() for name in bones), key=rig.numbers.__getitem__)
    turns = dict(zip(names, np.moveaxis(random_turns(count, len(names), size=0.6), 1, 0), strict=True))
    bend = 0.62 + 0.6 * np.sin(np.linspace(0, 9, count))[:, None]
    for side in ("left", "right"):
        for above, hinge, last, sign in (("hip", "knee", "ankle", 1.0), ("shoulder", "elbow", "wrist", 1.0)):
            one, two, three = (parts[f"{side}_{part}"][0] for part in (above, hinge, last))
            axis = rotate(rig.axes[rig.numbers[two]], [1.0, 0.0, 0.0])
            turns[two] = multiply(turns[one], from_axis_angles(sign * bend * axis))
            turns[three] = multiply(turns[two], from_axis_angles(0.3 * bend * axis[::-1]))
    turned = np.stack([multiply(turns[name], rig.axes[rig.numbers[name]]) for name in names], axis=1)
    pelvis = parts["pelvis"][0]
    places = rig.heads[rig.numbers[pelvis]] + 0.1 * np.sin(np.linspace(0, 5, count))[:, None, None]
    return BoneMotion(np.arange(1.0, count + 1), tuple(names), continuous(turned), (pelvis,), places)


def deformed(armature, frames: Array) -> tuple[list[str], Array, Array]:
    """Names, heads (T, B, 3) and orientations (T, B, 4) of what deforms the limbs."""
    parts = ("upper_arm", "forearm", "hand", "thigh", "shin", "foot", "toe")
    names = [f"DEF-{part}.{side}" for side in "LR" for part in parts]
    found = []
    for frame in frames:
        bpy.context.scene.frame_set(int(frame))
        found.append(pose_matrices(armature, names))
    return names, np.array([heads for heads, _ in found]), np.array([axes for _, axes in found])


def test_rigifys_limbs_go_exactly_where_they_are_to(rigify) -> None:
    bone_map, rig = map_bones(read_rig(rigify)), read_rig(rigify)
    motion = acted(rigify, bone_map)
    bake(rigify, motion, bone_map)
    names, _, axes = deformed(rigify, motion.frames)
    for number, name in enumerate(names):
        control = name[4:-2] + "_fk" + name[-2:]
        led = motion.turned[:, motion.bones.index(control)]
        turn = multiply(led, rig.axes[rig.numbers[control]] * (1.0, -1.0, -1.0, -1.0))
        along = rotate(multiply(turn, rig.axes[rig.numbers[name]]), [0.0, 1.0, 0.0])
        seen = rotate(axes[:, number], [0.0, 1.0, 0.0])
        assert np.degrees(np.linalg.norm(np.cross(along, seen), axis=-1)).max() < 3e-3, name


def test_rigifys_ik_brings_hands_and_feet_where_its_fk_does(rigify) -> None:
    bone_map = map_bones(read_rig(rigify))
    motion = acted(rigify, bone_map)
    bake(rigify, motion, bone_map)
    names, heads, axes = deformed(rigify, motion.frames)
    bake(rigify, motion, bone_map, limbs="ik")
    switches = [rigify.pose.bones[switch.bone][switch.name] for switch in bone_map.switches]
    assert switches == [switch.ik for switch in bone_map.switches]
    assert all(rigify.pose.bones[limb.pole_switch.bone]["pole_vector"] for limb in bone_map.limbs)
    assert {"thigh_fk.L", "foot_ik.L", "toe_fk.L", "toe_ik.L"} & keyed(rigify) == {"foot_ik.L", "toe_ik.L"}
    _, ik_heads, ik_axes = deformed(rigify, motion.frames)
    ends = [number for number, name in enumerate(names) if name[4:-2] in ("hand", "foot", "toe")]
    assert np.linalg.norm(ik_heads[:, ends] - heads[:, ends], axis=-1).max() < 1e-3
    assert angles(ik_axes[:, ends], axes[:, ends]).max() < 0.2
    # The bones of Rigify's IK give a little (`ik_stretch`): its knees come 2 cm nearer.
    along, ik_along = rotate(axes, [0.0, 1.0, 0.0]), rotate(ik_axes, [0.0, 1.0, 0.0])
    assert np.degrees(np.linalg.norm(np.cross(along, ik_along), axis=-1)).max() < 3.5


def keyed(armature) -> set[str]:
    """The bones that have keys."""
    return {curve.data_path.split('"')[1] for curve in assigned_curves(armature)}


def test_limbs_without_ik_controls_get_the_keys_of_their_fk(rigify) -> None:
    bone_map = replace(map_bones(read_rig(rigify)), limbs=())
    bake(rigify, acted(rigify, bone_map, 3), bone_map, limbs="ik")
    assert {"thigh_fk.L", "foot_ik.L"} & keyed(rigify) == {"thigh_fk.L"}


@pytest.mark.parametrize("limbs", ["fk", "ik"])
def test_above_a_strip_that_keys_rigifys_switches_the_bake_says_where_they_are(rigify, limbs) -> None:
    bone_map = map_bones(read_rig(rigify))
    motion = acted(rigify, bone_map, 6)
    bake(rigify, motion, bone_map, limbs=limbs)
    _, heads, axes = deformed(rigify, motion.frames)
    rigify.animation_data.action = None
    for switch in bone_map.switches:
        rigify.pose.bones[switch.bone][switch.name] = switch.ik if limbs == "fk" else switch.fk
        rigify.pose.bones[switch.bone].keyframe_insert(f'["{switch.name}"]', frame=1)
    for _ in range(2):  # above their active action, then above a strip of it
        bake(rigify, motion, bone_map, limbs=limbs, result="nla")
        _, over, turned = deformed(rigify, motion.frames)
        assert np.abs(over - heads).max() < 1e-4
        assert angles(turned, axes).max() < 0.1
