# SPDX-License-Identifier: GPL-3.0-or-later
"""One installer's run as a child that can be followed, stopped at once, and never outlives Blender."""

from __future__ import annotations

import contextlib
import os
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from ..contract.errors import CaptureError

_LEASH = Path(__file__).with_name("leash.py")
_TICK = 0.1
_STOP_SECONDS = 2.0
_UNWANTED = ("PIP_TARGET", "PIP_PREFIX", "PIP_ROOT", "VIRTUAL_ENV", "CONDA_PREFIX", "__PYVENV_LAUNCHER__")


class Stopped(Exception):
    """The user cancelled while a command ran."""


@dataclass(frozen=True)
class Ended:
    """A command that ran to its end.

    Attributes:
        status: its exit status.
        lines: what it wrote, without what told of progress.
    """

    status: int
    lines: tuple[str, ...]


class Runner:
    """Runs commands one after the other, their output also in a log."""

    def __init__(self, python: Path, log: IO[bytes], cancelled: threading.Event) -> None:
        """``python`` holds the commands' leash: any that runs; ``cancelled`` ends the one that runs."""
        self._python = python
        self._log = log
        self._cancelled = cancelled

    def run(
        self,
        command: Sequence[str | Path],
        *,
        read: Callable[[str], None] = lambda line: None,
        idle: Callable[[], None] = lambda: None,
        folder: Path | None = None,
        scratch: Path | None = None,
        settings: dict[str, str] | None = None,
        errors_apart: bool = False,
    ) -> Ended:
        """What the command answered.

        Args:
            command: program and arguments.
            read: called with every line of output.
            idle: called some ten times a second.
            folder: where it runs.
            scratch: where it puts temporary files; None leaves that to the system.
            settings: environment variables besides those there are.
            errors_apart: standard error goes into the log only.

        Raises:
            Stopped: the user cancelled.
            CaptureError: ``python_missing``.
        """
        words = [str(word) for word in command]
        self._write(f"\n$ {' '.join(words)}\n")
        try:
            child = subprocess.Popen(
                [str(self._python), "-I", "-S", str(_LEASH), *words],
                cwd=folder,
                env=_environment(scratch, settings or {}),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._log if errors_apart else subprocess.STDOUT,
                **_apart(),
            )
        except OSError as error:
            raise CaptureError(
                "python_missing",
                f"{self._python} cannot be started: {error.strerror or error}.",
                "Name another Python in the preferences.",
            ) from error
        with child:
            try:
                return self._follow(child, read, idle)
            finally:
                _stop(child)

    def _follow(self, child: subprocess.Popen[bytes], read: Callable[[str], None], idle: Callable[[], None]) -> Ended:
        output: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        threading.Thread(target=_read, args=(child.stdout, output), name="installer output", daemon=True).start()
        lines: list[str] = []
        while not self._cancelled.is_set():
            try:
                line = output.get(timeout=_TICK)
            except queue.Empty:
                idle()
                continue
            if line is None:
                return Ended(child.wait(), tuple(lines))
            read(line)
            if not line.startswith("Progress "):
                lines.append(line)
                self._write(line + "\n")
        raise Stopped

    def _write(self, text: str) -> None:
        with contextlib.suppress(OSError):  # a full disk is told by the installer itself
            self._log.write(text.encode())
            self._log.flush()


def _read(stream: IO[bytes], output: queue.SimpleQueue[str | None]) -> None:
    """Puts every line on the queue, None at the end."""
    with contextlib.suppress(ValueError, OSError):  # closed under us after a cancel
        for line in stream:
            output.put(line.decode("utf-8", "replace").rstrip())
    output.put(None)


def _stop(child: subprocess.Popen[bytes]) -> None:
    """Ends the command and all it started, where it still runs."""
    if child.poll() is None:
        if sys.platform != "win32":
            with contextlib.suppress(ProcessLookupError):
                os.killpg(child.pid, signal.SIGKILL)
        if child.stdin is not None:
            child.stdin.close()  # the leash kills what it holds
        try:
            child.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            child.kill()


def _environment(scratch: Path | None, settings: dict[str, str]) -> dict[str, str]:
    """The variables of this process without those that would lead an installer elsewhere."""
    variables = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    for name in _UNWANTED:
        variables.pop(name, None)
    variables |= {"PIP_USER": "0", "PIP_REQUIRE_VIRTUALENV": "0", "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    if scratch is not None:
        variables |= dict.fromkeys(("TMPDIR", "TEMP", "TMP"), str(scratch))
    return variables | settings


def _apart() -> dict[str, Any]:
    """Options of ``Popen`` for a group of its own, and no console window."""
    if sys.platform == "win32":
        return {"creationflags": subprocess.CREATE_NO_WINDOW | subprocess.CREATE_NEW_PROCESS_GROUP}
    return {"start_new_session": True}
