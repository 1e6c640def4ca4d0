# SPDX-License-Identifier: MIT
"""What was read of the people of a video so far: it grows frame by frame and goes into the take stretch by stretch."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from backend.body.keypoints import LANDMARK_NAMES
from backend.estimators.keypoints import Evidence, Readings
from backend.estimators.words import Said, Spoken
from backend.tracking import Observation
from vibe_blender.contract.take import NetworkWords
from vibe_blender.contract.take_file import TakeWriter

Array = NDArray[Any]

_COUNT = len(LANDMARK_NAMES)
_WORDS = {name: f"words.{name}" for name in ("camera", "rotations", "betas", "boxes")}
_MEMORY = "memory"


class _Readings:
    """One person's frames, as lists that become arrays."""

    def __init__(self) -> None:
        self.frames: list[int] = []
        self.times: list[float] = []
        self.rows: dict[str, list[Array]] = defaultdict(list)

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

    @property
    def spoken(self) -> int:
        return len(self.rows[_WORDS["camera"]])

    def arrays(self, frames: slice) -> dict[str, Array]:
        """The readings of some frames as they are stored in the take."""
        stored = {name: np.stack(rows[frames]) for name, rows in self.rows.items() if rows}
        return {"frame": np.array(self.frames[frames]), "time": np.array(self.times[frames]), **stored}


class Recording:
    """All readings of a capture.

    ``save`` writes what came since the last call; ``Recording.restored`` reads back what an earlier capture saved.
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

    @classmethod
    def restored(cls, writer: TakeWriter, *, spoken: bool = False) -> Recording:
        """What is in a growing take; empty where nothing is."""
        recording = cls(spoken=spoken)
        times, frames = writer.evidence(0, "time"), writer.evidence(0, "frame")
        if times is None or frames is None:
            return recording
        recording.times, recording.first_frame = times.tolist(), int(frames[0])
        recording._saved[0] = len(times)
        for person in writer.owners("side_px"):
            readings = recording._people[person] = _Readings()
            for name in writer.names(person):
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
        return recording

    def say(self, spoken: Spoken) -> None:
        """Takes in what a network said of the frames of one person of which it had not spoken yet."""
        self._people[spoken.person].say(spoken.words)
        self._memories[spoken.person] = spoken.memory
        self._fresh.add(spoken.person)

    def remembered(self, person: int) -> tuple[Array | None, int]:
        """What the network remembers of a person, None where nothing, and of how many frames it has spoken."""
        return self._memories.get(person), self._people[person].spoken

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
        for person, readings in self._people.items():
            if len(readings.frames) > self._saved[person]:
                writer.append(person, readings.arrays(slice(self._saved[person], None)))
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
        keypoints = np.zeros((len(arrays["frame"]), 0, 3))
        if "straight.image_px" in arrays:
            seen = (arrays["straight.image_px"], arrays["straight.visibility"][..., None])
            keypoints = np.concatenate(seen, axis=2).astype(float)
        return Said(
            frames=arrays["frame"],
            times=arrays["time"],
            boxes=arrays["box"].astype(float),
            words=NetworkWords(**{name: arrays[stored] for name, stored in _WORDS.items()}),
            keypoints=keypoints,
        )


def _reading(prefix: str, arrays: dict[str, Array]) -> Readings:
    image_px, world, visibility = (arrays[f"{prefix}.{name}"] for name in ("image_px", "world", "visibility"))
    return Readings(*(part.astype(float) for part in (image_px, world, visibility, arrays["side_px"])))
