# SPDX-License-Identifier: MIT
# ruff: noqa: E402 (what follows needs bpy)
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

bpy = pytest.importorskip("bpy")

from tests.characters import CHARACTERS, character
from tests.characters_blender import add_character, evaluated_heads
from tests.fake_backend import small_take, walking_person
from vibe_blender.__main__ import main
from vibe_blender.contract.take_file import save_take
from vibe_blender.motion.mapping.text import to_json
from vibe_blender.motion.retargeting.settings import Retarget
from vibe_blender.retarget_kept import retargeting_registered


@pytest.fixture(autouse=True)
def own_folder(tmp_path, monkeypatch) -> Path:
    """Stored maps of whoever runs the tests do not count."""
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setattr(bpy.utils, "user_resource", lambda *_, **__: str(home))
    return home


@pytest.fixture
def take(tmp_path) -> Path:
    """Two people who walk."""
    found = replace(
        small_take(tmp_path / "gone.mp4"),
        people=(walking_person(np.arange(12), 1), walking_person(np.arange(12), 2)),
    )
    return save_take(found, tmp_path / "walk é.take")


def rig_file(folder: Path, *names: str) -> Path:
    """A file with characters, saved under the name of the first."""
    bpy.ops.wm.read_factory_settings(use_empty=True)
    scene = bpy.context.scene
    scene.frame_end, scene.render.fps = 77, 12
    for name in names:
        add_character(character(name), scene.collection, fleshed=True)
    path = folder / f"{names[0]} 走.blend"
    bpy.ops.wm.save_as_mainfile(filepath=str(path))
    bpy.ops.wm.read_factory_settings(use_empty=True)
    return path


def test_a_character_takes_over_the_motion_and_the_settings(take, tmp_path, capsys) -> None:
    rig = rig_file(tmp_path, "Mixamo")
    out = tmp_path / "out.blend"
    arguments = [str(take), "--save", str(out), "--target", str(rig), "--person", "2"]
    capsys.readouterr()
    assert main([*arguments, "--retarget", "arm_spread_deg=5", "--retarget", "feet=0.25"]) == 0
    told = capsys.readouterr()
    assert told.out == f"{out}\n"
    assert "Mixamo: Mixamo" in told.err
    assert "12 frames" in told.err
    bpy.ops.wm.open_mainfile(filepath=str(out))
    scene, target = bpy.context.scene, bpy.data.objects["Mixamo"]
    assert (scene.frame_end, scene.render.fps) == (12, 25)
    assert sorted(thing.name for thing in scene.objects if thing.type == "ARMATURE") == [
        "Mixamo", "gone person 1", "gone person 2",
    ]  # fmt: skip
    assert "Mixamo body" in scene.objects
    knee = "mixamorig:LeftLeg"
    places = []
    for frame in (1, 8):
        scene.frame_set(frame)
        places.append(evaluated_heads(target, [knee])[0])
    assert np.linalg.norm(places[0] - places[1]) > 0.01
    with retargeting_registered():
        group = target.vibe_retarget
        assert group.source == bpy.data.objects["gone person 2"]
        assert group.settings() == Retarget(arm_spread_deg=5.0, feet=0.25)
        assert group.bone_map().bones("left_knee") == (knee,)
        assert scene.vibe_retargeting.target == target


def test_what_was_set_and_what_is_kept_is_told(take, tmp_path, capsys) -> None:
    bpy.ops.wm.read_factory_settings(use_empty=True)
    rig = add_character(character("Auto-Rig Pro"), bpy.context.scene.collection)
    rig.animation_data_create().action = bpy.data.actions.new("idle")
    rig.pose.bones[0].keyframe_insert("location", frame=1)
    path, out = tmp_path / "arp.blend", tmp_path / "out.blend"
    bpy.ops.wm.save_as_mainfile(filepath=str(path))
    assert main([str(take), "--save", str(out), "--target", str(path)]) == 0
    told = capsys.readouterr().err
    assert "Baking ..." in told
    assert "c_foot_ik.l: ik_fk_switch was 0 and is set." in told
    assert "idle" in told
    assert "of arp.blend is kept" in told
    bpy.ops.wm.open_mainfile(filepath=str(out))
    assert bpy.data.objects["Auto-Rig Pro"].pose.bones["c_foot_ik.l"]["ik_fk_switch"] == 1.0
    assert any(action.name.startswith("idle") for action in bpy.data.actions)


