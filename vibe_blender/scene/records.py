# SPDX-License-Identifier: GPL-3.0-or-later
"""What a take and its people came from: records that are kept as custom properties, and checked when read."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, TypeVar, get_type_hints

import bpy
import numpy as np

from ..contract.errors import CaptureError
from ..contract.quaternions import Array
from ..contract.take import Person, Take
from ..motion.curves import scene_frames

LAST_FRAME = 1_048_574
"""Blender's frames end here, and below zero as far away."""
_LARGEST = (1 << 31) - 1
"""The largest number that a custom property holds."""
_FASTEST = 1 << 20


@dataclass(frozen=True)
class TakeRecord:
    """What a take in the scene came from.

    Attributes:
        path: of the take file, empty where there is none.
        video: path of the video at the time of capture.
        start: scene frame of the first captured frame.
        fps: mean frame rate of the video.
        scene_fps: frames per second of the scene when the keys were placed.
        first_frame: video frame number of the first captured frame.
        frame_count: how many frames of the video were captured.
        status: ``complete`` or ``partial``.
        estimator: what read the pose.
        warnings: sentences for the user.
        end: scene frame of the last captured frame, rounded up.
        notice: what limits its use, empty where nothing does; files saved by earlier versions have none.
    """

    path: str
    video: str
    start: int
    fps: float
    scene_fps: float
    first_frame: int
    frame_count: int
    status: str
    estimator: str
    warnings: tuple[str, ...]
    end: int
    notice: str = ""

    def sound(self) -> bool:
        """Whether the numbers make sense: a stranger's file may say anything."""
        rates = all(math.isfinite(rate) and 0 < rate < _FASTEST for rate in (self.fps, self.scene_fps))
        frames = -LAST_FRAME <= self.start <= self.end <= LAST_FRAME
        captured = 0 <= self.first_frame <= _LARGEST and 1 <= self.frame_count <= _LARGEST
        return rates and frames and captured and self.status in ("complete", "partial")


@dataclass(frozen=True)
class PersonRecord:
    """Where in the scene a person of a take was seen.

    Attributes:
        id: of the person in the take.
        first, last: scene frames.
        confidence: mean, 0..1.
    """

    id: int
    first: int
    last: int
    confidence: float

    def sound(self) -> bool:
        """Whether the numbers make sense."""
        frames = -LAST_FRAME <= self.first <= self.last <= LAST_FRAME
        return 1 <= self.id <= _LARGEST and frames and 0 <= self.confidence <= 1


Record = TypeVar("Record", TakeRecord, PersonRecord)


def describe_take(take: Take, path: Path | None, *, start: int, scene_fps: float) -> TakeRecord:
    """The record of a take.

    Args:
        take: what was captured.
        path: of its file, None where there is none.
        start: scene frame of the first captured frame.
        scene_fps: frames per second at which its keys are placed.

    Raises:
        CaptureError: ``bad_frames``.
    """
    frames = _frames(take, start, scene_fps)
    record = TakeRecord(
        path="" if path is None else str(path),
        video=take.video.path,
        start=start,
        fps=take.video.fps,
        scene_fps=scene_fps,
        first_frame=take.video.first_frame,
        frame_count=len(frames),
        status=take.status,
        estimator=take.estimator,
        warnings=take.warnings,
        end=math.ceil(frames[-1]),
        notice=take.notice,
    )
    if not record.sound():
        raise CaptureError(
            "bad_frames", f"Blender cannot place frames at a rate of {scene_fps:g}.", "Give the scene the video's rate."
        )
    return record


def describe_person(take: Take, person: Person, *, start: int, scene_fps: float) -> PersonRecord:
    """The record of somebody who was seen; the arguments are those of ``describe_take``.

    Raises:
        CaptureError: ``bad_frames``.
    """
    frames = _frames(take, start, scene_fps)[person.frames[[0, -1]] - take.video.first_frame]
    confidence = float(np.clip(np.mean(person.confidence), 0.0, 1.0))
    return PersonRecord(person.id, math.floor(frames[0]), math.ceil(frames[1]), confidence)


def write_record(owner: bpy.types.ID, key: str, record: TakeRecord | PersonRecord) -> None:
    """Keeps a record on a datablock."""
    values = asdict(record)
    if "warnings" in values:
        values["warnings"] = "\n".join(values["warnings"])
    owner[key] = values


def read_record(owner: bpy.types.ID, key: str, kind: type[Record]) -> Record | None:
    """The record on a datablock; None where there is none, or one that makes no sense."""
    stored = owner.get(key)
    if not hasattr(stored, "to_dict"):
        return None
    values: dict[str, Any] = stored.to_dict()
    if isinstance(values.get("warnings"), str):
        values["warnings"] = tuple(values["warnings"].splitlines())
    kinds = get_type_hints(kind)
    for item in fields(kind):
        wanted = tuple if item.name == "warnings" else kinds[item.name]
        if type(values.setdefault(item.name, item.default)) is not wanted:
            return None
    record = kind(**{item.name: values[item.name] for item in fields(kind)})
    return record if record.sound() else None


def _frames(take: Take, start: int, scene_fps: float) -> Array:
    """Scene frames (N,) of the captured frames, all of them within Blender's."""
    times = take.video.times
    length = float(times[-1] - times[0]) * scene_fps
    if not length <= LAST_FRAME:
        raise CaptureError(
            "bad_frames",
            f"The take is {length:,.0f} frames long at the scene's frame rate; Blender has {LAST_FRAME:,}.",
            "Capture a shorter range.",
        )
    if not -LAST_FRAME <= start <= LAST_FRAME - length:
        raise CaptureError(
            "bad_frames",
            f"The take would stand at the frames {start:,} to {start + math.ceil(length):,}; "
            f"Blender's go from {-LAST_FRAME:,} to {LAST_FRAME:,}.",
            "Choose another start frame.",
        )
    return scene_frames(times, scene_fps, start)
