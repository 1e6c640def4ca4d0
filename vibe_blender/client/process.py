# SPDX-License-Identifier: GPL-3.0-or-later
"""One capture as a process of its own: its events on a queue, its end always told as one last event or one error."""

from __future__ import annotations

import contextlib
import os
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
from ..contract.kept_take import KeptTake
from ..contract.protocol import LAST_EVENTS, Cancelled, Event, Failed, Hello, Job, event_from_line

PROGRAM_FOLDER = Path(__file__).resolve().parents[2]
"""The folder that holds both halves: the repository, or the installed extension."""
MAX_LINE = 4 << 20
"""Bytes; a thousand frames of motion in one event stay below."""
CANCEL_SECONDS = 0.9
"""How long a cancelled backend may take to end; the take grows crash-safe, so nothing is lost by stopping it."""
STALL_SECONDS = 60.0
"""A backend that works says something many times more often."""
_EXIT_SECONDS = 1.0
_REPAIR = "Repair the backend in the preferences, or name another Python that has its packages."
_LOG_TAIL = 4096


class CaptureLost(CaptureError):
    """A capture whose backend failed it; ``take`` is what was kept and can be resumed, empty where nothing was."""

    def __init__(self, code: str, message: str, hint: str, take: str = "") -> None:
        super().__init__(code, message, hint)
        self.take = take


