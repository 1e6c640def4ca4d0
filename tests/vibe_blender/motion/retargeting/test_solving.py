# SPDX-License-Identifier: MIT
from dataclasses import replace

import numpy as np
import pytest

from tests.characters import CHARACTERS, Character, posed_as
from tests.characters_body import Build
from tests.smpl_rig import SMPL_MAP, acting, posed_motion, smpl_rig, still
from tests.stick_figures import LIMBS, Axes, Parts, degrees_apart, played, pointing, stick
from vibe_blender.contract.errors import CaptureError
from vibe_blender.contract.quaternions import (
    Array,
    conjugate,
    from_axis_angles,
    multiply,
    rotate,
    to_axis_angles,
    to_matrices,
)
from vibe_blender.contract.skeleton import JOINT_NAMES
from vibe_blender.motion.retargeting.bone_map import BoneMap, Offset
from vibe_blender.motion.retargeting.figure import figure_of
from vibe_blender.motion.retargeting.rig import BoneMotion, Rig, RigMotion
from vibe_blender.motion.retargeting.settings import Retarget
from vibe_blender.motion.retargeting.solving import aligned, solve

PLAIN = Retarget(feet=0.0)
SOURCE = smpl_rig()
EXACT_DEG = 1e-4


MOTION = acting()


def solved(motion: RigMotion, character: Character, settings: Retarget = PLAIN) -> RigMotion:
    """The character in motion."""
    found = solve(SOURCE, SMPL_MAP, motion, character.rig, character.true_map, settings)
    return played(character.rig, found)


def errors(motion: RigMotion, character: Character, settings: Retarget = PLAIN) -> float:
    """Degrees that limbs are off, at most."""
    theirs = pointing(SOURCE, SMPL_MAP, motion)
    ours = pointing(character.rig, character.true_map, solved(motion, character, settings))
    assert ours
    return max(float(degrees_apart(along, theirs[part]).max()) for part, along in ours.items())


def turns_of(character: Character, motion: RigMotion, part: str, which: int = 0) -> Array:
    """By how much a part has turned since its rest, (T, 4), about the axes of the character frame."""
    frame = figure_of(character.rig, character.true_map).frame
    bone = character.rig.numbers[character.true_map.bones(part)[which]]
    turn = multiply(motion.turned[:, bone], conjugate(character.rig.axes[bone]))
    return multiply(conjugate(frame), multiply(turn, frame))


def hips_of(character: Character, motion: RigMotion) -> Array:
    """(T, 3) midway between both thighs, character frame, units of the rig."""
    figure = figure_of(character.rig, character.true_map)
    rows = [figure.bones[figure.row(f"{side}_hip")] for side in ("left", "right")]
    return rotate(conjugate(figure.frame), motion.heads[:, rows].mean(axis=1))


@pytest.mark.parametrize("pose", ["A", "T"])
@pytest.mark.parametrize("character", CHARACTERS, ids=repr)
def test_limbs_point_as_the_sources_do(character: Character, pose: str) -> None:
    assert errors(MOTION, posed_as(character, "A" if pose == "A" else "T")) < EXACT_DEG


@pytest.mark.parametrize("axes", ["along", "rolled", "across", "upright"])
@pytest.mark.parametrize("up", ["Y", "Z"])
@pytest.mark.parametrize("unit_m", [0.001, 0.01, 1.0, 100.0])
def test_no_axes_no_vertical_and_no_unit_matters(axes: Axes, up: str, unit_m: float) -> None:
    plain, character = stick(), stick(axes=axes, up=up, unit_m=unit_m)
    assert errors(MOTION, character) < EXACT_DEG
    one, other = solved(MOTION, plain), solved(MOTION, character)
    assert np.allclose(unit_m * hips_of(character, other), hips_of(plain, one), atol=1e-6)


@pytest.mark.parametrize(
    "parts",
    [
        Parts(neck=0), Parts(collars=False), Parts(toes=False), Parts(hands=False), Parts(feet=False), Parts(spine=0),
        Parts(spine=0, neck=0, collars=False, hands=False, feet=False), Parts(root=True), Parts(inline=3, beside=2),
    ],
)  # fmt: skip
def test_missing_and_further_parts_do_not_matter(parts: Parts) -> None:
    assert errors(MOTION, stick(parts)) < EXACT_DEG


