# SPDX-License-Identifier: MIT
"""Installations with real pip and real environments: they end whole or not at all, whatever happens on the way."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from vibe_blender.client import building, environment, installation
from vibe_blender.client.environment import Marker, inspect, missing_models, remove
from vibe_blender.client.installation import Installation, Plan, Step
from vibe_blender.contract.errors import CaptureError

from .conftest import write_wheel

STAGES = (
    "Making a Python environment.",
    "Getting pip.",
    "Looking for the packages.",
    "Getting the landmark models.",
    "Checking that everything works.",
)
posix = pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX")


def steps_of(running: Installation, seconds: float = 120.0) -> list[Step]:
    """Every step of an installation that ends."""
    steps = [running.step]
    deadline = time.monotonic() + seconds
    while not running.wait(0.01):
        assert time.monotonic() < deadline, "the installation does not end"
        if running.step != steps[-1]:
            steps.append(running.step)
    return [*steps, running.step]


def failure_of(running: Installation) -> CaptureError:
    steps_of(running)
    assert running.error is not None
    assert not running.cancelled
    assert running.error.hint
    return running.error


def installed(home) -> dict[str, str]:
    """Names and versions of the packages in the environment."""
    folders = environment.site_packages(home.environment).glob("tiny*.dist-info")
    return dict(path.name.removesuffix(".dist-info").split("-") for path in folders)


def lose(home, what: str) -> None:
    """Deletes a part of the environment, as a virus scanner or a tidy user would."""
    packages = environment.site_packages(home.environment)
    lost = {
        "everything": home.environment,
        "python": home.python.parent,
        "packages": packages,
        "one package": packages / "tiny_one-1.2.dist-info",
        "marker": home.environment / environment.MARKER,
    }
    environment.erase(lost[what])


def left_over(home) -> list[str]:
    """What lies in the home that does not belong there, once nobody deletes any more."""
    if home.folder.is_dir():
        with environment.claim(home, 30.0):
            pass
    there = {path.name for path in home.folder.iterdir()} if home.folder.is_dir() else set()
    return sorted(there - {"environment", "models", "install.log", "install.lock"})


def alive(pid: int) -> bool:
    state = Path(f"/proc/{pid}/stat")
    if state.parent.parent.joinpath("self").exists():
        return state.exists() and state.read_text().rpartition(")")[2].split()[0] != "Z"
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.fixture
def former(home) -> Marker:
    """An environment of an earlier version that works."""
    home.environment.mkdir(parents=True)
    home.python.parent.mkdir()
    home.python.touch()
    environment.site_packages(home.environment).mkdir(parents=True)
    marker = Marker("0.0.1", "old", ("default",), "", "3.11.0", (), (("small.tflite", 5),), 1000)
    marker.save(home.environment)
    return marker


class TestWhole:
    def test_an_installation_from_nothing(self, home, program, install):
        steps = steps_of(running := install())
        assert running.error is None
        assert not running.cancelled
        assert [step.fraction for step in steps] == sorted(step.fraction for step in steps)
        assert steps[-1] == Step("The backend is ready.", 1.0)
        assert set(STAGES) <= {step.text for step in steps}
        assert any(step.text.startswith("Unpacking packages") for step in steps)
        state = inspect(home, program)
        assert (state.condition, state.parts, state.reason) == ("ready", ("default",), "")
        assert state.python_version.startswith(f"3.{sys.version_info.minor}.")
        assert state.size_bytes > 1_000_000
        assert installed(home) == {"tiny_one": "1.2", "tiny_two": "1.0"}, "the pinned versions"
        assert left_over(home) == []
        assert missing_models(home) == []
        log = home.log.read_text(encoding="utf-8")
        assert "Successfully installed" in log
        assert "a library warns" in log

    def test_the_environment_works_after_it_was_moved_to_its_place(self, ready):
        code = "import tiny_one, sys; print(tiny_one.__file__); print(sys.prefix)"
        run = subprocess.run([ready.python, "-I", "-X", "utf8", "-c", code], capture_output=True, check=True)
        module, prefix = run.stdout.decode().splitlines()
        assert Path(module).parent == environment.site_packages(ready.environment)
        assert Path(prefix) == ready.environment

    def test_the_second_installation_reuses_the_first(self, ready, program, install):
        made = (ready.environment / environment.MARKER).stat().st_mtime_ns
        steps_of(second := install())
        assert second.error is None
        assert second.step == Step("The backend is ready.", 1.0)
        assert (ready.environment / environment.MARKER).stat().st_mtime_ns == made
        assert "pip install" not in ready.log.read_text(encoding="utf-8")

    def test_networks_are_added(self, ready, program, install):
        steps_of(added := install("networks", torch="cpu"))
        assert added.error is None
        assert inspect(ready, program).parts == ("default", "networks")
        assert inspect(ready, program).torch == "cpu"
        assert installed(ready) == {"tiny_one": "1.2", "tiny_two": "1.0", "tiny_net": "2.0"}
        assert left_over(ready) == []

    def test_an_update_replaces_the_former(self, home, program, install, former):
        assert inspect(home, program).condition == "outdated"
        assert "0.0.1" in inspect(home, program).reason
        steps_of(update := install())
        assert update.error is None
        assert inspect(home, program).condition == "ready"
        assert left_over(home) == []

    @pytest.mark.parametrize("loss", ["everything", "python", "packages", "one package", "marker"])
    def test_what_was_deleted_underneath_is_noticed(self, ready, program, loss):
        lose(ready, loss)
        state = inspect(ready, program)
        assert state.condition == ("absent" if loss == "everything" else "broken")
        assert state.reason

    @pytest.mark.parametrize("loss", ["python", "marker"])
    def test_repair(self, ready, program, install, loss):
        lose(ready, loss)
        steps_of(repair := install())
        assert repair.error is None
        assert inspect(ready, program).condition == "ready"
        assert left_over(ready) == []

    def test_repair_of_what_only_the_doctor_notices(self, ready, program, install):
        module = environment.site_packages(ready.environment) / "tiny_one.py"
        module.unlink()
        assert inspect(ready, program).condition == "ready"
        steps_of(repair := install())
        assert repair.error is None
        assert module.is_file()

    def test_lost_models_come_back_without_a_new_environment(self, ready, program, install):
        (ready.models / "small.tflite").write_bytes(b"123")
        assert missing_models(ready) == ["small.tflite"]
        steps_of(install())
        assert missing_models(ready) == []
        assert "pip install" not in ready.log.read_text(encoding="utf-8")


class TestCancel:
    @pytest.mark.parametrize("stage", STAGES)
    def test_within_a_second_at_every_stage(self, home, program, install, former, stage):
        for command in ("fetch", "doctor"):
            if stage == {"fetch": STAGES[3], "doctor": STAGES[4]}[command]:
                (program / "backend" / command).write_text("sleeps")
        running = install()
        deadline = time.monotonic() + 60
        while running.step.text != stage:
            assert time.monotonic() < deadline
            assert not running.finished
            time.sleep(0.005)
        time.sleep(0.3)
        before = time.monotonic()
        running.cancel()
        assert running.wait(1.0), "it takes more than a second"
        assert time.monotonic() - before < 1.0
        assert running.cancelled
        assert running.error is None
        assert running.step.text == "Cancelled."
        assert Marker.load(home.environment) == former
        assert inspect(home, program).condition == "outdated"
        assert left_over(home) == []

    def test_a_new_attempt_waits_for_what_the_last_one_deletes(self, home, program, install, monkeypatch):
        deleting, erase = threading.Event(), installation.erase

        def slowly(path: Path) -> None:
            deleting.wait(10)
            erase(path)

        monkeypatch.setattr(installation, "erase", slowly)
        first = install()
        first.cancel()
        assert first.wait(5)
        second = install()
        assert not second.wait(0.5)
        assert second.step.text == "Waiting for another installation to end."
        third = install()
        third.cancel()
        assert third.wait(1.0), "waiting can be cancelled"
        assert third.cancelled
        deleting.set()
        steps_of(second)
        assert second.error is None
        assert inspect(home, program).condition == "ready"

    def test_nothing_is_left_where_nothing_was(self, home, program, install):
        running = install()
        running.cancel()
        steps_of(running)
        assert running.cancelled
        assert inspect(home, program).condition == "absent"
        assert left_over(home) == []


class TestKilled:
    SCRIPT = """
