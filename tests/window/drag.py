# SPDX-License-Identifier: MIT
"""Drops a file onto what lies under a point of the screen, as a file manager would: X Drag-and-Drop, version 5.

``python3 drag.py FILE X Y`` with python3-xlib; the exit status is 0 where the program under the point took the file.
"""

from __future__ import annotations

import select
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from Xlib import X, display
from Xlib.protocol import event

VERSION = 5
SECONDS = 10.0
STEPS = 8


class Drag:
    """One file on its way from a window of ours to the program under a point."""

    def __init__(self, file: Path) -> None:
        self._display = display.Display()
        self._root = self._display.screen().root
        self._window = self._root.create_window(0, 0, 1, 1, 0, X.CopyFromParent)
        self._uri = f"{file.resolve().as_uri()}\r\n".encode()
        self._window.set_selection_owner(self._atom("XdndSelection"), X.CurrentTime)

    def drop(self, x: int, y: int) -> bool:
        """Whether the program there took the file."""
        target = self._aware(x, y)
        if target is None:
            return False
        self._send(target, "XdndEnter", VERSION << 24, self._atom("text/uri-list"), 0, 0)
        for step in range(STEPS):  # from a little to the left, as a hand would
            place = (x - STEPS + 1 + step) << 16 | y
            self._root.warp_pointer(place >> 16, y)
            self._send(target, "XdndPosition", 0, place, X.CurrentTime, self._atom("XdndActionCopy"))
            if not self._heard("XdndStatus"):
                return False
        self._send(target, "XdndDrop", 0, X.CurrentTime, 0, 0)
        return self._heard("XdndFinished")

    def _aware(self, x: int, y: int):
        """The window under the point that says it understands drops."""
        found, window = None, self._root
        while window:
            if window.get_full_property(self._atom("XdndAware"), X.AnyPropertyType) is not None:
                found = window
            window = window.translate_coords(self._root, x, y).child if window is self._root else None
        return found

    def _send(self, target, name: str, *data: int) -> None:
        message = event.ClientMessage(
            window=target, client_type=self._atom(name), data=(32, [self._window.id, *data][:5])
        )
        target.send_event(message)
        self._display.flush()

    def _heard(self, name: str) -> bool:
        """Whether the message came in time; hands the file's name over meanwhile."""
        for item in self._events():
            if item.type == X.SelectionRequest:
                item.requestor.change_property(item.property, item.target, 8, self._uri)
                answer = event.SelectionNotify(
                    time=item.time,
                    requestor=item.requestor,
                    selection=item.selection,
                    target=item.target,
                    property=item.property,
                )
                item.requestor.send_event(answer)
                self._display.flush()
            elif item.type == X.ClientMessage and item.client_type == self._atom(name):
                return True
        return False

    def _events(self) -> Iterator:
        end = time.monotonic() + SECONDS
        while (left := end - time.monotonic()) > 0:
            if not self._display.pending_events():
                select.select([self._display], [], [], left)
            if self._display.pending_events():
                yield self._display.next_event()

    def _atom(self, name: str) -> int:
        return self._display.intern_atom(name)


if __name__ == "__main__":
    sys.exit(not Drag(Path(sys.argv[1])).drop(int(sys.argv[2]), int(sys.argv[3])))
