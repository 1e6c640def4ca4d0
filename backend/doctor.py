# SPDX-License-Identifier: MIT
"""What this computer has for a capture, what is missing, and what to do about each problem."""

from __future__ import annotations

import importlib
import json
import os
import platform
import shutil
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Literal

from vibe_blender.contract.version import VERSION

from .models import default_folder, verify

_OLDEST_PYTHON = (3, 11)
_FREE_BYTES = 1 << 30
# Package on the index, module, what it is for; the second group is needed by optional parts only.
_NEEDED = (
    ("numpy", "numpy", "arrays"),
    ("scipy", "scipy", "optimisation"),
    ("opencv-python", "cv2", "images"),
    ("av", "av", "video files"),
    ("ai-edge-litert", "ai_edge_litert.interpreter", "the person and landmark networks"),
    ("platformdirs", "platformdirs", "the data folder"),
)
_OPTIONAL = (
    ("torch", "the network estimators"),
    ("smplx", "the network estimators"),
    ("bpy", "saving .blend files outside Blender"),
)


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        subject: what was looked at.
        state: ``ok``, ``note`` (a capture works without it) or ``problem`` (it does not).
        detail: what was found.
        remedy: what to do about it, empty where nothing needs doing.
    """

    subject: str
    state: Literal["ok", "note", "problem"]
    detail: str
    remedy: str = ""


@dataclass(frozen=True)
class Diagnosis:
    """All findings, in the order in which they were made."""

    findings: tuple[Finding, ...]

    @property
    def capture_works(self) -> bool:
        """Whether nothing stands in the way of a capture."""
        return all(finding.state != "problem" for finding in self.findings)

    def to_json(self) -> str:
        """The findings as JSON text."""
        record = {"capture_works": self.capture_works, "findings": [asdict(finding) for finding in self.findings]}
        return json.dumps(record, indent=2, ensure_ascii=False)

    def to_text(self) -> str:
        """The findings as lines for a person to read."""
        width = max(len(finding.subject) for finding in self.findings)
        lines = []
        for finding in self.findings:
            lines.append(f"{finding.state:<7}  {finding.subject:<{width}}  {finding.detail}")
            if finding.remedy:
                lines.append(f"{'':<7}  {'':<{width}}  -> {finding.remedy}")
        return "\n".join([*lines, "Ready to capture." if self.capture_works else "A capture cannot run yet."])


def diagnose(models: Path | None = None) -> Diagnosis:
    """Looks at Python, packages, devices, model files, disk and data folder; None stands for the default folder."""
    folder = models or default_folder()
    return Diagnosis(
        (
            _program(),
            _python(),
            *(_needed(*package) for package in _NEEDED),
            *(_optional(*package) for package in _OPTIONAL),
            *_devices(),
            *_model_files(folder),
            _disk(folder),
            _writable(folder),
        )
    )


def _program() -> Finding:
    return Finding("vibe-for-blender", "ok", f"{VERSION} on {platform.platform()}")


def _python() -> Finding:
    detail = f"{platform.python_version()} at {sys.executable}"
    if sys.version_info >= _OLDEST_PYTHON:
        return Finding("Python", "ok", detail)
    return Finding("Python", "problem", detail, "Install Python 3.11 or newer.")


def _needed(package: str, module: str, purpose: str) -> Finding:
    try:
        importlib.import_module(module)
    except ImportError as error:  # also a system library the package cannot find
        remedy = f"Run `{Path(sys.executable).name} -m pip install {package}`."
        if "libGL" in str(error):
            remedy = "Install the system's libGL (Debian, Ubuntu: apt install libgl1)."
        return Finding(package, "problem", f"cannot be loaded, needed for {purpose}: {error}", remedy)
    return Finding(package, "ok", _version(package))


def _optional(package: str, purpose: str) -> Finding:
    found = _version(package)
    if found:
        return Finding(package, "ok", found)
    return Finding(package, "note", f"not installed; only {purpose} would need it")


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""


def _devices() -> Iterator[Finding]:
    yield Finding("cpu", "ok", f"{os.cpu_count()} cores")
    if not _version("torch"):
        return
    import torch

    if torch.cuda.is_available():
        yield Finding("cuda", "ok", ", ".join(torch.cuda.get_device_name(n) for n in range(torch.cuda.device_count())))
    else:
        yield Finding("cuda", "note", "no CUDA device")
    if torch.backends.mps.is_available():
        yield Finding("mps", "ok", "Apple GPU")


def _model_files(folder: Path) -> Iterator[Finding]:
    for item, state in verify(folder):
        place = f"{folder / item.name}"
        if state == "verified":
            yield Finding(item.name, "ok", f"verified, {place}")
        else:
            yield Finding(item.name, "problem", f"{state}, {place}", "Run `vibe models fetch`.")


def _disk(folder: Path) -> Finding:
    free = shutil.disk_usage(_nearest(folder)).free
    detail = f"{free / (1 << 30):.1f} GiB free for {folder}"
    if free >= _FREE_BYTES:
        return Finding("disk", "ok", detail)
    return Finding("disk", "note", detail, "Free some space: model files and takes need tens of megabytes.")


def _writable(folder: Path) -> Finding:
    try:
        with tempfile.TemporaryFile(dir=_nearest(folder)):
            return Finding("data folder", "ok", f"{folder} can be written")
    except OSError as error:
        return Finding(
            "data folder",
            "note",
            f"{folder} cannot be written: {error.strerror}",
            "Set VIBE_MODELS to a folder of your own before fetching models.",
        )


def _nearest(folder: Path) -> Path:
    """The folder itself or the closest one above it that is there."""
    folder = folder.absolute()
    return next(place for place in (folder, *folder.parents) if place.is_dir())
