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
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Literal

from vibe_blender.contract.terms import NAMES
from vibe_blender.contract.version import VERSION

from .models import default_folder, locate
from .published import LICENCE, NEEDED, find_published, missing, no_folder

_OLDEST_PYTHON = (3, 11)
_FREE_BYTES = 1 << 30
# Package on the index, module, what it is for; the second group is needed by optional parts only.
_NEEDED = (
    ("numpy", "numpy", "arrays"),
    ("scipy", "scipy", "optimisation"),
    ("opencv-python", "cv2", "images"),
    ("av", "av", "video files"),
    ("ai-edge-litert", "ai_edge_litert.interpreter", "the person and landmark networks"),
    ("flatbuffers", "flatbuffers", "the network files"),
    ("platformdirs", "platformdirs", "the data folder"),
)
_NETWORKS = ("torch", "smplx")
_WEIGHTS = {"dts-vibe": "a network of your own"}
_AVAILABLE = {"dts-vibe": "available with a network of your own, as `vibe train` with the preset dts_vibe makes it"}


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
class EstimatorState:
    """An estimator, and whether a capture can use it.

    Attributes:
        name: as in a job.
        label: for a menu.
        available: whether nothing stands in its way.
        reason, remedy: what does, and what to do about it; empty where nothing does.
    """

    name: str
    label: str
    available: bool
    reason: str = ""
    remedy: str = ""


@dataclass(frozen=True)
class Device:
    """What an estimator may compute on: its name in a job, and a label for a menu."""

    name: str
    label: str


@dataclass(frozen=True)
class Diagnosis:
    """All findings, in the order in which they were made, and what follows from them.

    Attributes:
        findings: of which a problem stands in the way of the default estimator.
        devices: what there is to compute on.
        networks: whether VIBE, TCMR and DTS-VIBE can be used, which need torch and published files.
    """

    findings: tuple[Finding, ...]
    devices: tuple[Device, ...]
    networks: tuple[EstimatorState, ...]

    @property
    def capture_works(self) -> bool:
        """Whether nothing stands in the way of a capture."""
        return all(finding.state != "problem" for finding in self.findings)

    @property
    def estimators(self) -> tuple[EstimatorState, ...]:
        """Every estimator there is."""
        return (_estimator("keypoints", "Keypoints (BlazePose, geometric fit)", self.findings), *self.networks)

    def to_json(self) -> str:
        """The findings as JSON text."""
        record = {
            "capture_works": self.capture_works,
            "findings": [asdict(finding) for finding in self.findings],
            "devices": [asdict(device) for device in self.devices],
            "estimators": [asdict(estimator) for estimator in self.estimators],
        }
        return json.dumps(record, indent=2, ensure_ascii=False)

    def to_text(self) -> str:
        """The findings as lines for a person to read."""
        names = [(NAMES[each.name], each) for each in self.networks]
        width = max(*(len(finding.subject) for finding in self.findings), *(len(name) for name, _ in names))
        lines = []
        for finding in self.findings:
            lines.append(f"{finding.state:<7}  {finding.subject:<{width}}  {finding.detail}")
            if finding.remedy:
                lines.append(f"{'':<7}  {'':<{width}}  -> {finding.remedy}")
        for name, each in names:
            state, detail = "ok" if each.available else "note", each.reason or _AVAILABLE.get(each.name, "available")
            lines.append(f"{state:<7}  {name:<{width}}  {detail}")
            if each.remedy:
                lines.append(f"{'':<7}  {'':<{width}}  -> {each.remedy}")
        return "\n".join([*lines, "Ready to capture." if self.capture_works else "A capture cannot run yet."])


def diagnose(models: Path | None = None) -> Diagnosis:
    """Looks at Python, packages, devices, model files, disk and data folder; None stands for the default folder."""
    folder = models or default_folder()
    torch, smplx = (_network(package) for package in _NETWORKS)
    devices = tuple(_devices(with_torch=torch.state == "ok"))
    packages = (_program(), _python(), *(_needed(*package) for package in _NEEDED))
    files = tuple(_model_files(folder))
    return Diagnosis(
        (
            *packages,
            torch,
            smplx,
            _blender(),
            *(Finding(device.name, "ok", device.label) for device in devices),
            *files,
            *_named(models),
            _disk(folder),
            _writable(folder),
        ),
        devices,
        tuple(_network_estimator(name, folder, packages, torch, files) for name in NEEDED),
    )


def _estimator(name: str, label: str, findings: Iterable[Finding]) -> EstimatorState:
    """An estimator that the first problem stands in the way of."""
    problem = next((finding for finding in findings if finding.state == "problem"), None)
    reason, remedy = (f"{problem.subject}: {problem.detail}", problem.remedy) if problem else ("", "")
    return EstimatorState(name, label, problem is None, reason, remedy)


def _network_estimator(
    name: str, folder: Path, packages: Iterable[Finding], torch: Finding, files: Iterable[Finding]
) -> EstimatorState:
    """It shares the detector, and needs torch and published files."""
    if torch.state != "ok":
        remedy = "Add the network packages in the panel, or install `vibe-for-blender[networks]` with pip."
        torch = replace(torch, state="problem", remedy=torch.remedy or remedy)
    needed = []
    found = find_published(folder, default_folder())
    if absent := missing(found, name):
        names = ", ".join(item.name for item in absent)
        remedy = f"Put them into {folder}; `vibe models list` says where to get them (licence: {LICENCE})."
        needed.append(Finding("published files", "problem", f"{no_folder(found.folders)}missing: {names}", remedy))
    return _estimator(
        name, f"{NAMES[name]} ({_WEIGHTS.get(name, 'published weights')})", (*packages, torch, *files, *needed)
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


def _network(package: str) -> Finding:
    purpose = "only the network estimators need it"
    if not (found := _version(package)):
        return Finding(package, "note", f"not installed; {purpose}")
    try:
        importlib.import_module(package)
    except (ImportError, OSError) as error:  # OSError: a library that is cut off, or made for another system
        return Finding(package, "note", f"cannot be loaded, {purpose}: {error}", f"Install {package} again.")
    return Finding(package, "ok", found)


def _blender() -> Finding:
    if found := _version("bpy"):
        return Finding("bpy", "ok", found)
    return Finding("bpy", "note", "not installed; only saving .blend files outside Blender needs it")


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""


def _devices(with_torch: bool) -> Iterator[Device]:
    yield Device("cpu", f"Processor, {os.cpu_count()} cores")
    if with_torch:
        import torch

        if torch.cuda.is_available():
            names = [torch.cuda.get_device_name(number) for number in range(torch.cuda.device_count())]
            yield Device("cuda", ", ".join(names))
        if torch.backends.mps.is_available():
            yield Device("mps", "Apple GPU")


def _model_files(folder: Path) -> Iterator[Finding]:
    """Those of the default road, which may be in the default folder where this is that of the published files."""
    for item, path, state in locate(folder):
        if state == "verified":
            yield Finding(item.name, "ok", f"verified, {path}")
        else:
            yield Finding(item.name, "problem", f"{state}, {path}", "Run `vibe models fetch`.")


def _named(folder: Path | None) -> Iterator[Finding]:
    if folder is not None and not folder.is_dir():
        remedy = "Name that of the model files, or leave out --models."
        yield Finding("folder", "note", f"There is no folder {folder}.", remedy)


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
