# SPDX-License-Identifier: MIT
"""What a PyTorch checkpoint says it holds, read without torch, without running anything of it and within bounds."""

from __future__ import annotations

import io
import pickletools
import struct
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, BinaryIO

from vibe_blender.contract.errors import CaptureError

_DTYPES = {
    "torch.DoubleStorage": ("float64", 8), "torch.FloatStorage": ("float32", 4), "torch.HalfStorage": ("float16", 2),
    "torch.BFloat16Storage": ("bfloat16", 2), "torch.LongStorage": ("int64", 8), "torch.IntStorage": ("int32", 4),
    "torch.ShortStorage": ("int16", 2), "torch.CharStorage": ("int8", 1), "torch.ByteStorage": ("uint8", 1),
    "torch.BoolStorage": ("bool", 1),
}  # fmt: skip
_NUMPY_SCALARS = {"numpy.core.multiarray.scalar", "numpy._core.multiarray.scalar"}
_NUMPY_TYPES = {"f2", "f4", "f8", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "b1"}
_NAMES = {
    "collections.OrderedDict", "torch._utils._rebuild_tensor_v2", "numpy.dtype", "_codecs.encode",
    *_NUMPY_SCALARS, *_DTYPES,
}  # fmt: skip
_ZIP_START = b"PK\x03\x04"
_MAGIC_NUMBER = 0x1950A86A20F9469CFC6C
_FORMAT_VERSION = 1001
_COUNT_BYTES = 8
_MOST_AXES = 8
# The pickled part of a published file, optimizer and order of the training set included, has less than two megabytes;
# as objects a byte of it can take fifty.
_MOST_PICKLE_BYTES = 4 << 20
_MOST_DATA_BYTES = 4 << 30
_ELSEWHERE = "Get the file again, from where its authors publish it."


@dataclass(frozen=True)
class DeclaredTensor:
    """A tensor that a checkpoint says it holds: its shape, and its type by torch's name, such as ``float32``."""

    shape: tuple[int, ...]
    dtype: str


def declared(file: BinaryIO, name: str) -> object:
    """What a checkpoint holds: dicts, lists, tuples, numbers and texts, with each tensor as a ``DeclaredTensor``.

    Both formats of ``torch.save`` are read, the zip archive and the row of pickles that came before it. What is left
    out of the answer, because nobody asks for it, is the value of numpy's scalars.

    Args:
        file: opened for reading; what it says of its sizes is compared with its size before memory is taken.
        name: what to call it in errors.

    Raises:
        CaptureError: ``checkpoint_unsafe`` where it names anything but tensors, containers and numbers;
            ``checkpoint_damaged`` where it is no checkpoint or not whole.
    """
    size = file.seek(0, io.SEEK_END)
    file.seek(0)
    zipped = file.read(len(_ZIP_START)) == _ZIP_START
    file.seek(0)
    try:
        return _of_zip(file, size) if zipped else _of_pickles(file, size)
    except _NotAllowedError as error:
        raise CaptureError(
            "checkpoint_unsafe",
            f"{name} was not opened: it names {_printable(str(error))}, which no checkpoint needs and may do harm.",
            _ELSEWHERE,
        ) from error
    except (
        ValueError, TypeError, LookupError, ArithmeticError, RuntimeError, EOFError, OSError, struct.error,
        zipfile.BadZipFile,
    ) as error:  # fmt: skip
        why = _printable(str(error)) or "it ends early"
        raise CaptureError("checkpoint_damaged", f"{name} is no whole checkpoint: {why}.", _ELSEWHERE) from error


class _NotAllowedError(Exception):
    """A pickle names something that is not needed to say what tensors there are."""


@dataclass(frozen=True)
class _Name:
    text: str


@dataclass(frozen=True)
class _NumpyType:
    """Stands for a numpy type of one number."""


@dataclass(frozen=True)
class _Opaque:
    """Stands for a value that nobody asks for."""


@dataclass(frozen=True)
class _Storage:
    key: str
    dtype: str
    count: int
    size_bytes: int


class _Bounded:
    """The next bytes of a file, up to a limit: beyond it the file seems to end."""

    def __init__(self, file: BinaryIO, limit: int) -> None:
        self._file = file
        self._left = limit

    def read(self, count: int) -> bytes:
        return self._taken(self._file.read(min(count, self._left)))

    def readline(self) -> bytes:
        return self._taken(self._file.readline(self._left))

    def _taken(self, content: bytes) -> bytes:
        self._left -= len(content)
        return content


