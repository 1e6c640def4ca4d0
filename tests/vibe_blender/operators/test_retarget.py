# SPDX-License-Identifier: MIT
# ruff: noqa: E402 (what follows needs bpy)
import re

import numpy as np
import pytest

bpy = pytest.importorskip("bpy")

import itertools

from tests.characters import character
from tests.characters_blender import add_character
from tests.fake_backend import small_take
from vibe_blender import live_retarget, retarget_baking
from vibe_blender.contract.take_file import save_take
from vibe_blender.motion.retargeting.bone_map import PARTS
from vibe_blender.operators.characters import no_pair
from vibe_blender.scene.animation import assigned_curves
from vibe_blender.scene.retargeting.leader import is_bound
from vibe_blender.scene.takes import people

pytestmark = pytest.mark.usefixtures("panel")
COUNT = 30


@pytest.fixture
def opened(video, tmp_path):
    """A take of one person over 30 frames."""
    bpy.context.scene.render.fps = 25
    path = save_take(small_take(str(video), count=COUNT), tmp_path / "one.take")
    bpy.ops.vibe.open_take(filepath=str(path))
    return bpy.context.scene.vibe.active_take


@pytest.fixture
def hero():
    return add_hero()


def add_hero(rig: str = "Mixamo", name: str = "Hero"):
    armature = add_character(character(rig), bpy.context.scene.collection)
    armature.name = name
    bpy.context.view_layer.update()
    return armature


def choose(target) -> None:
    bpy.context.scene.vibe_retargeting.target = target


def shown(target, bone: str) -> np.ndarray:
    """The bone's matrix as it is drawn."""
    bpy.context.view_layer.update()
    return np.array(target.evaluated_get(bpy.context.evaluated_depsgraph_get()).pose.bones[bone].matrix)


def hips(target) -> str:
    return target.vibe_retarget.bone_map().bones("pelvis")[0]


def test_the_selected_character_becomes_the_target_and_is_recognised(opened, hero) -> None:
    bpy.context.view_layer.objects.active = hero
    assert bpy.ops.vibe.use_as_target() == {"FINISHED"}
    choice = bpy.context.scene.vibe_retargeting
    assert choice.target == hero
    assert [row.name for row in choice.parts] == list(PARTS)
    assert hero.vibe_retarget.bone_map() == character("Mixamo").true_map
    assert no_pair(bpy.context) == ""


def test_the_mesh_of_a_character_will_do(hero) -> None:
    mesh = bpy.data.objects.new("Skin", bpy.data.meshes.new("Skin"))
    bpy.context.scene.collection.objects.link(mesh)
    mesh.modifiers.new("Armature", "ARMATURE").object = hero
    bpy.context.view_layer.objects.active = mesh
    bpy.ops.vibe.use_as_target()
    assert bpy.context.scene.vibe_retargeting.target == hero


def test_a_captured_person_is_no_target(opened) -> None:
    bpy.context.view_layer.objects.active = people(opened)[0][0]
    assert not bpy.ops.vibe.use_as_target.poll()


def test_baking_gives_the_character_an_action_and_keeps_the_one_before(opened, hero) -> None:
    before = bpy.data.actions.new("Idle")
    hero.animation_data_create().action = before
    choose(hero)
    assert bpy.ops.vibe.retarget() == {"FINISHED"}
    action = hero.animation_data.action
    assert action != before
    assert "Idle" in bpy.data.actions
    assert bpy.data.actions["Idle"].use_fake_user
    assert len(assigned_curves(hero)) > 60
    told = retarget_baking.told()
    assert told.kind == "done"
    assert f"{COUNT} frames" in told.text
    assert action.name in told.text
    assert any("Idle" in note for note in told.notes)
    bpy.ops.vibe.dismiss_retarget()
    assert retarget_baking.told() is None


def test_bind_follows_clean_up_settings_and_bones_and_unbind_puts_back(opened, hero) -> None:
    choose(hero)
    before = {bone.name: tuple(map(tuple, bone.matrix_basis)) for bone in hero.pose.bones}
    assert bpy.ops.vibe.bind_target() == {"FINISHED"}
    assert is_bound(hero)
    bpy.context.scene.frame_set(10)
    poses = [shown(hero, hips(hero))]
    opened.vibe_cleanup.root_heading_rad = 1.0
    poses.append(shown(hero, hips(hero)))
    hero.vibe_retarget.heading_rad = 1.0
    poses.append(shown(hero, hips(hero)))
    hero.vibe_retarget.path_scale = 0.2
    poses.append(shown(hero, hips(hero)))
    for one, other in itertools.pairwise(poses):
        assert np.abs(one - other).max() > 1e-3
    arm = hero.vibe_retarget.bone_map().bones("left_elbow")[0]
    raised = shown(hero, arm)
    bpy.ops.vibe.clear_part(part="left_wrist")
    assert live_retarget.problem(hero) is None
    assert np.abs(shown(hero, arm) - raised).max() < 1e-3
    assert bpy.ops.vibe.unbind_target() == {"FINISHED"}
    assert not is_bound(hero)
    assert hero.vibe_retarget.followed is None
    assert {bone.name: tuple(map(tuple, bone.matrix_basis)) for bone in hero.pose.bones} == before
    assert not any(bone.constraints for bone in hero.pose.bones)


