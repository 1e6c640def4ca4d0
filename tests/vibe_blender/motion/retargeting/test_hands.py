# SPDX-License-Identifier: MIT
import numpy as np
import pytest

from tests.characters import CHARACTERS, Character, wide
from tests.smpl_rig import SMPL_MAP, posed_motion, smpl_rig
from tests.stick_figures import Parts, degrees_apart, played, pointing, stick, with_arms
from vibe_blender.contract.quaternions import Array, conjugate, from_axis_angles, multiply, rotate, to_axis_angles
from vibe_blender.contract.skeleton import JOINT_NAMES
from vibe_blender.motion.legs import turn_between
from vibe_blender.motion.retargeting.figure import SIDES, figure_of
from vibe_blender.motion.retargeting.limbs import bend, limbs
from vibe_blender.motion.retargeting.posture import Posture
from vibe_blender.motion.retargeting.rig import RigMotion
from vibe_blender.motion.retargeting.settings import Retarget
from vibe_blender.motion.retargeting.solving import solve

SOURCE = smpl_rig()
FIGURE = figure_of(SOURCE, SMPL_MAP)
ARM = ("shoulder", "elbow", "wrist")
KEPT, OWN = Retarget(feet=0.0, hands=1.0), Retarget(feet=0.0)
TARGETS = (
    CHARACTERS[0], wide(CHARACTERS[0]), with_arms(CHARACTERS[0], 0.8), with_arms(CHARACTERS[0], 1.3), CHARACTERS[1],
    CHARACTERS[5],
)  # fmt: skip
"""One of usual build, a broad one, two with short and with long arms, one in A-pose, one built as a child."""


def at(part: str, *offset: float) -> Array:
    """A place (3,) beside a joint of the source at rest, metres."""
    return FIGURE.heads[FIGURE.row(part)] + np.array(offset or (0.0, 0.0, 0.0))


def held(left: Array | None, right: Array | None, count: int = 1) -> RigMotion:
    """Somebody who holds the wrists at places, the elbows out and back; an arm without one is stretched to the side."""
    turned = FIGURE.axes[None].copy()
    posture = Posture(turned, FIGURE.hips[None])
    for side, goal in enumerate((left, right)):
        if goal is None:
            continue
        sign = 1.0 - 2.0 * side
        out = np.array([0.6 * sign, 0.3, -0.75])
        hang = turn_between(np.array([sign, 0.0, 0.0]), out / np.linalg.norm(out))
        upper, lower = (FIGURE.row(f"{SIDES[side]}_{joint}") for joint in ARM[:2])
        turned[0, upper] = multiply(hang, turned[0, upper])
        turned[0, lower] = multiply(from_axis_angles(np.array([-1.0, 0.0, 0.0])), multiply(hang, turned[0, lower]))
        arm = limbs(FIGURE, posture, ARM)[side]
        bend(FIGURE, turned, arm, goal[None], arm=True)
    world = np.tile(SOURCE.axes, (1, 1, 1))
    world[:, FIGURE.bones] = turned
    parents = SOURCE.parents
    local = world.copy()
    local[:, 1:] = multiply(conjugate(world[:, parents[1:]]), world[:, 1:])
    local[:, 0] = multiply(conjugate(SOURCE.axes[0]), world[:, 0])
    return posed_motion(np.repeat(local, count, axis=0))


def wrists(character: Character, motion: RigMotion) -> Array:
    """(T, 2, 3) where both hands begin, metres, character frame."""
    bones = [character.rig.numbers[character.true_map.bones(f"{side}_wrist")[0]] for side in SIDES]
    frame = figure_of(character.rig, character.true_map).frame
    return character.unit_m * rotate(conjugate(frame), motion.heads[:, bones])


def place(character: Character, part: str) -> Array:
    """(3,) of a joint at rest, metres, character frame."""
    figure = figure_of(character.rig, character.true_map)
    return character.unit_m * figure.heads[figure.row(part)]


def solved(motion: RigMotion, character: Character, settings: Retarget = KEPT) -> RigMotion:
    found = solve(SOURCE, SMPL_MAP, motion, character.rig, character.true_map, settings)
    return played(character.rig, found)


def breadth(character: Character, joint: str) -> float:
    """Of hips or shoulders, against the source's."""
    apart = [place(character, f"{side}_{joint}") for side in SIDES]
    return float(np.linalg.norm(apart[0] - apart[1]) / np.linalg.norm(at(f"left_{joint}") - at(f"right_{joint}")))


def test_the_source_holds_its_hands_where_these_tests_say() -> None:
    goal = at("left_hip", 0.1, -0.02, 0.06)
    motion = held(goal, None)
    assert np.allclose(motion.heads[0, JOINT_NAMES.index("left_wrist")], goal, atol=1e-9)


