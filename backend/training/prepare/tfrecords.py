# SPDX-License-Identifier: MIT
"""TFRecord files without TensorFlow: records behind checksums, and in each an ``Example`` of named lists.

The framing is that of TensorFlow's documentation ("TFRecord and tf.train.Example"): length, its masked CRC-32C, data,
their masked CRC-32C. The messages are those of ``example.proto`` and ``feature.proto``, in the wire format of Protocol
Buffers.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

LARGEST_RECORD = 1 << 28
_MASK = 0xA282EAD8
_POLYNOMIAL = 0x82F63B78
"""Of Castagnoli, its bits reversed."""
_LANES = 8192
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_MOST_FEATURES = 10_000


@dataclass
class Feature:
    """One named list of an example; two of the three are empty.

    Attributes:
        strings: of bytes.
        floats: of single precision.
        integers: of 64 bits, signed.
    """

    strings: list[bytes] = field(default_factory=list)
    floats: NDArray[np.float32] = field(default_factory=lambda: np.zeros(0, np.float32))
    integers: list[int] = field(default_factory=list)


def read_examples(path: Path) -> Iterator[dict[str, Feature]]:
    """The examples of a file, one after another.

    Raises:
        OSError: it cannot be read.
        ValueError: it is damaged, cut off, or something else.
    """
    for record in read_records(path):
        yield parse_example(record)


def read_records(path: Path) -> Iterator[bytes]:
    """The records of a file, each of which is as its checksum says.

    Raises:
        OSError: it cannot be read.
        ValueError: it is damaged, cut off, or something else.
    """
    left = path.stat().st_size
    with path.open("rb") as file:
        while head := file.read(12):
            if len(head) < 12:
                raise ValueError("it is cut off")
            length, check = struct.unpack("<QI", head)
            if masked_crc32c(head[:8]) != check:
                raise ValueError("it is damaged, or no TFRecord file")
            left -= 16 + length
            if left < 0 or length > LARGEST_RECORD:
                raise ValueError("it is cut off" if left < 0 else "it has a record that is too large")
            data = file.read(length)
            if masked_crc32c(data) != struct.unpack("<I", file.read(4))[0]:
                raise ValueError("a record of it is damaged")
            yield data


def parse_example(data: bytes) -> dict[str, Feature]:
    """The named lists of an ``Example``.

    Raises:
        ValueError: it is none.
    """
    features: dict[str, Feature] = {}
    view = memoryview(data)
    for number, holder in _messages(view):
        if number != 1:
            raise ValueError("a record of it is no Example")
        for inner, entry in _messages(holder):
            if inner != 1:
                raise ValueError("a record of it is no Example")
            parts = dict(_messages(entry))
            if not parts.keys() <= {1, 2} or 1 not in parts:
                raise ValueError("a feature has no name")
            features[bytes(parts[1]).decode("utf-8")] = _feature(parts.get(2, view[:0]))
            if len(features) > _MOST_FEATURES:
                raise ValueError("a record of it has too many features")
    return features


def _feature(data: memoryview) -> Feature:
    feature = Feature()
    for number, values in _messages(data):
        if number == 1:
            feature.strings += [bytes(value) for _, value in _messages(values)]
        elif number == 2:
            feature.floats = np.concatenate([feature.floats, *_floats(values)])
        elif number == 3:
            feature.integers += _integers(values)
        else:
            raise ValueError("a feature is of no known kind")
    return feature


def _messages(data: memoryview) -> Iterator[tuple[int, memoryview]]:
    """Number and content of the fields of a message whose fields all have a length."""
    for number, kind, value in _fields(data):
        if kind != _BYTES or isinstance(value, int):
            raise ValueError("a message has a field of another kind")
        yield number, value


def _floats(data: memoryview) -> Iterator[NDArray[np.float32]]:
    for number, kind, value in _fields(data):
        if number != 1 or kind not in (_BYTES, _FIXED32) or isinstance(value, int) or len(value) % 4:
            raise ValueError("a list of floats is damaged")
        yield np.frombuffer(value, "<f4").astype(np.float32)


def _integers(data: memoryview) -> list[int]:
    found: list[int] = []
    for number, kind, value in _fields(data):
        if number != 1 or kind not in (_BYTES, _VARINT):
            raise ValueError("a list of integers is damaged")
        if isinstance(value, int):
            found.append(_signed(value))
            continue
        place = 0
        while place < len(value):
            integer, place = _varint(value, place)
            found.append(_signed(integer))
    return found


def _signed(value: int) -> int:
    return value - (1 << 64) if value >> 63 else value


def _fields(data: memoryview) -> Iterator[tuple[int, int, memoryview | int]]:
    """Number, kind and value of each field of a message."""
    place = 0
    while place < len(data):
        key, place = _varint(data, place)
        number, kind = key >> 3, key & 7
        if kind == _VARINT:
            value, place = _varint(data, place)
            yield number, kind, value
            continue
        if kind == _BYTES:
            length, place = _varint(data, place)
        elif kind in (_FIXED32, _FIXED64):
            length = 4 if kind == _FIXED32 else 8
        else:
            raise ValueError("a message has a field of no known kind")
        if length > len(data) - place:
            raise ValueError("a message is cut off")
        yield number, kind, data[place : place + length]
        place += length


def _varint(data: memoryview, place: int) -> tuple[int, int]:
    """A number of seven bits a byte, and where it ends."""
    value = 0
    for shift in range(0, 70, 7):
        if place >= len(data):
            raise ValueError("a number is cut off")
        byte = data[place]
        place += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            if value >> 64:
                break
            return value, place
    raise ValueError("a number is too large")


def masked_crc32c(data: bytes) -> int:
    """The checksum of TFRecord files: CRC-32C, turned and shifted so that sums of sums are none."""
    crc = crc32c(data)
    return ((crc >> 15 | crc << 17) + _MASK) & 0xFFFFFFFF


def crc32c(data: bytes) -> int:
    """CRC-32C (RFC 3720), of many parts of the data at once, for each of which it is a linear function.

    The parts' sums become one by twos: behind a part with the sum a come n bytes with the sum b; together theirs is
    what n zeros make of a, xor b.
    """
    if len(data) < 4:
        crc = 0xFFFFFFFF
        for byte in data:
            crc = crc >> 8 ^ int(_TABLE[(crc ^ byte) & 255])
        return crc ^ 0xFFFFFFFF
    lanes = 1
    while lanes < _LANES and lanes * 64 < len(data):
        lanes *= 2
    length = -(-len(data) // lanes)
    padded = np.zeros(lanes * length, np.uint8)  # zeros before the data change nothing
    padded[len(padded) - len(data) :] = np.frombuffer(data, np.uint8)
    padded[len(padded) - len(data) :][:4] ^= 255  # the same as to begin with all ones
    columns = np.ascontiguousarray(padded.reshape(lanes, length).T)
    crcs = np.zeros(lanes, np.uint32)
    for column in columns:
        crcs = crcs >> 8 ^ _TABLE[crcs.astype(np.uint8) ^ column]
    step = _after_zeros(length)
    while len(crcs) > 1:
        crcs = _applied(step, crcs[::2]) ^ crcs[1::2]
        step = _applied(step, step)
    return int(crcs[0]) ^ 0xFFFFFFFF


def _table() -> NDArray[np.uint32]:
    """(256,) what becomes of each byte."""
    table = np.arange(256, dtype=np.uint32)
    for _ in range(8):
        table = table >> 1 ^ np.where(table & 1, np.uint32(_POLYNOMIAL), np.uint32(0))
    return table.astype(np.uint32)


_TABLE = _table()


def _after_zeros(count: int) -> NDArray[np.uint32]:
    """(32,) what ``count`` zero bytes make of each bit of a sum."""
    result = np.uint32(1) << np.arange(32, dtype=np.uint32)
    one = result >> 8 ^ _TABLE[result & 255]
    while count:
        if count & 1:
            result = _applied(one, result)
        one = _applied(one, one)
        count >>= 1
    return result


def _applied(matrix: NDArray[np.uint32], values: NDArray[np.uint32]) -> NDArray[np.uint32]:
    """What a linear function, by what it makes of each bit, makes of values."""
    result = np.zeros_like(values)
    for bit in range(32):
        result ^= np.where(values >> bit & 1, matrix[bit], np.uint32(0))
    return result
