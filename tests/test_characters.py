# SPDX-License-Identifier: MIT
"""The made rigs are what they are said to be: whole, standing, as different from each other as the real ones."""

import numpy as np
import pytest

from tests.characters import CHARACTERS, SCRAMBLED, Character, character, posed_as, scaled_legs, wide
from vibe_blender.contract.quaternions import Array, from_axis_angles, rotate
from vibe_blender.motion.retargeting.bone_map import PARTS, check_usable

EVERY = (*CHARACTERS, *SCRAMBLED)


def standing(one: Character, points: Array) -> Array:
    """Points of the armature in metres, z up, facing -y."""
    upright = from_axis_angles(np.array([np.pi / 2 if one.up == "Y" else 0.0, 0.0, 0.0]))
    return rotate(upright, points) * one.unit_m


def place(one: Character, part: str) -> Array:
    return standing(one, one.rig.heads[one.rig.numbers[one.true_map.bones(part)[0]]])


@pytest.mark.parametrize("one", EVERY, ids=repr)
def test_a_character_is_a_whole_person_who_stands_on_the_floor(one: Character) -> None:
    check_usable(one.true_map, one.rig.names, one.name)
    assert one.true_map.missing() == ()
    assert place(one, "left_hip")[0] > 0.05 > -0.05 > place(one, "right_hip")[0]
    assert place(one, "left_foot")[1] < place(one, "left_ankle")[1] - 0.05
    assert 0.0 < place(one, "left_foot")[2] < place(one, "left_ankle")[2] < 0.15
    assert place(one, "left_ankle")[2] + 0.3 < place(one, "left_knee")[2] < place(one, "left_hip")[2] - 0.3
    heights = standing(one, one.rig.heads)[:, 2]
    assert heights.min() > -1e-6
    assert 1.3 < place(one, "head")[2] < 1.8
    hand = place(one, "left_wrist")
    assert (hand[2] < place(one, "left_shoulder")[2] - 0.15) == (one.pose == "A")


@pytest.mark.parametrize("one", EVERY, ids=repr)
def test_sides_mirror_each_other_and_axes_are_those_of_the_bones(one: Character) -> None:
    for part in PARTS:
        if part.startswith("left"):
            mirrored = place(one, part) * [-1.0, 1.0, 1.0]
            assert np.allclose(mirrored, place(one, part.replace("left", "right")), atol=1e-9)
    ways = one.rig.tails - one.rig.heads
    lengths = np.linalg.norm(ways, axis=1)
    assert lengths.min() * one.unit_m > 1e-3
    assert np.allclose(rotate(one.rig.axes, [0.0, 1.0, 0.0]), ways / lengths[:, None], atol=1e-9)


@pytest.mark.parametrize("one", EVERY, ids=repr)
def test_mapped_bones_hang_on_each_other_as_parts_of_a_body_do(one: Character) -> None:
    rig = one.rig
    for part in one.true_map.parts:
        for before, after in zip(part.bones, part.bones[1:], strict=False):
            assert rig.numbers[before] in rig.ancestors(rig.numbers[after])
    for twist in one.true_map.twists:
        assert rig.names[rig.parents[rig.numbers[twist.bone]]] in one.true_map.bones(twist.part)


def test_rigs_differ_in_all_that_retargeting_must_not_lean_on() -> None:
    assert {one.up for one in CHARACTERS} == {"Y", "Z"}
    assert {one.unit_m for one in CHARACTERS} == {1.0, 0.01}
    assert {one.pose for one in CHARACTERS} == {"A", "T"}
    assert {one.recipe.axes for one in EVERY} == {"along", "rolled", "across", "upright"}
    assert {len(one.true_map.bones("spine")) for one in EVERY} >= {2, 3, 4, 5}
    assert {len(one.true_map.bones("neck")) for one in EVERY} == {1, 2, 3}
    assert {len(one.true_map.bones("left_elbow")) for one in EVERY} == {1, 2}
    assert len({one.recipe.build for one in CHARACTERS}) == len(CHARACTERS)


@pytest.mark.parametrize("one", CHARACTERS, ids=repr)
def test_poses_and_proportions_can_be_others(one: Character) -> None:
    for pose in ("A", "T"):
        assert posed_as(one, pose).pose == pose
    for factor in (0.7, 1.4):
        other = scaled_legs(one, factor)
        for joint, end in (("hip", "knee"), ("knee", "ankle")):
            lengths = [np.linalg.norm(place(who, f"left_{joint}") - place(who, f"left_{end}")) for who in (one, other)]
            assert lengths[1] / lengths[0] == pytest.approx(factor, rel=0.02)
        assert np.allclose(place(other, "left_ankle"), place(one, "left_ankle"))
        assert np.allclose(
            place(other, "left_wrist") - place(other, "pelvis"), place(one, "left_wrist") - place(one, "pelvis")
        )
    assert place(wide(one), "left_shoulder")[0] > 1.4 * place(one, "left_shoulder")[0]


def test_scrambled_names_say_nothing_or_say_it_in_other_words() -> None:
    numbered = character("Numbered")
    assert all(name.split(".")[0] == "Bone" for name in numbered.rig.names)
    known = {name for one in CHARACTERS for name in one.rig.names}
    for one in SCRAMBLED:
        assert not known & set(one.rig.names), one.name
