# SPDX-License-Identifier: MIT
"""The video's facts and its frames, decoded ahead of the one who asks."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from av.container import InputContainer
from av.video.frame import VideoFrame
from av.video.stream import VideoStream
from numpy.typing import NDArray

from vibe_blender.contract.errors import CaptureError

from .lens import focal_px
from .opening import Trouble, checked_path, nothing_decodes, opened, pictures
from .timing import (
    Clock,
    Landing,
    Passing,
    in_order_of_time,
    mean_rate,
    plan_landing,
    start_after_end,
    stream_duration_s,
    total_duration_s,
)
from .upright import Upright

FRAMES_AHEAD = 4
_FRAMES_PASSED = 25

WarningCallback = Callable[[str, str], None]
PassingCallback = Callable[[int, int], None]


@dataclass(frozen=True)
class VideoFacts:
    """What a video file says about itself.

    Attributes:
        path: absolute.
        width_px, height_px: size of the upright image with square pixels, as ``read_frames`` gives it.
        fps: mean frame rate.
        frames: how many there should be, 0 where the file does not say.
        duration_s: 0 where the file does not say.
        rotation_deg: counter-clockwise turn, 0 to 359, that was applied to stand the image upright.
        focal_px: focal length where the camera wrote it into the file, else None.
    """

    path: Path
    width_px: int
    height_px: int
    fps: float
    frames: int
    duration_s: float
    rotation_deg: int
    focal_px: float | None


@dataclass(frozen=True)
class Frame:
    """One decoded picture.

    Attributes:
        index: frame number, counted from 0 at the start of the video in order of presentation.
        time_s: presentation time, 0 at the video's first frame, strictly ascending.
        image: (H, W, 3) uint8 RGB, upright, square pixels.
    """

    index: int
    time_s: float
    image: NDArray[np.uint8]


def probe(path: Path | str) -> VideoFacts:
    """What the video is, learnt from its header and its first picture.

    Raises:
        CaptureError: ``video_missing``, ``video_empty``, ``video_unreadable``, ``no_video_stream``, ``unknown_codec``.
    """
    path = checked_path(path)
    with opened(path) as (container, stream):
        picture = next((item for item in pictures(container, stream) if isinstance(item, VideoFrame)), None)
        if picture is None:
            raise nothing_decodes(path)
        upright = Upright(stream, picture)
        fps = mean_rate(stream)
        duration_s = total_duration_s(container, stream)
        return VideoFacts(
            path=path,
            width_px=upright.width_px,
            height_px=upright.height_px,
            fps=fps,
            # A frame count that contradicts the rate counts the container's empty slots.
            frames=stream.frames if fps == stream.average_rate else round(duration_s * fps),
            duration_s=duration_s,
            rotation_deg=upright.rotation_deg,
            focal_px=focal_px(path, {**container.metadata, **stream.metadata}, upright.width_px, upright.height_px),
        )


def read_frames(
    path: Path | str,
    start: int = 0,
    end: int | None = None,
    on_warning: WarningCallback | None = None,
    on_passing: PassingCallback | None = None,
) -> Generator[Frame]:
    """The frames ``start`` to ``end`` (excluded), decoded a few ahead on a thread of their own.

    Memory does not grow with the length of the video. Frame numbers and times are the same whatever the start. Close
    the generator, or let go of it, to stop early.

    Args:
        path: of the video.
        start, end: frame numbers; None reads to the end.
        on_warning: called as ``on_warning(code, message)``, from the caller's own thread, with ``video_damaged`` or
            ``video_truncated`` where not everything could be decoded.
        on_passing: called likewise, as ``on_passing(done, total)``, while the way to a late start is long.

    Raises:
        CaptureError: as ``probe``, and ``bad_range``; the range is checked against the video at the first frame.
    """
    if start < 0 or (end is not None and end <= start):
        raise CaptureError(
            "bad_range",
            f"There are no frames from {start} to {end} (the end is excluded).",
            "Give a start of at least 0 and an end after it.",
        )
    return _run_ahead(_decoded(checked_path(path), start, end), FRAMES_AHEAD, on_warning, on_passing)


def _decoded(path: Path, start: int, end: int | None) -> Iterator[Frame | Trouble | Passing]:
    """The frames of the range; troubles among them as they are met, and before them what was passed by."""
    landing = (yield from plan_landing(path, start)) if start else None
    with opened(path) as (container, stream):
        if landing:
            container.seek(landing.keyframe_pts, stream=stream)
        yield from _numbered(path, container, stream, start, end, landing)


def _numbered(
    path: Path, container: InputContainer, stream: VideoStream, start: int, end: int | None, landing: Landing | None
) -> Iterator[Frame | Trouble | Passing]:
    clock = Clock(stream, landing.first_pts if landing else None)
    upright: Upright | None = None
    index, time_s, last_s = -1, 0.0, 0.0
    for item in in_order_of_time(pictures(container, stream)):
        if isinstance(item, Trouble):
            yield item
            continue
        picture, pts = item
        known = landing.numbers.get(pts) if landing and index < start and pts is not None else None
        index = index + 1 if known is None else known
        if index < start and index % _FRAMES_PASSED == 0:
            yield Passing(index, start)
        if landing and index < start:
            continue  # Also leading pictures of the keyframe, which cannot be decoded without those before it.
        time_s = clock.time_s(pts)
        last_s = time_s + (picture.duration * clock.unit_s or clock.interval_s)
        upright = upright or Upright(stream, picture)
        if index >= start:
            yield Frame(index, time_s, upright(picture))
        if end is not None and index + 1 >= end:
            return
    if index < 0:
        raise nothing_decodes(path)
    if index < start:
        raise start_after_end(path, start, index + 1)
    stated_s = stream_duration_s(stream)
    if stated_s - last_s > max(5 * clock.interval_s, 0.02 * stated_s):
        message = f"The video breaks off after {last_s:.1f} of {stated_s:.1f} seconds: the file is cut short."
        yield Trouble("video_truncated", message)


def _run_ahead(
    items: Iterator[Frame | Trouble | Passing],
    depth: int,
    on_warning: WarningCallback | None,
    on_passing: PassingCallback | None,
) -> Generator[Frame]:
    """Frames taken from ``items`` on another thread, at most ``depth`` before they are asked for."""
    ready: queue.Queue[Frame | Trouble | Passing | BaseException | None] = queue.Queue(depth)
    stopped = threading.Event()

    def fill() -> None:
        last: BaseException | None = None
        try:
            for item in items:
                ready.put(item)
                if stopped.is_set():
                    break
        except BaseException as error:  # not handled here: it travels to the consumer's thread and is raised there
            last = error
        ready.put(last)

    # A daemon, so that a forgotten generator never keeps the program from ending.
    worker = threading.Thread(target=fill, name="video", daemon=True)
    worker.start()
    try:
        while (item := ready.get()) is not None:
            if isinstance(item, BaseException):
                raise item
            if isinstance(item, Frame):
                yield item
            elif isinstance(item, Passing):
                if on_passing:
                    on_passing(item.done, item.total)
            elif on_warning:
                on_warning(item.code, item.message)
    finally:
        stopped.set()
        while worker.is_alive():
            try:
                ready.get(timeout=0.02)
            except queue.Empty:
                continue
