# SPDX-License-Identifier: MIT
"""A pickle from anywhere, read as data: its opcodes are followed, but nothing is looked up and nothing called."""

from __future__ import annotations

import codecs
import pickletools
from collections.abc import Callable
from dataclasses import dataclass
from typing import IO, Any, Protocol, cast

_MOST_STEPS = 2_000_000
_LARGEST_KEY = 1 << 60
_LONGEST_NAME = 80
_OPCODES = {opcode.code: opcode for opcode in pickletools.opcodes}


class UnsafePickleError(ValueError):
    """The pickle names something that is not needed; loading it as pickles are loaded could run a program."""


@dataclass(frozen=True, slots=True)
class Name:
    """What loading would look up and could call."""

    module: str
    name: str


class Stream(Protocol):
    """Where a pickle comes from; where less is left than was asked for, that is given."""

    def read(self, count: int, /) -> bytes:
        """The next bytes."""

    def readline(self) -> bytes:
        """The next bytes up to a line's end."""


class PickleReader:
    """Follows a pickle's opcodes (PEP 3154, pickletools), all but those that only programs' own objects need.

    Lists, dicts, tuples, numbers and texts become what they are, sets become lists. All else is what a subclass makes
    of it, which is told what loading would have called. Memory stays within some fifty times the pickle's size.

    Attributes:
        odd_keys: whether a dict had keys that are neither texts nor plain numbers, which are left out: to hash them
            could exhaust the stack, or take for ever.
    """

    def __init__(self, stream: Stream) -> None:
        """Prepares to read the pickles in a stream, one after the other."""
        self.odd_keys = False
        self._stream = stream
        self._stack: list[Any] = []
        self._marks: list[int] = []
        self._memo: dict[int, Any] = {}

    def allows(self, module: str, name: str) -> bool:
        """Whether a pickle may name this."""
        raise NotImplementedError

    def made(self, maker: Name, arguments: tuple[Any, ...]) -> object:
        """What stands for the answer of a call."""
        raise NotImplementedError

    def changed(self, target: object, state: Any) -> None:
        """Is told what an object's state shall be."""
        raise NotImplementedError

    def filled(self, target: object) -> None:
        """Is told that entries were put into what is neither list nor dict."""
        raise ValueError("it is damaged")

    def stored(self, place: Any) -> object:
        """What stands for an object that lies elsewhere."""
        raise UnsafePickleError("an object from elsewhere")

    def read(self) -> Any:
        """The value of the next pickle.

        Raises:
            UnsafePickleError: it names what is not allowed.
            ValueError: it is damaged, or no pickle.
        """
        self._stack, self._marks, self._memo = [], [], {}
        for _ in range(_MOST_STEPS):
            code = self._stream.read(1).decode("latin-1")
            if not code:
                raise ValueError("it is cut off")
            opcode = _OPCODES.get(code)
            if opcode is None:
                raise ValueError("it is no pickle")
            if opcode.name == "STOP":
                return self._pop()
            self._step(opcode)
        raise ValueError("it has too many parts")

    def _step(self, opcode: pickletools.OpcodeInfo) -> None:
        name = opcode.name
        if name == "STRING":  # the standard library's reader of Python 2's strings knows ASCII only
            self._stack.append(self._quoted())
            return
        try:
            argument = opcode.arg.reader(cast(IO[bytes], self._stream)) if opcode.arg is not None else None
        except ValueError as error:
            raise ValueError("it is cut off or damaged") from error
        if name in _PUSHED:
            self._stack.append(argument)
        elif name in _CONSTANTS:
            self._stack.append(_CONSTANTS[name])
        elif name in _EMPTY:
            self._stack.append(_EMPTY[name]())
        elif name in _ACTIONS:
            _ACTIONS[name](self, argument)
        elif name not in _IGNORED:
            raise UnsafePickleError(f"the opcode {name}")

    def _quoted(self) -> str:
        line = self._stream.readline()
        text = line.strip()
        if not line.endswith(b"\n") or len(text) < 2 or text[:1] != text[-1:] or text[:1] not in b"'\"":
            raise ValueError("a string in it is not quoted; was it changed on its way, as text?")
        return codecs.escape_decode(text[1:-1])[0].decode("latin-1")

    def _pop(self) -> Any:
        if not self._stack or (self._marks and self._marks[-1] >= len(self._stack)):
            raise ValueError("it is damaged")
        return self._stack.pop()

    def _since_mark(self) -> list[Any]:
        if not self._marks:
            raise ValueError("it is damaged")
        start = self._marks.pop()
        items = self._stack[start:]
        del self._stack[start:]
        return items

    def _mark(self, _: object) -> None:
        self._marks.append(len(self._stack))

    def _discard(self, _: object) -> None:
        if self._marks and self._marks[-1] == len(self._stack):
            self._marks.pop()
        else:
            self._pop()

    def _duplicate(self, _: object) -> None:
        value = self._pop()
        self._stack += (value, value)

    def _get(self, number: int) -> None:
        if number not in self._memo:
            raise ValueError("it is damaged")
        self._stack.append(self._memo[number])

    def _put(self, number: int | None) -> None:
        value = self._pop()
        self._memo[len(self._memo) if number is None else number] = value
        self._stack.append(value)

    def _collect(self, make: Callable[[list[Any]], Any]) -> None:
        self._stack.append(make(self._since_mark()))

    def _tuple(self, count: int) -> None:
        items = [self._pop() for _ in range(count)]
        self._stack.append(tuple(reversed(items)))

    def _extend(self, items: list[Any]) -> None:
        target = self._pop()
        if isinstance(target, list):
            target.extend(items)
        else:
            self.filled(target)
        self._stack.append(target)

    def _set(self, items: list[Any]) -> None:
        target = self._pop()
        if isinstance(target, dict):
            target.update(self._dict(items))
        else:
            self.filled(target)
        self._stack.append(target)

    def _dict(self, items: list[Any]) -> dict[str | int, Any]:
        """Of keys and values in turn."""
        pairs = {}
        for key, value in zip(items[::2], items[1::2], strict=True):
            if isinstance(key, str) or (isinstance(key, int) and abs(key) < _LARGEST_KEY):
                pairs[key] = value
            else:
                self.odd_keys = True
        return pairs

    def _name(self, module: Any, name: Any) -> None:
        if not self.allows(module, name):
            raise UnsafePickleError(f"{module}.{name}"[:_LONGEST_NAME].encode("unicode_escape").decode())
        self._stack.append(Name(module, name))

    def _stack_name(self, _: object) -> None:
        name, module = self._pop(), self._pop()
        if not (isinstance(name, str) and isinstance(module, str)):
            raise ValueError("it is damaged")
        self._name(module, name)

    def _make(self, with_keywords: bool) -> None:
        if with_keywords:
            self._pop()
        arguments, maker = self._pop(), self._pop()
        if not isinstance(maker, Name):
            raise UnsafePickleError("a call of what is no class")
        if not isinstance(arguments, tuple):
            raise ValueError("it is damaged")
        self._stack.append(self.made(maker, arguments))

    def _build(self, _: object) -> None:
        state, target = self._pop(), self._pop()
        self.changed(target, state)
        self._stack.append(target)


