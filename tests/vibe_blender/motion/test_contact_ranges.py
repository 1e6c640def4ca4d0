# SPDX-License-Identifier: MIT
import numpy as np
import pytest

from vibe_blender.motion.contact_ranges import as_numbers, at, cut, from_numbers, from_steps, merged, moved, steps
from vibe_blender.motion.settings import Contact


def heel(first: int, last: int, foot: str = "left") -> Contact:
    return Contact(foot, "heel", first, last)


def test_what_touches_becomes_one_and_feet_stay_apart() -> None:
    assert merged([heel(10, 12), heel(3, 5), heel(6, 7), heel(4, 9, "right")]) == (
        heel(3, 7),
        heel(4, 9, "right"),
        heel(10, 12),
    )


def test_a_hole_is_cut() -> None:
    assert cut([heel(3, 9), heel(3, 9, "right")], heel(5, 6)) == (heel(3, 4), heel(3, 9, "right"), heel(7, 9))
    assert cut([heel(3, 9)], heel(0, 20)) == ()


def test_one_is_found_and_moved_within_the_take() -> None:
    contacts = (heel(3, 5), heel(10, 12))
    assert at(contacts, "left", "heel", 11) == heel(10, 12)
    assert at(contacts, "left", "toe", 11) is None
    assert moved(contacts, heel(10, 12), 12, 40, (0, 20)) == (heel(3, 5), heel(12, 20))
    assert moved(contacts, heel(10, 12), 18, 12, (0, 20)) == (heel(3, 5), heel(18, 18))


@pytest.mark.parametrize("seed", range(5))
def test_steps_and_numbers_lose_nothing(seed) -> None:
    random = np.random.default_rng(seed)
    contacts = merged(
        heel(int(first), int(min(first + length, 49))) for first, length in random.integers(0, 50, (6, 2))
    )
    assert from_steps(steps(contacts, "left", "heel", 0, 49), "left", "heel", 49) == contacts
    assert steps(contacts, "right", "heel", 0, 49) == [(0, False)]
    assert from_numbers(as_numbers(contacts)) == contacts


def test_numbers_of_a_stranger_are_left_out() -> None:
    assert from_numbers([2, 0, 1, 2, 0, 0, 5, 3, 0, 1, 4, 6, 9]) == (Contact("left", "toe", 4, 6),)
