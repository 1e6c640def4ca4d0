# SPDX-License-Identifier: MIT
import numpy as np
import pytest

from tests.characters import CHARACTERS, Character
from tests.smpl_rig import SMPL_MAP, posed_motion, smpl_rig
from tests.stick_figures import Parts, played, stick
from vibe_blender.contract.quaternions import Array, conjugate, from_axis_angles, multiply, rotate, to_axis_angles
from vibe_blender.contract.skeleton import JOINT_NAMES
from vibe_blender.motion.retargeting.figure import figure_of
from vibe_blender.motion.retargeting.rig import RigMotion
from vibe_blender.motion.retargeting.settings import Retarget
from vibe_blender.motion.retargeting.solving import solve

SOURCE = smpl_rig()


def acting(**angles: tuple[float, float, float]) -> RigMotion:
    """Somebody in T-pose but for some joints, which turn from nothing to so many degrees about SMPL's axes."""
    share = np.linspace(0.0, 1.0, 11)[:, None]
    turns = np.tile([1.0, 0.0, 0.0, 0.0], (11, 24, 1))
    for joint, degrees in angles.items():
        turns[:, JOINT_NAMES.index(joint)] = from_axis_angles(share * np.radians(degrees))
    return posed_motion(turns)


WILD = acting(
    left_shoulder=(60.0, 20.0, -50.0), left_elbow=(0.0, -70.0, 0.0), left_wrist=(80.0, 10.0, 10.0),
    right_shoulder=(-40.0, 10.0, 30.0), right_wrist=(-120.0, 0.0, 0.0), left_hip=(-30.0, 40.0, 5.0),
    left_knee=(60.0, 0.0, 0.0), left_ankle=(10.0, 30.0, 0.0), right_collar=(15.0, 0.0, 10.0),
)  # fmt: skip


def solved(motion: RigMotion, character: Character, share: float) -> RigMotion:
    settings = Retarget(feet=0.0, twist=share)
    return played(character.rig, solve(SOURCE, SMPL_MAP, motion, character.rig, character.true_map, settings))


def rolls(character: Character, motion: RigMotion, bone: str, part: str) -> Array:
    """Degrees (T,) that a bone is turned about its limb against the body that carries the limb."""
    figure = figure_of(character.rig, character.true_map)
    number, back = character.rig.numbers[bone], conjugate(figure.frame)
    turn = multiply(
        multiply(back, multiply(motion.turned[:, number], conjugate(character.rig.axes[number]))), figure.frame
    )
    return np.degrees(to_axis_angles(turn) @ figure.directions[figure.row(part)])


@pytest.mark.parametrize("share", [0.3, 1.0])
@pytest.mark.parametrize("parts", [Parts(inline=2), Parts(inline=3), Parts(beside=2), Parts(inline=2, beside=1)])
def test_nothing_but_the_roll_of_limbs_is_changed(parts: Parts, share: float) -> None:
    character = stick(parts)
    before, after = solved(WILD, character, 0.0), solved(WILD, character, share)
    mapped = [entry.bones[0] for entry in character.true_map.parts]
    rows = [character.rig.numbers[name] for name in mapped]
    assert np.allclose(after.heads[:, rows], before.heads[:, rows], atol=1e-9)
    kept = [
        character.rig.numbers[character.true_map.bones(part)[0]]
        for part in (
            "pelvis",
            "head",
            "left_wrist",
            "right_wrist",
            "left_elbow",
            "left_ankle",
            "left_knee",
            "right_foot",
        )
    ]
    assert np.allclose(np.abs(np.sum(after.turned[:, kept] * before.turned[:, kept], axis=-1)), 1.0)
    assert not np.allclose(np.abs(np.sum(after.turned * before.turned, axis=-1)), 1.0)
    for part in ("left_shoulder", "left_elbow", "left_hip", "left_knee"):
        for name in character.true_map.bones(part):
            number = character.rig.numbers[name]
            along = figure_of(character.rig, character.true_map).directions
            local = rotate(conjugate(character.rig.axes[number]), along[figure_row(character, part)])
            ways = [rotate(motion.turned[:, number], local) for motion in (before, after)]
            assert np.allclose(ways[0], ways[1], atol=1e-9)


