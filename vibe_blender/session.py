# SPDX-License-Identifier: GPL-3.0-or-later
"""The capture that runs inside Blender: its events become a moving stand-in, its take the final animation.

Blender's window is never made to wait: a timer lets ``pump`` work for a few milliseconds at a time. Nothing of Blender
is held between two calls, because an undo or another file may have taken it away.
"""

from __future__ import annotations

import time
import traceback
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import bpy

from .aims import Aim, Finished, Loaded
from .client.process import CaptureLost, CaptureProcess
from .contract.errors import CaptureError
from .contract.protocol import (
    Cancelled,
    Done,
    Event,
    Failed,
    Frames,
    Job,
    PersonFound,
    Progress,
    Stage,
    VideoOpened,
    Warned,
)
from .places import Backend
from .redraw import redraw_panels
from .scene.live import LiveTake, remove_leftovers
from .scene.removal import remove_unfinished
from .scene.steps import Steps, rendering

BUDGET_SECONDS = 0.014
"""How long one tick may work; what is begun before its end is ended a few milliseconds later at most."""
_STEP_SECONDS = 0.004
"""No step of building is begun later than so long before the end of a tick."""
_BUSY_SECONDS, _TICK_SECONDS = 0.015, 0.03
_DRAW_SECONDS = 0.2
_HOLDS = 10_000

holds: deque[float] = deque(maxlen=_HOLDS)
"""Seconds that each of the last ticks took, for the benchmark of the user interface."""


@dataclass(frozen=True)
class Outcome:
    """How the last capture ended, until the user has read it.

    Attributes:
        kind: ``done``, ``cancelled`` or ``error``.
        text: a sentence.
        hint: what to do about it, empty where nothing is to be done.
        take: the take that was kept, None where nothing was.
        resumable: the take is unfinished.
        collection: name of the collection it became, empty where it is not in the scene.
        warnings: sentences.
    """

    kind: str
    text: str
    hint: str = ""
    take: Path | None = None
    resumable: bool = False
    collection: str = ""
    warnings: tuple[str, ...] = ()


