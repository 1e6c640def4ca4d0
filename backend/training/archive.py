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
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vibe_blender.contract.errors import CaptureError
from vibe_blender.contract.file_lock import FileLock
from vibe_blender.contract.version import VERSION

from .archive_index import BY_NAME, COLUMNS, PICTURES, Column, Facts, Sequence, check_index, file_of

__all__ = ["COLUMNS", "ArchiveWriter", "ClipArchive", "Column", "Facts", "Sequence", "open_archive"]

FORMAT, ARCHIVE_VERSION = "vibe-clips", 1
_LARGEST_INDEX = 1 << 27
"""Bytes: half a million sequences."""
_CHUNK = 1 << 22
_JOURNAL, _LOCK = "journal.jsonl", "writing.lock"
_PATIENCE_SECONDS = 30.0


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
        self.columns = tuple(column.name for column in COLUMNS if file_of(column.name) in self._hashes)
        self._maps: dict[str, NDArray[Any]] = {}
        self._count = sum(sequence.count for sequence in self.sequences)

    def __len__(self) -> int:
        """How many frames there are."""
        return self._count

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
            column = BY_NAME[name]
            path, shape = self.folder / file_of(name), (len(self), *column.shape)
            # An empty file cannot be mapped.
            mapped = np.memmap(path, column.dtype, "r", shape=shape) if len(self) else np.zeros(shape, column.dtype)
            self._maps[name] = np.asarray(mapped)  # slices of arrays are made much faster than those of maps
        return self._maps[name]

    def picture(self, frame: int) -> bytes:
        """The JPEG of a frame, counted through all sequences; empty where there is none.

        Raises:
            KeyError: the archive has no pictures.
            CaptureError: ``archive_broken``.
        """
        first, length = (int(number) for number in self.column("pictures")[frame])
        if not length:
            return b""
        if PICTURES not in self._maps:
            self._maps[PICTURES] = np.memmap(self.folder / PICTURES, np.uint8, "r")
        if not 0 <= first <= first + length <= len(self._maps[PICTURES]):
            raise _broken(self.folder, f"{PICTURES} has no picture of frame {frame}")
        return self._maps[PICTURES][first : first + length].tobytes()

    def verify(self) -> None:
        """Compares all files with their checksums.

        Raises:
            CaptureError: ``archive_broken``.
        """
        for name, known in self._hashes.items():
            try:
                found = _sha256(self.folder / name)
            except OSError as error:
                raise _broken(self.folder, f"{name} cannot be read") from error
            if found != known:
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
        unfinished = (folder / _JOURNAL).is_file()
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
        check_index(index)
        archive = ClipArchive(folder, index)
        _check_files(archive)
    except KeyError as error:
        raise _broken(folder, f"its index does not say {error}") from error
    except (TypeError, ValueError, AttributeError, OSError) as error:
        raise _broken(folder, str(error)) from error
    return archive


