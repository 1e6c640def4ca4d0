# SPDX-License-Identifier: GPL-3.0-or-later
"""Motion being baked onto characters: a timer lets ``pump`` work for a few milliseconds at a time.

Nothing of Blender's is held between two characters, and while one is baked only its generator holds any: an undo or
another file closes that, and the character is begun anew.
"""

from __future__ import annotations

import contextlib
import time
from dataclasses import dataclass, field

import bpy

from .contract.errors import CaptureError
from .motion.retargeting.bone_map import BoneMap
from .motion.retargeting.settings import Retarget
from .redraw import redraw_panels
from .scene.retargeting.bake import remove_rehearsals
from .scene.retargeting.leader import is_bound
from .scene.retargeting.live import bind, renamed_since, unbind
from .scene.retargeting.source import source_frames
from .scene.retargeting.transfer import Outcome, retargeting
from .scene.steps import Steps, rendering
from .session import push_undo

BUDGET_SECONDS = 0.014
_TICK_SECONDS, _DRAW_SECONDS = 0.005, 0.2


@dataclass(frozen=True)
class Work:
    """One motion for one character.

    Attributes:
        source, target: ``session_uid`` of their armatures.
        bone_map: of the target.
        settings: how.
        text: what to call it.
        keep: whether its action gets a user of its own, because another may take its place.
    """

    source: int
    target: int
    bone_map: BoneMap
    settings: Retarget
    text: str
    keep: bool = False

    @classmethod
    def of(cls, source: bpy.types.Object, target: bpy.types.Object, *, keep: bool = False) -> Work:
        """What the target's settings say.

        Raises:
            CaptureError: ``bad_setting``.
        """
        group, text = target.vibe_retarget, f"{source.name} → {target.name}"
        return cls(source.session_uid, target.session_uid, group.bone_map(), group.settings(), text, keep)

    def begin(self) -> Steps[Outcome]:
        """The steps of it; a live link of the target ends, if all goes well.

        Raises:
            CaptureError: ``pair_gone``, and what ``retargeting`` raises.
        """
        source, target = self._things()
        if not is_bound(target):
            return (yield from retargeting(source, target, self.bone_map, self.settings))
        bone_map = renamed_since(target, self.bone_map)
        unbind(target)
        try:
            outcome = yield from retargeting(source, target, bone_map, self.settings)
        except BaseException:  # also where it is closed: the link is as before
            with contextlib.suppress(CaptureError, ReferenceError):
                bind(source, target, bone_map, self.settings)
            raise
        target.vibe_retarget.followed = None
        return outcome

    def frames(self) -> int:
        """How many frames it has; 0 where that is not known."""
        try:
            return len(source_frames(self._things()[0]))
        except CaptureError:
            return 0

    def _things(self) -> tuple[bpy.types.Object, bpy.types.Object]:
        things = {thing.session_uid: thing for thing in bpy.data.objects}
        if self.source not in things or self.target not in things:
            raise CaptureError("pair_gone", "One of them is not in the file any more.")
        return things[self.source], things[self.target]


@dataclass(frozen=True)
class Told:
    """How it ended, until the user has read it.

    Attributes:
        kind: ``done``, ``cancelled`` or ``error``.
        text: a sentence.
        notes: more sentences.
    """

    kind: str
    text: str
    notes: tuple[str, ...] = ()