@pytest.mark.parametrize(
    "parts", [Parts(neck=0), Parts(collars=False), Parts(spine=0, neck=0, collars=False, hands=False, feet=False)]
)
def test_what_the_source_lacks_goes_with_what_carries_it(parts: Parts) -> None:
    source, target = stick(parts), stick()
    given = played(source.rig, solve(SOURCE, SMPL_MAP, MOTION, source.rig, source.true_map, PLAIN))
    found = played(target.rig, solve(source.rig, source.true_map, given, target.rig, target.true_map, PLAIN))
    theirs = pointing(source.rig, source.true_map, given)
    for part, along in pointing(target.rig, target.true_map, found).items():
        if part in theirs:
            assert degrees_apart(along, theirs[part]).max() < EXACT_DEG
    assert np.allclose(
        np.abs(np.sum(turns_of(target, found, "neck") * turns_of(target, found, "spine", 2), axis=1)), 1.0
    ) == (parts.neck == 0)


def test_a_raised_arm_by_hand() -> None:
    # SMPL's left arm rests along +x; by -90 degrees about z it hangs: in the character frame it points down.
    motion = still(left_shoulder=(0.0, 0.0, -90.0), right_elbow=(0.0, 0.0, -90.0))
    for character in CHARACTERS:
        found = pointing(character.rig, character.true_map, solved(motion, character))
        assert degrees_apart(found["left_shoulder"], np.array([0.0, 0.0, -1.0])).max() < 3.0
        assert degrees_apart(found["right_elbow"], np.array([0.0, 0.0, 1.0])).max() < 3.0
        assert degrees_apart(found["right_shoulder"], np.array([-1.0, 0.0, 0.0])).max() < 3.0


@pytest.mark.parametrize("count", range(1, 7))
@pytest.mark.parametrize("there", range(1, 7))
def test_a_spine_bends_as_a_whole_as_the_sources_does(count: int, there: int) -> None:
    source, target = stick(Parts(spine=there)), stick(Parts(spine=count, neck=2))
    given = played(source.rig, solve(SOURCE, SMPL_MAP, MOTION, source.rig, source.true_map, PLAIN))
    found = played(target.rig, solve(source.rig, source.true_map, given, target.rig, target.true_map, PLAIN))
    ends = turns_of(target, found, "spine", count - 1), turns_of(source, given, "spine", there - 1)
    assert np.allclose(np.abs(np.sum(ends[0] * ends[1], axis=1)), 1.0, atol=1e-9)
    for part in ("pelvis", "head", "left_shoulder"):
        one, other = turns_of(target, found, part), turns_of(source, given, part)
        assert np.allclose(np.abs(np.sum(one * other, axis=1)), 1.0, atol=1e-9)


def test_a_bend_is_shared_out_along_the_spine_by_its_length() -> None:
    source, target = stick(Parts(spine=1)), stick(Parts(spine=5))
    rest = RigMotion(np.zeros(1), source.rig.heads[None], source.rig.axes[None])
    bent = rest.turned.copy()
    upper = [source.rig.numbers[name] for name in ("spine0",)]
    bent[:, upper] = multiply(from_axis_angles(np.radians([50.0, 0.0, 0.0])), bent[:, upper])
    found = solve(source.rig, source.true_map, replace(rest, turned=bent), target.rig, target.true_map, PLAIN)
    motion = played(target.rig, found)
    lengths = figure_of(target.rig, target.true_map).lengths
    rows = list(figure_of(target.rig, target.true_map).rows("spine"))
    wanted = 50.0 * np.cumsum(lengths[rows]) / lengths[rows].sum()
    angles = [np.degrees(to_axis_angles(turns_of(target, motion, "spine", row))[0, 0]) for row in range(5)]
    assert angles == pytest.approx(wanted, abs=1e-6)