import sys
from pathlib import Path
sys.path.insert(0, {repository!r})
from vibe_blender.client.environment import Home
from vibe_blender.client.installation import Installation, Plan
Installation(Home(Path({home!r})), Plan(Path(sys.executable), offline=Path({wheels!r})), Path({program!r})).wait(60)
"""

    @posix
    def test_no_installer_outlives_blender_and_the_next_start_cleans_up(
        self, home, program, wheels, install, monkeypatch
    ):
        (program / "backend" / "fetch").write_text("sleeps")
        repository = Path(__file__).resolve().parents[3]
        code = self.SCRIPT.format(
            repository=str(repository), home=str(home.folder), wheels=str(wheels), program=str(program)
        )
        blender = subprocess.Popen([sys.executable, "-c", code])
        pids = program / "backend" / "pids"
        deadline = time.monotonic() + 60
        while not (pids.is_file() and len(pids.read_text().split()) == 2):
            assert blender.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.02)
        assert home.unfinished.is_dir()
        monkeypatch.setattr(environment, "_REMOVE_SECONDS", 0.0)
        with pytest.raises(CaptureError) as refused:
            remove(home)
        assert refused.value.code == "installation_running"
        os.kill(blender.pid, signal.SIGKILL)
        blender.wait()
        deadline = time.monotonic() + 2.0
        while any(alive(int(pid)) for pid in pids.read_text().split()):
            assert time.monotonic() < deadline, "an installer outlives Blender"
            time.sleep(0.02)
        assert inspect(home, program).condition == "absent"
        (program / "backend" / "fetch").unlink()
        steps_of(again := install())
        assert again.error is None
        assert left_over(home) == []

    def test_between_the_two_renames_of_the_exchange(self, home, program, former):
        home.environment.rename(home.former)
        home.unfinished.mkdir()
        assert inspect(home, program).condition == "outdated", "the former is back"
        assert Marker.load(home.environment) == former

    def test_after_the_new_one_was_finished(self, home, program, former):
        home.environment.rename(home.former)
        shutil.copytree(home.former, home.unfinished, symlinks=True)
        newer = Marker("0.2.0", "new", ("default",), "", "3.11.0", (), (), 1)
        newer.save(home.unfinished)
        inspect(home, program)
        assert Marker.load(home.environment) == newer

    def test_two_at_once_are_one(self, install, monkeypatch):
        monkeypatch.setattr(installation, "_PATIENCE_SECONDS", 0.0)
        first = install()
        time.sleep(0.2)
        assert failure_of(install()).code == "installation_running"
        first.cancel()
        steps_of(first)
        assert first.cancelled


class TestFaults:
    def test_a_wheel_missing_offline_is_named_with_the_command_that_gets_it(self, home, program, install, wheels):
        (wheels / "tiny_two-1.0-py3-none-any.whl").unlink()
        error = failure_of(install())
        assert error.code == "package_missing_offline"
        assert "tiny-two" in error.message
        assert "tiny-one" not in error.message
        assert "pip download" in error.hint
        assert str(program / "constraints.txt") in error.hint
        assert inspect(home, program).condition == "absent"
        assert left_over(home) == []

    def test_an_offline_folder_that_is_not_there(self, install, tmp_path):
        error = failure_of(install(offline=tmp_path / "no stick"))
        assert error.code == "package_missing_offline"
        assert "pip, tiny-one, tiny-two" in error.message

    def test_the_network_is_refused(self, home, program, install, monkeypatch):
        with socket.socket() as closed:
            closed.bind(("127.0.0.1", 0))
            monkeypatch.setenv("PIP_INDEX_URL", f"http://127.0.0.1:{closed.getsockname()[1]}/simple")
            monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
            monkeypatch.setenv("PIP_RETRIES", "1")
            monkeypatch.setenv("NO_PROXY", "127.0.0.1")
            monkeypatch.delenv("PIP_FIND_LINKS", raising=False)
            monkeypatch.delenv("PIP_EXTRA_INDEX_URL", raising=False)
            error = failure_of(install(offline=None))
        assert error.code == "network_refused"
        assert inspect(home, program).condition == "absent"
        assert left_over(home) == []

    @pytest.mark.skipif(sys.platform != "linux", reason="makes a small disk as Linux does")
    def test_the_disk_is_full_while_pip_unpacks(self, home, program, install, wheels, monkeypatch):
        (wheels / "tiny_two-1.0-py3-none-any.whl").unlink()
        write_wheel(wheels, "tiny-two", "1.0", bytes(90_000_000))
        monkeypatch.setattr(building, "_ROOM", {"": 0})
        home.folder.mkdir()
        mount = ["mount", "-t", "tmpfs", "-o", "size=80m", "tmpfs", str(home.folder)]
        if subprocess.run(mount, capture_output=True, check=False).returncode:
            pytest.skip("a small disk needs the right to mount one")
        try:
            error = failure_of(install())
            assert error.code == "disk_full"
            assert inspect(home, program).condition == "absent"
            assert left_over(home) == []
            assert shutil.disk_usage(home.folder).free > 70_000_000
        finally:
            subprocess.run(["umount", str(home.folder)], check=True)

    def test_too_little_room_is_said_before_the_download(self, home, install, monkeypatch):
        monkeypatch.setattr(building, "_ROOM", {"": 10**18})
        error = failure_of(install())
        assert error.code == "disk_full"
        assert "pip install" not in home.log.read_text(encoding="utf-8")

    def test_a_path_too_long_for_windows_is_said_before_the_download(self, install, monkeypatch):
        monkeypatch.setattr(building, "_longest_path", lambda: 120)
        assert failure_of(install()).code == "path_too_long"

    def test_models_that_cannot_be_had(self, home, program, install, former):
        (program / "backend" / "fetch").write_text("fails")
        error = failure_of(install())
        assert (error.code, error.message) == ("fetch_failed", "No.")
        assert "vibe" not in error.hint, "the hint is for the panel, not for the command line"
        assert Marker.load(home.environment) == former

    def test_an_environment_that_does_not_work_does_not_replace_one_that_does(self, home, program, install, former):
        (program / "backend" / "doctor").write_text("fails")
        error = failure_of(install())
        assert error.code == "environment_faulty"
        assert "does not load" in error.message
        assert error.hint == "Pray."
        assert Marker.load(home.environment) == former
        assert left_over(home) == []

    def test_no_such_python(self, home, install, tmp_path):
        assert failure_of(install(python=tmp_path / "no python")).code == "python_missing"

    def test_cuda_without_a_driver(self, install, monkeypatch):
        monkeypatch.setattr(building.shutil, "which", lambda name: None)
        assert failure_of(install("networks", torch="cuda")).code == "no_nvidia_driver"

    def test_a_home_that_cannot_be_made(self, program, wheels, tmp_path):
        (tmp_path / "file").write_text("in the way")
        home = environment.Home(tmp_path / "file" / "home")
        error = failure_of(Installation(home, Plan(Path(sys.executable), offline=wheels), program))
        assert error.code == "environment_unwritable"


@posix
class TestOddPythons:
    """Pythons that differ from a whole one in one thing, made by a script in front of this one."""

    @pytest.fixture
    def odd(self, tmp_path):
        def make(when: str, then: str) -> Path:
            path = tmp_path / "odd python"
            path.write_text(f'#!/bin/sh\nif [ "$2" = {when} ]; then {then}; fi\nexec "{sys.executable}" "$@"\n')
            path.chmod(0o755)
            return path

        return make

    def test_debian_without_the_venv_package(self, install, odd):
        python = odd("-m", "echo 'because ensurepip is not available. On Debian/Ubuntu'; exit 1")
        error = failure_of(install(python=python))
        assert error.code == "venv_failed"
        assert "python3-venv" in error.hint

    def test_a_build_that_makes_environments_without_a_python(self, install, odd):
        error = failure_of(install(python=odd("-m", 'mkdir -p "$4"; exit 0')))
        assert error.code == "venv_failed"
        assert "Name another Python" in error.hint

    def test_one_that_is_too_old(self, install, odd):
        error = failure_of(install(python=odd("-c", "echo 3.9.2; exit 0")))
        assert error.code == "python_too_old"
        assert "3.9.2" in error.message

    def test_something_that_is_no_python(self, install, odd):
        assert failure_of(install(python=odd("-c", "exit 3"))).code == "python_missing"


def test_remove_leaves_nothing(ready, program):
    (ready.folder / "notes of the user.txt").write_text("mine")
    remove(ready)
    assert [path.name for path in ready.folder.iterdir()] == ["notes of the user.txt"]
    assert inspect(ready, program).condition == "absent"
    remove(ready)


@pytest.mark.slow
def test_the_real_packages(home, pip_wheel):
    running = Installation(home, Plan(Path(sys.executable)))
    steps_of(running, seconds=900)
    if running.error is not None and running.error.code == "network_refused":
        pytest.skip("the package index cannot be reached")
    assert running.error is None, running.error
    assert inspect(home).condition == "ready"
    assert missing_models(home) == []
    steps_of(second := Installation(home, Plan(Path(sys.executable))))
    assert second.error is None
    assert second.seconds < running.seconds
