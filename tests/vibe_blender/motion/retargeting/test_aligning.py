# SPDX-License-Identifier: MIT
from dataclasses import replace

import numpy as np
import pytest

from tests.characters import CHARACTERS, Character, posed_as
from tests.characters_body import Build
from tests.smpl_rig import SMPL_MAP, smpl_rig
from tests.stick_figures import LIMBS, Parts, degrees_apart, stick
from vibe_blender.contract.quaternions import Array, rotate, to_axis_angles
from vibe_blender.motion.retargeting.aligning import alignment, shares
from vibe_blender.motion.retargeting.figure import Figure, figure_of

SOURCE = figure_of(smpl_rig(), SMPL_MAP)


def figure(character: Character) -> Figure:
    return figure_of(character.rig, character.true_map)


def after(target: Figure, turns: Array, part: str) -> Array:
    row = target.row(part)
    return rotate(turns[row], target.directions[row])


@pytest.mark.parametrize("pose", ["A", "T"])
@pytest.mark.parametrize("character", CHARACTERS, ids=repr)
def test_limbs_come_to_point_as_the_sources_rest_does(character: Character, pose: str) -> None:
    target = figure(posed_as(character, "A" if pose == "A" else "T"))
    turns = alignment(SOURCE, target, trunk=False)
    for part, _ in LIMBS:
        assert degrees_apart(after(target, turns, part), SOURCE.directions[SOURCE.row(part)]) < 1e-6
    for part in ("pelvis", "spine", "neck", "head", "left_collar"):
        assert np.allclose(turns[list(target.rows(part))], [1.0, 0.0, 0.0, 0.0])


def test_an_a_pose_is_raised_by_its_own_angle_and_no_more() -> None:
    source, target = figure(stick()), figure(stick(build=Build(arms_down=40.0)))
    turns = alignment(source, target, trunk=False)
    for side, sign in (("left", -1.0), ("right", 1.0)):
        angle = np.degrees(to_axis_angles(turns[target.row(f"{side}_shoulder")]))
        assert angle == pytest.approx([0.0, sign * 40.0, 0.0], abs=2.5)  # the elbow is drawn 2.5 degrees to the back
        assert np.allclose(turns[target.row(f"{side}_wrist")], turns[target.row(f"{side}_elbow")])


def test_flat_feet_stay_flat_and_turn_to_where_the_sources_point() -> None:
    source, target = figure(stick(build=Build(toes_out=0.0))), figure(stick(build=Build(toes_out=25.0, ankle=0.12)))
    turns = alignment(source, target, trunk=False)
    for side, sign in (("left", -1.0), ("right", 1.0)):
        for part in (f"{side}_ankle", f"{side}_foot"):
            assert np.degrees(to_axis_angles(turns[target.row(part)])) == pytest.approx(
                [0.0, 0.0, sign * 25.0], abs=1e-6
            )


def test_a_foot_drawn_straight_down_is_left_as_it_is() -> None:
    target = figure(stick())
    feet = np.array([part.endswith("ankle") for part in target.parts])[:, None]
    down = replace(target, ends=np.where(feet, target.heads - [0.0, 0.0, 0.1], target.ends))
    turns = alignment(SOURCE, down, trunk=False)
    assert np.allclose(turns[down.row("left_ankle")], [1.0, 0.0, 0.0, 0.0])


@pytest.mark.parametrize("spine", range(1, 7))
@pytest.mark.parametrize("neck", [1, 2, 3])
def test_a_trunk_is_brought_along_the_sources_as_far_as_each_bone_reaches(spine: int, neck: int) -> None:
    source = figure(stick(Parts(spine=3, neck=1), build=Build(hunch=0.08, neck_lean=30.0)))
    target = figure(stick(Parts(spine=spine, neck=neck), build=Build(hunch=0.0, hollow=0.0, neck_lean=0.0)))
    turns = alignment(source, target, trunk=True)
    rows = list(target.rows("spine"))
    chord = source.ends[source.row("spine")] - source.heads[source.rows("spine")[0]]
    bones = target.lengths[rows][:, None] * rotate(turns[rows], target.directions[rows])
    # Bones that follow a bent line from point to point make up the line from its begin to its end.
    assert degrees_apart(bones.sum(axis=0) / np.linalg.norm(bones.sum(axis=0)), chord / np.linalg.norm(chord)) < 3.0
    for row in target.rows("neck"):
        there = source.directions[source.row("neck")]
        assert degrees_apart(rotate(turns[row], target.directions[row]), there) < 1e-6
    if spine == 3:
        assert np.allclose(rotate(turns[rows], target.directions[rows]), source.directions[list(source.rows("spine"))])


def test_what_the_source_lacks_is_left_as_it_is() -> None:
    bare = figure(stick(Parts(spine=0, neck=0, collars=False, hands=False, feet=False)))
    target = figure(stick(build=Build(arms_down=30.0)))
    turns = alignment(bare, target, trunk=True)
    for part in ("spine", "neck", "left_collar", "left_ankle"):
        assert np.allclose(turns[list(target.rows(part))], [1.0, 0.0, 0.0, 0.0])
    assert len(alignment(target, bare, trunk=True)) == len(bare)


def test_shares_are_those_of_lengths() -> None:
    target = figure(stick(Parts(spine=4)))
    marks = shares(target, "spine")
    lengths = target.lengths[list(target.rows("spine"))]
    assert np.allclose(np.diff(marks), lengths / lengths.sum())
    assert marks[0] == 0.0
    assert marks[-1] == pytest.approx(1.0)
