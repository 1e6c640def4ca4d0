# SPDX-License-Identifier: MIT
"""What is told of an environment from its files alone, however odd they are."""

from __future__ import annotations

import json
import sys

import pytest

from vibe_blender.client import environment, ownership
from vibe_blender.client.environment import Home, Marker, claim, folder_bytes, inspect, missing_models, remove
from vibe_blender.client.ownership import make_own
from vibe_blender.contract.errors import CaptureError

MARKER = Marker("0.1.0", "x", ("default",), "", "3.11.9", ("a-1.dist-info",), (("a.tflite", 3), ("b.tflite", 4)), 100)


@pytest.fixture
def made(home) -> Home:
    """An environment as the marker says, made by hand."""
    home.folder.mkdir()
    make_own(home.environment)
    home.python.parent.mkdir(parents=True)
    home.python.touch()
    (environment.site_packages(home.environment) / "a-1.dist-info").mkdir(parents=True)
    MARKER.save(home.environment)
    return home


def test_nothing_there(home) -> None:
    state = inspect(home)
    assert (state.condition, state.parts, state.size_bytes) == ("absent", (), 0)
    assert missing_models(home) == []
    remove(home)
    assert not home.folder.exists(), "looking makes nothing"


def test_a_marker_is_read_as_it_was_written(made) -> None:
    assert Marker.load(made.environment) == MARKER


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "{}", '{"parts": 3}', json.dumps({"models": [["a"]]}), "\udcff", "null"]
)
def test_a_marker_somebody_changed(made, text) -> None:
    (made.environment / environment.MARKER).write_bytes(text.encode("utf-8", "surrogatepass"))
    assert Marker.load(made.environment) is None
    assert inspect(made).condition == "broken"
    assert missing_models(made) == []


def test_models_are_looked_for_by_size(made) -> None:
    assert missing_models(made) == ["a.tflite", "b.tflite"]
    made.models.mkdir()
    (made.models / "a.tflite").write_bytes(b"123")
    (made.models / "b.tflite").write_bytes(b"123")
    assert missing_models(made) == ["b.tflite"]


def test_other_packages_wanted(made) -> None:
    state = inspect(made)
    assert state.condition == "outdated"
    assert "0.1.0" in state.reason
    assert (state.parts, state.python_version, state.program) == (("default",), "3.11.9", "0.1.0")


def test_the_python_it_was_made_with_is_gone(made) -> None:
    made.python.unlink()
    made.python.symlink_to(made.folder / "an older Blender")
    assert inspect(made).condition == "broken"
    assert "Blender" in inspect(made).reason


def test_a_package_is_gone(made) -> None:
    (environment.site_packages(made.environment) / "a-1.dist-info").rmdir()
    assert inspect(made).reason == "The package a is gone."


def test_leftovers_without_a_marker_do_no_harm(made) -> None:
    made.unfinished.mkdir()
    made.environment.rename(made.folder / "elsewhere")
    assert inspect(made).condition == "absent"


def test_only_one_may_claim(home) -> None:
    with claim(home):
        with pytest.raises(CaptureError) as refused, claim(home):
            pass
        assert refused.value.code == "installation_running"
        with pytest.raises(CaptureError):
            remove(home)
    with claim(home):
        pass


def test_an_environment_linked_in_from_elsewhere_is_unlinked_only(made, tmp_path) -> None:
    real = tmp_path / "real"
    made.environment.rename(real)
    made.environment.symlink_to(real, target_is_directory=True)
    remove(made)
    assert not made.environment.exists()
    assert (real / environment.MARKER).is_file()


@pytest.mark.skipif(sys.platform != "win32", reason="only Windows keeps an open file from being moved")
def test_a_file_that_is_open_keeps_its_environment_whole(made, monkeypatch) -> None:
    monkeypatch.setattr(ownership, "_RENAME_SECONDS", 0.1)
    with made.python.open("rb"), pytest.raises(CaptureError) as held:
        remove(made)
    assert held.value.code == "environment_in_use"
    assert Marker.load(made.environment) == MARKER


def test_an_environment_in_use_stays_whole(made, monkeypatch) -> None:
    monkeypatch.setattr(ownership, "_RENAME_SECONDS", 0.0)

    def held(*_) -> None:
        raise PermissionError(13, "The process cannot access the file")

    monkeypatch.setattr(ownership.Path, "rename", held)
    with pytest.raises(CaptureError) as error:
        remove(made)
    assert error.value.code == "environment_in_use"
    assert "captures" in error.value.hint
    assert Marker.load(made.environment) == MARKER


def test_a_folder_that_cannot_be_looked_at(tmp_path) -> None:
    home = Home(tmp_path / ("x" * 300))
    state = inspect(home)
    assert (state.condition, state.parts) == ("broken", ())
    assert state.reason
    assert missing_models(home) == []
    with pytest.raises(CaptureError) as refused:
        remove(home)
    assert refused.value.code == "environment_unwritable"


def test_a_marker_leads_nowhere_else(made) -> None:
    record = json.loads((made.environment / environment.MARKER).read_text(encoding="utf-8"))
    record["models"] = [["../../thesis.txt", 4]]
    (made.environment / environment.MARKER).write_text(json.dumps(record), encoding="utf-8")
    thesis = made.folder.parent / "thesis.txt"
    thesis.write_text("mine", encoding="utf-8")
    made.models.mkdir()
    remove(made)
    assert thesis.read_text(encoding="utf-8") == "mine"


def test_sizes(tmp_path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "b").write_bytes(b"12345")
    (tmp_path / "c").write_bytes(b"12")
    assert folder_bytes(tmp_path) == 7
    assert folder_bytes(tmp_path / "not there") == 0