def test_offsets_turn_a_bone_about_its_own_axes() -> None:
    character = stick(Parts(spine=2))
    turn = from_axis_angles(np.radians([10.0, -20.0, 30.0]))
    bone = character.true_map.bones("left_elbow")[0]
    moved = replace(character.true_map, offsets=(Offset(bone, tuple(2.0 * turn)),))
    before = solve(SOURCE, SMPL_MAP, MOTION, character.rig, character.true_map, PLAIN)
    after = solve(SOURCE, SMPL_MAP, MOTION, character.rig, moved, PLAIN)
    row = after.bones.index(bone)
    same = np.abs(np.sum(after.turned[:, row] * multiply(before.turned[:, row], turn), axis=1))
    assert np.allclose(same, 1.0)
    others = [other for other in range(len(after.bones)) if other != row]
    assert np.allclose(after.turned[:, others], before.turned[:, others])


def test_a_heading_turns_everything_about_the_vertical() -> None:
    for up, axis in (("Z", [0.0, 0.0, 1.0]), ("Y", [0.0, 1.0, 0.0])):
        character = stick(up=up, unit_m=0.01)
        spin = from_axis_angles(np.radians(70.0) * np.array(axis))
        before, after = solved(MOTION, character), solved(MOTION, character, replace(PLAIN, heading_deg=70.0))
        assert np.allclose(after.heads, rotate(spin, before.heads), atol=1e-6)
        assert np.allclose(np.abs(np.sum(after.turned * multiply(spin, before.turned), axis=-1)), 1.0)


def test_hips_go_as_far_as_the_legs_make_them() -> None:
    character = stick(build=Build(thigh=0.2, shin=0.2), unit_m=0.01)
    figure, source = figure_of(character.rig, character.true_map), figure_of(SOURCE, SMPL_MAP)
    way = hips_of(character, solved(MOTION, character)) - figure.hips
    thighs = [JOINT_NAMES.index(f"{side}_hip") for side in ("left", "right")]
    theirs = MOTION.heads[:, thighs].mean(axis=1) - source.hips
    ratio = figure.leg / source.leg
    assert np.allclose(way, ratio * theirs, atol=1e-6)
    half = hips_of(character, solved(MOTION, character, replace(PLAIN, path_scale=0.5))) - figure.hips
    assert np.allclose(half, ratio * theirs * [0.5, 0.5, 1.0], atol=1e-6)
    level = hips_of(character, solved(MOTION, character, replace(PLAIN, lock_height=True))) - figure.hips
    assert np.allclose(level, ratio * theirs * [1.0, 1.0, 0.0], atol=1e-6)
    there = hips_of(character, solved(MOTION, character, replace(PLAIN, root="in_place"))) - figure.hips
    assert np.allclose(there, ratio * theirs * [0.0, 0.0, 1.0], atol=1e-6)


@pytest.mark.parametrize("up", ["Y", "Z"])
def test_a_root_that_walks_leaves_everybody_where_they_were(up: str) -> None:
    character = stick(Parts(root=True), up=up, unit_m=0.01)
    hips, root = solved(MOTION, character), solved(MOTION, character, replace(PLAIN, root="root"))
    number = character.rig.numbers["root"]
    others = [bone for bone in range(len(character.rig)) if bone != number]
    assert np.allclose(root.heads[:, others], hips.heads[:, others], atol=1e-6)
    assert np.allclose(np.abs(np.sum(root.turned[:, others] * hips.turned[:, others], axis=-1)), 1.0)
    assert np.allclose(hips.heads[:, number], character.rig.heads[number])
    frame = figure_of(character.rig, character.true_map).frame
    back = conjugate(frame)
    assert np.allclose(
        rotate(back, root.heads[:, number])[:, 2], rotate(back, character.rig.heads[number])[2], atol=1e-6
    )
    turn = multiply(root.turned[:, number], conjugate(character.rig.axes[number]))
    assert np.allclose(multiply(back, multiply(turn, frame))[:, 1:3], 0.0, atol=1e-9)


