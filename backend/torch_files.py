# SPDX-License-Identifier: MIT
"""What a PyTorch checkpoint says it holds, read without torch, without running anything of it and within bounds."""

from __future__ import annotations

import io
import struct
import zipfile
from dataclasses import dataclass
from typing import Any, BinaryIO

from backend.pickle_reading import Name, PickleReader, Stream, UnsafePickleError
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
# The pickled part of a published file, optimizer and order of the training set included, should have less than two
# megabytes; as objects a byte of it can take fifty.
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
    except UnsafePickleError as error:
        raise CaptureError(
            "checkpoint_unsafe",
            f"{name} was not opened: it names {printable(str(error))}, which no checkpoint needs and may do harm.",
            _ELSEWHERE,
        ) from error
    except (
        ValueError, TypeError, LookupError, ArithmeticError, RuntimeError, EOFError, OSError, struct.error,
        zipfile.BadZipFile,
    ) as error:  # fmt: skip
        why = printable(str(error)) if isinstance(error, ValueError) else "it is cut off or damaged"
        raise CaptureError("checkpoint_damaged", f"{name} is no whole checkpoint: {why}.", _ELSEWHERE) from error


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


class _Reader(PickleReader):
    """Knows what checkpoints are written with."""

    def __init__(self, stream: Stream) -> None:
        super().__init__(stream)
        self.storages: dict[str, _Storage] = {}

    def read(self) -> Any:
        value = super().read()
        if self.odd_keys:
            raise ValueError("it has a dictionary with odd keys")
        return value

    def allows(self, module: str, name: str) -> bool:
        return f"{module}.{name}" in _NAMES

    def made(self, maker: Name, arguments: tuple[Any, ...]) -> object:
        name = f"{maker.module}.{maker.name}"
        if name == "collections.OrderedDict" and arguments == ():
            return {}
        if name == "torch._utils._rebuild_tensor_v2":
            return _tensor(*arguments[:4])
        if name == "_codecs.encode" and arguments[1:] == ("latin1",) and isinstance(arguments[0], str):
            return _Opaque()
        if name == "numpy.dtype" and arguments[1:] == (False, True) and _is_number_type(arguments[0]):
            return _NumpyType()
        if name in _NUMPY_SCALARS and [type(each) for each in arguments] == [_NumpyType, _Opaque]:
            return _Opaque()
        raise ValueError(f"it calls {name} in a way that PyTorch does not")

    def changed(self, target: object, state: Any) -> None:
        """The versions in a dictionary of tensors, the byte order of a numpy type."""
        versions = isinstance(target, dict) and isinstance(state, dict) and set(state) <= {"_metadata"}
        order = isinstance(target, _NumpyType) and state[0] == 3 and state[2:] == (None, None, None, -1, -1, 0)
        if not versions and not order:
            raise ValueError("it changes an object that PyTorch does not")

    def stored(self, place: Any) -> _Storage:
        """Where numbers lie: ``('storage', type, key, device, how many)``, and None in files of the older format."""
        if not isinstance(place, tuple) or len(place) < 5:
            raise ValueError("it refers to what is no storage")
        kind, dtype, key, _device, count, *view = place
        known = _DTYPES.get(f"{dtype.module}.{dtype.name}") if isinstance(dtype, Name) else None
        if kind != "storage" or known is None or view not in ([], [None]):
            raise ValueError("it refers to what is no storage")
        if not isinstance(key, str) or not isinstance(count, int) or count < 0:
            raise ValueError("it has a storage of no size")
        made = _Storage(key, known[0], count, count * known[1])
        if self.storages.setdefault(key, made) != made:
            raise ValueError(f"it has two storages with the number {key}")
        return made


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
    reader = _Reader(io.BytesIO(content))
    value = reader.read()
    for storage in reader.storages.values():
        member = members.get(f"{folder}data/{storage.key}")
        if member is None or member.file_size != storage.size_bytes:
            raise ValueError(f"its storage {storage.key} is not of the size it should be")
    _check_amount(reader)
    return value


def _of_pickles(file: BinaryIO, size: int) -> object:
    """The contents of a checkpoint as torch wrote it before version 1.6: pickles, and then the numbers."""
    reader = _Reader(_Bounded(file, min(size, _MOST_PICKLE_BYTES)))
    if reader.read() != _MAGIC_NUMBER or reader.read() != _FORMAT_VERSION:
        raise ValueError("it is something else")
    reader.read()  # byte order and sizes of C types of the machine that wrote it; torch ignores them too
    value = reader.read()
    if sorted(reader.read()) != sorted(reader.storages):
        raise ValueError("its list of storages is wrong")
    expected = file.tell() + sum(_COUNT_BYTES + storage.size_bytes for storage in reader.storages.values())
    if expected != size:
        raise ValueError(f"it has {size} bytes instead of {expected}")
    _check_amount(reader)
    return value


def _check_amount(reader: _Reader) -> None:
    if sum(storage.size_bytes for storage in reader.storages.values()) > _MOST_DATA_BYTES:
        raise ValueError(f"it holds more than {_MOST_DATA_BYTES >> 30} GiB of numbers")


def printable(text: str, most: int = 120) -> str:
    """One line of ``text``, not too long, without what a terminal would obey."""
    line = "".join(letter if letter.isprintable() else "?" for letter in text[:most])
    return line.rstrip(".") + ("..." if len(text) > most else "")
