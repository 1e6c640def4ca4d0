# SPDX-License-Identifier: GPL-3.0-or-later OR MIT
"""The rigs whose bones are known by name: our tables, and which of them fits a rig."""

from __future__ import annotations

import json
import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

from ...contract.errors import CaptureError
from ..retargeting.bone_map import CARRIERS, NEEDED, PARTS, BoneMap, Limb, MappedPart, Switch
from .lineage import Lineage
from .names import without_namespace

_TABLES = Path(__file__).parents[1] / "bone_maps"
_MIDDLE = ("root", "pelvis", "spine", "neck", "head")
_SIDED = tuple(part.removeprefix("left_") for part in PARTS if part.startswith("left_"))
_SEPARATORS = re.compile(r"[\s._\-]+")
_BOUNDARY = re.compile(r"[\s._\-]+|(?<=[a-z])(?=[A-Z])")
_MIXAMO = re.compile(r"^mixamorig\d*[:_ ]?(?=.)")
_FEWEST_SHARING = 15
"""Bones that have to begin alike before that is taken for a prefix of theirs."""
_MOST_PREFIXES = 6
_DEEPEST_PREFIX = 4


@dataclass(frozen=True)
class KnownRig:
    """One table, written out for both sides.

    Attributes:
        rig: what it is called.
        parts: each part's bones; of each the names it may have, of which the first that is there counts.
        marks: bones without which it is another rig.
        exact: whether capitals and separators count.
        controls: whether its bones are controls, which need not carry each other as those of a body do.
        switches, limbs: as in ``BoneMap``.
    """

    rig: str
    parts: tuple[tuple[str, tuple[tuple[str, ...], ...]], ...]
    marks: tuple[str, ...]
    exact: bool
    controls: bool
    switches: tuple[Switch, ...]
    limbs: tuple[Limb, ...]


@cache
def known_rigs() -> tuple[KnownRig, ...]:
    """All tables there are."""
    return tuple(read_table(path.read_text(encoding="utf-8"), path.name) for path in sorted(_TABLES.glob("*.json")))


def read_table(text: str, name: str) -> KnownRig:
    """The table in a JSON text.

    Args:
        text: an object with ``rig``, ``sides`` (two words for ``*``, left first), ``parts`` (the limbs' without their
            side) and, where there is need, ``marks``, ``exact``, ``controls``, ``switches`` and ``limbs``.
        name: what to call it in an error.

    Raises:
        CaptureError: ``bad_map``.
    """
    try:
        record = json.loads(text)
        sides = tuple(zip(("left", "right"), record.pop("sides"), strict=True))
        exact = _flag(record.pop("exact", False))
        spelt = _text if exact else lambda name: _folded(_text(name))
        parts = dict(_parts(record.pop("parts"), sides, spelt))
        table = KnownRig(
            rig=_text(record.pop("rig")),
            parts=tuple((part, parts[part]) for part in PARTS if part in parts),
            marks=tuple(map(spelt, record.pop("marks", ()))),
            exact=exact,
            controls=_flag(record.pop("controls", False)),
            switches=tuple(_switch(item, token) for item in record.pop("switches", ()) for _, token in sides),
            limbs=tuple(_limb(item, side, token) for item in record.pop("limbs", ()) for side, token in sides),
        )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise CaptureError("bad_map", f"{name} is no table of bones: {error!r}.", "Correct it.") from error
    if record or not set(NEEDED) <= set(parts):
        raise CaptureError("bad_map", f"{name} has what no table has, or lacks what is needed.", "Correct it.")
    return table


def known_map(names: tuple[str, ...], lineage: Lineage) -> tuple[BoneMap, bool] | None:
    """The map of the known rig that fits best, and whether it is of controls; None where none does.

    Args:
        names: of all bones.
        lineage: of all bones.
    """
    best, found = (False, 0, 0), None
    for number, there in enumerate(_spellings(names)):
        folded: dict[str, int] = {}
        for name, bone in there.items():
            folded.setdefault(_folded(name), bone)
        for table in known_rigs():
            parts = _fitting(table, there if table.exact else folded, lineage)
            score = (table.controls, sum(map(len, parts.values())) + len(table.marks), -number)
            if parts and score > best:
                best, found = score, (_as_map(table, parts, names), table.controls)
    return found


