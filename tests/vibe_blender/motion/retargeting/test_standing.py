# SPDX-License-Identifier: MIT
"""Feet stand where a made walk puts them down, on rigs of any size and axes."""

from dataclasses import replace

import numpy as np
import pytest

from tests.characters import CHARACTERS, Character, character
from tests.smpl_rig import SMPL_MAP, smpl_motion, smpl_rig
from tests.stick_figures import played
from tests.walker import walker
from vibe_blender.contract.quaternions import rotate
from vibe_blender.motion.retargeting.figure import figure_of
from vibe_blender.motion.retargeting.rig import RigMotion
from vibe_blender.motion.retargeting.settings import Retarget
from vibe_blender.motion.retargeting.solving import solve
from vibe_blender.motion.retargeting.standing import found_stands

FPS = 30.0
FOOTED = [one for one in CHARACTERS if one.true_map.bones("left_ankle")]


def walking(one: Character, fps: float = FPS, **settings: object) -> tuple[RigMotion, np.ndarray]:
    """The character walks, and when its feet are down (T, 2)."""
    person, _, stands = walker(int(3 * fps), fps)
    found = solve(
        smpl_rig(), SMPL_MAP, smpl_motion(person), one.rig, one.true_map, Retarget(**settings),
        stands=np.stack([stands, stands], axis=2), fps=fps,
    )  # fmt: skip
    return played(one.rig, found), stands


def share_found(found: np.ndarray, wanted: np.ndarray) -> tuple[float, float]:
    """How much of the time in which feet are down is found, and how much of what is found is right."""
    foot = found.any(axis=2)
    return float((foot & wanted).sum() / wanted.sum()), float((foot & wanted).sum() / foot.sum())


@pytest.mark.parametrize("one", FOOTED, ids=str)
def test_a_walk_stands_where_it_was_made_to(one: Character) -> None:
    motion, wanted = walking(one)
    found = found_stands(one.rig, one.true_map, motion, FPS)
    assert found.shape == (90, 2, 2)
    recall, precision = share_found(found, wanted)
    assert recall > 0.85
    assert precision > 0.9


@pytest.mark.parametrize("fps", [24.0, 60.0])
def test_the_frame_rate_does_not_matter(fps: float) -> None:
    one = character("Mixamo")
    motion, wanted = walking(one, fps)
    recall, precision = share_found(found_stands(one.rig, one.true_map, motion, fps), wanted)
    assert recall > 0.85
    assert precision > 0.9


def test_in_place_too_where_the_floor_slides_below() -> None:
    one = character("Mixamo")
    motion, wanted = walking(one, root="in_place")
    found = found_stands(one.rig, one.true_map, motion, FPS)
    assert min(share_found(found, wanted)) > 0.9


def test_where_no_sole_is_at_the_floor_nothing_stands() -> None:
    one = character("Mixamo")
    motion, _ = walking(one)
    figure = figure_of(one.rig, one.true_map)
    up = rotate(figure.frame, np.array([0.0, 0.0, 0.3 * figure.leg]))
    assert found_stands(one.rig, one.true_map, replace(motion, heads=motion.heads + up), FPS) is None


def test_who_flies_does_not_stand() -> None:
    one = character("Mixamo")
    motion, _ = walking(one)
    figure = figure_of(one.rig, one.true_map)
    way = rotate(figure.frame, np.array([0.0, -0.1 * figure.leg, 0.0])) * np.arange(90)[:, None, None]
    still = RigMotion(motion.frames, one.rig.heads + way, np.repeat(one.rig.axes[None], 90, axis=0))
    assert found_stands(one.rig, one.true_map, still, FPS) is None
    stood = replace(still, heads=np.repeat(one.rig.heads[None], 90, axis=0))
    assert found_stands(one.rig, one.true_map, stood, FPS).all()


def test_without_feet_it_is_not_known() -> None:
    one = character("Mixamo")
    motion, _ = walking(one)
    footless = one.true_map.with_part("left_foot", ()).with_part("left_ankle", ())
    assert found_stands(one.rig, footless, motion, FPS) is None
