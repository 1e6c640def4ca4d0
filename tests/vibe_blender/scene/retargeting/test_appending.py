# SPDX-License-Identifier: MIT
# ruff: noqa: E402 (what follows needs bpy)
from pathlib import Path
from typing import Any

import numpy as np
import pytest

bpy = pytest.importorskip("bpy")

from tests.characters_blender import build_bones
from tests.vibe_blender.conftest import blocks
from vibe_blender.contract.errors import CaptureError
from vibe_blender.motion.retargeting.rig import Rig
from vibe_blender.scene.retargeting.appending import append_character


def rig(name: str, scene: Any) -> Any:
    """An armature of two bones."""
    armature = bpy.data.objects.new(name, bpy.data.armatures.new(f"{name} bones"))
    scene.collection.objects.link(armature)
    heads, tails = np.array([[0.0, 0, 0], [0, 0, 1]]), np.array([[0.0, 0, 1], [0, 0, 2]])
    axes, yes = np.tile([np.sqrt(0.5), np.sqrt(0.5), 0.0, 0.0], (2, 1)), np.ones(2, bool)
    build_bones(armature, Rig(("hips", "head"), np.array([-1, 0]), heads, tails, axes, yes, yes))
    return armature


def mesh(name: str, scene: Any = None) -> Any:
    """A triangle; in a scene where one is given."""
    data = bpy.data.meshes.new(name)
    data.from_pydata([(0, 0, 0), (1, 0, 0), (0, 0, 1)], [], [(0, 1, 2)])
    thing = bpy.data.objects.new(name, data)
    if scene is not None:
        scene.collection.objects.link(thing)
    return thing


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    place = tmp_path / "my rigs é 走"
    place.mkdir()
    return place


def saved(path: Path) -> Path:
    """The current file, saved; then Blender is empty again."""
    bpy.ops.wm.save_as_mainfile(filepath=str(path))
    bpy.ops.wm.read_factory_settings(use_empty=True)
    return path


@pytest.fixture
def character(scene, folder) -> Path:
    """A skinned character on an empty, with all that can hang on it, in a scene with much else."""
    armature = rig("rig", scene)
    armature.parent = bpy.data.objects.new("stand", None)
    armature.parent.location = (1.0, 2.0, 3.0)
    scene.collection.objects.link(armature.parent)
    armature.animation_data_create().action = bpy.data.actions.new("breathing")
    skin = mesh("skin", scene)
    skin.modifiers.new("Armature", "ARMATURE").object = armature
    skin.shape_key_add(name="Basis")
    material = bpy.data.materials.new("leather")
    if material.node_tree is None:
        material.use_nodes = True
    material.node_tree.nodes.new("ShaderNodeTexImage").image = bpy.data.images.new("grain", 4, 4)
    skin.data.materials.append(material)
    hat, feather = mesh("hat", scene), mesh("feather", scene)
    hat.parent, hat.parent_type, hat.parent_bone = armature, "BONE", "head"
    feather.parent = hat
    widget, aim = mesh("widget"), bpy.data.objects.new("aim", None)
    scene.collection.objects.link(aim)
    widget.parent = armature
    armature.pose.bones["head"].custom_shape = widget
    armature.pose.bones["head"].constraints.new("DAMPED_TRACK").target = aim
    text = bpy.data.texts.new("ui.py")
    text.use_module = True
    text.write(f"open({str(folder / 'ran')!r}, 'w')")
    armature.data["ui"] = text
    armature.driver_add("hide_render").driver.expression = f"bool(open({str(folder / 'ran')!r}, 'w'))"
    hat.driver_add("hide_render").driver.expression = "frame > 1e6"
    floor, camera = mesh("floor", scene), bpy.data.objects.new("camera", bpy.data.cameras.new("camera"))
    scene.collection.objects.link(camera)
    camera.constraints.new("TRACK_TO").target = armature
    floor.data.materials.append(bpy.data.materials.new("wood"))
    bpy.data.actions.new("stray").use_fake_user = True
    return saved(folder / "hero é.blend")


