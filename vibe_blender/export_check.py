# SPDX-License-Identifier: GPL-3.0-or-later
"""The check of what was exported: it runs beside Blender, and the panel shows what it found."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import bpy

from .contract.errors import CaptureError
from .redraw import redraw_panels
from .scene.exporting.amass_file import check_amass
from .scene.exporting.checking import Check, Checking, Places

LARGEST_MM = 1.0
"""Joints that are farther off than this are told as an error."""
_POLL_SECONDS = 0.2


@dataclass(frozen=True)
class Outcome:
    """What became of an export.

    Attributes:
        paths: the files that were written.
        found: how far off they are, the worst of them; None where that was not looked at, or not yet.
        error: why it could not be looked at.
    """

    paths: tuple[Path, ...]
    found: Check | None = None
    error: CaptureError | None = None


class _Run:
    """A check that is going on."""

    def __init__(self, files: list[list[Places]]) -> None:
        self.waiting, self.found = files, list[Check]()
        self.current: Checking | None = None

    def step(self) -> bool:
        """Whether there is more to do."""
        if self.current is not None:
            if self.current.running:
                return True
            try:
                self.found.append(self.current.result())
            finally:
                self.close()
        if not self.waiting:
            return False
        places = self.waiting.pop(0)
        if places[0].rest is not None:
            self.found.append(check_amass(places[0]))
        else:
            self.current = Checking(places)
        return True

    def close(self) -> None:
        if self.current is not None:
            self.current.close()
            self.current = None


_run: _Run | None = None
_outcome: Outcome | None = None


def outcome() -> Outcome | None:
    """What became of the last export of this session."""
    return _outcome


def running() -> bool:
    """Whether its check is going on."""
    return _run is not None


def note(written: Sequence[Places], *, check: bool) -> None:
    """Remembers what was written, and begins to check it where that is wanted.

    Args:
        written: what is in the files.
        check: whether to read them back.
    """
    global _run, _outcome
    stop()
    files: dict[Path, list[Places]] = {}
    for places in written:
        files.setdefault(places.path, []).append(places)
    _outcome = Outcome(tuple(files))
    if check:
        _run = _Run(list(files.values()))
        bpy.app.timers.register(_tick, first_interval=0.0, persistent=True)


def finish() -> Outcome | None:
    """The outcome, waited for: without a window no timer runs."""
    import time

    while _tick() is not None:
        time.sleep(_POLL_SECONDS)
    return _outcome


def stop() -> None:
    """Ends the check that is going on."""
    global _run
    if bpy.app.timers.is_registered(_tick):
        bpy.app.timers.unregister(_tick)
    if _run is not None:
        _run.close()
        _run = None


def _tick() -> float | None:
    """A step of the check; seconds until the next."""
    global _run, _outcome
    if _run is None or _outcome is None:
        return None
    try:
        if _run.step():
            return _POLL_SECONDS
        worst = max(_run.found, key=lambda each: each.largest_mm, default=None)
        _outcome = Outcome(_outcome.paths, worst)
    except CaptureError as error:
        _run.close()
        _outcome = Outcome(_outcome.paths, error=error)
    _run = None
    redraw_panels()
    return None
