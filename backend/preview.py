# SPDX-License-Identifier: MIT
"""Motion while the video is still being read: short stretches, solved roughly beside the reading."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np

from backend.estimators.estimate import Estimate
from backend.recording import Recording
from backend.roads import Road
from backend.world import Ground, find_ground, place
from vibe_blender.contract.protocol import Event, Frames, PersonFound
from vibe_blender.contract.take import Person

_CONTEXT = 10
_AT_ONCE = 30
"""Frames in one event."""


@dataclass(frozen=True)
class Piece:
    """What one stretch added.

    Attributes:
        estimates: the new frames of each person seen in them.
        ground: the floor they stand on.
        frame_count: how many captured frames of the video are covered by now.
    """

    estimates: dict[int, Estimate]
    ground: Ground
    frame_count: int


class Preview:
    """Solves the newest frames on a thread of its own, all on the first floor found, and tells them as events.

    Attributes:
        solved: how many of each person's frames are done.
        ground: the floor found first, None before.
    """

    def __init__(self, road: Road, emit: Callable[[Event], None]) -> None:
        self.solved: dict[int, int] = {}
        self._road, self._emit = road, emit
        self.ground: Ground | None = None
        self._told: set[int] = set()
        self._thread = ThreadPoolExecutor(1)
        self._waiting: Future[Piece] | None = None

    def start(self, recording: Recording, people: Sequence[int]) -> None:
        """Begins with the newest frames of those of the people who have any; ``collect`` comes first."""
        stretches: dict[int, tuple[Any, int]] = {}
        for person in people:
            done, count = self.solved.get(person, 0), recording.frame_count(person)
            if done < count:
                context = min(done, _CONTEXT)
                stretches[person] = self._road.readings(recording, person, slice(done - context, count)), context
                self.solved[person] = count
        if stretches:
            self._waiting = self._thread.submit(self._solve, stretches, len(recording.times))

    def tell_again(self, people: Sequence[Person]) -> None:
        """Goes on after those frames of an earlier capture, and tells them first."""
        for person in people:
            self.solved[person.id] = len(person.frames)
            self._tell(person)

    @property
    def ready(self) -> bool:
        """Whether ``collect`` has something and will not wait."""
        return self._waiting is not None and self._waiting.done()

    def collect(self) -> Piece | None:
        """What the last ``start`` led to; waits for it."""
        waiting, self._waiting = self._waiting, None
        return None if waiting is None else waiting.result()

    def close(self) -> None:
        """Ends the thread."""
        self._thread.shutdown()

    def _solve(self, stretches: dict[int, tuple[Any, int]], frame_count: int) -> Piece:
        fresh = {person: self._road.rough(readings).since(context) for person, (readings, context) in stretches.items()}
        if self.ground is None:
            self.ground = find_ground(list(fresh.values()))
        for person, estimate in fresh.items():
            self._tell(place(estimate, self.ground, person))
        return Piece(fresh, self.ground, frame_count)

    def _tell(self, placed: Person) -> None:
        if placed.id not in self._told:
            self._told.add(placed.id)
            self._emit(PersonFound(placed.id, int(placed.frames[0]), np.round(placed.rest_joints, 5).tolist()))
        breaks = np.flatnonzero(np.diff(placed.frames) > 1) + 1
        for run in np.split(np.arange(len(placed.frames)), breaks):
            for rows in np.split(run, range(_AT_ONCE, len(run), _AT_ONCE)):
                self._emit(
                    Frames(
                        placed.id,
                        int(placed.frames[rows[0]]),
                        np.round(placed.rotations[rows], 5).tolist(),
                        np.round(placed.root[rows], 4).tolist(),
                        np.round(placed.confidence[rows], 3).tolist(),
                    )
                )
