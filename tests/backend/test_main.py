# SPDX-License-Identifier: MIT
"""The command line: exit statuses, one-line errors, a pure event stream, cancelling; the pipeline is a stand-in."""

from __future__ import annotations

import importlib.util
import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from backend.__main__ import main
from backend.ending import Session
from vibe_blender.contract.console import progress_line
from vibe_blender.contract.protocol import (
    Cancelled,
    Done,
    Event,
    Failed,
    Hello,
    Job,
    Progress,
    Stage,
    Warned,
    event_from_line,
)
from vibe_blender.contract.take_file import load_take, save_take

REPOSITORY = Path(__file__).resolve().parents[2]

# A pipeline that does what the name of the video says, and is not careful with standard output.
STAND_IN = """
import os, sys, types
from pathlib import Path
import backend
from vibe_blender.contract.errors import CaptureError
from vibe_blender.contract.protocol import Hello, Progress, Stage

fake = types.ModuleType("backend.pipeline")

class Cancelled(Exception):
    def __init__(self, take):
        self.take = take

def run(job, emit, cancelled):
    if job.video == "unreadable":
        raise CaptureError("video_missing", "There is no video.", "Check the path.")
    emit(Hello(job.estimator, "cpu"))
    emit(Stage("watch"))
    print("a stray print")
    os.write(1, b"rubbish from a C library\\n")
    for done in range(1, 4):
        emit(Progress("watch", done, 3, 25.0, 0.1))
    if job.video == "crash":
        raise ZeroDivisionError("division by zero")
    if job.video == "fail":
        error = CaptureError("disk_full", "The disk is full.", "Free some space.")
        error.take = job.take
        raise error
    if job.video == "wait":
        if not cancelled.wait(20):
            raise AssertionError("was not cancelled")
        raise Cancelled(job.take)
    if job.video == "deaf":
        import hashlib
        from tests.fake_backend import small_take
        from vibe_blender.contract.take_file import TakeWriter
        TakeWriter(Path(job.take)).extend(small_take())
        emit(Stage("solve"))
        hashlib.pbkdf2_hmac("sha256", b"", b"", 1 << 28)  # minutes inside C, where no signal is heard
    if job.video == "chatter":
        while True:
            emit(Progress("watch", 1, 3, 25.0, 0.1))
    if job.video == "flood":
        while not cancelled.is_set():
            emit(Progress("watch", 1, 3, 25.0, 0.1))
        Path(job.take).write_text("noticed")
        raise Cancelled(job.take)
    return types.SimpleNamespace(take=Path(job.take), frames=3, people=1)

fake.Cancelled, fake.run = Cancelled, run
sys.modules["backend.pipeline"] = backend.pipeline = fake
from backend.__main__ import main
sys.exit(main())
"""


def start(*arguments: str) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-c", STAND_IN, *arguments],
        cwd=REPOSITORY,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def run(*arguments: str, stdin: bytes = b"") -> tuple[int, str, str]:
    with start(*arguments) as process:
        out, err = process.communicate(stdin, timeout=60)
    return process.returncode, out.decode(), err.decode()


def events(output: str) -> list[Event]:
    found = [event_from_line(line) for line in output.splitlines()]
    assert all(found), "a line that is no event"
    return [event for event in found if event]