def test_what_keeps_the_link_from_following_is_told_and_mended(opened, hero) -> None:
    choose(hero)
    bpy.ops.vibe.bind_target()
    bpy.ops.vibe.clear_part(part="left_knee")
    assert live_retarget.problem(hero).code == "part_missing"
    with pytest.raises(RuntimeError, match="left shin"):
        bpy.ops.vibe.update_link()
    bpy.ops.vibe.detect_bones()
    assert live_retarget.problem(hero) is None
    assert bpy.ops.vibe.update_link() == {"FINISHED"}


def test_a_bound_character_is_baked_and_let_go(opened, hero) -> None:
    choose(hero)
    bpy.ops.vibe.bind_target()
    bpy.context.scene.frame_set(12)
    led = shown(hero, hips(hero))
    bpy.ops.vibe.retarget()
    assert not is_bound(hero)
    np.testing.assert_allclose(shown(hero, hips(hero)), led, atol=1e-3)


def test_a_bound_character_whose_bake_is_cancelled_follows_on(opened) -> None:
    hero = add_hero("Auto-Rig Pro")
    hero.pose.bones[0].constraints.new("LIMIT_SCALE")
    choose(hero)
    bpy.ops.vibe.bind_target()
    source = people(opened)[0][0]
    retarget_baking.start((retarget_baking.Work.of(source, hero),))
    for _ in range(3):
        retarget_baking.pump(0.0)
    assert not bpy.ops.vibe.retarget.poll()
    bpy.ops.vibe.cancel_retarget()
    retarget_baking.pump(0.0)
    assert retarget_baking.current() is None
    assert retarget_baking.told().kind == "cancelled"
    assert is_bound(hero)
    assert hero.animation_data is None or hero.animation_data.action is None


def test_every_person_of_every_take_goes_to_every_character(opened, hero, video, tmp_path) -> None:
    path = save_take(small_take(str(video), count=12), tmp_path / "two.take")
    bpy.ops.vibe.open_take(filepath=str(path))
    unreal = add_hero("Unreal 5", "Robot")
    for thing in bpy.context.view_layer.objects:
        thing.select_set(thing in (hero, unreal))
    assert bpy.ops.vibe.retarget_batch() == {"FINISHED"}
    persons = [armature.name for name in ("one", "two") for armature, _ in people(bpy.data.collections[name])]
    assert len(persons) == 2
    for target in (hero, unreal):
        made = [action for action in bpy.data.actions if action.name.startswith(target.name)]
        assert len(made) == 2
        assert all(action.use_fake_user for action in made)
        assert target.animation_data.action in made
    assert "4 of 4" in retarget_baking.told().text


def test_a_batch_may_leave_out_takes_and_goes_on_after_a_failure(opened, hero) -> None:
    other = add_hero("VRoid", "Robot")
    for thing in bpy.context.view_layer.objects:
        thing.select_set(thing in (hero, other))
    choose(other)
    other.scale = (1.0, 2.0, 1.0)
    bpy.context.view_layer.update()
    bpy.ops.vibe.retarget_batch(
        takes=[{"name": opened.name, "chosen": True}],
        targets=[{"name": "Hero", "chosen": True}, {"name": "Robot", "chosen": True}],
    )
    told = retarget_baking.told()
    assert "1 of 2" in told.text
    assert any("not scaled evenly" in note for note in told.notes)
    with pytest.raises(RuntimeError, match="No take or no character"):
        bpy.ops.vibe.retarget_batch(
            takes=[{"name": opened.name, "chosen": False}], targets=[{"name": "Hero", "chosen": True}]
        )


def test_buttons_say_what_is_in_the_way(hero) -> None:
    scene = bpy.context.scene
    assert no_pair(bpy.context) == "Choose the character first"
    choose(hero)
    assert no_pair(bpy.context) == "Capture a video or open a take first"
    hero.vibe_retarget.source_from = "other"
    assert no_pair(bpy.context) == "Choose the armature whose motion is taken over"
    hero.vibe_retarget.source = other = add_hero("Unreal 5", "Robot")
    assert no_pair(bpy.context) == ""
    with pytest.raises(RuntimeError, match="has no animation"):
        bpy.ops.vibe.retarget()
    bpy.ops.vibe.clear_part(part="pelvis")
    assert re.match("Choose the bones of: hips", no_pair(bpy.context))
    scene.collection.objects.unlink(hero)
    assert no_pair(bpy.context) == "Choose the character first"
    assert other.name in scene.objects


def test_another_armature_may_be_the_source(opened, hero) -> None:
    choose(hero)
    bpy.ops.vibe.retarget()
    robot = add_hero("Unreal 5", "Robot")
    choose(robot)
    robot.vibe_retarget.source_from, robot.vibe_retarget.source = "other", hero
    bpy.ops.vibe.retarget()
    assert "Hero → Robot" in retarget_baking.told().text
    assert robot.animation_data.action is not None


def test_the_bake_is_undone_in_one_step(opened, hero) -> None:
    choose(hero)
    bpy.ops.ed.undo_push(message="before")
    bpy.ops.vibe.retarget()
    made = hero.animation_data.action.name
    bpy.ops.ed.undo_push(message="Retarget")
    bpy.ops.ed.undo()
    assert made not in bpy.data.actions
    bpy.ops.ed.redo()
    assert bpy.data.objects["Hero"].animation_data.action.name == made
