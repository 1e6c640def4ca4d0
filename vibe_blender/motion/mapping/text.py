# SPDX-License-Identifier: GPL-3.0-or-later OR MIT
"""A bone map as JSON text: kept for a rig, or passed on; what strangers send is checked word by word."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import asdict
from typing import Any, NoReturn, TypeVar, get_args

from ...contract.errors import CaptureError
from ..retargeting.bone_map import MOST_BONES, PARTS, BoneMap, Certainty, Limb, MappedPart, Offset, Switch, TwistBone

FORMAT = "VIBE bone map 1"
LONGEST = 1 << 18
"""Characters of a text."""
_LONGEST_NAME = 255
_MOST_ENTRIES = 512
_LARGEST_VALUE = 1e6
_TWISTING = ("hip", "knee", "shoulder", "elbow")
_WITH_CONTROLS = ("hip", "shoulder")
T = TypeVar("T")


def to_json(bone_map: BoneMap) -> str:
    """The text of a bone map, which ``from_json`` reads."""
    return json.dumps({"format": FORMAT, **asdict(bone_map)}, ensure_ascii=False, indent=1)


def from_json(text: str) -> BoneMap:
    """The bone map in a text.

    Raises:
        CaptureError: ``bad_map``, which says what is wrong with it.
    """
    if len(text) > LONGEST:
        raise _bad("it is too long")
    try:
        record = json.loads(text, parse_constant=_no_number)
    except (ValueError, RecursionError) as error:
        raise _bad(f"it is no JSON ({str(error)[:100]})") from error
    values = _record(record, "it", ("format", "parts"), ("rig", "twists", "offsets", "switches", "limbs"))
    if values["format"] != FORMAT:
        raise _bad(f"its format is not {FORMAT!r}")
    parts = _entries(values["parts"], "parts", _part)
    if len({entry.part for entry in parts}) < len(parts):
        raise _bad("a part is there twice")
    return BoneMap(
        parts=tuple(sorted(parts, key=lambda entry: PARTS.index(entry.part))),
        rig=_name(values.get("rig", ""), "rig", empty=True),
        twists=_entries(values.get("twists", []), "twists", _twist),
        offsets=_entries(values.get("offsets", []), "offsets", _offset),
        switches=_entries(values.get("switches", []), "switches", _switch),
        limbs=_entries(values.get("limbs", []), "limbs", _limb),
    )


def _part(value: object) -> MappedPart:
    record = _record(value, "a part", ("part", "bones"), ("certainty",))
    part = _choice(record["part"], "part", PARTS)
    bones = record["bones"]
    if not isinstance(bones, list) or not 1 <= len(bones) <= MOST_BONES:
        raise _bad(f"{part} has not one to {MOST_BONES} bones")
    certainty: Certainty = record.get("certainty", "chosen")
    _choice(certainty, "certainty", get_args(Certainty))
    return MappedPart(part, tuple(_name(bone, part) for bone in bones), certainty)


def _twist(value: object) -> TwistBone:
    record = _record(value, "a twist", ("bone", "part", "along"))
    part = _choice(record["part"], "part of a twist", _limb_parts(_TWISTING))
    along = _number(record["along"], "along")
    if not 0.0 <= along <= 1.0:
        raise _bad("along goes from 0 to 1")
    return TwistBone(_name(record["bone"], "twist"), part, along)


def _offset(value: object) -> Offset:
    record = _record(value, "an offset", ("bone", "turn"))
    turn = record["turn"]
    if not isinstance(turn, list) or len(turn) != 4:
        raise _bad("a turn is not four numbers")
    numbers = [_number(item, "turn") for item in turn]
    length = math.hypot(*numbers)
    if length < 1e-6:
        raise _bad("a turn has no length")
    w, x, y, z = (item / length for item in numbers)
    return Offset(_name(record["bone"], "offset"), (w, x, y, z))


def _switch(value: object) -> Switch:
    record = _record(value, "a switch", ("bone", "name", "fk", "ik"))
    names = _name(record["bone"], "switch"), _name(record["name"], "switch")
    return Switch(*names, _number(record["fk"], "fk"), _number(record["ik"], "ik"))


def _limb(value: object) -> Limb:
    record = _record(value, "a limb", ("part", "end"), ("pole", "pole_switch", "toes"))
    part = _choice(record["part"], "part of a limb", _limb_parts(_WITH_CONTROLS))
    switch, toes = record.get("pole_switch"), _name(record.get("toes", ""), "toes", empty=True)
    if toes and not part.endswith("hip"):
        raise _bad("an arm has toes")
    return Limb(
        part,
        _name(record["end"], "end"),
        _name(record.get("pole", ""), "pole", empty=True),
        None if switch is None else _switch(switch),
        toes,
    )


def _limb_parts(joints: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(f"{side}_{joint}" for side in ("left", "right") for joint in joints)


def _record(value: object, what: str, needed: tuple[str, ...], more: tuple[str, ...] = ()) -> dict[str, Any]:
    """A JSON object that has what is needed, and nothing else but what may be there."""
    if not isinstance(value, dict):
        raise _bad(f"{what} is no object")
    if lacking := [key for key in needed if key not in value]:
        raise _bad(f"{what} lacks {lacking[0]!r}")
    if unknown := [key for key in value if key not in (*needed, *more)]:
        raise _bad(f"{what} has {unknown[0][:40]!r}, which is not known")
    return value


def _entries(value: object, what: str, read: Callable[[object], T]) -> tuple[T, ...]:
    if not isinstance(value, list) or len(value) > _MOST_ENTRIES:
        raise _bad(f"{what} is no list, or too long")
    return tuple(map(read, value))


def _name(value: object, what: str, *, empty: bool = False) -> str:
    if not isinstance(value, str) or not (value or empty) or len(value) > _LONGEST_NAME or "\0" in value:
        raise _bad(f"what {what} names is no name")
    try:
        value.encode()
    except UnicodeEncodeError as error:  # half a pair of surrogates, which no file can hold
        raise _bad(f"what {what} names is no text") from error
    return value


def _choice(value: object, what: str, choices: tuple[str, ...]) -> str:
    if not isinstance(value, str) or value not in choices:
        raise _bad(f"{what} cannot be {str(value)[:40]!r}")
    return value


def _number(value: object, what: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) <= _LARGEST_VALUE:
        raise _bad(f"{what} is no number, or too large")
    return float(value)


def _no_number(text: str) -> NoReturn:
    raise ValueError(f"{text} is no number")


def _bad(what: str) -> CaptureError:
    return CaptureError("bad_map", f"This is no bone map: {what}.", "Choose a file that was exported as one.")
