# SPDX-License-Identifier: GPL-3.0-or-later
"""Installs, repairs, updates and enlarges the backend: the same steps in a thread, whole or not at all."""

from __future__ import annotations

import contextlib
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from ..contract.errors import CaptureError
from .building import Builder, Plan
from .commands import Runner, Stopped
from .environment import Home, claim, erase, recover, unwritable
from .process import PROGRAM_FOLDER

__all__ = ["Installation", "Plan", "Step"]


@dataclass(frozen=True)
class Step:
    """Where an installation stands: a sentence for the user, and 0..1 of the whole."""

    text: str
    fraction: float


class Installation:
    """A running installation.

    Attributes:
        step: where it stands; replaced, never changed, so that any thread may read it.
        error: why it failed, None while it runs and where it worked.
        cancelled: whether it ended because it was asked to.
    """

    def __init__(self, home: Home, plan: Plan, program: Path = PROGRAM_FOLDER) -> None:
        """Starts it; ``program`` is the folder with the backend and its requirements."""
        self.step = Step("Starting.", 0.0)
        self.error: CaptureError | None = None
        self.cancelled = False
        self._home, self._plan, self._program = home, plan, program
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
    def seconds(self) -> float:
        """How long it has taken."""
        return self._seconds if self.finished else time.monotonic() - self._began

    def cancel(self) -> None:
        """Asks it to stop; the former environment stays."""
        self._asked.set()

    def wait(self, seconds: float) -> bool:
        """Whether it ended within so many seconds."""
        return self._ended.wait(seconds)

    def _run(self) -> None:
        # Stands where the thread ends in a way nobody thought of.
        self.error = CaptureError(
            "installation_failed", "The installation ended unexpectedly.", f"Please report it, with {self._home.log}."
        )
        try:
            self._install()
            self.error = None
            self._show("The backend is ready.", 1.0)
        except Stopped:
            self.error, self.cancelled = None, True
            self._show("Cancelled.", 0.0)
        except CaptureError as error:
            self.error = error
        except OSError as error:
            self.error = unwritable(self._home.folder, error)
        finally:
            self._seconds = time.monotonic() - self._began
            self._ended.set()

    def _install(self) -> None:
        with claim(self._home):
            recover(self._home)
            with self._home.log.open("wb") as log:
                runner = Runner(self._plan.python, log, self._asked)
                try:
                    Builder(self._home, self._plan, self._program, runner, self._show).build()
                finally:
                    with contextlib.suppress(CaptureError):  # the next start tries again
                        erase(self._home.unfinished)

    def _show(self, text: str, fraction: float) -> None:
        self.step = Step(text, max(self.step.fraction, fraction))
