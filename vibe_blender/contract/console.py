# SPDX-License-Identifier: GPL-3.0-or-later OR MIT
"""Events as a person at a terminal sees them: a bar per stage, and sentences."""

from __future__ import annotations

import shutil
import sys
import threading
import time
from pathlib import Path

from .protocol import Cancelled, Done, Event, Failed, Progress, Stage, VideoOpened, Warned

_STAGES = {
    "seek": "Seeking", "watch": "Watching", "solve": "Solving", "refine": "Refining", "world": "Placing",
    "save": "Saving", "bake": "Baking", "train": "Learning",
}  # fmt: skip
_COUNTED = {"train": "steps"}
_REDRAW_S = 0.1


class Console:
    """Tells a person: a bar per stage on a terminal, else a line per stage; results to stdout, the rest to stderr."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._bar = sys.stderr.isatty()
        self._drawn = 0.0
        self._open = False

    def emit(self, event: Event) -> None:
        """Shows one event; those a person has no use for are left out."""
        with self._lock:
            if isinstance(event, Progress):
                self._progress(event)
                return
            text = "" if self._bar and isinstance(event, Stage) else _sentence(event)
            if text:
                self._end_bar()
                print(text, file=sys.stdout if isinstance(event, Done) else sys.stderr, flush=True)

    def say(self, text: str) -> None:
        """Shows a sentence."""
        with self._lock:
            self._end_bar()
            print(text, file=sys.stderr, flush=True)

    def _progress(self, event: Progress) -> None:
        last = event.total and event.done >= event.total
        if not self._bar or (time.monotonic() - self._drawn < _REDRAW_S and not last):
            return
        self._drawn = time.monotonic()
        width = shutil.get_terminal_size().columns - 1
        print("\r" + progress_line(event, width).ljust(width), end="", file=sys.stderr, flush=True)
        self._open = True

    def _end_bar(self) -> None:
        if self._open:
            print(file=sys.stderr)
            self._open = False


def progress_line(event: Progress, width: int) -> str:
    """One line with stage, bar, frames (or what is counted), how many a second and time left, within ``width``."""
    head = f"{_STAGES.get(event.stage, event.stage):<8}"
    counted = _COUNTED.get(event.stage, "frames")
    frames = f"{event.done}/{event.total} {counted}" if event.total else f"{event.done} {counted}"
    tail = f"{frames}, {event.rate:.1f}/s"
    if event.seconds_left is not None:
        minutes, seconds = divmod(round(event.seconds_left), 60)
        tail += f", {minutes}:{seconds:02d} left"
    room = min(40, width - len(head) - len(tail) - 4)
    if not event.total or room < 8:
        return f"{head} {tail}"[:width]
    filled = round(room * min(event.done / event.total, 1.0))
    return f"{head} [{'#' * filled}{'.' * (room - filled)}] {tail}"


def _sentence(event: Event) -> str:
    match event:
        case VideoOpened():
            length = f", {event.frames} frames" if event.frames else ""
            return f"{Path(event.path).name}: {event.width_px} x {event.height_px}, {event.fps:.5g} a second{length}"
        case Stage():
            return f"{_STAGES.get(event.name, event.name)} ..."
        case Warned():
            return f"Warning: {event.message}"
        case Done():
            people = "1 person" if event.people == 1 else f"{event.people} people"
            return f"{event.take}: {event.frames} frames, {people}"
        case Failed():
            kept = f" What was captured is kept in {event.take}." if event.take else ""
            return f"vibe: {event.message} {event.hint}".rstrip() + kept
        case Cancelled():
            return f"Cancelled. What was captured is kept in {event.take}." if event.take else "Cancelled."
    return ""
