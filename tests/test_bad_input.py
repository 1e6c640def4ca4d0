# SPDX-License-Identifier: MIT
"""Bad input and bad luck, end to end: the message, the exit status, and that what was captured is kept and opens."""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from backend.__main__ import main
from vibe_blender.contract import take_file as take_module
from vibe_blender.contract.protocol import Cancelled, Done, Event, Failed, Frames, Job, Warned, event_from_line
from vibe_blender.contract.take_file import load_take, partial_path, save_take

av = pytest.importorskip("av")
REPOSITORY = Path(__file__).resolve().parents[1]


def command(*arguments: str | Path) -> list[str]:
    return [sys.executable, "-E", "-s", "-m", "backend", *map(str, arguments)]


def capture(*arguments: str | Path) -> tuple[int, str]:
    """Exit status and standard error of ``vibe capture``."""
    done = subprocess.run(command("capture", *arguments), cwd=REPOSITORY, capture_output=True, timeout=300)
    return done.returncode, done.stderr.decode()


def refused(video: Path | str, take: Path, *options: str) -> str:
    """The one line of a capture that fails before anything was captured."""
    status, error = capture(video, "-o", take, *options)
    assert status == 1
    assert not take.exists()
    assert not partial_path(take).exists()
    *log, line = error.splitlines()
    assert line.startswith("vibe: ")
    assert not any("Traceback" in text for text in log)
    return line


@pytest.fixture(scope="session")
def walk() -> Path:
    """Three and a half seconds of one person walking."""
    return REPOSITORY / "tests" / "data" / "walk.mp4"


def pictures_of(path: Path) -> list[np.ndarray]:
    with av.open(str(path)) as container:
        return [picture.to_ndarray(format="rgb24") for picture in container.decode(video=0)]


class TestFilesThatAreNoVideo:
    def test_missing(self, tmp_path):
        line = refused(tmp_path / "nowhere.mp4", tmp_path / "out.take")
        assert line == f"vibe: There is no video at {tmp_path / 'nowhere.mp4'}. Check the path."

    def test_empty(self, tmp_path):
        (tmp_path / "empty.mp4").touch()
        line = refused(tmp_path / "empty.mp4", tmp_path / "out.take")
        assert "is empty (0 bytes)" in line
        assert "Copy or download" in line

    def test_not_a_video(self, tmp_path):
        (tmp_path / "notes.mp4").write_text("walk to the left, then wave\n" * 100)
        line = refused(tmp_path / "notes.mp4", tmp_path / "out.take")
        assert "is not a video" in line
        assert "video player" in line

    def test_cut_off_before_its_index(self, tmp_path, make_video):
        path = make_video()
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
        line = refused(path, tmp_path / "out.take")
        assert "cut off" in line

    def test_only_sound(self, tmp_path, pictures):
        line = refused(pictures.write_sound(tmp_path / "voice.m4a"), tmp_path / "out.take")
        assert "has no picture, only sound" in line

    def test_unknown_codec(self, tmp_path, make_video):
        path = make_video()
        path.write_bytes(path.read_bytes().replace(b"avc1", b"zzzz"))
        line = refused(path, tmp_path / "out.take")
        assert "no decoder" in line
        assert "H.264" in line

    def test_an_address(self, tmp_path):
        line = refused("https://example.org/walk.mp4", tmp_path / "out.take")
        assert "is an address, not a file" in line
        assert "Download" in line


class TestWhatIsToBeSeen:
    def test_nobody(self, models, tmp_path, make_video):
        line = refused(make_video(), tmp_path / "out.take", "--models", str(models))
        assert "Nobody was found in 24 frames" in line
        assert "--boxes" in line

    def test_the_person_leaves_half_way(self, models, tmp_path, walk, pictures):
        shown = pictures_of(walk)[:60]
        empty = [np.full_like(shown[0], 128)] * 60
        path = pictures.write(tmp_path / "leaves.mp4", shown + empty, codec_options={"preset": "ultrafast"})
        status, error = capture(path, "-o", tmp_path / "out.take", "--models", models, "--fast")
        assert status == 0, error
        take = load_take(tmp_path / "out.take")
        assert (take.status, len(take.video.times)) == ("complete", 120)
        (person,) = take.people
        assert 55 <= person.frames[-1] <= 61
        assert np.isfinite(person.rotations).all()

    def test_a_file_cut_off_half_way_gives_what_is_there(self, models, tmp_path, walk, pictures):
        path = pictures.write(
            tmp_path / "cut.mp4",
            pictures_of(walk)[:80],
            codec_options={"bf": "0", "tune": "zerolatency"},
            container_options={"movflags": "faststart"},
        )
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
        status, error = capture(path, "-o", tmp_path / "out.take", "--models", models, "--fast")
        assert status == 0, error
        assert "Warning: " in error
        take = load_take(tmp_path / "out.take")
        assert 15 < len(take.video.times) < 70
        assert any("cut short" in warning for warning in take.warnings)
        assert take.people

    def test_spaces_emoji_and_chinese_letters(self, models, tmp_path, walk):
        folder = tmp_path / "我的 视频 💃"
        folder.mkdir()
        shutil.copy(walk, folder / "走路 🚶 no 1.mp4")
        take = folder / "走路 🚶.take"
        status, error = capture(folder / "走路 🚶 no 1.mp4", "-o", take, "--models", models, "--end", "30", "--fast")
        assert status == 0, error
        assert len(load_take(take).video.times) == 30
        assert Path(load_take(take).video.path).name == "走路 🚶 no 1.mp4"
        assert main(["export", str(take), str(folder / "关节 🦴.npz"), "--format", "amass"]) == 0