class _Machine:
    """A pickle machine that knows what checkpoints are written with and makes nothing but containers of it."""

    def __init__(self) -> None:
        self.storages: dict[str, _Storage] = {}
        self._stack: list[Any] = []
        self._marks: list[int] = []
        self._memo: dict[int, Any] = {}

    def run(self, stream: _Bounded) -> Any:
        """The value of the next pickle."""
        self._stack, self._marks, self._memo = [], [], {}
        for opcode, argument, _ in pickletools.genops(stream):  # type: ignore[arg-type]
            if opcode.name in _VALUES:
                self._stack.append(argument)
            elif opcode.name in _CONSTANTS:
                self._stack.append(_CONSTANTS[opcode.name]())
            elif opcode.name in _STEPS:
                _STEPS[opcode.name](self, argument)
            elif opcode.name in _CLASS_STEPS:
                raise _NotAllowedError(f"a class ({opcode.name})")
            else:
                raise ValueError(f"it holds {opcode.name}, which PyTorch does not write")
        (value,) = self._stack
        return value

    def nothing(self, _argument: object) -> None:
        """PROTO, FRAME and STOP change no value."""

    def mark(self, _argument: object) -> None:
        self._marks.append(len(self._stack))

    def remember(self, key: int | None) -> None:
        self._memo[len(self._memo) if key is None else key] = self._stack[-1]

    def recall(self, key: int) -> None:
        self._stack.append(self._memo[key])

    def gather(self, count: int | None) -> None:
        """A tuple of the last ``count`` values, or of those since the mark."""
        values = self._since_mark() if count is None else [self._stack.pop() for _ in range(count)][::-1]
        self._stack.append(tuple(values))

    def extend(self, values: list[Any]) -> None:
        if not isinstance(self._stack[-1], list):
            raise ValueError("it appends to what is no list")
        self._stack[-1].extend(values)

    def update(self, values: list[Any]) -> None:
        target = self._stack[-1]
        # Keys of other types could be nested so deep that to hash them would exhaust the stack.
        if not isinstance(target, dict) or not all(isinstance(key, str | int) for key in values[::2]):
            raise ValueError("it has a dictionary with odd keys")
        target.update(zip(values[::2], values[1::2], strict=True))

    def name(self, text: str) -> None:
        if text not in _NAMES:
            raise _NotAllowedError(text)
        self._stack.append(_Name(text))

    def name_on_stack(self, _argument: object) -> None:
        name, module = self._stack.pop(), self._stack.pop()
        self.name(f"{module}.{name}")

    def call(self, _argument: object) -> None:
        """What a call would make, of those that are known."""
        arguments, function = self._stack.pop(), self._stack.pop()
        if not isinstance(function, _Name) or not isinstance(arguments, tuple):
            raise ValueError("it calls what is no function")
        if function.text == "collections.OrderedDict" and arguments == ():
            made: object = {}
        elif function.text == "torch._utils._rebuild_tensor_v2":
            made = _tensor(*arguments[:4])
        elif function.text == "_codecs.encode" and arguments[1:] == ("latin1",) and isinstance(arguments[0], str):
            made = _Opaque()
        elif function.text == "numpy.dtype" and arguments[1:] == (False, True) and _is_number_type(arguments[0]):
            made = _NumpyType()
        elif function.text in _NUMPY_SCALARS and [type(each) for each in arguments] == [_NumpyType, _Opaque]:
            made = _Opaque()
        else:
            raise ValueError(f"it calls {function.text} in a way that PyTorch does not")
        self._stack.append(made)

    def build(self, _argument: object) -> None:
        """State of an object: the versions in a dictionary of tensors, the byte order of a numpy type."""
        state, target = self._stack.pop(), self._stack[-1]
        versions = isinstance(target, dict) and isinstance(state, dict) and set(state) <= {"_metadata"}
        order = isinstance(target, _NumpyType) and state[0] == 3 and state[2:] == (None, None, None, -1, -1, 0)
        if not versions and not order:
            raise ValueError("it changes an object that PyTorch does not")

    def storage(self, _argument: object) -> None:
        """Where numbers lie: ``('storage', type, key, device, how many)``, and None in files of the older format."""
        kind, dtype, key, _device, count, *view = self._stack.pop()
        if kind != "storage" or dtype not in [_Name(text) for text in _DTYPES] or view not in ([], [None]):
            raise ValueError("it refers to what is no storage")
        if not isinstance(key, str) or not isinstance(count, int) or count < 0:
            raise ValueError("it has a storage of no size")
        made = _Storage(key, _DTYPES[dtype.text][0], count, count * _DTYPES[dtype.text][1])
        if self.storages.setdefault(key, made) != made:
            raise ValueError(f"it has two storages with the number {key}")
        self._stack.append(made)

    def _since_mark(self) -> list[Any]:
        start = self._marks.pop()
        values = self._stack[start:]
        del self._stack[start:]
        return values