def test_a_root_turns_and_walks_below_the_hips() -> None:
    turns = np.tile([1.0, 0.0, 0.0, 0.0], (31, 24, 1))
    degrees = np.linspace(0.0, 300.0, 31)
    lean = from_axis_angles(np.radians([20.0, 0.0, 0.0]))
    turns[:, 0] = multiply(from_axis_angles(np.radians(degrees)[:, None] * [0.0, 1.0, 0.0]), lean)
    character = stick(Parts(root=True))
    found = solved(posed_motion(turns), character, replace(PLAIN, root="root"))
    turn = turns_of(character, found, "root")
    assert np.allclose(turn[:, 1:3], 0.0, atol=1e-9)
    heading = np.degrees(np.unwrap(2.0 * np.arctan2(turn[:, 3], turn[:, 0])))
    assert np.allclose(heading - heading[0], degrees, atol=1e-6)
    hips, root = hips_of(character, found), found.heads[:, character.rig.numbers["root"]]
    ahead = figure_of(character.rig, character.true_map).hips - character.rig.heads[character.rig.numbers["root"]]
    spin = from_axis_angles(np.radians(degrees)[:, None] * [0.0, 0.0, 1.0])
    assert np.allclose((hips - root)[:, :2], rotate(spin, ahead)[:, :2], atol=1e-9)


def test_a_target_without_a_root_says_so() -> None:
    character = stick()
    with pytest.raises(CaptureError) as error:
        solved(MOTION, character, replace(PLAIN, root="root"))
    assert error.value.code == "no_root"
    assert "root" in str(error.value)


@pytest.mark.parametrize("size", [0.01, 1.0, 100.0])
def test_in_the_world_limbs_point_where_the_sources_do_wherever_objects_stand(size: float) -> None:
    random = np.random.default_rng(int(100 * size))
    turn = from_axis_angles(random.normal(size=3))
    to_target = np.eye(4)
    to_target[:3, :3], to_target[:3, 3] = size * to_matrices(turn), random.normal(size=3)
    for character in (stick(unit_m=1.0 / size), stick(up="Y", unit_m=1.0 / size, build=Build(thigh=0.3, shin=0.3))):
        found = solve(
            SOURCE,
            SMPL_MAP,
            MOTION,
            character.rig,
            character.true_map,
            replace(PLAIN, place="world"),
            to_target=to_target,
        )
        motion = played(character.rig, found)
        for part, end in LIMBS:
            there, stop = (JOINT_NAMES.index(name) for name in (part, end))
            theirs = rotate(turn, MOTION.heads[:, stop] - MOTION.heads[:, there])
            begin, last = (character.rig.numbers[character.true_map.bones(name)[0]] for name in (part, end))
            ours = motion.heads[:, last] - motion.heads[:, begin]
            units = [along / np.linalg.norm(along, axis=1, keepdims=True) for along in (theirs, ours)]
            assert degrees_apart(*units).max() < EXACT_DEG
        hips = [character.rig.numbers[character.true_map.bones(f"{side}_hip")[0]] for side in ("left", "right")]
        thighs = [JOINT_NAMES.index(f"{side}_hip") for side in ("left", "right")]
        start = MOTION.heads[0, thighs].mean(axis=0) * [1.0, 1.0, 0.0]
        begins = rotate(conjugate(turn), motion.heads[0, hips].mean(axis=0) - to_target[:3, 3]) / size
        assert np.allclose(begins[:2], start[:2], atol=1e-6)
        ratio = figure_of(character.rig, character.true_map).leg * (1.0 / size) / figure_of(SOURCE, SMPL_MAP).leg
        way = rotate(conjugate(turn), np.diff(motion.heads[:, hips].mean(axis=1), axis=0)) / size
        assert np.allclose(way, ratio * np.diff(MOTION.heads[:, thighs].mean(axis=1), axis=0), atol=1e-6)


