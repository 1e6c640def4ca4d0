# SPDX-License-Identifier: GPL-3.0-or-later OR MIT
"""The clean-up: a take and settings in, a take out; nothing is kept between calls, so a setting can be moved again."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ..contract.quaternions import Array
from ..contract.take import Person, Take, Video
from .contacts import contacts_of
from .feet import hold_feet
from .gaps import fill, repair
from .root import camera_with, path_with, rerooted
from .settings import RAW, CameraPath, Cleanup, Contact
from .smoothing import smooth
from .soles import legs_of
from .view import viewed


@dataclass(frozen=True)
class Cleaned:
    """What the clean-up makes of a take.

    Attributes:
        take: the cleaned one.
        contacts: by person's id, when which part of which foot stands, whether it was held there or not.
        path: of the camera that moved, in the cleaned take's world; None for one that stood still.
    """

    take: Take
    contacts: dict[int, tuple[Contact, ...]]
    path: CameraPath | None = None


def clean(take: Take, settings: Cleanup) -> Take:
    """The take with its people's motion as the settings want it; with ``RAW`` the very same.

    Raises:
        CaptureError: ``bad_setting`` for the path of a camera that does not fit the take.
    """
    return take if settings == RAW else cleaned(take, settings).take


def cleaned(take: Take, settings: Cleanup) -> Cleaned:
    """The same, with what else was found on the way.

    In this order: the camera is put where it belongs, wild frames are mended and gaps filled, jitter is taken out, feet
    that stand are held, and the path becomes what is asked for.

    Raises:
        CaptureError: as ``clean``.
    """
    seen = viewed(take, settings.view)
    people, contacts = [], {}
    for person in seen.take.people:
        if not len(person.frames):
            people.append(person)
            continue
        smoothed = _smoothed(person, take.video, settings)
        times, legs = _times(smoothed, take.video), legs_of(smoothed)
        contacts[person.id] = contacts_of(smoothed, times, settings.feet, legs)
        # Found once: to the feet they are as if they were the user's.
        feet = replace(settings.feet, contacts=contacts)
        people.append(rerooted(hold_feet(smoothed, times, feet, legs), times, settings.root))
    camera, path = camera_with(seen.take.camera, settings.root), seen.path
    if path is not None:
        path = replace(path, to_world=path_with(path.to_world, settings.root))
    return Cleaned(replace(seen.take, people=tuple(people), camera=camera), contacts, path)


def _smoothed(person: Person, video: Video, settings: Cleanup) -> Person:
    """The person without wild frames, short gaps and jitter."""
    mended = repair(person, _times(person, video), settings.smoothing)
    whole = fill(mended, video, settings.smoothing)
    return smooth(whole, _times(whole, video), settings.smoothing)


def _times(person: Person, video: Video) -> Array:
    """Seconds (T,) of a person's frames."""
    return np.asarray(video.times)[np.asarray(person.frames, int) - video.first_frame]
