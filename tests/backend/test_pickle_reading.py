# SPDX-License-Identifier: MIT
"""The machine that reads pickles as data; what its two users make of them is tested with those."""

from __future__ import annotations

import io
import pickle
import pickletools
from fractions import Fraction
from typing import Any

import pytest

from backend import pickle_reading
from backend.pickle_reading import Name, PickleReader, UnsafePickleError


class Reader(PickleReader):
    """Allows one name, and says what it was told."""

    def __init__(self, content: bytes) -> None:
        super().__init__(io.BytesIO(content))
        self.states: list[tuple[object, Any]] = []

    def allows(self, module: str, name: str) -> bool:
        return (module, name) in (("builtins", "complex"), ("__builtin__", "complex"))

    def made(self, maker: Name, arguments: tuple[Any, ...]) -> object:
        return (maker, arguments)

    def changed(self, target: object, state: Any) -> None:
        self.states.append((target, state))


VALUES = [
    None, True, False, 0, 255, -7, 70_000, 2**40, -(2**70), 0.5, "", "text \u8d70", b"", b"bytes", bytearray(b"more"),
    (), (1,), (1, 2), (1, 2, 3), (1, 2, 3, 4), [], [1, [2]], {}, {"a": {1: "b"}}, "x" * 300, b"y" * 300,
]  # fmt: skip


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_plain_values_are_as_python_reads_them(protocol: int) -> None:
    values = [value for value in VALUES if protocol > 2 or not isinstance(value, bytes | bytearray)]
    values = [value for value in values if protocol > 4 or not isinstance(value, bytearray)]
    twice = [values, values]
    assert Reader(pickle.dumps(twice, protocol)).read() == twice


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_call_is_told_and_not_made(protocol: int) -> None:
    maker = Name("builtins" if protocol > 2 else "__builtin__", "complex")
    assert Reader(pickle.dumps(2 + 1j, protocol)).read() == (maker, (2.0, 1.0))
    with pytest.raises(UnsafePickleError, match=r"fractions\.Fraction"):
        Reader(pickle.dumps(Fraction(1, 3), protocol)).read()


def test_pickles_in_a_row_know_nothing_of_each_other() -> None:
    reader = Reader(pickle.dumps([1]) + b"h\x00.")
    assert reader.read() == [1]
    with pytest.raises(ValueError, match="damaged"):
        reader.read()


def test_a_state_is_told() -> None:
    reader = Reader(b"\x80\x02cbuiltins\ncomplex\n)R}U\x01aK\x05sb.")
    made = (Name("builtins", "complex"), ())
    assert reader.read() == made
    assert reader.states == [(made, {"a": 5})]


@pytest.mark.parametrize("key", [(1, 2), 0.5, None, b"a", 2**60, -(2**60)])
def test_odd_keys_are_left_out_and_told(key: object) -> None:
    reader = Reader(pickle.dumps({"a": 1, key: 2, 140_234_567_890_123: 3}))
    assert reader.read() == {"a": 1, 140_234_567_890_123: 3}
    assert reader.odd_keys


def test_too_many_parts(monkeypatch) -> None:
    monkeypatch.setattr(pickle_reading, "_MOST_STEPS", 1000)
    with pytest.raises(ValueError, match="too many parts"):
        Reader(b"N0" * 501 + b".").read()


def test_names_can_be_printed() -> None:
    with pytest.raises(UnsafePickleError) as caught:
        Reader(b"\x80\x02c\x1b[2Jos\n" + b"x" * 10_000 + b"\n.").read()
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 200


def test_every_opcode_is_read_or_refused() -> None:
    known = {"STOP", "STRING", *pickle_reading._PUSHED, *pickle_reading._CONSTANTS, *pickle_reading._EMPTY}
    known |= {*pickle_reading._IGNORED, *pickle_reading._ACTIONS}
    refused = {"INST", "OBJ", "PERSID", "EXT1", "EXT2", "EXT4", "NEXT_BUFFER", "READONLY_BUFFER"}
    assert {opcode.name for opcode in pickletools.opcodes} == known | refused