def test_arms_spread_from_the_body_and_raised_ones_do_not() -> None:
    hanging = still(left_shoulder=(0.0, 0.0, -80.0), right_shoulder=(0.0, 0.0, 80.0))
    raised = still(left_shoulder=(0.0, 0.0, 85.0), right_shoulder=(0.0, 0.0, -85.0))
    character = CHARACTERS[0]
    for motion, least, most in ((hanging, 13.5, 15.0), (raised, 0.0, 1.0)):
        before = pointing(character.rig, character.true_map, solved(motion, character))
        after = pointing(
            character.rig, character.true_map, solved(motion, character, replace(PLAIN, arm_spread_deg=15.0))
        )
        for side, sign in (("left", 1.0), ("right", -1.0)):
            for joint in ("shoulder", "elbow"):
                apart = degrees_apart(before[f"{side}_{joint}"], after[f"{side}_{joint}"])
                assert least <= apart.min() <= apart.max() <= most
                further = sign * (after[f"{side}_{joint}"] - before[f"{side}_{joint}"])[:, 0]
                assert (further > 0.0).all() or motion is raised
        assert np.allclose(after["left_hip"], before["left_hip"])


def test_thighs_spread_and_feet_stay_flat() -> None:
    character, motion = CHARACTERS[0], still()
    before, after = solved(motion, character), solved(motion, character, replace(PLAIN, foot_spread_deg=10.0))
    one, other = (pointing(character.rig, character.true_map, found) for found in (before, after))
    assert degrees_apart(one["left_hip"], other["left_hip"]) == pytest.approx(10.0, abs=0.2)
    foot = character.rig.numbers[character.true_map.bones("left_ankle")[0]]
    assert np.allclose(np.abs(np.sum(before.turned[:, foot] * after.turned[:, foot], axis=1)), 1.0)
    for side, sign in (("left", 1.0), ("right", -1.0)):
        assert (sign * (other[f"{side}_hip"] - one[f"{side}_hip"])[:, 0] > 0.1).all()


def test_a_pose_preview_is_the_target_in_the_sources_rest_pose() -> None:
    for character in CHARACTERS:
        found = aligned(SOURCE, SMPL_MAP, character.rig, character.true_map, Retarget(hands=1.0, heading_deg=90.0))
        assert len(found.frames) == 1
        motion = played(character.rig, found)
        theirs = figure_of(SOURCE, SMPL_MAP)
        for part, along in pointing(character.rig, character.true_map, motion).items():
            assert degrees_apart(along[0], theirs.directions[theirs.row(part)]) < EXACT_DEG
        assert np.allclose(hips_of(character, motion), figure_of(character.rig, character.true_map).hips)


def test_a_trunk_is_aligned_only_where_asked() -> None:
    character = stick(build=Build(hunch=0.09, neck_lean=35.0))
    kept, brought = (
        turns_of(character, solved(still(1), character, replace(PLAIN, align_trunk=trunk)), "neck")
        for trunk in (False, True)
    )
    assert np.allclose(np.abs(kept[:, 0]), 1.0)
    # SMPL's neck leans by atan(0.025 / 0.08) = 17.35 degrees, this one by 35.
    assert np.degrees(to_axis_angles(brought)[0]) == pytest.approx([-17.65, 0.0, 0.0], abs=0.01)


def usable(found: BoneMotion) -> bool:
    """Whether all are numbers, and rotations are rotations that do not flip."""
    whole = bool(np.isfinite(found.turned).all() and np.isfinite(found.heads).all())
    lengths = np.linalg.norm(found.turned, axis=-1)
    return (
        whole and np.allclose(lengths, 1.0) and bool((np.sum(found.turned[1:] * found.turned[:-1], axis=-1) >= 0).all())
    )


@pytest.mark.parametrize("count", [1, 2, 3])
def test_the_shortest_motions_are_solved(count: int) -> None:
    character = stick(Parts(inline=2, beside=1, root=True))
    everything = Retarget(hands=1.0, twist=1.0, align_trunk=True, root="root", arm_spread_deg=5.0)
    short = acting(count)
    found = solve(
        SOURCE, SMPL_MAP, short, character.rig, character.true_map, everything, stands=np.ones((count, 2, 2), bool)
    )
    assert usable(found)
    assert found.turned.shape == (count, len(found.bones), 4)


