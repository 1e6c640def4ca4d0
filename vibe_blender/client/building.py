# SPDX-License-Identifier: GPL-3.0-or-later
"""Makes the backend's environment: the steps in their order, verified before it takes the former one's place."""

from __future__ import annotations

import contextlib
import json
import re
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from ..contract.errors import CaptureError
from ..contract.protocol import Failed, Progress, event_from_line
from ..contract.version import VERSION
from .commands import Runner
from .environment import MARKER, Home, Marker, folder_bytes, inspect, interpreter, site_packages
from .installers import Installers, Show
from .ownership import discard, make_own, move
from .pip_output import explain
from .requirements import package_name, requirements

_OLDEST_PYTHON = (3, 11)
# By build of PyTorch, "" without: bytes on disk while it is installed, and the letters of the longest name inside a
# package (measured on the tested versions).
_ROOM = {"": 1_000_000_000, "cpu": 2_500_000_000, "cuda": 12_000_000_000}
_LONGEST_NAME = {"": 100, "cpu": 175, "cuda": 175}
_HINTS = {
    "fetch_failed": "Check the connection and try again, or install from an offline folder.",
    "models_unwritable": "Give yourself the right to write there, or choose another folder in the preferences.",
    "disk_full": "Free some space and try again.",
}
"""What to do in Blender about errors whose own hint is for the command line."""


@dataclass(frozen=True)
class Plan:
    """What to install.

    Attributes:
        python: the Python to make the environment with, 3.11 or newer.
        parts: ``("default",)`` or ``("default", "networks")``.
        torch: build of PyTorch; ``auto`` is ``cuda`` where an NVIDIA driver answers, else ``cpu``.
        offline: folder of wheels and models to install from; None uses the network.
        online: whether the network may be used; where it may not, all has to be there already or in the folder.
    """

    python: Path
    parts: tuple[str, ...] = ("default",)
    torch: Literal["auto", "cpu", "cuda"] = "auto"
    offline: Path | None = None
    online: bool = True


