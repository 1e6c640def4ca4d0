# SPDX-License-Identifier: MIT
from dataclasses import replace

import numpy as np
import pytest

from tests.characters import CHARACTERS, Character, scaled_legs, wide
from tests.smpl_rig import SMPL_MAP, smpl_motion, smpl_rig
from tests.stick_figures import Parts, degrees_apart, played, pointing, stick
from tests.walker import turned, walker
from vibe_blender.contract.quaternions import Array, conjugate, from_axis_angles, multiply, rotate
from vibe_blender.contract.take import Person
from vibe_blender.motion.retargeting.bone_map import BoneMap
from vibe_blender.motion.retargeting.figure import SIDES, figure_of
from vibe_blender.motion.retargeting.footing import BALL, HEEL, soles_of
from vibe_blender.motion.retargeting.rig import Rig, RigMotion
from vibe_blender.motion.retargeting.settings import Retarget
from vibe_blender.motion.retargeting.solving import solve

SOURCE = smpl_rig()
HELD_M = 2e-4
"""What stands may be off: less than anybody can see."""
TARGETS = (
    *(scaled_legs(CHARACTERS[0], factor) for factor in (0.7, 1.4)), scaled_legs(CHARACTERS[3], 0.7),
    wide(CHARACTERS[0]), *CHARACTERS,
)  # fmt: skip


def swaying(person: Person, times: Array) -> Person:
    """The person with hips that turn and tilt as they walk, so that legs of other lengths and breadths would slide."""
    angles = 0.25 * np.stack([0 * times, np.sin(6.3 * times), 0.5 * np.sin(6.3 * times + 1.0)], axis=1)
    sway = from_axis_angles(angles)
    rotations = person.rotations.copy()
    rotations[:, 0] = multiply(rotations[:, 0], sway)
    for joint in (1, 2):  # the thighs stay as they were
        rotations[:, joint] = multiply(conjugate(sway), rotations[:, joint])
    return replace(person, rotations=rotations)


def walk(count: int = 90, fps: float = 30.0) -> tuple[Person, Array]:
    """Somebody who walks with a sway, and which parts stand: both of a foot, or its heel or its ball alone."""
    person, times, stands = walker(count, fps)
    both = np.stack([stands, stands], axis=2)
    return swaying(person, times), both


def points(rig: Rig, bone_map: BoneMap, motion: RigMotion, other: tuple[Rig, BoneMap]) -> Array:
    """Under heels and at balls, (T, 2, 2, 3), armature frame.

    Args:
        rig, bone_map: whose.
        motion: what it does.
        other: the other rig, without whose feet there are none.
    """
    figure, found = figure_of(rig, bone_map), []
    for side in SIDES:
        sole, _ = soles_of(figure, figure_of(*other), side)
        foot = rig.numbers[bone_map.bones(f"{side}_ankle")[0]]
        turn = multiply(motion.turned[:, foot], conjugate(rig.axes[foot]))
        offsets = rotate(figure.frame, sole.offsets)
        found.append(motion.heads[:, foot, None] + rotate(turn[:, None], offsets))
    return np.stack(found, axis=1)


def solved(
    person: Person, stands: Array | None, character: Character, settings: Retarget, fps: float = 30.0
) -> RigMotion:
    found = solve(
        SOURCE, SMPL_MAP, smpl_motion(person), character.rig, character.true_map, settings, stands=stands, fps=fps
    )
    return played(character.rig, found)


def both(person: Person, character: Character, motion: RigMotion) -> tuple[Array, Array]:
    """Heels and balls of the source times the ratio of legs, and of the target; metres, character frame."""
    target = figure_of(character.rig, character.true_map)
    here, there = (SOURCE, SMPL_MAP), (character.rig, character.true_map)
    theirs = points(*here, smpl_motion(person), there) * (character.unit_m * target.leg / figure_of(*here).leg)
    return theirs, character.unit_m * rotate(conjugate(target.frame), points(*there, motion, here))


