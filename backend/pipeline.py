# SPDX-License-Identifier: MIT
"""The main path: a job becomes a take, stage by stage, with events on the way."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Event as Flag
from typing import Any

import numpy as np

from backend.estimators.estimate import Estimate
from backend.preview import Preview
from backend.recording import Recording
from backend.refinement import refine
from backend.roads import People, Road, device_of, open_people, open_road
from backend.video import VideoFacts, probe, read_frames
from backend.world import Ground, find_ground, place
from vibe_blender.contract.errors import CaptureError
from vibe_blender.contract.interrupted import note_job
from vibe_blender.contract.kept_take import KeptTake
from vibe_blender.contract.protocol import Event, Hello, Job, Progress, Stage, VideoOpened, Warned
from vibe_blender.contract.take import Take, Video
from vibe_blender.contract.take_file import TakeWriter, load_take, partial_path, release_take_path
from vibe_blender.contract.terms import notice_of

Emit = Callable[[Event], None]

_LEAST_FRAMES = 10
"""Who is seen in fewer frames, and in less than half of a short video, is taken for a mistake of the detector."""
_FULL_FRAME_DIAGONAL_MM = math.hypot(36.0, 24.0)
_PROGRESS_SECONDS = 0.1


class Cancelled(Exception):
    """The user stopped the capture; ``take`` is what was kept, empty where nothing was."""

    def __init__(self, take: str = "") -> None:
        super().__init__("cancelled")
        self.take = take


class CaptureFailed(CaptureError):
    """A capture that failed half-way; ``take`` is what was kept, empty where nothing was."""

    def __init__(self, cause: CaptureError, take: str) -> None:
        super().__init__(cause.code, cause.message, cause.hint)
        self.take = take


@dataclass(frozen=True)
class Captured:
    """A finished capture: the take, and how many frames and people are in it."""

    take: Path
    frames: int
    people: int


def run(job: Job, emit: Emit, cancelled: Flag) -> Captured:
    """Captures a video.

    Args:
        job: what and how.
        emit: told everything except how it ended.
        cancelled: set from outside to stop; what was read by then is kept, with its rough preview, to be resumed.

    Raises:
        CaptureError: with a ``take`` where something was kept (``CaptureFailed``).
        Cancelled: the flag was set.
    """
    kept = KeptTake(Path(job.take))
    try:
        device, warning = _greet(job, emit)
        facts = probe(Path(job.video))
        emit(VideoOpened(str(facts.path), facts.width_px, facts.height_px, facts.fps, facts.frames))
        _heed(cancelled)
        people = open_people(job)
        road = open_road(job, device, _focal_px(job, facts), _centre_px(facts))
        _heed(cancelled)
        with _writer(job) as writer:
            capture = _Capture(job, facts, people, road, writer, kept, emit, cancelled)
            if warning:
                capture.warn("no_such_device", warning)
            return capture.run()
    except Cancelled:
        raise Cancelled(kept.find()) from None
    finally:
        release_take_path(Path(job.take))


def _greet(job: Job, emit: Emit) -> tuple[str, str]:
    """Says hello, which comes before everything else; the device, and a warning where it is not the one wanted."""
    try:
        device, warning = device_of(job)
    except CaptureError:
        emit(Hello(job.estimator, job.device))
        raise
    emit(Hello(job.estimator, device))
    return device, warning


def _writer(job: Job) -> TakeWriter:
    try:
        return TakeWriter(Path(job.take), keep=job.resume)
    except CaptureError as error:
        if error.code == "take_in_use":
            raise CaptureFailed(error, "") from error  # what is there is somebody else's
        raise


def _heed(cancelled: Flag) -> None:
    if cancelled.is_set():
        raise Cancelled


class _Capture:
    """One capture while it runs."""

    def __init__(
        self,
        job: Job,
        facts: VideoFacts,
        people: People,
        road: Road,
        writer: TakeWriter,
        kept: KeptTake,
        emit: Emit,
        cancelled: Flag,
    ) -> None:
        self._job, self._facts, self._people, self._writer, self._kept = job, facts, people, writer, kept
        self._road, self._emit, self._cancelled = road, emit, cancelled
        self._centre_px, self._focal_px = _centre_px(facts), _focal_px(job, facts)
        self._recording = Recording(spoken=road.spoken)
        self._preview = Preview(road, emit)
        self._extended = 0
        self._warnings: list[str] = []
        self._clock = _Clock(emit)
        if job.resume:
            self._go_on()
        writer.note("settings", self._settings())
        note_job(writer, job)

    def _settings(self) -> dict[str, Any]:
        """What must be the same for what was read earlier to go together with what is read now."""
        job, facts = self._job, self._facts
        video = [facts.width_px, facts.height_px, facts.fps, facts.frames]
        common = {"video": video, "start": job.start or 0, "people": job.people, "boxes": job.boxes, "fast": job.fast}
        return {**common, **self._road.settings()}

    def _go_on(self) -> None:
        """Takes up an interrupted capture of the same video, exactly where its last finished stretch ended."""
        before, people = self._writer.noted("settings"), self._writer.noted("people")
        if people is None:
            return
        now = self._settings()
        if self._road.spoken:  # earlier versions noted it with networks too, where it does nothing
            before["fast"] = now["fast"]
        different = [name for name in {**now, **before} if now.get(name) != before.get(name)]
        if different:
            raise CaptureError(
                "resume_mismatch",
                f"The interrupted capture had another {' and another '.join(different)}.",
                "Give the same options and the same video again, or start afresh without `--resume`.",
            )
        self._recording = Recording.restored(self._writer, spoken=self._road.spoken)
        self._people.recall(people)
        self._road.recall(self._writer.noted("road") or {})
        extended, ground = self._writer.evidence(0, "take.times"), self._writer.noted("ground")
        if extended is not None:
            self._extended = len(extended)
            self._preview.ground = Ground(np.array(ground["up"]), ground["height_m"], np.array(ground["origin"]))
            self._preview.tell_again(load_take(partial_path(self._writer.path)).people)

    def run(self) -> Captured:
        try:
            self._watch()
            _heed(self._cancelled)
            take = self._solve(stoppable=True)
        except CaptureError as error:
            raise CaptureFailed(error, self._keep()) from error
        except Cancelled:
            self._leave()
            raise
        finally:
            self._preview.close()
            self._road.close()
        self._emit(Stage("save"))
        try:
            path = self._writer.finish(take)
        except CaptureError as error:
            raise CaptureFailed(error, self._growing()) from error
        return Captured(path, len(take.video.times), len(take.people))

    def _watch(self) -> None:
        """Reads every frame once and lets go of it."""
        start = self._job.start or 0
        end = min((frame for frame in (self._job.end, self._facts.frames) if frame), default=0)
        first = max(start, self._recording.next_frame) if self._recording.times else start
        if self._recording.times and self._job.end is not None and first >= self._job.end:
            return
        try:
            self._read(first, start, end)
        except CaptureError as error:
            # The capture that is resumed had read the last frame when it was stopped.
            if error.code != "bad_range" or not self._recording.times:
                raise
        self._save()
        self._extend()

    def _read(self, first: int, start: int, end: int) -> None:
        """Takes in the frames from ``first`` on; progress counts from ``start``."""
        again = 1 if self._recording.times and self._road.looks_back else 0
        for frame in read_frames(self._facts.path, first - again, self._job.end, self.warn, self._pass):
            if frame.index < first:
                self._road.look_back(frame.image, self._recording.seen_in(frame.index))
                continue
            if frame.index == first:
                self._clock.start("watch", max(end - start, 0), done=first - start)
            seen = self._people.update(frame.index, frame.time_s, frame.image)
            self._recording.add(frame.index, frame.time_s, seen)
            self._road.see(frame.image, seen)
            self._clock.tick(frame.index + 1 - start)
            if len(self._recording.times) % self._road.stretch == 0:
                self._save()
            elif self._preview.ready:
                self._extend()
            _heed(self._cancelled)

    def _pass(self, done: int, total: int) -> None:
        """Tells how far the way to a late start is."""
        self._clock.go_on("seek", total)
        self._clock.tick(done)
        _heed(self._cancelled)

    def _save(self) -> None:
        """Puts the newest stretch into the growing take, all that belongs to it at once."""
        self._extend()
        self._road.settle(self._recording)
        for message in self._road.news():
            self.warn("device_changed", message)
        with self._writer.together():
            self._recording.save(self._writer)
            self._writer.note("people", self._people.record())
            if record := self._road.record():
                self._writer.note("road", record)
        self._preview.start(self._recording, self._cast())

    def _cast(self) -> list[int]:
        """The people seen often enough to be there."""
        return self._recording.people(min(_LEAST_FRAMES, (len(self._recording.times) + 1) // 2))

    def _solve(self, *, stoppable: bool) -> Take:
        """The whole clip at once, everybody on one floor."""
        people = self._cast()
        if not people:
            raise CaptureError(
                "nobody_found",
                f"Nobody was found in {len(self._recording.times)} frames of {self._facts.path.name}.",
                "Choose a range in which a person is seen whole and not too small, or give boxes with `--boxes`.",
            )
        counts = {person: self._recording.frame_count(person) for person in people}
        self._clock.start("solve", sum(counts.values()))
        estimates, before = [], 0
        for person in people:

            def progress(done: int, before: int = before) -> None:
                self._clock.tick(before + done)
                if stoppable and self._cancelled.is_set():
                    raise Cancelled

            readings = self._road.readings(self._recording, person, slice(None))
            estimates.append(self._road.estimate(readings, progress))
            before += counts[person]
        if self._job.refine and stoppable:
            estimates = self._refined(dict(zip(people, estimates, strict=True)))
        self._emit(Stage("world"))
        return self._take(dict(zip(people, estimates, strict=True)), find_ground(estimates))

    def _refined(self, estimates: dict[int, Estimate]) -> list[Estimate]:
        """The same, nearer to the landmarks, where there are any."""
        self._clock.start("refine", sum(len(estimate.frames) for estimate in estimates.values()))
        refined, before = [], 0
        for person, estimate in estimates.items():

            def progress(done: int, before: int = before) -> None:
                self._clock.tick(before + done)
                _heed(self._cancelled)

            found = refine(estimate, self._road.marks, self._focal_px, self._centre_px, progress)
            refined.append(found.estimate)
            before += len(estimate.frames)
            if not found.kept.any():
                why = "no frame came nearer to its landmarks" if estimate.keypoints.size else "there are no landmarks"
                self.warn("not_refined", f"The motion of person {person} could not be refined: {why}.")
        return refined

    def _extend(self) -> None:
        """Adds the preview that was begun last to the growing take; waits for it."""
        piece = self._preview.collect()
        if piece is None:
            return
        frames, ground = slice(self._extended, piece.frame_count), piece.ground
        with self._writer.together():
            self._writer.extend(self._take(piece.estimates, ground, frames))
            floor = {"up": ground.up.tolist(), "height_m": ground.height_m, "origin": ground.origin.tolist()}
            self._writer.note("ground", floor)
        self._extended = piece.frame_count

    def _take(self, estimates: dict[int, Estimate], ground: Ground, frames: slice = slice(None)) -> Take:
        """What is known of some of the captured frames."""
        facts, recording = self._facts, self._recording
        times, first = np.array(recording.times[frames]), recording.first_frame + (frames.start or 0)
        return Take(
            video=Video(str(facts.path), facts.width_px, facts.height_px, facts.fps, times, first),
            camera=ground.camera(self._focal_px, self._centre_px),
            people=tuple(place(estimate, ground, person) for person, estimate in estimates.items()),
            estimator=self._job.estimator,
            body=self._road.body,
            device=self._road.device,
            warnings=tuple(self._warnings),
            notice=notice_of(self._job.estimator, own=bool(self._job.network)),
        )

    def _leave(self) -> None:
        """Puts what was read since the last stretch into the growing take, with its preview; nothing of nobody."""
        if not self._cast():
            self._writer.discard()
            return
        self._save()
        self._extend()

    def _keep(self) -> str:
        """Solves and saves what was read before the capture stopped; says where, or nothing where that fails too."""
        try:
            if not self._cast():
                self._writer.discard()
                return ""
            take = replace(self._solve(stoppable=False), status="partial")
            if self._kept.finished:  # by somebody else: theirs stays
                self._leave()
                return self._growing()
            self._writer.finish(take)
        except CaptureError:
            return self._growing()  # Nothing more can be written, but every finished stretch is there.
        return self._job.take

    def _growing(self) -> str:
        """What opens the growing take, nothing where no stretch is finished; an older take may have its later name."""
        path = Path(self._job.take)
        return str(partial_path(path) if path.exists() else path) if self._extended else ""

    def warn(self, code: str, message: str) -> None:
        """Tells the user now, and in the take."""
        self._warnings.append(message)
        self._emit(Warned(code, message))


def _centre_px(facts: VideoFacts) -> np.ndarray:
    """(2,) principal point: the middle of the picture."""
    return np.array([facts.width_px / 2, facts.height_px / 2])


def _focal_px(job: Job, facts: VideoFacts) -> float:
    """Focal length in pixels: given, else from the file, else the longer side (a lens of about 53 degrees)."""
    if job.focal_px is not None:
        return job.focal_px
    if job.focal_mm is not None:
        return job.focal_mm * math.hypot(facts.width_px, facts.height_px) / _FULL_FRAME_DIAGONAL_MM
    return facts.focal_px or float(max(facts.width_px, facts.height_px))


class _Clock:
    """Tells which stage it is, and a few times a second how far."""

    def __init__(self, emit: Emit) -> None:
        self._emit = emit
        self._stage, self._total = "", 0

    def start(self, stage: str, total: int, done: int = 0) -> None:
        if stage != self._stage:
            self._emit(Stage(stage))
        self._stage, self._total, self._first = stage, total, done
        self._began = self._told = time.monotonic()

    def go_on(self, stage: str, total: int) -> None:
        """Starts where it is another stage, or another total, than it was."""
        if (stage, total) != (self._stage, self._total):
            self.start(stage, total)

    def tick(self, done: int) -> None:
        now = time.monotonic()
        if now - self._told < _PROGRESS_SECONDS and done != self._total:
            return
        self._told = now
        rate = (done - self._first) / max(now - self._began, 1e-6)
        left = max(self._total - done, 0) / rate if self._total and rate > 0 else None
        self._emit(Progress(self._stage, done, self._total, round(rate, 2), None if left is None else round(left, 1)))