class Session:
    """One capture from the button to the animation.

    Attributes:
        stage, done, total, rate, seconds_left: as the backend tells them.
        people: how many were found so far.
        warnings: sentences for the user.
        cancelling: the user pressed Cancel.
        latency: seconds from the first solved frame to the first stand-in in the scene, None before.
        name: of the take.
    """

    def __init__(self, job: Job, backend: Backend, scene: bpy.types.Scene, aim: Aim) -> None:
        """Starts the backend.

        Raises:
            CaptureError: ``backend_missing``.
        """
        self.name = Path(job.take).stem
        self.stage, self.done, self.total, self.rate = "start", 0, 0, 0.0
        self.seconds_left: float | None = None
        self.people = 0
        self.warnings: list[str] = []
        self.cancelling = False
        self.latency: float | None = None
        self._aim = aim
        self._scene_uid: int | None = scene.session_uid
        self._events: deque[Event] = deque()
        self._live: LiveTake | None = None
        self._solved_at: float | None = None
        self._settled = True
        self._finish: Steps[Finished] | None = None
        self._worker = ThreadPoolExecutor(1)
        self._loading: Future[Loaded] | None = None
        self._process = CaptureProcess(job, backend.python, backend.log, models=backend.models)
        self._job = job

    @property
    def scene(self) -> bpy.types.Scene | None:
        """The scene the capture is for; None where it is gone."""
        return next((scene for scene in bpy.data.scenes if scene.session_uid == self._scene_uid), None)

    def cancel(self) -> None:
        """Asks for the end; the take that was found so far is kept."""
        self.cancelling = True
        self._process.cancel()

    def detach(self) -> None:
        """Another file was opened: the capture goes on, but not into a scene."""
        self._scene_uid = None
        if self._live is not None:
            self._live.remove()
            self._live = None

    def pause(self) -> None:
        """Blender's data is about to change (undo): what is half built is taken away, and built again later."""
        if self._finish is not None:
            self._finish.close()
            self._finish = None

    def stop(self) -> None:
        """Ends everything at once: the add-on is being disabled."""
        self._leave()

    def kill(self) -> None:
        """Ends the backend: Blender quits, and its data is not to be touched any more."""
        self._process.close()

    def advance(self, deadline: float) -> Outcome | None:
        """Works until ``deadline`` (of ``time.monotonic``); how the capture ended, None while it has not."""
        try:
            self._events.extend(self._process.poll())
            while self._events:
                self._take_in(self._events.popleft())
                if self._events and time.monotonic() >= deadline:
                    return None
            last = self._process.last
            if isinstance(last, Done):
                return self._finished(last, deadline)
            if isinstance(last, Failed | Cancelled):
                return self._ended(last)
            self._settled = self._move(deadline)
        except CaptureError as error:
            return self._failed(error)
        return None

    def busy(self) -> bool:
        """Whether there is work for the next tick already."""
        return bool(self._events) or self._finish is not None or not self._settled

    def _take_in(self, event: Event) -> None:
        match event:
            case Stage(name=name):
                self.stage, self.done, self.total, self.rate, self.seconds_left = name, 0, 0, 0.0, None
            case Progress():
                self.stage, self.done, self.total = event.stage, event.done, event.total
                self.rate, self.seconds_left = event.rate, event.seconds_left
            case VideoOpened():
                scene = self.scene
                if scene is not None and self._aim.shows_live:
                    self._live = LiveTake(self.name, event, self._aim.start, scene, first=self._job.start or 0)
            case PersonFound() | Frames():
                self.people += isinstance(event, PersonFound)
                if self._solved_at is None and isinstance(event, Frames):
                    self._solved_at = time.monotonic()
                if self._live is not None:
                    self._live.add(event)
            case Warned(message=message):
                self.warnings.append(message)

    def _move(self, deadline: float) -> bool:
        """Lets the stand-ins move; whether there is nothing more to do before the next event."""
        scene = self.scene
        if self._live is None or scene is None:
            return True
        settled = self._live.advance(scene, deadline)
        if self.latency is None and self._solved_at is not None and self._live.shown:
            self.latency = time.monotonic() - self._solved_at
        return settled

    def _finished(self, last: Done, deadline: float) -> Outcome | None:
        """Builds the animation, a few milliseconds at a time; the stand-ins stay until it is there."""
        if self._loading is None:
            self.stage, self.done, self.total = "build", 0, 0
            self._loading = self._worker.submit(self._aim.load, Path(last.take))
        if not self._loading.done():
            return None
        loaded, scene = self._loading.result(), self.scene
        if self.cancelling:
            self._leave(loaded)
            kept = loaded.path if self._aim.keeps_unfinished else None
            text = f"Cancelled, but {self.name} is captured." if kept else "Cancelled. The take is as it was."
            return Outcome("cancelled", text, "Open the take where you want it." if kept else "", kept)
        if scene is None:
            self._close()
            text = f"{loaded.path.stem} is captured, but its scene is gone."
            return Outcome("done", text, "Open the take where you want it.", loaded.path)
        if self._finish is None:
            self._finish = self._aim.build(loaded, scene)
        try:
            next(self._finish)
            while time.monotonic() < deadline - _STEP_SECONDS:
                next(self._finish)
        except StopIteration as end:
            self._finish = None
            return self._complete(loaded, end.value)
        return None

    def _complete(self, loaded: Loaded, finished: Finished) -> Outcome:
        self._close()
        push_undo(f"Capture {finished.collection}")
        people = "1 person" if finished.people == 1 else f"{finished.people} people"
        text = f"{finished.what}: {people}, {finished.frames} frames."
        warnings = (*dict.fromkeys((*self.warnings, *finished.warnings)),)
        return Outcome("done", text, take=loaded.path, collection=finished.collection, warnings=warnings)

    def _ended(self, last: Failed | Cancelled) -> Outcome:
        take = self._kept(last.take)
        self._leave()
        if isinstance(last, Cancelled):
            text = "Cancelled. What was found is kept." if take else "Cancelled. There was nothing to keep."
            return Outcome("cancelled", text, take=take, resumable=take is not None)
        return Outcome("error", last.message, last.hint, take, take is not None, warnings=tuple(self.warnings))

    def _failed(self, error: CaptureError) -> Outcome:
        take = self._kept(error.take if isinstance(error, CaptureLost) else "")
        self._leave()
        return Outcome("error", error.message, error.hint, take, take is not None, warnings=tuple(self.warnings))

    def broken(self, error: Exception) -> Outcome:
        """The outcome of a capture that this program itself has failed."""
        kept = Path(self._job.take) if self._aim.keeps_unfinished else None
        self._leave()
        what = f"The add-on failed unexpectedly ({type(error).__name__}: {error})."
        return Outcome("error", what, "Please report it, with what the system console says.", kept)

    def _kept(self, take: str) -> Path | None:
        return Path(take) if take and self._aim.keeps_unfinished else None

    def _leave(self, loaded: Loaded | None = None) -> None:
        """Ends early."""
        self._close()
        self._aim.withdraw(Path(self._job.take), loaded)

    def _close(self) -> None:
        self.pause()
        self._process.close()
        self._worker.shutdown(wait=False, cancel_futures=True)
        if self._live is not None:
            self._live.remove()
            self._live = None


