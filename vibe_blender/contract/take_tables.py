# SPDX-License-Identifier: GPL-3.0-or-later OR MIT
"""The tables of a take: how meta values and arrays lie in the SQLite file, and how they are read back."""

from __future__ import annotations

import contextlib
import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .errors import CaptureError
from .take import Camera, NetworkWords, Person, Take, Video
from .take_errors import damaged

TAKE_VERSION = 1
_APPLICATION_ID = 0x56494245  # "VIBE"
_MAX_VALUES = 1 << 28
_DTYPES = {"<f4", "<f8", "<i4", "<i8", "|u1", "|b1"}
_SCHEMA = {
    "meta": "CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID",
    "arrays": """CREATE TABLE arrays (
    owner INTEGER NOT NULL, name TEXT NOT NULL, chunk INTEGER NOT NULL,
    dtype TEXT NOT NULL, shape TEXT NOT NULL, data BLOB NOT NULL,
    PRIMARY KEY (owner, name, chunk)
) WITHOUT ROWID""",
}
_PERSON_ARRAYS = (
    "frames", "rotations", "root", "contacts", "confidence", "boxes", "rest_joints", "betas", "keypoints",
)  # fmt: skip
_WORDS = ("camera", "rotations", "betas", "boxes")
GROWING = {
    "take.times",
    *(f"take.{name}" for name in _PERSON_ARRAYS if name not in ("rest_joints", "betas")),
    *(f"take.words.{name}" for name in _WORDS),
}


def open_for_reading(path: Path) -> sqlite3.Connection:
    """A connection that changes nothing; the file stays what it was at the first look, also while it grows."""
    # A killed writer leaves a journal that SQLite must roll back, and for that it has to write.
    mode = "rw" if path.with_name(path.name + "-journal").exists() else "ro"
    database = sqlite3.connect(f"{path.resolve().as_uri()}?mode={mode}", uri=True, isolation_level=None)
    database.execute("BEGIN")
    return database


def create(database: sqlite3.Connection) -> None:
    """Makes the empty tables."""
    tables = ";".join(_SCHEMA.values())
    database.executescript(
        f"PRAGMA application_id = {_APPLICATION_ID}; PRAGMA user_version = {TAKE_VERSION}; BEGIN; {tables}; COMMIT;"
    )


def check(database: sqlite3.Connection, path: Path) -> None:
    """Refuses a file that is no take: also a stranger's with views or triggers, whose SQL would run in ours.

    Raises:
        CaptureError: ``take_damaged`` or ``take_newer``.
    """
    database.execute("PRAGMA trusted_schema = OFF")
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
    found = database.execute("SELECT type, name, sql FROM sqlite_master").fetchall()
    if sorted(found) != sorted(("table", name, sql) for name, sql in _SCHEMA.items()):
        raise damaged(path, "its tables are not those of a take")


def write(database: sqlite3.Connection, take: Take) -> None:
    """Writes a whole take into empty tables."""
    write_meta(database, take, [person.id for person in take.people])
    for owner, name, values in arrays(take):
        insert(database, owner, name, 0, values)


def write_meta(database: sqlite3.Connection, take: Take, people: list[int]) -> None:
    """Writes, or replaces, all of a take that is no array."""
    video = take.video
    meta = {
        "status": take.status, "estimator": take.estimator, "body": take.body, "device": take.device,
        "program": take.program, "warnings": list(take.warnings), "notice": take.notice,
        "video": {
            "path": video.path, "width_px": video.width_px, "height_px": video.height_px, "fps": video.fps,
            "first_frame": video.first_frame,
        },
        "camera": {"focal_px": take.camera.focal_px},
        "people": people,
    }  # fmt: skip
    rows = [(key, json.dumps(value, ensure_ascii=False)) for key, value in meta.items()]
    database.executemany("INSERT OR REPLACE INTO meta VALUES (?, ?)", rows)


def arrays(take: Take) -> Iterator[tuple[int, str, NDArray[Any]]]:
    """Every array of a take with its owner and name."""
    yield 0, "take.times", take.video.times
    yield 0, "take.centre_px", take.camera.centre_px
    yield 0, "take.from_world", take.camera.from_world
    for person in take.people:
        for name in _PERSON_ARRAYS:
            yield person.id, f"take.{name}", getattr(person, name)
        if person.words is not None:
            for name in _WORDS:
                yield person.id, f"take.words.{name}", getattr(person.words, name)