def test_two_characters_follow_two_people(take, tmp_path) -> None:
    rigs = [rig_file(tmp_path, name) for name in ("Mixamo", "Unreal 5")]
    out = tmp_path / "out.blend"
    assert main([str(take), "--save", str(out), *(part for rig in rigs for part in ("--target", str(rig)))]) == 0
    bpy.ops.wm.open_mainfile(filepath=str(out))
    with retargeting_registered():
        for name, person in (("Mixamo", 1), ("Unreal 5", 2)):
            group = bpy.data.objects[name].vibe_retarget
            assert (group.source.name, group.place) == (f"gone person {person}", "world")


def test_other_formats_hold_the_character_alone(take, tmp_path) -> None:
    out = tmp_path / "out.glb"
    assert main([str(take), "--save", str(out), "--target", str(rig_file(tmp_path, "Mixamo"))]) == 0
    bpy.ops.wm.read_factory_settings(use_empty=True)
    bpy.ops.import_scene.gltf(filepath=str(out))
    (armature,) = (thing for thing in bpy.data.objects if thing.type == "ARMATURE")
    assert "mixamorig:Hips" in armature.data.bones
    assert "Mixamo body" in bpy.data.objects


def test_a_folder_gets_a_file_for_each_pair_and_one_failure_is_no_other(take, tmp_path, capsys) -> None:
    good, bad = rig_file(tmp_path, "Mixamo"), tmp_path / "bad.blend"
    bad.write_bytes(b"nothing of Blender's")
    folder = tmp_path / "out é"
    capsys.readouterr()
    arguments = ["--save", str(folder), "--format", "bvh", "--target", str(bad), "--target", str(good)]
    assert main([str(take), *arguments]) == 1
    told = capsys.readouterr()
    assert told.out == f"{folder / 'walk é-Mixamo 走.bvh'}\n"
    assert "walk é-bad:" in told.err
    assert [path.name for path in folder.iterdir()] == ["walk é-Mixamo 走.bvh"]


def test_a_map_says_what_nobody_could_know(take, tmp_path, capsys) -> None:
    one = next(each for each in CHARACTERS if each.name == "VRoid")
    rig = rig_file(tmp_path, "VRoid")
    path = tmp_path / "map é.json"
    path.write_text(to_json(replace(one.true_map, rig="")), encoding="utf-8")
    out = tmp_path / "out.blend"
    assert main([str(take), "--save", str(out), "--target", str(rig), "--bone-map", str(path)]) == 0
    assert "VRoid: as map é.json has it" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("names", "options", "says"),
    [
        (("Mixamo", "Daz"), [], "several armatures: Daz, Mixamo"),
        (("Mixamo",), ["--target-object", "rig"], "no armature 'rig'. There are: Mixamo"),
        (("Mixamo",), ["--person", "7"], "no person 7. There are: 1, 2"),
        (("Mixamo",), ["--retarget", "foot=1"], "no setting 'foot'"),
        (("Mixamo",), ["--bone-map", "absent.json"], "absent.json cannot be read"),
    ],
)
def test_what_cannot_be_is_told_and_leaves_no_file(take, tmp_path, capsys, names, options, says) -> None:
    out = tmp_path / "out.blend"
    assert main([str(take), "--save", str(out), "--target", str(rig_file(tmp_path, *names)), *options]) == 1
    told = capsys.readouterr().err.strip().splitlines()
    assert says in told[-1]
    assert not any("Traceback" in line for line in told)
    assert not out.exists()


def test_more_characters_than_people_are_told(take, tmp_path, capsys) -> None:
    rig = str(rig_file(tmp_path, "Mixamo"))
    assert main([str(take), "--save", str(tmp_path / "out.blend"), *["--target", rig] * 3]) == 1
    assert "3 characters are to follow 2 people" in capsys.readouterr().err


def test_a_rig_without_a_body_says_what_is_missing(take, tmp_path, capsys) -> None:
    bpy.ops.wm.read_factory_settings(use_empty=True)
    bpy.ops.object.armature_add()
    path = tmp_path / "crane.blend"
    bpy.ops.wm.save_as_mainfile(filepath=str(path))
    assert main([str(take), "--save", str(tmp_path / "out.blend"), "--target", str(path)]) == 1
    told = capsys.readouterr().err
    assert "Armature in crane.blend" in told
    assert "hips, left thigh" in told
    assert "--bone-map" in told
