# SPDX-License-Identifier: MIT
# ruff: noqa: E402 (what follows needs bpy)
from dataclasses import replace

import numpy as np
import pytest

bpy = pytest.importorskip("bpy")

from tests.fake_backend import FPS, small_take, walking_person
from vibe_blender.contract.skeleton import JOINT_NAMES
from vibe_blender.scene.animation import fit_armature, size_of
from vibe_blender.scene.assembly import assemble
from vibe_blender.scene.camera import set_frame_rate


def curves_of(action) -> list:
    if hasattr(action, "layers"):
        (layer,) = action.layers
        (strip,) = layer.strips
        (bag,) = strip.channelbags
        return list(bag.fcurves)
    return list(action.fcurves)


def posed_heads(scene, armature, frame: float) -> np.ndarray:
    scene.frame_set(int(np.floor(frame)), subframe=frame % 1.0)
    pose = armature.evaluated_get(bpy.context.evaluated_depsgraph_get()).pose
    return np.array([armature.matrix_world @ pose.bones[name].head for name in JOINT_NAMES])


def test_posed_bones_stand_where_the_take_says(scene, boxes) -> None:
    take = small_take(count=40)
    set_frame_rate(scene, FPS)
    armature = assemble(take, scene, "walk", start=1, model=boxes).actors[0].armature
    joints = take.people[0].joints()
    heads = np.stack([posed_heads(scene, armature, 1 + n) for n in range(40)])
    assert np.abs(heads - joints).max() < 1e-5
    assert np.array_equal(np.array(armature.matrix_world), np.eye(4))


def test_another_scene_rate_gives_fractional_keys_at_the_same_times(scene, boxes) -> None:
    take = small_take(count=25)
    before = (scene.render.fps, scene.render.fps_base, scene.frame_end, scene.camera)
    actor = assemble(take, scene, "walk", start=10, model=boxes).actors[0]
    assert (scene.render.fps, scene.render.fps_base, scene.frame_end, scene.camera) == before
    joints = take.people[0].joints()
    for n in (0, 1, 12, 24):
        assert np.abs(posed_heads(scene, actor.armature, 10 + n * 24 / FPS) - joints[n]).max() < 1e-4


def test_one_action_with_every_channel_in_bone_groups(scene, boxes) -> None:
    actor = assemble(small_take(), scene, "walk", start=1, model=boxes).actors[0]
    curves = curves_of(actor.action)
    assert len(curves) == 24 * 4 + 3 + 2
    assert {curve.group.name for curve in curves} == {*JOINT_NAMES, "Capture"}
    assert actor.armature.animation_data.action == actor.action
    assert all(len(curve.keyframe_points) == 12 for curve in curves if "rotation" in curve.data_path)
    assert {point.interpolation for point in curves[0].keyframe_points} == {"LINEAR"}


def test_quaternion_curves_never_jump_to_the_antipode(scene, boxes) -> None:
    take = small_take(count=60)
    flipped = take.people[0].rotations * np.where(np.arange(60) % 2, -1.0, 1.0)[:, None, None]
    take = replace(take, people=(replace(take.people[0], rotations=flipped),))
    action = assemble(take, scene, "walk", start=1, model=boxes).actors[0].action
    for curve in curves_of(action):
        if "rotation" in curve.data_path:
            assert np.abs(np.diff([point.co[1] for point in curve.keyframe_points])).max() < 0.5


def test_a_gap_holds_the_pose_and_hides_the_body(scene, boxes) -> None:
    take = small_take(count=12)
    seen = np.array([2, 3, 4, 8, 9])
    take = replace(take, people=(walking_person(seen),))
    set_frame_rate(scene, FPS)
    actor = assemble(take, scene, "walk", start=1, model=boxes).actors[0]
    last = take.people[0].joints()[2]
    hidden = []
    for n in range(12):
        heads = posed_heads(scene, actor.armature, 1 + n)
        if n in (5, 6, 7):
            assert np.abs(heads - last).max() < 1e-5
        body = actor.body.evaluated_get(bpy.context.evaluated_depsgraph_get())
        assert body.hide_render == body.hide_viewport
        hidden.append(n if body.hide_render else None)
    assert [n for n in hidden if n is not None] == [0, 1, 5, 6, 7, 10, 11]


def test_confidence_is_a_curve_on_the_armature(scene, boxes) -> None:
    set_frame_rate(scene, FPS)
    armature = assemble(small_take(), scene, "walk", start=1, model=boxes).actors[0].armature
    values = []
    for n in (1, 12):
        scene.frame_set(n)
        values.append(armature["confidence"])
    assert values == pytest.approx([0.5, 1.0])


def test_two_people_have_an_action_each(scene, boxes) -> None:
    take = small_take()
    take = replace(take, people=(walking_person(np.arange(12), 1), walking_person(np.arange(12), 2)))
    set_frame_rate(scene, FPS)
    actors = assemble(take, scene, "walk", start=1, model=boxes).actors
    assert actors[0].action != actors[1].action
    for actor, person in zip(actors, take.people, strict=True):
        assert np.abs(posed_heads(scene, actor.armature, 5) - person.joints()[4]).max() < 1e-5


@pytest.mark.parametrize("own", [(1.0, 1.0, 1.0), (1.3, 0.9, 0.37)])
def test_a_scale_that_comes_back_is_the_same_to_the_last_bit(scene, boxes, own) -> None:
    take = small_take()
    person = take.people[0]
    armature = assemble(take, scene, "walk", start=1, model=boxes).actors[0].armature
    armature.scale = own
    seen = {1.0: tuple(armature.scale)}
    for size in (1.1, 0.7, 1.0, 3.3, 1.1, 0.123, 0.7, 1.0):
        fit_armature(armature, replace(person, rest_joints=size * person.rest_joints), moves=False)
        assert size_of(armature) == pytest.approx(size)
        assert tuple(armature.scale) == pytest.approx([size * value for value in own], rel=1e-6)
        assert seen.setdefault(size, tuple(armature.scale)) == tuple(armature.scale)


def test_what_the_user_scales_in_between_stays(scene, boxes) -> None:
    take = small_take()
    person = take.people[0]
    armature = assemble(take, scene, "walk", start=1, model=boxes).actors[0].armature
    fit_armature(armature, replace(person, rest_joints=1.1 * person.rest_joints), moves=False)
    armature.scale = (2.2, 1.1, 1.1)
    for size in (0.7, 1.0):
        fit_armature(armature, replace(person, rest_joints=size * person.rest_joints), moves=False)
        assert tuple(armature.scale) == pytest.approx((2 * size, size, size), rel=1e-6)
