# SPDX-License-Identifier: GPL-3.0-or-later OR MIT
"""Settings as plain values, as JSON and TOML hold them, made into dataclasses: all names and values are checked."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, Literal, TypeVar, get_args, get_origin, get_type_hints

from .errors import CaptureError

Kind = TypeVar("Kind")

_LONGEST_ID = 10
"""Digits of a number that is a name."""


def from_record(kind: type[Kind], record: object, unreadable: tuple[str, ...] = ()) -> Kind:
    """The dataclass ``kind`` of plain values, which may come from a stranger; what is not named has its default.

    Fields may be dataclasses, numbers, texts, choices (``Literal``), tuples, and dictionaries by whole numbers.

    Args:
        kind: a dataclass whose fields have these types.
        record: dictionaries, lists, texts and numbers.
        unreadable: fields, named as in ``view.path``, that cannot come from plain values.

    Raises:
        CaptureError: ``bad_setting``, which names the value.
    """
    return _read(kind, record, "", unreadable)  # type: ignore[no-any-return]


def joined(name: str, key: str) -> str:
    """The name of a setting in a section, such as ``feet.ease_s``."""
    return f"{name}.{key}" if name else str(key)


def _read(kind: Any, value: Any, name: str, unreadable: tuple[str, ...]) -> Any:
    """A value as the type ``kind``."""
    if isinstance(kind, type) and dataclasses.is_dataclass(kind):
        return _dataclass(kind, value, name, unreadable)
    if get_origin(kind) is dict:
        _, item = get_args(kind)
        numbers = {key: part for key, part in value.items() if _is_id(str(key))} if _keys(value, name) else {}
        if len(numbers) != len(value):
            raise _wrong(name, value)
        return {int(key): _read(item, part, f"{name}.{key}", unreadable) for key, part in numbers.items()}
    if get_origin(kind) is tuple:
        wanted = get_args(kind)
        if not isinstance(value, (list, tuple)) or (wanted[-1] is not ... and len(value) != len(wanted)):
            raise _wrong(name, value)
        return tuple(_read(wanted[0], part, name, unreadable) for part in value)
    if get_origin(kind) is Literal and value not in get_args(kind):
        raise _wrong(name, value, f"Choose one of {', '.join(map(str, get_args(kind)))}.")
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        try:
            return float(value)
        except OverflowError as error:
            raise _wrong(name, value) from error
    if type(value) is not (kind if kind in (float, int, bool) else str):  # a choice is text
        raise _wrong(name, value)
    return value


def _dataclass(kind: Any, value: Any, name: str, unreadable: tuple[str, ...]) -> Any:
    hints = get_type_hints(kind)
    unknown = [key for key in _keys(value, name) if key not in hints or joined(name, key) in unreadable]
    if unknown:
        raise CaptureError(
            "bad_setting", f"There is no setting {joined(name, unknown[0])!r}.", f"There are: {', '.join(hints)}."
        )
    values = {key: _read(hints[key], part, joined(name, key), unreadable) for key, part in value.items()}
    try:
        return kind(**values)
    except TypeError as error:  # a value that has no default is missing
        needed = ", ".join(hints)
        raise CaptureError("bad_setting", f"{name} is not whole: {error}.", f"It has: {needed}.") from error


def _is_id(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) <= _LONGEST_ID


def _keys(value: Any, name: str) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise _wrong(name, value)
    return value


def _wrong(name: str, value: Any, remedy: str = "Correct the value.") -> CaptureError:
    return CaptureError("bad_setting", f"{name or 'The settings'} cannot be {str(value)[:60]!r}.", remedy)
