# SPDX-License-Identifier: GPL-3.0-or-later
"""The backend's installation as Blender sees it: one at a time, its state remembered for drawing."""

from __future__ import annotations

import threading
import time

import bpy

from .client import environment
from .client.environment import Home, State
from .client.installation import Installation, Plan
from .contract.errors import CaptureError
from .places import developer_python, home
from .redraw import redraw_panels

_TICK_SECONDS = 0.2
_STATE_SECONDS = 2.0

_running: Installation | None = None
_removing: threading.Thread | None = None
_failure: CaptureError | None = None
_state: tuple[float, State, list[str]] | None = None


def start(plan: Plan) -> None:
    """Begins an installation on a thread of its own.

    Raises:
        CaptureError: ``already_installing``.
    """
    global _running, _failure
    if _running is not None or _removing is not None:
        raise CaptureError(
            "already_installing", "The backend is being installed or removed already.", "Wait, or cancel that."
        )
    _failure = None
    _running = Installation(home(), plan)
    _watch()


def remove() -> None:
    """Begins to remove everything, on a thread of its own: it may be gigabytes."""
    global _removing, _failure
    _failure = None
    _removing = threading.Thread(target=_remove, args=(home(),), name="removal")
    _removing.start()
    _watch()


def removing() -> bool:
    """Whether the backend is being removed."""
    return _removing is not None


def running() -> Installation | None:
    """The installation in progress."""
    return _running


def failure() -> CaptureError | None:
    """Why the last installation failed; None where it did not."""
    return _failure


def wants_attention() -> bool:
    """Whether there is something to do or to read about the backend."""
    return not ready() or running() is not None or removing() or failure() is not None


def forget_failure() -> None:
    """The user has read it."""
    global _failure
    _failure = None


def pump() -> None:
    """Takes note of what ended; called by a timer, and by hand where there are none."""
    global _running, _removing, _failure
    if _removing is not None and not _removing.is_alive():
        _removing = None
        look_again()
    if _running is not None and _running.finished:
        _failure, _running = _running.error, None
        look_again()
        redraw_panels()


def state() -> State:
    """The environment's state, read from disk every few seconds at most."""
    return _looked()[1]


def missing_models() -> list[str]:
    """The model files that are not there."""
    return _looked()[2]


def ready() -> bool:
    """Whether a capture can start."""
    return developer_python() is not None or (state().condition == "ready" and not missing_models())


def look_again() -> None:
    """Forgets the remembered state: something changed."""
    global _state
    _state = None


def stop() -> None:
    """Cancels what runs, and waits for its end."""
    global _running, _removing
    if bpy.app.timers.is_registered(_tick):
        bpy.app.timers.unregister(_tick)
    if _running is not None:
        _running.cancel()
        _running.wait(5.0)
        _running = None
    if _removing is not None:
        _removing.join()
        _removing = None


def _looked() -> tuple[float, State, list[str]]:
    global _state
    if _state is None or time.monotonic() - _state[0] > _STATE_SECONDS:
        place = home()
        _state = (time.monotonic(), environment.inspect(place), environment.missing_models(place))
    return _state


def _tick() -> float | None:
    pump()
    redraw_panels()
    return None if _running is None and _removing is None else _TICK_SECONDS


def _watch() -> None:
    if not bpy.app.timers.is_registered(_tick):
        bpy.app.timers.register(_tick, first_interval=_TICK_SECONDS, persistent=True)


def _remove(place: Home) -> None:
    global _failure
    try:
        environment.remove(place)
    except CaptureError as error:
        _failure = error
