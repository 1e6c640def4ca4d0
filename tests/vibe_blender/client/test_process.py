# SPDX-License-Identifier: MIT
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from vibe_blender.client import process
from vibe_blender.client.process import CaptureProcess
from vibe_blender.contract.errors import CaptureError
from vibe_blender.contract.protocol import Cancelled, Done, Event, Failed, Frames, Hello, Job, PersonFound
from vibe_blender.contract.take_file import load_take


@pytest.fixture
def start(tmp_path, install_fake_backend) -> Callable[[str], CaptureProcess]:
    def launch(mode: str) -> CaptureProcess:
        install_fake_backend(mode)
        job = Job(video=str(tmp_path / "video.mp4"), take=str(tmp_path / "out put é 走.take"))
        return CaptureProcess(job, Path(sys.executable), tmp_path / "backend.log")

    return launch


def all_events(running: CaptureProcess, seconds: float = 60.0) -> list[Event]:
    events: list[Event] = []
    deadline = time.monotonic() + seconds
    while running.last is None and time.monotonic() < deadline:
        events += running.wait(0.2)
    assert running.last is not None, "the capture did not end"
    return events


def test_a_capture_that_works_ends_with_done(start, tmp_path) -> None:
    with start("works") as running:
        events = all_events(running)
    assert isinstance(events[0], Hello)
    assert sum(isinstance(event, PersonFound) for event in events) == 1
    assert [event.first_frame for event in events if isinstance(event, Frames)] == list(range(12))
    assert running.last == events[-1] == Done(str(tmp_path / "out put é 走.take"), 12, 1)
    assert len(load_take(Path(running.last.take)).people) == 1
    assert running.poll() == []


def test_poll_never_waits(start) -> None:
    with start("stalls") as running:
        before = time.monotonic()
        while not (events := running.poll()):
            assert time.monotonic() - before < 60
        assert isinstance(events[0], Hello)
        assert running.poll() == []
        assert running.last is None


def test_unknown_events_and_fields_are_ignored(start) -> None:
    with start("newer") as running:
        assert all_events(running) == [Hello("keypoints", "cpu"), Done("t.take", 1, 1)]


def test_the_backends_own_error_is_its_last_event(start) -> None:
    with start("fails") as running:
        all_events(running)
    assert running.last == Failed("video_undecodable", "The video has no pictures.", "Convert it to MP4.")


def test_cancelling_keeps_the_take(start) -> None:
    with start("slow") as running:
        while not any(isinstance(event, Frames) for event in running.wait(5.0)):
            pass
        running.cancel()
        running.cancel()
        all_events(running)
    assert isinstance(running.last, Cancelled)
    assert load_take(Path(running.last.take)).status == "partial"


def test_a_backend_that_ignores_the_cancel_is_stopped(start, monkeypatch) -> None:
    monkeypatch.setattr(process, "CANCEL_SECONDS", 0.5)
    with start("stalls") as running:
        running.wait(30.0)
        running.cancel()
        all_events(running)
    assert running.last == Cancelled("")


def test_closing_stops_a_backend_that_still_works(start) -> None:
    running = start("stalls")
    running.wait(30.0)
    before = time.monotonic()
    running.close()
    running.close()
    assert time.monotonic() - before < 30


@pytest.mark.parametrize(
    ("mode", "code", "says"),
    [
        ("crashes", "backend_died", "exit status 7: RuntimeError: the sky fell"),
        ("lacks_a_module", "backend_died", "No module named 'cv2'"),
        ("quiet_exit", "backend_died", "exit status 0"),
        ("lies", "protocol_version", "99"),
        ("rubbish", "bad_event", "Downloading model"),
        ("no_hello", "bad_event", "hello"),
        ("endless_line", "bad_event", "4 MB"),
    ],
)
def test_misbehaviour_is_one_readable_error(start, mode, code, says) -> None:
    with start(mode) as running, pytest.raises(CaptureError) as caught:
        all_events(running)
    assert caught.value.code == code
    assert says in caught.value.message
    assert caught.value.hint


def test_a_python_that_is_not_there_is_told(tmp_path) -> None:
    with pytest.raises(CaptureError) as caught:
        CaptureProcess(Job("v.mp4", "v.take"), tmp_path / "no python", tmp_path / "backend.log")
    assert caught.value.code == "backend_missing"
    assert "no python" in caught.value.message