_VALUES = {
    "BININT", "BININT1", "BININT2", "LONG1", "BINFLOAT", "BINUNICODE", "SHORT_BINUNICODE", "BINBYTES", "SHORT_BINBYTES",
}  # fmt: skip
_CONSTANTS: dict[str, Callable[[], object]] = {
    "NONE": lambda: None, "NEWTRUE": lambda: True, "NEWFALSE": lambda: False,
    "EMPTY_DICT": dict, "EMPTY_LIST": list, "EMPTY_TUPLE": tuple,
}  # fmt: skip
_CLASS_STEPS = {"INST", "OBJ", "NEWOBJ", "NEWOBJ_EX", "EXT1", "EXT2", "EXT4"}
_STEPS: dict[str, Callable[[_Machine, Any], None]] = {
    "PROTO": _Machine.nothing, "FRAME": _Machine.nothing, "STOP": _Machine.nothing,
    "MARK": _Machine.mark,
    "BINPUT": _Machine.remember, "LONG_BINPUT": _Machine.remember, "MEMOIZE": _Machine.remember,
    "BINGET": _Machine.recall, "LONG_BINGET": _Machine.recall,
    "TUPLE": _Machine.gather,
    "TUPLE1": lambda machine, _: machine.gather(1),
    "TUPLE2": lambda machine, _: machine.gather(2),
    "TUPLE3": lambda machine, _: machine.gather(3),
    "APPEND": lambda machine, _: machine.extend([machine._stack.pop()]),
    "APPENDS": lambda machine, _: machine.extend(machine._since_mark()),
    "SETITEM": lambda machine, _: machine.update([machine._stack.pop(-2), machine._stack.pop()]),
    "SETITEMS": lambda machine, _: machine.update(machine._since_mark()),
    "GLOBAL": lambda machine, text: machine.name(text.replace(" ", ".", 1)),
    "STACK_GLOBAL": _Machine.name_on_stack,
    "REDUCE": _Machine.call,
    "BUILD": _Machine.build,
    "BINPERSID": _Machine.storage,
}  # fmt: skip


def _is_number_type(text: object) -> bool:
    return isinstance(text, str) and text in _NUMPY_TYPES


def _tensor(storage: object, offset: object, shape: object, strides: object) -> DeclaredTensor:
    """The tensor that lies so in a storage, if it does lie in it."""
    if not isinstance(storage, _Storage) or not isinstance(shape, tuple) or not isinstance(strides, tuple):
        raise ValueError("it has a tensor without a storage")
    numbers = (offset, *shape, *strides)
    if len(shape) != len(strides) or len(shape) > _MOST_AXES:
        raise ValueError("it has a tensor of no shape")
    if not all(isinstance(number, int) and number >= 0 for number in numbers):
        raise ValueError("it has a tensor of no shape")
    end = offset + 1 + sum((count - 1) * stride for count, stride in zip(shape, strides, strict=True))  # type: ignore[operator]
    if 0 not in shape and end > storage.count:
        raise ValueError("it has a tensor that is larger than its storage")
    return DeclaredTensor(shape, storage.dtype)


def _of_zip(file: BinaryIO, size: int) -> object:
    """The contents of a checkpoint as torch writes it since version 1.6."""
    machine = _Machine()
    with zipfile.ZipFile(file) as archive:
        members = {member.filename: member for member in archive.infolist()}
        mains = [name for name in members if name.endswith("/data.pkl")]
        folder = mains[0].removesuffix("data.pkl") if len(mains) == 1 else ""
        if (
            not folder
            or len(members) != len(archive.infolist())
            or not all(each.startswith(folder) for each in members)
        ):
            raise ValueError("it is a zip archive of something else")
        if any(member.compress_type != zipfile.ZIP_STORED or member.flag_bits & 1 for member in members.values()):
            raise ValueError("it is compressed, which PyTorch's files never are")
        if sum(member.file_size for member in members.values()) > size:
            raise ValueError("it says it holds more than it has")
        if members[mains[0]].file_size > _MOST_PICKLE_BYTES:
            raise ValueError("its list of contents is too long")
        content = archive.read(mains[0])
    value = machine.run(_Bounded(io.BytesIO(content), len(content)))
    for storage in machine.storages.values():
        member = members.get(f"{folder}data/{storage.key}")
        if member is None or member.file_size != storage.size_bytes:
            raise ValueError(f"its storage {storage.key} is not of the size it should be")
    _check_amount(machine)
    return value


def _of_pickles(file: BinaryIO, size: int) -> object:
    """The contents of a checkpoint as torch wrote it before version 1.6: pickles, and then the numbers."""
    machine, stream = _Machine(), _Bounded(file, min(size, _MOST_PICKLE_BYTES))
    if machine.run(stream) != _MAGIC_NUMBER or machine.run(stream) != _FORMAT_VERSION:
        raise ValueError("it is something else")
    machine.run(stream)  # byte order and sizes of C types of the machine that wrote it; torch ignores them too
    value = machine.run(stream)
    if sorted(machine.run(stream)) != sorted(machine.storages):
        raise ValueError("its list of storages is wrong")
    expected = file.tell() + sum(_COUNT_BYTES + storage.size_bytes for storage in machine.storages.values())
    if expected != size:
        raise ValueError(f"it has {size} bytes instead of {expected}")
    _check_amount(machine)
    return value


def _check_amount(machine: _Machine) -> None:
    if sum(storage.size_bytes for storage in machine.storages.values()) > _MOST_DATA_BYTES:
        raise ValueError(f"it holds more than {_MOST_DATA_BYTES >> 30} GiB of numbers")


def _printable(text: str, most: int = 120) -> str:
    """One line of ``text``, not too long, without what a terminal would obey."""
    line = "".join(letter if letter.isprintable() else "?" for letter in text[:most])
    return line.rstrip(".") + ("..." if len(text) > most else "")
