# SPDX-License-Identifier: MIT
"""How a command ends: told once, and, where somebody asked for the end, in time whatever it is busy with."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Iterator
from types import FrameType
from typing import TYPE_CHECKING

from vibe_blender.contract.protocol import Cancelled, Event

from .event_stream import Outlet

if TYPE_CHECKING:
    from vibe_blender.contract.kept_take import KeptTake

DONE, FAILED, WRONG_ARGUMENTS, CANCELLED = 0, 1, 2, 130
GRACE_SECONDS = 0.7
"""For a tidy end; after it the process ends where it stands, which the take, written in transactions, survives."""
_LAST_WORD_SECONDS = 0.5


class Session:
    """One run of a command.

    Attributes:
        outlet: where its events go.
        cancelled: set when somebody asks it to stop.
        kept: what there is of the take it writes; None where it writes none.
    """

    def __init__(self, outlet: Outlet, cancelled: threading.Event) -> None:
        self.outlet, self.cancelled = outlet, cancelled
        self.kept: KeptTake | None = None
        self._lock = threading.Lock()
        self._status: int | None = None

    def kept_take(self) -> str:
        """The take to open where the command ends early, empty where there is none."""
        return self.kept.find() if self.kept is not None else ""

    def end(self, last: Event, status: int) -> int:
        """Tells how the command ended, unless it was told already; the exit status that goes with what was told."""
        with self._lock:
            if self._status is None:
                self._status = status
                self.outlet.emit(last)
            return self._status

    def end_in_time(self) -> None:
        """From now on the process ends soon after ``cancelled`` is set, in the middle of whatever it does."""
        threading.Thread(target=self._end_in_time, name="end", daemon=True).start()

    def _end_in_time(self) -> None:
        self.cancelled.wait()
        time.sleep(GRACE_SECONDS)
        # The pipe may be full and nobody read it: then the last word is lost, but the process ends.
        at_last = threading.Timer(_LAST_WORD_SECONDS, os._exit, (CANCELLED,))
        at_last.daemon = True
        at_last.start()
        os._exit(self.end(Cancelled(self.kept_take()), CANCELLED))


@contextlib.contextmanager
def interrupt_cancels(cancelled: threading.Event) -> Iterator[None]:
    """Ctrl-C asks for the end.

    A thread is told of it, because the main one may be inside a library, or on Windows inside a wait, for long.
    """
    heard, told = socket.socketpair()
    told.setblocking(False)

    def listen() -> None:
        said = b""
        with contextlib.suppress(OSError):
            said = heard.recv(1)
        if said == bytes([signal.SIGINT]):
            cancelled.set()
            print("\nStopping. What was captured is kept.", file=sys.stderr, flush=True)

    def told_elsewhere(_number: int, _frame: FrameType | None) -> None:
        """Keeps Python's own answer, an exception anywhere, away."""

    before = signal.signal(signal.SIGINT, told_elsewhere)
    wakeup = signal.set_wakeup_fd(told.fileno(), warn_on_full_buffer=False)
    listener = threading.Thread(target=listen, name="Ctrl-C", daemon=True)
    listener.start()
    try:
        yield
    finally:
        signal.set_wakeup_fd(wakeup)
        signal.signal(signal.SIGINT, before)
        told.close()
        listener.join()
        heard.close()
