# SPDX-License-Identifier: MIT
# ruff: noqa: E402 (what follows needs bpy)
import json
from dataclasses import replace

import pytest

bpy = pytest.importorskip("bpy")

from tests.characters import character
from tests.characters_blender import add_character
from vibe_blender import stored_maps
from vibe_blender.character_maps import bone_names, note
from vibe_blender.motion.retargeting.bone_map import BoneMap, MappedPart

pytestmark = pytest.mark.usefixtures("panel")


@pytest.fixture
def hero():
    return add_hero()


def add_hero(rig: str = "Mixamo", name: str = "Hero"):
    armature = add_character(character(rig), bpy.context.scene.collection)
    armature.name = name
    bpy.context.view_layer.update()
    bpy.context.scene.vibe_retargeting.target = armature
    return armature


def row(part: str):
    return bpy.context.scene.vibe_retargeting.parts[part]


def certainty(target, part: str) -> str:
    return next(entry.certainty for entry in target.vibe_retarget.bone_map().parts if entry.part == part)


def test_a_row_shows_and_edits_the_map(hero) -> None:
    assert row("left_knee").bone == "mixamorig:LeftLeg"
    assert [row("spine").bone, row("spine").bone_2, row("spine").bone_3, row("spine").bone_4] == [
        "mixamorig:Spine", "mixamorig:Spine1", "mixamorig:Spine2", "",
    ]  # fmt: skip
    row("spine").bone_2 = ""
    assert hero.vibe_retarget.bone_map().bones("spine") == ("mixamorig:Spine", "mixamorig:Spine2")
    assert certainty(hero, "spine") == "chosen"
    row("spine").bone_3 = "mixamorig:Spine1"
    assert hero.vibe_retarget.bone_map().bones("spine") == ("mixamorig:Spine", "mixamorig:Spine2", "mixamorig:Spine1")
    row("left_knee").bone = ""
    assert "left_knee" in hero.vibe_retarget.bone_map().missing()


def test_a_bone_chosen_for_one_part_is_not_another_s_any_more(hero) -> None:
    row("head").bone = "mixamorig:Neck"
    bone_map = hero.vibe_retarget.bone_map()
    assert bone_map.bones("head") == ("mixamorig:Neck",)
    assert bone_map.bones("neck") == ()


def test_what_was_chosen_is_found_by_the_next_character_of_the_rig(hero) -> None:
    row("head").bone = "mixamorig:Neck"
    second = add_hero(name="Second")
    assert second.vibe_retarget.bone_map() == hero.vibe_retarget.bone_map()
    assert bpy.ops.vibe.detect_bones() == {"FINISHED"}
    assert second.vibe_retarget.bone_map() == character("Mixamo").true_map
    third = add_hero(name="Third")
    assert third.vibe_retarget.bone_map() == character("Mixamo").true_map
    other = add_hero("Unreal 5", "Other")
    assert other.vibe_retarget.bone_map().parts == character("Unreal 5").true_map.parts


def test_a_broken_file_is_told_and_ignored(hero) -> None:
    row("head").bone = "mixamorig:Neck"
    (path,) = stored_maps.maps_folder().iterdir()
    path.write_text('{"format": ', encoding="utf-8")
    second = add_hero(name="Second")
    assert second.vibe_retarget.bone_map() == character("Mixamo").true_map
    assert "is no bone map" in note(second)
    row("head").bone = "mixamorig:Neck"
    assert note(second) == ""


def test_bones_are_picked_in_the_view(hero) -> None:
    bpy.context.view_layer.objects.active = hero
    assert not bpy.ops.vibe.pick_bones.poll()
    bpy.ops.object.mode_set(mode="POSE")
    select(hero, "mixamorig:LeftHand")
    assert bpy.ops.vibe.pick_bones(part="head") == {"FINISHED"}
    assert hero.vibe_retarget.bone_map().bones("head") == ("mixamorig:LeftHand",)
    assert hero.vibe_retarget.bone_map().bones("left_wrist") == ()
    select(hero, "mixamorig:Spine2", "mixamorig:Spine")
    bpy.ops.vibe.pick_bones(part="spine")
    assert hero.vibe_retarget.bone_map().bones("spine") == ("mixamorig:Spine", "mixamorig:Spine2")
    select(hero)
    with pytest.raises(RuntimeError, match="No bone is selected"):
        bpy.ops.vibe.pick_bones(part="neck")
    bpy.ops.object.mode_set(mode="OBJECT")