def slides(person: Person, stands: Array, character: Character, motion: RigMotion) -> Array:
    """By how much what stands moves otherwise than the source's does times the ratio of legs, metres a frame."""
    theirs, ours = both(person, character, motion)
    steps = np.linalg.norm(np.diff(ours - theirs, axis=0), axis=-1)
    return steps[stands[1:] & stands[:-1]]


def above_rest(character: Character, motion: RigMotion) -> Array:
    """How much higher (T, 2, 2) heels and balls are than at rest, metres."""
    still = RigMotion(np.zeros(1), character.rig.heads[None], character.rig.axes[None])
    ups = []
    for each in (motion, still):
        frame = figure_of(character.rig, character.true_map).frame
        place = points(character.rig, character.true_map, each, (SOURCE, SMPL_MAP))
        ups.append(rotate(conjugate(frame), place)[..., 2])
    return character.unit_m * (ups[0] - ups[1])


@pytest.mark.parametrize("character", TARGETS, ids=repr)
def test_a_foot_that_stands_moves_as_the_sources_does(character: Character) -> None:
    person, stands = walk()
    heels = stands & [True, False]
    before = solved(person, heels, character, Retarget(feet=0.0))
    after = solved(person, heels, character, Retarget())
    assert slides(person, heels, character, after).max() < 1e-4
    assert slides(person, heels, character, before).max() > 3e-4


@pytest.mark.parametrize("part", [HEEL, BALL])
def test_what_stands_still_on_the_source_stands_still_as_high_as_at_rest(part: int) -> None:
    person, _, flat = walker(90)
    stands = np.zeros((90, 2, 2), bool)
    stands[..., part] = flat
    for character in (*TARGETS[:4], CHARACTERS[1], CHARACTERS[5]):
        motion = solved(person, stands, character, Retarget())
        _, ours = both(person, character, motion)
        steps = np.linalg.norm(np.diff(ours, axis=0), axis=-1)[stands[1:] & stands[:-1]]
        assert steps.max() < HELD_M
        assert np.abs(above_rest(character, motion)[stands]).max() < 2 * HELD_M


def test_feet_keep_their_orientations_and_bones_their_lengths() -> None:
    person, stands = walk()
    character = TARGETS[0]
    before, after = solved(person, None, character, Retarget()), solved(person, stands, character, Retarget())
    legs = [
        character.rig.numbers[character.true_map.bones(f"{side}_{joint}")[0]]
        for side in SIDES
        for joint in ("hip", "knee")
    ]
    others = [bone for bone in range(len(character.rig)) if bone not in legs]
    assert np.allclose(np.abs(np.sum(before.turned[:, others] * after.turned[:, others], axis=-1)), 1.0)
    assert not np.allclose(before.turned[:, legs], after.turned[:, legs])
    for side in SIDES:
        rows = [
            character.rig.numbers[character.true_map.bones(f"{side}_{joint}")[0]] for joint in ("hip", "knee", "ankle")
        ]
        lengths = np.linalg.norm(np.diff(after.heads[:, rows], axis=1), axis=-1)
        rest = np.linalg.norm(np.diff(character.rig.heads[rows], axis=0), axis=-1)
        assert np.allclose(lengths, rest)


def test_each_contact_has_one_offset_that_does_not_turn_with_the_pelvis() -> None:
    person, stands = walk(150)
    heels = stands & [True, False]
    character = wide(CHARACTERS[0])
    theirs, ours = both(person, character, solved(person, heels, character, Retarget()))
    for side in range(2):
        flags = heels[:, side, HEEL]
        edges = np.flatnonzero(np.diff(np.concatenate([[False], flags, [False]]).astype(int))).reshape(-1, 2)
        for first, end in edges:
            apart = (ours - theirs)[first:end, side, HEEL]
            assert np.abs(apart - apart.mean(axis=0)).max() < 3 * HELD_M
            # The target's hips are wider: its left foot stands further to the left, its right to the right.
            assert (1 - 2 * side) * apart[:, 0].mean() > 0.005


