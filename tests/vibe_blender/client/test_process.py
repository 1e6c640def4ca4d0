# SPDX-License-Identifier: MIT
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest

from tests.fake_backend import small_take
from vibe_blender.client import process
from vibe_blender.client.process import CaptureLost, CaptureProcess
from vibe_blender.contract.protocol import Cancelled, Done, Event, Failed, Frames, Hello, Job, PersonFound
from vibe_blender.contract.take_file import load_take, partial_path, save_take

TAKE = "out put é 走.take"


@pytest.fixture
def start(tmp_path, install_fake_backend) -> Callable[..., CaptureProcess]:
    def launch(mode: str, *, stall_seconds: float = 60.0, **options) -> CaptureProcess:
        if not (tmp_path / "program folder ü 程序").exists():
            install_fake_backend(mode)
        job = Job(video=str(tmp_path / "video.mp4"), take=str(tmp_path / TAKE), **options)
        return CaptureProcess(job, Path(sys.executable), tmp_path / "backend.log", stall_seconds=stall_seconds)

    return launch


def test_the_backend_is_told_where_its_own_models_are(tmp_path, install_fake_backend, monkeypatch) -> None:
    folder = install_fake_backend("works")
    monkeypatch.setenv("VIBE_MODELS", "elsewhere")
    told = "import os, pathlib; pathlib.Path('told').write_text(os.environ['VIBE_MODELS'], encoding='utf-8')"
    (folder / "backend" / "__main__.py").write_text(told, encoding="utf-8")
    for models, expected in ((tmp_path / "models é 走", str(tmp_path / "models é 走")), (None, "elsewhere")):
        job, log = Job("v.mp4", str(tmp_path / "v.take")), tmp_path / "backend.log"
        with CaptureProcess(job, Path(sys.executable), log, models=models) as running:
            running._process.wait(30)
        assert (folder / "told").read_text(encoding="utf-8") == expected


@pytest.fixture
def fast_stream(monkeypatch) -> None:
    """A hundred frames of two people as fast as they can be told."""
    for name, value in (("FAKE_FRAMES", "100"), ("FAKE_FPS", "0"), ("FAKE_PEOPLE", "2")):
        monkeypatch.setenv(name, value)


def lost(running: CaptureProcess) -> CaptureLost:
    """How a capture failed; checks that it is told in whole and only once."""
    with running, pytest.raises(CaptureLost) as caught:
        all_events(running)
    error = caught.value
    assert error.message
    assert error.hint
    assert running.last == Failed(error.code, error.message, error.hint, error.take)
    assert running.poll() == []
    return error


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
    assert running.last == events[-1] == Done(str(tmp_path / TAKE), 12, 1)
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


def test_cancelling_keeps_the_take(start, tmp_path) -> None:
    with start("slow") as running:
        while not any(isinstance(event, Frames) for event in running.wait(5.0)):
            pass
        running.cancel()
        running.cancel()
        all_events(running)
    assert running.last == Cancelled(str(tmp_path / TAKE))
    assert load_take(tmp_path / TAKE).status == "partial"


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
        ("says_nothing", "backend_died", "exit status 1"),
        ("lies", "protocol_version", "99"),
        ("rubbish", "bad_event", "Downloading model"),
        ("no_hello", "bad_event", "hello"),
        ("endless_line", "bad_event", "4 MB"),
    ],
)
def test_misbehaviour_is_one_readable_error(start, mode, code, says) -> None:
    error = lost(start(mode))
    assert (error.code, error.take) == (code, "")
    assert says in error.message


def test_what_came_before_the_misbehaviour_is_not_lost(start) -> None:
    with start("rubbish") as running:
        while running._queue.qsize() < 2:
            time.sleep(0.01)
        assert running.poll() == [Hello("keypoints", "cpu")]
        with pytest.raises(CaptureLost):
            running.poll()


def test_a_killed_backend_leaves_what_it_had_and_is_resumed(start, tmp_path, fast_stream) -> None:
    error = lost(start("dies_half_way"))
    assert (error.code, error.take) == ("backend_died", str(tmp_path / TAKE))
    if sys.platform != "win32":
        assert "SIGKILL" in error.message
    assert "Resume" in error.hint
    kept = load_take(Path(error.take))
    assert (kept.status, len(kept.video.times)) == ("partial", 30)
    with start("dies_half_way", resume=True) as running:
        events = all_events(running)
    assert running.last == Done(str(tmp_path / TAKE), 100, 2)
    told = [(event.person, event.first_frame + n) for event in events if isinstance(event, Frames)
            for n in range(len(event.root))]  # fmt: skip
    whole = load_take(tmp_path / TAKE)
    assert sorted(told) == sorted((person.id, int(frame)) for person in whole.people for frame in person.frames)
    assert whole.status == "complete"
    assert not partial_path(tmp_path / TAKE).exists()


