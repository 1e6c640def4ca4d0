# SPDX-License-Identifier: MIT
"""Files of plain arrays from anywhere, read so that a bad one is one kind of error and never runs code."""

from __future__ import annotations

import zipfile
import zlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray


def read_arrays(path: Path) -> dict[str, NDArray[np.generic]]:
    """All arrays of an .npz file, by name.

    Raises:
        FileNotFoundError: there is no file.
        ValueError: it is no .npz file, damaged, encrypted, holds Python objects or lies about its size.
    """
    try:
        if not zipfile.is_zipfile(path) and path.is_file():
            raise ValueError("it is no .npz file")
        with np.load(path, allow_pickle=False) as file:
            return {name: file[name] for name in file.files}
    except FileNotFoundError:
        raise
    except (
        OSError, EOFError, TypeError, KeyError, RuntimeError, NotImplementedError, MemoryError, zipfile.BadZipFile,
        zlib.error,
    ) as error:  # fmt: skip
        raise ValueError(str(error)) from error