def test_the_character_comes_and_nothing_else(character, folder) -> None:
    scene = bpy.context.scene
    before = (scene.frame_end, scene.render.fps)
    found = append_character(character, scene)
    assert found.collection.name == "hero é"
    assert found.collection.name in scene.collection.children
    assert sorted(thing.name for thing in scene.objects) == ["aim", "feather", "hat", "rig", "skin", "stand"]
    there = blocks()
    assert there["objects"] == ["aim", "feather", "hat", "rig", "skin", "stand", "widget"]
    assert (there["actions"], there["materials"], there["images"]) == (["breathing"], ["leather"], ["grain"])
    assert (there["cameras"], there["scenes"], len(there["shape_keys"])) == ([], ["Scene"], 1)
    assert [text.name for text in bpy.data.texts] == ["ui.py"]
    assert not bpy.data.libraries
    assert not bpy.data.worlds
    armature = found.armature
    assert armature.name == "rig"
    assert armature.pose.bones["head"].custom_shape.name == "widget"
    assert armature.animation_data.action.name == "breathing"
    bpy.context.view_layer.update()
    assert tuple(armature.matrix_world.translation) == (1.0, 2.0, 3.0)
    assert (scene.frame_end, scene.render.fps) == before
    bpy.ops.wm.save_as_mainfile(filepath=str(folder / "again.blend"))
    bpy.ops.wm.open_mainfile(filepath=str(folder / "again.blend"))
    assert blocks() == there
    assert bpy.data.objects["rig"].pose.bones["head"].constraints[0].target.name == "aim"


def test_its_scripts_are_not_run(character, folder) -> None:
    found = append_character(character, bpy.context.scene)
    bpy.context.scene.frame_set(3)
    assert not (folder / "ran").exists()
    assert found.scripted == ("rig",)


def test_the_same_character_comes_twice_as_two(character) -> None:
    first, second = (append_character(character, bpy.context.scene) for _ in range(2))
    assert first.armature != second.armature
    assert first.armature.data != second.armature.data
    assert first.armature.animation_data.action != second.armature.animation_data.action
    for found in (first, second):
        (skin,) = (thing for thing in found.collection.objects if thing.name.startswith("skin"))
        assert skin.modifiers[0].object == found.armature


def test_one_of_several_armatures_is_named(scene, folder) -> None:
    for name in ("rig", "metarig"):
        mesh(f"of the {name}", scene).parent = rig(name, scene)
    path = saved(folder / "two.blend")
    bpy.data.objects.new("metarig", None)  # names in the file count, not those that are free here
    with pytest.raises(CaptureError) as caught:
        append_character(path, bpy.context.scene)
    assert caught.value.code == "many_armatures"
    assert "metarig, rig" in caught.value.message
    with pytest.raises(CaptureError) as caught:
        append_character(path, bpy.context.scene, "metarik")
    assert caught.value.code == "no_such_armature"
    assert "metarig, rig" in caught.value.hint
    assert blocks()["objects"] == ["metarig"]
    found = append_character(path, bpy.context.scene, "metarig")
    assert found.armature.data.name == "metarig bones"
    assert [thing.name for thing in found.collection.objects if thing.type == "MESH"] == ["of the metarig"]
    assert blocks()["armatures"] == ["metarig bones"]


def test_what_is_no_character_is_told_and_leaves_nothing(scene, folder) -> None:
    mesh("rock", scene)
    rock = saved(folder / "rock.blend")
    lonely = bpy.data.armatures.new("bones without an object")
    lonely.use_fake_user = True
    mesh("rock", bpy.context.scene)
    bones = saved(folder / "bones.blend")
    (folder / "text.blend").write_bytes(b"This is no file of Blender's.")
    (folder / "short.blend").write_bytes(rock.read_bytes()[:300])
    (folder / "empty.blend").write_bytes(b"")
    before = blocks()
    for path, code in (
        (folder / "absent.blend", "rig_missing"),
        (folder, "rig_missing"),
        (folder / "text.blend", "rig_unreadable"),
        (folder / "short.blend", "rig_unreadable"),
        (folder / "empty.blend", "rig_unreadable"),
        (rock, "no_armature"),
        (bones, "no_armature"),
    ):
        with pytest.raises(CaptureError) as caught:
            append_character(path, bpy.context.scene)
        assert caught.value.code == code
        assert path.name in caught.value.message
        assert blocks() == before
        assert not bpy.data.libraries
