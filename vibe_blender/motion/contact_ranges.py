# SPDX-License-Identifier: GPL-3.0-or-later OR MIT
"""Contacts as a user edits them: added, cut out, moved; and as steps between 0 and 1 along the time line."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from .settings import FEET, PARTS, Contact

Contacts = tuple[Contact, ...]


def merged(contacts: Iterable[Contact]) -> Contacts:
    """The same stretches in the order of time, those of one part that overlap or touch made one."""
    found: list[Contact] = []
    for contact in sorted(contacts, key=lambda item: (item.foot, item.part, item.first, item.last)):
        before = found[-1] if found else None
        if before is not None and _same(before, contact) and contact.first <= before.last + 1:
            found[-1] = replace(before, last=max(before.last, contact.last))
        else:
            found.append(contact)
    return tuple(sorted(found, key=lambda item: (item.first, item.last, item.foot, item.part)))


def cut(contacts: Iterable[Contact], hole: Contact) -> Contacts:
    """The contacts without the frames in which ``hole`` says that its part does not stand."""
    left: list[Contact] = []
    for contact in contacts:
        if not _same(contact, hole):
            left.append(contact)
            continue
        before = contact.first, min(contact.last, hole.first - 1)
        after = max(contact.first, hole.last + 1), contact.last
        left += [replace(contact, first=first, last=last) for first, last in (before, after) if first <= last]
    return merged(left)


def at(contacts: Iterable[Contact], foot: str, part: str, frame: int) -> Contact | None:
    """The contact of a part at a video frame; None where it does not stand."""
    wanted = Contact(foot, part, frame, frame)
    return next((item for item in contacts if _same(item, wanted) and item.first <= frame <= item.last), None)


def moved(contacts: Iterable[Contact], contact: Contact, first: int, last: int, limits: tuple[int, int]) -> Contacts:
    """The contacts with one of them from ``first`` to ``last`` instead, within the limits; it keeps one frame at least.

    Args:
        contacts: of one person.
        contact: one of them.
        first, last: video frames, both included.
        limits: first and last frame of the take.
    """
    low, high = limits
    first = min(max(first, low), high)
    last = max(min(last, high), first)
    return merged([*(item for item in contacts if item != contact), replace(contact, first=first, last=last)])


def steps(contacts: Iterable[Contact], foot: str, part: str, first: int, last: int) -> list[tuple[int, bool]]:
    """Where a part begins and ceases to stand: (video frame, stands from there on or not), the first frame always.

    Args:
        contacts: of one person.
        foot, part: which.
        first, last: video frames of the take; a contact that lasts until the end does not cease.
    """
    found: dict[int, bool] = {first: False}
    for contact in merged(item for item in contacts if (item.foot, item.part) == (foot, part)):
        found[max(contact.first, first)] = True
        if contact.last + 1 <= last:
            found[contact.last + 1] = False
    return sorted(found.items())


def from_steps(changes: Iterable[tuple[int, bool]], foot: str, part: str, last: int) -> Contacts:
    """What ``steps`` was made of; the changes are in the order of time."""
    found, since = [], None
    for frame, stands in changes:
        if stands and since is None:
            since = frame
        elif not stands and since is not None:
            if since < frame:
                found.append(Contact(foot, part, since, frame - 1))
            since = None
    if since is not None and since <= last:
        found.append(Contact(foot, part, since, last))
    return merged(found)


def as_numbers(contacts: Iterable[Contact]) -> list[int]:
    """The contacts as whole numbers, four each, for a file; ``from_numbers`` reads them."""
    return [
        number for item in contacts for number in (FEET.index(item.foot), PARTS.index(item.part), item.first, item.last)
    ]


def from_numbers(numbers: Iterable[int]) -> Contacts:
    """The contacts of ``as_numbers``; what makes no sense is left out, for a file may come from a stranger."""
    values = [int(number) for number in numbers]
    found = []
    for place in range(0, len(values) - 3, 4):
        foot, part, first, last = values[place : place + 4]
        if 0 <= foot < len(FEET) and 0 <= part < len(PARTS) and 0 <= first <= last:
            found.append(Contact(FEET[foot], PARTS[part], first, last))
    return merged(found)


def _same(one: Contact, other: Contact) -> bool:
    return (one.foot, one.part) == (other.foot, other.part)
