# SPDX-License-Identifier: MIT
"""Files of plain arrays from anywhere, read so that a bad one is one kind of error and never runs code."""

from __future__ import annotations

import tokenize
import zipfile
import zlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

NO_ARRAYS = (
    OSError, EOFError, TypeError, KeyError, RuntimeError, NotImplementedError, MemoryError, SyntaxError,
    tokenize.TokenError, zipfile.BadZipFile, zlib.error,
)  # fmt: skip
"""What numpy may raise, besides ValueError, of a file that is damaged or no file of arrays."""


def read_arrays(path: Path, largest: int | None = None) -> dict[str, NDArray[np.generic]]:
    """All arrays of an .npz file, by name.

    Args:
        path: the file.
        largest: bytes that all its arrays together may unpack to; None for no limit.

    Raises:
        FileNotFoundError: there is no file.
        ValueError: it is no .npz file, damaged, encrypted, too large, holds Python objects or lies about its size.
    """
    try:
        if not zipfile.is_zipfile(path) and path.is_file():
            raise ValueError("it is no .npz file")
        if largest is not None:
            with zipfile.ZipFile(path) as archive:
                if (size := sum(member.file_size for member in archive.infolist())) > largest:
                    raise ValueError(f"it unpacks to {size >> 20} MiB")
        with np.load(path, allow_pickle=False) as file:
            return {name: file[name] for name in file.files}
    except FileNotFoundError:
        raise
    except NO_ARRAYS as error:
        raise ValueError(str(error)) from error