class TestCapture:
    def test_done(self):
        status, out, err = run("capture", "walk.mp4", "-o", "walk.take")
        assert status == 0
        assert out.splitlines()[-1] == "walk.take: 3 frames, 1 person"
        assert "Watching ..." in err.splitlines()

    def test_events_are_all_there_is_on_standard_output(self):
        status, out, err = run("capture", "walk.mp4", "-o", "walk.take", "--events")
        assert status == 0
        stream = events(out)
        assert isinstance(stream[0], Hello)
        assert stream[-1] == Done("walk.take", 3, 1)
        assert "a stray print" in err
        assert "rubbish from a C library" in err

    def test_a_failure_is_one_line_and_names_what_was_kept(self):
        status, _, err = run("capture", "fail", "-o", "walk.take")
        assert status == 1
        assert err.splitlines()[-1] == (
            "vibe: The disk is full. Free some space. What was captured is kept in walk.take."
        )

    def test_a_failure_as_event(self):
        status, out, err = run("capture", "fail", "-o", "walk.take", "--events")
        assert status == 1
        assert events(out)[-1] == Failed("disk_full", "The disk is full.", "Free some space.", "walk.take")
        assert "vibe: The disk is full. Free some space." in err

    def test_a_failure_before_the_pipeline_spoke_still_begins_with_hello(self):
        status, out, _ = run("capture", "unreadable", "-o", "walk.take", "--events")
        assert status == 1
        assert [type(event) for event in events(out)] == [Hello, Failed]

    def test_an_unexpected_error_is_an_event_and_a_traceback_in_the_log(self):
        status, out, err = run("capture", "crash", "-o", "walk.take", "--events")
        assert status == 1
        last = events(out)[-1]
        assert isinstance(last, Failed)
        assert last.code == "internal"
        assert "ZeroDivisionError" in last.message
        assert "Traceback" in err

    @pytest.mark.skipif(sys.platform == "win32", reason="Windows sends Ctrl-C to whole consoles only")
    @pytest.mark.parametrize("wanted", [[], ["--events"]])
    def test_interrupt_keeps_the_take(self, wanted):
        with start("capture", "wait", "-o", "walk.take", *wanted) as process:
            read_until(process.stderr, b"stray print" if wanted else b"Watching")
            process.send_signal(signal.SIGINT)
            out, err = process.communicate(timeout=30)
        assert process.returncode == 130
        if wanted:
            assert events(out.decode())[-1] == Cancelled("walk.take")
        else:
            assert "kept in walk.take" in err.decode()

    @pytest.mark.skipif(sys.platform == "win32", reason="Windows sends Ctrl-C to whole consoles only")
    @pytest.mark.parametrize("wanted", [[], ["--events"]])
    def test_interrupt_ends_what_does_not_listen_and_names_what_it_kept(self, wanted, tmp_path):
        take = tmp_path / "walk é.take"
        with start("capture", "deaf", "-o", str(take), *wanted) as process:
            read_until(process.stdout if wanted else process.stderr, b"solve" if wanted else b"Solving")
            process.send_signal(signal.SIGINT)
            out, err = process.communicate(timeout=60)
        assert process.returncode == 130
        if wanted:
            assert event_from_line(out.decode().splitlines()[-1]) == Cancelled(str(take))
        else:
            assert f"kept in {take}" in err.decode()
        assert len(load_take(take).video.times) == 12

    @pytest.mark.skipif(sys.platform == "win32", reason="Windows sends Ctrl-C to whole consoles only")
    def test_impatience_changes_nothing(self, tmp_path):
        take = tmp_path / "walk.take"
        with start("capture", "deaf", "-o", str(take)) as process:
            read_until(process.stderr, b"Solving")
            process.send_signal(signal.SIGINT)
            read_until(process.stderr, b"Stopping")
            process.send_signal(signal.SIGINT)
            _, err = process.communicate(timeout=60)
        assert process.returncode == 130
        assert f"kept in {take}" in err.decode()

    @pytest.mark.parametrize(
        "arguments",
        [
            ["capture"],
            ["capture", "walk.mp4"],
            ["capture", "walk.mp4", "-o", "t", "--start", "-1"],
            ["capture", "walk.mp4", "-o", "t", "--end", "0"],
            ["capture", "walk.mp4", "-o", "t", "--people", "none"],
            ["capture", "walk.mp4", "-o", "t", "--people", "0"],
            ["capture", "walk.mp4", "-o", "t", "--focal-px", "900", "--focal-mm", "35"],
            ["capture", "walk.mp4", "-o", "t", "--height", "17"],
            ["capture", "walk.mp4", "-o", "t", "--estimator", "guess"],
            ["models"],
            ["export", "t", "out.npz", "--format", "csv"],
            ["export", "t", "out.npz", "--format", "amass", "--one-euro"],
            ["export", "t", "out.npz", "--format", "joints", "--one-euro"],
            ["export", "t", "out.npz", "--format", "amass", "--models", "m"],
            ["export", "t", "out.npz", "--format", "smpl", "--beta", "0.7"],
            ["export", "t", "out.npz", "--format", "smpl", "--one-euro", "--min-cutoff", "-1"],
            ["export", "t", "out.npz", "--format", "smpl", "--one-euro", "--beta", "nan"],
            ["dance"],
        ],
    )
    def test_wrong_arguments(self, arguments, capsys):
        with pytest.raises(SystemExit) as caught:
            main(arguments)
        assert caught.value.code == 2
        assert "usage: vibe" in capsys.readouterr().err


