# SPDX-License-Identifier: MIT
"""Plots for docs/: lines, dots and shaded stretches over two axes, drawn with OpenCV alone."""

from __future__ import annotations

import sys
from pathlib import Path

import cv2
import numpy as np

REPOSITORY = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(REPOSITORY))

from vibe_blender.contract.quaternions import Array  # noqa: E402
from vibe_blender.contract.skeleton import PARENTS  # noqa: E402

# Blue, green, red.
BEFORE, AFTER, TRUTH, INK, FAINT = (150, 150, 150), (200, 110, 20), (70, 150, 40), (40, 40, 40), (60, 140, 235)
FONT = cv2.FONT_HERSHEY_SIMPLEX
TWICE = 2
"""Everything is drawn so many times as large, and made smaller once."""
LEFT, RIGHT, TOP, BOTTOM = 62, 14, 12, 42
LEAST_STEPS = 4


class Plot:
    """Two axes to draw over."""

    def __init__(
        self, width: int, height: int, x: tuple[float, float], y: tuple[float, float], x_name: str, y_name: str
    ) -> None:
        """Empty axes.

        Args:
            width, height: pixels of the whole picture.
            x, y: from where to where each axis goes.
            x_name, y_name: what they show.
        """
        self._image = np.full((TWICE * height, TWICE * width, 3), 255, np.uint8)
        self._x, self._y, self._width, self._height = x, y, width, height
        self._labels: list[tuple[str, tuple[int, int, int]]] = []
        for value in _steps(*x):
            self._stroke([(value, y[0]), (value, y[1])], (232, 232, 232))
            self._text(f"{value:g}", self._pixel(value, y[0]) + np.array([-8, 16]))
        for value in _steps(*y):
            self._stroke([(x[0], value), (x[1], value)], (232, 232, 232))
            self._text(f"{value:g}", self._pixel(x[0], value) + np.array([-34, 4]))
        self._text(x_name, np.array([(width + LEFT) / 2 - 4 * len(x_name), height - 8]))
        upright = np.full((TWICE * 20, TWICE * height, 3), 255, np.uint8)
        size = cv2.getTextSize(y_name, FONT, TWICE * 0.42, TWICE)[0][0]
        start = (TWICE * (BOTTOM + (height - TOP - BOTTOM) // 2) - size // 2, TWICE * 14)
        cv2.putText(upright, y_name, start, FONT, TWICE * 0.42, INK, TWICE, cv2.LINE_AA)
        self._image[:, : TWICE * 20] = np.rot90(upright)

    def line(self, x: Array, y: Array, colour: tuple[int, int, int], label: str = "", wide: int = 1) -> None:
        """A line through points."""
        self._stroke(np.stack([x, y], axis=1), colour, wide)
        if label:
            self._labels.append((label, colour))

    def dots(self, x: Array, y: Array, colour: tuple[int, int, int], size: float = 1.5) -> None:
        """A dot at each point."""
        for place in self._inside(np.stack([x, y], axis=1)):
            centre = np.round(16 * TWICE * self._pixel(*place)).astype(int)
            cv2.circle(self._image, tuple(map(int, centre)), round(16 * TWICE * size), colour, -1, cv2.LINE_AA, 4)

    def level(self, y: float) -> None:
        """A line across all."""
        self._stroke([(self._x[0], y), (self._x[1], y)], INK)

    def spans(self, x: Array, there: Array, label: str) -> None:
        """A shade wherever something is there."""
        edges = np.flatnonzero(np.diff(np.concatenate([[False], there, [False]]).astype(int)))
        for first, end in edges.reshape(-1, 2):
            corners = [self._pixel(x[first], self._y[1]), self._pixel(x[end - 1], self._y[0])]
            (left, top), (right, low) = (np.round(TWICE * corner).astype(int) for corner in corners)
            part = self._image[top:low, left:right]
            part[:] = np.round(part * [0.98, 0.94, 0.88]).astype(np.uint8)
        self._labels.append((label, (250, 225, 200)))

    def picture(self) -> np.ndarray:
        """The plot with its legend."""
        right = self._width - RIGHT - 8
        for number, (label, colour) in enumerate(self._labels):
            y = TOP + 16 + 17 * number
            width = cv2.getTextSize(label, FONT, 0.42, 1)[0][0]
            self._text(label, np.array([right - width, y]))
            corner = (TWICE * (right - width - 30), TWICE * (y - 5))
            cv2.line(self._image, corner, (corner[0] + TWICE * 22, corner[1]), colour, TWICE * 3, cv2.LINE_AA)
        return cv2.resize(self._image, (self._width, self._height), interpolation=cv2.INTER_AREA)

    def _pixel(self, x: float, y: float) -> Array:
        across = (x - self._x[0]) / (self._x[1] - self._x[0])
        up = (y - self._y[0]) / (self._y[1] - self._y[0])
        wide, high = self._width - LEFT - RIGHT, self._height - TOP - BOTTOM
        return np.array([LEFT + across * wide, self._height - BOTTOM - up * high])

    def _inside(self, points: Array) -> Array:
        low, high = np.array([self._x[0], self._y[0]]), np.array([self._x[1], self._y[1]])
        return points[np.all((points >= low) & (points <= high), axis=1)]

    def _stroke(self, points: Array | list, colour: tuple[int, int, int], wide: int = 1) -> None:
        low, high = np.array([self._x[0], self._y[0]]), np.array([self._x[1], self._y[1]])
        held = np.clip(np.asarray(points, dtype=float), low, high)
        pixels = np.array([self._pixel(*point) for point in held])
        cv2.polylines(
            self._image, [np.round(16 * TWICE * pixels).astype(np.int32)], False, colour, TWICE * wide, cv2.LINE_AA, 4
        )

    def _text(self, text: str, where: Array) -> None:
        place = tuple(int(value) for value in np.round(TWICE * where))
        cv2.putText(self._image, text, place, FONT, TWICE * 0.42, INK, TWICE, cv2.LINE_AA)


def bones(plot: Plot, joints: Array, which: tuple[int, ...], colour: tuple[int, int, int]) -> None:
    """The bones of some joints of (24, 2), in the plot's units."""
    for joint in which:
        plot.line(joints[[PARENTS[joint], joint], 0], joints[[PARENTS[joint], joint], 1], colour)


def titled(image: np.ndarray, title: str) -> np.ndarray:
    """The picture under a line of text."""
    head = np.full((TWICE * 26, TWICE * image.shape[1], 3), 255, np.uint8)
    cv2.putText(head, title, (TWICE * 8, TWICE * 18), FONT, TWICE * 0.48, INK, TWICE, cv2.LINE_AA)
    return np.concatenate([cv2.resize(head, (image.shape[1], 26), interpolation=cv2.INTER_AREA), image])


def beside(images: list[np.ndarray]) -> np.ndarray:
    """Pictures of one height in a row."""
    return np.concatenate(images, axis=1)


def stacked(images: list[np.ndarray]) -> np.ndarray:
    """Pictures of one width below each other."""
    return np.concatenate(images)


def write(path: Path, image: np.ndarray) -> None:
    """Writes a picture; to any path, which OpenCV itself cannot on Windows."""
    options = [cv2.IMWRITE_JPEG_QUALITY, 82] if path.suffix == ".jpg" else [cv2.IMWRITE_PNG_COMPRESSION, 9]
    done, content = cv2.imencode(path.suffix, image, options)
    if not done:
        raise OSError(f"{path} could not be encoded.")
    path.write_bytes(content.tobytes())
    print(f"{path}: {image.shape[1]} x {image.shape[0]}, {path.stat().st_size // 1024} KiB")


def _steps(low: float, high: float) -> Array:
    """Round numbers to write along an axis."""
    rough = (high - low) / LEAST_STEPS
    size = 10.0 ** np.floor(np.log10(rough))
    step = max(size * factor for factor in (1.0, 2.0, 5.0) if size * factor <= rough)
    return np.round(np.arange(np.ceil(low / step), np.floor(high / step) + 1) * step, 6) + 0.0