_PUSHED = {
    "INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT", "BINSTRING",
    "SHORT_BINSTRING", "UNICODE", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8", "BINBYTES", "SHORT_BINBYTES",
    "BINBYTES8", "BYTEARRAY8",
}  # fmt: skip
_CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False, "EMPTY_TUPLE": ()}
_EMPTY: dict[str, Callable[[], Any]] = {"EMPTY_LIST": list, "EMPTY_DICT": dict, "EMPTY_SET": list}
_IGNORED = {"PROTO", "FRAME"}
_ACTIONS: dict[str, Callable[[PickleReader, Any], None]] = {
    "MARK": PickleReader._mark,
    "POP": PickleReader._discard,
    "POP_MARK": lambda reader, _: reader._since_mark().clear(),
    "DUP": PickleReader._duplicate,
    "GET": PickleReader._get, "BINGET": PickleReader._get, "LONG_BINGET": PickleReader._get,
    "PUT": PickleReader._put, "BINPUT": PickleReader._put, "LONG_BINPUT": PickleReader._put,
    "MEMOIZE": PickleReader._put,
    "LIST": lambda reader, _: reader._collect(list),
    "TUPLE": lambda reader, _: reader._collect(tuple),
    "FROZENSET": lambda reader, _: reader._collect(list),
    "DICT": lambda reader, _: reader._collect(reader._dict),
    "TUPLE1": lambda reader, _: reader._tuple(1),
    "TUPLE2": lambda reader, _: reader._tuple(2),
    "TUPLE3": lambda reader, _: reader._tuple(3),
    "APPEND": lambda reader, _: reader._extend([reader._pop()]),
    "APPENDS": lambda reader, _: reader._extend(reader._since_mark()),
    "ADDITEMS": lambda reader, _: reader._extend(reader._since_mark()),
    "SETITEM": lambda reader, _: reader._set([reader._pop(), reader._pop()][::-1]),
    "SETITEMS": lambda reader, _: reader._set(reader._since_mark()),
    "GLOBAL": lambda reader, pair: reader._name(*pair.split(" ", 1)),
    "STACK_GLOBAL": PickleReader._stack_name,
    "REDUCE": lambda reader, _: reader._make(with_keywords=False),
    "NEWOBJ": lambda reader, _: reader._make(with_keywords=False),
    "NEWOBJ_EX": lambda reader, _: reader._make(with_keywords=True),
    "BUILD": PickleReader._build,
    "BINPERSID": lambda reader, _: reader._stack.append(reader.stored(reader._pop())),
}  # fmt: skip
