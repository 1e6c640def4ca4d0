# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads exported files back in a fresh Blender of their own, and says how far the joints are from where they were."""

from __future__ import annotations

import contextlib
import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import bpy
import numpy as np
from numpy.typing import NDArray

from ...contract.errors import CaptureError
from ...contract.quaternions import Array

Reader = Literal["new", "old"]
_SCRIPT = Path(__file__).with_name("reimport.py")
_POLL_SECONDS = 0.05
_LAST_LINES = 12


@dataclass(frozen=True)
class Places:
    """Where the joints of one skeleton in a file are to be.

    Attributes:
        path: of the file.
        rate: frames per second.
        names: of the joints in the file; none where there is nothing to be compared.
        heads: (T, B, 3) metres, world.
        rows: of .npz: (T,) frames of the file that are compared.
        rest: of .npz: (24, 3) metres, the joints of the body at rest.
    """

    path: Path
    rate: float
    names: tuple[str, ...]
    heads: Array
    rows: NDArray[np.integer] | None = None
    rest: Array | None = None


@dataclass(frozen=True)
class Check:
    """How a file compares with what was exported.

    Attributes:
        largest_mm: the largest distance of any joint in any frame.
        joint: where it is.
        frame: of the file, counted from 0.
        frames, joints: how many were compared.
    """

    largest_mm: float
    joint: str
    frame: int
    frames: int
    joints: int

    def __str__(self) -> str:
        """One sentence."""
        where = f" ({self.joint}, frame {self.frame})" if self.largest_mm >= 0.01 else ""
        return f"Joints within {self.largest_mm:.3f} mm{where}, {self.joints} joints in {self.frames} frames."


class Checking:
    """A check that runs beside this Blender."""

    def __init__(self, places: Sequence[Places], reader: Reader = "new") -> None:
        """Starts it.

        Args:
            places: all of the skeletons of one file.
            reader: of FBX: Blender's newer importer where there is one, or the older.

        Raises:
            CaptureError: ``check_failed``.
        """
        self._places = tuple(places)
        self._folder = Path(tempfile.mkdtemp(prefix="vibe-check-"))
        self._found = self._folder / "found.npz"
        job = {
            "path": str(places[0].path),
            "found": str(self._found),
            "rate": places[0].rate,
            "frames": len(places[0].heads),
            "reader": reader,
        }
        (self._folder / "job.json").write_text(json.dumps(job), encoding="utf-8")
        try:
            self._child = self._start()
        except OSError as error:
            self.close()
            raise _failed(places[0].path, f"Blender cannot be started: {error.strerror or error}") from error

    def _start(self) -> subprocess.Popen[bytes]:
        job = str(self._folder / "job.json")
        if program := bpy.app.binary_path:
            command = [program, "--background", "--factory-startup", "--python", str(_SCRIPT), "--", job]
        else:
            command = [sys.executable, str(_SCRIPT), job]
        with (self._folder / "log.txt").open("wb") as log:
            return subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
            )

    @property
    def running(self) -> bool:
        """Whether it is not done yet."""
        return self._child.poll() is None

    def result(self) -> Check:
        """What came of it, once it does not run any more; of several skeletons the one that is farthest off.

        Raises:
            CaptureError: ``check_failed``.
        """
        path = self._places[0].path
        if not self._found.is_file():
            raise _failed(path, self._last_words())
        with np.load(self._found, allow_pickle=False) as stored:
            count = sum(name.startswith("names_") for name in stored.files)
            armatures = [(tuple(stored[f"names_{n}"].tolist()), stored[f"heads_{n}"]) for n in range(count)]
        checks = []
        for places in self._places:
            fitting = [(names, heads) for names, heads in armatures if set(places.names) <= set(names)]
            if not fitting:
                raise _failed(path, _missing(places, armatures))
            checks.append(
                min((difference(places, names, heads) for names, heads in fitting), key=lambda check: check.largest_mm)
            )
        return max(checks, key=lambda check: check.largest_mm)

    def close(self) -> None:
        """Ends it where it still runs, and removes what it left."""
        child = getattr(self, "_child", None)
        if child is not None and child.poll() is None:
            child.kill()
            child.wait()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _last_words(self) -> str:
        with contextlib.suppress(OSError):
            lines = (self._folder / "log.txt").read_text(encoding="utf-8", errors="replace").splitlines()
            errors = [line.strip() for line in lines[-_LAST_LINES:] if "Error" in line]
            return errors[-1] if errors else "Blender could not read it"
        return "Blender could not read it"


def check(places: Sequence[Places], reader: Reader = "new") -> Check:
    """The same, waited for.

    Raises:
        CaptureError: ``check_failed``.
    """
    checking = Checking(places, reader)
    try:
        while checking.running:
            time.sleep(_POLL_SECONDS)
        return checking.result()
    finally:
        checking.close()


def difference(places: Places, names: Sequence[str], heads: Array) -> Check:
    """How far joints are from where they are to be.

    Args:
        places: where they are to be.
        names: of the joints that were found, at least those.
        heads: (T, len(names), 3) metres, world.
    """
    numbers = {name: number for number, name in enumerate(names)}
    found = heads[:, [numbers[name] for name in places.names]]
    off = np.nan_to_num(np.linalg.norm(found - places.heads, axis=-1), nan=np.inf)
    frame, joint = np.unravel_index(int(np.argmax(off)), off.shape)
    return Check(float(off[frame, joint]) * 1000, places.names[joint], int(frame), *off.shape)


def _missing(places: Places, armatures: Sequence[tuple[tuple[str, ...], Array]]) -> str:
    if not armatures:
        return "there is no armature in it"
    lacking = min((set(places.names) - set(names) for names, _ in armatures), key=len)
    return f"it lacks {len(lacking)} joints, {min(lacking)} among them"


def _failed(path: Path, why: str) -> CaptureError:
    return CaptureError("check_failed", f"{path.name} could not be checked: {why}.", "Try to open it in Blender.")