class ArchiveWriter:
    """Writes an archive, sequence by sequence; what ended early goes on after the last whole one.

    A sequence counts once the journal has its line. Each file is cut to where the sequence begins before it is written
    on, so what a killed program or a full disk left behind is gone with the next try. Two programs that write the same
    archive take turns; the one that finds the journal changed gives up.

    Attributes:
        folder: of the archive.
        facts: what it is about.
        columns: that it is to have.
        sequences: that are whole.
    """

    def __init__(self, folder: Path, facts: Facts, columns: tuple[str, ...]) -> None:
        """Begins an archive, or goes on with one that was begun.

        Args:
            folder: of the archive.
            facts: what it is about.
            columns: names of those that it is to have.

        Raises:
            CaptureError: ``archive_other`` where the folder holds other things, ``archive_finished`` where it is done,
                ``archive_busy`` where another program is writing.
            ValueError: there is no such column, or none at all.
        """
        if not columns or not set(columns) <= BY_NAME.keys() or ("pictures" in columns) != ("picture_boxes" in columns):
            raise ValueError(f"no archive has the columns {columns}")
        self.folder, self.facts = folder, facts
        self.columns = tuple(column for column in COLUMNS if column.name in columns)
        self.sequences: list[Sequence] = []
        self._sizes: dict[str, int] = {file_of(column.name): 0 for column in self.columns}
        if "pictures" in columns:
            self._sizes[PICTURES] = 0
        self._journal_size = 0
        head = {"facts": asdict(facts), "columns": [column.name for column in self.columns]}
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except FileExistsError as error:
            raise _other(f"{folder} is a file") from error
        with self._alone():
            if (folder / "archive.json").exists():
                raise CaptureError(
                    "archive_finished", f"{folder} is done already.", "Delete it, or choose another name."
                )
            if (folder / _JOURNAL).exists():
                self._resume(head)
            elif any(path.name != _LOCK for path in folder.iterdir()):
                raise _other(f"{folder} holds other files")
            if not self._journal_size:
                self._note(head)

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
            CaptureError: ``archive_busy``.
        """
        count = self._checked(name, fps, arrays, pictures)
        first = sum(sequence.count for sequence in self.sequences)
        given, data = dict(arrays), {}
        if pictures is not None:
            lengths = np.array([len(picture) for picture in pictures], np.int64)
            starts = self._sizes[PICTURES] + np.concatenate([[0], np.cumsum(lengths)[:-1]])
            given["pictures"] = np.stack([np.where(lengths > 0, starts, 0), lengths], axis=1)
            data[PICTURES] = b"".join(pictures)
        for column in self.columns:
            values = given.get(column.name)
            rows = np.zeros((count, *column.shape), column.dtype) if values is None else values
            data[file_of(column.name)] = np.ascontiguousarray(rows, column.dtype).tobytes()
        labelled = tuple(column.name for column in self.columns if column.name in given)
        sequence = Sequence(name, first, count, float(fps), labelled)
        sizes = {file: size + len(data.get(file, b"")) for file, size in self._sizes.items()}
        with self._alone():
            for file, some in data.items():
                self._write(file, some, self._sizes[file])
            self._note({**asdict(sequence), "pictures": sizes.get(PICTURES, 0)})
        self._sizes = sizes
        self.sequences.append(sequence)

    def finish(self) -> ClipArchive:
        """Completes the archive.

        Raises:
            CaptureError: ``archive_busy``.
        """
        with self._alone():
            for name, size in self._sizes.items():
                self._write(name, b"", size)
            index = {
                "format": FORMAT, "version": ARCHIVE_VERSION, "program": VERSION, "facts": asdict(self.facts),
                "sequences": [asdict(sequence) for sequence in self.sequences],
                "sha256": {name: _sha256(self.folder / name) for name in self._sizes},
            }  # fmt: skip
            self._write("archive.new", json.dumps(index).encode(), 0)
            (self.folder / "archive.new").replace(self.folder / "archive.json")
            (self.folder / _JOURNAL).unlink()
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
            with np.errstate(over="ignore"):
                finite = np.isfinite(np.asarray(values).astype(known[column].dtype)).all()
            if not finite:
                raise ValueError(f"{name}: not all of {column} are numbers")
        if (pictures is not None) != ("picture_boxes" in arrays) or (pictures is not None and "pictures" not in known):
            raise ValueError(f"{name}: pictures and picture_boxes go together, in archives that have them")
        return count

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """While it lasts, nobody else writes; nobody has since this writer did."""
        try:
            with FileLock(self.folder / _LOCK, _PATIENCE_SECONDS):
                journal = self.folder / _JOURNAL
                if self._journal_size and (not journal.exists() or journal.stat().st_size != self._journal_size):
                    raise _busy(self.folder)
                yield
        except BlockingIOError as error:
            raise _busy(self.folder) from error

    def _write(self, name: str, data: bytes, at: int) -> None:
        """Makes ``data`` what a file has after its first ``at`` bytes."""
        path = self.folder / name
        path.touch()
        with path.open("r+b") as file:
            file.truncate(at)
            file.seek(at)
            file.write(data)
            file.flush()
            os.fsync(file.fileno())

    def _note(self, entry: Mapping[str, Any]) -> None:
        """A line of the journal makes what was written before it count."""
        line = (json.dumps(entry) + "\n").encode()
        self._write(_JOURNAL, line, self._journal_size)
        self._journal_size += len(line)

    def _resume(self, head: Mapping[str, Any]) -> None:
        """Takes over the whole sequences of the journal, and cuts off its unfinished line."""
        *lines, _ = (self.folder / _JOURNAL).read_bytes().split(b"\n")  # what follows the last line's end is none
        try:
            entries = [json.loads(line) for line in lines]
            if entries and entries[0] != head:
                raise _other(f"{self.folder} was begun for something else")
            for entry in entries[1:]:
                pictures = entry.pop("pictures")
                self.sequences.append(Sequence(**{**entry, "columns": tuple(entry["columns"])}))
                if PICTURES in self._sizes:
                    self._sizes[PICTURES] = int(pictures)
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise _broken(self.folder, "its journal cannot be read") from error
        frames = sum(sequence.count for sequence in self.sequences)
        self._sizes.update({file_of(column.name): frames * column.frame_bytes for column in self.columns})
        for name, size in self._sizes.items():
            path = self.folder / name
            if size and (not path.exists() or path.stat().st_size < size):
                raise _broken(self.folder, f"{name} is shorter than its journal says")
        journal_size = sum(len(line) + 1 for line in lines)
        self._write(_JOURNAL, b"", journal_size)
        self._journal_size = journal_size


def _check_files(archive: ClipArchive) -> None:
    """Raises ``ValueError`` or ``OSError`` where files are missing or of other sizes."""
    for name in archive.columns:
        size = (archive.folder / file_of(name)).stat().st_size
        if size != len(archive) * BY_NAME[name].frame_bytes:
            raise ValueError(f"{file_of(name)} has {size} bytes")
    if "pictures" in archive.columns and not (archive.folder / PICTURES).is_file():
        raise ValueError(f"{PICTURES} is not there")


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def _broken(folder: Path, why: str) -> CaptureError:
    return CaptureError("archive_broken", f"The clip archive {folder} is damaged: {why}.", "Prepare it again.")


def _other(why: str) -> CaptureError:
    return CaptureError("archive_other", f"{why}.", "Choose another name, or delete what is there.")


def _busy(folder: Path) -> CaptureError:
    return CaptureError(
        "archive_busy", f"Another program writes {folder}.", "Let that one finish, or end it and try again."
    )
