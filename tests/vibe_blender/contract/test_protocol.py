# SPDX-License-Identifier: MIT
import json
import math

import pytest

from vibe_blender.contract.errors import CaptureError
from vibe_blender.contract.protocol import (
    LAST_EVENTS,
    PROTOCOL_VERSION,
    Cancelled,
    Done,
    Failed,
    Frames,
    Hello,
    Job,
    PersonFound,
    Progress,
    Stage,
    VideoOpened,
    Warned,
    event_from_line,
)
from vibe_blender.contract.skeleton import REST_JOINTS

EVENTS = [
    Hello("keypoints", "cpu"),
    VideoOpened("C:\\Videos\\my walk é 走 🎬.mp4", 1920, 1080, 29.97, 0),
    Stage("watch"),
    Progress("watch", 3, 0, 12.5),
    Progress("solve", 3, 9, 12.5, 0.48),
    PersonFound(2, 17, [[0.0, 1.0, 2.0]] * 24),
    Frames(2, 17, [[[1.0, 0.0, 0.0, 0.0]] * 24], [[0.1, 0.2, 0.3]], [0.9]),
    Warned("focal_guessed", "The focal length is a guess."),
    Done("walk.take", 90, 2),
    Failed("disk_full", "The disk is full.", "Free some space.", "walk.take"),
    Cancelled("walk.take"),
    Cancelled(),
]
RUBBISH = ["", "\n", "hello", "{", "[]", "3", "null", '"hello"', "\x00\x01", "{'type': 'hello'}", "[" * 100_000]


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: event.TYPE)
def test_events_come_back(event) -> None:
    line = event.to_line()
    assert line.endswith("\n")
    assert line.count("\n") == 1
    assert line.isascii()
    assert json.loads(line)["type"] == event.TYPE
    assert event_from_line(line) == event


def test_the_last_events_are_done_error_and_cancelled() -> None:
    assert {event.TYPE for event in LAST_EVENTS} == {"done", "error", "cancelled"}


@pytest.mark.parametrize("line", RUBBISH, ids=range(len(RUBBISH)))
def test_rubbish_is_refused(line) -> None:
    with pytest.raises(CaptureError) as caught:
        event_from_line(line)
    assert caught.value.code == "bad_event"
    assert len(caught.value.message) < 200


def test_an_event_without_its_fields_is_refused() -> None:
    with pytest.raises(CaptureError) as caught:
        event_from_line('{"type": "progress", "stage": "watch"}')
    assert caught.value.code == "bad_event"


JOINTS, POSE = [[0.0, 1.0, 2.0]] * 24, [[1.0, 0.0, 0.0, 0.0]] * 24
MOTION = {"rotations": [POSE, POSE], "root": [[0, 0, 1]] * 2, "confidence": [1, 0.5]}


def test_the_body_has_as_many_joints_as_the_protocol_says() -> None:
    person = {"type": "person", "person": 1, "first_frame": 0}
    assert event_from_line(json.dumps({**person, "rest_joints": REST_JOINTS.tolist()})) is not None
    frames = {"type": "frames", "person": 1, "first_frame": 0, **MOTION}
    assert event_from_line(json.dumps(frames)) == Frames(
        1, 0, MOTION["rotations"], MOTION["root"], MOTION["confidence"]
    )