@pytest.mark.parametrize("character", [target for target in TARGETS if "arms 0.8" not in target.name], ids=repr)
def test_hands_on_the_hips_are_on_the_hips(character: Character) -> None:
    motion = held(at("left_hip", 0.1, -0.02, 0.06), at("right_hip", -0.1, -0.02, 0.06))
    after = wrists(character, solved(motion, character))[0]
    for side, sign in enumerate((1.0, -1.0)):
        beside = after[side] - place(character, f"{SIDES[side]}_hip")
        assert sign * beside[0] == pytest.approx(0.1 * breadth(character, "hip"), abs=0.012)
        assert beside[2] == pytest.approx(0.06, abs=0.02)
        assert abs(beside[1] + 0.02) < 0.02


def test_arms_too_short_for_it_reach_towards_it_and_are_not_stretched() -> None:
    character = with_arms(CHARACTERS[0], 0.6)
    motion = held(at("left_hip", 0.1, -0.02, 0.06), at("right_hip", -0.1, -0.02, 0.06))
    before, after = solved(motion, character, OWN), solved(motion, character)
    hips = np.array([place(character, f"{side}_hip") for side in SIDES])
    near, far = (np.linalg.norm(wrists(character, each)[0] - hips, axis=1) for each in (after, before))
    assert (near < far - 0.02).all()
    for side in SIDES:
        rows = [character.rig.numbers[character.true_map.bones(f"{side}_{joint}")[0]] for joint in ARM]
        rest = np.linalg.norm(np.diff(character.rig.heads[rows], axis=0), axis=-1)
        assert np.allclose(np.linalg.norm(np.diff(after.heads[0, rows], axis=0), axis=-1), rest)


@pytest.mark.parametrize("character", TARGETS, ids=repr)
def test_a_hand_on_the_head_is_on_the_head(character: Character) -> None:
    motion = held(at("head", 0.09, -0.03, 0.12), None)
    own, after = (wrists(character, solved(motion, character, each))[0] for each in (OWN, KEPT))
    wanted = place(character, "head") + np.array([0.09, -0.03, 0.12])
    assert np.linalg.norm(after[0] - wanted) < 0.055
    assert np.linalg.norm(after[0] - wanted) < np.linalg.norm(own[0] - wanted) + 0.01
    assert np.allclose(after[1], own[1], atol=1e-6)  # the other arm, stretched out, is left alone


@pytest.mark.parametrize("character", TARGETS, ids=repr)
@pytest.mark.parametrize("goal", [("neck", 0.0, -0.28, -0.2), ("pelvis", 0.0, -0.25, 0.1)])
def test_hands_in_each_other_stay_in_each_other(character: Character, goal: tuple[str, float, float, float]) -> None:
    part, *offset = goal
    motion = held(at(part, *offset) + np.array([0.03, 0.0, 0.0]), at(part, *offset) - np.array([0.03, 0.0, 0.0]))
    after = wrists(character, solved(motion, character))[0]
    theirs, ours = FIGURE.lengths, figure_of(character.rig, character.true_map).lengths * character.unit_m
    arms = [
        sum(lengths[figure.row(f"left_{joint}")] for joint in ARM[:2])
        for lengths, figure in ((theirs, FIGURE), (ours, figure_of(character.rig, character.true_map)))
    ]
    assert after[0] - after[1] == pytest.approx([0.06 * arms[1] / arms[0], 0.0, 0.0], abs=4e-3)
    assert np.abs(after.mean(axis=0)[0]) < 3e-3


@pytest.mark.parametrize("character", TARGETS, ids=repr)
def test_arms_away_from_everything_keep_their_angles(character: Character) -> None:
    turns = np.tile([1.0, 0.0, 0.0, 0.0], (2, 24, 1))
    turns[1, JOINT_NAMES.index("left_shoulder")] = from_axis_angles(np.radians([0.0, 20.0, 60.0]))
    hanging = held(at("left_shoulder", 0.05, 0.02, -0.52), at("right_shoulder", -0.05, 0.02, -0.52))
    for motion in (posed_motion(turns), hanging):
        own, kept = (
            pointing(character.rig, character.true_map, solved(motion, character, each)) for each in (OWN, KEPT)
        )
        for part, along in kept.items():
            assert degrees_apart(along, own[part]).max() < 0.5


def test_only_arms_are_changed_and_hands_keep_their_orientations() -> None:
    character = wide(CHARACTERS[0])
    motion = held(at("left_hip", 0.1, -0.02, 0.06), at("head", 0.0, -0.03, 0.15))
    own, kept = solved(motion, character, OWN), solved(motion, character)
    arms = [
        character.rig.numbers[character.true_map.bones(f"{side}_{joint}")[0]] for side in SIDES for joint in ARM[:2]
    ]
    others = [bone for bone in range(len(character.rig)) if bone not in arms]
    # Fingers are carried by hands, which keep their orientations.
    assert np.allclose(np.abs(np.sum(own.turned[:, others] * kept.turned[:, others], axis=-1)), 1.0)
    apart = np.degrees(np.linalg.norm(to_axis_angles(multiply(conjugate(own.turned), kept.turned)), axis=-1))
    assert apart[:, arms].max() > 3.0