def test_an_older_take_is_not_taken_for_what_was_kept(start, tmp_path, fast_stream) -> None:
    save_take(small_take(), tmp_path / TAKE)
    assert lost(start("crashes")).take == ""
    error = lost(start("crashes"))
    assert (error.take, len(load_take(tmp_path / TAKE).video.times)) == ("", 12)


def test_beside_an_older_take_the_growing_one_is_named(start, tmp_path, fast_stream) -> None:
    save_take(small_take(), tmp_path / TAKE)
    error = lost(start("dies_half_way"))
    assert error.take == str(partial_path(tmp_path / TAKE))
    assert len(load_take(Path(error.take)).video.times) == 30


def test_silence_is_told_and_ended(start) -> None:
    running = start("stalls", stall_seconds=0.5)
    error = lost(running)
    assert (error.code, error.take) == ("backend_stalled", "")
    assert "has said nothing" in error.message
    assert running._process.poll() is not None


def test_a_capture_that_fell_silent_keeps_what_it_had(start, tmp_path, fast_stream) -> None:
    error = lost(start("stalls_half_way", stall_seconds=1.0))
    assert (error.code, error.take) == ("backend_stalled", str(tmp_path / TAKE))
    assert len(load_take(Path(error.take)).video.times) == 30
    with start("stalls_half_way", resume=True) as running:
        all_events(running)
    assert isinstance(running.last, Done)


def test_time_in_which_nobody_listened_is_no_silence(start, monkeypatch) -> None:
    clock = [1000.0]
    monkeypatch.setattr(process.time, "monotonic", lambda: clock[0])
    with start("stalls", stall_seconds=60.0) as running:
        while not running.wait(0.1):
            clock[0] += 0.1
        clock[0] += 3600.0  # the computer slept
        assert running.poll() == []
        clock[0] += 58.0
        assert running.poll() == []
        assert not running._stalled
        for _ in range(60):
            clock[0] += 1.0
            running.poll()
        assert running._stalled


def test_the_process_is_gone_once_the_end_is_told(start, tmp_path) -> None:
    with start("works") as running:
        all_events(running)
        assert running._process.poll() == 0


def test_a_python_that_is_not_there_is_told(tmp_path) -> None:
    with pytest.raises(CaptureLost) as caught:
        CaptureProcess(Job("v.mp4", "v.take"), tmp_path / "no python", tmp_path / "backend.log")
    assert caught.value.code == "backend_missing"
    assert "no python" in caught.value.message
    assert "Repair" in caught.value.hint


