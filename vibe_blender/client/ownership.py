# SPDX-License-Identifier: GPL-3.0-or-later
"""Which files and folders the add-on has made: nothing else is moved, overwritten or deleted, whatever its name is."""

from __future__ import annotations

import contextlib
import os
import shutil
import time
from collections.abc import Iterable
from pathlib import Path
from typing import IO

from ..contract.errors import CaptureError

_MARK = "vibe_blender.txt"
"""Lies in every folder that the add-on may move, or delete with all that is in it."""
_MARK_TEXT = "The Blender add-on VIBE Motion Capture has made this folder, and will delete it.\n"
_LOG_HEAD = b"VIBE Motion Capture installs its backend.\n"
_RENAME_SECONDS = 5.0


def is_ours(folder: Path) -> bool:
    """Whether the add-on has made a folder, or nothing would be lost with it: it is empty or not there."""
    if not os.path.lexists(folder):
        return True
    try:
        return (folder / _MARK).is_file() or (not folder.is_symlink() and next(folder.iterdir(), None) is None)
    except OSError:
        return False


def make_own(folder: Path) -> None:
    """Makes a folder that the add-on may delete, and marks it before anything is put into it.

    Raises:
        CaptureError: ``foreign_files``.
    """
    if not is_ours(folder):
        raise foreign(folder)
    folder.mkdir(exist_ok=True)
    (folder / _MARK).write_text(_MARK_TEXT, encoding="utf-8")


def new_log(path: Path) -> IO[bytes]:
    """The log of an installation that begins, in the place of the last one's.

    Raises:
        CaptureError: ``foreign_files``.
    """
    if not _is_log(path):
        raise foreign(path)
    log = path.open("wb")
    log.write(_LOG_HEAD)
    return log


def move(source: Path, destination: Path) -> None:
    """Renames a folder; tries for some seconds, because virus scanners hold new files for a moment.

    Raises:
        CaptureError: ``environment_in_use`` or ``foreign_files``.
    """
    if not is_ours(source):
        raise foreign(source)
    deadline = time.monotonic() + _RENAME_SECONDS
    while True:
        try:
            source.rename(destination)
            return
        except PermissionError as error:
            if time.monotonic() > deadline:
                raise CaptureError(
                    "environment_in_use",
                    f"{source} is in use and cannot be replaced.",
                    "Stop running captures, close other Blenders, and try again.",
                ) from error
            time.sleep(0.2)


def discard(folder: Path, first: str = "") -> None:
    """Deletes a folder with all that is in it; one that is not there is fine, of a link only the link goes.

    Args:
        folder: one of the add-on's.
        first: name of the file in it that goes first.

    Raises:
        CaptureError: ``environment_in_use`` or ``foreign_files``.
    """
    if not is_ours(folder):
        raise foreign(folder)
    if folder.is_dir() and not folder.is_symlink():
        # The mark goes last: what a killed deletion leaves must not look as if somebody else had made it.
        for name in sorted(_names(folder), key=lambda name: (name == _MARK, name != first)):
            _erase(folder / name)
    _erase(folder)


def discard_files(folder: Path, names: Iterable[str]) -> None:
    """Deletes files that the add-on has put into a folder, and the folder where nothing else is in it.

    Raises:
        CaptureError: ``environment_in_use``.
    """
    if folder.is_symlink():
        return
    for name in names:
        if (folder / name).is_file():
            _erase(folder / name)
    with contextlib.suppress(OSError):
        folder.rmdir()


def discard_log(path: Path) -> None:
    """Deletes the log of an installation, and no other file.

    Raises:
        CaptureError: ``environment_in_use``.
    """
    if _is_log(path):
        _erase(path)


def foreign(path: Path) -> CaptureError:
    """The error where something that the add-on has not made has one of its names."""
    return CaptureError(
        "foreign_files",
        f"{path} is in the way: this add-on has not made it.",
        "Move it elsewhere, or choose another folder in the preferences.",
    )


def _is_log(path: Path) -> bool:
    """Whether an installation has written a file, or there is nothing in it."""
    if not os.path.lexists(path):
        return True
    try:
        with path.open("rb") as log:
            return log.readline() in (_LOG_HEAD, b"")
    except OSError:
        return False


def _names(folder: Path) -> list[str]:
    try:
        return [path.name for path in folder.iterdir()]
    except OSError as error:
        raise _undeletable(folder, error) from error


def _erase(path: Path) -> None:
    try:
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
    except OSError as error:
        raise _undeletable(path, error) from error


def _undeletable(path: Path, error: OSError) -> CaptureError:
    return CaptureError(
        "environment_in_use",
        f"{path} cannot be deleted: {error.strerror or error}.",
        "Stop running captures, close other Blenders, and try again.",
    )
