# SPDX-License-Identifier: MIT
from dataclasses import replace

import numpy as np
import pytest

from tests.walker import turned, walker
from vibe_blender.contract.errors import CaptureError
from vibe_blender.motion.contacts import contacts_of, find_contacts, standing
from vibe_blender.motion.settings import Contact, Feet


@pytest.mark.parametrize("fps", [24.0, 30.0, 60.0, 120.0])
def test_the_contacts_of_a_walk_are_found_whatever_the_frame_rate(fps: float) -> None:
    person, times, stands = walker(int(3 * fps), fps)
    found = standing(find_contacts(person, times, Feet()), person.frames)
    for part in range(2):
        assert np.mean(found[:, :, part] == stands) > 0.9
    edges = np.abs(np.diff(stands.astype(int), axis=0)).sum()
    wrong = (found.any(axis=2) != stands).sum() / fps
    assert wrong / edges < 0.06  # seconds at each beginning or end


def test_a_sway_that_both_feet_share_does_not_lift_them() -> None:
    person, times, stands = walker()
    sway = 0.08 * np.sin(2 * np.pi * 1.1 * times)  # up to half a metre a second
    swaying = replace(person, root=person.root + sway[:, None] * [0.6, 0.8, 0.0])
    found = standing(find_contacts(swaying, times, Feet()), person.frames).any(axis=2)
    assert found[stands].mean() > 0.9
    assert found[~stands].mean() < 0.35


def test_heel_and_ball_are_told_apart() -> None:
    person, times, stands = walker()
    rotations = person.rotations.copy()
    lifted = np.radians(40.0) * np.ones(len(times))
    for ankle in (7, 8):
        rotations[:, ankle] = _pitched(rotations[:, ankle], lifted)
    ankle_up = 0.072 * (np.cos(lifted) - 1) + 0.11 * np.sin(lifted)  # the ball stays about where it was
    tiptoe = replace(person, rotations=rotations, root=person.root + ankle_up[:, None] * [0.0, 0.0, 1.0])
    found = standing(find_contacts(tiptoe, times, Feet()), person.frames)
    assert found[stands][:, 1].mean() > 0.8
    assert not found[..., 0].any()


def test_edited_contacts_stand_instead_of_found_ones() -> None:
    person, times, _ = walker()
    mine = (Contact("right", "toe", 40, 50), Contact("left", "heel", 3, 9))
    feet = Feet(contacts={1: mine})
    assert contacts_of(person, times, feet) == (mine[1], mine[0])
    assert contacts_of(person, times, replace(feet, lock="off")) == ()
    assert contacts_of(person, times, Feet(contacts={1: ()})) == ()
    assert contacts_of(replace(person, id=2), times, feet) == find_contacts(person, times, Feet())


def test_automatic_is_off_for_those_who_hardly_ever_stand() -> None:
    person, times, _ = walker(300)
    rise = np.where(np.arange(300) > 20, 1.0, 0.0)
    flying = replace(person, root=person.root + rise[:, None] * [0.0, 0.0, 1.0])
    assert contacts_of(flying, times, Feet()) == ()
    assert contacts_of(flying, times, Feet(lock="on")) != ()
    assert contacts_of(person, times, Feet()) == contacts_of(person, times, Feet(lock="on")) != ()


def test_short_contacts_are_none() -> None:
    person, times, _ = walker()
    assert find_contacts(person, times, Feet(shortest_s=0.9)) == ()


def test_no_contact_reaches_across_a_gap() -> None:
    person, times, _ = walker()
    keep = np.r_[0:6, 9:90]
    seen = replace(
        person,
        **{name: getattr(person, name)[keep]
           for name in ("frames", "rotations", "root", "contacts", "confidence", "boxes", "keypoints")},
    )  # fmt: skip
    found = find_contacts(seen, times[keep], Feet())
    left = [contact for contact in found if contact.foot == "left" and contact.first < 15]
    assert left
    assert all(contact.last <= 5 or contact.first >= 9 for contact in left)


def test_the_world_may_be_turned() -> None:
    person, times, _ = walker()
    assert find_contacts(turned(person, 2.1, (3.0, -4.0)), times, Feet()) == find_contacts(person, times, Feet())


def test_a_single_frame_has_no_contact() -> None:
    person, times, _ = walker(1)
    assert find_contacts(person, times, Feet()) == ()


def test_standing_covers_the_first_and_the_last_frame_and_skips_those_not_seen() -> None:
    stands = standing((Contact("left", "toe", 4, 8), Contact("right", "heel", 30, 40)), np.array([2, 4, 5, 8, 9]))
    assert stands[:, 0, 1].tolist() == [False, True, True, True, False]
    assert stands.sum() == 3


@pytest.mark.parametrize(
    "wrong", [("middle", "heel", 0, 1), ("left", "knee", 0, 1), ("left", "heel", 5, 4)], ids=["foot", "part", "order"]
)
def test_a_contact_that_makes_no_sense_is_refused(wrong) -> None:
    with pytest.raises(CaptureError) as caught:
        Contact(*wrong)
    assert caught.value.code == "bad_setting"


def _pitched(rotations: np.ndarray, angle: np.ndarray) -> np.ndarray:
    from vibe_blender.contract.quaternions import from_axis_angles, multiply

    return multiply(rotations, from_axis_angles(angle[:, None] * [1.0, 0.0, 0.0]))
