# SPDX-License-Identifier: MIT
"""Arrays out of a pickle from anywhere, as numpy, scipy and chumpy write them, without running any of it."""

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

LARGEST_FILE = 1 << 29
"""Bytes. The largest published body, 300 shapes in Python 2's text protocol, has 247 million."""
_DEEPEST = 8
_LARGEST_DENSE = 1 << 24
_MOST_AXES = 4

_ARRAY_MODULES = ("numpy.core.multiarray", "numpy._core.multiarray")
_RECONSTRUCT = {(module, "_reconstruct") for module in _ARRAY_MODULES}
_SCALAR = {(module, "scalar") for module in _ARRAY_MODULES}
_FROM_BUFFER = {("numpy.core.numeric", "_frombuffer"), ("numpy._core.numeric", "_frombuffer")}
_SPARSE = {("scipy.sparse.csc", "csc_matrix"), ("scipy.sparse._csc", "csc_matrix"), ("scipy.sparse", "csc_matrix")}
_CHUMPY = {("chumpy.ch", "Ch"), ("chumpy", "Ch")}
_CHUMPY_SELECT = {("chumpy.reordering", "Select")}
_REBUILD = {("copy_reg", "_reconstructor"), ("copyreg", "_reconstructor")}
_BUILT_IN = {
    (module, name)
    for module in ("__builtin__", "builtins")
    for name in ("object", "set", "frozenset", "list", "dict", "tuple", "bytes")
}
_ENCODE = {("_codecs", "encode")}
_ALLOWED = (
    _RECONSTRUCT | _SCALAR | _FROM_BUFFER | _SPARSE | _CHUMPY | _CHUMPY_SELECT | _REBUILD | _BUILT_IN | _ENCODE
    | {("numpy", "ndarray"), ("numpy", "dtype"), ("collections", "OrderedDict")}
)  # fmt: skip


@dataclass(slots=True, eq=False)
class _Object:
    """What loading would make: by calling which name, with what, and its state."""

    maker: Name
    arguments: tuple[Any, ...]
    state: Any = None

    @property
    def kind(self) -> tuple[str, str]:
        """Module and name of what makes it or, where it is rebuilt the old way, of its class."""
        maker = self.maker
        if (maker.module, maker.name) in _REBUILD and self.arguments and isinstance(self.arguments[0], Name):
            maker = self.arguments[0]
        return maker.module, maker.name


def read_pickled_arrays(path: Path, wanted: Collection[str]) -> dict[str, NDArray[np.generic]]:
    """Those arrays of a pickled dict that are wanted and there, by name; numpy's, scipy's sparse ones, chumpy's.

    Every protocol is read, also Python 2's. Sparse arrays become dense ones. Memory stays within a few times the
    file's size.

    Raises:
        FileNotFoundError: there is no file.
        UnsafePickleError: it names something that is no array class.
        ValueError: it is damaged, too large, no pickle of a dict, or a wanted entry is no array of numbers.
    """
    size = path.stat().st_size
    if size > LARGEST_FILE:
        raise ValueError(f"it has {size >> 20} MiB, more than any body model")
    if not size:
        raise ValueError("it is empty")
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        root = _Reader(content).read()
    if not isinstance(root, dict):
        raise ValueError("it is no pickled dict")
    arrays = {}
    for name in wanted:
        if name in root:
            try:
                arrays[name] = _array(root[name])
            except (ValueError, IndexError, TypeError, OverflowError, KeyError) as error:
                raise ValueError(f"{name!r} is no array of numbers ({error})") from error
    return arrays


class _Reader(PickleReader):
    """Knows the array classes, and keeps what would be made of them."""

    def allows(self, module: str, name: str) -> bool:
        return (module, name) in _ALLOWED or module.startswith("chumpy.")

    def made(self, maker: Name, arguments: tuple[Any, ...]) -> _Object:
        return _Object(maker, arguments)

    def changed(self, target: object, state: Any) -> None:
        if not isinstance(target, _Object):
            raise UnsafePickleError("a change of what is no object")
        target.state = state

    def filled(self, target: object) -> None:
        if not isinstance(target, _Object):  # what is put into an object is of no use to us
            super().filled(target)


