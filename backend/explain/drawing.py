# SPDX-License-Identifier: MIT
"""Attention as pixels: curves over time of weights, heat maps of maps, and above them what was to be seen."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

Picture = NDArray[np.uint8]
Array = NDArray[np.floating]
Colour = tuple[int, int, int]
Shown = Sequence[tuple[int, Picture | None]]
"""Frame numbers, each with its square picture where there is one."""

_WIDTH = 1190
_LEFT, _RIGHT = 60, 30
_INK, _FAINT, _PAPER = (40, 40, 40), (225, 225, 225), 255
_BRANCHES: tuple[tuple[str, Colour], ...] = (
    ("past", (66, 122, 194)), ("all", (150, 150, 150)), ("future", (226, 138, 60)),
)  # fmt: skip
_FONT = cv2.FONT_HERSHEY_SIMPLEX
_SIZE, _SMALL = 0.5, 0.38
_TITLE_PX, _LINE_PX = 44, 24
_STRIP, _SQUARE_PX = 8, 112
_AREAS_PX, _CURVES_PX, _AXIS_PX = 220, 220, 50
_MEAN_PX, _GAP_PX, _LABELS_PX = 160, 8, 58
_HEAD_PX = (_MEAN_PX - _GAP_PX) // 2
_FINE = 4
"""Bits of a pixel's fraction that OpenCV draws by."""


def shown_rows(frames: NDArray[np.integer]) -> list[int]:
    """Which frames (F,) to show above a picture of all: at even distances, the nearest there are, each once."""
    parts = (np.arange(_STRIP) + 0.5) / _STRIP
    wanted = frames[0] - 0.5 + parts * (frames[-1] - frames[0] + 1)
    return sorted({int(np.abs(frames - frame).argmin()) for frame in wanted})


def draw_branches(
    title: str, frames: NDArray[np.integer], weights: Array, runs: Sequence[slice], shown: Shown
) -> Picture:
    """(H, 1190, 3) RGB: how much past, all and future frames count, on top of each other, and below as curves.

    Args:
        title: above it.
        frames: (F,) ascending numbers.
        weights: (F, 3) past, all, future; each row sums to 1.
        runs: parts of ``frames`` that follow one another.
        shown: at the top.
    """
    picture = _blank(_AREAS_PX + _CURVES_PX + 2 * _AXIS_PX)
    across = _scale(frames[0] - 0.5, frames[-1] + 0.5, _LEFT, _WIDTH - _RIGHT)
    steps = [step for step in ticks(frames[0], frames[-1], 12) if step == round(step)]
    sums = np.concatenate([np.zeros((len(weights), 1)), np.cumsum(weights, axis=1)], axis=1)

    up = _scale(0.0, 1.0, _AREAS_PX, 0)
    for branch, (_, colour) in enumerate(_BRANCHES):
        for run in runs:
            places = across(_reaching(frames[run]))
            low, high = (up(_edges(sums[run, branch + side])) for side in (0, 1))
            outline = np.stack([np.concatenate([places, places[::-1]]), np.concatenate([low, high[::-1]])], axis=1)
            cv2.fillPoly(picture, [_fine(outline)], colour, cv2.LINE_AA, _FINE)
    _axes(picture, (0, _AREAS_PX), (steps, across), (np.arange(6) / 5, up))

    values = ticks(float(weights.min()), float(weights.max()), 6)
    top, bottom = _AREAS_PX + _AXIS_PX, _AREAS_PX + _AXIS_PX + _CURVES_PX
    up = _scale(values[0], values[-1], bottom, top)
    _axes(picture, (top, bottom), (steps, across), (values, up))
    for branch, (_, colour) in enumerate(_BRANCHES):
        for run in runs:
            places, heights = across(_reaching(frames[run])), up(_edges(weights[run, branch]))
            cv2.polylines(picture, [_fine(np.stack([places, heights], 1))], False, colour, 2, cv2.LINE_AA, _FINE)
    _text(picture, "frame", (_LEFT, bottom + 40), _SMALL)

    legend = _blank(_LINE_PX)
    for branch, (name, colour) in enumerate(_BRANCHES):
        left = _LEFT + 250 * branch
        cv2.rectangle(legend, (left, 3), (left + 14, 17), colour, -1)
        _text(legend, f"{name}: {weights[:, branch].mean():.3f} on average", (left + 22, 15), _SIZE)
    return np.concatenate([_head(title, shown), legend, picture], axis=0)