def test_knees_do_not_pop_where_contacts_begin_and_end() -> None:
    person, stands = walk(240, 60.0)
    for character in TARGETS[:4]:
        motion = solved(person, stands, character, Retarget(), 60.0)
        for side in range(2):
            rows = [
                character.rig.numbers[character.true_map.bones(f"{SIDES[side]}_{joint}")[0]]
                for joint in ("hip", "knee", "ankle")
            ]
            thigh, shin = np.moveaxis(np.diff(motion.heads[:, rows], axis=1), 1, 0)
            cosine = np.sum(thigh * shin, axis=1) / np.linalg.norm(thigh, axis=1) / np.linalg.norm(shin, axis=1)
            speeds = np.abs(np.diff(np.degrees(np.arccos(np.clip(cosine, -1.0, 1.0)))))
            foot = stands[:, side].any(axis=1)
            for border in np.flatnonzero(foot[1:] != foot[:-1]):
                if 6 <= border < len(speeds) - 6:
                    near = np.r_[speeds[border - 6 : border], speeds[border + 1 : border + 7]]
                    assert speeds[border] <= 1.5 * near.max()


@pytest.mark.parametrize("settings", [Retarget(path_scale=2.0), Retarget(root="in_place"), Retarget(path_scale=0.0)])
def test_feet_slide_where_the_path_is_another(settings: Retarget) -> None:
    person, stands = walk()
    character = TARGETS[0]
    # As seen from the hips, all is as on the path that the feet stand on.
    plain, other = (solved(person, stands, character, chosen) for chosen in (Retarget(), settings))
    hips = [character.rig.numbers[character.true_map.bones("pelvis")[0]]]
    assert np.allclose(
        plain.heads - plain.heads[:, hips], other.heads - other.heads[:, hips], atol=1e-6 / character.unit_m
    )
    assert slides(person, stands, character, other).mean() > 5e-3


def test_a_locked_height_lifts_the_feet_and_not_the_hips() -> None:
    person, stands = walk()
    bob = 0.03 * np.sin(np.arange(90) / 5.0)
    bobbing = replace(person, root=person.root + bob[:, None] * [0.0, 0.0, 1.0])
    character = TARGETS[1]
    motion = solved(bobbing, stands, character, Retarget(lock_height=True))
    plain = solved(bobbing, stands, character, Retarget())
    figure = figure_of(character.rig, character.true_map)
    hips = [character.rig.numbers[character.true_map.bones(f"{side}_hip")[0]] for side in SIDES]
    heights = rotate(conjugate(figure.frame), motion.heads[:, hips].mean(axis=1))[:, 2]
    assert np.ptp(heights) < np.ptp(rotate(conjugate(figure.frame), plain.heads[:, hips].mean(axis=1))[:, 2]) / 3.0


def test_hips_come_down_where_a_leg_is_too_short() -> None:
    person, _, _ = walker(90)
    rotations = np.tile([1.0, 0.0, 0.0, 0.0], (90, 24, 1))
    rotations[:, 0] = person.rotations[0, 0]
    upright = replace(person, rotations=rotations, root=np.tile(SOURCE.heads[0], (90, 1)))
    stands = np.zeros((90, 2, 2), bool)
    stands[45:] = True
    character = CHARACTERS[0]
    figure = figure_of(character.rig, character.true_map)
    apart = Retarget(foot_spread_deg=12.0)
    before, after = solved(upright, None, character, apart), solved(upright, stands, character, apart)
    pelvis = character.rig.numbers[character.true_map.bones("pelvis")[0]]
    down = character.unit_m * rotate(conjugate(figure.frame), before.heads[:, pelvis] - after.heads[:, pelvis])
    assert np.allclose(down[:, :2], 0.0, atol=1e-9)
    # A leg that hung all but straight reaches no further down when it is 12 degrees to the side.
    lower = character.unit_m * figure.leg * (1.0 - np.cos(np.radians(12.0)))
    assert down[60:, 2] == pytest.approx(lower, rel=0.25)
    assert np.array_equal(down[:20, 2], np.zeros(20))
    assert np.abs(np.diff(down[:, 2], n=2)).max() < 0.1 * lower
    assert np.abs(above_rest(character, after)[stands]).max() < 2 * HELD_M
    assert above_rest(character, before).min() > 0.5 * lower


