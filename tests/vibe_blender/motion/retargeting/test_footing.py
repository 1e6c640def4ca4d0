# SPDX-License-Identifier: MIT
from dataclasses import replace

import numpy as np
import pytest

from tests.characters import CHARACTERS, Character
from tests.smpl_rig import SMPL_MAP, smpl_rig
from tests.stick_figures import Parts, stick
from vibe_blender.contract.quaternions import Array
from vibe_blender.motion.over_time import Timeline
from vibe_blender.motion.retargeting.figure import Figure, figure_of
from vibe_blender.motion.retargeting.footing import BALL, HEEL, asked, sole_points, soles_of
from vibe_blender.motion.retargeting.posture import Posture

SOURCE = figure_of(smpl_rig(), SMPL_MAP)
COUNT = 30
TIMELINE = Timeline.of(np.arange(COUNT) / 30.0, np.arange(COUNT))


def figure(character: Character) -> Figure:
    return figure_of(character.rig, character.true_map)


@pytest.mark.parametrize("character", CHARACTERS, ids=repr)
def test_heels_rest_on_the_floor_below_and_behind_the_ankles(character: Character) -> None:
    target = figure(character)
    for side in ("left", "right"):
        _, sole = soles_of(SOURCE, target, side)
        ankle = target.heads[target.row(f"{side}_ankle")]
        heel, ball = ankle + sole.offsets
        assert heel[2] == pytest.approx(0.0, abs=1e-9)
        assert heel[1] > ankle[1] > ball[1]
        assert np.allclose(ball, target.heads[target.row(f"{side}_foot")])
        assert np.allclose(sole.heights + target.hips[2], [heel[2], ball[2]])
        still = Posture(target.axes[None], target.hips[None])
        assert np.allclose(sole_points(target, still, side, ankle[None], sole)[0], [heel, ball])


def test_a_rig_whose_origin_is_no_floor_has_one_where_it_is_usual() -> None:
    rig = smpl_rig()
    down = np.array([0.0, 0.0, 1.0])
    low = figure_of(replace(rig, heads=rig.heads - down, tails=rig.tails - down), SMPL_MAP)
    (one, _), (other, _) = (soles_of(figure, SOURCE, "left") for figure in (SOURCE, low))
    assert np.allclose(one.offsets, other.offsets, atol=2e-3)
    assert np.allclose(one.heights, other.heights, atol=2e-3)


def test_without_toes_the_ball_is_where_the_foot_ends() -> None:
    with_toes, without = figure(stick()), figure(stick(Parts(toes=False)))
    (_, one), (_, other) = (soles_of(SOURCE, target, "left") for target in (with_toes, without))
    assert np.allclose(other.offsets, one.offsets)


def test_without_a_foot_on_either_ankles_stand_for_soles() -> None:
    bare = figure(stick(Parts(feet=False)))
    for pair in ((SOURCE, bare), (bare, SOURCE)):
        for sole, rig in zip(soles_of(*pair, "right"), pair, strict=True):
            assert not sole.offsets.any()
            assert np.allclose(sole.heights, rig.ends[rig.row("right_knee"), 2] - rig.hips[2])


def feet(ankle: Array, pitch: Array) -> Array:
    """Heel and ball (T, 2, 3) of a foot whose toes are so far up, radians."""
    ahead = np.stack([0.0 * pitch, -np.cos(pitch), np.sin(pitch)], axis=1)
    up = np.stack([0.0 * pitch, np.sin(pitch), np.cos(pitch)], axis=1)
    return np.stack([ankle - 0.05 * ahead - 0.07 * up, ankle + 0.12 * ahead - 0.05 * up], axis=1)


def test_what_stands_goes_as_it_should_but_for_one_offset() -> None:
    random = np.random.default_rng(3)
    ankle = random.normal(size=(COUNT, 3))
    foot = feet(ankle, np.zeros(COUNT))
    points = random.normal(size=(COUNT, 1, 3)) + foot - ankle[:, None]
    stands = np.zeros((COUNT, 2), bool)
    stands[3:9], stands[15:28, HEEL] = True, True
    goal = asked(points, foot, ankle, stands, TIMELINE)
    for part in (slice(3, 9), slice(15, 28)):
        off = (goal - ankle - (points - foot)[:, HEEL])[part]
        assert np.allclose(off, off[0])
        assert off[0, 2] == pytest.approx(0.0, abs=1e-12)
        assert np.allclose((goal - ankle)[part, :2].mean(axis=0), 0.0)
    away = ~stands.any(axis=1)
    assert np.array_equal(goal[away], ankle[away])


def test_what_is_lifted_for_a_moment_comes_down_where_it_was() -> None:
    random = np.random.default_rng(4)
    ankle = random.normal(size=(COUNT, 3))
    foot = feet(ankle, np.zeros(COUNT))
    points = foot + random.normal(size=(COUNT, 1, 3))
    for gap, same in ((2, True), (8, False)):
        stands = np.ones((COUNT, 2), bool)
        stands[10 : 10 + gap] = False
        off = asked(points, foot, ankle, stands, TIMELINE) - ankle - (points - foot)[:, HEEL]
        assert np.allclose(off[0], off[-1]) == same


@pytest.mark.parametrize("overlap", [6, 1, 0])
def test_a_step_that_rolls_goes_from_heel_to_ball_without_a_jump(overlap: int) -> None:
    pitch = np.radians(np.interp(np.arange(COUNT), [0, 12, 18, 29], [25.0, 0.0, 0.0, -40.0]))
    ankle = np.zeros((COUNT, 3))
    # A foot that is half as long again, of which heel or ball is to be where the shorter one's is.
    foot, points = feet(ankle, pitch), feet(ankle, pitch)
    points[:, BALL] = points[:, HEEL] + (foot[:, BALL] - foot[:, HEEL]) / 1.5
    points[:, BALL, 2] += 0.02 / 3.0  # as high as at rest where it is flat
    heel = 15 + overlap // 2
    stands = np.zeros((COUNT, 2), bool)
    stands[:heel, HEEL], stands[heel - overlap :, BALL] = True, True
    goal = asked(points, foot, ankle, stands, TIMELINE)
    for part in (HEEL, BALL):
        only = stands[:, part] & ~stands[:, 1 - part]
        off = (goal - ankle - (points - foot)[:, part])[only]
        assert np.allclose(off, off[0])
    # In a frame it goes no further than both heel and ball ask for.
    own = np.linalg.norm(np.diff(points - foot, axis=0), axis=-1).sum(axis=1)
    assert (np.linalg.norm(np.diff(goal, axis=0), axis=1) <= own + 1e-4).all()


def test_a_foot_that_turns_while_all_of_it_stands_is_led_from_heel_to_ball() -> None:
    pitch = np.radians(np.linspace(8.0, -8.0, COUNT))
    ankle = np.zeros((COUNT, 3))
    foot, points = feet(ankle, pitch), feet(ankle, pitch)
    points[:, BALL] = points[:, HEEL] + (foot[:, BALL] - foot[:, HEEL]) / 1.5
    points[:, BALL, 2] += 0.02 / 3.0
    stands = np.zeros((COUNT, 2), bool)
    stands[:22, HEEL], stands[8:, BALL] = True, True
    goal = asked(points, foot, ankle, stands, TIMELINE)
    # At once, the ankle would be 3.5 mm elsewhere.
    assert np.linalg.norm(np.diff(goal, n=2, axis=0), axis=1).max() < 0.5e-3