def draw_maps(title: str, frames: NDArray[np.integer], parts: Mapping[str, Array], shown: Shown) -> Picture:
    """(H, 1190, 3) RGB: for every layer the mean map of its heads, and beside it the heads' own.

    Args:
        title: above it.
        frames: (T,) numbers of the window's frames.
        parts: (layers, heads, T, T) by the name of what has them.
        shown: at the top.
    """
    rows = [_head(title, shown)]
    for name, maps in parts.items():
        means = maps.mean(axis=1)
        brightest = float(means.max()), float(maps.max())
        header = _blank(_LINE_PX)
        told = (
            f"{name}. Rows: the frame that looks, columns: the frame it looks at. Large: mean of heads, black 0, "
            f"bright {brightest[0]:.2f}; small: each head, bright {brightest[1]:.2f}"
        )
        _text(header, told, (_LABELS_PX, 15), _SMALL, room=_WIDTH - _LABELS_PX - _RIGHT)
        rows.append(header)
        blocks = [
            _block(f"layer {number}", frames, mean / brightest[0], heads / brightest[1])
            for number, (mean, heads) in enumerate(zip(means, maps, strict=True), start=1)
        ]
        beside = max(1, _WIDTH // blocks[0].shape[1])
        for first in range(0, len(blocks), beside):
            row = np.concatenate(blocks[first : first + beside], axis=1)
            rows.append(np.pad(row, ((0, 0), (0, _WIDTH - row.shape[1]), (0, 0)), constant_values=_PAPER))
    return np.concatenate(rows, axis=0)


def ticks(low: float, high: float, most: int) -> NDArray[np.float64]:
    """At most ``most`` + 2 round numbers at even distances, the first at most ``low``, the last at least ``high``."""
    rough = max((high - low) / most, 1e-3)
    size = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * size for factor in (1, 2, 5, 10) if factor * size >= rough * (1 - 1e-9))
    first = math.floor(low / step + 1e-9)
    return np.arange(first, max(math.ceil(high / step - 1e-9), first + 1) + 1) * step


