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
Box = tuple[int, int, int, int]
"""Left, top, right, bottom, pixels."""

_WIDTH, _HEIGHT = 1000, 560
_LEFT, _RIGHT, _TOP, _BOTTOM = 90, 190, 50, 60
_INK, _FAINT, _THEIRS, _OURS = (40, 40, 40), (225, 225, 225), (120, 120, 120), (200, 60, 40)
_FONT = cv2.FONT_HERSHEY_SIMPLEX
_SIZE = 0.5
_TICKS = 6
_DOT_PX = 6


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
    places = [(x_of(dot.across), y_of(dot.up)) for dot in dots]
    taken = [(x - _DOT_PX, y - _DOT_PX, x + _DOT_PX, y + _DOT_PX) for x, y in places]
    for dot, (x, y) in zip(dots, places, strict=True):
        colour = _OURS if dot.ours else _THEIRS
        cv2.circle(picture, (x, y), _DOT_PX, colour, -1, cv2.LINE_AA)
        (width, height), _ = cv2.getTextSize(_plain(dot.name), _FONT, _SIZE, 1)
        box = _free((x + _DOT_PX + 4, y - height // 2, x + _DOT_PX + 4 + width, y + height // 2), taken)
        taken.append(box)
        _text(picture, dot.name, (box[0], box[3]), colour)
    return picture


def _free(box: Box, taken: Sequence[Box]) -> Box:
    """The place nearest to a box's, above or below it, that is not taken."""
    left, top, right, bottom = box
    for away in range(_HEIGHT):
        for shift in (-away, away):
            moved = (left, top + shift, right, bottom + shift)
            if not any(_meet(moved, other) for other in taken):
                return moved
    return box


def _meet(one: Box, other: Box) -> bool:
    """Whether two boxes overlap, or almost."""
    return all(one[axis] < other[axis + 2] + 2 and other[axis] < one[axis + 2] + 2 for axis in (0, 1))


def _ticks(values: Sequence[float]) -> list[float]:
    """Round numbers around some values."""
    low, high = min(values, default=0.0), max(values, default=1.0)
    rough = max((high - low) / _TICKS, 1e-3)
    size = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * size for factor in (1, 2, 5, 10) if factor * size >= rough)
    first, last = math.floor(low / step), max(math.ceil(high / step), math.floor(low / step) + 1)
    return [number * step for number in range(first, last + 1)]


def _text(picture: Picture, text: str, place: tuple[int, int], colour: tuple[int, int, int]) -> None:
    cv2.putText(picture, _plain(text), place, _FONT, _SIZE, colour, 1, cv2.LINE_AA)


def _plain(text: str) -> str:
    """What can be written: OpenCV's own letters are ASCII's."""
    return text.encode("ascii", "replace").decode()