def test_a_log_that_cannot_be_written_is_told(tmp_path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(CaptureLost) as caught:
        CaptureProcess(Job("v.mp4", "v.take"), Path(sys.executable), tmp_path / "file" / "backend.log")
    assert caught.value.code == "log_unwritable"


def test_the_folder_of_the_log_is_made(tmp_path, install_fake_backend) -> None:
    install_fake_backend("works")
    log = tmp_path / "no" / "such é" / "backend.log"
    with CaptureProcess(Job("v.mp4", str(tmp_path / "v.take")), Path(sys.executable), log) as running:
        all_events(running)
    assert isinstance(running.last, Done)
    assert log.is_file()


class TestTheRealBackend:
    """With an environment of its own that is taken away, and killed from outside."""

    REPOSITORY = Path(__file__).resolve().parents[3]
    SAMPLE = REPOSITORY / "tests" / "data" / "walk.mp4"

    @pytest.fixture
    def job(self, request, tmp_path) -> Job:
        for package in ("av", "platformdirs", "ai_edge_litert"):
            pytest.importorskip(package)
        models = request.getfixturevalue("models")
        return Job(video=str(self.SAMPLE), take=str(tmp_path / TAKE), models=str(models), fast=True)

    @pytest.fixture
    def environment(self, tmp_path) -> Path:
        """A virtual environment that borrows its packages through a file that can be deleted."""
        folder = tmp_path / "environment é"
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
        (libraries,) = [*folder.glob("lib/python*/site-packages"), *folder.glob("Lib/site-packages")]
        places = [place for place in sys.path if place.endswith("-packages")]
        (libraries / "borrowed.pth").write_text("\n".join(places), encoding="utf-8")
        return folder

    def python(self, environment: Path) -> Path:
        return environment / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")

    def test_packages_deleted_before_the_start(self, job, environment, tmp_path) -> None:
        for file in environment.glob("**/borrowed.pth"):
            file.unlink()
        with CaptureProcess(job, self.python(environment), tmp_path / "backend.log") as running:
            all_events(running)
        assert isinstance(running.last, Failed)
        assert (running.last.code, running.last.take) == ("package_missing", "")
        assert "Repair" in running.last.hint

    @pytest.mark.skipif(sys.platform == "win32", reason="Windows does not delete what runs")
    def test_environment_deleted_before_and_while_it_works(self, job, environment, tmp_path) -> None:
        with CaptureProcess(job, self.python(environment), tmp_path / "backend.log") as running:
            while not any(isinstance(event, Frames) for event in running.wait(30.0)):
                pass
            shutil.rmtree(environment)
            all_events(running)
        # It has all it needs in memory, and finishes.
        assert isinstance(running.last, Done)
        with pytest.raises(CaptureLost) as caught:
            CaptureProcess(job, self.python(environment), tmp_path / "backend.log")
        assert caught.value.code == "backend_missing"

    @pytest.mark.skipif(sys.platform == "win32", reason="Windows has no kill -9")
    def test_killed_at_three_tenths_it_ends_as_if_nothing_had_happened(self, job, tmp_path) -> None:
        python, log = Path(sys.executable), tmp_path / "backend.log"
        with CaptureProcess(job, python, log) as running:
            while not any(isinstance(event, Frames) for event in running.wait(30.0)):
                pass
            time.sleep(0.2)  # the next frame is read, and with it what was solved is written
            os.kill(running._process.pid, signal.SIGKILL)
            error = lost(running)
        assert (error.code, error.take) == ("backend_died", job.take)
        kept = load_take(Path(error.take))
        assert kept.status == "partial"
        assert len(kept.video.times) >= 30
        assert kept.people[0].frames.tolist() == list(range(len(kept.video.times)))

        job = Job(**{item.name: getattr(job, item.name) for item in fields(Job)} | {"resume": True})
        with CaptureProcess(job, python, log) as running:
            events = all_events(running)
        assert isinstance(running.last, Done)
        (person,) = [event for event in events if isinstance(event, PersonFound)]
        assert person.first_frame == 0
        told = [event.first_frame + n for event in events if isinstance(event, Frames) for n in range(len(event.root))]
        assert told == list(range(running.last.frames))

        whole = Job(str(self.SAMPLE), str(tmp_path / "whole.take"), models=job.models, fast=True)
        with CaptureProcess(whole, python, log) as running:
            all_events(running)
        expected, found = load_take(tmp_path / "whole.take"), load_take(Path(job.take))
        assert found.status == expected.status == "complete"
        assert np.array_equal(expected.video.times, found.video.times)
        assert np.array_equal(expected.camera.from_world, found.camera.from_world)
        for before, after in zip(expected.people, found.people, strict=True):
            for item in fields(before):
                assert np.array_equal(getattr(before, item.name), getattr(after, item.name)), item.name

    @pytest.mark.parametrize("moment", [0.0, 0.3, Hello, Frames], ids=str)
    def test_cancelled_at_any_moment_it_ends_and_what_it_names_opens(self, job, tmp_path, moment) -> None:
        with CaptureProcess(job, Path(sys.executable), tmp_path / "backend.log") as running:
            if isinstance(moment, float):
                time.sleep(moment)
            else:
                while not any(isinstance(event, moment) for event in running.wait(30.0)):
                    pass
            running.cancel()
            all_events(running)
            assert running._process.poll() is not None
        assert isinstance(running.last, Cancelled)
        if moment is Frames:
            assert running.last.take == job.take
            assert load_take(Path(job.take)).status == "partial"
        else:
            assert running.last.take == ""
            assert not Path(job.take).exists()

    @pytest.mark.skipif(sys.platform == "win32", reason="needs a signal to look for a process")
    def test_it_does_not_outlive_who_started_it(self, job, tmp_path) -> None:
        program = (
            "import sys; from pathlib import Path\n"
            "from vibe_blender.client.process import CaptureProcess\n"
            "from vibe_blender.contract.protocol import Frames, Job\n"
            "running = CaptureProcess(Job.from_line(sys.argv[1]), Path(sys.executable), Path(sys.argv[2]))\n"
            "while not any(isinstance(event, Frames) for event in running.wait(30.0)): pass\n"
            "print(running._process.pid, flush=True)\n"
            "while True: running.wait(1.0)\n"
        )
        command = [sys.executable, "-c", program, job.to_line(), str(tmp_path / "backend.log")]
        with subprocess.Popen(command, cwd=self.REPOSITORY, stdout=subprocess.PIPE, text=True) as parent:
            backend = int(parent.stdout.readline())
            parent.kill()
        deadline = time.monotonic() + 30.0
        while runs(backend):
            assert time.monotonic() < deadline, "the backend outlived its parent"
            time.sleep(0.02)
        assert load_take(Path(job.take)).status == "partial"


def runs(process_id: int) -> bool:
    """Whether a process is there and is no zombie."""
    try:
        os.kill(process_id, 0)
    except ProcessLookupError:
        return False
    state = Path(f"/proc/{process_id}/stat")
    return not (state.exists() and state.read_text().rpartition(")")[2].split()[0] == "Z")
