# SPDX-License-Identifier: MIT
# ruff: noqa: E402 (what follows needs bpy)
import math
from dataclasses import fields

import pytest

bpy = pytest.importorskip("bpy")

from tests.characters import character
from tests.characters_blender import add_character
from vibe_blender.character_maps import is_changeable
from vibe_blender.motion.retargeting.bone_map import MOST_BONES
from vibe_blender.motion.retargeting.settings import RANGES, Retarget
from vibe_blender.retarget_properties import ANGLES, SLOTS

pytestmark = pytest.mark.usefixtures("panel")


@pytest.fixture
def hero():
    armature = add_character(character("Mixamo"), bpy.context.scene.collection)
    bpy.context.view_layer.update()
    bpy.context.scene.vibe_retargeting.target = armature
    return armature


def test_every_setting_has_a_property_with_its_default(hero) -> None:
    group = hero.vibe_retarget
    assert group.settings() == Retarget()
    for field in fields(Retarget):
        prop = group.bl_rna.properties[ANGLES.get(field.name, field.name)]
        assert prop.description, field.name
        assert not prop.is_animatable
    assert len(SLOTS) == MOST_BONES


@pytest.mark.parametrize("name", sorted(RANGES))
def test_both_ends_of_every_range_can_be_set(hero, name) -> None:
    for value in RANGES[name]:
        shown = math.radians(value) if name in ANGLES else value
        setattr(hero.vibe_retarget, ANGLES.get(name, name), shown)
        assert getattr(hero.vibe_retarget.settings(), name) == pytest.approx(value)


def test_numbers_come_back_as_they_were_typed(hero) -> None:
    hero.vibe_retarget.path_scale, hero.vibe_retarget.heading_rad = 1.12, math.radians(12.5)
    assert hero.vibe_retarget.settings().path_scale == 1.12
    assert hero.vibe_retarget.settings().heading_deg == 12.5


def test_a_linked_character_is_changed_as_an_override_and_keeps_it(hero, tmp_path) -> None:
    library, path = tmp_path / "library é.blend", tmp_path / "shot.blend"
    hero.name = "Hero"
    hero.vibe_retarget.feet = 0.25
    bpy.ops.wm.save_as_mainfile(filepath=str(library))
    bpy.ops.wm.read_homefile(use_empty=True)
    with bpy.data.libraries.load(str(library), link=True) as (_, wanted):
        wanted.objects = ["Hero"]
    linked = wanted.objects[0]
    bpy.context.scene.collection.objects.link(linked)
    bpy.context.scene.vibe_retargeting.target = linked
    assert not is_changeable(linked)
    assert not bpy.ops.vibe.detect_bones.poll()
    made = linked.override_hierarchy_create(bpy.context.scene, bpy.context.view_layer, do_fully_editable=True)
    bpy.context.scene.vibe_retargeting.target = made
    assert is_changeable(made)
    assert made.vibe_retarget.feet == 0.25
    made.vibe_retarget.feet = 0.5
    bpy.context.scene.vibe_retargeting.parts["head"].bone = "mixamorig:Neck"
    bpy.ops.wm.save_as_mainfile(filepath=str(path))
    bpy.ops.wm.open_mainfile(filepath=str(path))
    made = bpy.context.scene.vibe_retargeting.target
    assert made.override_library is not None
    assert made.vibe_retarget.feet == 0.5
    assert made.vibe_retarget.bone_map().bones("head") == ("mixamorig:Neck",)
    assert bpy.context.scene.vibe_retargeting.parts["head"].bone == "mixamorig:Neck"
