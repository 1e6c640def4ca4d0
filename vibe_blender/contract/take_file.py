# SPDX-License-Identifier: GPL-3.0-or-later OR MIT
"""A take as one crash-safe SQLite file (docs/take.md describes the tables).

While a capture runs, the take grows as ``NAME.part`` beside its final name; every write is one transaction, so the
file can be opened at any moment, also after the process was killed. A finished take replaces ``NAME`` atomically.
"""

from __future__ import annotations

import contextlib
import json
import sqlite3
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from . import take_tables
from .errors import CaptureError
from .file_lock import FileLock, is_held
from .take import Take
from .take_errors import translated

_STEM_BYTES = 200
_RESERVED_SECONDS = 60.0
"""A backend that has not begun to write by then never will."""
_PART, _LOCK = ".part", ".lock"


def partial_path(path: Path) -> Path:
    """Where a take grows before it is finished."""
    return path.with_name(path.name + _PART)


def final_path(path: Path) -> Path:
    """The take that a growing one becomes; both names will do."""
    return path.with_name(path.name.removesuffix(_PART))


def is_growing(path: Path) -> bool:
    """Whether somebody, in any process, writes a take now; told by its name or that of its growing part."""
    return is_held(_lock_path(final_path(path)))


def take_stem(video_stem: str) -> str:
    """What the names of a video's takes begin with: its own name, cut where file systems would not take it longer."""
    return video_stem.encode("utf-8", "ignore")[:_STEM_BYTES].decode("utf-8", "ignore").strip() or "take"


def free_take_path(folder: Path, video_stem: str) -> Path:
    """Where a new take of a video can go without touching another: ``walk.take``, ``walk 2.take``, …

    The name is kept free for who asked first, by an empty growing part, until the take is begun, ``release_take_path``
    gives it back, or a minute has passed.

    Args:
        folder: is made where it is not there.
        video_stem: the video's name without its ending.

    Raises:
        CaptureError: ``take_unwritable`` or ``disk_full``.
    """
    stem = take_stem(video_stem)
    with translated(folder, writing=True):
        folder.mkdir(parents=True, exist_ok=True)
        number, path = 1, folder / f"{stem}.take"
        while not _reserve(path):
            number += 1
            path = folder / f"{stem} {number}.take"
    return path


def release_take_path(path: Path) -> None:
    """Gives a name of ``free_take_path`` back where no take was begun there."""
    part = partial_path(path)
    with contextlib.suppress(OSError), FileLock(_lock_path(path), 0.0):
        if part.stat().st_size == 0:
            part.unlink()


def _reserve(path: Path) -> bool:
    if _is_used(path):
        return False
    try:
        with FileLock(_lock_path(path), 0.0):
            if _is_used(path):
                return False
            partial_path(path).touch()
    except BlockingIOError:
        return False
    return True


def _is_used(path: Path) -> bool:
    try:
        part = partial_path(path).stat()
    except FileNotFoundError:
        return path.exists()
    return path.exists() or part.st_size > 0 or abs(time.time() - part.st_mtime) < _RESERVED_SECONDS


def _lock_path(path: Path) -> Path:
    return path.with_name(path.name + _LOCK)