class TestJob:
    def test_closing_standard_input_cancels(self):
        with start("job") as process:
            process.stdin.write(Job(video="wait", take="walk.take").to_line().encode())
            process.stdin.flush()
            first = process.stdout.readline()
            time.sleep(0.2)
            assert process.poll() is None
            out, _ = process.communicate(timeout=30)  # closes the input
        assert process.returncode == 130
        stream = events((first + out).decode())
        assert isinstance(stream[0], Hello)
        assert stream[-1] == Cancelled("walk.take")

    def test_a_reader_that_goes_away_cancels(self, tmp_path):
        take = tmp_path / "walk.take"
        process = start("job")
        process.stdin.write(Job(video="flood", take=str(take)).to_line().encode())
        process.stdin.flush()
        process.stdout.readline()
        process.stdout.close()
        assert process.wait(timeout=30) == 130
        assert take.read_text() == "noticed"
        process.stdin.close()
        process.stderr.close()

    def test_closing_standard_input_ends_what_does_not_listen(self, tmp_path):
        take = tmp_path / "walk é.take"
        with start("job") as process:
            process.stdin.write(Job(video="deaf", take=str(take)).to_line().encode())
            process.stdin.flush()
            read_until(process.stdout, b"solve")
            out, _ = process.communicate(timeout=60)  # closes the input
        assert process.returncode == 130
        assert event_from_line(out.decode().splitlines()[-1]) == Cancelled(str(take))
        assert load_take(take).status == "partial"

    def test_closing_standard_input_ends_what_waits_for_a_reader(self):
        with start("job") as process:
            process.stdin.write(Job(video="chatter", take="walk.take").to_line().encode())
            process.stdin.flush()
            process.stdout.readline()
            time.sleep(1.0)  # the pipe fills
            process.stdin.close()
            assert process.wait(timeout=60) == 130

    def test_done_ends_the_process_while_the_input_is_open(self):
        with start("job") as process:
            process.stdin.write(Job(video="walk.mp4", take="walk.take").to_line().encode())
            process.stdin.flush()
            assert process.wait(timeout=30) == 0
            assert events(process.stdout.read().decode())[-1] == Done("walk.take", 3, 1)

    @pytest.mark.parametrize(
        ("line", "code"),
        [
            (b"", "bad_job"),
            (b"hello\n", "bad_event"),
            (b'{"video": "a", "take": "b", "protocol": 99}\n', "protocol_version"),
            (b'{"video": "a", "take": "b", "protocol": 1, "speed": 2}\n', "bad_job"),
        ],
    )
    def test_a_job_that_cannot_be_read(self, line, code):
        status, out, _ = run("job", stdin=line)
        assert status == 1
        stream = events(out)
        assert [type(event) for event in stream] == [Hello, Failed]
        assert stream[-1].code == code


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has another error for it, and no `head`")
def test_a_reader_that_has_read_enough_ends_it_quietly(tmp_path):
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "wb") as pipe:
        command = [sys.executable, "-m", "backend", "models", "list", "--models", str(tmp_path)]
        done = subprocess.run(command, cwd=REPOSITORY, stdout=pipe, stderr=subprocess.PIPE, text=True)
    assert (done.returncode, done.stderr) == (1, "")


@pytest.mark.parametrize("options", [["--chunk", "9"], ["--compat"], ["--estimator", "vibe", "--fast"]])
def test_an_option_for_another_estimator_is_refused(tmp_path, capsys, options):
    assert main(["capture", "walk.mp4", "-o", str(tmp_path / "walk.take"), *options]) == 1
    assert "is for the estimator" in capsys.readouterr().err


