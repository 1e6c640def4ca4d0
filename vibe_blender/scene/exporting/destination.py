# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a file is to go: in a format that can be written, at a place that can be written to."""

from __future__ import annotations

import os
from pathlib import Path

from ...contract.errors import CaptureError

FORMATS = (".blend", ".fbx", ".glb", ".gltf", ".bvh", ".usd", ".usdc", ".usda", ".usdz", ".npz")


def check_destination(path: Path) -> None:
    """Raises ``CaptureError`` where ``path`` could not be written later: ``bad_format`` or ``unwritable``."""
    if path.suffix.lower() not in FORMATS:
        raise CaptureError(
            "bad_format", f"{path.name} is none of the formats that can be saved.", f"End it in {', '.join(FORMATS)}."
        )
    check_writable(path)


def check_writable(path: Path) -> None:
    """Raises ``CaptureError`` (``unwritable``) where no file can be written at ``path``; leaves what is there alone."""
    probe = path.with_name(f".{path.name}.probe-{os.getpid()}")
    try:
        if path.is_dir():
            raise IsADirectoryError("a folder has this name")
        path.parent.mkdir(parents=True, exist_ok=True)
        probe.touch()
        probe.unlink()
        if path.exists():
            path.open("r+b").close()
    except OSError as error:
        raise unwritable(path, error.strerror or str(error)) from error


def unwritable(path: Path, why: str) -> CaptureError:
    """The error of a file that was not written."""
    return CaptureError("unwritable", f"{path} cannot be written: {why}.", "Choose a folder you may write to.")
