# SPDX-License-Identifier: GPL-3.0-or-later OR MIT
"""What the name of a bone says: which side, which parts it may be, and whether it is only a helper."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from .words import LONGEST, MEANINGS, NOTHING, plain

Role = Literal["body", "twist", "helper", "deform"]
_LONGEST_NAME = 96
_LONGEST_TOKEN = 32
_MOST_TOKENS = 24
_LONGEST_SCANNED = 6
_SHORTEST_PIECE = 3
"""Letters of a word that may be glued to others: shorter ones are found in any word."""
_NAMESPACE = re.compile(r"^.*[:|]")
_SPLIT = re.compile(r"(?<=[^\W\d_A-Z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][^\W\d_A-Z])")
_TOKEN = re.compile(r"[^\W\d_]+|\d+")
_LATIN = re.compile(r"^[a-zЀ-ӿ]+$")

_SPECIFIC = {
    "upperarm": "shoulder", "forearm": "elbow", "elbow": "elbow", "wrist": "wrist", "hand": "wrist", "thigh": "hip",
    "knee": "knee", "shin": "knee", "ankle": "ankle", "foot": "ankle", "toe": "foot", "clavicle": "collar",
    "neck": "neck", "head": "head", "pelvis": "pelvis",
}  # fmt: skip
_BODY = {*_SPECIFIC, "spine", "chest", "waist", "body", "arm", "leg", "legorfoot", "hip", "shoulder"}


@dataclass(frozen=True)
class Reading:
    """What a name says.

    Attributes:
        side: ``left``, ``right`` or empty.
        kinds: parts without their side that it may be, the likeliest first.
        role: ``helper`` for what is no part of a body's own, ``deform`` where a rig's controls are to be preferred.
        finger: whether it is a finger's.
        control: whether it is called a control.
    """

    side: str = ""
    kinds: tuple[str, ...] = ()
    role: Role = "body"
    finger: bool = False
    control: bool = False


def without_namespace(name: str) -> str:
    """A name without what exporters put before it, such as ``mixamorig:`` or ``Armature|``."""
    return _NAMESPACE.sub("", name) or name


def tokens_of(name: str) -> tuple[str, ...]:
    """The words and numbers of a name, as they are looked up."""
    text = without_namespace(name)[:_LONGEST_NAME]
    return tuple(map(plain, _TOKEN.findall(_SPLIT.sub(" ", text))[:_MOST_TOKENS]))


@lru_cache(maxsize=1 << 15)
def read_name(tokens: tuple[str, ...]) -> Reading:
    """What the words of a name say, in any of the languages of ``words``."""
    found = [meaning for token in tokens for meaning in _meanings(token) if meaning]
    said = set(found)
    sides = said & {"left", "right"}
    side = sides.pop() if len(sides) == 1 else ""
    role: Role = "body"
    if "finger" in said and said & {"foot", "legorfoot"}:  # many languages have fingers on feet
        said = said - {"finger", "foot", "legorfoot"} | {"toe"}
    if "main" in said and side and not said & _BODY:
        said = said | {"hand"}
    counted = side or any(token.isdigit() for token in tokens)
    finger = ("finger" in said and "toe" not in said) or ("middle" in said and counted and not said & _BODY - {"hand"})
    if finger or said & {"soft", "face", "end"}:
        role = "helper"
    elif "twist" in said and not said & {"neck", "spine"}:
        role = "twist"
    elif "helper" in said:
        role = "helper"
    elif "deform" in said:
        role = "deform"
    kinds = () if role in ("helper", "twist") else _kinds(said, bool(side))
    return Reading(side, kinds, role, finger, "control" in said)


def _kinds(said: set[str], sided: bool) -> tuple[str, ...]:
    """The parts that words together may mean, the likeliest first."""
    exact = {_SPECIFIC[word] for word in said if word in _SPECIFIC}
    if "foot" in exact:  # a foot's toes
        exact.discard("ankle")
    if exact & {"neck", "head"}:
        exact -= {"pelvis"}
    if exact:
        found = tuple(sorted(exact)) if len(exact) == 1 else ()
    elif "body" in said and said & {"upper", "lower"}:
        found = ("spine",) if "upper" in said else ("pelvis",)
    elif "arm" in said:
        found = ("shoulder",) if "upper" in said else ("elbow",) if "lower" in said else ("shoulder", "elbow")
        found = ("shoulder", "collar") if "shoulder" in said and not said & {"upper", "lower"} else found
    elif "leg" in said:
        found = ("hip",) if said & {"upper", "hip"} else ("knee",) if "lower" in said else ("hip", "knee")
    elif "legorfoot" in said:
        found = ("hip", "ankle")
    elif "hip" in said:
        found = ("hip",) if sided else ("pelvis",)
    elif "shoulder" in said:
        found = ("collar", "shoulder")
    elif "waist" in said and not said & {"spine", "chest"}:
        found = ("spine", "pelvis")
    elif said & {"spine", "chest", "waist", "body"}:
        found = ("spine",)
    elif "root" in said:
        found = ("root",)
    else:
        found = ()
    return found


@lru_cache(maxsize=1 << 15)
def _meanings(token: str) -> tuple[str, ...]:
    """The meanings of the words that a token is made of; none where part of it is unknown."""
    if token in MEANINGS:
        return (MEANINGS[token],)
    if len(token) > _LONGEST_TOKEN or token.isdigit():
        return ()
    if not _LATIN.match(token):
        return _scanned(token)
    whole = _glued(token)
    for side, rest in ((token[0], token[1:]), (token[-1], token[:-1])):
        if not whole and side in "lr" and len(rest) >= _SHORTEST_PIECE and (inner := _glued(rest)):
            whole = (MEANINGS[side], *inner)
    return whole


def _glued(token: str) -> tuple[str, ...]:
    """The meanings of words written as one, fewest words first; none where they do not fill the token."""
    best: list[tuple[str, ...] | None] = [()] + [None] * len(token)
    for begin, before in enumerate(best):
        for end in range(begin + _SHORTEST_PIECE, min(begin + LONGEST, len(token)) + 1) if before is not None else ():
            meaning, found = MEANINGS.get(token[begin:end]), best[end]
            if before is not None and meaning is not None and (found is None or len(before) + 1 < len(found)):
                best[end] = (*before, meaning)
    whole = best[-1] or ()
    return whole if any(word != NOTHING for word in whole) else ()


def _scanned(token: str) -> tuple[str, ...]:
    """The meanings of the words of a script without spaces, the longest at each place first."""
    found, at = [], 0
    while at < len(token):
        for length in range(min(_LONGEST_SCANNED, len(token) - at), 0, -1):
            if (meaning := MEANINGS.get(token[at : at + length])) is not None:
                found.append(meaning)
                at += length
                break
        else:
            at += 1
    return tuple(found)
