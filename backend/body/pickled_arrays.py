# SPDX-License-Identifier: MIT
"""Arrays out of a pickle from anywhere: it is read as data, and nothing that it names is looked up or called."""

from __future__ import annotations

import codecs
import math
import mmap
import pickletools
import re
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, cast

import numpy as np
from numpy.typing import NDArray

LARGEST_FILE = 1 << 29
"""Bytes. The largest published body, 300 shapes in Python 2's text protocol, has 247 million."""
_MOST_STEPS = 2_000_000
_DEEPEST = 8
_LARGEST_DENSE = 1 << 24
_MOST_AXES = 4
_LONGEST_NAME = 80
_OPCODES = {opcode.code: opcode for opcode in pickletools.opcodes}

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


class UnsafePickleError(ValueError):
    """The pickle names something that is no array class; loading it as pickles are loaded could run code."""


@dataclass(frozen=True, slots=True)
class _Name:
    module: str
    name: str


@dataclass(slots=True, eq=False)
class _Object:
    """What loading would make: by calling which name, with what, and its state."""

    maker: _Name
    arguments: tuple[Any, ...]
    state: Any = None

    @property
    def kind(self) -> tuple[str, str]:
        """Module and name of what makes it or, where it is rebuilt the old way, of its class."""
        maker = self.maker
        if (maker.module, maker.name) in _REBUILD and self.arguments and isinstance(self.arguments[0], _Name):
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


class _Reader:
    """Follows a pickle's opcodes (PEP 3154, pickletools) with lists, dicts and records of what would be made."""

    def __init__(self, file: mmap.mmap) -> None:
        self.file = file
        self.stack: list[Any] = []
        self.marks: list[int] = []
        self.memo: dict[int, Any] = {}

    def read(self) -> Any:
        """The value the pickle ends with."""
        for _ in range(_MOST_STEPS):
            code = self.file.read(1).decode("latin-1")
            if not code:
                raise ValueError("it is cut off")
            opcode = _OPCODES.get(code)
            if opcode is None:
                raise ValueError("it is no pickle")
            if opcode.name == "STOP":
                return self._pop()
            self._step(opcode)
        raise ValueError("it has more parts than any body model")

    def _step(self, opcode: pickletools.OpcodeInfo) -> None:
        name = opcode.name
        if name == "STRING":  # the standard library's reader of Python 2's strings knows ASCII only
            self.stack.append(self._quoted())
            return
        argument = opcode.arg.reader(cast(IO[bytes], self.file)) if opcode.arg is not None else None
        if name in _PUSHED:
            self.stack.append(argument)
        elif name in _CONSTANTS:
            self.stack.append(_CONSTANTS[name])
        elif name in _EMPTY:
            self.stack.append(_EMPTY[name]())
        elif name in _ACTIONS:
            _ACTIONS[name](self, argument)
        elif name not in _IGNORED:
            raise UnsafePickleError(f"the opcode {name}")

    def _quoted(self) -> str:
        line = self.file.readline()
        text = line.strip()
        if not line.endswith(b"\n") or len(text) < 2 or text[:1] != text[-1:] or text[:1] not in b"'\"":
            raise ValueError("a string in it is not quoted; was it changed on its way, as text?")
        return codecs.escape_decode(text[1:-1])[0].decode("latin-1")

    def _pop(self) -> Any:
        if not self.stack or (self.marks and self.marks[-1] >= len(self.stack)):
            raise ValueError("it is damaged")
        return self.stack.pop()

    def _since_mark(self) -> list[Any]:
        if not self.marks:
            raise ValueError("it is damaged")
        start = self.marks.pop()
        items = self.stack[start:]
        del self.stack[start:]
        return items

    def _mark(self, _: object) -> None:
        self.marks.append(len(self.stack))

    def _discard(self, _: object) -> None:
        if self.marks and self.marks[-1] == len(self.stack):
            self.marks.pop()
        else:
            self._pop()

    def _duplicate(self, _: object) -> None:
        value = self._pop()
        self.stack += (value, value)

    def _get(self, number: int) -> None:
        if number not in self.memo:
            raise ValueError("it is damaged")
        self.stack.append(self.memo[number])

    def _put(self, number: int | None) -> None:
        value = self._pop()
        self.memo[len(self.memo) if number is None else number] = value
        self.stack.append(value)

    def _collect(self, make: Callable[[list[Any]], Any]) -> None:
        self.stack.append(make(self._since_mark()))

    def _tuple(self, count: int) -> None:
        items = [self._pop() for _ in range(count)]
        self.stack.append(tuple(reversed(items)))

    def _extend(self, items: list[Any]) -> None:
        target = self._pop()
        if isinstance(target, list):
            target.extend(items)
        elif not isinstance(target, _Object):  # what is put into a made object is of no use to us
            raise ValueError("it is damaged")
        self.stack.append(target)

    def _set(self, items: list[Any]) -> None:
        target = self._pop()
        if isinstance(target, dict):
            target.update(_dict(items))
        elif not isinstance(target, _Object):
            raise ValueError("it is damaged")
        self.stack.append(target)

    def _name(self, module: Any, name: Any) -> None:
        if (module, name) not in _ALLOWED and not str(module).startswith("chumpy."):
            raise UnsafePickleError(f"{module}.{name}"[:_LONGEST_NAME].encode("unicode_escape").decode())
        self.stack.append(_Name(module, name))

    def _stack_name(self, _: object) -> None:
        name, module = self._pop(), self._pop()
        if not (isinstance(name, str) and isinstance(module, str)):
            raise ValueError("it is damaged")
        self._name(module, name)

    def _make(self, with_keywords: bool) -> None:
        if with_keywords:
            self._pop()
        arguments, maker = self._pop(), self._pop()
        if not isinstance(maker, _Name):
            raise UnsafePickleError("a call of what is no class")
        self.stack.append(_Object(maker, arguments if isinstance(arguments, tuple) else ()))

    def _build(self, _: object) -> None:
        state, target = self._pop(), self._pop()
        if not isinstance(target, _Object):
            raise UnsafePickleError("a change of what is no object")
        target.state = state
        self.stack.append(target)