@pytest.mark.parametrize(
    ("kind", "change"),
    [
        ("hello", {"device": 3}),
        ("video", {"width_px": 1.5}),
        ("video", {"fps": "25"}),
        ("video", {"fps": math.nan}),
        ("video", {"fps": math.inf}),
        ("stage", {"name": None}),
        ("progress", {"done": True}),
        ("progress", {"total": 1e300}),
        ("progress", {"total": 10**400}),
        ("progress", {"seconds_left": "1"}),
        ("progress", {"seconds_left": [1.0]}),
        ("warning", {"message": {"a": 1}}),
        ("done", {"take": 5}),
        ("error", {"hint": None}),
        ("cancelled", {"take": []}),
        ("person", {"person": 0}),
        ("person", {"person": 2**31}),
        ("person", {"first_frame": -1}),
        ("person", {"first_frame": 2**31}),
        ("person", {"rest_joints": JOINTS[:23]}),
        ("person", {"rest_joints": {}}),
        ("person", {"rest_joints": []}),
        ("person", {"rest_joints": [*JOINTS[:23], [0.0, 1.0]]}),
        ("person", {"rest_joints": [*JOINTS[:23], 0.0]}),
        ("person", {"rest_joints": [*JOINTS[:23], [0.0, 1.0, "2"]]}),
        ("person", {"rest_joints": [*JOINTS[:23], [0.0, 1.0, math.nan]]}),
        ("person", {"rest_joints": [*JOINTS[:23], [0.0, 1.0, 1e300]]}),
        ("person", {"rest_joints": [*JOINTS[:23], [0.0, 1.0, 10**400]]}),
        ("frames", {"rotations": [POSE]}),
        ("frames", {"rotations": [POSE, POSE[:20]]}),
        ("frames", {"rotations": [POSE, [[1.0, 0.0, 0.0]] * 24]}),
        ("frames", {"rotations": [POSE, [[1.0, 0.0, 0.0, None]] * 24]}),
        ("frames", {"rotations": "ab"}),
        ("frames", {"root": [[0.0, 0.0, 0.0]]}),
        ("frames", {"root": [[0.0, 0.0, math.inf]] * 2}),
        ("frames", {"confidence": [0.5]}),
        ("frames", {"confidence": [0.5, True]}),
        ("frames", {"rotations": [], "root": [], "confidence": []}),
    ],
    ids=lambda value: value if isinstance(value, str) else str(value)[:40],
)
def test_an_event_with_a_value_of_the_wrong_kind_is_refused(kind: str, change: dict) -> None:
    (event, *_) = (event for event in EVENTS if kind == event.TYPE)
    record = json.loads(event.to_line()) | (MOTION if kind == "frames" else {})
    assert event_from_line(json.dumps(record)) is not None
    with pytest.raises(CaptureError) as caught:
        event_from_line(json.dumps(record | change))
    assert caught.value.code == "bad_event"


def test_bytes_are_counted_too() -> None:
    event = Progress("download", 3 << 30, 5 << 30, 2e6)
    assert event_from_line(event.to_line()) == event


def test_a_newer_backend_may_say_more() -> None:
    assert event_from_line('{"type": "telepathy"}') is None
    assert event_from_line('{"type": "stage", "name": "watch", "mood": "good"}') == Stage("watch")


@pytest.mark.parametrize("protocol", [0, PROTOCOL_VERSION + 1, None, "1"])
def test_another_protocol_is_refused_by_both_sides(protocol) -> None:
    hello = {"type": "hello", "estimator": "keypoints", "device": "cpu", "protocol": protocol}
    job = {"video": "a.mp4", "take": "a.take", "protocol": protocol}
    for read, record in ((event_from_line, hello), (Job.from_line, job)):
        with pytest.raises(CaptureError) as caught:
            read(json.dumps(record))
        assert caught.value.code == "protocol_version"
        assert str(protocol) in caught.value.message


def test_a_number_that_is_none_is_never_sent() -> None:
    with pytest.raises(ValueError):
        Progress("watch", 1, 2, float("nan")).to_line()


def test_a_job_comes_back() -> None:
    job = Job("a é 走.mp4", "b.take", start=3, people="2", focal_mm=28.0, height_m=1.8, fast=True, refine=True)
    assert Job.from_line(job.to_line()) == job
    assert Job.from_line(Job("a", "b").to_line()) == Job("a", "b")


@pytest.mark.parametrize("change", [{"colour": "red"}, {"video": None}])
def test_a_job_that_cannot_be_done_as_asked_is_refused(change) -> None:
    record = {"video": "a.mp4", "take": "a.take", "protocol": PROTOCOL_VERSION, **change}
    record = {key: value for key, value in record.items() if value is not None}
    with pytest.raises(CaptureError) as caught:
        Job.from_line(json.dumps(record))
    assert caught.value.code == "bad_job"


