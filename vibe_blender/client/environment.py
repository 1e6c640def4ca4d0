# SPDX-License-Identifier: GPL-3.0-or-later
"""The backend's Python environment in the user's folder: where it lies, whether it works, how it is removed."""

from __future__ import annotations

import contextlib
import json
import os
import sqlite3
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from ..contract.errors import CaptureError
from .ownership import discard, discard_files, discard_log, foreign, is_ours, move
from .process import PROGRAM_FOLDER
from .requirements import requirements

MARKER = "vibe.json"
"""Written last into a new environment: one without it was never finished."""
_MODELS = ("pose_detection.tflite", "pose_landmark_full.tflite")
_LOCK = "install.lock"
_REMOVE_SECONDS = 5.0

Condition = Literal["absent", "ready", "outdated", "broken"]


@dataclass(frozen=True)
class Home:
    """The add-on's folder among the user's own; only what is named here is ever written there.

    Where it lies is the user's choice, so that what has one of these names need not be ours: see ``ownership``.
    """

    folder: Path

    @property
    def environment(self) -> Path:
        """The environment the backend runs in."""
        return self.folder / "environment"

    @property
    def unfinished(self) -> Path:
        """An environment that is being made."""
        return self.folder / "environment.new"

    @property
    def former(self) -> Path:
        """The environment that was replaced and is being deleted."""
        return self.folder / "environment.old"

    @property
    def models(self) -> Path:
        """The network files."""
        return self.folder / "models"

    @property
    def downloads(self) -> Path:
        """What uv keeps between two attempts; gone once one succeeded."""
        return self.folder / "downloads"

    @property
    def log(self) -> Path:
        """What the installers wrote, UTF-8."""
        return self.folder / "install.log"

    @property
    def python(self) -> Path:
        """The interpreter the backend runs in."""
        return interpreter(self.environment)


@dataclass(frozen=True)
class State:
    """What there is of the backend.

    Attributes:
        condition: ``absent``, ``ready``, ``outdated`` (works, but an update of the add-on asks for other packages) or
            ``broken``.
        parts: what was installed, ``("default",)`` or ``("default", "networks")``; empty where nothing is known.
        reason: why it is not ready, one sentence; empty where it is.
        python_version: such as ``3.11.9``; empty where it is not known.
        size_bytes: on disk, environment and models.
        program: version of the add-on that made it; empty where it is not known.
        torch: ``cpu`` or ``cuda``; empty without networks.
    """

    condition: Condition
    parts: tuple[str, ...]
    reason: str
    python_version: str
    size_bytes: int
    program: str
    torch: str = ""


@dataclass(frozen=True)
class Marker:
    """What an environment says about itself.

    Attributes:
        program: version of the add-on that made it.
        digest: of the requirements it was made from.
        parts, torch, python_version: as in ``State``.
        packages: names of the ``dist-info`` folders that must be there.
        models: name and size in bytes of every model file.
        size_bytes: of the environment.
    """

    program: str
    digest: str
    parts: tuple[str, ...]
    torch: str
    python_version: str
    packages: tuple[str, ...]
    models: tuple[tuple[str, int], ...]
    size_bytes: int

    def save(self, environment: Path) -> None:
        """Writes it into an environment, whole or not at all."""
        unfinished = environment / f"{MARKER}.new"
        unfinished.write_text(json.dumps(asdict(self), indent=2), encoding="utf-8")
        unfinished.replace(environment / MARKER)

    @classmethod
    def load(cls, environment: Path) -> Marker | None:
        """That of an environment, None where there is none or somebody has changed it."""
        try:
            record = json.loads((environment / MARKER).read_text(encoding="utf-8"))
            return cls(
                program=str(record["program"]),
                digest=str(record["digest"]),
                parts=tuple(str(part) for part in record["parts"]),
                torch=str(record["torch"]),
                python_version=str(record["python_version"]),
                packages=tuple(str(name) for name in record["packages"]),
                models=tuple((Path(str(name)).name, int(size)) for name, size in record["models"]),
                size_bytes=int(record["size_bytes"]),
            )
        except (OSError, ValueError, KeyError, TypeError):
            return None


def inspect(home: Home, program: Path = PROGRAM_FOLDER) -> State:
    """What there is, told from a few small files; no process is started, nothing is imported."""
    try:
        return _inspected(home, program)
    except OSError as error:
        return State("broken", (), f"{home.folder} cannot be read: {error.strerror or error}.", "", 0, "")


def _inspected(home: Home, program: Path) -> State:
    if _interrupted(home):
        with contextlib.suppress(CaptureError, OSError), claim(home):
            _reinstate(home)
    if not is_ours(home.environment):
        return State("broken", (), foreign(home.environment).message, "", 0, "")
    if not home.environment.exists():
        return State("absent", (), "The backend is not installed.", "", 0, "")
    marker = Marker.load(home.environment)
    if marker is None:
        return State("broken", (), "Its environment was changed by something else.", "", 0, "")
    reason = _damage(home, marker)
    condition: Condition = "broken" if reason else "ready"
    if not reason and marker.digest != requirements(marker.parts, program).digest:
        condition, reason = "outdated", f"It was made for version {marker.program} and needs other packages now."
    size = marker.size_bytes + sum(size for name, size in marker.models if (home.models / name).is_file())
    return State(condition, marker.parts, reason, marker.python_version, size, marker.program, marker.torch)


