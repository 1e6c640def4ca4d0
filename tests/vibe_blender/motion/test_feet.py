# SPDX-License-Identifier: MIT
from dataclasses import replace

import numpy as np
import pytest

from tests.walker import turned, walker
from vibe_blender.contract.quaternions import Array, from_axis_angles, multiply, to_axis_angles
from vibe_blender.contract.skeleton import PARENTS
from vibe_blender.contract.take import Person
from vibe_blender.motion.contacts import contacts_of, standing
from vibe_blender.motion.feet import hold_feet
from vibe_blender.motion.settings import RAW, Contact, Feet
from vibe_blender.motion.soles import BALL, legs_of

TIMED = ("frames", "rotations", "root", "contacts", "confidence", "boxes", "keypoints")
STAYS = Feet(correct_root=0.0)
PINNED_M = 1e-4
"""What stands may be off: less than anybody can see, for the sake of knees that are all but straight."""


def swaying(person: Person, times: Array, metres: float = 0.03) -> Person:
    """The person as a camera sees one: the body sways, and floats a little."""
    sway = metres * np.stack([np.sin(7.0 * times), np.cos(9.0 * times + 1.0), 0.3 * np.sin(5.0 * times) - 0.2], axis=1)
    return replace(person, root=person.root + sway)


def held_points(person: Person) -> Array:
    """Under the heel and the ball's joint of both feet: (T, 2, 2, 3)."""
    legs = legs_of(person)
    return np.stack([legs.soles[:, :, 0], legs.places[:, :, BALL]], axis=2)


def rows(person: Person, keep: Array) -> Person:
    return replace(person, **{name: getattr(person, name)[keep] for name in TIMED})


def bone_lengths(person: Person) -> Array:
    joints = person.joints()
    return np.linalg.norm(joints[:, 1:] - joints[:, PARENTS[1:]], axis=-1)


def slides(person: Person, stands: Array) -> Array:
    """How far held points move from frame to frame within their contacts, metres."""
    steps = np.linalg.norm(np.diff(held_points(person), axis=0), axis=-1)
    return steps[stands[1:] & stands[:-1]]


def test_what_stands_does_not_move_and_is_on_the_floor() -> None:
    person, times, _ = walker()
    before = swaying(person, times)
    stands = standing(contacts_of(before, times, STAYS), before.frames)
    after = hold_feet(before, times, STAYS)
    assert slides(before, stands).max() > 5e-3
    assert slides(after, stands).max() < PINNED_M
    heights = held_points(after)[..., 2]
    assert np.allclose(heights[..., 0][stands[..., 0]], 0.0, atol=PINNED_M)
    assert np.allclose(heights[..., 1][stands[..., 1]], 0.020, atol=PINNED_M)
    assert np.array_equal(after.root, before.root)
    assert np.array_equal(after.contacts, stands.any(axis=2))


def test_bones_keep_their_lengths_and_rotations_stay_rotations() -> None:
    person, times, _ = walker()
    before = swaying(person, times, 0.1)
    after = hold_feet(before, times, Feet())
    assert np.allclose(bone_lengths(after), bone_lengths(before), atol=1e-9)
    assert np.allclose(np.linalg.norm(after.rotations, axis=-1), 1.0, atol=1e-9)
    assert np.sum(after.rotations[1:] * after.rotations[:-1], axis=-1).min() > 0.0


def test_only_legs_are_changed() -> None:
    person, times, _ = walker()
    after = hold_feet(swaying(person, times), times, Feet())
    others = [joint for joint in range(24) if joint not in (1, 2, 4, 5, 7, 8, 10, 11)]
    assert np.array_equal(after.rotations[:, others], person.rotations[:, others])


def test_the_body_follows_standing_feet() -> None:
    person, times, _ = walker(150)
    before = swaying(person, times, 0.06)
    after = hold_feet(before, times, Feet())
    inner = slice(30, -30)

    def wobble(some: Person) -> float:
        error = (some.root - person.root)[inner]
        return float(np.std(error, axis=0).max())

    assert wobble(after) < 0.35 * wobble(before)


def test_the_path_does_not_drift_after_feet_that_always_slide() -> None:
    person, times, _ = walker(300)
    glide = 0.25 * times  # as of somebody whose strides are seen too short
    before = replace(person, root=person.root - glide[:, None] * [0.0, 1.0, 0.0])
    after = hold_feet(before, times, Feet())
    assert np.abs((after.root - before.root)[:, :2]).max() < 0.15


