# SPDX-License-Identifier: GPL-3.0-or-later OR MIT
"""What SQLite and the system say when a take cannot be read or written, in words that help."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from .errors import CaptureError


@contextlib.contextmanager
def translated(path: Path, *, writing: bool) -> Iterator[None]:
    """SQLite's and the system's errors as CaptureErrors that name the cause and the remedy."""
    try:
        yield
    except (sqlite3.Error, OSError) as error:
        if writing:
            raise _write_error(path, error) from error
        raise damaged(path, str(error)) from error
    except (KeyError, ValueError, TypeError, OverflowError, RecursionError) as error:
        if writing:
            raise
        raise damaged(path, str(error)) from error


def _write_error(path: Path, error: Exception) -> CaptureError:
    if "disk is full" in str(error) or getattr(error, "errno", None) == 28:
        return CaptureError(
            "disk_full", f"The disk is full: {path} could not be written.", "Free some space, then resume."
        )
    if isinstance(error, sqlite3.DatabaseError) and not isinstance(error, sqlite3.OperationalError):
        return damaged(path, str(error))
    return CaptureError(
        "take_unwritable",
        f"The take cannot be written to {path}: {error}.",
        "Choose a folder you may write to.",
    )


def damaged(path: Path, why: str) -> CaptureError:
    """The error for a file that is no take, or no longer one."""
    return CaptureError(
        "take_damaged",
        f"{path} cannot be read as a take: {why}.",
        "Restore it from a copy, or capture the video again.",
    )