@dataclass
class Baking:
    """Motions for characters, one after the other.

    Attributes:
        works: all of them.
        done: how many are done, well or not.
        frames, steps: how many the one at work has, and how many of them it has taken.
        cancelling: the user pressed Cancel.
        made: what was made, and how many frames each has.
        notes: sentences about it.
        errors: what failed, and why.
    """

    works: tuple[Work, ...]
    done: int = 0
    frames: int = 0
    steps: int = 0
    cancelling: bool = False
    made: list[tuple[str, int]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    errors: list[tuple[Work, CaptureError]] = field(default_factory=list)
    _running: Steps[Outcome] | None = None

    def pause(self) -> None:
        """Blender's data is about to change (undo): what is half done is taken back, and done again later."""
        running, self._running, self.steps = self._running, None, 0
        if running is not None:
            running.close()

    def advance(self, deadline: float = float("inf")) -> bool:
        """Works until ``deadline`` (of ``time.monotonic``); whether it has ended."""
        while self.done < len(self.works) and not self.cancelling:
            self._step(self.works[self.done])
            if time.monotonic() >= deadline:
                break
        if self.cancelling:
            self.pause()
        return self.cancelling or self.done == len(self.works)

    def share(self) -> float:
        """How much of it all is done, 0..1."""
        return (self.done + min(self.steps / max(self.frames, 1), 1.0)) / len(self.works)

    def text(self) -> str:
        """The same in words."""
        frames = f"{min(self.steps, self.frames)} of {self.frames} frames" if self.frames else ""
        return f"{self.done + 1} of {len(self.works)}: {frames}" if len(self.works) > 1 else frames

    def told(self) -> Told:
        """How it ended."""
        notes = tuple(dict.fromkeys(self.notes))
        failed = tuple(f"{work.text}: {error}" for work, error in self.errors)
        if self.cancelling:
            kept = f" {len(self.made)} of {len(self.works)} were done, and stay." if self.made else ""
            return Told("cancelled", f"Cancelled.{kept}", (*notes, *failed))
        if not self.made:
            return Told("error", failed[0], (*failed[1:], *notes))
        if len(self.works) == 1:
            ((name, frames),) = self.made
            return Told("done", f"{self.works[0].text}: {frames} frames, action {name}.", notes)
        text = f"{len(self.made)} of {len(self.works)} baked, each an action of its own."
        return Told("done", text, (*failed, *notes))

    def _step(self, work: Work) -> None:
        try:
            if self._running is None:
                self._running, self.frames = work.begin(), work.frames()
            next(self._running)
            self.steps += 1
        except StopIteration as end:
            self._take_in(work, end.value)
        except CaptureError as error:
            self._next(work, error)
        except ReferenceError:
            self._next(work, CaptureError("pair_gone", "One of them was removed meanwhile."))

    def _take_in(self, work: Work, outcome: Outcome) -> None:
        action = outcome.action
        if work.keep:
            action.use_fake_user = True
        first, last = action.frame_range
        self.made.append((action.name, round(last - first) + 1))
        if outcome.switches:
            switches = ", ".join(f"{item.name} of {item.bone} (was {before:g})" for item, before in outcome.switches)
            self.notes.append(f"Switched to {work.settings.limbs.upper()}: {switches}.")
        ours = {name for name, _ in self.made}
        self.notes += [f"Your action {name} is kept." for name in outcome.kept if name not in ours]
        self.notes += outcome.warnings
        self._next(work)

    def _next(self, work: Work, error: CaptureError | None = None) -> None:
        if error is not None:
            self.errors.append((work, error))
        self._running, self.steps, self.done = None, 0, self.done + 1


_current: Baking | None = None
_told: Told | None = None


def start(works: tuple[Work, ...], *, at_once: bool = False) -> Baking:
    """Begins to bake, for the timer to go on with.

    Args:
        works: in their order.
        at_once: ends it, too.

    Raises:
        CaptureError: ``already_baking``, ``rendering``.
    """
    global _current, _told
    if _current is not None:
        raise CaptureError("already_baking", "Motion is being baked already.", "Wait for its end, or cancel it.")
    if rendering():
        raise CaptureError("rendering", "A render reads the characters.", "Bake when it is done.")
    _told = None
    _current = begun = Baking(works)
    if at_once:
        pump(float("inf"))
    elif not bpy.app.timers.is_registered(_tick):
        bpy.app.timers.register(_tick, first_interval=_TICK_SECONDS, persistent=True)
    return begun


def current() -> Baking | None:
    """What is being baked."""
    return _current


def told() -> Told | None:
    """How the last one ended, until it is forgotten."""
    return _told


def dismiss() -> None:
    """Forgets it."""
    global _told
    _told = None
    redraw_panels()


def cancel() -> None:
    """Asks for the end; what is done already stays."""
    if _current is not None:
        _current.cancelling = True


def pump(seconds: float = BUDGET_SECONDS) -> None:
    """Lets the bake work for so long; called by a timer, and by hand where there are none."""
    global _current, _told
    if _current is None or rendering():
        return
    baking = _current
    try:
        ended = baking.advance(time.monotonic() + seconds)
    except BaseException:  # a timer that raises is never called again: the panel must not wait for it
        _current = None
        _told = Told("error", "The add-on failed unexpectedly. Please report what the system console says.")
        raise
    if ended:
        _current, _told = None, baking.told()
        if baking.made:
            push_undo("Retarget")
        redraw_panels()


def stop() -> None:
    """Ends at once what is at work: the add-on is being disabled."""
    global _current, _told
    if bpy.app.timers.is_registered(_tick):
        bpy.app.timers.unregister(_tick)
    baking, _current, _told = _current, None, None
    if baking is not None:
        baking.pause()


_drawn = 0.0


def _tick() -> float | None:
    global _drawn
    pump()
    if _current is None:
        return None
    # A sidebar that is drawn again costs the whole view.
    if time.monotonic() - _drawn > _DRAW_SECONDS:
        _drawn = time.monotonic()
        redraw_panels()
    return _TICK_SECONDS


@bpy.app.handlers.persistent
def before_change(*_: object) -> None:
    """Undo, redo and opening a file exchange Blender's data under our feet."""
    if _current is not None:
        _current.pause()


@bpy.app.handlers.persistent
def after_undo(*_: object) -> None:
    """An undo may bring back what was in the making when its step was made; what was told is not so any more."""
    dismiss()
    remove_rehearsals()


@bpy.app.handlers.persistent
def after_load(*_: object) -> None:
    """The characters are not there any more; a file that was saved meanwhile holds what was in the making."""
    stop()
    remove_rehearsals()


HANDLERS = (
    ("undo_pre", before_change),
    ("redo_pre", before_change),
    ("load_pre", before_change),
    ("undo_post", after_undo),
    ("redo_post", after_undo),
    ("load_post", after_load),
)