def missing_models(home: Home) -> list[str]:
    """Names of the model files that are not there or were cut off; empty where no environment says which are needed."""
    marker = Marker.load(home.environment)
    return [name for name, size in marker.models if _size(home.models / name) != size] if marker else []


def remove(home: Home) -> None:
    """Leaves nothing of the backend: environment, models, leftovers, log; what others have put there stays.

    Raises:
        CaptureError: ``installation_running``, ``environment_in_use``, ``environment_unwritable`` or ``foreign_files``.
    """
    try:
        if not home.folder.is_dir():
            return
        with claim(home, _REMOVE_SECONDS):
            recover(home)
            marker = Marker.load(home.environment)
            if home.environment.exists():
                move(home.environment, home.former)
                discard(home.former, first=MARKER)
            discard(home.downloads)
            discard_files(home.models, {*_MODELS, *(name for name, _ in (marker.models if marker else ()))})
            discard_log(home.log)
    except OSError as error:
        raise unwritable(home.folder, error) from error
    with contextlib.suppress(OSError):
        if (home.folder / _LOCK).stat().st_size == 0:  # as SQLite leaves it
            (home.folder / _LOCK).unlink()
        home.folder.rmdir()


def recover(home: Home) -> None:
    """Ends what a killed installation left: the former environment is back, or the new one in place, the rest gone.

    Raises:
        CaptureError: ``environment_in_use``, or ``foreign_files`` before anything is touched.
    """
    for folder in (home.environment, home.unfinished, home.former, home.downloads):
        if not is_ours(folder):
            raise foreign(folder)
    if _interrupted(home):
        _reinstate(home)
    for folder in (home.unfinished, home.former):
        discard(folder, first=MARKER)
    for folder in home.models.glob("fetch-????????"):  # the backend's, killed while it downloaded
        discard_files(folder, [*_MODELS, *(path.name for path in folder.glob("*.whl"))])


@contextlib.contextmanager
def claim(home: Home, patience_seconds: float = 0.0) -> Iterator[None]:
    """Nobody else installs or removes meanwhile; the claim of a process that died is void.

    Args:
        patience_seconds: how long to wait for somebody else's claim to end.

    Raises:
        CaptureError: ``installation_running`` or ``environment_unwritable``.
    """
    # SQLite's lock is the operating system's own, on all of them, and ends with the process.
    try:
        home.folder.mkdir(parents=True, exist_ok=True)
        connection = sqlite3.connect(
            home.folder / _LOCK, timeout=patience_seconds, isolation_level=None, check_same_thread=False
        )
    except (OSError, sqlite3.Error) as error:
        raise unwritable(home.folder, error) from error
    try:
        connection.execute("BEGIN EXCLUSIVE")
    except sqlite3.Error as error:
        connection.close()
        if "locked" in str(error):
            raise CaptureError(
                "installation_running", "The backend is being installed or removed already.", "Wait until it is done."
            ) from error
        raise unwritable(home.folder / _LOCK, error) from error
    try:
        yield
    finally:
        connection.close()


def interpreter(environment: Path) -> Path:
    """The Python of a virtual environment."""
    return environment / "Scripts" / "python.exe" if sys.platform == "win32" else environment / "bin" / "python"


def site_packages(environment: Path) -> Path:
    """Where the packages of a virtual environment lie; it may not be there."""
    if sys.platform == "win32":
        return environment / "Lib" / "site-packages"
    return next(environment.glob("lib/python3*/site-packages"), environment / "lib" / "site-packages")


def folder_bytes(folder: Path) -> int:
    """The size of all files in a folder, of which some may come and go meanwhile; 0 where it is not there."""
    total = 0
    for place, _, names in os.walk(folder):
        for name in names:
            with contextlib.suppress(OSError):
                total += Path(place, name).lstat().st_size
    return total


def _interrupted(home: Home) -> bool:
    """Whether an installation was killed between the two renames of the exchange."""
    if os.path.lexists(home.environment):
        return False
    return any(is_ours(folder) and Marker.load(folder) is not None for folder in (home.unfinished, home.former))


def _reinstate(home: Home) -> None:
    """Ends the exchange that was interrupted."""
    finished = Marker.load(home.unfinished) is not None
    move(home.unfinished if finished else home.former, home.environment)


def _damage(home: Home, marker: Marker) -> str:
    """What is wrong with an environment that was finished once, empty where nothing is."""
    if not home.python.exists():
        return "The Python it was made with is gone, as after an update of Blender."
    try:
        present = {path.name for path in site_packages(home.environment).iterdir()}
    except OSError:
        return "Its packages are gone."
    gone = [name for name in marker.packages if name not in present]
    return f"The package {gone[0].split('-')[0]} is gone." if gone else ""


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return -1


def unwritable(folder: Path, error: Exception) -> CaptureError:
    """The error where a folder cannot be written."""
    return CaptureError(
        "environment_unwritable",
        f"{folder} cannot be written: {error}.",
        "Give yourself the right to write there, or choose another folder in the preferences.",
    )
