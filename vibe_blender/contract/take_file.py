# SPDX-License-Identifier: GPL-3.0-or-later OR MIT
"""A take as one crash-safe SQLite file (docs/take.md describes the tables).

While a capture runs, the take grows as ``NAME.part`` beside its final name; every write is one transaction, so the
file can be opened at any moment, also after the process was killed. A finished take replaces ``NAME`` atomically.
"""

from __future__ import annotations

import contextlib
import json
import sqlite3
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .errors import CaptureError
from .take import Camera, Person, Take, Video
from .take_errors import damaged, translated

TAKE_VERSION = 1
_APPLICATION_ID = 0x56494245  # "VIBE"
_MAX_VALUES = 1 << 28
_STEM_BYTES = 200
_DTYPES = {"<f4", "<f8", "<i4", "<i8", "|u1", "|b1"}
_SCHEMA = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE arrays (
    owner INTEGER NOT NULL, name TEXT NOT NULL, chunk INTEGER NOT NULL,
    dtype TEXT NOT NULL, shape TEXT NOT NULL, data BLOB NOT NULL,
    PRIMARY KEY (owner, name, chunk)
) WITHOUT ROWID;
"""
_PERSON_ARRAYS = (
    "frames", "rotations", "root", "contacts", "confidence", "boxes", "rest_joints", "betas", "keypoints",
)  # fmt: skip
_GROWING = {"take.times", *(f"take.{name}" for name in _PERSON_ARRAYS if name not in ("rest_joints", "betas"))}


def partial_path(path: Path) -> Path:
    """Where a take grows before it is finished."""
    return path.with_name(path.name + ".part")


def free_take_path(folder: Path, video_stem: str) -> Path:
    """Where a new take of a video can go without touching another: ``walk.take``, ``walk 2.take``, …

    Args:
        folder: need not be there.
        video_stem: the video's name without its ending; cut where file systems would not take the names made of it.
    """
    stem = video_stem.encode("utf-8", "ignore")[:_STEM_BYTES].decode("utf-8", "ignore").strip() or "take"
    number, path = 1, folder / f"{stem}.take"
    while path.exists() or partial_path(path).exists():
        number += 1
        path = folder / f"{stem} {number}.take"
    return path


class TakeWriter:
    """A take that grows: ``append`` and ``extend`` at any time, ``finish`` once; a crash in between loses nothing."""

    def __init__(self, path: Path, *, keep: bool = False) -> None:
        """Starts ``NAME.part``, or goes on with the one that is there where ``keep`` is set.

        Raises:
            CaptureError: ``take_unwritable`` or ``disk_full``.
        """
        self.path = path
        self._part = partial_path(path)
        self._chunks: dict[tuple[int, str], int] = {}
        with translated(self._part, writing=True):
            self._part.parent.mkdir(parents=True, exist_ok=True)
            if not keep:
                _remove(self._part)
            fresh = not self._part.exists()
            self._database = sqlite3.connect(self._part, isolation_level=None, check_same_thread=False)
            try:
                if fresh:
                    _create(self._database)
                else:
                    _check_version(self._database, self._part)
                    rows = self._database.execute("SELECT owner, name, MAX(chunk) FROM arrays GROUP BY owner, name")
                    self._chunks = {(owner, name): chunk + 1 for owner, name, chunk in rows}
            except BaseException:
                self._database.close()
                raise

    @contextlib.contextmanager
    def together(self) -> Iterator[None]:
        """Makes one transaction of all that is written inside: after a crash, all of it is there or nothing."""
        with translated(self._part, writing=True), _transaction(self._database):
            yield

    def append(self, owner: int, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Adds raw evidence, one more chunk of rows per named array, in one transaction.

        Args:
            owner: the person's id, 0 for the video itself.
            arrays: by name; chunks of one name are concatenated along the first axis when read.
        """
        with translated(self._part, writing=True), _transaction(self._database):
            for name, values in arrays.items():
                chunk = self._chunks.get((owner, name), 0)
                _insert(self._database, owner, name, chunk, values)
                self._chunks[owner, name] = chunk + 1

    def evidence(self, owner: int, name: str) -> NDArray[Any] | None:
        """What ``append`` stored so far under this name, or None."""
        with translated(self._part, writing=False):
            return _read(self._database, owner, name)

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
        with translated(self._part, writing=True), _transaction(self._database):
            people = sorted({*self.owners("take.frames"), *(person.id for person in piece.people)})
            video = piece.video
            if (0, "take.times") in self._chunks:
                (text,) = self._database.execute("SELECT value FROM meta WHERE key = 'video'").fetchone()
                video = replace(video, first_frame=json.loads(text)["first_frame"])
            _write_meta(self._database, replace(piece, video=video, status="partial"), people)
            for owner, name, values in _arrays(piece):
                grows = name in _GROWING
                chunk = self._chunks.get((owner, name), 0) if grows else 0
                _insert(self._database, owner, name, chunk, values)
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
                    _create(database)
                    with _transaction(database):
                        _write(database, take)
                finally:
                    database.close()
                unfinished.replace(self.path)
        finally:
            with contextlib.suppress(OSError):
                _remove(unfinished)
        self.close()
        if take.status == "complete":
            # The take is in its place: whoever holds on to the old file (on Windows) makes no failure of that.
            with contextlib.suppress(OSError):
                _remove(self._part)
        return self.path

    def discard(self) -> None:
        """Throws the growing file away."""
        self.close()
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
        """Lets go of the growing file and leaves it where it is."""
        self._database.close()

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
        database = _open_for_reading(path)
        try:
            _check_version(database, path)
            return _load(database, path)
        finally:
            database.close()