def test_elbows_stay_in_their_planes() -> None:
    character = wide(CHARACTERS[0])
    motion = held(at("left_hip", 0.1, -0.02, 0.06), None)
    sides = []
    for each in (OWN, KEPT):
        found = solved(motion, character, each)
        rows = [character.rig.numbers[character.true_map.bones(f"left_{joint}")[0]] for joint in ARM]
        frame = figure_of(character.rig, character.true_map).frame
        shoulder, elbow, wrist = rotate(conjugate(frame), found.heads[0, rows])
        across = np.cross(elbow - shoulder, wrist - shoulder)
        sides.append(across / np.linalg.norm(across))
    assert degrees_apart(*sides) < 15.0


def test_share_goes_from_nothing_to_all() -> None:
    character = wide(CHARACTERS[0])
    motion = held(at("left_hip", 0.1, -0.02, 0.06), None)
    own, half, kept = (
        wrists(character, solved(motion, character, Retarget(feet=0.0, hands=share)))[0, 0] for share in (0.0, 0.5, 1.0)
    )
    assert np.linalg.norm(kept - own) > 0.03
    assert np.allclose(half, (own + kept) / 2.0, atol=2e-3)


def led(left: Array, right: Array | None) -> RigMotion:
    """Somebody whose left wrist goes through places (T, 3), and whose right one stays at one."""
    frames = [held(goal, right) for goal in left]
    return RigMotion(
        np.arange(float(len(left))),
        np.concatenate([one.heads for one in frames]),
        np.concatenate([one.turned for one in frames]),
    )


def jerked(character: Character, motion: RigMotion) -> float:
    """How much quicker the left wrist is to change its speed than it would be by its own angles, at most."""
    own, kept = (np.diff(wrists(character, solved(motion, character, each))[:, 0], n=2, axis=0) for each in (OWN, KEPT))
    return float(np.linalg.norm(kept, axis=1).max() / np.linalg.norm(own, axis=1).max())


def test_a_hand_that_comes_and_goes_does_so_without_a_jerk() -> None:
    share = 0.5 - 0.5 * np.cos(np.linspace(0.0, 2.0 * np.pi, 61))[:, None]
    near, far = at("left_hip", 0.1, -0.02, 0.06), at("left_shoulder", 0.3, -0.35, 0.1)
    motion = led(far + share * (near - far), None)
    for character in (wide(CHARACTERS[0]), with_arms(CHARACTERS[0], 0.7), with_arms(CHARACTERS[0], 1.3)):
        assert jerked(character, motion) < 3.5


def test_a_hand_that_passes_the_other_one_quickly_does_so_without_a_jerk() -> None:
    share = 0.5 - 0.5 * np.cos(np.linspace(0.0, np.pi, 13))[:, None]
    low, high = at("neck", 0.02, -0.3, -0.5), at("neck", 0.02, -0.3, 0.1)
    still = np.concatenate([np.tile(low, (10, 1)), low + share * (high - low), np.tile(high, (10, 1))])
    motion = led(still, at("neck", -0.05, -0.28, -0.2))
    for character in (wide(CHARACTERS[0]), with_arms(wide(CHARACTERS[0]), 0.8)):
        assert jerked(character, motion) < 0.85


@pytest.mark.parametrize(
    "parts", [Parts(neck=0, spine=0), Parts(collars=False), Parts(hands=False), Parts(inline=2, beside=1)]
)
def test_rigs_that_lack_parts_keep_their_hands_as_well(parts: Parts) -> None:
    character = stick(parts, build=wide(CHARACTERS[0]).recipe.build)
    motion = held(at("neck", 0.03, -0.28, -0.2), at("neck", -0.03, -0.28, -0.2), 3)
    ends = []
    for each in (OWN, KEPT):
        found, tips = solved(motion, character, each), []
        for side in SIDES:
            bones = character.true_map.bones(f"{side}_elbow")
            first, last = (character.rig.numbers[name] for name in (bones[0], bones[-1]))
            turn = multiply(found.turned[:, first], conjugate(character.rig.axes[first]))
            tips.append(found.heads[:, first] + rotate(turn, character.ends[last] - character.rig.heads[first]))
        ends.append(np.linalg.norm(tips[0] - tips[1], axis=1))
    assert (ends[0] > 0.12).all()
    assert ends[1] == pytest.approx(np.full(3, 0.06), abs=0.01)
