# SPDX-License-Identifier: MIT
import json

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
    job = Job("a é 走.mp4", "b.take", start=3, people="2", focal_mm=28.0, height_m=1.8, fast=True, resume=True)
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


def test_a_whole_number_is_a_number() -> None:
    record = {"video": "a.mp4", "take": "a.take", "protocol": PROTOCOL_VERSION, "height_m": 2, "start": 3}
    assert Job.from_line(json.dumps(record)).height_m == 2
