# SPDX-License-Identifier: MIT
# ruff: noqa: E402 (what follows needs bpy)
from dataclasses import replace

import numpy as np
import pytest

bpy = pytest.importorskip("bpy")

from tests.characters import character
from tests.characters_blender import add_character
from vibe_blender.motion.retargeting.bone_map import Limb, Switch
from vibe_blender.motion.retargeting.rig import Pose
from vibe_blender.motion.retargeting.settings import Retarget
from vibe_blender.scene.retargeting.keys import write_motion
from vibe_blender.scene.retargeting.switches import (
    hold_switches,
    loose_switches,
    put_back,
    set_switches,
    switch_curves,
    value_of,
)

ARP = character("Auto-Rig Pro")
POLE = Switch("c_hand_ik.l", "pole_vector", 0.0, 1.0)
MAP = replace(ARP.true_map, limbs=(Limb("left_shoulder", "c_hand_ik.l", "c_arms_pole.l", POLE),))


@pytest.fixture
def target(scene):
    armature = add_character(ARP, scene.collection)
    armature.pose.bones["c_hand_ik.l"]["pole_vector"] = False
    return armature


def values(target) -> list[float | None]:
    return [value_of(target, switch) for switch in (*MAP.switches, POLE)]


def test_switches_are_set_to_fk_or_ik_and_told_with_what_they_were(target) -> None:
    before = values(target)
    assert set_switches(target, MAP, "fk") == [(switch, switch.ik) for switch in MAP.switches]
    assert values(target) == [*(switch.fk for switch in MAP.switches), 0.0]
    assert set_switches(target, MAP, "fk") == []
    put_back(target, [(switch, switch.ik) for switch in MAP.switches])
    assert values(target) == before


def test_poles_are_switched_on_for_ik_as_the_type_they_have(target) -> None:
    assert set_switches(target, MAP, "ik") == [(POLE, 0.0)]
    assert target.pose.bones["c_hand_ik.l"]["pole_vector"] is True


def test_switches_that_are_not_there_are_left_out(target) -> None:
    lacking = replace(MAP, switches=(Switch("nobody", "x", 1, 0), Switch("c_hand_ik.l", "nothing", 1, 0)))
    target.pose.bones["c_hand_ik.l"]["word"] = "text"
    worded = replace(lacking, switches=(*lacking.switches, Switch("c_hand_ik.l", "word", 1, 0)))
    assert set_switches(target, worded, "fk") == []
    put_back(target, [(switch, 0.0) for switch in worded.switches])
    assert "nothing" not in target.pose.bones["c_hand_ik.l"]
    assert target.pose.bones["c_hand_ik.l"]["word"] == "text"


def test_a_rigs_drivers_hear_of_it_at_once(target) -> None:
    bone = target.pose.bones["c_head.x"]
    driver = bone.driver_add("location", 0).driver
    driver.type = "AVERAGE"
    variable = driver.variables.new()
    variable.targets[0].id = target
    variable.targets[0].data_path = f'pose.bones["{MAP.switches[0].bone}"]["{MAP.switches[0].name}"]'
    bpy.context.view_layer.update()
    before = bone.location[0]
    set_switches(target, MAP, "fk")
    bpy.context.view_layer.update()
    assert bone.location[0] == pytest.approx(before + MAP.switches[0].fk - MAP.switches[0].ik)
    assert bone.location[0] != before


@pytest.mark.parametrize("layered", [False, True])
def test_switches_with_keys_are_held_until_they_are_let_loose(scene, target, layered) -> None:
    bone, name = target.pose.bones[MAP.switches[0].bone], MAP.switches[0].name
    bone.keyframe_insert(f'["{name}"]', frame=1)
    if layered:
        action = target.animation_data.action
        target.animation_data.nla_tracks.new().strips.new("strip", 1, action)
        target.animation_data.action = None
    set_switches(target, MAP, "fk")
    hold_switches(target, MAP, "fk")
    hold_switches(target, MAP, "fk")
    scene.frame_set(2)
    assert values(target) == [*(switch.fk for switch in MAP.switches), 0.0]
    assert len(target.animation_data.drivers) == (len(MAP.switches) if layered else 1)
    loose_switches(target)
    scene.frame_set(1)
    assert value_of(target, MAP.switches[0]) == MAP.switches[0].ik
    assert not target.animation_data.drivers