def test_a_longer_foot_in_the_air_goes_no_deeper_into_the_floor() -> None:
    person, _, _ = walker(60)
    rotations = np.tile([1.0, 0.0, 0.0, 0.0], (60, 24, 1))
    rotations[:, 0] = person.rotations[0, 0]
    tiptoe = 0.5 * np.clip(np.arange(60.0)[:, None] - 25.0, 0.0, 15.0) / 15.0
    for joint in (7, 8):
        rotations[:, joint] = from_axis_angles(tiptoe * [1.0, 0.0, 0.0])
    up = 0.135 * np.sin(tiptoe) * [0.0, 0.0, 1.0]  # just so that its balls stay above the floor
    person = replace(person, rotations=rotations, root=SOURCE.heads[0] + up)
    stands = np.zeros((60, 2, 2), bool)
    stands[:15] = True
    character = scaled_legs(CHARACTERS[0], 0.6)
    lowest = [
        above_rest(character, solved(person, stands, character, Retarget(feet=feet))).min(axis=(1, 2))
        for feet in (0.0, 1.0)
    ]
    theirs = both(person, character, solved(person, stands, character, Retarget()))[0][..., 2]
    assert (theirs - theirs[0]).min() == pytest.approx(0.0, abs=0.003)
    assert lowest[0].min() < -0.01
    assert lowest[1].min() > -0.003
    assert np.abs(np.diff(lowest[1], n=2)).max() < 0.004


def test_straight_knees_do_not_tremble() -> None:
    person, _, _ = walker(120)
    rotations = np.tile([1.0, 0.0, 0.0, 0.0], (120, 24, 1))
    tilt = from_axis_angles(0.12 * np.sin(np.arange(120.0)[:, None] / 6.0) * [0.0, 0.0, 1.0])
    rotations[:, 0] = multiply(person.rotations[0, 0], tilt)
    rotations[:, 1] = rotations[:, 2] = conjugate(tilt)
    person = replace(person, rotations=rotations, root=np.tile(SOURCE.heads[0], (120, 1)))
    character = scaled_legs(CHARACTERS[0], 1.4)
    motion = solved(person, np.ones((120, 2, 2), bool), character, Retarget())
    for side in SIDES:
        rows = [
            character.rig.numbers[character.true_map.bones(f"{side}_{joint}")[0]] for joint in ("hip", "knee", "ankle")
        ]
        thigh, shin = np.moveaxis(np.diff(motion.heads[:, rows], axis=1), 1, 0)
        cosine = np.sum(thigh * shin, axis=1) / np.linalg.norm(thigh, axis=1) / np.linalg.norm(shin, axis=1)
        assert np.abs(np.diff(np.degrees(np.arccos(np.clip(cosine, -1.0, 1.0))), n=2)).max() < 0.3


def test_share_goes_from_nothing_to_all() -> None:
    person, stands = walk()
    character, heels = TARGETS[0], stands & [True, False]
    none, some, half, all_ = (
        slides(person, heels, character, solved(person, heels, character, Retarget(feet=share))).mean()
        for share in (0.0, 1e-6, 0.5, 1.0)
    )
    assert some == pytest.approx(none, rel=1e-3)
    assert half == pytest.approx(none / 2, rel=0.1)
    assert all_ < 0.1 * none


def test_nothing_stands_nothing_changes() -> None:
    person, stands = walk()
    character = CHARACTERS[2]
    plain = solved(person, None, character, Retarget())
    for none in (np.zeros_like(stands), stands):
        motion = solved(person, none, character, Retarget(feet=0.0 if none.any() else 1.0))
        assert np.array_equal(motion.turned, plain.turned)
        assert np.array_equal(motion.heads, plain.heads)