@pytest.mark.parametrize("pelvis", [(90.0, 0.0, 0.0), (180.0, 0.0, 0.0), (0.0, 0.0, 180.0), (-90.0, 0.0, 90.0)])
def test_who_lies_or_stands_on_the_head_is_solved_as_anybody(pelvis: tuple[float, float, float]) -> None:
    motion = still(40, pelvis=pelvis, left_hip=(-170.0, 0.0, 0.0), left_knee=(170.0, 0.0, 0.0))
    everything = Retarget(hands=1.0, twist=1.0, align_trunk=True, root="root")
    character = stick(Parts(inline=2, beside=1, root=True))
    assert errors(motion, character) < EXACT_DEG
    stands = np.random.default_rng(1).random((40, 2, 2)) > 0.5
    found = solve(SOURCE, SMPL_MAP, motion, character.rig, character.true_map, everything, stands=stands)
    assert usable(found)


def test_wild_motion_stays_numbers() -> None:
    motion = acting(60, seed=9, size=3.0)
    flipped = replace(motion, turned=motion.turned * np.where(np.arange(60) % 2, -1.0, 1.0)[:, None, None])
    character = stick(Parts(inline=2, beside=2, root=True, spine=5))
    everything = Retarget(hands=1.0, twist=1.0, align_trunk=True, root="root", arm_spread_deg=40.0)
    one, other = (
        solve(SOURCE, SMPL_MAP, given, character.rig, character.true_map, everything, stands=np.ones((60, 2, 2), bool))
        for given in (motion, flipped)
    )
    assert usable(one)
    same = np.abs(np.sum(one.turned * other.turned, axis=-1))
    assert np.allclose(same, 1.0, atol=1e-9)  # of a quaternion and its negative, neither is another turn


def test_bones_without_length_elsewhere_are_no_matter() -> None:
    character = stick(Parts(spine=3, neck=2))
    rig, numbers = character.rig, character.rig.numbers
    heads, tails = rig.heads.copy(), rig.tails.copy()
    for name, onto in (("spine1", "spine0"), ("neck1", "neck0")):
        heads[numbers[name]] = heads[numbers[onto]]
    for name in ("head", character.true_map.bones("left_foot")[0], character.true_map.bones("left_wrist")[0]):
        tails[numbers[name]] = heads[numbers[name]]
    broken = replace(rig, heads=heads, tails=tails)
    settings = Retarget(hands=1.0, twist=1.0, align_trunk=True)
    stands = np.ones((len(MOTION.frames), 2, 2), bool)
    assert usable(solve(SOURCE, SMPL_MAP, MOTION, broken, character.true_map, settings, stands=stands))


def test_maps_that_cannot_be_used_say_why() -> None:
    character = stick()

    def code(source_map: BoneMap, target_map: BoneMap, rig: Rig = character.rig) -> str:
        with pytest.raises(CaptureError) as error:
            solve(SOURCE, source_map, MOTION, rig, target_map, PLAIN)
        return error.value.code

    good = character.true_map
    assert code(SMPL_MAP, good.with_part("left_hip", ())) == "part_missing"
    assert code(SMPL_MAP.with_part("right_elbow", ()), good) == "part_missing"
    assert code(SMPL_MAP, good.with_part("head", ("nobody",))) == "bone_missing"
    assert code(SMPL_MAP, good.with_part("head", good.bones("pelvis"))) == "bone_twice"


def test_there_and_back_is_where_it_was() -> None:
    character = CHARACTERS[0]
    there = solved(MOTION, character)
    back = played(SOURCE, solve(character.rig, character.true_map, there, SOURCE, SMPL_MAP, PLAIN))
    mapped = [SOURCE.numbers[name] for entry in SMPL_MAP.parts for name in entry.bones]
    angles = np.degrees(np.linalg.norm(to_axis_angles(multiply(conjugate(MOTION.turned), back.turned)), axis=-1))
    assert angles[:, mapped].max() < 0.1
    assert np.allclose(back.heads[:, 0], MOTION.heads[:, 0], atol=1e-3)