def test_a_step_rolls_from_heel_to_ball_without_a_jump() -> None:
    person, times, _ = walker(40)
    rotations = np.tile(person.rotations[12:13], (40, 1, 1))
    pitch = np.radians(np.interp(np.arange(40), [0, 12, 24, 39], [-20.0, -2.0, 3.0, 40.0]))
    rotations[:, 7] = multiply(rotations[:, 7], from_axis_angles(pitch[:, None] * [1.0, 0.0, 0.0]))
    drift = np.linspace(0.0, 0.12, 40)[:, None] * [0.3, -1.0, 0.2]
    before = replace(person, rotations=rotations, root=person.root[12] + drift)
    for heel, ball in (((4, 22), (14, 35)), ((4, 18), (19, 35))):  # with a flat foot between them, and without
        marks = (Contact("left", "heel", *heel), Contact("left", "toe", *ball))
        after = hold_feet(before, times, replace(STAYS, contacts={1: marks}, clamp=False))
        stands = standing(marks, before.frames)
        assert slides(after, stands).max() < PINNED_M
        ankle = after.joints()[:, 7]
        jumps = np.linalg.norm(np.diff(ankle, n=2, axis=0), axis=1)
        assert jumps[2:34].max() < 6e-3


def test_knees_do_not_pop_where_contacts_begin_and_end() -> None:
    person, times, _ = walker(240, 60.0)
    before = swaying(person, times)
    stands = standing(contacts_of(before, times, Feet()), before.frames).any(axis=2)
    after = hold_feet(before, times, Feet())
    for side, knee in enumerate((4, 5)):
        inverse = after.rotations[:-1, knee] * [1.0, -1.0, -1.0, -1.0]
        speeds = np.linalg.norm(to_axis_angles(multiply(inverse, after.rotations[1:, knee])), axis=1)
        for border in np.flatnonzero(stands[1:, side] != stands[:-1, side]):
            if 6 <= border < len(speeds) - 6:
                near = np.r_[speeds[border - 6 : border], speeds[border + 1 : border + 7]]
                assert speeds[border] <= 1.5 * near.max()


def test_no_foot_is_below_the_floor() -> None:
    person, times, _ = walker()
    rotations = person.rotations.copy()
    rotations[:, 7] = multiply(rotations[:, 7], from_axis_angles(np.array([0.4, 0.1, 0.2])))
    low = replace(person, rotations=rotations, root=person.root - [0.0, 0.0, 0.05])
    assert legs_of(low).soles[..., 2].min() < -0.05
    for toes in (True, False):
        after = hold_feet(low, times, Feet(lock="off", bend_toes=toes))
        assert legs_of(after).soles[..., 2].min() > -1e-9
        assert np.array_equal(after.root, low.root)
        assert np.array_equal(after.contacts, low.contacts)
    high = legs_of(low).soles[..., 2].min(axis=2) > 0.01
    assert np.array_equal(after.rotations[high[:, 0]][:, [1, 4, 7]], low.rotations[high[:, 0]][:, [1, 4, 7]])


def test_toes_bend_where_the_heel_has_left_the_floor() -> None:
    person, times, _ = walker(20)
    rotations = np.tile(person.rotations[9:10], (20, 1, 1))
    rotations[:, 7] = multiply(rotations[:, 7], from_axis_angles(np.array([0.6, 0.0, 0.0])))
    tiptoe = replace(person, rotations=rotations, root=np.tile(person.root[9], (20, 1)))
    feet = replace(STAYS, contacts={1: (Contact("left", "toe", 0, 19),)})
    bent, stiff = hold_feet(tiptoe, times, feet), hold_feet(tiptoe, times, replace(feet, bend_toes=False, clamp=False))
    assert np.allclose(legs_of(bent).soles[:, 0, 2, 2], 0.0, atol=1e-9)
    assert np.allclose(np.linalg.norm(to_axis_angles(bent.rotations[:, 10]), axis=1), 0.6, atol=0.02)
    assert np.array_equal(stiff.rotations[:, 10], tiptoe.rotations[:, 10])
    assert legs_of(stiff).soles[:, 0, 2, 2].max() < -0.02


