# SPDX-License-Identifier: MIT
"""What was read of the people of a video so far: it grows frame by frame and goes into the take stretch by stretch."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from backend.body.keypoints import LANDMARK_NAMES
from backend.estimators.encodings import Encoded, Encodings, Rows
from backend.estimators.keypoints import Evidence, Readings
from backend.estimators.words import Said, Spoken
from backend.tracking import Observation
from vibe_blender.contract.take import NetworkWords
from vibe_blender.contract.take_file import TakeWriter

Array = NDArray[Any]

_COUNT = len(LANDMARK_NAMES)
_WORDS = {name: f"words.{name}" for name in ("camera", "rotations", "betas", "boxes")}
_MEMORY = "memory"
_SQUARES, _FEATURES, _MOVING = "squares", "features", "moving"
_AT_HAND = 16
"""How many saved rows of what is long stay in memory, so that a preview with its context need not read them."""


class _LongRows:
    """Rows of kilobytes each, of which only the newest are in memory; the growing take has the others."""

    def __init__(self, forgotten: int = 0) -> None:
        self.forgotten = forgotten
        self.newest: list[Array] = []

    def since(self, first: int) -> Array:
        """Those from ``first`` on, none of which is forgotten."""
        return np.stack(self.newest[first - self.forgotten :])

    def forget(self, count: int) -> None:
        """Lets go of the first ``count`` of all."""
        del self.newest[: max(count - self.forgotten, 0)]
        self.forgotten = max(count, self.forgotten)


class _StoredRows:
    """Some of one person's long rows, read when they are asked for."""

    def __init__(self, writer: TakeWriter | None, person: int, name: str, rows: _LongRows, first: int) -> None:
        self._writer, self._person, self._name, self._rows, self._first = writer, person, name, rows, first

    def __getitem__(self, rows: slice) -> Array:
        first, last = self._first + rows.start, self._first + rows.stop
        forgotten, parts = self._rows.forgotten, []
        if first < forgotten:
            assert self._writer is not None  # it was given them before they were forgotten
            parts.append(self._writer.rows(self._person, self._name, first, min(last, forgotten)))
        if last > forgotten:
            parts.append(np.stack(self._rows.newest[max(first - forgotten, 0) : last - forgotten]))
        return np.concatenate(parts)


class _Readings:
    """One person's frames, as lists that become arrays."""

    def __init__(self) -> None:
        self.frames: list[int] = []
        self.times: list[float] = []
        self.rows: dict[str, list[Array]] = defaultdict(list)
        self.long: dict[str, _LongRows] = {}

    def add(self, frame: int, time_s: float, seen: Observation) -> None:
        self.frames.append(frame)
        self.times.append(time_s)
        for prefix, reading in (("straight", seen.landmarks), ("mirrored", seen.mirrored)):
            if reading is not None:
                self.rows[f"{prefix}.image_px"].append(reading.image_px[:_COUNT].astype(np.float32))
                self.rows[f"{prefix}.world"].append(reading.world.astype(np.float32))
                self.rows[f"{prefix}.visibility"].append(reading.visibility[:_COUNT].astype(np.float32))
        self.rows["side_px"].append(np.array(seen.region.side_px, dtype=np.float32))
        self.rows["box"].append(seen.extent().astype(np.float32))

    def say(self, words: NetworkWords) -> None:
        for name, stored in _WORDS.items():
            self.rows[stored].extend(getattr(words, name))

    def keep(self, encoded: Encoded) -> None:
        self.rows[_SQUARES].extend(encoded.squares)
        for name, values in ((_FEATURES, encoded.features), (_MOVING, encoded.moving)):
            if values is not None:
                self.long.setdefault(name, _LongRows()).newest.extend(values)

    @property
    def spoken(self) -> int:
        return len(self.rows[_WORDS["camera"]]) or len(self.rows[_SQUARES])

    def unsaved(self, first: int) -> dict[str, Array]:
        """As they are stored in the take, those from ``first`` on, and of the long ones only few for longer."""
        fresh = {**self.arrays(slice(first, None)), **{name: rows.since(first) for name, rows in self.long.items()}}
        for rows in self.long.values():
            rows.forget(first - _AT_HAND)
        return fresh

    def arrays(self, frames: slice) -> dict[str, Array]:
        """The readings of some frames as they are stored in the take, without the long ones."""
        stored = {name: np.stack(rows[frames]) for name, rows in self.rows.items() if rows}
        return {"frame": np.array(self.frames[frames]), "time": np.array(self.times[frames]), **stored}