def figure_row(character: Character, part: str) -> int:
    return figure_of(character.rig, character.true_map).row(part)


def test_a_forearm_rolls_with_the_hand_the_more_the_nearer_to_it() -> None:
    character = stick(Parts(beside=3))
    motion = solved(acting(left_wrist=(60.0, 0.0, 0.0)), character, 1.0)
    # SMPL's forearm rests along +x, about which the hand rolls: by a quarter, half, three quarters of it.
    for number in range(3):
        found = rolls(character, motion, f"l.elbow_twist{number}", "left_elbow")
        assert found == pytest.approx(np.linspace(0.0, 15.0 * (number + 1), 11), abs=0.8)
    half = solved(acting(left_wrist=(60.0, 0.0, 0.0)), character, 0.5)
    assert rolls(character, half, "l.elbow_twist1", "left_elbow")[-1] == pytest.approx(15.0, abs=0.5)


def test_an_upper_arm_rolls_less_the_nearer_to_the_body() -> None:
    character = stick(Parts(inline=2))
    motion = solved(acting(left_shoulder=(80.0, 0.0, 0.0)), character, 1.0)
    first, second = (rolls(character, motion, f"l.shoulder{number}", "left_shoulder") for number in range(2))
    assert first[-1] == pytest.approx(20.0, abs=1.0)  # the middle of the first of two is a quarter along
    assert second[-1] == pytest.approx(60.0, abs=2.0)
    assert rolls(character, motion, "l.elbow0", "left_shoulder")[-1] == pytest.approx(80.0, abs=1.0)


def test_a_roll_beyond_half_a_turn_goes_on() -> None:
    character = stick(Parts(beside=1))
    turns = np.tile([1.0, 0.0, 0.0, 0.0], (26, 24, 1))
    degrees = np.linspace(0.0, 250.0, 26)
    turns[:, JOINT_NAMES.index("left_wrist")] = from_axis_angles(np.radians(degrees)[:, None] * [1.0, 0.0, 0.0])
    motion = solved(posed_motion(turns), character, 1.0)
    found = np.degrees(np.unwrap(np.radians(rolls(character, motion, "l.elbow_twist0", "left_elbow"))))
    assert np.abs(np.diff(found) - 5.0).max() < 0.5


def test_the_sign_of_a_quaternion_is_no_turn() -> None:
    character = stick(Parts(inline=2, beside=2))
    negative = RigMotion(WILD.frames, WILD.heads, WILD.turned.copy())
    negative.turned[:, JOINT_NAMES.index("left_wrist")] *= -1.0
    negative.turned[:, JOINT_NAMES.index("left_shoulder")] *= -1.0
    one, other = (solved(motion, character, 1.0) for motion in (WILD, negative))
    assert np.allclose(np.abs(np.sum(one.turned * other.turned, axis=-1)), 1.0)


@pytest.mark.parametrize("character", CHARACTERS, ids=repr)
def test_real_rigs_keep_their_joints(character: Character) -> None:
    before, after = solved(WILD, character, 0.0), solved(WILD, character, 1.0)
    rows = [character.rig.numbers[entry.bones[0]] for entry in character.true_map.parts]
    size = np.abs(character.rig.heads).max()
    assert np.allclose(after.heads[:, rows], before.heads[:, rows], atol=1e-9 * size)
    assert np.isfinite(after.turned).all()


def test_without_hands_forearms_have_no_roll_to_share() -> None:
    character = stick(Parts(hands=False, feet=False, inline=2, beside=1))
    before, after = solved(WILD, character, 0.0), solved(WILD, character, 1.0)
    number = character.rig.numbers["l.elbow_twist0"]
    assert np.allclose(np.abs(np.sum(before.turned[:, number] * after.turned[:, number], axis=-1)), 1.0)