def test_only_the_first_end_is_told():
    told: list[Event] = []

    class Told:
        def emit(self, event: Event) -> None:
            told.append(event)

    session = Session(Told(), threading.Event())
    assert session.end(Done("walk.take", 3, 1), 0) == 0
    assert session.end(Cancelled(), 130) == 0
    assert told == [Done("walk.take", 3, 1)]
    assert session.kept_take() == ""


def read_until(stream, text: bytes) -> None:
    seen = b""
    while text not in seen:
        byte = stream.read(1)
        assert byte, f"ended before it said {text!r}: {seen!r}"
        seen += byte


class TestTakes:
    def test_info_in_words(self, take, tmp_path, capsys):
        path = save_take(take, tmp_path / "walk.take")
        assert main(["info", str(path)]) == 0
        out = capsys.readouterr().out
        assert "960 x 540, 30 frames a second" in out
        assert "10 frames (0 to 3, 6 to 11), confidence 0.90" in out
        assert "the hand is hidden" in out

    def test_info_as_json(self, take, tmp_path, capsys):
        path = save_take(take, tmp_path / "walk.take")
        assert main(["info", str(path), "--json"]) == 0
        record = json.loads(capsys.readouterr().out)
        assert record["frames"] == 12
        assert record["duration_s"] == pytest.approx(0.4)
        assert record["people"][0]["ranges"] == [[0, 3], [6, 11]]

    def test_export(self, take, tmp_path, capsys):
        path = save_take(take, tmp_path / "walk.take")
        out = tmp_path / "new folder" / "walk.npz"
        assert main(["export", str(path), str(out), "--format", "joints"]) == 0
        assert str(out) in capsys.readouterr().out
        with np.load(out, allow_pickle=False) as stored:
            assert stored["joints_world_1"].shape == (10, 24, 3)

    def test_export_with_the_published_smoothing(self, take, tmp_path, capsys):
        path, poses = save_take(take, tmp_path / "walk.take"), {}
        for name, options in {
            "raw": [], "published": ["--one-euro"], "less": ["--one-euro", "--beta", "50"],
            "the same": ["--one-euro", "--min-cutoff", "0.004", "--beta", "0.7"],
        }.items():  # fmt: skip
            out = tmp_path / f"{name}.npz"
            assert main(["export", str(path), str(out), "--format", "smpl", "--person", "1", *options]) == 0
            with np.load(out, allow_pickle=False) as stored:
                poses[name] = stored["poses"]
        changes = {name: np.abs(values - poses["raw"]).max() for name, values in poses.items()}
        assert changes["published"] > changes["less"] > changes["raw"] == 0
        assert np.array_equal(poses["published"], poses["the same"])

    def test_what_the_smoothing_is_not_for_is_told(self, capsys):
        for arguments, words in (
            (["--format", "amass", "--one-euro"], "--format smpl only"),
            (["--format", "smpl", "--min-cutoff", "1"], "--one-euro, which is not asked for"),
        ):
            with pytest.raises(SystemExit):
                main(["export", "t", "out.npz", *arguments])
            assert words in capsys.readouterr().err

    @pytest.mark.parametrize(
        "arguments", [["info", "no.take"], ["export", "no.take", "o.npz", "--format", "smpl"], ["evaluate", "no.take"]]
    )
    def test_a_take_that_is_not_there(self, arguments, capsys):
        arguments = [*arguments, "--truth", "truth.npz"] if arguments[0] == "evaluate" else arguments
        assert main(arguments) == 1
        assert capsys.readouterr().err == (
            "vibe: There is no take at no.take. Check the path, or capture the video first.\n"
        )


