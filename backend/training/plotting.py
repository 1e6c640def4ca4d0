# SPDX-License-Identifier: MIT
"""The papers' picture of methods: how far off poses are against how much they shake, as pixels."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

Picture = NDArray[np.uint8]

_WIDTH, _HEIGHT = 1000, 560
_LEFT, _RIGHT, _TOP, _BOTTOM = 90, 190, 50, 60
_INK, _FAINT, _THEIRS, _OURS = (40, 40, 40), (225, 225, 225), (120, 120, 120), (200, 60, 40)
_FONT = cv2.FONT_HERSHEY_SIMPLEX
_TICKS = 6
_LINE_PX = 17


@dataclass(frozen=True)
class Dot:
    """A method.

    Attributes:
        name: beside the dot.
        across, up: where it is, PA-MPJPE in mm and acceleration error in mm/frame^2.
        ours: in our colour.
    """

    name: str
    across: float
    up: float
    ours: bool


def plot(panels: Mapping[str, Sequence[Dot]]) -> Picture:
    """(panels * 560, 1000, 3) RGB: a panel for each title with its dots; dots without a number are left out."""
    pictures = []
    for title, dots in panels.items():
        pictures.append(_panel(title, [dot for dot in dots if math.isfinite(dot.across) and math.isfinite(dot.up)]))
    return np.concatenate(pictures, axis=0)


def _panel(title: str, dots: Sequence[Dot]) -> Picture:
    picture: Picture = np.full((_HEIGHT, _WIDTH, 3), 255, np.uint8)
    across = _ticks([dot.across for dot in dots])
    up = _ticks([0.0, *(dot.up for dot in dots)])
    right, bottom = _WIDTH - _RIGHT, _HEIGHT - _BOTTOM

    def x_of(value: float) -> int:
        return round(_LEFT + (value - across[0]) / (across[-1] - across[0]) * (right - _LEFT))

    def y_of(value: float) -> int:
        return round(bottom - (value - up[0]) / (up[-1] - up[0]) * (bottom - _TOP))

    for value in across:
        cv2.line(picture, (x_of(value), _TOP), (x_of(value), bottom), _FAINT, 1)
        _text(picture, f"{value:g}", (x_of(value) - 12, bottom + 20), _INK)
    for value in up:
        cv2.line(picture, (_LEFT, y_of(value)), (right, y_of(value)), _FAINT, 1)
        _text(picture, f"{value:g}", (_LEFT - 48, y_of(value) + 5), _INK)
    _text(picture, f"{title}: acceleration error, mm/frame^2, over PA-MPJPE, mm", (_LEFT, _TOP - 20), _INK)
    taken: list[tuple[int, int]] = []
    for dot in sorted(dots, key=lambda dot: (dot.up, dot.across)):
        colour, place = _OURS if dot.ours else _THEIRS, (x_of(dot.across), y_of(dot.up))
        cv2.circle(picture, place, 6, colour, -1, cv2.LINE_AA)
        label = _free((place[0] + 10, place[1] + 5), taken)
        taken.append(label)
        _text(picture, dot.name, label, colour)
    return picture


def _free(wanted: tuple[int, int], taken: Sequence[tuple[int, int]]) -> tuple[int, int]:
    """The place nearest to ``wanted``, above it, at which no other name is written."""
    x, y = wanted
    while any(abs(y - other) < _LINE_PX and abs(x - left) < _RIGHT for left, other in taken):
        y -= 1
    return x, y


def _ticks(values: Sequence[float]) -> list[float]:
    """Round numbers around some values."""
    low, high = min(values, default=0.0), max(values, default=1.0)
    rough = max((high - low) / _TICKS, 1e-3)
    size = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * size for factor in (1, 2, 5, 10) if factor * size >= rough)
    first, last = math.floor(low / step), max(math.ceil(high / step), math.floor(low / step) + 1)
    return [number * step for number in range(first, last + 1)]


def _text(picture: Picture, text: str, place: tuple[int, int], colour: tuple[int, int, int]) -> None:
    plain = text.encode("ascii", "replace").decode()  # OpenCV's own letters are no more than these
    cv2.putText(picture, plain, place, _FONT, 0.5, colour, 1, cv2.LINE_AA)
