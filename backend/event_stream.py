# SPDX-License-Identifier: MIT
"""Events as JSON lines on standard output, which then is theirs alone."""

from __future__ import annotations

import contextlib
import os
import sys
import threading
from collections.abc import Iterator
from typing import Protocol

from vibe_blender.contract.protocol import Event, Failed, Hello, Job


class Outlet(Protocol):
    """Where events go."""

    def emit(self, event: Event) -> None:
        """Shows or sends one event; may be called from any thread."""


class EventStream:
    """Writes events as JSON lines to what was standard output, and sets ``cancelled`` when nobody reads them."""

    def __init__(self, descriptor: int, cancelled: threading.Event) -> None:
        self._descriptor = descriptor
        self._cancelled = cancelled
        self._lock = threading.Lock()
        self._greeted = False
        self._broken = False

    def emit(self, event: Event) -> None:
        """Writes one line at once; a ``hello`` goes first in any case."""
        with self._lock:
            if not self._greeted and not isinstance(event, Hello):
                self._write(Hello(estimator=Job.estimator, device="none"))
            self._greeted = True
            self._write(event)
        if isinstance(event, Failed):
            print(f"vibe: {event.message} {event.hint}".rstrip(), file=sys.stderr, flush=True)

    def _write(self, event: Event) -> None:
        if self._broken:
            return
        rest = event.to_line().encode("ascii")
        try:
            while rest:
                rest = rest[os.write(self._descriptor, rest) :]
        except OSError:
            # Blender is gone. What was captured is kept, as if it had asked for the end.
            self._broken = True
            self._cancelled.set()


@contextlib.contextmanager
def standard_output_for_events() -> Iterator[int]:
    """A descriptor of standard output for the events alone; all else that is printed goes to standard error.

    Also what C libraries print, hence the descriptors are exchanged and not only ``sys.stdout``.
    """
    sys.stdout.flush()
    printed, kept = sys.stdout, os.dup(1)
    os.dup2(2, 1)
    sys.stdout = sys.stderr
    try:
        yield kept
    finally:
        sys.stdout = printed
        os.dup2(kept, 1)
        os.close(kept)
