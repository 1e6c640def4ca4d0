# SPDX-License-Identifier: MIT
"""What an archive was begun with, so that the rest of it is made the same way."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from backend.training.archive import ArchiveWriter
from vibe_blender.contract.errors import CaptureError

_CHOICES = "prepared.json"


def keep_choices(writer: ArchiveWriter, chosen: Mapping[str, str | None]) -> None:
    """Writes down how an archive is made, or compares that with how it was begun.

    Args:
        writer: of the archive.
        chosen: by name.

    Raises:
        CaptureError: ``archive_other`` where it was begun otherwise.
    """
    path = writer.folder / _CHOICES
    try:
        before: Any = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else chosen
    except ValueError:  # cut off while it was written, and so before anything else
        before = chosen
    if before != chosen and writer.sequences:
        raise CaptureError(
            "archive_other",
            f"{writer.folder} was begun with other options.",
            "Use the same ones, or choose another name.",
        )
    path.write_text(json.dumps(chosen), encoding="utf-8")


def sums_of(files: Iterable[Path]) -> str:
    """The sha256 of files, one after another: who they are, whatever they are called."""
    sums = []
    for path in files:
        with path.open("rb") as file:
            sums.append(hashlib.file_digest(file, "sha256").hexdigest())
    return " ".join(sums)
