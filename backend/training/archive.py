# SPDX-License-Identifier: MIT
"""Clip archives: whatever a dataset labels, as one file per kind of label that is read where it lies on the disk.

A folder holds ``archive.json`` and a plain binary file per column, the frames of all sequences one after another, so a
window of frames is one slice of a memory map however many gigabytes there are. Numbers are little-endian.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vibe_blender.contract.errors import CaptureError
from vibe_blender.contract.version import VERSION

FORMAT, ARCHIVE_VERSION = "vibe-clips", 1
_LARGEST_INDEX = 1 << 30
_CHUNK = 1 << 22
_PICTURES = "images.bin"


@dataclass(frozen=True)
class Column:
    """One kind of label.

    Attributes:
        name: of the column and its file.
        dtype: of its numbers.
        shape: of one frame.
    """

    name: str
    dtype: str
    shape: tuple[int, ...]

    @property
    def frame_bytes(self) -> int:
        """Bytes of one frame."""
        return np.dtype(self.dtype).itemsize * math.prod(self.shape)


COLUMNS = (
    Column("features", "<f2", (2048,)),
    Column("joints2d", "<f4", (49, 3)),
    Column("joints3d", "<f4", (49, 4)),
    Column("rotations", "<f4", (24, 3)),
    Column("betas", "<f4", (10,)),
    Column("trans", "<f4", (3,)),
    Column("boxes", "<f4", (4,)),
    Column("intrinsics", "<f4", (4,)),
    Column("contacts", "<f4", (2,)),
    Column("frames", "<i8", ()),
    Column("pictures", "<i8", (2,)),
    Column("picture_boxes", "<f4", (4,)),
)
"""All columns there can be. ``features``: of the image encoder. ``joints2d``: pixels x, y, confidence 0..1.
``joints3d``: metres in camera axes (x right, y down, z forward), validity 0..1; both in the order of
``body.smpl.JOINTS49``. ``rotations``: axis-angle, joint to parent, the root's to the camera, or to the world (z up)
where there is no camera. ``betas``: of SMPL. ``trans``: metres, as AMASS has it. ``boxes``: centre x, y, width, height,
pixels. ``intrinsics``: focal length x, y and centre x, y, pixels. ``contacts``: left and right foot, 0..1. ``frames``:
of the video. ``pictures``: first byte and length of a JPEG in ``images.bin``, 0 where there is none;
``picture_boxes``: left, top, width, height, pixels, of what it shows of the full frame."""
_BY_NAME = {column.name: column for column in COLUMNS}


@dataclass(frozen=True)
class Facts:
    """What an archive is about.

    Attributes:
        dataset: such as ``3dpw``.
        split: such as ``train``.
        terms: what the dataset's owners allow, in a sentence.
        body: whose shape ``betas`` are of: ``smpl`` or ``mannequin``.
    """

    dataset: str
    split: str
    terms: str
    body: str = "smpl"


@dataclass(frozen=True)
class Sequence:
    """Consecutive frames of one person.

    Attributes:
        name: unique in the archive.
        first: of its frames in the columns.
        count: how many.
        fps: frames per second.
        columns: what is labelled; in all others its frames hold zeros.
    """

    name: str
    first: int
    count: int
    fps: float
    columns: tuple[str, ...]


class ClipArchive:
    """A finished archive, from ``open_archive``.

    Attributes:
        folder: where it is.
        facts: what it is about.
        program: version that wrote it.
        sequences: of its frames.
        columns: names of those it has.
    """

    def __init__(self, folder: Path, index: Mapping[str, Any]) -> None:
        self.folder = folder
        self.facts = Facts(**index["facts"])
        self.program: str = index["program"]
        self.sequences = tuple(
            Sequence(**{**entry, "columns": tuple(entry["columns"])}) for entry in index["sequences"]
        )
        self._hashes: dict[str, str] = dict(index["sha256"])
        self.columns = tuple(column.name for column in COLUMNS if _file(column.name) in self._hashes)
        self._maps: dict[str, NDArray[Any]] = {}

    def __len__(self) -> int:
        """How many frames there are."""
        return sum(sequence.count for sequence in self.sequences)

    def __reduce__(self) -> tuple[Callable[[Path], ClipArchive], tuple[Path]]:
        """Workers of a data loader open it for themselves."""
        return open_archive, (self.folder,)

    def column(self, name: str) -> NDArray[Any]:
        """All frames (N, ...) of a column, read where they lie; ``COLUMNS`` says what they mean.

        Raises:
            KeyError: the archive has no such column.
        """
        if name not in self._maps:
            if name not in self.columns:
                raise KeyError(name)
            column = _BY_NAME[name]
            path, shape = self.folder / _file(name), (len(self), *column.shape)
            # An empty file cannot be mapped.
            self._maps[name] = np.memmap(path, column.dtype, "r", shape=shape) if len(self) else np.zeros(shape)
        return self._maps[name]

    def picture(self, frame: int) -> bytes:
        """The JPEG of a frame, counted through all sequences; empty where there is none."""
        first, length = (int(number) for number in self.column("pictures")[frame])
        with (self.folder / _PICTURES).open("rb") as file:
            file.seek(first)
            return file.read(length)

    def verify(self) -> None:
        """Compares all files with their checksums.

        Raises:
            CaptureError: ``archive_broken``.
        """
        for name, known in self._hashes.items():
            if _sha256(self.folder / name) != known:
                raise _broken(self.folder, f"{name} is not what was written")


def open_archive(folder: Path) -> ClipArchive:
    """A finished archive; its files' sizes are checked, not all their bytes.

    Raises:
        CaptureError: ``archive_missing``, ``archive_newer`` or ``archive_broken``.
    """
    path = folder / "archive.json"
    try:
        if path.stat().st_size > _LARGEST_INDEX:
            raise _broken(folder, "its index is too long")
        index = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        unfinished = (folder / "journal.jsonl").is_file()
        raise CaptureError(
            "archive_missing",
            f"{folder} is {'an unfinished' if unfinished else 'no'} clip archive.",
            "Prepare it again: it goes on where it ended." if unfinished else "`vibe prepare` makes one of a dataset.",
        ) from error
    except (ValueError, RecursionError) as error:
        raise _broken(folder, "its index cannot be read") from error
    if not isinstance(index, dict) or index.get("format") != FORMAT:
        raise _broken(folder, "its index is of something else")
    if index.get("version") != ARCHIVE_VERSION:
        raise CaptureError(
            "archive_newer",
            f"{folder} has the format {index.get('version')!r}; this program reads {ARCHIVE_VERSION}.",
            "Prepare the dataset again, or use the program that wrote it.",
        )
    try:
        archive = ClipArchive(folder, index)
        _check(archive, index)
    except (KeyError, TypeError, ValueError, OSError) as error:
        raise _broken(folder, str(error)) from error
    return archive


class ArchiveWriter:
    """Writes an archive, sequence by sequence; what ended early goes on after the last whole one."""

    def __init__(self, folder: Path, facts: Facts, columns: tuple[str, ...]) -> None:
        """Begins an archive, or goes on with one that was begun.

        Args:
            folder: of the archive.
            facts: what it is about.
            columns: names of those that it is to have.

        Raises:
            CaptureError: ``archive_other`` where the folder holds other things, ``archive_finished`` where it is done.
        """
        self.folder, self.facts = folder, facts
        self.columns = tuple(column for column in COLUMNS if column.name in columns)
        self.sequences: list[Sequence] = []
        self._pictures = 0
        if (folder / "archive.json").exists():
            raise CaptureError("archive_finished", f"{folder} is done already.", "Delete it, or choose another name.")
        folder.mkdir(parents=True, exist_ok=True)
        self._journal = folder / "journal.jsonl"
        self._head = {"facts": asdict(facts), "columns": [column.name for column in self.columns]}
        if self._journal.exists():
            self._resume()
        elif any(folder.iterdir()):
            raise CaptureError("archive_other", f"{folder} holds other files.", "Choose an empty folder.")
        else:
            self._note(self._head)

    @property
    def done(self) -> frozenset[str]:
        """Names of the sequences that are whole."""
        return frozenset(sequence.name for sequence in self.sequences)

    def add(
        self, name: str, fps: float, arrays: Mapping[str, NDArray[Any]], pictures: list[bytes] | None = None
    ) -> None:
        """Appends a sequence.

        Args:
            name: unique in the archive.
            fps: frames per second.
            arrays: (T, ...) by column; columns that are not there are not labelled.
            pictures: T JPEGs, empty ones where there is none; needs ``picture_boxes``.

        Raises:
            ValueError: wrong shapes, numbers that are none, a name that is there already.
        """
        count = self._checked(name, fps, arrays, pictures)
        first = sum(sequence.count for sequence in self.sequences)
        given = dict(arrays)
        if pictures is not None:
            lengths = np.array([len(picture) for picture in pictures], np.int64)
            starts = self._pictures + np.concatenate([[0], np.cumsum(lengths)[:-1]])
            given["pictures"] = np.stack([np.where(lengths > 0, starts, 0), lengths], axis=1)
            self._append(_PICTURES, b"".join(pictures))
            self._pictures += int(lengths.sum())
        for column in self.columns:
            values = given.get(column.name)
            rows = np.zeros((count, *column.shape), column.dtype) if values is None else values
            self._append(_file(column.name), np.ascontiguousarray(rows, column.dtype).tobytes())
        labelled = tuple(column.name for column in self.columns if column.name in given)
        sequence = Sequence(name, first, count, float(fps), labelled)
        self._note({**asdict(sequence), "pictures": self._pictures})
        self.sequences.append(sequence)

    def finish(self) -> ClipArchive:
        """Completes the archive."""
        names = [_file(column.name) for column in self.columns]
        if "pictures" in {column.name for column in self.columns}:
            names.append(_PICTURES)
        for name in names:
            (self.folder / name).touch()
        index = {
            "format": FORMAT, "version": ARCHIVE_VERSION, "program": VERSION, "facts": asdict(self.facts),
            "sequences": [asdict(sequence) for sequence in self.sequences],
            "sha256": {name: _sha256(self.folder / name) for name in names},
        }  # fmt: skip
        path = self.folder / "archive.json"
        passing = path.with_suffix(".new")
        passing.write_text(json.dumps(index), encoding="utf-8")
        passing.replace(path)
        self._journal.unlink()
        return open_archive(self.folder)

    def _checked(self, name: str, fps: float, arrays: Mapping[str, NDArray[Any]], pictures: list[bytes] | None) -> int:
        """How many frames a sequence has that may be appended."""
        if name in self.done:
            raise ValueError(f"a second sequence {name!r}")
        if not 0 < fps < math.inf:
            raise ValueError(f"{name}: {fps} frames a second")
        known = {column.name: column for column in self.columns}
        counts = {len(values) for values in arrays.values()} | ({len(pictures)} if pictures is not None else set())
        if len(counts) != 1 or not min(counts):
            raise ValueError(f"{name}: columns of {sorted(counts)} frames")
        count = counts.pop()
        for column, values in arrays.items():
            if column not in known or column == "pictures":
                raise ValueError(f"{name}: the archive has no column {column!r}")
            if np.shape(values) != (count, *known[column].shape):
                raise ValueError(f"{name}: {column} has the shape {np.shape(values)}")
            if not np.all(np.isfinite(np.asarray(values).astype(known[column].dtype))):
                raise ValueError(f"{name}: not all of {column} are numbers")
        if pictures is not None and not {"pictures", "picture_boxes"} <= known.keys():
            raise ValueError(f"{name}: the archive has no pictures")
        return count

    def _append(self, name: str, data: bytes) -> None:
        with (self.folder / name).open("ab") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())

    def _note(self, entry: Mapping[str, Any]) -> None:
        """A line of the journal makes what was appended before it count."""
        self._append(self._journal.name, (json.dumps(entry) + "\n").encode())

    def _resume(self) -> None:
        """Takes over the whole sequences of the journal, and cuts off what follows them."""
        lines = self._journal.read_bytes().split(b"\n")
        try:
            head, *entries = [json.loads(line) for line in lines[:-1]]  # the last is empty, or was cut off
            if head != self._head:
                raise CaptureError(
                    "archive_other",
                    f"{self.folder} was begun for something else.",
                    "Delete it, or choose another name.",
                )
            for entry in entries:
                self._pictures = entry.pop("pictures")
                self.sequences.append(Sequence(**{**entry, "columns": tuple(entry["columns"])}))
        except (ValueError, TypeError, KeyError) as error:
            raise _broken(self.folder, "its journal cannot be read") from error
        whole = sum(len(line) + 1 for line in lines[:-1])
        frames = sum(sequence.count for sequence in self.sequences)
        sizes = {_file(column.name): frames * column.frame_bytes for column in self.columns}
        for name, size in {**sizes, _PICTURES: self._pictures, self._journal.name: whole}.items():
            path = self.folder / name
            if not path.exists() and not size:
                continue
            if not path.exists() or path.stat().st_size < size:
                raise _broken(self.folder, f"{name} is shorter than its journal says")
            os.truncate(path, size)


def _check(archive: ClipArchive, index: Mapping[str, Any]) -> None:
    """Raises ``ValueError`` where an index contradicts itself or its files."""
    first = 0
    for sequence in archive.sequences:
        if sequence.first != first or sequence.count < 1 or not 0 < sequence.fps < math.inf:
            raise ValueError(f"the frames of {sequence.name!r} make no sense")
        if not set(sequence.columns) <= set(archive.columns):
            raise ValueError(f"{sequence.name!r} has columns that are not there")
        first += sequence.count
    known = {_file(column.name) for column in COLUMNS} | {_PICTURES}
    if not set(index["sha256"]) <= known:
        raise ValueError("it names files that no archive has")
    for name in archive.columns:
        size = (archive.folder / _file(name)).stat().st_size
        if size != first * _BY_NAME[name].frame_bytes:
            raise ValueError(f"{_file(name)} has {size} bytes")
    if "pictures" in archive.columns:
        ends = archive.column("pictures").sum(axis=1)
        if first and (np.min(archive.column("pictures")) < 0 or np.max(ends) > _size(archive.folder / _PICTURES)):
            raise ValueError(f"{_PICTURES} is too short")


def _file(column: str) -> str:
    return f"{column}.bin"


def _size(path: Path) -> int:
    return path.stat().st_size


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def _broken(folder: Path, why: str) -> CaptureError:
    return CaptureError("archive_broken", f"The clip archive {folder} is damaged: {why}.", "Prepare it again.")
