# SPDX-License-Identifier: MIT
# ruff: noqa: E402 (what follows needs bpy)
from dataclasses import replace

import numpy as np
import pytest

bpy = pytest.importorskip("bpy")

from tests.fake_backend import FPS, small_take, walking_person
from vibe_blender.scene.assembly import assemble
from vibe_blender.scene.camera import set_frame_rate
from vibe_blender.scene.confidence import clear_marks, confidence_curve, mark_doubtful, read_confidence
from vibe_blender.scene.takes import remove_take


def doubting(person, *stretches: tuple[int, int]):
    confidence = np.full(len(person.frames), 0.9)
    for first, last in stretches:
        confidence[(person.frames >= first) & (person.frames <= last)] = 0.2
    return replace(person, confidence=confidence)


@pytest.fixture
def walk(scene, boxes):
    set_frame_rate(scene, FPS)
    frames = np.array([n for n in range(60) if not 30 <= n < 40])
    people = (
        doubting(walking_person(np.arange(60), 1), (5, 9), (20, 31)),
        doubting(walking_person(frames, 2), (50, 59)),
    )
    take = replace(small_take("gone.mp4", count=60), people=people)
    return assemble(take, scene, "walk", start=1, model=boxes)


def marks(scene) -> list[tuple[str, int]]:
    return sorted((marker.name, marker.frame) for marker in scene.timeline_markers)


def test_doubtful_stretches_become_markers_and_go_again(scene, walk) -> None:
    scene.timeline_markers.new("mine", frame=6)
    assert [mark_doubtful(scene, actor.armature, 0.5) for actor in walk.actors] == [2, 1]
    assert marks(scene) == [
        ("? person 1 (21–32)", 21), ("? person 1 (6–10)", 6), ("? person 2 (51–60)", 51), ("mine", 6),
    ]  # fmt: skip
    clear_marks(scene, walk.collection)
    assert marks(scene) == [("mine", 6)]
    assert [mark_doubtful(scene, actor.armature, 0.1) for actor in walk.actors] == [0, 0]
    assert marks(scene) == [("mine", 6)]


def test_marks_go_with_their_take_only(scene, walk, boxes) -> None:
    take = replace(small_take("gone.mp4"), people=(doubting(walking_person(np.arange(12)), (3, 4)),))
    other = assemble(take, scene, "run", start=1, model=boxes)
    other.actors[0].armature.name = "Bob"
    for actor in (*walk.actors, *other.actors):
        mark_doubtful(scene, actor.armature, 0.5)
    remove_take(walk.collection)
    assert marks(scene) == [("? Bob (4–5)", 4)]


def test_confidence_is_read_back_with_its_gaps(walk) -> None:
    known = read_confidence(walk.actors[1].armature)
    assert known.frames.tolist() == [n + 1 for n in range(60) if not 30 <= n < 40]
    assert known.values[[0, -1]] == pytest.approx([0.9, 0.2])
    assert known.frames[known.held].tolist() == [30]


def test_the_confidence_curve_has_a_colour_of_its_own(walk) -> None:
    curve = confidence_curve(walk.actors[0].armature)
    assert curve.color_mode == "CUSTOM"
    assert tuple(curve.color) == pytest.approx((0.95, 0.75, 0.1))


def test_an_armature_whose_action_the_user_changed_has_no_marks(scene, walk) -> None:
    armature = walk.actors[0].armature
    animation = armature.animation_data
    own = animation.action
    animation.action = bpy.data.actions.new("of the user's")
    assert mark_doubtful(scene, armature, 0.5) == 0
    animation.action = None
    assert read_confidence(armature) is None
    armature.animation_data_clear()
    assert mark_doubtful(scene, armature, 0.5) == 0
    assert marks(scene) == []
    assert own.users == own.use_fake_user


@pytest.mark.parametrize("name", ["x" * 63, "走" * 21])
def test_a_mark_keeps_its_range_whatever_the_name(scene, walk, name) -> None:
    walk.actors[1].armature.name = name
    assert mark_doubtful(scene, walk.actors[1].armature, 0.5) == 1
    ((mark, frame),) = marks(scene)
    assert (mark[-8:], frame) == (" (51–60)", 51)
    clear_marks(scene, walk.collection)
    assert marks(scene) == []