class TakeWriter:
    """A take that grows: ``append`` and ``extend`` at any time, ``finish`` once; a crash in between loses nothing."""

    def __init__(self, path: Path, *, keep: bool = False) -> None:
        """Starts ``NAME.part``, or goes on with the one that is there where ``keep`` is set.

        Nobody else can write the take until ``close``; everybody can read it.

        Raises:
            CaptureError: ``take_in_use``, ``take_unwritable`` or ``disk_full``; ``take_damaged`` or ``take_newer`` of
                what is there.
        """
        self.path = path
        self._part = partial_path(path)
        self._chunks: dict[tuple[int, str], int] = {}
        with translated(self._part, writing=True):
            self._part.parent.mkdir(parents=True, exist_ok=True)
            self._lock = _claimed(path)
            try:
                self._database = self._opened(keep)
            except BaseException:
                self._lock.release()
                raise

    def _opened(self, keep: bool) -> sqlite3.Connection:
        if not keep:
            _remove(self._part)
        fresh = not self._part.exists() or self._part.stat().st_size == 0
        database = sqlite3.connect(self._part, isolation_level=None, check_same_thread=False)
        try:
            if fresh:
                take_tables.create(database)
            else:
                take_tables.check(database, self._part)
                rows = database.execute("SELECT owner, name, MAX(chunk) FROM arrays GROUP BY owner, name")
                self._chunks = {(owner, name): chunk + 1 for owner, name, chunk in rows}
        except BaseException:
            database.close()
            raise
        return database

    @contextlib.contextmanager
    def together(self) -> Iterator[None]:
        """Makes one transaction of all that is written inside: after a crash, all of it is there or nothing."""
        with translated(self._part, writing=True), take_tables.transaction(self._database):
            yield

    def append(self, owner: int, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Adds raw evidence, one more chunk of rows per named array, in one transaction.

        Args:
            owner: the person's id, 0 for the video itself.
            arrays: by name; chunks of one name are concatenated along the first axis when read.
        """
        with translated(self._part, writing=True), take_tables.transaction(self._database):
            for name, values in arrays.items():
                chunk = self._chunks.get((owner, name), 0)
                take_tables.insert(self._database, owner, name, chunk, values)
                self._chunks[owner, name] = chunk + 1

    def evidence(self, owner: int, name: str) -> NDArray[Any] | None:
        """What ``append`` stored so far under this name, or None."""
        with translated(self._part, writing=False):
            return take_tables.read(self._database, owner, name)

    def rows(self, owner: int, name: str, first: int, last: int) -> NDArray[Any]:
        """The rows from ``first`` to ``last`` of what ``append`` stored under this name; others are not read."""
        with translated(self._part, writing=False):
            return take_tables.read_rows(self._database, owner, name, first, last)

    def names(self, owner: int) -> list[str]:
        """The names of the evidence that an owner has."""
        return sorted(name for known, name in self._chunks if known == owner)

    def owners(self, name: str) -> list[int]:
        """The owners that have evidence of this name."""
        return sorted(owner for owner, known in self._chunks if known == name)

    def extend(self, piece: Take) -> None:
        """Adds newly solved frames, in one transaction: everything in ``piece`` follows what is there already.

        The status becomes ``partial``; camera, proportions and the like are replaced by those of the piece, but the
        first frame is that of the first piece.
        """
        with translated(self._part, writing=True), take_tables.transaction(self._database):
            people = sorted({*self.owners("take.frames"), *(person.id for person in piece.people)})
            video = piece.video
            if (0, "take.times") in self._chunks:
                (text,) = self._database.execute("SELECT value FROM meta WHERE key = 'video'").fetchone()
                video = replace(video, first_frame=json.loads(text)["first_frame"])
            take_tables.write_meta(self._database, replace(piece, video=video, status="partial"), people)
            for owner, name, values in take_tables.arrays(piece):
                grows = name in take_tables.GROWING
                chunk = self._chunks.get((owner, name), 0) if grows else 0
                take_tables.insert(self._database, owner, name, chunk, values)
                self._chunks[owner, name] = chunk + 1

    def finish(self, take: Take) -> Path:
        """Writes the final file, replaces ``path`` with it atomically, and removes the growing one.

        The evidence stays in the growing file where the take is partial, so that the capture can be resumed.
        """
        unfinished = self.path.with_name(self.path.name + ".tmp")
        try:
            with translated(self.path, writing=True):
                _remove(unfinished)
                database = sqlite3.connect(unfinished, isolation_level=None)
                try:
                    take_tables.create(database)
                    with take_tables.transaction(database):
                        take_tables.write(database, take)
                finally:
                    database.close()
                unfinished.replace(self.path)
        finally:
            with contextlib.suppress(OSError):
                _remove(unfinished)
        self._database.close()
        if take.status == "complete":
            # The take is in its place: whoever holds on to the old file (on Windows) makes no failure of that.
            with contextlib.suppress(OSError):
                _remove(self._part)
        return self.path

    def discard(self) -> None:
        """Throws the growing file away."""
        self._database.close()
        with translated(self._part, writing=True):
            _remove(self._part)

    def note(self, key: str, value: object) -> None:
        """Remembers something about the capture itself, JSON, for a later ``--resume``."""
        with translated(self._part, writing=True):
            row = (f"note.{key}", json.dumps(value, ensure_ascii=False))
            self._database.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", row)

    def noted(self, key: str) -> Any:
        """What ``note`` remembered, or None."""
        with translated(self._part, writing=False):
            row = self._database.execute("SELECT value FROM meta WHERE key = ?", (f"note.{key}",)).fetchone()
            return None if row is None else json.loads(row[0])

    def close(self) -> None:
        """Lets go of the growing file and leaves it where it is; others may write it now."""
        self._database.close()
        self._lock.release()

    def __enter__(self) -> TakeWriter:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def save_take(take: Take, path: Path) -> Path:
    """Writes a whole take at once, atomically."""
    with TakeWriter(path) as writer:
        writer.finish(take)
        writer.discard()
    return path


def load_take(path: Path) -> Take:
    """Reads a take, or the growing part of one that has not been finished.

    Raises:
        CaptureError: ``take_missing``, ``take_damaged`` or ``take_newer``.
    """
    path = Path(path)
    if not path.exists() and partial_path(path).exists():
        path = partial_path(path)
    if not path.is_file():
        raise CaptureError(
            "take_missing", f"There is no take at {path}.", "Check the path, or capture the video first."
        )
    with translated(path, writing=False):
        database = take_tables.open_for_reading(path)
        try:
            take_tables.check(database, path)
            return take_tables.load(database, path)
        finally:
            database.close()


def read_note(path: Path, key: str) -> Any:
    """What ``TakeWriter.note`` remembered in a file, or None.

    Raises:
        CaptureError: ``take_damaged`` or ``take_newer``.
    """
    with translated(path, writing=False):
        database = take_tables.open_for_reading(path)
        try:
            take_tables.check(database, path)
            row = database.execute("SELECT value FROM meta WHERE key = ?", (f"note.{key}",)).fetchone()
            return None if row is None else json.loads(row[0])
        finally:
            database.close()


def has_solved_frames(path: Path) -> bool:
    """Whether the file is a take, finished or growing, that can be opened."""
    if not path.is_file():
        return False
    try:
        database = take_tables.open_for_reading(path)
        try:
            take_tables.check(database, path)
            return database.execute("SELECT 1 FROM meta WHERE key = 'status'").fetchone() is not None
        finally:
            database.close()
    except (sqlite3.Error, CaptureError):
        return False


def _claimed(path: Path) -> FileLock:
    try:
        return FileLock(_lock_path(path))
    except BlockingIOError as error:
        raise CaptureError(
            "take_in_use", f"Another capture is writing {path.name} now.", "Wait until it is done, or stop it."
        ) from error


def _remove(path: Path) -> None:
    for victim in (path, path.with_name(path.name + "-journal")):
        victim.unlink(missing_ok=True)
