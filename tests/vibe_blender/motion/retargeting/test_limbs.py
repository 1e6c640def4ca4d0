# SPDX-License-Identifier: MIT
import numpy as np
import pytest

from tests.stick_figures import Parts, stick
from vibe_blender.contract.quaternions import from_axis_angles, multiply, rotate
from vibe_blender.motion.retargeting.figure import figure_of
from vibe_blender.motion.retargeting.limbs import bend, in_metres, limbs, metres_per_unit
from vibe_blender.motion.retargeting.posture import Posture, places

ARM, LEG = ("shoulder", "elbow", "wrist"), ("hip", "knee", "ankle")


def test_limbs_are_where_their_bones_are() -> None:
    for parts in (Parts(), Parts(hands=False, feet=False)):
        character = stick(parts)
        figure = figure_of(character.rig, character.true_map)
        posture = Posture(np.tile(figure.axes, (2, 1, 1)), np.tile(figure.hips, (2, 1)))
        begin = places(figure, posture)
        assert np.allclose(begin, figure.heads)
        for joints in (ARM, LEG):
            for side, limb in zip(("left", "right"), limbs(figure, posture, joints), strict=True):
                upper, lower = figure.row(f"{side}_{joints[0]}"), figure.row(f"{side}_{joints[1]}")
                assert limb.rows == (upper, lower)
                assert np.allclose(limb.begin, figure.heads[upper])
                assert np.allclose(limb.end, figure.ends[lower])
                assert limb.length == pytest.approx(figure.lengths[upper] + figure.lengths[lower])


def test_a_figure_in_metres_has_legs_of_usual_length() -> None:
    character = stick(unit_m=0.01)
    figure = figure_of(character.rig, character.true_map)
    posture = Posture(figure.axes[None], figure.hips[None])
    sized, moved = in_metres(figure, posture)
    assert sized.leg == pytest.approx(0.83, abs=0.01)
    assert metres_per_unit(figure) == pytest.approx(0.01, rel=0.02)
    assert np.allclose(moved.hips[0], sized.hips)
    assert np.allclose(sized.directions, figure.directions)


@pytest.mark.parametrize("arm", [True, False])
def test_a_limb_bends_to_its_goal_the_way_joints_bend(arm: bool) -> None:
    character = stick(unit_m=0.01)
    figure = figure_of(character.rig, character.true_map)
    random = np.random.default_rng(2)
    body = from_axis_angles(random.normal(size=(20, 1, 3)))
    turned = multiply(body, figure.axes)
    posture = Posture(turned, np.zeros((20, 3)))
    joints = ARM if arm else LEG
    for side, limb in enumerate(limbs(figure, posture, joints)):
        goal = limb.begin + 0.7 * (limb.end - limb.begin)
        bent = turned.copy()
        bend(figure, bent, limb, goal, arm=arm)
        after = limbs(figure, Posture(bent, posture.hips), joints)[side]
        assert np.allclose(after.end, goal, atol=1e-6)
        assert np.allclose(np.linalg.norm(after.end - after.middle, axis=1), figure.lengths[limb.rows[1]])
        aside = after.middle - (after.begin + after.end) / 2.0
        ahead = rotate(body[:, 0], np.array([0.0, 1.0 if arm else -1.0, 0.0]))
        assert (np.sum(aside * ahead, axis=1) > 0.9 * np.linalg.norm(aside, axis=1)).all()
        unmoved = [row for row in range(len(figure)) if row not in limb.rows]
        assert np.array_equal(bent[:, unmoved], turned[:, unmoved])


def test_a_limb_is_not_stretched() -> None:
    character = stick()
    figure = figure_of(character.rig, character.true_map)
    turned = figure.axes[None].copy()
    limb = limbs(figure, Posture(turned, figure.hips[None]), LEG)[0]
    bend(figure, turned, limb, limb.begin + np.array([0.0, -3.0, 0.0]), arm=False)
    after = limbs(figure, Posture(turned, figure.hips[None]), LEG)[0]
    assert np.linalg.norm(after.end - after.begin) == pytest.approx(limb.length, rel=1e-3)
    assert (after.end - after.begin)[0] @ [0.0, -1.0, 0.0] == pytest.approx(limb.length, rel=1e-3)
