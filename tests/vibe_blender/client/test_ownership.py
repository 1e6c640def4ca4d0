# SPDX-License-Identifier: MIT
"""What somebody else has put where the backend goes stays as it is, whatever its name."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from vibe_blender.client import environment, ownership
from vibe_blender.client.environment import inspect, recover, remove
from vibe_blender.client.ownership import discard, is_ours, make_own, move, new_log
from vibe_blender.contract.errors import CaptureError

from .conftest import failure_of

FOLDERS = ("environment", "environment.new", "environment.old", "downloads")


def contents(folder: Path) -> dict[str, bytes]:
    """Every file in a folder but the claim of an installation, which may still be ending."""
    files = [path for path in folder.rglob("*") if path.is_file() and not path.name.startswith("install.lock")]
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


@pytest.fixture
def somebody(home):
    """A folder that somebody uses for other things under the very same names."""
    for name in (*FOLDERS, "models"):
        (home.folder / name / "deep").mkdir(parents=True)
        (home.folder / name / "deep" / "thesis.txt").write_text(name, encoding="utf-8")
    home.log.write_text("of another program", encoding="utf-8")
    return home


def refusal(action) -> CaptureError:
    with pytest.raises(CaptureError) as refused:
        action()
    return refused.value


class TestForeignFiles:
    def test_neither_removing_nor_recovering_nor_installing_touches_them(self, somebody, install):
        before = contents(somebody.folder)
        for error in (
            refusal(lambda: remove(somebody)),
            refusal(lambda: recover(somebody)),
            failure_of(install()),
        ):
            assert error.code == "foreign_files"
            assert str(somebody.environment) in error.message
            assert "Move it elsewhere" in error.hint
        assert contents(somebody.folder) == before

    @pytest.mark.parametrize("name", FOLDERS)
    def test_any_of_them_stops_an_installation_and_is_named(self, somebody, install, name):
        for other in set(FOLDERS) - {name}:
            shutil.rmtree(somebody.folder / other)
        somebody.log.unlink()
        before = contents(somebody.folder)
        error = failure_of(install())
        assert error.code == "foreign_files"
        assert f"{somebody.folder / name} is in the way" in error.message
        assert contents(somebody.folder) == before

    def test_so_does_another_log(self, home, install):
        home.folder.mkdir()
        home.log.write_text("of another program", encoding="utf-8")
        error = failure_of(install())
        assert error.code == "foreign_files"
        assert str(home.log) in error.message
        assert home.log.read_text(encoding="utf-8") == "of another program"

    def test_the_panel_is_told(self, somebody):
        state = inspect(somebody)
        assert state.condition == "broken"
        assert str(somebody.environment) in state.reason

    def test_an_environment_made_by_other_means(self, home):
        home.python.parent.mkdir(parents=True)
        home.python.touch()
        assert refusal(lambda: remove(home)).code == "foreign_files"
        assert home.python.exists()

    def test_removing_ours_leaves_theirs(self, ready):
        (ready.models / "mine.pkl").write_bytes(b"body")
        (ready.models / "notes").mkdir()
        ready.log.write_text("of another program", encoding="utf-8")
        remove(ready)
        assert contents(ready.folder) == {"models/mine.pkl": b"body", "install.log": b"of another program"}
        assert (ready.models / "notes").is_dir()

    def test_a_link_to_models_of_somebody(self, ready, tmp_path):
        theirs = tmp_path / "theirs"
        ready.models.rename(theirs)
        ready.models.symlink_to(theirs, target_is_directory=True)
        remove(ready)
        assert contents(theirs) == {"small.tflite": b"12345"}

    def test_a_broken_link_is_not_ours(self, home, tmp_path):
        home.folder.mkdir()
        home.environment.symlink_to(tmp_path / "an unplugged disk")
        assert refusal(lambda: recover(home)).code == "foreign_files"
        assert home.environment.is_symlink()
        assert inspect(home).condition == "broken"


class TestOurs:
    def test_marked_from_the_start(self, tmp_path):
        make_own(tmp_path / "new")
        assert is_ours(tmp_path / "new")
        assert [path.suffix for path in (tmp_path / "new").iterdir()] == [".txt"]
        make_own(tmp_path / "new")
        discard(tmp_path / "new")
        assert is_ours(tmp_path / "new"), "what is not there is nobody's"
        discard(tmp_path / "new")

    def test_nothing_is_lost_with_an_empty_folder(self, tmp_path):
        assert is_ours(tmp_path)
        (tmp_path / "file").touch()
        assert not is_ours(tmp_path)
        assert not is_ours(tmp_path / "file")
        for action in (make_own, discard, lambda folder: move(folder, tmp_path / "elsewhere")):
            assert refusal(lambda action=action: action(tmp_path)).code == "foreign_files"
        assert (tmp_path / "file").exists()

    def test_an_unfinished_environment_is_recognised_and_removed(self, home, install):
        home.folder.mkdir()
        make_own(home.unfinished)
        (home.unfinished / "half a package").touch()
        recover(home)
        assert not home.unfinished.exists()

    @pytest.mark.parametrize("stop", range(5))
    def test_a_deletion_that_was_killed_is_ended_by_the_next(self, home, former, monkeypatch, stop):
        home.environment.rename(home.former)
        erase, left = ownership._erase, [stop]

        def killed(path: Path) -> None:
            if not left[0]:
                raise KeyboardInterrupt
            left[0] -= 1
            erase(path)

        with monkeypatch.context() as patch:
            patch.setattr(ownership, "_erase", killed)
            try:
                discard(home.former, first=environment.MARKER)
            except KeyboardInterrupt:
                assert is_ours(home.former)
        if stop:
            assert inspect(home).condition == "absent", "half an environment does not come back"
            recover(home)
            assert not home.former.exists()

    def test_a_killed_download_of_models_is_removed(self, ready):
        scratch = ready.models / "fetch-a1b2_c3d"
        scratch.mkdir()
        (scratch / "mediapipe-1.whl").write_bytes(b"half")
        theirs = ready.models / "fetch-12345678"
        theirs.mkdir()
        (theirs / "thesis.txt").write_text("mine", encoding="utf-8")
        recover(ready)
        assert sorted(path.name for path in ready.models.iterdir()) == ["fetch-12345678", "small.tflite"]

    def test_a_log_follows_a_log(self, tmp_path):
        for words in (b"first\n", b"second\n"):
            with new_log(tmp_path / "install.log") as log:
                log.write(words)
        assert (tmp_path / "install.log").read_bytes().endswith(b"\nsecond\n")
        ownership.discard_log(tmp_path / "install.log")
        assert not (tmp_path / "install.log").exists()


def test_the_model_files_are_those_of_the_backend() -> None:
    models = pytest.importorskip("backend.models")
    assert set(environment._MODELS) == {item.name for item in models.MODEL_FILES}