def read_note(path: Path, key: str) -> Any:
    """What ``TakeWriter.note`` remembered in a file, or None.

    Raises:
        CaptureError: ``take_damaged`` or ``take_newer``.
    """
    with translated(path, writing=False):
        database = _open_for_reading(path)
        try:
            _check_version(database, path)
            row = database.execute("SELECT value FROM meta WHERE key = ?", (f"note.{key}",)).fetchone()
            return None if row is None else json.loads(row[0])
        finally:
            database.close()


def has_solved_frames(path: Path) -> bool:
    """Whether the file is a take, finished or growing, that can be opened."""
    if not path.is_file():
        return False
    try:
        database = _open_for_reading(path)
        try:
            return database.execute("SELECT 1 FROM meta WHERE key = 'status'").fetchone() is not None
        finally:
            database.close()
    except sqlite3.Error:
        return False


def _open_for_reading(path: Path) -> sqlite3.Connection:
    # A killed writer leaves a journal that SQLite must roll back, and for that it has to write.
    mode = "rw" if path.with_name(path.name + "-journal").exists() else "ro"
    database = sqlite3.connect(f"{path.resolve().as_uri()}?mode={mode}", uri=True, isolation_level=None)
    database.execute("PRAGMA trusted_schema = OFF")
    return database


def _create(database: sqlite3.Connection) -> None:
    database.executescript(
        f"PRAGMA application_id = {_APPLICATION_ID}; PRAGMA user_version = {TAKE_VERSION};BEGIN; {_SCHEMA} COMMIT;"
    )


def _check_version(database: sqlite3.Connection, path: Path) -> None:
    (application,) = database.execute("PRAGMA application_id").fetchone()
    (version,) = database.execute("PRAGMA user_version").fetchone()
    if application != _APPLICATION_ID:
        raise damaged(path, "it is not a take")
    if version > TAKE_VERSION:
        raise CaptureError(
            "take_newer",
            f"{path} was written by a newer version (take format {version}, this program reads up to {TAKE_VERSION}).",
            "Update VIBE for Blender, or capture the video again with this version.",
        )


def _write(database: sqlite3.Connection, take: Take) -> None:
    _write_meta(database, take, [person.id for person in take.people])
    for owner, name, values in _arrays(take):
        _insert(database, owner, name, 0, values)


def _write_meta(database: sqlite3.Connection, take: Take, people: list[int]) -> None:
    video = take.video
    meta = {
        "status": take.status, "estimator": take.estimator, "body": take.body, "device": take.device,
        "program": take.program, "warnings": list(take.warnings),
        "video": {
            "path": video.path, "width_px": video.width_px, "height_px": video.height_px, "fps": video.fps,
            "first_frame": video.first_frame,
        },
        "camera": {"focal_px": take.camera.focal_px},
        "people": people,
    }  # fmt: skip
    rows = [(key, json.dumps(value, ensure_ascii=False)) for key, value in meta.items()]
    database.executemany("INSERT OR REPLACE INTO meta VALUES (?, ?)", rows)