def test_switches_that_the_rig_drives_or_nothing_animates_are_not_held(target) -> None:
    hold_switches(target, MAP, "fk")
    assert target.animation_data is None
    bone, name = target.pose.bones[MAP.switches[0].bone], MAP.switches[0].name
    bone.keyframe_insert(f'["{name}"]', frame=1)
    bone.driver_add(f'["{name}"]').driver.expression = "0.5"
    hold_switches(target, MAP, "fk")
    loose_switches(target)
    assert [curve.driver.expression for curve in target.animation_data.drivers] == ["0.5"]


@pytest.mark.parametrize("limbs", ["fk", "ik"])
@pytest.mark.parametrize("below", [0.0, 1.0])
@pytest.mark.parametrize("result", ["action", "nla", "additive"])
def test_an_action_brings_along_the_switches_it_depends_on(scene, target, limbs, below, result) -> None:
    bones = {switch: target.pose.bones[switch.bone] for switch in MAP.switches}
    for switch, bone in bones.items():
        bone.id_properties_ui(switch.name).update(min=0.0, max=1.0, default=1.0)
        bone[switch.name] = below
        bone.keyframe_insert(f'["{switch.name}"]', frame=1)
    theirs = target.animation_data.action
    action = written(target, Retarget(limbs=limbs, result=result))
    for frame in (3, 12):
        scene.frame_set(frame)
        assert {value_of(target, switch) for switch in bones} == {getattr(MAP.switches[0], limbs)}
    if result == "action":
        target.animation_data.action = theirs
    else:
        scene.frame_set(60)  # beyond the strip
        assert {value_of(target, switch) for switch in bones} == {below}
        own = next(track for track in target.animation_data.nla_tracks if track.strips[0].action == action)
        own.mute = True
    scene.frame_set(4)
    assert {value_of(target, switch) for switch in bones} == {below}


@pytest.mark.parametrize("result", ["nla", "additive"])
def test_animation_above_that_keys_a_switch_is_heeded(scene, target, result) -> None:
    written(target, Retarget(result=result))
    switch = MAP.switches[0]
    target.pose.bones[switch.bone][switch.name] = switch.ik
    target.pose.bones[switch.bone].keyframe_insert(f'["{switch.name}"]', frame=1)
    for frame in (3, 12):
        scene.frame_set(frame)
        assert value_of(target, switch) == switch.ik
        assert value_of(target, MAP.switches[1]) == MAP.switches[1].fk


def test_keys_of_switches_are_of_their_type_and_only_where_nothing_drives_them(target) -> None:
    first, *others = MAP.switches
    target.driver_add(f'pose.bones["{first.bone}"]["{first.name}"]')
    curves = switch_curves(target, replace(MAP, switches=(*MAP.switches, others[0])), Retarget(limbs="ik"), 3.0)
    assert sorted(curve.group for curve in curves) == sorted([*(switch.bone for switch in others), POLE.bone])
    assert all(curve.frames.tolist() == [3.0] for curve in curves)
    assert switch_curves(target, replace(MAP, switches=(Switch("nobody", "x", 1, 0),)), Retarget(), 1.0) == []
    written(target, Retarget(limbs="ik"))
    bpy.context.scene.frame_set(5)
    assert target.pose.bones[POLE.bone][POLE.name] is True


def written(target, settings: Retarget) -> bpy.types.Action:
    """An action of a bone's from frame 3 to 12, with what switches it depends on."""
    pose = Pose(np.tile([1.0, 0.0, 0.0, 0.0], (10, 1, 1)), np.zeros((10, 1, 3)))
    frames = 3.0 + np.arange(10)
    set_switches(target, MAP, settings.limbs)
    return write_motion(
        target, "ours", frames, ["c_head.x"], pose, (), settings, switch_curves(target, MAP, settings, 3.0)
    )
