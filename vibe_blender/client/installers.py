# SPDX-License-Identifier: GPL-3.0-or-later
"""pip and uv, called for one new environment: what they install, where from, how far they are, why they failed."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path

from ..contract.errors import CaptureError
from .commands import Runner
from .environment import Home, folder_bytes, interpreter, site_packages
from .ownership import discard, make_own
from .pip_output import PipOutput, explain
from .requirements import Requirements, package_name, pinned

Show = Callable[[str, float], None]
"""Called with a sentence for the user and 0..1 of the whole installation."""

# Roughly what is downloaded, for the progress bar.
_DEFAULT_BYTES = 180_000_000
_TORCH_BYTES = {"cpu": 250_000_000, "cuda": 3_000_000_000}
_TORCH_UNPACKED_BYTES = {"cpu": 850_000_000, "cuda": 6_000_000_000}
_MEASURE_SECONDS = 1.0
# The package index has one build of PyTorch for each system; uv knows where the others are.
_ON_THE_INDEX = {("linux", "cuda"), ("win32", "cpu"), ("darwin", "cpu")}


class Installers:
    """Installs into the unfinished environment of ``home``."""

    def __init__(
        self, home: Home, needed: Requirements, program: Path, offline: Path | None, runner: Runner, show: Show
    ) -> None:
        self._home, self._needed, self._program, self._offline = home, needed, program, offline
        self._runner, self._show = runner, show
        self._environment = home.unfinished
        self._scratch = home.unfinished / "scratch"
        make_own(self._scratch)

    def pip_itself(self, begin: float) -> None:
        """The tested pip: the one that comes with Python may be too old to tell its progress."""
        self._show("Getting pip.", begin)
        self._pip([pinned("pip", self._program)], "off")

    def default_packages(self, begin: float, end: float) -> None:
        """What every capture needs."""
        self._pip_with_progress(self._needed.default, _DEFAULT_BYTES, begin, end)

    def networks(self, torch: str, begin: float, end: float) -> None:
        """PyTorch, built for ``cpu`` or ``cuda``, and what goes with it."""
        wanted, size = self._needed.networks, _TORCH_BYTES[torch]
        if self._offline or (sys.platform, torch) in _ON_THE_INDEX:
            self._pip_with_progress(wanted, size, begin, end)
        elif torch != "cpu" or not self._from_a_place_of_the_user(wanted, size, begin, end):
            self._uv(torch, begin, end)

    def close(self) -> None:
        """Deletes what only the installation needed."""
        discard(self._scratch)
        discard(self._home.downloads)

    def _from_a_place_of_the_user(self, wanted: tuple[str, ...], size: int, begin: float, end: float) -> bool:
        """Whether pip's configuration names a place with PyTorch's build for the processor; it is installed then."""
        build = f"{pinned('torch', self._program)}+cpu"
        try:
            self._pip_with_progress((build, *wanted), size, begin, end)
        except CaptureError as error:
            if error.code != "package_missing":
                raise
            return False
        return True

    def _pip_with_progress(self, wanted: tuple[str, ...], expected_bytes: int, begin: float, end: float) -> None:
        output = PipOutput(expected_bytes)
        there = 0
        self._show(output.text, begin)

        def read(line: str) -> None:
            nonlocal there
            if not output.packages:
                there = self._count()
            output.read(line)
            show()

        def idle() -> None:
            if output.packages:
                output.unpacked(self._count() - there)
                show()

        def show() -> None:
            self._show(output.text, begin + (end - begin) * output.fraction)

        self._pip(["--constraint", str(self._needed.constraints), *wanted], "raw", read, idle)

    def _count(self) -> int:
        return sum(1 for _ in site_packages(self._environment).glob("*.dist-info"))

    def _pip(
        self,
        wanted: list[str],
        progress_bar: str,
        read: Callable[[str], None] = lambda line: None,
        idle: Callable[[], None] = lambda: None,
    ) -> None:
        places = ["--no-index", "--find-links", str(self._offline)] if self._offline else []
        # Not compiled: that takes longer than unpacking, and Python compiles on first use what is used.
        ended = self._runner.run(
            [
                interpreter(self._environment), "-I", "-X", "utf8", "-m", "pip", "install", "--no-input",
                "--only-binary", ":all:", "--no-compile", "--progress-bar", progress_bar, *places,
                *wanted,
            ],
            read=read, idle=idle, scratch=self._scratch,
        )  # fmt: skip
        if ended.status:
            error = explain(ended.lines, "pip", self._home.log)
            raise self._missing_offline(self._offline, error) if self._offline else error

    def _missing_offline(self, folder: Path, error: CaptureError) -> CaptureError:
        """Where wheels are missing in the offline folder: which, and how to fill it on another computer."""
        if error.code != "package_missing":
            return error
        names = [
            package_name(line) for line in (pinned("pip", self._program), *self._needed.default, *self._needed.networks)
        ]
        there = {package_name(path.name.split("-")[0]) for path in folder.glob("*.whl")}
        missing = [name for name in names if name not in there]
        what = f"These wheels are not in {folder}: {', '.join(missing)}." if missing else error.message
        return CaptureError(
            "package_missing_offline",
            what,
            "Fill the folder on a computer with a network and the same system and Python: `python -m pip download "
            f'--only-binary=:all: --constraint "{self._needed.constraints}" --dest FOLDER {" ".join(names)}`.',
        )

    def _uv(self, torch: str, begin: float, end: float) -> None:
        """PyTorch's build for the processor on Linux, for NVIDIA on Windows."""
        tools = self._scratch / "tools"
        self._show("Getting uv, which knows where PyTorch's builds are.", begin)
        self._pip(["--target", str(tools), pinned("uv", self._program)], "off")
        name = "uv.exe" if sys.platform == "win32" else "uv"
        uv = next(path for path in tools.rglob(name) if path.is_file())
        make_own(self._home.downloads)
        measured = -_MEASURE_SECONDS

        def idle() -> None:
            nonlocal measured
            if time.monotonic() - measured >= _MEASURE_SECONDS:
                size = folder_bytes(self._home.downloads)  # uv unpacks while it downloads
                done = min(size / _TORCH_UNPACKED_BYTES[torch], 1.0)
                self._show(f"Getting PyTorch ({size / 1e6:.0f} MB so far).", begin + (end - begin) * done)
                measured = time.monotonic()

        ended = self._runner.run(
            [
                uv, "pip", "install", "--python", interpreter(self._environment),
                "--torch-backend", "cpu" if torch == "cpu" else "auto", "--only-binary", ":all:",
                "--constraint", self._needed.constraints, *self._needed.networks,
            ],
            idle=idle, scratch=self._scratch,
            settings={"UV_CACHE_DIR": str(self._home.downloads), "UV_NO_PROGRESS": "1", "NO_COLOR": "1"},
        )  # fmt: skip
        if ended.status:
            raise explain(ended.lines, "uv", self._home.log)
