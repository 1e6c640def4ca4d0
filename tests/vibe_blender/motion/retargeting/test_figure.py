# SPDX-License-Identifier: MIT
from dataclasses import replace

import numpy as np
import pytest

from tests.characters import CHARACTERS, Character
from tests.smpl_rig import SMPL_MAP, smpl_rig
from tests.stick_figures import Parts, stick
from vibe_blender.contract.errors import CaptureError
from vibe_blender.contract.quaternions import Array, conjugate, from_axis_angles, multiply, rotate
from vibe_blender.contract.skeleton import REST_JOINTS
from vibe_blender.motion.retargeting.figure import figure_of
from vibe_blender.motion.retargeting.rig import Rig


def turned_rig(rig: Rig, turn: Array) -> Rig:
    """The rig drawn along other axes of its armature."""
    return replace(rig, heads=rotate(turn, rig.heads), tails=rotate(turn, rig.tails), axes=multiply(turn, rig.axes))


def about(axis: int, degrees: float) -> Array:
    return from_axis_angles(np.radians(degrees) * np.eye(3)[axis])


def test_the_captured_skeleton_stands_upright_in_its_own_armature() -> None:
    figure = figure_of(smpl_rig(), SMPL_MAP)
    assert np.allclose(figure.frame, [1.0, 0.0, 0.0, 0.0])
    assert figure.leg == pytest.approx(2 * 0.415, abs=2e-3)
    assert np.allclose(figure.hips, [0.0, -0.015, 1.2 - 0.298])
    assert len(figure) == 22
    assert np.allclose(figure.directions[figure.row("left_shoulder")], [1.0, 0.0, 0.0], atol=0.05)
    assert np.allclose(figure.directions[figure.row("right_knee")], [0.0, 0.0, -1.0], atol=0.1)
    assert np.allclose(figure.ends[figure.row("left_hip")], figure.heads[figure.row("left_knee")])


@pytest.mark.parametrize("character", CHARACTERS, ids=repr)
def test_every_rig_looks_along_minus_y_with_its_left_at_x(character: Character) -> None:
    figure = figure_of(character.rig, character.true_map)
    assert np.allclose(np.abs(rotate(figure.frame, np.eye(3))).max(axis=1), 1.0)
    assert figure.heads[figure.row("left_hip"), 0] > 0 > figure.heads[figure.row("right_hip"), 0]
    foot = figure.row("left_ankle")
    assert figure.directions[foot, 1] < -0.5
    assert figure.heads[figure.row("head"), 2] > figure.hips[2] > figure.heads[foot, 2]


@pytest.mark.parametrize("axis", range(3))
@pytest.mark.parametrize("quarters", range(1, 4))
def test_a_rig_is_the_same_figure_along_whatever_axes_it_is_drawn(axis: int, quarters: int) -> None:
    character = stick()
    plain = figure_of(character.rig, character.true_map)
    figure = figure_of(turned_rig(character.rig, about(axis, 90.0 * quarters)), character.true_map)
    assert np.allclose(figure.heads, plain.heads)
    assert np.allclose(figure.ends, plain.ends)


def test_a_rig_that_leans_is_upright_and_one_that_lies_askew_is_turned_up() -> None:
    character = stick()
    plain = figure_of(character.rig, character.true_map)
    leaning = figure_of(turned_rig(character.rig, about(0, 20.0)), character.true_map)
    assert np.allclose(leaning.frame, plain.frame)
    askew = figure_of(turned_rig(character.rig, about(0, 45.0)), character.true_map)
    hips, shoulders = (
        sum(askew.heads[askew.row(f"{side}_{joint}")] for side in ("left", "right")) for joint in ("hip", "shoulder")
    )
    assert np.allclose((shoulders - hips)[:2], 0.0, atol=1e-9)


def test_what_is_missing_is_passed_by() -> None:
    character = stick(Parts(spine=0, neck=0, collars=False, hands=False, feet=False))
    figure = figure_of(character.rig, character.true_map)
    assert figure.parts[0] == "pelvis"
    assert [figure.parts[carrier] for carrier in figure.carriers[1:]] == [
        "pelvis", "pelvis", "left_hip", "pelvis", "left_shoulder", "pelvis", "right_hip", "pelvis", "right_shoulder",
    ]  # fmt: skip
    assert figure.carrier("left_shoulder") == "pelvis"
    assert figure.row("left_wrist") == -1
    assert figure.rows("spine") == ()
    at_wrist = character.ends[character.rig.numbers[character.true_map.bones("left_elbow")[0]]]
    assert figure.directions[figure.row("left_elbow")] @ (at_wrist - figure.heads[figure.row("left_elbow")]) > 0


def test_bones_in_line_are_one_limb() -> None:
    one, three = stick(), stick(Parts(inline=3))
    first, other = (figure_of(rig.rig, rig.true_map) for rig in (one, three))
    assert first.parts == other.parts
    assert np.allclose(first.lengths, other.lengths)
    assert np.allclose(first.ends, other.ends)


def test_a_limb_without_length_and_a_body_without_breadth_are_refused() -> None:
    rig, numbers = smpl_rig(), smpl_rig().numbers
    heads = rig.heads.copy()
    heads[numbers["left_knee"]] = heads[numbers["left_hip"]]
    with pytest.raises(CaptureError) as no_length:
        figure_of(replace(rig, heads=heads), SMPL_MAP)
    assert no_length.value.code == "no_figure"
    for broken in (np.zeros((24, 3)), np.full((24, 3), np.nan)):
        with pytest.raises(CaptureError) as nothing:
            figure_of(replace(rig, heads=broken, tails=broken), SMPL_MAP)
        assert nothing.value.code == "no_figure"
    flat = rig.heads * [0.0, 1.0, 1.0]
    with pytest.raises(CaptureError) as no_breadth:
        figure_of(replace(rig, heads=flat), SMPL_MAP)
    assert no_breadth.value.code == "no_figure"
    assert figure_of(smpl_rig(0.01 * REST_JOINTS), SMPL_MAP).leg == pytest.approx(0.0083, abs=2e-5)


@pytest.mark.parametrize("degrees", [-17.0, 12.0, 30.0, 90.0, 180.0])
@pytest.mark.parametrize("character", CHARACTERS, ids=repr)
def test_a_figure_turned_within_its_armature_looks_where_it_is_turned_to(character: Character, degrees: float) -> None:
    straight = figure_of(character.rig, character.true_map)
    turn = from_axis_angles(np.radians(degrees) * rotate(straight.frame, np.array([0.0, 0.0, 1.0])))
    turned = figure_of(turned_rig(character.rig, turn), character.true_map)
    between = multiply(conjugate(multiply(turn, straight.frame)), turned.frame)
    assert abs(between[0]) == pytest.approx(1.0, abs=1e-8)
    assert turned.directions == pytest.approx(straight.directions, abs=1e-4)
