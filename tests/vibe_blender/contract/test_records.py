# SPDX-License-Identifier: MIT
"""Settings of plain values: every kind of field, and everything that a stranger's file may have in its place."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import pytest

from vibe_blender.contract.errors import CaptureError
from vibe_blender.contract.records import from_record


@dataclass(frozen=True)
class Inner:
    share: float = 0.5
    names: tuple[str, ...] = ()


@dataclass(frozen=True)
class Outer:
    title: str
    count: int = 3
    on: bool = False
    kind: Literal["round", "square"] = "round"
    pair: tuple[float, float] = (0.0, 1.0)
    inner: Inner = field(default_factory=Inner)
    several: tuple[Inner, ...] = ()
    people: dict[int, Inner] = field(default_factory=dict)


def test_what_is_not_named_has_its_default() -> None:
    assert from_record(Outer, {"title": "a"}) == Outer("a")


def test_every_kind_of_field_is_read() -> None:
    record = {
        "title": "a", "count": 7, "on": True, "kind": "square", "pair": [1, 2.5],
        "inner": {"share": 1, "names": ["b", "c"]}, "several": [{}, {"share": 0.1}], "people": {"12": {"share": 2}},
    }  # fmt: skip
    read = from_record(Outer, record)
    assert read == Outer(
        "a", 7, True, "square", (1.0, 2.5), Inner(1.0, ("b", "c")), (Inner(), Inner(0.1)), {12: Inner(2.0)}
    )
    assert type(read.inner.share) is float


@pytest.mark.parametrize(
    ("record", "said"),
    [
        ([], "The settings"),
        (None, "The settings"),
        ({}, "title"),
        ({"title": 3}, "title"),
        ({"title": "a", "count": 1.5}, "count"),
        ({"title": "a", "count": True}, "count"),
        ({"title": "a", "count": "1"}, "count"),
        ({"title": "a", "on": 1}, "on"),
        ({"title": "a", "kind": "oval"}, "kind"),
        ({"title": "a", "kind": ["round"]}, "kind"),
        ({"title": "a", "pair": [1]}, "pair"),
        ({"title": "a", "pair": 1}, "pair"),
        ({"title": "a", "pair": "ab"}, "pair"),
        ({"title": "a", "inner": 5}, "inner"),
        ({"title": "a", "inner": {"share": "x"}}, "inner.share"),
        ({"title": "a", "inner": {"share": 10**400}}, "inner.share"),
        ({"title": "a", "inner": {"names": [1]}}, "inner.names"),
        ({"title": "a", "inner": {"nmaes": []}}, "inner.nmaes"),
        ({"title": "a", "several": {"share": 1}}, "several"),
        ({"title": "a", "people": {"x": {}}}, "people"),
        ({"title": "a", "people": {"1" * 11: {}}}, "people"),
        ({"title": "a", "people": {"1": {"share": []}}}, "people.1.share"),
        ({"title": "a", "tilte": "b"}, "tilte"),
    ],
)
def test_what_is_wrong_is_named(record, said) -> None:
    with pytest.raises(CaptureError) as raised:
        from_record(Outer, record)
    assert raised.value.code == "bad_setting"
    assert said in raised.value.message


def test_an_unknown_name_gets_the_known_ones_told() -> None:
    with pytest.raises(CaptureError) as raised:
        from_record(Outer, {"title": "a", "inner": {"nmaes": []}})
    assert "share, names" in raised.value.hint


def test_fields_that_cannot_come_from_plain_values_are_unknown() -> None:
    with pytest.raises(CaptureError, match=r"inner\.names"):
        from_record(Outer, {"title": "a", "inner": {"names": []}}, ("inner.names",))
