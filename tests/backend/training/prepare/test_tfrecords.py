# SPDX-License-Identifier: MIT
from __future__ import annotations

import struct

import numpy as np
import pytest

from backend.training.prepare.tfrecords import crc32c, parse_example, read_examples, read_records
from tests.raw_videos import crc32c_by_bit, example_bytes, framed, message, varint


@pytest.mark.parametrize(
    ("data", "crc"),
    [(bytes(32), 0x8A9136AA), (b"\xff" * 32, 0x62A8AB43), (bytes(range(32)), 0x46DD794E), (b"123456789", 0xE3069283)],
)
def test_checksums_of_the_standard(data, crc):
    """RFC 3720, appendix B.4, and the usual check."""
    assert crc32c(data) == crc == crc32c_by_bit(data)


@pytest.mark.parametrize("count", [0, 1, 3, 4, 63, 64, 65, 127, 128, 129, 1000, 40_001])
def test_checksums_of_any_length(count):
    data = np.random.default_rng(count).bytes(count)
    assert crc32c(data) == crc32c_by_bit(data)


def test_records(tmp_path):
    path = tmp_path / "a.tfrecord"
    path.write_bytes(framed([b"first", b"", b"third" * 100], crc32c_by_bit))
    assert list(read_records(path)) == [b"first", b"", b"third" * 100]


def test_lists_of_all_kinds(tmp_path):
    path = tmp_path / "a.tfrecord"
    numbers = np.array([1.5, -2.25], np.float32)
    path.write_bytes(framed([example_bytes({"a": [b"x", b"yz"], "b": numbers, "ç": [-1, 0, 300, 1 << 62]})]))
    (example,) = read_examples(path)
    assert example["a"].strings == [b"x", b"yz"]
    assert example["b"].floats.tolist() == [1.5, -2.25]
    assert example["ç"].integers == [-1, 0, 300, 1 << 62]


def test_lists_that_are_not_packed():
    """As Protocol Buffers of version 2 may write them."""
    single = b"".join(varint(1 << 3 | 5) + struct.pack("<f", value) for value in (0.5, 4.0))
    whole = b"".join(varint(1 << 3) + varint(value) for value in (7, -9))
    entries = message(1, message(1, b"f") + message(2, message(2, single)))
    entries += message(1, message(1, b"i") + message(2, message(3, whole)))
    example = parse_example(message(1, entries))
    assert example["f"].floats.tolist() == [0.5, 4.0]
    assert example["i"].integers == [7, -9]


@pytest.mark.parametrize("place", [0, 7, 9, 14, 30, -1])
def test_a_changed_byte_is_noticed(tmp_path, place):
    data = bytearray(framed([example_bytes({"a": [b"some bytes that are there"]})]))
    data[place] ^= 4
    (tmp_path / "a.tfrecord").write_bytes(data)
    with pytest.raises(ValueError):
        list(read_records(tmp_path / "a.tfrecord"))


def test_cut_off_anywhere(tmp_path):
    whole = framed([b"some record"])
    for length in range(1, len(whole)):
        (tmp_path / "a.tfrecord").write_bytes(whole[:length])
        with pytest.raises(ValueError):
            list(read_records(tmp_path / "a.tfrecord"))


def test_what_is_no_example():
    for data in (b"\xff" * 12, b"\x0a\xff\x01", message(2, b""), message(1, message(1, message(2, b"")))):
        with pytest.raises(ValueError):
            parse_example(data)


def test_random_bytes_are_refused_or_read():
    """Nothing but ValueError, whatever comes."""
    random = np.random.default_rng(1)
    whole = bytearray(example_bytes({"a": [b"x"], "b": np.ones(3, np.float32), "c": [1, 2, 3]}))
    refused = 0
    for _ in range(500):
        data = bytearray(whole)
        data[random.integers(len(data))] = random.integers(256)
        try:
            parse_example(bytes(data))
        except ValueError:
            refused += 1
    assert 100 < refused < 500
