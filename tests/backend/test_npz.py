# SPDX-License-Identifier: MIT
from __future__ import annotations

import io
import zipfile
from pathlib import Path

import numpy as np
import pytest

from backend.npz import read_arrays


def written(path: Path, header: bytes, *, compression: int = zipfile.ZIP_STORED, flag_bits: int = 0) -> Path:
    with zipfile.ZipFile(path, "w", compression) as archive:
        archive.writestr("a.npy", header)
    content = bytearray(path.read_bytes())
    if flag_bits:  # both headers of the one member say that it is encrypted
        for mark, place in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
            content[content.index(mark) + place] |= flag_bits
    path.write_bytes(bytes(content))
    return path


def npy(values: np.ndarray) -> bytes:
    stream = io.BytesIO()
    np.save(stream, values)
    return stream.getvalue()


def test_arrays_come_back(tmp_path: Path) -> None:
    path = tmp_path / "arrays \u8d70.npz"
    np.savez(path, a=np.arange(3), b=np.eye(2))
    arrays = read_arrays(path)
    assert sorted(arrays) == ["a", "b"]
    assert np.array_equal(arrays["b"], np.eye(2))


def test_a_missing_file_is_said_to_be_missing(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        read_arrays(tmp_path / "no.npz")


def test_whatever_is_wrong_is_a_value_error(tmp_path: Path) -> None:
    path, whole = tmp_path / "bad.npz", npy(np.arange(1000))
    objects = io.BytesIO()
    np.save(objects, np.array([object()], dtype=object), allow_pickle=True)
    made = {
        "text": lambda: path.write_bytes(b"hello"),
        "empty": lambda: path.write_bytes(b""),
        "cut": lambda: path.write_bytes(written(path, whole).read_bytes()[:300]),
        "encrypted": lambda: written(path, whole, flag_bits=1),
        "lying": lambda: written(path, whole.replace(b"(1000,), }" + b" " * 9, b"(99999999999999,), }")),
        "an open bracket": lambda: written(path, whole.replace(b"(1000,)", b"(1000, ")),
        "no grammar": lambda: written(path, whole.replace(b"<i8", b",i8")),
        "objects": lambda: written(path, objects.getvalue()),
        "folder": lambda: (path.unlink(), path.mkdir()),
    }
    for name, make in made.items():
        make()
        with pytest.raises(ValueError, match=r"."):
            print(name, read_arrays(path))
