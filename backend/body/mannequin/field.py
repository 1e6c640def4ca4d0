# SPDX-License-Identifier: MIT
"""Implicit solids: each is a function of points that is negative inside, zero on the surface and about a distance."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from scipy.interpolate import PchipInterpolator

from vibe_blender.contract.quaternions import Array

Field = Callable[[Array], Array]
"""Points (N, 3) metres, body frame, to values (N,) metres."""

_X, _Y, _Z = 0, 1, 2


def ellipsoid(centre: Sequence[float], radii: Sequence[float], turn: tuple[float, float, float] = (0, 0, 0)) -> Field:
    """A solid ellipsoid.

    Args:
        centre: (3,) metres, body frame.
        radii: (3,) metres along its own axes.
        turn: degrees about x, then y, then z, from its own axes to the body frame.
    """
    middle, axes, matrix = np.asarray(centre), np.asarray(radii), _euler(turn)

    def value(points: Array) -> Array:
        local = (points - middle) @ matrix / axes
        length = np.linalg.norm(local, axis=1)
        slope = np.linalg.norm(local / axes, axis=1)
        return np.where(slope > 1e-9, length * (length - 1.0) / np.maximum(slope, 1e-9), -axes.min())

    return value


def round_cone(start: Sequence[float], end: Sequence[float], radius_start: float, radius_end: float) -> Field:
    """The hull of two balls, metres, body frame (a capsule where the radii are equal)."""
    a, b = np.asarray(start, float), np.asarray(end, float)
    along = b - a
    length_squared = float(along @ along)
    # The flank's normal leans towards the smaller ball, so the nearest ball lies off the foot of the perpendicular.
    lean = (radius_start - radius_end) / np.sqrt(max(length_squared - (radius_start - radius_end) ** 2, 1e-12))

    def value(points: Array) -> Array:
        offset = points - a
        t = offset @ along / length_squared
        off_axis = np.linalg.norm(offset - t[:, None] * along, axis=1)
        t = np.clip(t - lean * off_axis / np.sqrt(length_squared), 0.0, 1.0)
        return np.linalg.norm(offset - t[:, None] * along, axis=1) - (radius_start + t * (radius_end - radius_start))

    return value


def loft(axis: int, table: Sequence[Sequence[float]]) -> Field:
    """A solid with superelliptic cross-sections at stations along one body axis, closed flat at both ends.

    Args:
        axis: 0, 1 or 2: the body axis the stations lie on.
        table: one row per station, metres: place on the axis; then for each of the two other axes, in order, the low
            and the high bound of the section; then the section's exponent (2 is an ellipse, 3 is boxier).
    """
    rows = np.array(sorted(map(tuple, table)), float)
    across = [other for other in (_X, _Y, _Z) if other != axis]
    bounds = PchipInterpolator(rows[:, 0], rows[:, 1:5])
    exponent = PchipInterpolator(rows[:, 0], rows[:, 5])
    low, high = rows[0, 0], rows[-1, 0]

    def value(points: Array) -> Array:
        place = np.clip(points[:, axis], low, high)
        edge, power = bounds(place), exponent(place)
        centre = (edge[:, 0::2] + edge[:, 1::2]) / 2
        half = (edge[:, 1::2] - edge[:, 0::2]) / 2
        local = np.abs(points[:, across] - centre) / half
        length = np.sum(local ** power[:, None], axis=1) ** (1 / power)
        radial = (length - 1.0) * half.min(axis=1)
        beyond = np.abs(points[:, axis] - place)
        return np.where(beyond > 0, np.hypot(np.maximum(radial, 0), beyond), radial)

    return value


def union(blend: float, *fields: Field) -> Field:
    """The smooth union of solids; neighbours melt together over about ``blend`` metres."""

    def value(points: Array) -> Array:
        result = fields[0](points)
        for field in fields[1:]:
            result = _smooth_min(result, field(points), blend)
        return result

    return value


def carve(blend: float, solid: Field, *cuts: Field) -> Field:
    """A solid less the others, with edges rounded over about ``blend`` metres."""

    def value(points: Array) -> Array:
        result = solid(points)
        for cut in cuts:
            result = -_smooth_min(-result, cut(points), blend)
        return result

    return value


def mirrored(field: Field) -> Field:
    """A solid of the left half together with its mirror image."""

    def value(points: Array) -> Array:
        return np.minimum(field(points), field(points * [-1.0, 1.0, 1.0]))

    return value


def gradient(field: Field, points: Array, step: float = 5e-4) -> Array:
    """Central differences (N, 3) of a field at points (N, 3)."""
    shifts = np.eye(3) * step
    return np.stack([(field(points + shift) - field(points - shift)) / (2 * step) for shift in shifts], axis=1)


def project(field: Field, points: Array, steps: int = 6) -> Array:
    """Points (N, 3) moved along the field's gradient onto its zero surface (Newton's method, steps of 2 cm at most)."""
    points = np.array(points, float)
    for _ in range(steps):
        slope = gradient(field, points)
        squared = np.maximum(np.sum(slope**2, axis=1), 0.05)
        move = -(field(points) / squared)[:, None] * slope
        length = np.linalg.norm(move, axis=1, keepdims=True)
        points += move * np.minimum(1.0, 0.02 / np.maximum(length, 1e-12))
    return points


def _smooth_min(a: Array, b: Array, blend: float) -> Array:
    """Quadratic polynomial smooth minimum (Quilez, "Smooth minimum"), equal to min() where |a - b| > blend."""
    overlap = np.maximum(blend - np.abs(a - b), 0.0) / blend
    return np.minimum(a, b) - overlap**2 * blend / 4


def _euler(degrees: tuple[float, float, float]) -> Array:
    """The matrix (3, 3) that turns about x, then y, then z."""
    (cx, cy, cz), (sx, sy, sz) = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    about_x = np.array([[1, 0, 0], [0, cx, -sx], [0, sx, cx]])
    about_y = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
    about_z = np.array([[cz, -sz, 0], [sz, cz, 0], [0, 0, 1]])
    return about_z @ about_y @ about_x
