# SPDX-License-Identifier: MIT
"""When each picture is shown, which number it has, and where decoding may begin to meet it."""

from __future__ import annotations

import heapq
import re
from collections import deque
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from pathlib import Path

import av
from av.container import InputContainer
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from vibe_blender.contract.errors import CaptureError

from .opening import Trouble, opened

_REORDER_WINDOW = 4
_PACKETS_PASSED = 500
# Containers that store presentation times, and codecs with one picture per packet: there, packets can be counted
# instead of pictures.
_COUNTABLE_CONTAINERS = {"mov", "matroska"}
_COUNTABLE_CODECS = {"h264", "hevc", "av1", "vp9", "mpeg2video", "mjpeg", "prores", "dnxhd", "ffv1"}


class Clock:
    """Presentation times in seconds, strictly ascending whatever the file says."""

    def __init__(self, stream: VideoStream, first_pts: int | None = None) -> None:
        self.unit_s = float(stream.time_base or 0)
        self.interval_s = 1.0 / mean_rate(stream)
        self._zero_s = None if first_pts is None else first_pts * self.unit_s
        self._last_s: float | None = None

    def time_s(self, pts: int | None) -> float:
        """The time of the next picture."""
        last_s = self._last_s
        expected_s = 0.0 if last_s is None else last_s + self.interval_s
        if pts is None:
            time_s = expected_s
        else:
            stated_s = pts * self.unit_s
            if self._zero_s is None:
                self._zero_s = stated_s
            elif last_s is not None and last_s - (stated_s - self._zero_s) > 1.0:
                self._zero_s = stated_s - expected_s  # The recorder's clock was set back.
            time_s = stated_s - self._zero_s
        if last_s is not None and time_s <= last_s:
            # Half an interval, so that true times after a doubled one are reached again.
            time_s = last_s + self.interval_s / 2
        self._last_s = time_s
        return time_s


@dataclass(frozen=True)
class Landing:
    """Where decoding may begin so as to meet frame ``start``: its numbers by presentation time stamp."""

    keyframe_pts: int
    numbers: dict[int, int]
    first_pts: int


@dataclass(frozen=True)
class Passing:
    """On the way to the first frame: how many were passed by, of how many (0: not known)."""

    done: int
    total: int


def in_order_of_time(
    items: Iterator[VideoFrame | Trouble],
) -> Iterator[tuple[VideoFrame, int | None] | Trouble]:
    """Pictures with their time stamps; neighbours' stamps are sorted among them.

    Pictures leave the decoder in the right order, but containers without presentation times (AVI) give them the time
    stamps of their packets, which are in order of decoding.
    """
    pictures: deque[VideoFrame] = deque()
    stamps: list[int] = []
    for item in items:
        if isinstance(item, Trouble):
            yield item
            continue
        if item.pts is None:
            for picture in pictures:
                yield picture, heapq.heappop(stamps)
            pictures.clear()
            yield item, None
            continue
        pictures.append(item)
        heapq.heappush(stamps, item.pts)
        if len(pictures) > _REORDER_WINDOW:
            yield pictures.popleft(), heapq.heappop(stamps)
    for picture in pictures:
        yield picture, heapq.heappop(stamps)


def plan_landing(path: Path, start: int) -> Generator[Passing, None, Landing | None]:
    """Counts packets without decoding them; None where their count may differ from that of the pictures."""
    with opened(path) as (container, stream):
        kinds = set(container.format.name.split(","))
        if not kinds & _COUNTABLE_CONTAINERS or stream.codec_context.codec.canonical_name not in _COUNTABLE_CODECS:
            return None
        stamps: list[int] = []
        keyframes: list[int] = []
        try:
            for packet in container.demux(stream):
                if not packet.size:
                    break
                if packet.pts is None or packet.is_corrupt:
                    return None
                if packet.is_keyframe:
                    keyframes.append(packet.pts)
                if not packet.is_discard:
                    stamps.append(packet.pts)
                    if len(stamps) % _PACKETS_PASSED == 0:
                        yield Passing(len(stamps), stream.frames)
        except av.FFmpegError:
            return None
        first_keyframe = next(iter(keyframes), None)
        stamps.sort()
        numbers = {pts: number for number, pts in enumerate(stamps)}
        # Pictures before the first keyframe may or may not decode: then only decoding can count them.
        if not stamps or len(numbers) != len(stamps) or first_keyframe is None or stamps[0] < first_keyframe:
            return None
        if start >= len(stamps):
            raise start_after_end(path, start, len(stamps))
        # A picture at or after a keyframe's time depends on nothing before that keyframe.
        landing = Landing(max(pts for pts in keyframes if pts <= stamps[start]), numbers, stamps[0])
        return landing if _reaches(container, stream, landing) else None


def _reaches(container: InputContainer, stream: VideoStream, landing: Landing) -> bool:
    """Whether seeking in this file arrives at the keyframe, or at one before it."""
    try:
        container.seek(landing.keyframe_pts, stream=stream)
        packet = next(container.demux(stream), None)
    except av.FFmpegError:
        return False
    return (
        packet is not None
        and packet.is_keyframe
        and packet.pts in landing.numbers
        and packet.pts <= landing.keyframe_pts
    )


def mean_rate(stream: VideoStream) -> float:
    """Frames a second; 25 where the file says nothing believable."""
    rates = [float(rate) for rate in (stream.average_rate, stream.guessed_rate) if rate]
    plausible = [rate for rate in rates if 0.1 < rate <= 480]
    return plausible[0] if plausible else 25.0


def stream_duration_s(stream: VideoStream) -> float:
    """Seconds of picture the file promises, 0 where it does not say."""
    if stream.duration and stream.time_base and stream.duration > 0:
        return float(stream.duration * stream.time_base)
    # Matroska's statistics tag, HH:MM:SS.fraction.
    tag = re.fullmatch(r"(\d+):(\d\d):(\d\d(?:\.\d+)?)", stream.metadata.get("DURATION", ""))
    return int(tag[1]) * 3600 + int(tag[2]) * 60 + float(tag[3]) if tag else 0.0


def total_duration_s(container: InputContainer, stream: VideoStream) -> float:
    """Seconds of picture, or of the longest stream where the picture's own length is not known."""
    return stream_duration_s(stream) or max(container.duration or 0, 0) / av.time_base


def start_after_end(path: Path, start: int, count: int) -> CaptureError:
    """The error for a range that begins behind the last frame."""
    return CaptureError(
        "bad_range", f"{path} has {count} frames, so none from frame {start} on.", "Choose an earlier start."
    )
