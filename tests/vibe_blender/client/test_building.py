# SPDX-License-Identifier: MIT
"""What may go wrong while the environment is made: each told with its remedy, the former environment untouched."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from vibe_blender.client import building
from vibe_blender.client.environment import Home, Marker, inspect
from vibe_blender.client.installation import Installation, Plan

from .conftest import failure_of, left_over, steps_of, write_wheel

posix = pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX")


class TestWithoutTheNetwork:
    """What is there is checked; nothing is downloaded where Blender may not."""

    @pytest.fixture
    def check(self, install):
        def check(*parts: str) -> Installation:
            return install(*parts, offline=None, online=False)

        return check

    def test_a_check_of_what_is_there(self, ready, check):
        steps_of(running := check())
        assert running.error is None
        log = ready.log.read_text(encoding="utf-8")
        assert "doctor" in log
        assert " pip " not in log

    def test_a_lost_model(self, ready, check):
        (ready.models / "small.tflite").write_bytes(b"123")
        error = failure_of(check())
        assert error.code == "network_not_allowed"
        assert "online access" in error.hint
        assert (ready.models / "small.tflite").read_bytes() == b"123"

    def test_what_the_doctor_finds(self, ready, program, check):
        (program / "backend" / "doctor").write_text("fails")
        error = failure_of(check())
        assert error.code == "network_not_allowed"
        assert "does not load" in error.message
        assert inspect(ready, program).condition == "ready"

    def test_parts_that_are_not_there(self, ready, program, check):
        assert failure_of(check("networks")).code == "network_not_allowed"
        assert inspect(ready, program).parts == ("default",)

    def test_from_nothing(self, home, check):
        assert failure_of(check()).code == "network_not_allowed"
        assert left_over(home) == []
        assert " pip " not in home.log.read_text(encoding="utf-8")

    def test_a_folder_will_do(self, home, program, install):
        steps_of(running := install(online=False))
        assert running.error is None
        assert inspect(home, program).condition == "ready"


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
        home = Home(tmp_path / "file" / "home")
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
