# SPDX-License-Identifier: MIT
"""A program whose backend needs a few tiny packages, and a folder of their wheels: real pip, real environments."""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from vibe_blender.client import environment
from vibe_blender.client.environment import Home, Marker, claim
from vibe_blender.client.installation import Installation, Plan, Step
from vibe_blender.client.ownership import make_own
from vibe_blender.client.process import PROGRAM_FOLDER
from vibe_blender.client.requirements import pinned
from vibe_blender.contract.errors import CaptureError

PROJECT = """
[project]
dependencies = ["tiny-one>=1", "tiny_two"]
[project.optional-dependencies]
networks = ["tiny-net>=2"]
dev = ["tiny-dev"]
"""
CONSTRAINTS = """# Tested versions.
tiny-one==1.2
tiny_two==1.0
tiny-net==2.0
tiny-dev==3.0
"""
# Does what the installation asks the backend for; a file named like a command's first word makes it do worse.
BACKEND = """
import json, os, pathlib, subprocess, sys, time

here = pathlib.Path(__file__).resolve().parent
words = sys.argv[1:]
models = pathlib.Path(words[words.index("--models") + 1])
command = " ".join(word for word in words[:2] if not word.startswith("-"))
mood = here / command.split()[-1]
mood = mood.read_text() if mood.exists() else ""
if mood == "sleeps":
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    (here / "pids").write_text(f"{os.getpid()} {child.pid}")
    time.sleep(60)
if command == "models list":
    print(json.dumps([{"name": "small.tflite", "bytes": 5}]))
elif command == "models fetch":
    print(json.dumps({"type": "progress", "stage": "fetch", "done": 1000000, "total": 5000000, "rate": 1.0}))
    if mood == "fails":
        print(json.dumps({"type": "error", "code": "fetch_failed", "message": "No.", "hint": "Run `vibe`."}))
        sys.exit(1)
    if "--from" in words and pathlib.Path(words[words.index("--from") + 1]) == models:
        if not (models / "small.tflite").is_file() or len((models / "small.tflite").read_bytes()) != 5:
            print(json.dumps({"type": "error", "code": "models_missing_offline", "message": "No.", "hint": "Get it."}))
            sys.exit(1)
    models.mkdir(parents=True, exist_ok=True)
    (models / "small.tflite").write_bytes(b"12345")
elif command == "doctor":
    from importlib import import_module
    print("a library warns", file=sys.stderr)
    findings = []
    for name in ("tiny-one", "tiny-two", "tiny-net"):
        try:
            import_module(name.replace("-", "_"))
            findings.append({"subject": name, "state": "ok", "detail": "1.0", "remedy": ""})
        except ImportError:
            state = "note" if name == "tiny-net" else "problem"
            findings.append({"subject": name, "state": state, "detail": "not installed", "remedy": "Install it."})
    if mood == "fails":
        findings.append({"subject": "tiny-one", "state": "problem", "detail": "does not load", "remedy": "Pray."})
    works = all(finding["state"] != "problem" for finding in findings)
    print(json.dumps({"capture_works": works, "findings": findings}))
"""


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
    """Why an installation failed, as it has to."""
    steps_of(running)
    assert running.error is not None
    assert not running.cancelled
    assert running.error.hint
    return running.error


def left_over(home: Home) -> list[str]:
    """What lies in the home that does not belong there, once nobody deletes any more."""
    if home.folder.is_dir():
        with environment.claim(home, 30.0):
            pass
    there = {path.name for path in home.folder.iterdir()} if home.folder.is_dir() else set()
    return sorted(there - {"environment", "models", "install.log", "install.lock"})


def write_wheel(folder: Path, name: str, version: str, content: bytes = b"") -> Path:
    """A wheel of one module that holds nothing but ``content``."""
    module, info = name.replace("-", "_"), f"{name.replace('-', '_')}-{version}.dist-info"
    path = folder / f"{module}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as wheel:
        wheel.writestr(f"{module}.py", "")
        wheel.writestr(f"{module}_data.bin", content)
        wheel.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        wheel.writestr(
            f"{info}/WHEEL", "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        wheel.writestr(f"{info}/RECORD", "")
    return path


@pytest.fixture(scope="session")
def pip_wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of the pinned pip, which every installation needs."""
    folder = tmp_path_factory.mktemp("pip")
    command = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--dest", str(folder), pinned("pip")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"{pinned('pip')} cannot be downloaded here: {done.stderr.strip()[-200:]}")
    return next(folder.glob("*.whl"))


def write_wheels(folder: Path, pip_wheel: Path) -> Path:
    """An offline folder that has all the tiny program needs."""
    folder.mkdir()
    shutil.copy(pip_wheel, folder)
    for name, version in (("tiny-one", "1.2"), ("tiny-one", "1.3"), ("tiny_two", "1.0"), ("tiny-net", "2.0")):
        write_wheel(folder, name, version)
    return folder


def write_program(folder: Path) -> Path:
    """A program folder as the extension's, its backend a fake."""
    (folder / "backend").mkdir(parents=True)
    (folder / "backend" / "__main__.py").write_text(BACKEND, encoding="utf-8")
    (folder / "pyproject.toml").write_text(PROJECT, encoding="utf-8")
    pins = f"{CONSTRAINTS}{pinned('pip', PROGRAM_FOLDER)}\n"
    (folder / "constraints.txt").write_text(pins, encoding="utf-8")
    return folder


@pytest.fixture
def wheels(tmp_path: Path, pip_wheel: Path) -> Path:
    """The offline folder."""
    return write_wheels(tmp_path / "wheels on a stick ü", pip_wheel)


@pytest.fixture
def program(tmp_path: Path) -> Path:
    """The program's folder."""
    return write_program(tmp_path / "program 程序")


@pytest.fixture(scope="session")
def installed_once(tmp_path_factory: pytest.TempPathFactory, pip_wheel: Path) -> Path:
    """A home with the tiny program's environment, to be copied."""
    folder = tmp_path_factory.mktemp("installed")
    plan = Plan(Path(sys.executable), offline=write_wheels(folder / "wheels", pip_wheel))
    installation = Installation(Home(folder / "home"), plan, write_program(folder / "program"))
    assert installation.wait(120)
    assert installation.error is None, installation.error
    with claim(Home(folder / "home"), 10.0):  # its lock is gone
        pass
    return folder / "home"


@pytest.fixture
def ready(home: Home, installed_once: Path) -> Home:
    """The home with the tiny program's environment in it, as an installation left it."""
    shutil.copytree(installed_once, home.folder, symlinks=True)
    return home


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """A folder of the user's own, with a name that trips careless code."""
    return Home(tmp_path / "hö me 走 😀")


@pytest.fixture
def former(home) -> Marker:
    """An environment of an earlier version that works."""
    home.folder.mkdir()
    make_own(home.environment)
    home.python.parent.mkdir()
    home.python.touch()
    environment.site_packages(home.environment).mkdir(parents=True)
    marker = Marker("0.0.1", "old", ("default",), "", "3.11.0", (), (("small.tflite", 5),), 1000)
    marker.save(home.environment)
    return marker


@pytest.fixture
def install(home: Home, program: Path, wheels: Path) -> Callable[..., Installation]:
    """Starts an installation of the tiny program from the offline folder."""

    def start(*parts: str, **options: object) -> Installation:
        settings = {"python": Path(sys.executable), "offline": wheels} | options
        return Installation(home, Plan(parts=("default", *parts), **settings), program)

    return start
