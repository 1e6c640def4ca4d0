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
from backend.tracking import Observation
from vibe_blender.contract.take_file import TakeWriter

Array = NDArray[Any]

_COUNT = len(LANDMARK_NAMES)
_LIKELY = 0.5


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
        self.rows["box"].append(_box(seen).astype(np.float32))

    def arrays(self, frames: slice) -> dict[str, Array]:
        """The readings of some frames as they are stored in the take."""
        stored = {name: np.stack(rows[frames]) for name, rows in self.rows.items()}
        return {"frame": np.array(self.frames[frames]), "time": np.array(self.times[frames]), **stored}


class Recording:
    """All readings of a capture.

    ``save`` writes what came since the last call; ``Recording.restored`` reads back what an earlier capture saved.
    """

    def __init__(self) -> None:
        self.times: list[float] = []
        self.first_frame = 0
        self._people: dict[int, _Readings] = {}
        self._saved: dict[int, int] = defaultdict(int)

    @classmethod
    def restored(cls, writer: TakeWriter) -> Recording:
        """What is in a growing take; empty where nothing is."""
        recording = cls()
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
                if name in ("frame", "time"):
                    getattr(readings, name + "s").extend(rows.tolist())
                else:
                    readings.rows[name].extend(rows)
            recording._saved[person] = len(readings.frames)
        return recording

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
        if len(self.times) > self._saved[0]:
            fresh = np.array(self.times[self._saved[0] :])
            writer.append(0, {"time": fresh, "frame": np.arange(len(fresh)) + self.first_frame + self._saved[0]})
            self._saved[0] = len(self.times)

    def people(self, least_frames: int = 1) -> list[int]:
        """The ids of people seen in at least so many frames."""
        return sorted(person for person, readings in self._people.items() if len(readings.frames) >= least_frames)

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
        """In how many frames a person was seen."""
        return len(self._people[person].frames)


def _reading(prefix: str, arrays: dict[str, Array]) -> Readings:
    image_px, world, visibility = (arrays[f"{prefix}.{name}"] for name in ("image_px", "world", "visibility"))
    return Readings(*(part.astype(float) for part in (image_px, world, visibility, arrays["side_px"])))


def _box(seen: Observation) -> Array:
    """Centre x, y, width and height, pixels, around the landmarks that are likely in the picture."""
    points = seen.landmarks.image_px[:_COUNT]
    likely = points[seen.landmarks.presence[:_COUNT] > _LIKELY]
    points = likely if len(likely) > 2 else points
    low, high = points.min(axis=0), points.max(axis=0)
    return np.concatenate([(low + high) / 2, high - low])
