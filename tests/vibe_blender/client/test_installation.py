# SPDX-License-Identifier: MIT
"""Installations with real pip and real environments: they end whole or not at all, whatever happens on the way."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from vibe_blender.client import environment, installation
from vibe_blender.client.environment import Marker, State, inspect, missing_models, remove
from vibe_blender.client.installation import Installation, Plan, Step, needs_network
from vibe_blender.contract.errors import CaptureError

from .conftest import failure_of, left_over, steps_of

STAGES = (
    "Making a Python environment.",
    "Getting pip.",
    "Looking for the packages.",
    "Getting the landmark models.",
    "Checking that everything works.",
)
posix = pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX")


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
    if lost[what].is_dir():
        shutil.rmtree(lost[what])
    else:
        lost[what].unlink()


def alive(pid: int) -> bool:
    state = Path(f"/proc/{pid}/stat")
    if state.parent.parent.joinpath("self").exists():
        return state.exists() and state.read_text().rpartition(")")[2].split()[0] != "Z"
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


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
        deleting, discard = threading.Event(), installation.discard

        def slowly(folder: Path, first: str) -> None:
            deleting.wait(10)
            discard(folder, first)

        monkeypatch.setattr(installation, "discard", slowly)
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


@pytest.mark.parametrize(
    ("parts", "torch", "offline", "missing", "expected"),
    [
        (("default",), "auto", None, [], False),
        (("default",), "cuda", None, [], False),
        (("default",), "auto", None, ["small.tflite"], True),
        (("default", "networks"), "auto", None, [], True),
        (("default", "networks"), "auto", Path("wheels"), [], False),
    ],
)
def test_what_needs_the_network(ready, program, parts, torch, offline, missing, expected):
    plan = Plan(Path(sys.executable), parts, torch, offline)
    assert needs_network(inspect(ready, program), plan, missing) == expected


@pytest.mark.parametrize(
    ("condition", "built", "wanted", "expected"),
    [
        ("ready", "cpu", "cpu", False),
        ("ready", "cuda", "auto", False),
        ("ready", "cuda", "cpu", True),
        ("outdated", "cpu", "cpu", True),
        ("broken", "cpu", "cpu", True),
    ],
)
def test_which_build_needs_the_network(condition, built, wanted, expected):
    parts = ("default", "networks")
    state = State(condition, parts, "", "3.11.9", 1, "0.1.0", built)
    assert needs_network(state, Plan(Path(sys.executable), parts, wanted)) == expected


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
    steps_of(second := Installation(home, Plan(Path(sys.executable), online=False)))
    assert second.error is None
    assert second.seconds < running.seconds