def _arrays(take: Take) -> Iterator[tuple[int, str, NDArray[Any]]]:
    """Every array of a take with its owner and name."""
    yield 0, "take.times", take.video.times
    yield 0, "take.centre_px", take.camera.centre_px
    yield 0, "take.from_world", take.camera.from_world
    for person in take.people:
        for name in _PERSON_ARRAYS:
            yield person.id, f"take.{name}", getattr(person, name)


def _insert(database: sqlite3.Connection, owner: int, name: str, chunk: int, values: NDArray[Any]) -> None:
    values = np.ascontiguousarray(values)
    values = values.astype(values.dtype.newbyteorder("<"), copy=False)
    if values.dtype.str not in _DTYPES:
        raise TypeError(f"{name}: arrays of {values.dtype} are not part of the take format")
    database.execute(
        "INSERT OR REPLACE INTO arrays VALUES (?, ?, ?, ?, ?, ?)",
        (owner, name, chunk, values.dtype.str, json.dumps(values.shape), values.tobytes()),
    )


def _read(database: sqlite3.Connection, owner: int, name: str) -> NDArray[Any] | None:
    rows = database.execute(
        "SELECT dtype, shape, data FROM arrays WHERE owner = ? AND name = ? ORDER BY chunk", (owner, name)
    )
    chunks = [_decode(*row) for row in rows]
    return np.concatenate(chunks) if chunks else None


def _decode(dtype: str, shape: str, data: bytes) -> NDArray[Any]:
    dimensions = json.loads(shape)
    if dtype not in _DTYPES or not all(isinstance(n, int) and 0 <= n <= _MAX_VALUES for n in dimensions):
        raise ValueError(f"array of type {dtype!r} and shape {shape!r}")
    return np.frombuffer(data, dtype).reshape(dimensions).copy()


def _load(database: sqlite3.Connection, path: Path) -> Take:
    meta: dict[str, Any] = {key: json.loads(value) for key, value in database.execute("SELECT key, value FROM meta")}
    if "status" not in meta:
        raise CaptureError(
            "take_empty",
            f"{path} holds no solved frames yet.",
            "Resume the capture with `--resume`, or start it again.",
        )

    def array(owner: int, name: str) -> NDArray[Any]:
        values = _read(database, owner, f"take.{name}")
        if values is None:
            raise KeyError(f"array {name} of {owner}")
        return values

    people = tuple(
        Person(id=int(owner), **{name: array(owner, name) for name in _PERSON_ARRAYS}) for owner in meta["people"]
    )
    video = meta["video"]
    take = Take(
        video=Video(
            path=str(video["path"]),
            width_px=int(video["width_px"]),
            height_px=int(video["height_px"]),
            fps=float(video["fps"]),
            times=array(0, "times"),
            first_frame=int(video["first_frame"]),
        ),
        camera=Camera(float(meta["camera"]["focal_px"]), array(0, "centre_px"), array(0, "from_world")),
        people=people,
        status=str(meta["status"]),
        estimator=str(meta["estimator"]),
        body=str(meta["body"]),
        device=str(meta["device"]),
        program=str(meta["program"]),
        warnings=tuple(str(text) for text in meta["warnings"]),
    )
    first, count = take.video.first_frame, len(take.video.times)
    for person in people:
        if len(person.frames) and not first <= person.frames[0] <= person.frames[-1] < first + count:
            raise ValueError(f"person {person.id} is seen outside the captured frames")
    return take


@contextlib.contextmanager
def _transaction(database: sqlite3.Connection) -> Iterator[None]:
    if database.in_transaction:
        yield
        return
    database.execute("BEGIN IMMEDIATE")
    try:
        yield
        database.execute("COMMIT")
    except BaseException:
        with contextlib.suppress(sqlite3.Error):
            database.execute("ROLLBACK")
        raise


def _remove(path: Path) -> None:
    for victim in (path, path.with_name(path.name + "-journal")):
        victim.unlink(missing_ok=True)