class CaptureProcess:
    """A running capture. ``poll`` never waits, ``wait`` does; ``last`` is the event it ended with, None before.

    Once ``last`` is set the backend's process is gone, and its files are free.
    """

    def __init__(
        self, job: Job, python: Path, log: Path, *, models: Path | None = None, stall_seconds: float = STALL_SECONDS
    ) -> None:
        """Starts the backend and hands it the job.

        Args:
            job: what to do; its paths must be absolute, because the backend runs in the program's folder.
            python: interpreter that has the backend's packages.
            log: receives the backend's standard error.
            models: the backend's own model files, where the job names no other folder; None for its default.
            stall_seconds: how long the backend may say nothing.

        Raises:
            CaptureLost: ``backend_missing`` or ``log_unwritable``.
        """
        self.last: Event | None = None
        self._log = log
        self._kept = KeptTake(Path(job.take))
        self._queue: queue.SimpleQueue[Event | CaptureLost] = queue.SimpleQueue()
        self._lost: CaptureLost | None = None
        self._greeted = False
        self._cancelled_at: float | None = None
        self._stall_seconds, self._stalled = stall_seconds, False
        self._silence, self._looked = 0.0, time.monotonic()
        self._process = _started(python, log, models)
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
            CaptureLost: the backend died, fell silent, or said what the protocol does not allow; it is stopped then,
                and ``last`` says the same as an event.
        """
        return self._collect(0.0)

    def wait(self, seconds: float) -> list[Event]:
        """As ``poll``, but waits up to so many seconds for the first event."""
        return self._collect(seconds)

    def cancel(self) -> None:
        """Asks the backend to save what it has and end; one that does not is stopped after ``CANCEL_SECONDS``."""
        if self._cancelled_at is None:
            self._cancelled_at = time.monotonic()
            with contextlib.suppress(OSError):
                self._stdin.close()

    def close(self) -> None:
        """Stops the backend where it still runs, and lets go of its streams."""
        with contextlib.suppress(OSError):
            self._stdin.close()
        if self.last is None:
            self._process.kill()
        self._reader.join(_EXIT_SECONDS)

    def __enter__(self) -> CaptureProcess:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _collect(self, seconds: float) -> list[Event]:
        events: list[Event] = []
        if self._cancelled_at is not None:
            seconds = min(seconds, max(self._cancelled_at + CANCEL_SECONDS - time.monotonic(), 0.05))
        while self.last is None and self._lost is None:
            try:
                item = self._queue.get(timeout=0.0 if events else seconds)
            except queue.Empty:
                break
            if isinstance(item, CaptureLost):
                self._lost = item
            else:
                events.append(item)
                self.last = item if isinstance(item, LAST_EVENTS) else None
        self._check_time(seconds, heard=bool(events))
        if self._lost is not None and self.last is None and not events:
            lost = self._lost
            self.last = Failed(lost.code, lost.message, lost.hint, lost.take)
            raise lost
        return events

    def _check_time(self, seconds: float, heard: bool) -> None:
        """Stops a backend that is late; the reader then tells how it ended.

        Silence counts only as far as somebody listened: while the computer sleeps, or Blender is busy itself, it
        proves nothing.
        """
        now = time.monotonic()
        self._silence = 0.0 if heard else self._silence + min(now - self._looked, seconds + 1.0)
        self._looked = now
        if self._cancelled_at is not None:
            if now - self._cancelled_at > CANCEL_SECONDS:
                self._process.kill()
        elif self._silence > self._stall_seconds and self.last is None:
            self._stalled = True
            self._process.kill()

    def _read(self) -> None:
        """Puts the events on the queue; the last of them, or what is wrong, once the process has ended."""
        end: Event | CaptureLost | None = None
        try:
            for event in read_events(self._stdout):
                self._greeted = True
                if isinstance(event, LAST_EVENTS):
                    end = event
                    break
                self._queue.put(event)
        except CaptureError as error:
            self._process.kill()
            end = CaptureLost(error.code, error.message, error.hint)
        except OSError:
            self._process.kill()  # a pipe that cannot be read is as good as at its end
        status = self._ended()
        if isinstance(end, CaptureLost):
            end.take = self._kept.find()
        self._queue.put(end or self._end(status))
        self._stdout.close()

    def _ended(self) -> int:
        """The exit status; a process that has said its last word but lingers is stopped."""
        try:
            return self._process.wait(_EXIT_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            return self._process.wait()

    def _end(self, status: int) -> Event | CaptureLost:
        """What it means that the events ended before the last one."""
        take = self._kept.find()
        if self._cancelled_at is not None:
            return Cancelled(take)
        resume = "Resume the capture, which goes on from there." if take else "Start the capture again."
        if self._stalled:
            message = f"The backend has said nothing for {self._stall_seconds:.0f} seconds and was stopped."
            return CaptureLost("backend_stalled", message, f"{resume} The log is {self._log}.", take)
        lines = _tail(self._log).splitlines()
        name = _exit_name(status)
        how = f"{name}: {lines[-1].strip()}" if lines else name
        if not self._greeted or (lines and "ModuleNotFoundError" in lines[-1]):
            hint = f"{_REPAIR} The log is {self._log}."
        elif name in ("SIGKILL", "SIGTERM"):
            hint = f"The system stopped it, often for lack of memory. {resume}"
        else:
            hint = f"{resume} The log is {self._log}."
        return CaptureLost("backend_died", f"The backend ended before the capture did ({how}).", hint, take)


def _started(python: Path, log: Path, models: Path | None) -> subprocess.Popen[bytes]:
    try:
        log.parent.mkdir(parents=True, exist_ok=True)
        stderr = log.open("wb")
    except OSError as error:
        raise CaptureLost(
            "log_unwritable", f"The log {log} cannot be written: {error}.", "Free some space, or mend the folder."
        ) from error
    with stderr:
        try:
            return subprocess.Popen(
                [str(python), "-E", "-s", "-m", "backend", "job"],
                cwd=PROGRAM_FOLDER,
                env=os.environ | models_variable(models),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=stderr,
                **_apart(),
            )
        except OSError as error:
            raise CaptureLost(
                "backend_missing", f"The backend cannot be started with {python}: {error}.", _REPAIR
            ) from error


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


def models_variable(models: Path | None) -> dict[str, str]:
    """The environment variable that tells the backend where its own model files are; none for its default."""
    return {} if models is None else {"VIBE_MODELS": str(models)}


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
    try:
        with log.open("rb") as file:
            file.seek(0, 2)
            file.seek(max(0, file.tell() - _LOG_TAIL))
            return file.read().decode("utf-8", "replace").strip()
    except OSError:  # deleted underneath, together with the environment
        return ""


def _exit_name(status: int) -> str:
    if status >= 0:
        return f"exit status {status}"
    try:
        return signal.Signals(-status).name
    except ValueError:
        return f"signal {-status}"