def _block(title: str, frames: NDArray[np.integer], mean: Array, heads: Array) -> Picture:
    """A layer: its mean map (T, T) with frame numbers, and its heads (N, T, T) in two lines; 0..1."""
    columns = -(-len(heads) // 2)
    left, top = _LABELS_PX, 20
    block = _blank(top + _MEAN_PX + 30, left + _MEAN_PX + columns * (_HEAD_PX + _GAP_PX) + _GAP_PX)
    _text(block, title, (left, top - 6), _SMALL)
    block[top : top + _MEAN_PX, left : left + _MEAN_PX] = _heat(mean, _MEAN_PX)
    for number, head in enumerate(heads):
        x = left + _MEAN_PX + _GAP_PX + number % columns * (_HEAD_PX + _GAP_PX)
        y = top + number // columns * (_HEAD_PX + _GAP_PX)
        block[y : y + _HEAD_PX, x : x + _HEAD_PX] = _heat(head, _HEAD_PX)
    for row in sorted({0, len(frames) // 2, len(frames) - 1}):
        text, middle = str(frames[row]), round((row + 0.5) * _MEAN_PX / len(frames))
        width = _width(text, _SMALL)
        _text(block, text, (left - 4 - width, top + middle + 4), _SMALL)
        if row in (0, len(frames) - 1) or 4 * width < _MEAN_PX:  # else there is no room between the other two
            _text(block, text, (left + min(max(middle - width // 2, 0), _MEAN_PX - width), top + _MEAN_PX + 14), _SMALL)
    return block


def _heat(values: Array, side_px: int) -> Picture:
    """(side, side, 3) RGB of a map (T, T) of 0..1, black to bright; the brighter, the more."""
    levels = np.rint(np.clip(values, 0, 1) * 255).astype(np.uint8)
    coloured = cv2.applyColorMap(levels, cv2.COLORMAP_INFERNO)[..., ::-1]
    finer = len(values) > side_px
    return np.asarray(
        cv2.resize(coloured, (side_px, side_px), interpolation=cv2.INTER_AREA if finer else cv2.INTER_NEAREST), np.uint8
    )


def _head(title: str, shown: Shown) -> Picture:
    """The title, and below it the frames that are shown, where there is anything to see."""
    line = _blank(_TITLE_PX)
    _text(line, title, (_LEFT, 28), _SIZE, room=_WIDTH - _LEFT - _RIGHT)
    if all(picture is None for _, picture in shown):
        return line
    strip, room = _blank(_SQUARE_PX + _LINE_PX), (_WIDTH - _LEFT - _RIGHT) / len(shown)
    for number, (frame, picture) in enumerate(shown):
        middle = round(_LEFT + (number + 0.5) * room)
        if picture is not None:
            left = middle - _SQUARE_PX // 2
            small = cv2.resize(picture, (_SQUARE_PX, _SQUARE_PX), interpolation=cv2.INTER_AREA)
            strip[:_SQUARE_PX, left : left + _SQUARE_PX] = small
        _text(strip, str(frame), (middle - _width(str(frame), _SMALL) // 2, _SQUARE_PX + 14), _SMALL)
    return np.concatenate([line, strip], axis=0)


Scale = Callable[[Any], Any]
"""Values to pixels."""


def _axes(
    picture: Picture, between: tuple[int, int], across: tuple[Sequence[float], Scale], up: tuple[Array, Scale]
) -> None:
    """Frame numbers below, and lines with their values."""
    top, bottom = between
    for value in up[0]:
        y = round(float(up[1](value)))
        cv2.line(picture, (_LEFT, y), (_WIDTH - _RIGHT, y), _FAINT, 1)
        text = f"{value:.3g}"
        _text(picture, text, (_LEFT - 8 - _width(text, _SMALL), min(max(y + 4, top + 10), bottom + 4)), _SMALL)
    for value in across[0]:
        x = round(float(across[1](value)))
        if _LEFT <= x <= _WIDTH - _RIGHT:
            cv2.line(picture, (x, bottom), (x, bottom + 5), _INK, 1)
            text = f"{value:.0f}"
            _text(picture, text, (x - _width(text, _SMALL) // 2, bottom + 20), _SMALL)


def _scale(low: float, high: float, first_px: int, last_px: int) -> Scale:
    """What turns values into pixels."""
    return lambda values: first_px + (np.asarray(values) - low) / (high - low) * (last_px - first_px)


def _reaching(frames: NDArray[np.integer]) -> Array:
    """(F + 2,) frame numbers of a run, with half a frame before and behind, so that one frame alone is seen."""
    return np.concatenate([[frames[0] - 0.5], frames, [frames[-1] + 0.5]])


def _edges(values: Array) -> Array:
    """(F + 2,) values with the first and the last once more."""
    return np.concatenate([values[:1], values, values[-1:]])


def _fine(points: Array) -> NDArray[np.int32]:
    return np.rint(points * (1 << _FINE)).astype(np.int32)


def _blank(height: int, width: int = _WIDTH) -> Picture:
    return np.full((height, width, 3), _PAPER, np.uint8)


def _width(text: str, size: float) -> int:
    return int(cv2.getTextSize(text, _FONT, size, 1)[0][0])


def _text(picture: Picture, text: str, place: tuple[int, int], size: float, *, room: int = 0) -> None:
    """Writes at a place, the left end of the letters' foot; what is wider than ``room`` loses its middle."""
    text = text.encode("ascii", "replace").decode()  # OpenCV's own letters
    whole, kept = text, len(text)
    while room and kept > 1 and _width(text, size) > room:
        kept -= 1
        text = f"{whole[: -(-kept // 2)]}...{whole[len(whole) - kept // 2 :]}"
    cv2.putText(picture, text, place, _FONT, size, _INK, 1, cv2.LINE_AA)
