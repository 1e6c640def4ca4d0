# SPDX-License-Identifier: GPL-3.0-or-later OR MIT
"""A job in, events out: one JSON object a line (docs/protocol.md is authoritative).

The job is one line on the backend's standard input; closing that input cancels. The events are the only thing on its
standard output: ``hello`` first, exactly one of ``done``, ``error``, ``cancelled`` last.
"""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass, fields
from itertools import chain
from typing import Any, ClassVar, get_args, get_origin, get_type_hints

from .errors import CaptureError
from .version import VERSION

PROTOCOL_VERSION = 1
ESTIMATORS = ("keypoints", "vibe", "tcmr", "dts-vibe")
DEVICES = ("auto", "cuda", "mps", "cpu")
_WITHOUT_GPU = ("auto", "cpu")
_ONLY_FOR = {
    "fast": ("keypoints",),
    "chunk": ("vibe",),
    "compat": ("vibe", "tcmr"),
    "network": ("vibe", "tcmr", "dts-vibe"),
    "slerp": ("tcmr",),
}
_JOINT_COUNT = 24  # as in skeleton.py, which needs numpy
_MAX_NUMBER = 2**31 - 1
_MAX_FLOAT = 1e6
_MAX_COUNT = 2**53  # bytes are counted too


@dataclass(frozen=True)
class Job:
    """What to capture and how; the fields are the options of ``vibe capture``.

    Attributes:
        video, take: paths.
        estimator: ``keypoints``, ``vibe``, ``tcmr`` or ``dts-vibe``.
        models: folder with the model files, empty for the user's own data folder.
        device: ``auto``, ``cuda``, ``mps`` or ``cpu``; ``keypoints`` runs on the CPU only.
        start, end: video frame range, end excluded, None for the whole video.
        people: ``all``, ``largest`` or a number; of given boxes, those that cover the most in the whole file.
        boxes: ``.npz`` of boxes to use instead of detecting, empty to detect.
        focal_px, focal_mm: focal length in pixels, or in millimetres of a full-frame (36 x 24 mm) sensor.
        height_m: the actor's height, None to estimate it.
        fast: for ``keypoints``: read each crop once instead of also reading its mirror image.
        chunk: for ``vibe``: after so many frames of a person it forgets, as the published demo does after 450; None
            lets it remember from beginning to end.
        compat: full precision, and for ``vibe`` the camera as its published demo has it, which takes the box for the
            crop, a tenth larger, that the network saw; for ``tcmr`` the first eight and the last seven frames as its
            published demo has them, each of which knows of no other.
        network: file of a network of the user's own, as ``vibe train`` writes them, for ``vibe``, ``tcmr`` or
            ``dts-vibe``; empty for the published one, which ``dts-vibe`` does not have.
        slerp: for ``tcmr``: how far, in (0, 1], each rotation goes from the one before, smoothed so too, to what the
            network said (the published evaluation's filter: 0.3); None to leave them as they were said.
        refine: in the end, fit the motion and the body's shape to the landmarks once more, over the whole clip.
        resume: go on with an interrupted capture of the same video.

    Raises:
        CaptureError: of a job that makes no sense ``no_such_estimator``, ``no_such_device``, ``bad_range``,
            ``bad_people``, ``bad_number``, ``bad_option`` or ``network_missing``.
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
    chunk: int | None = None
    compat: bool = False
    network: str = ""
    slerp: float | None = None
    refine: bool = False
    resume: bool = False
    protocol: int = PROTOCOL_VERSION

    def __post_init__(self) -> None:
        if self.estimator not in ESTIMATORS:
            known = ", ".join(ESTIMATORS)
            raise CaptureError(
                "no_such_estimator", f"There is no estimator {self.estimator!r}.", f"There are: {known}."
            )
        self._check_options()
        devices = _WITHOUT_GPU if self.estimator == "keypoints" else DEVICES
        if self.device not in devices:
            known = ", ".join(devices)
            raise CaptureError(
                "no_such_device", f"{self.estimator} cannot run on {self.device!r}.", f"Choose one of: {known}."
            )
        start, end = self.start or 0, _MAX_NUMBER if self.end is None else self.end
        if not 0 <= start < end <= _MAX_NUMBER:
            raise CaptureError(
                "bad_range", f"There are no frames from {start} to {end}.", "Give a start from 0 on and a later end."
            )
        if self.people not in ("all", "largest") and not 0 < _number(self.people) <= _MAX_NUMBER:
            raise CaptureError(
                "bad_people", f"{self.people[:80]!r} is no choice of people.", "Use `all`, `largest` or a number."
            )
        if self.chunk is not None and not 0 < self.chunk <= _MAX_NUMBER:
            raise CaptureError("bad_number", f"A chunk of {self.chunk} frames makes no sense.", "Give a positive one.")
        if self.slerp is not None and not 0 < self.slerp <= 1:
            raise CaptureError(
                "bad_number", f"A slerp of {self.slerp} makes no sense.", "Give a number above 0, and 1 at most."
            )
        for name, value in (
            ("focal length", self.focal_px), ("focal length", self.focal_mm), ("height", self.height_m)
        ):  # fmt: skip
            if value is not None and not 0 < value < _MAX_FLOAT:
                raise CaptureError("bad_number", f"A {name} of {value} makes no sense.", "Give a positive number.")

    def _check_options(self) -> None:
        """Refuses what another estimator is for, and an estimator without what it cannot do without."""
        for option, estimators in _ONLY_FOR.items():
            if getattr(self, option) not in (None, False, "") and self.estimator not in estimators:
                those = " or ".join(estimators)
                kind = "estimator" if len(estimators) == 1 else "estimators"
                raise CaptureError(
                    "bad_option",
                    f"{option} is for the {kind} {those}, and {self.estimator} is chosen.",
                    f"Leave out {option}, or choose {those}.",
                )
        if self.estimator == "dts-vibe" and not self.network:
            raise CaptureError(
                "network_missing",
                "dts-vibe needs a network of your own: its authors have published no weights.",
                "Make one with `vibe train` and the preset dts_vibe, and name its file with --network.",
            )

    def to_line(self) -> str:
        """The job as one JSON line, newline included."""
        return json.dumps(asdict(self), ensure_ascii=True) + "\n"

    @classmethod
    def from_line(cls, line: str, *, noted: bool = False) -> Job:
        """Reads a job; ``CaptureError`` where it is not one this version understands.

        Args:
            line: as ``to_line`` writes it.
            noted: in a take, maybe by an earlier version, which took options that another estimator is for: they did
                nothing and are left out.
        """
        record = _record(line)
        if noted:
            chosen = record.get("estimator", cls.estimator)
            record = {name: value for name, value in record.items() if chosen in _ONLY_FOR.get(name, (chosen,))}
        if record.get("protocol") != PROTOCOL_VERSION:
            raise _version_error(record.get("protocol"))
        kinds = get_type_hints(cls)
        unknown = sorted(set(record) - set(kinds))
        wrong = [name for name in record if name in kinds and not _fits(record[name], kinds[name])]
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
    """A stage of the pipeline begins: ``seek``, ``watch``, ``solve``, ``refine``, ``world`` or ``save``."""

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
_FIELDS: dict[str, dict[str, Any]] = {
    name: {item.name: get_type_hints(event)[item.name] for item in fields(event)} for name, event in _EVENTS.items()
}
LAST_EVENTS = (Done, Failed, Cancelled)


def event_from_line(line: str) -> Event | None:
    """Reads one line of the stream; None for an event type this version does not know.

    Fields this version does not know are left out, so a newer backend may say more.

    Raises:
        CaptureError: ``bad_event`` for a line that is no event, or has values of the wrong kind or shape;
            ``protocol_version`` for another version's ``hello``.
    """
    record = _record(line)
    kind = _EVENTS.get(str(record.pop("type", "")))
    if kind is None:
        return None
    if kind is Hello and record.get("protocol") != PROTOCOL_VERSION:
        raise _version_error(record.get("protocol"))
    kinds = _FIELDS[kind.TYPE]
    said = {name: value for name, value in record.items() if name in kinds}
    if not all(_fits(value, kinds[name]) for name, value in said.items()):
        raise _bad_line(line)
    try:
        event = kind(**said)
    except TypeError as error:
        raise _bad_line(line) from error
    if not _is_motion(event):
        raise _bad_line(line)
    return event


def _fits(value: object, kind: Any) -> bool:
    """Whether a JSON value may stand for a field: a whole number is a number too, a truth value is not."""
    if isinstance(value, bool):
        return kind is bool
    if get_origin(kind) is list:
        return isinstance(value, list)  # what is in it, _is_motion says
    kinds = get_args(kind) or (kind,)
    if isinstance(value, int):
        return (int in kinds or float in kinds) and abs(value) <= _MAX_COUNT
    if isinstance(value, float):
        return float in kinds and math.isfinite(value)
    return type(value) in kinds


def _is_motion(event: Event) -> bool:
    """Whether a person's number, frames and arrays, where an event has any, are what they should be."""
    if not isinstance(event, PersonFound | Frames):
        return True
    if not (1 <= event.person <= _MAX_NUMBER and 0 <= event.first_frame <= _MAX_NUMBER):
        return False
    if isinstance(event, PersonFound):
        return _is_array(event.rest_joints, (_JOINT_COUNT, 3))
    count = len(event.confidence)
    return (
        count > 0
        and _is_array(event.rotations, (count, _JOINT_COUNT, 4))
        and _is_array(event.root, (count, 3))
        and _is_array(event.confidence, (count,))
    )


def _is_array(values: Any, shape: tuple[int, ...]) -> bool:
    """Whether nested lists have this shape and hold numbers, none of them NaN or infinite."""
    if len(values) != shape[0]:
        return False
    for size in shape[1:]:
        if set(map(type, values)) != {list} or set(map(len, values)) != {size}:
            return False
        values = list(chain.from_iterable(values))
    return {int, float} >= set(map(type, values)) and all(-_MAX_FLOAT <= value <= _MAX_FLOAT for value in values)


def _number(text: str) -> int:
    return int(text) if text.isdecimal() and len(text) < 11 else 0


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