def select(target, *names: str) -> None:
    for bone in target.pose.bones:
        (bone if bpy.app.version >= (5, 0, 0) else bone.bone).select = bone.name in names
    target.data.bones.active = target.data.bones[names[0]] if names else None


def test_a_side_is_mirrored(hero) -> None:
    for part in ("right_hip", "right_elbow", "right_collar"):
        bpy.ops.vibe.clear_part(part=part)
    assert bpy.ops.vibe.mirror_bones(side="left") == {"FINISHED"}
    wanted, found = character("Mixamo").true_map, hero.vibe_retarget.bone_map()
    assert {entry.part: entry.bones for entry in found.parts} == {entry.part: entry.bones for entry in wanted.parts}


def test_a_map_goes_by_file_to_another(hero, tmp_path) -> None:
    row("head").bone = "mixamorig:Neck"
    path = tmp_path / "karte é 地图"
    assert bpy.ops.vibe.export_bones(filepath=str(path)) == {"FINISHED"}
    written = path.with_name(path.name + ".json")
    assert json.loads(written.read_text(encoding="utf-8"))["rig"] == "Mixamo"
    stored_maps.forget_map(bone_names(hero))
    second = add_hero(name="Second")
    bpy.ops.vibe.import_bones(filepath=str(written))
    assert second.vibe_retarget.bone_map() == hero.vibe_retarget.bone_map()


def test_of_a_map_for_another_rig_only_what_fits_is_taken(hero, tmp_path) -> None:
    true = character("Mixamo").true_map
    path = tmp_path / "other.json"
    stored_maps.write_map(path, replace(true, parts=(*true.parts[:3], MappedPart("head", ("Kopf",)))))
    bpy.ops.vibe.import_bones(filepath=str(path))
    assert hero.vibe_retarget.bone_map().parts == true.parts[:3]
    stored_maps.write_map(path, BoneMap((MappedPart("head", ("Kopf",)),)))
    with pytest.raises(RuntimeError, match="none of the bones named in other"):
        bpy.ops.vibe.import_bones(filepath=str(path))
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(RuntimeError, match="cannot be read"):
        bpy.ops.vibe.import_bones(filepath=str(path))
    with pytest.raises(RuntimeError, match="cannot be read"):
        bpy.ops.vibe.import_bones(filepath=str(tmp_path / "none.json"))


def test_a_map_that_cannot_be_stored_is_told(hero, monkeypatch, tmp_path) -> None:
    file = tmp_path / "file"
    file.write_text("", encoding="utf-8")
    monkeypatch.setattr(stored_maps, "maps_folder", lambda: file / "maps")
    row("head").bone = "mixamorig:Neck"
    assert hero.vibe_retarget.bone_map().bones("head") == ("mixamorig:Neck",)
    assert "cannot be written" in note(hero)


def test_a_map_is_undone(hero) -> None:
    bpy.ops.ed.undo_push(message="before")
    row("head").bone = "mixamorig:Neck"
    bpy.ops.ed.undo_push(message="after")
    bpy.ops.ed.undo()
    assert bpy.context.scene.vibe_retargeting.parts["head"].bone == "mixamorig:Head"
    bpy.ops.ed.redo()
    assert bpy.context.scene.vibe_retargeting.parts["head"].bone == "mixamorig:Neck"


def test_a_map_of_a_stranger_s_file_that_makes_no_sense_is_none(hero) -> None:
    hero.vibe_retarget.map_text = '{"format": "VIBE bone map 1", "parts": [{"part": "tail", "bones": ["x"]}]}'
    assert hero.vibe_retarget.bone_map() == BoneMap(())
    assert row("head").bone == ""
    assert bpy.ops.vibe.detect_bones() == {"FINISHED"}
    assert hero.vibe_retarget.bone_map() == character("Mixamo").true_map
