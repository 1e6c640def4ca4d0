# SPDX-License-Identifier: GPL-3.0-or-later OR MIT
"""Where keys stand in time: video times to scene frames, and the gaps between them."""

from __future__ import annotations

import numpy as np

from ..contract.quaternions import Array

_WHOLE_FRAME = 1e-3


def scene_frames(times: Array, scene_fps: float, start: float) -> Array:
    """Scene frames (N,) at which video frames shown at ``times`` stand; fractional where the rates differ.

    Args:
        times: (N,) seconds, ascending.
        scene_fps: frames per second of the scene.
        start: scene frame of the first of them.
    """
    times = np.asarray(times, float)
    frames = start + (times - times[0]) * scene_fps
    whole = np.round(frames)
    # A thousandth of a frame is less than the rounding of the times in a container.
    return np.where(np.abs(frames - whole) < _WHOLE_FRAME, whole, frames)


def before_gap(frames: Array) -> Array:
    """True (T,) for the ascending video frame numbers whose successor is missing."""
    frames = np.asarray(frames)
    return np.append(np.diff(frames) > 1, False)


def presence(frames: Array, first: int, count: int) -> list[tuple[int, bool]]:
    """Where a person comes and goes, as steps of (index into the video's frames, there or not).

    Args:
        frames: (T,) ascending video frame numbers in which the person was seen.
        first: number of the video's first frame.
        count: how many frames the video has.
    """
    seen = np.zeros(count, bool)
    seen[np.asarray(frames, int) - first] = True
    changes = np.flatnonzero(np.diff(seen)) + 1
    return [(int(index), bool(seen[index])) for index in (0, *changes)]


def movie_offsets(times: Array, movie_fps: float, scene_fps: float) -> Array:
    """What to add at each scene frame so that a movie shown frame by frame keeps step with time, (M,) whole numbers.

    Args:
        times: (N,) seconds from the movie's start of the frames to show; the first falls on the first scene frame.
        movie_fps: frames per second at which the movie is counted.
        scene_fps: frames per second of the scene.
    """
    count = int(np.ceil((times[-1] - times[0]) * scene_fps - _WHOLE_FRAME)) + 1
    elapsed = np.arange(count) / scene_fps
    return np.rint((times[0] + elapsed) * movie_fps).astype(int) - np.arange(count)
