# SPDX-License-Identifier: MIT
"""Files of datasets as they were downloaded: read as data and within bounds, or an error that says what to do."""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.io import loadmat, whosmat
from scipy.io.matlab import MatReadError

from backend.npz import NO_ARRAYS
from vibe_blender.contract.errors import CaptureError

from .pickled_lists import read_pickled_lists

LARGEST_ARRAY = 1 << 30
"""Bytes; the longest recordings of AMASS have some tens of millions."""
LARGEST_FILE = 1 << 31
_LARGEST_NUMBER = 1e9
"""Pixels, millimetres, whatever: what is larger is damage, and its products could be too large for a float."""
_COMPRESSED, _CHUNK = 15, 1 << 20
_PACKED = (".zip", ".tar", ".tgz", ".tar.gz", ".tar.bz2", ".tar.xz", ".rar", ".7z")
NO_MATRICES = (
    OSError, EOFError, ValueError, TypeError, KeyError, IndexError, AttributeError, OverflowError, MemoryError,
    NotImplementedError, MatReadError, struct.error, zlib.error,
)  # fmt: skip
"""What scipy may raise of a file that is damaged or none of MATLAB's."""


@dataclass(frozen=True)
class Origin:
    """Where a dataset comes from, for errors.

    Attributes:
        title: how its authors call it.
        layout: what is expected in the folder, in words.
        source: where it is to be had.
        terms: what its owners allow, in a sentence.
    """

    title: str
    layout: str
    source: str
    terms: str

    def missing(self, place: Path, what: str) -> CaptureError:
        """The error for something that is not there.

        Args:
            place: that was looked at.
            what: is not there, in words.
        """
        packed = _packed(place)
        found = f" {packed} is there, but it has to be unpacked." if packed else ""
        return CaptureError(
            "dataset_missing",
            f"{place}: there is {what}. {self.title} is expected as downloaded: {self.layout}.{found}",
            f"Get it at {self.source}. {self.terms}",
        )

    def broken(self, path: Path, why: object) -> CaptureError:
        """The error for a file that is not what it should be."""
        return CaptureError(
            "dataset_broken",
            f"{path} of {self.title} cannot be used: {str(why).rstrip('.')}.",
            f"Unpack or download it again, from {self.source}.",
        )

    def needs(self, package: str, what: str) -> CaptureError:
        """The error for a package that is not installed."""
        return CaptureError(
            "package_missing",
            f"{what} of {self.title} need the Python package {package}, which is not installed.",
            "Install the extra `datasets` of this program.",
        )


def _packed(place: Path) -> str:
    """The name of an archive that lies where a dataset is looked for, empty where there is none."""
    folder = next((folder for folder in (place, *place.parents) if folder.is_dir()), None)
    names = sorted(path.name for path in folder.iterdir()) if folder is not None else []
    return next((name for name in names if name.lower().endswith(_PACKED)), "")


def folder_of(origin: Origin, raw: Path, *names: str) -> Path:
    """The first folder that is there of ``names`` below ``raw``, which are relative paths.

    Raises:
        CaptureError: ``dataset_missing``.
    """
    if not raw.is_dir():
        raise origin.missing(raw, "no such folder")
    for name in names:
        if (raw / name).is_dir():
            return raw / name
    raise origin.missing(raw, f"no folder {names[0]}")


def read_npz(origin: Origin, path: Path, wanted: Collection[str]) -> dict[str, NDArray[Any]]:
    """Those arrays of an .npz file that are wanted and there; Python objects in it are left alone.

    Raises:
        CaptureError: ``dataset_broken``.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            names = [name for name in wanted if name in file.files]
            sizes = {member.filename: member.file_size for member in file.zip.infolist()}
            if any(sizes.get(f"{name}.npy", 0) > LARGEST_ARRAY for name in names):
                raise ValueError("its arrays are too large")
            return {name: file[name] for name in names}
    except (ValueError, AttributeError, *NO_ARRAYS) as error:
        raise origin.broken(path, error) from error


def read_mat(origin: Origin, path: Path, wanted: Collection[str]) -> dict[str, Any]:
    """Those variables of a MATLAB file of format 5 that are wanted, all of which have to be there.

    Raises:
        CaptureError: ``dataset_broken``.
    """
    try:
        _check_unpacked_size(path)
        shapes = {name: shape for name, shape, _ in whosmat(str(path))}
        absent = sorted(set(wanted) - shapes.keys())
        if absent:
            raise ValueError(f"it has no {', '.join(absent)}")
        if any(np.prod(shapes[name], dtype=float) * 8 > LARGEST_ARRAY for name in wanted):
            raise ValueError("its arrays are too large")
        held = loadmat(str(path), variable_names=list(wanted))
        return {name: held[name] for name in wanted}
    except NO_MATRICES as error:
        raise origin.broken(path, error) from error


def _check_unpacked_size(path: Path) -> None:
    """Raises ``ValueError`` where a MATLAB file of format 5 unpacks to more than ``LARGEST_FILE`` bytes."""
    left = LARGEST_FILE - path.stat().st_size
    with path.open("rb") as file:
        order = {b"IM": "<", b"MI": ">"}.get(file.read(128)[126:], "")
        if not order:
            raise ValueError("it is no MATLAB file of format 5")
        while len(tag := file.read(8)) == 8 and left >= 0:
            kind, size = struct.unpack(f"{order}II", tag)
            end = file.tell() + size
            if kind == _COMPRESSED:
                unpacking = zlib.decompressobj()
                while left >= 0 and file.tell() < end and (part := file.read(min(_CHUNK, end - file.tell()))):
                    while part and left >= 0:
                        left -= len(unpacking.decompress(part, _CHUNK))
                        part = unpacking.unconsumed_tail
            file.seek(end)
    if left < 0:
        raise ValueError("it is too large")


def read_json(origin: Origin, path: Path) -> Mapping[str, Any]:
    """The object in a JSON file.

    Raises:
        CaptureError: ``dataset_broken``.
    """
    try:
        if path.stat().st_size > LARGEST_FILE >> 3:
            raise ValueError("it is too large")
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise origin.broken(path, error) from error
    if not isinstance(value, dict):
        raise origin.broken(path, "it holds something else")
    return value


def read_pickle(origin: Origin, path: Path, wanted: Collection[str]) -> dict[str, Any]:
    """Entries of a pickled dict, read without running anything of it; all that are wanted have to be there.

    Raises:
        CaptureError: ``dataset_broken``.
    """
    try:
        held = read_pickled_lists(path, wanted)
    except (OSError, ValueError) as error:
        raise origin.broken(path, error) from error
    absent = sorted(set(wanted) - held.keys())
    if absent:
        raise origin.broken(path, f"it has no {', '.join(absent)}")
    return held


def as_array(origin: Origin, path: Path, name: str, value: Any, *shape: int | None) -> NDArray[np.float64]:
    """Numbers, none of them huge, of a shape in which None stands for any length.

    Args:
        origin, path, name: for the error.
        value: that ought to be such.
        shape: that it ought to have.

    Raises:
        CaptureError: ``dataset_broken``.
    """
    try:
        array = np.asarray(value, np.float64)
    except (ValueError, TypeError) as error:
        raise origin.broken(path, f"{name} holds no numbers") from error
    if array.ndim != len(shape) or any(want not in (None, have) for want, have in zip(shape, array.shape, strict=True)):
        raise origin.broken(path, f"{name} has the shape {array.shape}")
    if not (np.abs(array) < _LARGEST_NUMBER).all():
        raise origin.broken(path, f"not all of {name} are plausible numbers")
    return array
