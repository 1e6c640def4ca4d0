# SPDX-License-Identifier: MIT
"""Dicts of numpy's arrays and lists of them out of a pickle from anywhere, Python 2's too, read without running it."""

from __future__ import annotations

import math
import mmap
import re
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from backend.pickle_reading import Name, PickleReader, UnsafePickleError

LARGEST_FILE = 1 << 30
_MOST_AXES, _DEEPEST = 4, 4
_RECONSTRUCT = {("numpy.core.multiarray", "_reconstruct"), ("numpy._core.multiarray", "_reconstruct")}
_SCALAR = {("numpy.core.multiarray", "scalar"), ("numpy._core.multiarray", "scalar")}
_ENCODE, _DTYPE = ("_codecs", "encode"), ("numpy", "dtype")
_ALLOWED = _RECONSTRUCT | _SCALAR | {_ENCODE, _DTYPE, ("numpy", "ndarray")}


@dataclass(slots=True, eq=False)
class _Object:
    """What loading would make, and its state."""

    kind: tuple[str, str]
    arguments: tuple[Any, ...]
    state: Any = None


class _Reader(PickleReader):
    def allows(self, module: str, name: str) -> bool:
        return (module, name) in _ALLOWED

    def made(self, maker: Name, arguments: tuple[Any, ...]) -> _Object:
        return _Object((maker.module, maker.name), arguments)

    def changed(self, target: object, state: Any) -> None:
        if not isinstance(target, _Object):
            raise UnsafePickleError("a change of what is no object")
        target.state = state


def read_pickled_lists(path: Path, wanted: Collection[str]) -> dict[str, Any]:
    """Those entries of a pickled dict that are wanted and there: arrays, numbers, texts, and lists of them.

    Raises:
        OSError: it cannot be read.
        UnsafePickleError: it names something that is none of numpy's arrays.
        ValueError: it is damaged, too large, no pickle of a dict, or a wanted entry is something else.
    """
    if not 0 < path.stat().st_size <= LARGEST_FILE:
        raise ValueError("it is empty, or too large")
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        root = _Reader(content).read()
    if not isinstance(root, dict):
        raise ValueError("it is no pickled dict")
    try:
        return {name: _plain(root[name]) for name in wanted if name in root}
    except (TypeError, IndexError, OverflowError, MemoryError) as error:
        raise ValueError(str(error)) from error


def _plain(value: Any, depth: int = 0) -> Any:
    if depth > _DEEPEST:
        raise ValueError("its lists are too deep")
    if isinstance(value, list | tuple):
        return [_plain(item, depth + 1) for item in value]
    if value is None or isinstance(value, int | float | str):
        return value
    if isinstance(value, _Object) and value.kind in _SCALAR and len(value.arguments) == 2:
        return _numbers(_bytes(value.arguments[1]), value.arguments[0], (), "C")[()]
    if isinstance(value, _Object) and value.kind in _RECONSTRUCT and isinstance(value.state, tuple):
        shape, dtype, by_columns, content = value.state[-4:]
        return _numbers(_bytes(content), dtype, shape, "F" if by_columns else "C")
    raise ValueError("it holds other things than arrays")


def _bytes(content: Any) -> bytes:
    if isinstance(content, _Object) and content.kind == _ENCODE and content.arguments:
        content = content.arguments[0]  # Python 3's way of writing bytes in the protocols of Python 2
    if isinstance(content, str):
        return content.encode("latin-1")
    if isinstance(content, bytes | bytearray):
        return bytes(content)
    raise ValueError("the content of an array is no bytes")


def _numbers(content: bytes, dtype: Any, shape: Any, order: Any) -> NDArray[Any]:
    if not isinstance(dtype, _Object) or dtype.kind != _DTYPE or not dtype.arguments:
        raise ValueError("the type of an array is unknown")
    code = str(dtype.arguments[0])
    byte_order = dtype.state[1] if isinstance(dtype.state, tuple) and len(dtype.state) > 1 else "="
    if not re.fullmatch(r"[<>=|]?(?:f[248]|[iu][1248]|b1)", code) or byte_order not in ("<", ">", "=", "|"):
        raise ValueError("an array holds no numbers")
    if not isinstance(shape, tuple) or len(shape) > _MOST_AXES:
        raise ValueError("the shape of an array is unknown")
    if not all(type(length) is int and 0 <= length <= LARGEST_FILE for length in shape):
        raise ValueError("the shape of an array is unknown")
    kind = np.dtype(code).newbyteorder(cast(Any, byte_order))
    if math.prod(shape) * kind.itemsize != len(content):
        raise ValueError(f"the shape {shape} of an array does not fit its {len(content)} bytes")
    return np.frombuffer(content, kind).reshape(shape, order=order).astype(kind.newbyteorder("="))