_current: Session | None = None
_outcome: Outcome | None = None


def start(job: Job, backend: Backend, scene: bpy.types.Scene, aim: Aim) -> Session:
    """Begins a capture.

    Raises:
        CaptureError: ``already_capturing`` or ``backend_missing``.
    """
    global _current, _outcome
    if _current is not None:
        raise CaptureError("already_capturing", "A capture is running already.", "Wait for its end, or cancel it.")
    _outcome = None
    _current = Session(job, backend, scene, aim)
    if not bpy.app.timers.is_registered(_tick):
        bpy.app.timers.register(_tick, first_interval=_BUSY_SECONDS, persistent=True)
    return _current


def current() -> Session | None:
    """The running capture."""
    return _current


def outcome() -> Outcome | None:
    """How the last capture ended, until it is forgotten."""
    return _outcome


def tell(new: Outcome | None) -> None:
    """Shows an outcome in the sidebar; None forgets the last one."""
    global _outcome
    _outcome = new
    redraw_panels()


def pump() -> None:
    """Lets the running capture work for one tick; called by a timer, and by hand where there are none."""
    global _current
    if _current is None or rendering():
        return
    began = time.monotonic()
    try:
        ended = _current.advance(began + BUDGET_SECONDS)
    except Exception as error:  # the one broad catch of the add-on: a timer that raises is never called again
        traceback.print_exc()
        ended = _current.broken(error)
    if ended is not None:
        _current = None
        tell(ended)
    holds.append(time.monotonic() - began)


def stop() -> None:
    """Ends the running capture at once: the add-on is being disabled."""
    global _current, _outcome
    if bpy.app.timers.is_registered(_tick):
        bpy.app.timers.unregister(_tick)
    session, _current, _outcome = _current, None, None
    if session is not None:
        session.stop()


def kill() -> None:
    """Ends the running backend: Blender quits."""
    if _current is not None:
        _current.kill()


def push_undo(message: str) -> None:
    """Makes one undo step of everything since the last."""
    manager = bpy.context.window_manager
    if bpy.app.background or not manager.windows:
        return  # nobody is there to undo anything
    with bpy.context.temp_override(window=manager.windows[0]):
        if bpy.ops.ed.undo_push.poll():
            bpy.ops.ed.undo_push(message=message)


_drawn: tuple[float, tuple[object, ...]] = 0.0, ()
"""When the panel was drawn last, and what it showed."""


def _tick() -> float | None:
    global _drawn
    pump()
    if _current is None:
        redraw_panels()
        return None
    # A sidebar that is drawn again costs the whole view: only when it has something new to say.
    shown = (_current.stage, _current.done, _current.people, _current.cancelling)
    if shown != _drawn[1] and time.monotonic() - _drawn[0] > _DRAW_SECONDS:
        _drawn = time.monotonic(), shown
        redraw_panels()
    return _BUSY_SECONDS if _current.busy() else _TICK_SECONDS


@bpy.app.handlers.persistent
def before_change(*_: object) -> None:
    """Undo, redo and opening a file exchange Blender's data under our feet."""
    if _current is not None:
        _current.pause()


@bpy.app.handlers.persistent
def after_undo(*_: object) -> None:
    """An undo may bring back what was removed since: stand-ins, and what was half built at that moment."""
    remove_unfinished()
    if _current is None:
        remove_leftovers()


@bpy.app.handlers.persistent
def after_load(*_: object) -> None:
    """A running capture goes on without a scene. A file that was saved during a capture holds its stand-ins."""
    if _current is not None:
        _current.detach()
    remove_leftovers()


HANDLERS = (
    ("undo_pre", before_change),
    ("redo_pre", before_change),
    ("undo_post", after_undo),
    ("redo_post", after_undo),
    ("load_pre", before_change),
    ("load_post", after_load),
)