def _fitting(table: KnownRig, there: Mapping[str, int], lineage: Lineage) -> dict[str, list[int]]:
    """The bones of each part where a table fits; nothing where it does not."""
    if any(mark not in there for mark in table.marks):
        return {}
    parts: dict[str, list[int]] = {}
    for part, bones in table.parts:
        known = (next((there[name] for name in bone if name in there), -1) for bone in bones)
        if found := [bone for bone in known if bone >= 0]:
            parts[part] = found
    if not set(NEEDED) <= set(parts) or len({bone for found in parts.values() for bone in found}) < sum(
        map(len, parts.values())
    ):
        return {}
    return parts if _in_order(parts, lineage, table.controls) else {}


def _in_order(parts: Mapping[str, list[int]], lineage: Lineage, controls: bool) -> bool:
    """Whether parts carry each other as those of a body do; controls only have not to do so the other way round."""
    for part, bones in parts.items():
        if part == "root":
            continue
        carrier = CARRIERS[part]
        while carrier and carrier not in parts:
            carrier = CARRIERS[carrier]
        chain = [*(parts[carrier][-1:] if carrier else ()), *bones]
        for one, other in pairwise(chain):
            if lineage.carries(other, one) or not (controls or lineage.carries(one, other)):
                return False
    return True


def _as_map(table: KnownRig, parts: Mapping[str, list[int]], names: tuple[str, ...]) -> BoneMap:
    there = set(names)
    limbs = tuple(
        limb if limb.toes in there else replace(limb, toes="")
        for limb in table.limbs
        if limb.end in there and (not limb.pole or limb.pole in there)
    )
    return BoneMap(
        parts=tuple(MappedPart(part, tuple(names[bone] for bone in parts[part])) for part in PARTS if part in parts),
        rig=table.rig,
        switches=tuple(switch for switch in table.switches if switch.bone in there),
        limbs=limbs,
    )


def _spellings(names: tuple[str, ...]) -> list[dict[str, int]]:
    """The bones by their names, then by their names without what many of them begin with."""
    plain = [_MIXAMO.sub("", without_namespace(name)) for name in names]
    found: list[dict[str, int]] = [{}]
    beginnings: Counter[str] = Counter()
    for bone, name in enumerate(plain):
        found[0].setdefault(name, bone)
        for depth, boundary in enumerate(_BOUNDARY.finditer(name)):
            if depth == _DEEPEST_PREFIX:
                break
            beginnings[name[: boundary.end()]] += 1
    for prefix, count in beginnings.most_common(_MOST_PREFIXES):
        if count >= _FEWEST_SHARING and prefix:
            shorter: dict[str, int] = {}
            for bone, name in enumerate(plain):
                if name.startswith(prefix):
                    shorter.setdefault(name[len(prefix) :], bone)
            found.append(shorter)
    return found


def _folded(name: str) -> str:
    """A name without capitals and separators, which programs change on the way."""
    return _SEPARATORS.sub("", unicodedata.normalize("NFKC", name)).casefold()


def _parts(
    record: Mapping[str, Any], sides: Iterable[tuple[str, str]], spelt: Callable[[str], str]
) -> Iterable[tuple[str, tuple[tuple[str, ...], ...]]]:
    for part, bones in record.items():
        names = [[_text(name) for name in ([bone] if isinstance(bone, str) else bone)] for bone in bones]
        if part in _MIDDLE:
            yield part, tuple(tuple(map(spelt, bone)) for bone in names)
        elif part in _SIDED:
            for side, token in sides:
                yield f"{side}_{part}", tuple(tuple(spelt(name.replace("*", token)) for name in bone) for bone in names)
        else:
            raise ValueError(part)


def _switch(record: Mapping[str, Any], token: str) -> Switch:
    bone, name, fk, ik = (record[key] for key in ("bone", "name", "fk", "ik"))
    return Switch(_text(bone).replace("*", token), _text(name), float(fk), float(ik))


def _limb(record: Mapping[str, Any], side: str, token: str) -> Limb:
    part = record["part"]
    if part not in ("hip", "shoulder") or (part != "hip" and "toes" in record):
        raise ValueError(part)
    toes = _text(record["toes"]).replace("*", token) if "toes" in record else ""
    switch = _switch(record["pole_switch"], token) if "pole_switch" in record else None
    end, pole = (_text(record[key]).replace("*", token) for key in ("end", "pole"))
    return Limb(f"{side}_{part}", end, pole, switch, toes)


def _text(value: object) -> str:
    if not isinstance(value, str) or not value:
        raise ValueError(value)
    return value


def _flag(value: object) -> bool:
    if not isinstance(value, bool):
        raise ValueError(value)
    return value
