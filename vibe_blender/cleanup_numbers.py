# SPDX-License-Identifier: GPL-3.0-or-later
"""The numbers beside the clean-up's settings: foot slide, height above the floor and jitter, before and after.

They take longer than a slider may, so they are computed when the user pauses.
"""

from __future__ import annotations

from dataclasses import dataclass

import bpy
import numpy as np

from .contract.errors import CaptureError
from .contract.take import Take
from .live_cleanup import cleanup_of, problem
from .motion.cleanup import Cleaned, cleaned
from .motion.contacts import find_contacts
from .motion.measures import Measures, measure, together
from .motion.settings import Feet
from .redraw import redraw_panels
from .scene.cleaning import fingerprint, with_lists
from .scene.raw_takes import raw_take
from .scene.takes import take_record

_PAUSE_SECONDS = 0.4


@dataclass(frozen=True)
class Numbers:
    """Of a take.

    Attributes:
        state: checksum of the settings they are about.
        before, after: of the raw and of the cleaned motion.
    """

    state: str
    before: Measures
    after: Measures


_numbers: dict[int, Numbers] = {}
"""By a collection's number."""
_wanted: int | None = None


def numbers_of(collection: bpy.types.Collection) -> tuple[Numbers | None, bool]:
    """What was measured last, and whether it is about the settings of now; where not, it soon will be."""
    try:
        state = fingerprint(with_lists(collection, cleanup_of(collection)))
    except CaptureError:
        return None, False
    found = _numbers.get(collection.session_uid)
    fresh = found is not None and found.state == state
    if not fresh and problem(collection) is None:
        _ask(collection.session_uid)
    return found, fresh


def compute(collection: bpy.types.Collection) -> Numbers:
    """Measures a take.

    Raises:
        CaptureError: where its file is gone.
    """
    record = take_record(collection)
    if record is None:
        raise CaptureError("take_gone", f"{collection.name} holds no take.", "Open the take again.")
    take, settings = raw_take(record), with_lists(collection, cleanup_of(collection))
    result = cleaned(take, settings)
    found = Numbers(
        fingerprint(settings), _measured(take, result, settings.feet), _measured(result.take, result, settings.feet)
    )
    _numbers[collection.session_uid] = found
    return found


def forget() -> None:
    """Computes no more."""
    if bpy.app.timers.is_registered(_compute_wanted):
        bpy.app.timers.unregister(_compute_wanted)
    _numbers.clear()


def _measured(take: Take, result: Cleaned, feet: Feet) -> Measures:
    found = []
    for person in take.people:
        if len(person.frames):
            times = np.asarray(take.video.times)[np.asarray(person.frames, int) - take.video.first_frame]
            contacts = result.contacts.get(person.id) or find_contacts(person, times, feet)
            found.append(measure(person, times, contacts))
    return together(found)


def _ask(collection_uid: int) -> None:
    global _wanted
    if _wanted == collection_uid and bpy.app.timers.is_registered(_compute_wanted):
        return
    _wanted = collection_uid
    if not bpy.app.timers.is_registered(_compute_wanted):
        bpy.app.timers.register(_compute_wanted, first_interval=_PAUSE_SECONDS)


def _compute_wanted() -> float | None:
    if any(len(window.modal_operators) for window in bpy.context.window_manager.windows):
        return _PAUSE_SECONDS
    collection = next((item for item in bpy.data.collections if item.session_uid == _wanted), None)
    if collection is not None:
        try:
            compute(collection)
        except CaptureError:
            return None  # the panel says why at the next change
        redraw_panels()
    return None
