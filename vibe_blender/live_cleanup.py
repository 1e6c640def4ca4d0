# SPDX-License-Identifier: GPL-3.0-or-later
"""What a change of the clean-up's settings does: the motion follows at once, or it is kept why it could not.

Characters that are bound to the people of the take follow too.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import bpy

from .contract.errors import CaptureError
from .live_retarget import follow
from .motion.settings import Cleanup
from .redraw import redraw_panels
from .scene.cleaning import clean_up
from .scene.steps import rendering
from .scene.takes import take_record

_quiet = False
_problems: dict[int, CaptureError] = {}
"""By a collection's number: why the last change could not be shown."""
_kept: dict[int, tuple[str, ...]] = {}
"""By a collection's number: the actions that the last change kept because somebody has worked on them."""


def changed(collection: bpy.types.Collection) -> None:
    """A setting of the collection was changed: shows it, where there is a take."""
    if not _quiet and take_record(collection) is not None:
        refresh(collection)


def cleanup_of(collection: bpy.types.Collection) -> Cleanup:
    """The settings of a take, without its lists (``scene.cleaning.with_lists``).

    Raises:
        CaptureError: ``bad_setting``.
    """
    return collection.vibe_cleanup.settings()


def refresh(collection: bpy.types.Collection) -> None:
    """Shows what the settings say; where that cannot be, the reason is kept for the panel."""
    _problems.pop(collection.session_uid, None)
    _kept.pop(collection.session_uid, None)
    try:
        if rendering():
            raise CaptureError("rendering", "A render reads the motion.", "Apply the settings when it is done.")
        _kept[collection.session_uid] = clean_up(
            collection, cleanup_of(collection), raw=collection.vibe_cleanup.show_raw
        )
        follow(collection)
    except CaptureError as error:
        _problems[collection.session_uid] = error
    redraw_panels()


def problem(collection: bpy.types.Collection) -> CaptureError | None:
    """Why the last change could not be shown."""
    return _problems.get(collection.session_uid)


def kept_actions(collection: bpy.types.Collection) -> tuple[str, ...]:
    """What the last change kept because somebody has worked on it."""
    return _kept.get(collection.session_uid, ())


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Changes inside are not shown one by one."""
    global _quiet
    before, _quiet = _quiet, True
    try:
        yield
    finally:
        _quiet = before


def forget() -> None:
    """Forgets what went wrong."""
    _problems.clear()
    _kept.clear()