class TestDisk:
    def test_a_folder_that_cannot_be_written(self, models, tmp_path, walk):
        (tmp_path / "file").write_text("in the way")
        status, error = capture(walk, "-o", tmp_path / "file" / "out.take", "--models", models)
        assert status == 1
        assert "cannot be written" in error.splitlines()[-1]
        assert "Choose a folder you may write to." in error.splitlines()[-1]

    @pytest.mark.skipif(sys.platform == "win32" or os.geteuid() == 0, reason="no such permissions, or not for root")
    def test_a_folder_without_permission(self, models, tmp_path, walk):
        folder = tmp_path / "locked"
        folder.mkdir(mode=0o500)
        status, error = capture(walk, "-o", folder / "out.take", "--models", models)
        assert status == 1
        assert "cannot be written" in error.splitlines()[-1]

    def test_the_disk_is_full_while_writing(self, models, tmp_path, walk, monkeypatch, capsys):
        # SQLite counts the pages of a file that may not grow as it counts those of a full disk.
        monkeypatch.setattr(take_module.sqlite3, "connect", small_disk(pages=60))
        take = tmp_path / "out.take"
        assert main(["capture", str(walk), "-o", str(take), "--models", str(models), "--fast"]) == 1
        line = capsys.readouterr().err.splitlines()[-1]
        assert line.startswith("vibe: The disk is full")
        assert "Free some space" in line
        assert f"What was captured is kept in {take}." in line
        monkeypatch.undo()
        kept = load_take(take)
        assert kept.status == "partial"
        assert len(kept.video.times) >= 30
        assert len(kept.person(1).frames) >= 20

    def test_the_disk_is_full_from_the_start(self, models, tmp_path, walk, monkeypatch, capsys):
        monkeypatch.setattr(take_module.sqlite3, "connect", small_disk(pages=4))
        assert main(["capture", str(walk), "-o", str(tmp_path / "out.take"), "--models", str(models), "--fast"]) == 1
        assert capsys.readouterr().err.splitlines()[-1].startswith("vibe: The disk is full")


def small_disk(pages: int):
    connect = sqlite3.connect

    def limited(*arguments, **options):
        database = connect(*arguments, **options)
        database.execute(f"PRAGMA max_page_count = {pages}")
        return database

    return limited


class TestOtherFiles:
    def test_somebody_else_s_database(self, tmp_path, make_video):
        other = tmp_path / "contacts.sqlite"
        with sqlite3.connect(other) as database:
            database.execute("CREATE TABLE friends (name TEXT)")
        database.close()
        before = other.read_bytes()
        status, error = capture(make_video(), "-o", other)
        assert status == 1
        assert "is there already and is no take" in error.splitlines()[-1]
        assert other.read_bytes() == before

    def test_the_video_s_own_name_as_take(self, make_video):
        path = make_video()
        before = path.read_bytes()
        status, error = capture(path, "-o", path)
        assert status == 1
        assert "is there already and is no take" in error.splitlines()[-1]
        assert path.read_bytes() == before

    def test_a_folder_as_take(self, tmp_path, make_video):
        status, error = capture(make_video(), "-o", tmp_path)
        assert status == 1
        assert "is a folder" in error.splitlines()[-1]


