# SPDX-License-Identifier: GPL-3.0-or-later OR MIT
"""A lock between processes: a file that one of them holds until it lets go, or ends, however it ends."""

from __future__ import annotations

import contextlib
import errno
import os
import sys
import time
from pathlib import Path

_PATIENCE_SECONDS = 0.3
_LOOK_SECONDS = 0.02
_NO_LOCKS = {errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP}


class FileLock:
    """A lock that is held from the beginning; the file is there as long as it is, or after a death until asked for."""

    def __init__(self, path: Path, patience_seconds: float = _PATIENCE_SECONDS) -> None:
        """Takes the lock.

        Args:
            path: in a folder that is there.
            patience_seconds: who only looks whether it is held holds it for a moment.

        Raises:
            BlockingIOError: somebody else holds it.
            OSError: the file cannot be made.
        """
        self._path = path
        end = time.monotonic() + patience_seconds
        while (descriptor := _taken(path, os.O_CREAT)) is None:
            if time.monotonic() > end:
                raise BlockingIOError(errno.EWOULDBLOCK, "somebody else holds it", str(path))
            time.sleep(_LOOK_SECONDS)
        self._descriptor: int | None = descriptor

    def release(self) -> None:
        """Lets go, and removes the file."""
        if self._descriptor is not None:
            _let_go(self._path, self._descriptor)
            self._descriptor = None

    def __enter__(self) -> FileLock:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()


def is_held(path: Path) -> bool:
    """Whether a living process holds the lock; removes the file that a dead one left."""
    try:
        descriptor = _taken(path, 0)
    except OSError:  # not there, or in a folder where we cannot write either
        return False
    if descriptor is None:
        return True
    _let_go(path, descriptor)
    return False


def _taken(path: Path, flags: int) -> int | None:
    """The descriptor of the locked file, None where somebody else has it."""
    descriptor = os.open(path, os.O_RDWR | flags, 0o666)
    try:
        if _lock(descriptor) and _is_there(path, descriptor):
            return descriptor
    except FileNotFoundError:
        pass
    except BaseException:
        os.close(descriptor)
        raise
    os.close(descriptor)
    return None


def _is_there(path: Path, descriptor: int) -> bool:
    """Whether the file is still the one of that name: the lock of one that its last holder removed says nothing."""
    # Windows removes no open file, and may number it differently in the two answers.
    return sys.platform == "win32" or os.path.samestat(os.fstat(descriptor), path.stat())


def _let_go(path: Path, descriptor: int) -> None:
    # Removed while it is held, where the system allows that: nobody can get hold of it in between. Windows removes no
    # open file, so there the next one who has it open keeps it.
    if sys.platform != "win32":
        _remove(path)
    os.close(descriptor)
    if sys.platform == "win32":
        _remove(path)


def _remove(path: Path) -> None:
    with contextlib.suppress(OSError):
        path.unlink(missing_ok=True)


if sys.platform == "win32":
    import msvcrt

    def _lock(descriptor: int) -> bool:
        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        except PermissionError:
            return False
        return True

else:
    import fcntl

    def _lock(descriptor: int) -> bool:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        except OSError as error:
            # A file system without locks: its takes can be written all the same.
            if error.errno not in _NO_LOCKS:
                raise
        return True