def test_far_from_all_contacts_legs_point_as_the_sources_do() -> None:
    person, _, _ = walker(120)
    person = replace(person, root=person.root + np.array([0.0, 0.0, 1.0]))  # so that no foot is in the floor
    stands = np.zeros((120, 2, 2), bool)
    stands[50:60, 0] = True
    character = TARGETS[0]
    motion, plain = solved(person, stands, character, Retarget()), solved(person, None, character, Retarget())
    one, other = (pointing(character.rig, character.true_map, each) for each in (motion, plain))
    for part in ("left_hip", "left_knee", "right_hip"):
        apart = degrees_apart(one[part], other[part])
        assert apart[:35].max() < 1e-6
        assert apart[75:].max() < 1e-6
    assert degrees_apart(one["left_hip"], other["left_hip"])[50:60].max() > 0.1


def test_a_world_that_is_turned_changes_nothing() -> None:
    person, stands = walk()
    character = TARGETS[0]
    plain = solved(person, stands, character, Retarget())
    spun = solved(turned(person, 1.0, (3.0, -4.0)), stands, character, Retarget())
    frame = figure_of(character.rig, character.true_map).frame
    spin = multiply(frame, multiply(from_axis_angles(np.array([0.0, 0.0, 1.0])), conjugate(frame)))
    shift = spun.heads[0, 0] - rotate(spin, plain.heads[0, 0])
    assert np.allclose(spun.heads, rotate(spin, plain.heads) + shift, atol=1e-6 / character.unit_m)


@pytest.mark.parametrize("unit_m", [0.001, 1.0, 100.0])
def test_no_unit_matters(unit_m: float) -> None:
    person, stands = walk(60)
    one, other = stick(build=TARGETS[0].recipe.build), stick(build=TARGETS[0].recipe.build, unit_m=unit_m)
    plain, scaled = (solved(person, stands, character, Retarget()) for character in (one, other))
    assert np.allclose(unit_m * scaled.heads, plain.heads, atol=1e-6)


@pytest.mark.parametrize("parts", [Parts(toes=False), Parts(feet=False), Parts(inline=2, beside=1)])
def test_rigs_without_toes_or_feet_stand_as_well(parts: Parts) -> None:
    person, stands = walk()
    character = stick(parts, build=replace(CHARACTERS[0].recipe.build, thigh=0.3, shin=0.3))
    motion = solved(person, stands, character, Retarget(twist=1.0))
    assert np.isfinite(motion.heads).all()
    knees = [character.rig.numbers[character.true_map.bones(f"{side}_knee")[-1]] for side in SIDES]
    source, target = figure_of(SOURCE, SMPL_MAP), figure_of(character.rig, character.true_map)
    for side, knee in enumerate(knees):
        number = character.rig.numbers[character.true_map.bones(f"{SIDES[side]}_knee")[0]]
        last = character.ends[knee] - character.rig.heads[number]
        turn = multiply(motion.turned[:, number], conjugate(character.rig.axes[number]))
        ankle = motion.heads[:, number] + rotate(turn, last)
        given = smpl_motion(person).heads[:, 7 + side] * target.leg / source.leg
        there = stands[1:, side].any(axis=1) & stands[:-1, side].any(axis=1)
        assert np.linalg.norm(np.diff(ankle - given, axis=0), axis=1)[there].max() < (3e-3 if not parts.feet else 8e-3)


def test_gaps_between_frames_are_not_led_across() -> None:
    person, stands = walk(120)
    character = TARGETS[0]

    def part(keep: Array) -> RigMotion:
        names = ("frames", "rotations", "root", "contacts", "confidence", "boxes", "keypoints")
        some = replace(person, **{name: getattr(person, name)[keep] for name in names})
        return solved(some, stands[keep], character, Retarget())

    whole, first = part(np.r_[0:40, 80:120]), part(np.r_[0:40])
    assert np.allclose(whole.heads[:40], first.heads, atol=1e-6 / character.unit_m)
