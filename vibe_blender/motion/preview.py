# SPDX-License-Identifier: GPL-3.0-or-later OR MIT
"""Motion that grows while it is shown: stretches in any order in, the pose of a moment out."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..contract.errors import CaptureError
from ..contract.quaternions import Array
from ..contract.skeleton import JOINT_COUNT

_CATCH_UP_SECONDS = 1.0
_LONGEST_STEP_SECONDS = 0.5


class Motion:
    """One person's motion so far.

    Attributes:
        last: the last video frame there is, -1 where there is none.
    """

    def __init__(self) -> None:
        self.last = -1
        self._count = 0
        self._frames = np.empty(0, np.int64)
        self._rotations = np.empty((0, JOINT_COUNT, 4), np.float32)
        self._root = np.empty((0, 3), np.float32)

    def add(self, first: int, rotations: Sequence[object], root: Sequence[object]) -> None:
        """Adds consecutive frames; those that were there already are replaced.

        Args:
            first: video frame number of the first of them.
            rotations: (T, 24, 4) unit quaternions, joint to parent, the root's to the world.
            root: (T, 3) metres, world.

        Raises:
            CaptureError: ``bad_event`` where these are no poses.
        """
        count = len(rotations)
        turns, places = _poses(rotations, (count, JOINT_COUNT, 4)), _poses(root, (count, 3))
        if not count:
            return
        late = first <= self.last
        if late:
            self._forget(first, first + count)
        self._grow(self._count + count)
        rows = slice(self._count, self._count + count)
        self._frames[rows], self._rotations[rows], self._root[rows] = np.arange(first, first + count), turns, places
        self._count += count
        if late:
            order = np.argsort(self._frames[: self._count])
            for values in (self._frames, self._rotations, self._root):
                values[: self._count] = values[order]
        self.last = max(self.last, first + count - 1)

    def at(self, frame: float) -> tuple[Array, Array]:
        """The pose of a moment, (24, 4) and (3,): the nearest frame's; through a gap and after the end, the one before.

        Args:
            frame: video frame number, whole or not; there must be one frame at least.
        """
        place = int(np.searchsorted(self._frames[: self._count], frame + 0.5)) - 1
        row = max(place, 0)
        return self._rotations[row], self._root[row]

    def _forget(self, first: int, end: int) -> None:
        known = self._frames[: self._count]
        keep = np.flatnonzero((known < first) | (known >= end))
        for values in (self._frames, self._rotations, self._root):
            values[: len(keep)] = values[keep]
        self._count = len(keep)

    def _grow(self, count: int) -> None:
        """Makes room, twice as much each time, so that a long capture is not copied at every stretch."""
        if count > len(self._frames):
            room = max(count, 2 * len(self._frames)) - len(self._frames)
            self._frames = np.concatenate([self._frames, np.empty(room, np.int64)])
            self._rotations = np.concatenate([self._rotations, np.empty((room, JOINT_COUNT, 4), np.float32)])
            self._root = np.concatenate([self._root, np.empty((room, 3), np.float32)])


def _poses(values: Sequence[object], shape: tuple[int, ...]) -> Array:
    try:
        array = np.array(values, np.float32).reshape(shape)
    except (ValueError, TypeError) as error:
        raise _no_poses() from error
    if not np.all(np.isfinite(array)):
        raise _no_poses()
    return array


def _no_poses() -> CaptureError:
    return CaptureError(
        "bad_event", "The backend sent poses that are none.", "Update the add-on and the backend together."
    )


class Playhead:
    """Where playing is: it follows what arrives at the video's own speed, faster where it fell behind.

    Attributes:
        frame: video frame number.
    """

    def __init__(self, fps: float) -> None:
        self.frame = 0.0
        self._fps = fps
        self._before: float | None = None

    def advance(self, newest: int, now: float) -> None:
        """Moves on, to the newest frame at most.

        Args:
            newest: the last frame there is.
            now: seconds of any clock.
        """
        if self._before is None:
            self.frame, self._before = float(newest), now
        elapsed = min(now - self._before, _LONGEST_STEP_SECONDS)
        self._before = now
        speed = max(self._fps, (newest - self.frame) / _CATCH_UP_SECONDS)
        self.frame = min(self.frame + speed * elapsed, float(newest))
