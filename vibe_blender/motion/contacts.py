# SPDX-License-Identifier: GPL-3.0-or-later OR MIT
"""When the heels and the balls of a person's feet stand on the floor."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..contract.quaternions import Array
from ..contract.take import Person
from .over_time import Timeline, prefix_sums
from .settings import FEET, PARTS, Contact, Feet
from .soles import Legs, legs_of

_SPEED_WINDOW_S, _SWAY_WINDOW_S = 0.1, 0.17
_SWAY_SHARE = 0.25
"""What counts of a speed that all feet near the floor share: one camera sees depth badly, so most is the body's."""
_SLOWEST_M_S = 0.3
_NEAR_M, _NEAR_WIDTH_M = 0.06, 0.015
_LEAVING_HEIGHT = 1.5
"""A foot that stands has left at so many times the height below which it begins to stand."""
HARDLY_EVER = 0.1
"""Of all frames: feet that stand in fewer do not stand."""
_HASTE = 2.7
"""A part that moves so many times faster than it mostly does while it stands is on its way to another place."""


def contacts_of(person: Person, times: Array, feet: Feet, legs: Legs | None = None) -> tuple[Contact, ...]:
    """The person's contacts, in the order of time: as edited where they were, else as found; none with the lock off.

    With the lock on ``auto`` there are none either where what was found is hardly ever: somebody who runs before a
    panning camera, jumps or swims.

    Args:
        person: whose.
        times: (T,) seconds of the person's frames.
        feet: settings.
        legs: of the person, where they are known already.
    """
    if feet.lock == "off":
        return ()
    if person.id in feet.contacts:
        return tuple(sorted(feet.contacts[person.id], key=lambda contact: (contact.first, contact.last)))
    found = find_contacts(person, times, feet, legs)
    hardly = standing(found, person.frames).any(axis=(1, 2)).sum() < HARDLY_EVER * len(person.frames)
    return () if feet.lock == "auto" and hardly else found


def find_contacts(person: Person, times: Array, feet: Feet, legs: Legs | None = None) -> tuple[Contact, ...]:
    """The stretches in which a heel or a ball is slow and near the floor, in the order of time.

    Args:
        person: whose; the floor is the world's z = 0.
        times: (T,) seconds of the person's frames.
        feet: the speeds, the height and the shortest contact.
        legs: of the person, where they are known already.
    """
    timeline = Timeline.of(times, person.frames)
    points = (legs or legs_of(person)).soles[:, :, :2]
    speeds, heights = standing_speeds(points, timeline), points[..., 2]
    found = [
        Contact(FEET[foot], PARTS[part], int(person.frames[first]), int(person.frames[end - 1]))
        for foot in range(2)
        for part in range(2)
        for first, end in standing_stretches(speeds[:, foot, part], heights[:, foot, part], timeline, feet)
    ]
    return tuple(sorted(found, key=lambda contact: (contact.first, contact.last)))


def standing(contacts: tuple[Contact, ...], frames: Array) -> NDArray[np.bool_]:
    """Which parts stand: (T, 2, 2), left and right foot, heel and ball.

    Args:
        contacts: of one person.
        frames: (T,) ascending video frame numbers.
    """
    stands = np.zeros((len(frames), 2, 2), dtype=bool)
    low = np.searchsorted(frames, [contact.first for contact in contacts], "left")
    high = np.searchsorted(frames, [contact.last for contact in contacts], "right")
    for contact, start, end in zip(contacts, low, high, strict=True):
        stands[start:end, FEET.index(contact.foot), PARTS.index(contact.part)] = True
    return stands


def standing_speeds(points: Array, timeline: Timeline) -> Array:
    """How fast heels and balls move, m/s, (T, 2, 2), where a sway that the feet near the floor share counts little.

    A body seen by one camera sways in depth with all its joints, by up to a metre a second, and its standing feet with
    it. So the velocity that feet near the floor have in common, the slower one counting more, is taken off, and a share
    of its size is added again: where both feet fly, they do not stand.

    Args:
        points: (T, 2, 2, 3) metres, world, of heel and ball of the left and the right sole.
        timeline: theirs.
    """
    velocity = timeline.averaged(timeline.velocities(points), _SPEED_WINDOW_S)
    part = np.argmin(np.linalg.norm(velocity, axis=-1), axis=2)
    slower = np.take_along_axis(velocity, part[:, :, None, None], axis=2)[:, :, 0]
    lowest = points[..., 2].min(axis=2)
    near = 1.0 / (1.0 + np.exp(np.clip((lowest - _NEAR_M) / _NEAR_WIDTH_M, -50.0, 50.0)))
    weight = (near + 1e-3) / (np.sum(slower**2, axis=-1) + _SLOWEST_M_S**2)
    sway = np.sum(weight[..., None] * slower, axis=1) / weight.sum(axis=1)[:, None] * [1.0, 1.0, 0.0]
    sway = timeline.averaged(sway, _SWAY_WINDOW_S)
    own = np.linalg.norm(velocity - sway[:, None, None], axis=-1)
    return own + _SWAY_SHARE * np.linalg.norm(sway, axis=-1)[:, None, None]


def standing_stretches(speeds: Array, heights: Array, timeline: Timeline, feet: Feet) -> list[tuple[int, int]]:
    """First and after-last index of the stretches in which one part stands.

    Args:
        speeds: (T,) m/s, from ``standing_speeds``.
        heights: (T,) metres above the floor.
        timeline: theirs.
        feet: the speeds, the height and the shortest contact.
    """
    begins = (speeds < feet.enter_m_s) & (heights < feet.height_m)
    lasts = (speeds < feet.leave_m_s) & (heights < _LEAVING_HEIGHT * feet.height_m)
    first, end = timeline.stretches(lasts).T
    total = prefix_sums(speeds)
    mean = (total[end] - total[first]) / (end - first)
    limit = np.zeros(len(speeds))
    limit[lasts] = np.repeat(np.clip(_HASTE * mean, feet.enter_m_s, feet.leave_m_s), end - first)
    lasts &= speeds < limit
    first, end = timeline.stretches(lasts).T
    begun = prefix_sums(begins & lasts)
    seconds = timeline.times[end - 1] - timeline.times[first] + timeline.frame_s
    kept = (begun[end] > begun[first]) & (seconds > feet.shortest_s - timeline.frame_s / 2)
    return [(int(low), int(high)) for low, high in zip(first[kept], end[kept], strict=True)]