class Builder:
    """One run of the steps; ``show`` hears of each."""

    def __init__(self, home: Home, plan: Plan, program: Path, runner: Runner, show: Show) -> None:
        self._home, self._plan, self._program = home, plan, program
        self._runner, self._show = runner, show
        self._needed = requirements(plan.parts, program)
        self._networks = [package_name(line) for line in self._needed.networks]

    def build(self) -> None:
        """Leaves a verified environment and its models; raises, and leaves what was there, where it cannot."""
        torch = self._torch()
        state = inspect(self._home, self._program)
        wanted = ("ready", self._plan.parts, torch)
        fault = state.reason
        if (state.condition, state.parts, state.torch) == wanted:
            fault = self._fault()
            if not fault:
                return
        if not self._may_download:
            raise _not_allowed(fault)
        new, needed = self._home.unfinished, self._needed
        version = self._python()
        self._check_room(torch)
        self._virtual_environment()
        installers = Installers(self._home, needed, self._program, self._plan.offline, self._runner, self._show)
        installers.pip_itself(0.05)
        installers.default_packages(0.08, 0.3 if torch else 0.8)
        if torch:
            installers.networks(torch, 0.3, 0.8)
        self._fetch_models(new, 0.8)
        self._verify(new, 0.92)
        installers.close()
        self._mark(torch, version)
        self._exchange()

    @property
    def _may_download(self) -> bool:
        """Whether there is a place to get packages from, the network or a folder."""
        return self._plan.online or self._plan.offline is not None

    def _fault(self) -> str:
        """Why the environment that is there does not work, its models made whole; empty where it does."""
        try:
            self._fetch_models(self._home.environment, 0.2)
            self._verify(self._home.environment, 0.8)
        except CaptureError as error:
            if error.code != "environment_faulty":
                raise
            return error.message
        return ""

    def _torch(self) -> str:
        """The build of PyTorch to install, empty without networks."""
        if "networks" not in self._plan.parts:
            return ""
        driver = shutil.which("nvidia-smi") if self._plan.torch != "cpu" else None
        if driver is not None and self._runner.run([driver, "-L"]).status == 0:
            return "cuda"
        if self._plan.torch == "cuda":
            raise CaptureError(
                "no_nvidia_driver",
                "No NVIDIA driver answers on this computer.",
                "Install the driver of the graphics card, or choose the processor.",
            )
        return "cpu"

    def _python(self) -> str:
        """The version of the Python the environment is made with."""
        self._show("Looking at Python.", 0.0)
        ended = self._runner.run([self._plan.python, "-I", "-c", "import platform; print(platform.python_version())"])
        version = ended.lines[-1] if ended.lines else ""
        numbers = tuple(int(number) for number in re.findall(r"\d+", version)[:2])
        if ended.status or len(numbers) < 2:
            raise CaptureError(
                "python_missing", f"{self._plan.python} is no Python that runs.", "Name another in the preferences."
            )
        if numbers < _OLDEST_PYTHON:
            raise CaptureError(
                "python_too_old",
                f"{self._plan.python} is Python {version}; the backend needs 3.11 or newer.",
                "Name a newer Python in the preferences.",
            )
        return version

    def _check_room(self, torch: str) -> None:
        """Says before the download what would only come out at its end."""
        free, needed = shutil.disk_usage(self._home.folder).free, _ROOM[torch]
        if free < needed:
            raise CaptureError(
                "disk_full",
                f"The installation needs {needed / 1e9:.1f} GB; {free / 1e9:.1f} GB are free for {self._home.folder}.",
                "Free some space, or choose another folder in the preferences.",
            )
        length = len(str(site_packages(self._home.unfinished).absolute())) + 1 + _LONGEST_NAME[torch]
        if length > _longest_path():
            raise CaptureError(
                "path_too_long",
                f"{self._home.folder} is too deep a folder for Windows: paths in it would have {length} letters.",
                "Choose a folder with a shorter path in the preferences, such as C:\\vibe.",
            )

    def _virtual_environment(self) -> None:
        self._show("Making a Python environment.", 0.01)
        make_own(self._home.unfinished)
        ended = self._runner.run([self._plan.python, "-I", "-m", "venv", self._home.unfinished])
        if ended.status == 0 and interpreter(self._home.unfinished).exists():
            return
        error = explain(ended.lines, "venv", self._home.log)
        if error.code == "disk_full":
            raise error
        text = "\n".join(ended.lines)
        if "ensurepip" in text or "No module named venv" in text:
            hint = "Debian, Ubuntu: install the package python3-venv. Or name another Python in the preferences."
        else:
            hint = "Name another Python in the preferences, such as one from python.org."
        raise CaptureError("venv_failed", f"{self._plan.python} cannot make a virtual environment.", hint)

    def _fetch_models(self, environment: Path, begin: float) -> None:
        self._show("Getting the landmark models.", begin)
        failure: CaptureError | None = None

        def read(line: str) -> None:
            nonlocal failure
            with contextlib.suppress(CaptureError):  # what packages print
                match event_from_line(line):
                    case Progress(done=done, total=total):
                        self._show(f"Getting the landmark models ({done / 1e6:.0f} of {total / 1e6:.0f} MB).", begin)
                    case Failed(code, message, hint):
                        failure = CaptureError(code, message, _HINTS.get(code, hint))

        # From where they lie already nothing can be fetched: it is only told whether they are whole.
        place = self._plan.offline or (None if self._may_download else self._home.models)
        source = ["--from", str(place)] if place else []
        command = self._backend(environment, "models", "fetch", "--events", "--models", self._home.models, *source)
        ended = self._runner.run(command, folder=self._program, read=read)
        if ended.status:
            failure = failure or explain(ended.lines, "models fetch", self._home.log)
            raise failure if self._may_download else _not_allowed(failure.message)

    def _verify(self, environment: Path, begin: float) -> None:
        """Raises ``environment_faulty`` where the doctor finds that a part asked for would not run."""
        self._show("Checking that everything works.", begin)
        diagnosis = self._ask(environment, "doctor", "--json", "--models", self._home.models)
        for finding in diagnosis["findings"]:
            unusable = finding["subject"] in self._networks and finding["state"] != "ok"
            if finding["state"] == "problem" or unusable:
                raise CaptureError(
                    "environment_faulty", f"{finding['subject']}: {finding['detail']}.", finding["remedy"]
                )

    def _ask(self, environment: Path, *arguments: str | Path) -> Any:
        """What a command of the backend answered in JSON."""
        command = self._backend(environment, *arguments)
        ended = self._runner.run(command, folder=self._program, errors_apart=True)
        try:
            return json.loads("\n".join(ended.lines))
        except ValueError as error:
            raise CaptureError(
                "environment_faulty", "The backend does not start.", f"Why is in {self._home.log}."
            ) from error

    def _backend(self, environment: Path, *arguments: str | Path) -> list[str | Path]:
        return [interpreter(environment), "-E", "-s", "-X", "utf8", "-m", "backend", *arguments]

    def _mark(self, torch: str, version: str) -> None:
        """From now on the new environment counts as finished."""
        new = self._home.unfinished
        models = self._ask(new, "models", "list", "--json", "--models", self._home.models)
        Marker(
            program=VERSION,
            digest=self._needed.digest,
            parts=self._plan.parts,
            torch=torch,
            python_version=version,
            packages=tuple(path.name for path in site_packages(new).glob("*.dist-info")),
            models=tuple((str(item["name"]), int(item["bytes"])) for item in models if item["bytes"]),
            size_bytes=folder_bytes(new),
        ).save(new)

    def _exchange(self) -> None:
        """The new environment takes the former one's place."""
        self._show("Putting it in its place.", 0.98)
        if self._home.environment.exists():
            move(self._home.environment, self._home.former)
        try:
            move(self._home.unfinished, self._home.environment)
        except CaptureError:
            if self._home.former.exists():
                move(self._home.former, self._home.environment)
            raise
        discard(self._home.former, first=MARKER)


def _not_allowed(fault: str) -> CaptureError:
    """The error where something would have to be downloaded, and may not be."""
    return CaptureError(
        "network_not_allowed",
        f"A package or model has to be downloaded, and Blender may not use the internet. {fault}".rstrip(),
        "Allow online access in Preferences > System, or name an offline folder in this add-on's preferences.",
    )


def _longest_path() -> int:
    """Letters a path may have."""
    if sys.platform == "win32":
        import winreg

        with (
            contextlib.suppress(OSError),
            winreg.OpenKey(winreg.HKEY_LOCAL_MACHINE, r"SYSTEM\CurrentControlSet\Control\FileSystem") as key,
        ):
            if winreg.QueryValueEx(key, "LongPathsEnabled")[0]:
                return 32_000
        return 259
    return 4_000