def test_edited_contacts_are_obeyed() -> None:
    person, times, _ = walker()
    before = swaying(person, times)
    mine = (Contact("right", "heel", 47, 60), Contact("right", "toe", 47, 60))
    after = hold_feet(before, times, replace(STAYS, clamp=False, bend_toes=False, contacts={1: mine}))
    stands = standing(mine, before.frames)
    assert slides(after, stands).max() < PINNED_M
    assert np.array_equal(after.contacts, stands.any(axis=2))
    assert np.array_equal(after.rotations[:, [1, 4, 7]], before.rotations[:, [1, 4, 7]])  # the left leg
    unchanged = np.all(after.rotations == before.rotations, axis=(1, 2))
    assert unchanged[:30].all()
    assert unchanged[78:].all()


def test_strength_goes_from_nothing_to_all() -> None:
    person, times, _ = walker()
    before = swaying(person, times)
    assert hold_feet(before, times, Feet(strength=0.0)) is before
    stands = standing(contacts_of(before, times, STAYS), before.frames)
    raw, half, full = (
        slides(hold_feet(before, times, replace(STAYS, strength=strength)), stands).mean()
        for strength in (1e-6, 0.5, 1.0)
    )
    assert raw == pytest.approx(slides(before, stands).mean(), rel=1e-3)
    assert half == pytest.approx(raw / 2, rel=0.1)
    assert full < PINNED_M


def test_raw_settings_change_nothing() -> None:
    person, times, _ = walker()
    assert hold_feet(person, times, RAW.feet) is person


def test_somebody_in_the_air_is_left_alone() -> None:
    person, times, _ = walker()
    flying = replace(person, root=person.root + np.array([0.0, 0.0, 1.0]))
    after = hold_feet(flying, times, Feet())
    assert np.array_equal(after.rotations, flying.rotations)
    assert np.array_equal(after.root, flying.root)
    assert not after.contacts.any()


def test_the_world_may_be_turned() -> None:
    person, times, _ = walker()
    before = swaying(person, times)
    one = turned(hold_feet(before, times, Feet()), 1.2, (5.0, -3.0))
    other = hold_feet(turned(before, 1.2, (5.0, -3.0)), times, Feet())
    assert np.allclose(one.joints(), other.joints(), atol=1e-9)


def test_each_side_of_a_gap_stands_in_its_own_place() -> None:
    person, times, _ = walker(60)
    still = replace(
        person, rotations=np.tile(person.rotations[9:10], (60, 1, 1)), root=np.tile(person.root[9], (60, 1))
    )
    late = np.arange(60) >= 30
    moved = replace(still, root=still.root + late[:, None] * [0.5, 0.2, 0.0])
    keep = np.r_[0:25, 35:60]
    before = rows(swaying(moved, times, 0.01), keep)
    feet = replace(STAYS, contacts={1: (Contact("left", "heel", 0, 59), Contact("left", "toe", 10, 59))})
    after = hold_feet(before, times[keep], feet)
    heel = held_points(after)[:, 0, 0]
    assert np.ptp(heel[:25], axis=0).max() < PINNED_M
    assert np.ptp(heel[25:], axis=0).max() < PINNED_M
    assert np.linalg.norm(heel[30] - heel[10]) == pytest.approx(np.hypot(0.5, 0.2), abs=0.02)


@pytest.mark.parametrize("count", [1, 2, 3])
def test_clips_of_a_few_frames(count: int) -> None:
    person, times, _ = walker(count)
    marks = tuple(Contact(foot, part, 0, count - 1) for foot in ("left", "right") for part in ("heel", "toe"))
    for feet in (Feet(), Feet(contacts={1: marks})):
        after = hold_feet(person, times, feet)
        assert np.isfinite(after.rotations).all()
        assert legs_of(after).soles[..., 2].min() > -1e-9


def test_someone_without_a_frame_stays_nobody() -> None:
    person, times, _ = walker(3)
    nobody = rows(person, np.arange(0))
    assert hold_feet(nobody, times[:0], Feet()) is nobody


def test_a_contact_out_of_reach_stretches_no_leg() -> None:
    person, times, _ = walker(60)
    feet = replace(STAYS, contacts={1: (Contact("left", "heel", 0, 59), Contact("left", "toe", 0, 59))})
    after = hold_feet(person, times, feet)  # 1.8 m of way with a foot that stays
    assert np.allclose(bone_lengths(after), bone_lengths(person), atol=1e-9)
    assert np.isfinite(after.rotations).all()