def insert(database: sqlite3.Connection, owner: int, name: str, chunk: int, values: NDArray[Any]) -> None:
    """Writes, or replaces, one chunk of an array."""
    values = np.ascontiguousarray(values)
    values = values.astype(values.dtype.newbyteorder("<"), copy=False)
    if values.dtype.str not in _DTYPES:
        raise TypeError(f"{name}: arrays of {values.dtype} are not part of the take format")
    database.execute(
        "INSERT OR REPLACE INTO arrays VALUES (?, ?, ?, ?, ?, ?)",
        (owner, name, chunk, values.dtype.str, json.dumps(values.shape), values.tobytes()),
    )


def read(database: sqlite3.Connection, owner: int, name: str) -> NDArray[Any] | None:
    """An array, its chunks joined, or None."""
    rows = database.execute(
        "SELECT dtype, shape, data FROM arrays WHERE owner = ? AND name = ? ORDER BY chunk", (owner, name)
    )
    chunks = [_decode(*row) for row in rows]
    return np.concatenate(chunks) if chunks else None


def read_rows(database: sqlite3.Connection, owner: int, name: str, first: int, last: int) -> NDArray[Any]:
    """The rows from ``first`` to ``last`` of an array; other chunks stay where they are.

    Raises:
        ValueError: it does not have them all.
    """
    parts, begin = [], 0
    for chunk, shape in database.execute(
        "SELECT chunk, shape FROM arrays WHERE owner = ? AND name = ? ORDER BY chunk", (owner, name)
    ).fetchall():
        end = begin + json.loads(shape)[0]
        if begin < last and first < end:
            row = database.execute(
                "SELECT dtype, shape, data FROM arrays WHERE owner = ? AND name = ? AND chunk = ?", (owner, name, chunk)
            ).fetchone()
            parts.append(_decode(*row)[max(first - begin, 0) : last - begin])
        begin = end
    if sum(map(len, parts)) != last - first or not parts:
        raise ValueError(f"{name} of {owner} has no rows {first} to {last}")
    return np.concatenate(parts)


def _decode(dtype: str, shape: str, data: bytes) -> NDArray[Any]:
    dimensions = json.loads(shape)
    if dtype not in _DTYPES or not all(isinstance(n, int) and 0 <= n <= _MAX_VALUES for n in dimensions):
        raise ValueError(f"array of type {dtype!r} and shape {shape!r}")
    return np.frombuffer(data, dtype).reshape(dimensions).copy()


def load(database: sqlite3.Connection, path: Path) -> Take:
    """The whole take; ``KeyError``, ``TypeError`` or ``ValueError`` where something is missing or makes no sense."""
    meta: dict[str, Any] = {key: json.loads(value) for key, value in database.execute("SELECT key, value FROM meta")}
    if "status" not in meta:
        raise CaptureError(
            "take_empty",
            f"{path} holds no solved frames yet.",
            "Resume the capture with `--resume`, or start it again.",
        )

    def array(owner: int, name: str) -> NDArray[Any]:
        values = read(database, owner, f"take.{name}")
        if values is None:
            raise KeyError(f"array {name} of {owner}")
        return values

    def words(owner: int) -> NetworkWords | None:
        if read(database, owner, "take.words.camera") is None:
            return None
        return NetworkWords(**{name: array(owner, f"words.{name}") for name in _WORDS})

    people = tuple(
        Person(id=int(owner), words=words(owner), **{name: array(owner, name) for name in _PERSON_ARRAYS})
        for owner in meta["people"]
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
        notice=str(meta.get("notice", "")),
    )
    first, count = take.video.first_frame, len(take.video.times)
    for person in people:
        if len(person.frames) and not first <= person.frames[0] <= person.frames[-1] < first + count:
            raise ValueError(f"person {person.id} is seen outside the captured frames")
    return take


@contextlib.contextmanager
def transaction(database: sqlite3.Connection) -> Iterator[None]:
    """Makes one transaction of what is written inside, or lets it be part of the one that is open."""
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
