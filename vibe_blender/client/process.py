# SPDX-License-Identifier: GPL-3.0-or-later
"""One capture as a process of its own: its events on a queue, its end always told as one last event or one error."""

from __future__ import annotations

import contextlib
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from ..contract.errors import CaptureError
from ..contract.protocol import LAST_EVENTS, Cancelled, Event, Hello, Job, event_from_line
from ..contract.take_file import partial_path

PROGRAM_FOLDER = Path(__file__).resolve().parents[2]
"""The folder that holds both halves: the repository, or the installed extension."""
MAX_LINE = 4 << 20
"""Bytes; a thousand frames of motion in one event stay below."""
CANCEL_SECONDS = 20.0
"""How long a cancelled backend may take to save what it has."""
_EXIT_SECONDS = 3.0
_LOG_TAIL = 4096


class CaptureProcess:
    """A running capture. ``poll`` never waits, ``wait`` does; ``last`` is the event it ended with, None before."""

    def __init__(self, job: Job, python: Path, log: Path) -> None:
        """Starts the backend and hands it the job.

        Args:
            job: what to do; its paths must be absolute, because the backend runs in the program's folder.
            python: interpreter that has the backend's packages.
            log: receives the backend's standard error.

        Raises:
            CaptureError: ``backend_missing``.
        """
        self.last: Event | None = None
        self._job = job
        self._log = log
        self._queue: queue.SimpleQueue[Event | CaptureError] = queue.SimpleQueue()
        self._cancelled_at: float | None = None
        try:
            with log.open("wb") as stderr:
                self._process = subprocess.Popen(
                    [str(python), "-E", "-s", "-m", "backend", "job"],
                    cwd=PROGRAM_FOLDER,
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=stderr,
                    **_apart(),
                )
        except OSError as error:
            raise CaptureError(
                "backend_missing",
                f"The backend cannot be started with {python}: {error}.",
                "Name the Python that has the backend's packages.",
            ) from error
        self._stdin, self._stdout = _stream(self._process.stdin), _stream(self._process.stdout)
        # A backend that died before it read the job is recognised by how its events end.
        with contextlib.suppress(OSError):
            self._stdin.write(job.to_line().encode())
            self._stdin.flush()
        self._reader = threading.Thread(target=self._read, name="capture events", daemon=True)
        self._reader.start()

    def poll(self) -> list[Event]:
        """The events that came since the last call.

        Raises:
            CaptureError: the backend died, or said what the protocol does not allow; it is stopped then.
        """
        return self._collect(0.0)

    def wait(self, seconds: float) -> list[Event]:
        """As ``poll``, but waits up to so many seconds for the first event."""
        return self._collect(seconds)

    def cancel(self) -> None:
        """Asks the backend to save what it has and stop; one that does not is stopped after ``CANCEL_SECONDS``."""
        if self._cancelled_at is None:
            self._cancelled_at = time.monotonic()
            with contextlib.suppress(OSError):
                self._stdin.close()

    def close(self) -> None:
        """Stops the backend where it still runs, and lets go of its streams."""
        with contextlib.suppress(OSError):
            self._stdin.close()
        try:
            self._process.wait(_EXIT_SECONDS if self.last is not None else 0.0)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._reader.join(_EXIT_SECONDS)
        self._stdout.close()

    def __enter__(self) -> CaptureProcess:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _collect(self, seconds: float) -> list[Event]:
        events: list[Event] = []
        while self.last is None:
            try:
                item = self._queue.get(timeout=0.0 if events else seconds)
            except queue.Empty:
                break
            if isinstance(item, CaptureError):
                self.close()
                raise item
            events.append(item)
            self.last = item if isinstance(item, LAST_EVENTS) else None
        if self.last is None and self._overdue():
            self._process.kill()
            self.last = Cancelled(self._kept())
            events.append(self.last)
        return events

    def _overdue(self) -> bool:
        return self._cancelled_at is not None and time.monotonic() - self._cancelled_at > CANCEL_SECONDS

    def _kept(self) -> str:
        take = Path(self._job.take)
        return str(take) if take.exists() or partial_path(take).exists() else ""

    def _read(self) -> None:
        try:
            for event in read_events(self._stdout):
                self._queue.put(event)
                if isinstance(event, LAST_EVENTS):
                    return
            self._queue.put(self._death() if self._cancelled_at is None else Cancelled(self._kept()))
        except CaptureError as error:
            self._queue.put(error)

    def _death(self) -> CaptureError:
        """Why the events ended before the last one."""
        try:
            status = self._process.wait(_EXIT_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            status = self._process.wait()
        lines = _tail(self._log).splitlines()
        how = f"{_exit_name(status)}: {lines[-1].strip()}" if lines else _exit_name(status)
        if lines and "ModuleNotFoundError" in lines[-1]:
            hint = "Install the backend's packages into the Python that runs it, or name another Python."
        elif _exit_name(status) in ("SIGKILL", "SIGTERM"):
            hint = "The system stopped it, often for lack of memory: capture a shorter range."
        else:
            hint = f"Its log is {self._log}."
        return CaptureError("backend_died", f"The backend ended before the capture did ({how}).", hint)


def read_events(stream: IO[bytes]) -> Iterator[Event]:
    """The events of a backend's standard output, those of unknown type left out.

    Raises:
        CaptureError: ``bad_event`` or ``protocol_version``.
    """
    greeted = False
    while line := stream.readline(MAX_LINE + 1):
        if len(line) > MAX_LINE:
            raise _bad_event(f"wrote a line of more than {MAX_LINE >> 20} MB")
        event = event_from_line(line.decode("utf-8", "replace"))
        if not greeted and not isinstance(event, Hello):
            raise _bad_event("did not say hello first")
        greeted = True
        if event is not None:
            yield event


def _bad_event(what: str) -> CaptureError:
    return CaptureError("bad_event", f"The backend {what}.", "Update the add-on and the backend together.")


def _apart() -> dict[str, Any]:
    """Options of ``Popen`` that keep a Ctrl-C for us from reaching the backend, and a console from opening."""
    if sys.platform == "win32":
        return {"creationflags": subprocess.CREATE_NO_WINDOW | subprocess.CREATE_NEW_PROCESS_GROUP}
    return {"start_new_session": True}


def _stream(stream: IO[bytes] | None) -> IO[bytes]:
    if stream is None:
        raise ValueError("the process was started without pipes")
    return stream


def _tail(log: Path) -> str:
    with log.open("rb") as file:
        file.seek(0, 2)
        file.seek(max(0, file.tell() - _LOG_TAIL))
        return file.read().decode("utf-8", "replace").strip()


def _exit_name(status: int) -> str:
    if status >= 0:
        return f"exit status {status}"
    try:
        return signal.Signals(-status).name
    except ValueError:
        return f"signal {-status}"
