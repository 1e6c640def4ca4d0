# SPDX-License-Identifier: GPL-3.0-or-later
"""What Blender knows of a video file, read once and remembered."""

from __future__ import annotations

import stat
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import bpy

from ..contract.errors import CaptureError

_REMEMBERED = 64
_HINT = "Convert it to an MP4 with H.264."


@dataclass(frozen=True)
class VideoFacts:
    """A video as Blender plays it.

    Attributes:
        width_px, height_px: size of the picture.
        fps: frames per second at which Blender counts it.
        frames: how many Blender counts.
    """

    width_px: int
    height_px: int
    fps: float
    frames: int


def facts(path: Path) -> VideoFacts:
    """The facts of a video; opening it takes some ten milliseconds the first time, too long for every redraw.

    Raises:
        CaptureError: ``video_missing`` or ``video_unreadable``.
    """
    try:
        state = path.stat()
    except (OSError, ValueError) as error:
        raise CaptureError("video_missing", f"There is no video at {path}.", "Check the path.") from error
    if not stat.S_ISREG(state.st_mode):  # a pipe or a device would keep Blender waiting for ever
        raise CaptureError("video_unreadable", f"{path} is no file.", "Choose a video file.")
    return _read(str(path), state.st_mtime_ns, state.st_size)


@lru_cache(maxsize=_REMEMBERED)
def _read(path: str, _changed: int, _size: int) -> VideoFacts:
    try:
        clip = bpy.data.movieclips.load(path)
    except RuntimeError as error:
        raise CaptureError("video_unreadable", f"Blender cannot read {path}: {_reason(error)}", _HINT) from error
    try:
        width_px, height_px = clip.size
        found = VideoFacts(width_px, height_px, clip.fps, clip.frame_duration)
        if clip.source != "MOVIE" or not found.fps > 0:
            raise CaptureError("video_unreadable", f"Blender finds no video in {path}.", _HINT)
        return found
    finally:
        bpy.data.movieclips.remove(clip)


def _reason(error: RuntimeError) -> str:
    return str(error).strip().removeprefix("Error: ").rstrip(".") + "."