class TestTakesOfOthers:
    @pytest.mark.parametrize("arguments", [["info"], ["export", "out.npz", "--format", "joints"]])
    def test_a_newer_version(self, take, tmp_path, capsys, arguments):
        path = save_take(take, tmp_path / "new.take")
        database = sqlite3.connect(path)
        database.execute("PRAGMA user_version = 99")
        database.close()
        assert main([arguments[0], str(path), *arguments[1:]]) == 1
        error = capsys.readouterr().err
        assert error.count("\n") == 1
        assert "written by a newer version (take format 99" in error
        assert "Update VIBE for Blender" in error

    def test_not_a_take(self, tmp_path, capsys):
        (tmp_path / "old.take").write_bytes(b"not a database at all" * 100)
        assert main(["info", str(tmp_path / "old.take")]) == 1
        assert "cannot be read as a take" in capsys.readouterr().err


@pytest.fixture(scope="session")
def long_walk(tmp_path_factory, walk, pictures) -> Path:
    """Enough frames that a capture of them can be interrupted."""
    shown = pictures_of(walk)[:60]
    path = tmp_path_factory.mktemp("long") / "long.mp4"
    return pictures.write(path, (shown + shown[::-1]) * 3, codec_options={"preset": "ultrafast"})


class TestEndings:
    @pytest.mark.skipif(sys.platform == "win32", reason="Windows sends Ctrl-C to whole consoles only")
    def test_interrupted(self, models, tmp_path, long_walk):
        take = tmp_path / "out.take"
        with running("capture", long_walk, "-o", take, "--models", models, "--fast", "--events") as process:
            wait_for(process, Frames)
            process.send_signal(signal.SIGINT)
            rest, _ = process.communicate(timeout=60)
        assert process.returncode == 130
        assert last_event(rest) == Cancelled(str(take))
        kept = load_take(take)
        assert kept.status == "partial"
        assert 30 <= len(kept.video.times) < 360
        assert len(kept.person(1).frames) >= 20

    def test_interrupted_by_the_add_on_then_resumed(self, models, tmp_path, long_walk):
        take = tmp_path / "out.take"
        job = Job(video=str(long_walk), take=str(take), models=str(models), fast=True, end=120)
        with running("job", stdin=subprocess.PIPE) as process:
            process.stdin.write(job.to_line().encode())
            process.stdin.flush()
            wait_for(process, Frames)
            rest, _ = process.communicate(timeout=60)  # closes the input
        assert process.returncode == 130
        assert last_event(rest) == Cancelled(str(take))
        captured = len(load_take(take).video.times)
        assert 30 <= captured < 120
        status, error = capture(long_walk, "-o", take, "--models", models, "--fast", "--end", "120", "--resume")
        assert status == 0, error
        resumed = load_take(take)
        assert resumed.status == "complete"
        assert len(resumed.video.times) == 120
        assert not partial_path(take).exists()

    def test_killed(self, models, tmp_path, long_walk):
        take = tmp_path / "out.take"
        with running("capture", long_walk, "-o", take, "--models", models, "--fast", "--events") as process:
            wait_for(process, Frames)
            # The frames are told before they are written; the next ones are told after that.
            wait_for(process, Frames)
            process.kill()
            process.communicate(timeout=60)
        assert not take.exists()
        kept = load_take(take)
        assert kept.status == "partial"
        assert len(kept.video.times) >= 30

    def test_the_event_stream_of_a_capture(self, models, tmp_path, walk):
        take = tmp_path / "out.take"
        with running("capture", walk, "-o", take, "--models", models, "--fast", "--events", "--end", "60") as process:
            out, _ = process.communicate(timeout=60)
        stream = [event_from_line(line) for line in out.decode().splitlines()]
        assert [event.TYPE for event in stream if event][:2] == ["hello", "video"]
        assert stream[-1] == Done(str(take), 60, 1)
        assert not [event for event in stream if isinstance(event, (Failed, Warned))]

    def test_no_model_files(self, tmp_path, make_video, monkeypatch):
        (tmp_path / "nothing").mkdir()
        monkeypatch.setenv("VIBE_MODELS", str(tmp_path / "nothing"))
        line = refused(make_video(), tmp_path / "out.take", "--models", str(tmp_path / "nothing"))
        assert "pose_landmark_full.tflite is missing" in line
        assert "vibe models fetch" in line


def running(*arguments: str | Path, stdin: int = subprocess.DEVNULL) -> subprocess.Popen:
    return subprocess.Popen(
        command(*arguments), cwd=REPOSITORY, stdin=stdin, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )


def wait_for(process: subprocess.Popen, kind: type[Event]) -> None:
    for line in process.stdout:
        if isinstance(event_from_line(line.decode()), kind):
            return
    pytest.fail(f"the capture ended before it sent {kind.TYPE!r}")


def last_event(output: bytes) -> Event | None:
    return event_from_line(output.decode().splitlines()[-1])
