# SPDX-License-Identifier: GPL-3.0-or-later
"""Installs, repairs, updates and enlarges the backend: the same steps in a thread, whole or not at all."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..contract.errors import CaptureError
from .building import Builder, Plan
from .commands import Runner, Stopped
from .environment import MARKER, Home, State, claim, recover, unwritable
from .ownership import discard, new_log
from .process import PROGRAM_FOLDER

_TICK = 0.1
_PATIENCE_SECONDS = 20.0
"""How long an installation waits for another one to delete what it left."""

__all__ = ["Installation", "Plan", "Step", "needs_network"]


@dataclass(frozen=True)
class Step:
    """Where an installation stands: a sentence for the user, and 0..1 of the whole."""

    text: str
    fraction: float


def needs_network(state: State, plan: Plan, missing_models: Sequence[str] = ()) -> bool:
    """Whether carrying out a plan would download something, as far as files and settings tell.

    Where it would not but must, because a closer look finds damage, and the plan is not ``online``, the installation
    ends with ``network_not_allowed``.
    """
    build_is_there = "networks" not in plan.parts or plan.torch in ("auto", state.torch)
    is_there = state.condition == "ready" and state.parts == plan.parts and build_is_there and not missing_models
    return plan.offline is None and not is_there


class Installation:
    """A running installation.

    Attributes:
        step: where it stands; replaced, never changed, so that any thread may read it.
        cancelled: whether it ended because it was asked to.
    """

    def __init__(self, home: Home, plan: Plan, program: Path = PROGRAM_FOLDER) -> None:
        """Starts it; ``program`` is the folder with the backend and its requirements."""
        self.step = Step("Starting.", 0.0)
        self.cancelled = False
        self._home, self._plan, self._program = home, plan, program
        # Stands where the thread ends in a way nobody thought of.
        self._error: CaptureError | None = CaptureError(
            "installation_failed", "The installation ended unexpectedly.", f"Please report it, with {home.log}."
        )
        self._asked = threading.Event()
        self._ended = threading.Event()
        self._began = time.monotonic()
        self._seconds = 0.0
        threading.Thread(target=self._run, name="installation", daemon=True).start()

    @property
    def finished(self) -> bool:
        """Whether it ended, however."""
        return self._ended.is_set()

    @property
    def error(self) -> CaptureError | None:
        """Why it failed; None while it runs, and where it worked or was cancelled."""
        return self._error if self.finished else None

    @property
    def seconds(self) -> float:
        """How long it has taken."""
        return self._seconds if self.finished else time.monotonic() - self._began

    def cancel(self) -> None:
        """Asks it to stop; the former environment stays, what was made is deleted in the background."""
        self._asked.set()

    def wait(self, seconds: float) -> bool:
        """Whether it ended within so many seconds."""
        return self._ended.wait(seconds)

    def _run(self) -> None:
        try:
            with self._claimed():
                try:
                    self._install()
                except Stopped:
                    self._cancelled()
                finally:
                    self._end()
                    with contextlib.suppress(CaptureError):  # the next start tries again
                        discard(self._home.unfinished, first=MARKER)
        except Stopped:
            self._cancelled()
        except CaptureError as error:
            self._error = error
        finally:
            self._end()

    @contextlib.contextmanager
    def _claimed(self) -> Iterator[None]:
        """Holds the home; waits where a cancelled installation is still deleting what it made."""
        deadline = time.monotonic() + _PATIENCE_SECONDS
        with contextlib.ExitStack() as stack:
            while True:
                try:
                    stack.enter_context(claim(self._home))
                    break
                except CaptureError as error:
                    if error.code != "installation_running" or time.monotonic() > deadline:
                        raise
                self._show("Waiting for another installation to end.", 0.0)
                if self._asked.wait(_TICK):
                    raise Stopped
            yield

    def _install(self) -> None:
        try:
            recover(self._home)
            with new_log(self._home.log) as log:
                runner = Runner(self._plan.python, log, self._asked)
                Builder(self._home, self._plan, self._program, runner, self._show).build()
            self._error = None
            self._show("The backend is ready.", 1.0)
        except CaptureError as error:
            self._error = error
        except OSError as error:
            self._error = unwritable(self._home.folder, error)

    def _cancelled(self) -> None:
        self._error, self.cancelled = None, True
        self._show("Cancelled.", 0.0)

    def _end(self) -> None:
        """Everything is settled; what still has to be deleted is nobody's concern but the next installation's."""
        if not self._ended.is_set():
            self._seconds = time.monotonic() - self._began
            self._ended.set()

    def _show(self, text: str, fraction: float) -> None:
        self.step = Step(text, max(self.step.fraction, fraction))