class Recording:
    """All readings of a capture.

    ``save`` writes what came since the last call; ``Recording.restored`` reads back what an earlier capture saved. What
    an image network made of people is long: of that, once it is saved, only the end is kept in memory.
    """

    def __init__(self, *, spoken: bool = False) -> None:
        """Begins with nothing; ``spoken``: a frame of a person counts from the moment a network has spoken of it."""
        self.times: list[float] = []
        self.first_frame = 0
        self._spoken = spoken
        self._people: dict[int, _Readings] = {}
        self._saved: dict[int, int] = defaultdict(int)
        self._memories: dict[int, Array] = {}
        self._fresh: set[int] = set()
        self._writer: TakeWriter | None = None

    @classmethod
    def restored(cls, writer: TakeWriter, *, spoken: bool = False) -> Recording:
        """What is in a growing take; empty where nothing is."""
        recording = cls(spoken=spoken)
        recording._writer = writer
        times, frames = writer.evidence(0, "time"), writer.evidence(0, "frame")
        if times is None or frames is None:
            return recording
        recording.times, recording.first_frame = times.tolist(), int(frames[0])
        recording._saved[0] = len(times)
        for person in writer.owners("side_px"):
            readings = recording._people[person] = _Readings()
            for name in writer.names(person):
                if name in (_FEATURES, _MOVING):
                    readings.long[name] = _LongRows()
                    continue
                rows = writer.evidence(person, name)
                if rows is None or name.startswith("take."):
                    continue
                if name == _MEMORY:
                    recording._memories[person] = rows[-1]
                elif name in ("frame", "time"):
                    getattr(readings, name + "s").extend(rows.tolist())
                else:
                    readings.rows[name].extend(rows)
            recording._saved[person] = len(readings.frames)
            for long in readings.long.values():
                long.forget(len(readings.frames))
        return recording

    def say(self, spoken: Spoken) -> None:
        """Takes in what a network said of the frames of one person of which it had not spoken yet."""
        self._people[spoken.person].say(spoken.words)
        self._memories[spoken.person] = spoken.memory
        self._fresh.add(spoken.person)

    def keep(self, encoded: Encoded) -> None:
        """Takes in what an image network made of the frames of one person that it had not seen yet."""
        self._people[encoded.person].keep(encoded)

    def remembered(self, person: int) -> tuple[Array | None, int]:
        """What the network remembers of a person, None where nothing, and of how many frames it has spoken."""
        return self._memories.get(person), self._people[person].spoken

    def seen_in(self, frame: int) -> list[int]:
        """Who was seen in a frame, the last of all frames."""
        return [person for person, readings in self._people.items() if readings.frames[-1] == frame]

    @property
    def next_frame(self) -> int:
        """Number of the first video frame that has not been read."""
        return self.first_frame + len(self.times)

    def add(self, frame: int, time_s: float, seen: Sequence[Observation]) -> None:
        """Takes in the people of one more frame."""
        if not self.times:
            self.first_frame = frame
        self.times.append(time_s)
        for observation in seen:
            self._people.setdefault(observation.person, _Readings()).add(frame, time_s, observation)

    def save(self, writer: TakeWriter) -> None:
        """Appends what is not in the take yet."""
        self._writer = writer
        for person, readings in self._people.items():
            if len(readings.frames) > self._saved[person]:
                writer.append(person, readings.unsaved(self._saved[person]))
                self._saved[person] = len(readings.frames)
        for person in sorted(self._fresh):
            writer.append(person, {_MEMORY: self._memories[person][None]})
        self._fresh.clear()
        if len(self.times) > self._saved[0]:
            fresh = np.array(self.times[self._saved[0] :])
            writer.append(0, {"time": fresh, "frame": np.arange(len(fresh)) + self.first_frame + self._saved[0]})
            self._saved[0] = len(self.times)

    def people(self, least_frames: int = 1) -> list[int]:
        """The ids of people seen in at least so many frames."""
        return sorted(person for person in self._people if self.frame_count(person) >= least_frames)

    def evidence(self, person: int, frames: slice = slice(None)) -> Evidence:
        """One person's readings in some of the frames in which the person was seen."""
        arrays = self._people[person].arrays(frames)
        return Evidence(
            frames=arrays["frame"],
            times=arrays["time"],
            boxes=arrays["box"].astype(float),
            straight=_reading("straight", arrays),
            mirrored=_reading("mirrored", arrays) if "mirrored.world" in arrays else None,
        )

    def frame_count(self, person: int) -> int:
        """In how many frames a person was seen, and spoken of where that counts."""
        readings = self._people[person]
        return readings.spoken if self._spoken else len(readings.frames)

    def said(self, person: int, frames: slice = slice(None)) -> Said:
        """What a network said of one person in some of the frames of which it has spoken."""
        frames = slice(*frames.indices(self.frame_count(person)))
        arrays = self._people[person].arrays(frames)
        return Said(
            frames=arrays["frame"],
            times=arrays["time"],
            boxes=arrays["box"].astype(float),
            words=NetworkWords(**{name: arrays[stored] for name, stored in _WORDS.items()}),
            keypoints=_keypoints(arrays),
        )

    def encodings(self, person: int, frames: slice = slice(None)) -> Encodings:
        """What an image network made of one person, in some of the frames that it has seen.

        Of some frames it is there at once; of all, what is long is read when it is asked for.
        """
        readings = self._people[person]
        some = slice(*frames.indices(self.frame_count(person)))
        arrays = readings.arrays(some)
        long: dict[str, Rows] = {
            name: _StoredRows(self._writer, person, name, rows, some.start) for name, rows in readings.long.items()
        }
        if frames != slice(None):
            long = {name: rows[0 : some.stop - some.start] for name, rows in long.items()}
        return Encodings(
            frames=arrays["frame"],
            times=arrays["time"],
            boxes=arrays["box"].astype(float),
            keypoints=_keypoints(arrays),
            squares=arrays[_SQUARES],
            features=long[_FEATURES],
            moving=long.get(_MOVING),
        )


def _keypoints(arrays: dict[str, Array]) -> Array:
    """(T, K, 3) x, y in pixels and visibility of the landmarks; K = 0 where none were read."""
    if "straight.image_px" not in arrays:
        return np.zeros((len(arrays["frame"]), 0, 3))
    seen = (arrays["straight.image_px"], arrays["straight.visibility"][..., None])
    return np.concatenate(seen, axis=2).astype(float)


def _reading(prefix: str, arrays: dict[str, Array]) -> Readings:
    image_px, world, visibility = (arrays[f"{prefix}.{name}"] for name in ("image_px", "world", "visibility"))
    return Readings(*(part.astype(float) for part in (image_px, world, visibility, arrays["side_px"])))
