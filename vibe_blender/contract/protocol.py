# SPDX-License-Identifier: GPL-3.0-or-later OR MIT
"""A job in, events out: one JSON object a line (docs/protocol.md is authoritative).

The job is one line on the backend's standard input; closing that input cancels. The events are the only thing on its
standard output: ``hello`` first, exactly one of ``done``, ``error``, ``cancelled`` last.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields
from typing import Any, ClassVar, get_type_hints

from .errors import CaptureError
from .version import VERSION

PROTOCOL_VERSION = 1


@dataclass(frozen=True)
class Job:
    """What to capture and how; the fields are the options of ``vibe capture``.

    Attributes:
        video, take: paths.
        estimator: ``keypoints``.
        models: folder with the model files, empty for the user's own data folder.
        device: ``auto`` or ``cpu``.
        start, end: video frame range, end excluded, None for the whole video.
        people: ``all``, ``largest`` or a number.
        boxes: ``.npz`` of boxes to use instead of detecting, empty to detect.
        focal_px, focal_mm: focal length in pixels, or in millimetres of a full-frame (36 x 24 mm) sensor.
        height_m: the actor's height, None to estimate it.
        fast: read each crop once instead of also reading its mirror image.
        resume: go on with an interrupted capture of the same video.
    """

    video: str
    take: str
    estimator: str = "keypoints"
    models: str = ""
    device: str = "auto"
    start: int | None = None
    end: int | None = None
    people: str = "all"
    boxes: str = ""
    focal_px: float | None = None
    focal_mm: float | None = None
    height_m: float | None = None
    fast: bool = False
    resume: bool = False
    protocol: int = PROTOCOL_VERSION

    def to_line(self) -> str:
        """The job as one JSON line, newline included."""
        return json.dumps(asdict(self), ensure_ascii=True) + "\n"

    @classmethod
    def from_line(cls, line: str) -> Job:
        """Reads a job; ``CaptureError`` where it is not one this version understands."""
        record = _record(line)
        if record.get("protocol") != PROTOCOL_VERSION:
            raise _version_error(record.get("protocol"))
        known = {item.name for item in fields(cls)}
        unknown, kinds = sorted(set(record) - known), get_type_hints(cls)
        wrong = [name for name in record if name in known and not _fits(record[name], kinds[name])]
        if unknown or wrong or not {"video", "take"} <= set(record):
            what = "video or take is missing"
            if unknown or wrong:
                what = f"unknown options {', '.join(unknown)}" if unknown else f"wrong kind of value for {wrong[0]}"
            raise CaptureError(
                "bad_job", f"The job cannot be read: {what}.", "Update the add-on and the backend together."
            )
        return cls(**record)


@dataclass(frozen=True)
class Event:
    """Anything the backend says; ``type`` on the wire is the class's ``TYPE``."""

    TYPE: ClassVar[str] = ""

    def to_line(self) -> str:
        """The event as one JSON line, newline included."""
        return json.dumps({"type": self.TYPE, **asdict(self)}, ensure_ascii=True, allow_nan=False) + "\n"


@dataclass(frozen=True)
class Hello(Event):
    """First event: who speaks."""

    TYPE: ClassVar[str] = "hello"
    estimator: str
    device: str
    program: str = VERSION
    protocol: int = PROTOCOL_VERSION


@dataclass(frozen=True)
class VideoOpened(Event):
    """What the video is; ``frames`` is the container's estimate, 0 where it does not say."""

    TYPE: ClassVar[str] = "video"
    path: str
    width_px: int
    height_px: int
    fps: float
    frames: int


@dataclass(frozen=True)
class Stage(Event):
    """A stage of the pipeline begins: ``seek``, ``watch``, ``solve``, ``world`` or ``save``."""

    TYPE: ClassVar[str] = "stage"
    name: str


@dataclass(frozen=True)
class Progress(Event):
    """How far a stage is; ``total`` is 0 and ``seconds_left`` None where it is not known."""

    TYPE: ClassVar[str] = "progress"
    stage: str
    done: int
    total: int
    rate: float
    seconds_left: float | None = None


@dataclass(frozen=True)
class PersonFound(Event):
    """A new person: the id, where first seen, and the proportions to draw a preview with.

    ``rest_joints`` is (24, 3) metres, body frame.
    """

    TYPE: ClassVar[str] = "person"
    person: int
    first_frame: int
    rest_joints: list[list[float]]


@dataclass(frozen=True)
class Frames(Event):
    """Solved motion of consecutive frames, a preview until ``done``: the take has the final one.

    ``rotations`` (T, 24, 4), ``root`` (T, 3), ``confidence`` (T,), frames of reference as in the take.
    """

    TYPE: ClassVar[str] = "frames"
    person: int
    first_frame: int
    rotations: list[list[list[float]]]
    root: list[list[float]]
    confidence: list[float]


@dataclass(frozen=True)
class Warned(Event):
    """Something the user should know; the capture goes on."""

    TYPE: ClassVar[str] = "warning"
    code: str
    message: str


@dataclass(frozen=True)
class Done(Event):
    """Last event of a capture that finished."""

    TYPE: ClassVar[str] = "done"
    take: str
    frames: int
    people: int


@dataclass(frozen=True)
class Failed(Event):
    """Last event of a capture that failed; ``take`` names what was kept, empty where nothing was."""

    TYPE: ClassVar[str] = "error"
    code: str
    message: str
    hint: str
    take: str = ""


@dataclass(frozen=True)
class Cancelled(Event):
    """Last event of a capture that was cancelled; ``take`` names what was kept, empty where nothing was."""

    TYPE: ClassVar[str] = "cancelled"
    take: str = ""


_EVENTS: dict[str, type[Event]] = {
    event.TYPE: event
    for event in (Hello, VideoOpened, Stage, Progress, PersonFound, Frames, Warned, Done, Failed, Cancelled)
}
LAST_EVENTS = (Done, Failed, Cancelled)


def event_from_line(line: str) -> Event | None:
    """Reads one line of the stream; None for an event type this version does not know.

    Fields this version does not know are left out, so a newer backend may say more.

    Raises:
        CaptureError: ``bad_event`` for a line that is no event, ``protocol_version`` for another version's ``hello``.
    """
    record = _record(line)
    kind = _EVENTS.get(str(record.pop("type", "")))
    if kind is None:
        return None
    if kind is Hello and record.get("protocol") != PROTOCOL_VERSION:
        raise _version_error(record.get("protocol"))
    known = {item.name for item in fields(kind)}
    try:
        return kind(**{name: value for name, value in record.items() if name in known})
    except TypeError as error:
        raise _bad_line(line) from error


def _fits(value: object, kind: Any) -> bool:
    """Whether a JSON value may stand for a field: a whole number is a number too, a truth value is not."""
    if isinstance(value, bool):
        return kind is bool
    return isinstance(value, kind) or (isinstance(value, int) and isinstance(0.0, kind) and abs(value) < 1e9)


def _record(line: str) -> dict[str, Any]:
    try:
        record = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise _bad_line(line) from error
    if not isinstance(record, dict):
        raise _bad_line(line)
    return record


def _bad_line(line: str) -> CaptureError:
    return CaptureError(
        "bad_event", f"A line that is not part of the protocol: {line[:80]!r}.", "The log has the whole output."
    )


def _version_error(found: object) -> CaptureError:
    return CaptureError(
        "protocol_version",
        f"The add-on and the backend speak different protocol versions ({PROTOCOL_VERSION} here, {found} there).",
        "Update both to the same release.",
    )