class TestStartUp:
    def test_help_and_info_load_no_network_libraries(self):
        program = (
            "import sys; from backend.__main__ import main\n"
            "try: main(['--help'])\n"
            "except SystemExit: pass\n"
            "heavy = {'numpy', 'cv2', 'av', 'torch', 'ai_edge_litert', 'scipy'} & set(sys.modules)\n"
            "assert not heavy, heavy\n"
            "main(['info', 'no.take'])\n"
            "heavy = {'cv2', 'av', 'torch', 'ai_edge_litert', 'scipy'} & set(sys.modules)\n"
            "assert not heavy, heavy\n"
        )
        done = subprocess.run([sys.executable, "-c", program], cwd=REPOSITORY, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr

    def test_capture_needs_no_torch(self):
        program = "import sys, backend.pipeline; assert not {'torch', 'smplx', 'bpy'} & set(sys.modules)"
        done = subprocess.run([sys.executable, "-c", program], cwd=REPOSITORY, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr


class TestProgressLine:
    def test_says_stage_frames_rate_and_time_left(self):
        line = progress_line(Progress("watch", 60, 150, 24.8, 63.6), 79)
        assert line.startswith("Watching [")
        assert line.endswith("60/150 frames, 24.8/s, 1:04 left")
        assert line.count("#") / (line.count("#") + line.count(".") - 1) == pytest.approx(0.4, abs=0.05)

    @pytest.mark.parametrize("width", [10, 30, 79, 200])
    def test_fits_the_terminal(self, width):
        assert len(progress_line(Progress("watch", 60, 150, 24.8, 63.6), width)) <= width

    def test_without_a_known_length(self):
        assert progress_line(Progress("watch", 60, 0, 24.8), 79) == "Watching 60 frames, 24.8/s"


def test_a_terminal_gets_a_bar_and_no_line_is_left_behind():
    pty = pytest.importorskip("pty")
    master, slave = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-c", STAND_IN, "capture", "walk.mp4", "-o", "walk.take"],
        cwd=REPOSITORY,
        stdout=subprocess.DEVNULL,
        stderr=slave,
    )
    os.close(slave)
    assert process.wait(timeout=30) == 0
    shown = os.read(master, 65536).decode()
    os.close(master)
    assert "\rWatching [" in shown
    assert "3/3 frames, 25.0/s, 0:00 left" in shown
    assert shown.endswith("\n")


def test_warnings_and_stages_are_lines_where_there_is_no_terminal(capsys):
    from vibe_blender.contract.console import Console

    console = Console()
    for event in (Stage("solve"), Progress("solve", 1, 2, 3.0), Warned("focal_guessed", "The lens is a guess.")):
        console.emit(event)
    assert capsys.readouterr().err == "Solving ...\nWarning: The lens is a guess.\n"


def test_training_and_testing_are_commands(tmp_path, capsys) -> None:
    from tests.training_runs import RUN, write_run

    write_run(tmp_path, RUN.replace("iterations = 6", "iterations = 2").replace("epochs = 2", "epochs = 1"))
    assert main(["train", str(tmp_path / "run.toml")]) == 0
    told = capsys.readouterr()
    assert told.out.startswith(f"{tmp_path / 'run' / 'best.pt'}, error ")
    assert "Epoch 1 of 1: PA-MPJPE" in told.err
    (tmp_path / "test.toml").write_text(
        'output = "found"\narchives = ["held out.clips"]\nframes = 4\nbody = "mannequin"\ndevice = "cpu"\n'
        'networks = [{name = "ours", file = "run/best.pt"}]\n',
        encoding="utf-8",
    )
    assert main(["test", str(tmp_path / "test.toml")]) == 0
    assert "> ours" in capsys.readouterr().out
    assert main(["test", str(tmp_path / "test.toml"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["tables"][0]["archive"] == "held out"
    assert main(["train", str(tmp_path / "no.toml")]) == 1
    assert "no.toml cannot be read" in capsys.readouterr().err


def test_help_needs_no_torch() -> None:
    code = "import sys; sys.modules['torch'] = None; from backend.__main__ import main; sys.exit(main(['--help']))"
    run = subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    assert "train" in run.stdout
    assert "test" in run.stdout


@pytest.mark.parametrize(
    "command", [["train", "a.toml"], ["test", "a.toml"], ["prepare", "amass", "a", "-o", "b.clips"]]
)
def test_learning_without_torch_says_what_to_install(command, capsys, monkeypatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert main(command) == 1
    assert "needs PyTorch, which is not installed. Install" in capsys.readouterr().err
