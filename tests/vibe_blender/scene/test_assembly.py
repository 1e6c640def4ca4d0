# SPDX-License-Identifier: MIT
# ruff: noqa: E402 (what follows needs bpy)
from dataclasses import replace

import numpy as np
import pytest

bpy = pytest.importorskip("bpy")

from tests.fake_backend import small_take, walking_person
from tests.vibe_blender.conftest import blocks
from vibe_blender.scene.assembly import assemble, assembling
from vibe_blender.scene.removal import remove_unfinished
from vibe_blender.scene.steps import run_through
from vibe_blender.scene.takes import remove_take


@pytest.fixture
def take(movie):
    people = (walking_person(np.arange(12), 1), walking_person(np.arange(3, 9), 2))
    return replace(small_take(movie), people=people)


def shown(scene) -> set[str]:
    return {thing.name for thing in scene.objects} | {child.name for child in scene.collection.children_recursive}


def test_nothing_is_in_the_scene_before_the_last_step(scene, boxes, take) -> None:
    steps = assembling(take, scene, "walk", start=1, model=boxes)
    seen = [shown(scene) for _ in steps]
    assert len(seen) > 200
    assert set().union(*seen) == set()
    assert shown(scene) == {
        "walk", "walk camera", "walk person 1", "walk person 1 body", "walk person 2", "walk person 2 body",
    }  # fmt: skip
    assert [found.name for found in bpy.data.scenes] == [scene.name]


def test_closed_at_any_step_it_leaves_nothing(scene, boxes, take) -> None:
    before = blocks()
    count = sum(1 for _ in assembling(take, scene, "walk", start=1, model=boxes))
    remove_take(bpy.data.collections["walk"])
    assert blocks() == before
    for stop in [*range(1, count, 13), count]:
        steps = assembling(take, scene, "walk", start=1, model=boxes)
        for _ in range(stop):
            next(steps)
        assert blocks() != before
        steps.close()
        assert blocks() == before, stop


def test_what_comes_back_half_built_is_known(scene, boxes, take) -> None:
    before = blocks()
    steps = assembling(take, scene, "walk", start=1, model=boxes)
    for _ in range(30):
        next(steps)
    remove_unfinished()
    assert blocks() == before
    with pytest.raises(ReferenceError):  # as undo would have left it
        steps.close()
    run_through(assembling(take, scene, "walk", start=1, model=boxes))
    there = blocks()
    remove_unfinished()
    assert blocks() == there


def test_the_mannequin_is_loaded_beside_blender(scene) -> None:
    take = small_take("gone.mp4")
    from vibe_blender.scene.body import load_body_model

    load_body_model.cache_clear()
    body = assemble(take, scene, "walk", start=1).actors[0].body
    assert len(body.data.vertices) == len(load_body_model().vertices)


def test_somebody_who_was_never_seen_is_left_out(scene, boxes, take) -> None:
    nobody = walking_person(np.arange(0), 3)
    assembly = assemble(replace(take, people=(*take.people, nobody)), scene, "walk", start=1, model=boxes)
    assert [actor.person for actor in assembly.actors] == [1, 2]


@pytest.mark.parametrize("mode", ["EDIT", "SCULPT", "POSE", "WEIGHT_PAINT"])
def test_the_users_mode_selection_and_frame_stay(scene, boxes, take, mode) -> None:
    mesh = bpy.data.meshes.new("cube")
    mesh.from_pydata([(0, 0, 0), (1, 0, 0), (0, 1, 0)], [], [(0, 1, 2)])
    thing = bpy.data.objects.new("mine", bpy.data.armatures.new("mine") if mode == "POSE" else mesh)
    scene.collection.objects.link(thing)
    view_layer = bpy.context.view_layer
    view_layer.objects.active = thing
    thing.select_set(True)
    bpy.ops.object.mode_set(mode=mode)
    scene.frame_set(33)
    for _ in assembling(take, scene, "walk", start=1, model=boxes):
        assert (thing.mode, view_layer.objects.active) == (mode, thing)
    assert (thing.mode, view_layer.objects.active, scene.frame_current) == (mode, thing, 33)
    assert [found.name for found in bpy.context.selected_objects] == ["mine"]


def test_stepwise_is_the_same_as_at_once(scene, boxes, take) -> None:
    first = assemble(take, scene, "walk", start=1, model=boxes)
    second = run_through(assembling(take, scene, "walk", start=1, model=boxes))
    scene.frame_set(5)
    for one, two in zip(first.actors, second.actors, strict=True):
        for name in ("armature", "body"):
            a, b = getattr(one, name), getattr(two, name)
            assert a.animation_data.drivers.keys() == b.animation_data.drivers.keys()
        assert [bone.matrix for bone in one.armature.pose.bones] == [bone.matrix for bone in two.armature.pose.bones]
        assert two.armature.name == f"walk.001 person {two.person}"
