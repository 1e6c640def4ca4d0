# SPDX-License-Identifier: MIT
from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests.fake_backend import small_take, walking_person
from vibe_blender.contract.take import Person
from vibe_blender.motion.root import anchor_at, camera_with, on_line, path_with, rerooted, split
from vibe_blender.motion.settings import Anchor, Root

FRAMES = np.r_[0:30, 36:60]
TIMES = FRAMES / 25 + 0.01 * np.sin(FRAMES)


@pytest.fixture
def person() -> Person:
    return replace(walking_person(FRAMES), root=walking_person(FRAMES).root + 0.02 * np.sin(FRAMES / 3.0)[:, None])


def test_full_is_the_very_same(person: Person) -> None:
    found = rerooted(person, TIMES, Root())
    assert np.array_equal(found.root, person.root)
    assert np.array_equal(found.rotations, person.rotations)
    assert np.array_equal(found.rest_joints, person.rest_joints)


def test_in_place_keeps_the_height_only(person: Person) -> None:
    found = rerooted(person, TIMES, Root(mode="in_place"))
    assert np.array_equal(found.root[:, :2], np.tile(person.root[0, :2], (len(FRAMES), 1)))
    assert np.array_equal(found.root[:, 2], person.root[:, 2])


def test_a_locked_height_is_the_mean(person: Person) -> None:
    found = rerooted(person, TIMES, Root(lock_height=True))
    assert np.allclose(found.root[:, 2], person.root[:, 2].mean())
    assert np.array_equal(found.root[:, :2], person.root[:, :2])


def test_the_line_is_straight_never_goes_back_and_is_near(person: Person) -> None:
    found = rerooted(person, TIMES, Root(mode="line")).root
    direction = (found[-1] - found[0])[:2] / np.linalg.norm((found[-1] - found[0])[:2])
    along = found[:, :2] @ direction
    assert np.diff(along).min() >= -1e-12
    assert np.abs((found[:, :2] - found[0, :2]) @ [-direction[1], direction[0]]).max() < 1e-9
    assert direction @ (person.root[-1] - person.root[0])[:2] > 0
    assert np.array_equal(found[:, 2], person.root[:, 2])


def test_of_all_ways_that_never_go_back_the_line_s_is_nearest() -> None:
    along = np.array([0.0, 1.0, 3.0, 2.0, 1.6, 4.0, 5.0])
    found = on_line(along[:, None] * [0.6, -0.8])
    assert np.allclose(found @ [0.6, -0.8], [0.0, 1.0, 2.3, 2.3, 2.3, 4.0, 5.0])


def test_who_goes_nowhere_can_be_put_on_a_line() -> None:
    assert np.allclose(on_line(np.tile([1.0, 2.0], (5, 1))), [1.0, 2.0])
    assert np.allclose(on_line(np.array([[1.0, 2.0]])), [1.0, 2.0])


def test_the_two_parts_of_a_path_are_the_path(person: Person) -> None:
    parts = split(rerooted(person, TIMES, Root(mode="ground")))
    assert np.array_equal(parts.ground + parts.pelvis, person.root)
    assert np.array_equal(parts.ground[:, 2], np.zeros(len(FRAMES)))
    assert np.array_equal(parts.pelvis[:, :2], np.zeros((len(FRAMES), 2)))


@pytest.mark.parametrize("root", [Root(heading_rad=1.1), Root(scale=1.7), Root(heading_rad=-2.0, scale=0.01)])
def test_everybody_is_turned_and_scaled_with_the_camera(person: Person, root: Root) -> None:
    other = walking_person(FRAMES, 2)
    camera = camera_with(small_take().camera, root)
    for one in (person, other):
        found = rerooted(one, TIMES, root)
        before = small_take().camera.to_camera(one.joints())
        assert np.allclose(camera.to_camera(found.joints()), before * root.scale)
        assert np.abs(camera.project(found.joints()) - small_take().camera.project(one.joints())).max() < 1e-6
    apart = rerooted(other, TIMES, root).root - rerooted(person, TIMES, root).root
    assert np.allclose(np.linalg.norm(apart, axis=1), root.scale * np.linalg.norm(other.root - person.root, axis=1))
    turn = camera.from_world[:3, :3]
    assert np.allclose(turn @ turn.T, np.eye(3))
    moved = path_with(np.linalg.inv(small_take().camera.from_world)[None], root)
    assert np.allclose(np.linalg.inv(moved[0]), camera.from_world)


def test_a_quarter_turn_to_the_left() -> None:
    root = Root(heading_rad=np.pi / 2)
    walker = replace(walking_person(FRAMES), root=np.tile([2.0, 0.0, 1.0], (len(FRAMES), 1)))
    assert np.allclose(rerooted(walker, TIMES, root).root, [0.0, 2.0, 1.0])


def test_anchors_are_met_and_nothing_jumps(person: Person) -> None:
    anchors = (Anchor(50, (2.0, 1.0, 0.9)), Anchor(10, (0.0, 0.5, 1.0)), Anchor(20, (0.2, 0.4, 0.8)))
    found = rerooted(person, TIMES, Root(anchors={1: anchors, 2: (Anchor(0, (9.0, 9.0, 9.0)),)})).root
    for anchor in anchors:
        assert np.allclose(found[anchor.frame == FRAMES], anchor.place)
    added = found - person.root
    assert np.allclose(added[:11], added[0])
    assert np.allclose(added[FRAMES >= 50], added[-1])
    between = (FRAMES >= 20) & (FRAMES <= 50)
    speed = np.diff(added[between], axis=0) / np.diff(TIMES[between])[:, None]
    assert np.allclose(speed, speed[0])


def test_one_anchor_moves_the_whole_path(person: Person) -> None:
    found = rerooted(person, TIMES, Root(anchors={1: (Anchor(5, (1.0, 2.0, 3.0)),)})).root
    assert np.allclose(found - person.root, [1.0, 2.0, 3.0] - person.root[5])


def test_an_anchor_in_a_gap_counts_between_its_neighbours(person: Person) -> None:
    here = (person.root[29] + person.root[30]) / 2
    found = rerooted(person, TIMES, Root(anchors={1: (Anchor(33, tuple(here + 0.5)),)})).root
    share = (TIMES[29] + (TIMES[30] - TIMES[29]) * 4 / 7 - TIMES[29]) / (TIMES[30] - TIMES[29])
    there = person.root[29] + share * (person.root[30] - person.root[29])
    assert np.allclose(found - person.root, here + 0.5 - there)


def test_an_anchor_holds_where_it_was_set_when_all_is_turned(person: Person) -> None:
    root = Root(heading_rad=0.7, scale=1.3)
    anchor = anchor_at(12, np.array([0.4, -0.3, 1.2]), root)
    found = rerooted(person, TIMES, replace(root, anchors={1: (anchor,)})).root
    assert np.allclose(found[12], [0.4, -0.3, 1.2])