def _dict(items: list[Any]) -> dict[str, Any]:
    """Keys and values in turn; only names are kept as keys: we need no others, and they cannot be made to collide."""
    return {key: value for key, value in zip(items[::2], items[1::2], strict=True) if isinstance(key, str)}


_PUSHED = {
    "INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT", "BINSTRING",
    "SHORT_BINSTRING", "UNICODE", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8", "BINBYTES", "SHORT_BINBYTES",
    "BINBYTES8", "BYTEARRAY8",
}  # fmt: skip
_CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False, "EMPTY_TUPLE": ()}
_EMPTY: dict[str, Callable[[], Any]] = {"EMPTY_LIST": list, "EMPTY_DICT": dict, "EMPTY_SET": list}
_IGNORED = {"PROTO", "FRAME"}
_ACTIONS: dict[str, Callable[[_Reader, Any], None]] = {
    "MARK": _Reader._mark,
    "POP": _Reader._discard,
    "POP_MARK": lambda reader, _: reader._since_mark().clear(),
    "DUP": _Reader._duplicate,
    "GET": _Reader._get, "BINGET": _Reader._get, "LONG_BINGET": _Reader._get,
    "PUT": _Reader._put, "BINPUT": _Reader._put, "LONG_BINPUT": _Reader._put, "MEMOIZE": _Reader._put,
    "LIST": lambda reader, _: reader._collect(list),
    "TUPLE": lambda reader, _: reader._collect(tuple),
    "FROZENSET": lambda reader, _: reader._collect(list),
    "DICT": lambda reader, _: reader._collect(_dict),
    "TUPLE1": lambda reader, _: reader._tuple(1),
    "TUPLE2": lambda reader, _: reader._tuple(2),
    "TUPLE3": lambda reader, _: reader._tuple(3),
    "APPEND": lambda reader, _: reader._extend([reader._pop()]),
    "APPENDS": lambda reader, _: reader._extend(reader._since_mark()),
    "ADDITEMS": lambda reader, _: reader._extend(reader._since_mark()),
    "SETITEM": lambda reader, _: reader._set([reader._pop(), reader._pop()][::-1]),
    "SETITEMS": lambda reader, _: reader._set(reader._since_mark()),
    "GLOBAL": lambda reader, pair: reader._name(*pair.split(" ", 1)),
    "STACK_GLOBAL": _Reader._stack_name,
    "REDUCE": lambda reader, _: reader._make(with_keywords=False),
    "NEWOBJ": lambda reader, _: reader._make(with_keywords=False),
    "NEWOBJ_EX": lambda reader, _: reader._make(with_keywords=True),
    "BUILD": _Reader._build,
}  # fmt: skip


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