def _array(value: Any, depth: int = 0) -> NDArray[np.generic]:
    """The array that loading would give."""
    if not isinstance(value, _Object) or depth > _DEEPEST:
        raise ValueError("it is something else")
    kind, state = value.kind, value.state
    if kind in _RECONSTRUCT and isinstance(state, tuple) and len(state) >= 4:
        shape, dtype, by_columns, content = state[-4:]
        return _from_bytes(_bytes(content), _dtype(dtype), shape, "F" if by_columns else "C")
    if kind in _FROM_BUFFER and len(value.arguments) == 4:
        content, dtype, shape, order = value.arguments
        return _from_bytes(_bytes(content), _dtype(dtype), shape, "F" if order == "F" else "C")
    if not isinstance(state, dict):
        raise ValueError("it has no content")
    if kind in _SPARSE:
        return _dense(state, depth)
    if kind in _CHUMPY:
        return _array(state["x"], depth + 1)
    if kind in _CHUMPY_SELECT:  # entries of a flattened array, in a new shape
        chosen = _array(state["a"], depth + 1).ravel()[_array(state["idxs"], depth + 1)]
        return chosen.reshape(state["preferred_shape"]) if "preferred_shape" in state else chosen
    raise ValueError(".".join(kind))


def _bytes(content: Any) -> bytes:
    if isinstance(content, _Object):  # Python 3's way of writing bytes in the protocols of Python 2
        if content.kind in _ENCODE and content.arguments:
            content = content.arguments[0]
        elif content.kind[1] == "bytes" and not content.arguments:
            return b""
    if isinstance(content, str):
        return content.encode("latin-1")
    if isinstance(content, bytes | bytearray):
        return bytes(content)
    raise ValueError("its content is no bytes")


def _dtype(value: Any) -> np.dtype[Any]:
    """A dtype of numbers only."""
    if not isinstance(value, _Object) or value.kind != ("numpy", "dtype") or not value.arguments:
        raise ValueError("its type is unknown")
    code = value.arguments[0]
    order = value.state[1] if isinstance(value.state, tuple) and len(value.state) > 1 else "="
    if not re.fullmatch(r"[<>=|]?(?:f[248]|[iu][1248]|b1)", str(code)) or order not in ("<", ">", "=", "|"):
        raise ValueError("it holds no numbers")
    return np.dtype(code).newbyteorder(cast(Any, order))


def _checked(shape: Any) -> tuple[int, ...]:
    if not isinstance(shape, tuple) or len(shape) > _MOST_AXES:
        raise ValueError("its shape is unknown")
    if not all(type(length) is int and 0 <= length <= LARGEST_FILE for length in shape):
        raise ValueError("its shape is unknown")
    return shape


def _from_bytes(content: bytes, dtype: np.dtype[Any], shape: Any, order: Any) -> NDArray[np.generic]:
    if math.prod(_checked(shape)) * dtype.itemsize != len(content):
        raise ValueError(f"its shape {shape} does not fit its {len(content)} bytes")
    return np.frombuffer(content, dtype).reshape(shape, order=order).astype(dtype.newbyteorder("="))


def _dense(state: dict[str, Any], depth: int) -> NDArray[np.generic]:
    """A sparse array in columns, as a dense one."""
    shape = _checked(state.get("_shape", state.get("shape")))
    if len(shape) != 2 or math.prod(shape) > _LARGEST_DENSE:
        raise ValueError(f"its shape is {shape}")
    values, listed, starts = (_array(state[name], depth + 1) for name in ("data", "indices", "indptr"))
    if (
        values.ndim != 1
        or listed.shape != values.shape
        or starts.shape != (shape[1] + 1,)
        or listed.dtype.kind not in "iu"
    ):
        raise ValueError("its parts do not fit together")
    rows, starts = listed.astype(np.int64), starts.astype(np.int64)
    counts = np.diff(starts)
    if starts[0] != 0 or np.any(counts < 0) or counts.sum() != len(values) or np.any(rows < 0):
        raise ValueError("its parts do not fit together")
    dense = np.zeros(shape, values.dtype)
    np.add.at(dense, (rows, np.repeat(np.arange(shape[1]), counts)), values)
    return dense
