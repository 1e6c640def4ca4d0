# SPDX-License-Identifier: GPL-3.0-or-later
"""Which estimators this machine can use: the backend is asked on a thread, its answer remembered for drawing."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from pathlib import Path

import bpy

from . import installing
from .client.commands import Stopped
from .client.environment import State
from .client.readiness import Estimator, Question, Readiness, ask
from .contract.errors import CaptureError
from .contract.terms import NAMES
from .places import backend_python, developer_python, own_models, published_folder
from .properties import NETWORK_FIELDS, VIBE_CaptureSettings
from .redraw import redraw_panels

_TICK_SECONDS = 0.2
_STOP_SECONDS = 3.0
_WITHOUT_WEIGHTS = "dts-vibe"
"""Nobody publishes its weights: what it needs is what any estimator needs with a network of the user's own."""


@dataclass
class _Inquiry:
    """A question on its way, or answered: ``answer`` is set by its thread, once."""

    question: Question
    state: State | None
    answer: Readiness | CaptureError | None = None
    cancelled: threading.Event = field(default_factory=threading.Event)
    thread: threading.Thread | None = None

    def run(self) -> None:
        """Asks."""
        try:
            self.answer = ask(self.question, self.cancelled)
        except CaptureError as error:
            self.answer = error
        except Stopped:
            pass


@dataclass(frozen=True)
class Wanted:
    """Estimators whose needs are shown.

    Attributes:
        label: what they are called together.
        names: theirs, in the backend's answer.
    """

    label: str
    names: tuple[str, ...]

    @property
    def several(self) -> bool:
        """Whether the label is a plural."""
        return len(self.names) > 1

    def said(self, answer: Readiness) -> Estimator | None:
        """What the backend says of the last, which needs the least: what that lacks, all lack."""
        return answer.estimators.get(self.names[-1])


_inquiry: _Inquiry | None = None


def readiness() -> Readiness | None:
    """The answer, None while there is none; asks where nobody has yet, or folder or backend have changed since."""
    inquiry = _current()
    return inquiry.answer if inquiry is not None and isinstance(inquiry.answer, Readiness) else None


def failure() -> CaptureError | None:
    """Why there is no answer, where the backend gave none."""
    inquiry = _current()
    return inquiry.answer if inquiry is not None and isinstance(inquiry.answer, CaptureError) else None


def asking() -> bool:
    """Whether an answer is awaited."""
    inquiry = _current()
    return inquiry is not None and inquiry.answer is None


def available(estimator: str) -> bool:
    """Whether a capture can use it, as far as is known; the default one needs the backend and nothing else."""
    if estimator == "keypoints":
        return installing.ready()
    answer = readiness()
    return answer is not None and estimator in answer.estimators and answer.estimators[estimator].available


def choosable(estimator: str) -> bool:
    """Whether there is a way to use it: as it is, or with a network of the user's own."""
    return available(estimator) or (estimator in NETWORK_FIELDS and available(_WITHOUT_WEIGHTS))


def in_effect(estimator: str, network: Path | None) -> str:
    """The estimator whose needs count: with a network of the user's own the published weights are not needed."""
    return estimator if network is None else _WITHOUT_WEIGHTS


def obstacle(estimator: str, network: Path | None = None) -> str:
    """Why a capture cannot use an estimator, without a full stop; empty where it can, and while nobody knows better.

    Args:
        estimator: as in a job.
        network: the user's own, None for the published one.
    """
    if estimator not in NETWORK_FIELDS:
        return ""
    name, answer, whose = NAMES[estimator], readiness(), in_effect(estimator, network)
    said = answer.estimators.get(whose) if answer is not None else None
    if answer is not None and said is not None and not said.available:
        return _lack(name, said, answer)
    if network is None:
        return f"{name} needs a network of your own" if estimator == _WITHOUT_WEIGHTS else ""
    return "" if network.is_file() else f"There is no network {network}"


def _lack(name: str, said: Estimator, answer: Readiness) -> str:
    if said.lacks_torch:
        return f"{name} needs the network packages"
    if said.lacks_files:
        return f"{name} needs files that are not there: {', '.join(file.name for file in answer.missing(said.name))}"
    return f"{name} cannot be used. {said.reason}"


def wanted_of(settings: VIBE_CaptureSettings) -> Wanted:
    """What is chosen, where that is a network, or all networks."""
    if settings.estimator not in NETWORK_FIELDS:
        return Wanted("Networks", (*NETWORK_FIELDS,))
    needs = in_effect(settings.estimator, settings.network_path())
    return Wanted(NAMES[settings.estimator], (needs,))


def look_again() -> None:
    """Forgets the answer: somebody changed files. The next look asks anew."""
    global _inquiry
    if _inquiry is not None:
        _inquiry.cancelled.set()
    _inquiry = None


def stop() -> None:
    """Ends a question that is on its way, and waits for that: the backend's files are to be changed."""
    inquiry = _inquiry
    look_again()
    if inquiry is not None and inquiry.thread is not None:
        inquiry.thread.join(_STOP_SECONDS)
    if bpy.app.timers.is_registered(_tick):
        bpy.app.timers.unregister(_tick)


def _current() -> _Inquiry | None:
    global _inquiry
    if not installing.ready() or installing.running() is not None or installing.removing():
        return None
    question = Question(backend_python(), own_models(), published_folder())
    # With another folder the old answer means nothing; with another environment, neither.
    state = None if developer_python() is not None else installing.state()
    if _inquiry is None or (_inquiry.question, _inquiry.state) != (question, state):
        look_again()
        _inquiry = _Inquiry(question, state)
        # A daemon: Blender may quit meanwhile, which ends the backend too.
        _inquiry.thread = threading.Thread(target=_inquiry.run, name="readiness", daemon=True)
        _inquiry.thread.start()
        if not bpy.app.timers.is_registered(_tick):
            bpy.app.timers.register(_tick, first_interval=_TICK_SECONDS, persistent=True)
    return _inquiry


def _tick() -> float | None:
    if _inquiry is not None and _inquiry.answer is None and not _inquiry.cancelled.is_set():
        return _TICK_SECONDS
    redraw_panels()
    return None