@pytest.mark.parametrize(
    ("name", "value"), [("people", 2), ("start", "5"), ("fast", 1), ("height_m", True), ("end", 2.5)]
)
def test_a_job_with_a_value_of_the_wrong_kind_is_refused(name: str, value: object) -> None:
    record = {"video": "a.mp4", "take": "a.take", "protocol": PROTOCOL_VERSION, name: value}
    with pytest.raises(CaptureError, match=name):
        Job.from_line(json.dumps(record))


@pytest.mark.parametrize(
    ("options", "code"),
    [
        ({"estimator": "telepathy"}, "no_such_estimator"),
        ({"device": "cuda"}, "no_such_device"),
        ({"people": "0"}, "bad_people"),
        ({"people": "²"}, "bad_people"),
        ({"people": "9" * 5000}, "bad_people"),
        ({"focal_px": -1.0}, "bad_number"),
        ({"height_m": math.nan}, "bad_number"),
        ({"start": -1}, "bad_range"),
        ({"end": 0}, "bad_range"),
        ({"start": 7, "end": 7}, "bad_range"),
        ({"start": 2**31}, "bad_range"),
        ({"end": 2**31}, "bad_range"),
        ({"chunk": 450}, "bad_option"),
        ({"compat": True}, "bad_option"),
        ({"fast": True, "estimator": "vibe"}, "bad_option"),
        ({"chunk": 450, "estimator": "tcmr"}, "bad_option"),
        ({"network": "mine.pt"}, "bad_option"),
        ({"slerp": 0.3, "estimator": "vibe"}, "bad_option"),
        ({"compat": True, "network": "mine.pt", "estimator": "dts-vibe"}, "bad_option"),
        ({"slerp": 0.0, "estimator": "tcmr"}, "bad_number"),
        ({"slerp": 1.1, "estimator": "tcmr"}, "bad_number"),
        ({"estimator": "dts-vibe"}, "network_missing"),
    ],
    ids=str,
)
def test_a_job_that_makes_no_sense_cannot_be_made(options: dict, code: str) -> None:
    with pytest.raises(CaptureError) as caught:
        Job("a.mp4", "a.take", **options)
    assert caught.value.code == code
    assert caught.value.hint
    assert len(caught.value.message) < 200


def test_an_option_for_another_estimator_is_named() -> None:
    with pytest.raises(CaptureError) as caught:
        Job("a.mp4", "a.take", estimator="vibe", fast=True)
    assert caught.value.message == "fast is for the estimator keypoints, and vibe is chosen."
    assert caught.value.hint == "Leave out fast, or choose keypoints."
    with pytest.raises(CaptureError) as caught:
        Job("a.mp4", "a.take", compat=True)
    assert caught.value.message == "compat is for the estimators vibe or tcmr, and keypoints is chosen."


def test_what_is_for_several_estimators_goes_with_each() -> None:
    for estimator in ("vibe", "tcmr", "dts-vibe"):
        for device in ("auto", "cuda", "mps", "cpu"):
            job = Job("a.mp4", "a.take", estimator=estimator, device=device, network="mine.pt")
            assert Job.from_line(job.to_line()) == job
    job = Job("a.mp4", "a.take", estimator="tcmr", compat=True, slerp=0.3)
    assert Job.from_line(job.to_line()) == job


def test_a_job_that_an_earlier_version_noted_leaves_out_what_did_nothing() -> None:
    for name, kept, options in (
        ("vibe", {"chunk": 450}, {"fast": True, "chunk": 450}),
        ("keypoints", {"fast": True}, {"fast": True, "chunk": 450, "compat": True}),
        ("tcmr", {"compat": True}, {"fast": True, "chunk": 450, "compat": True}),
    ):
        job = Job("a.mp4", "a.take", estimator=name)
        line = json.dumps(json.loads(job.to_line()) | options)
        assert Job.from_line(line, noted=True) == Job("a.mp4", "a.take", estimator=name, **kept)
        with pytest.raises(CaptureError) as caught:
            Job.from_line(line)
        assert caught.value.code == "bad_option"


def test_a_whole_number_is_a_number() -> None:
    record = {"video": "a.mp4", "take": "a.take", "protocol": PROTOCOL_VERSION, "height_m": 2, "start": 3}
    assert Job.from_line(json.dumps(record)).height_m == 2
