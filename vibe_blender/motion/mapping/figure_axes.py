# SPDX-License-Identifier: GPL-3.0-or-later OR MIT
"""Which way a skeleton stands: the plane it is symmetrical about, and where up may be."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from ...contract.quaternions import Array
from .lineage import Lineage

_NEAR = 0.015
"""Of the size: so far may a bone be from where its counterpart says it is."""
_MOST_POINTS = 2000
_MOST_SIBLINGS = 24
_CROSSWISE = 0.02
"""Cosine of what counts as at right angles."""


def standings(heads: Array, lineage: Lineage) -> list[tuple[Array, Array]]:
    """Axes (3, 3) with x across, y in depth and z up as rows, and an origin (3,) in the middle; the likeliest first.

    Args:
        heads: (N, 3) of the bones, armature frame.
        lineage: of those bones.
    """
    points = heads[:: max(1, len(heads) // _MOST_POINTS)]
    size = float(np.max(np.ptp(points, axis=0)))
    if size < 1e-9:
        return []
    best: tuple[float, Array, float] | None = None
    twins = _twins(heads, lineage)
    across = [*np.eye(3), *(way for way, _ in twins)]
    for number, axis in enumerate(across):
        flat = points @ axis
        middles = {
            round(float(np.median(flat)) / size, 4),
            0.0,
            *(round(float(at @ axis) / size, 4) for _, at in twins),
        }
        for middle in sorted(middles):
            share = _symmetry(points, axis, middle * size, _NEAR * size) - 0.02 * (number > 2)
            if best is None or share > best[0] + 1e-9:
                best = share, axis, middle * size
    if best is None or best[0] <= 0.0:
        return []
    _, axis, middle = best
    return [(np.stack([axis, np.cross(up, axis), up]), middle * axis) for up in _uprights(points, axis)]


def _twins(heads: Array, lineage: Lineage) -> list[tuple[Array, Array]]:
    """Directions (3,) from one of two like branches to the other, and points (3,) halfway; the largest first."""
    found = []
    forks = sorted(
        (bone for bone in range(len(heads)) if len(lineage.children[bone]) > 1), key=lambda bone: -lineage.sizes[bone]
    )
    for fork in forks[:_MOST_SIBLINGS]:
        children = sorted(lineage.children[fork], key=lambda bone: -lineage.sizes[bone])[:_MOST_SIBLINGS]
        for one, other in pairwise(children):
            if lineage.sizes[one] == lineage.sizes[other] > 1:
                ends = [_last(heads, lineage, bone) for bone in (one, other)]
                way = ends[0] - ends[1]
                if (length := float(np.linalg.norm(way))) > 1e-9:
                    found.append((lineage.sizes[one], way / length, (ends[0] + ends[1]) / 2))
    found.sort(key=lambda item: -item[0])
    return [(way, middle) for _, way, middle in found[:4]]


def _last(heads: Array, lineage: Lineage, bone: int) -> Array:
    """The mean place (3,) along a branch's largest way down."""
    places = [heads[bone]]
    while lineage.children[bone] and len(places) < _MOST_SIBLINGS:
        bone = max(lineage.children[bone], key=lambda child: lineage.sizes[child])
        places.append(heads[bone])
    return np.mean(places, axis=0)


def _symmetry(points: Array, axis: Array, middle: float, near: float) -> float:
    """The share of points that lie off a plane and have a counterpart beyond it."""
    off = points @ axis - middle
    aside = np.abs(off) > near
    if not np.any(aside):
        return 0.0
    mirrored = points[aside] - 2.0 * off[aside, None] * axis
    cells = np.unique(_keys(np.floor(points / (2.0 * near))))
    met = np.zeros(len(mirrored), bool)
    for shift in np.array(np.meshgrid(*[[-0.5, 0.5]] * 3)).reshape(3, -1).T:
        met |= np.isin(_keys(np.floor(mirrored / (2.0 * near) + shift)), cells)
    return float(np.sum(met)) / len(points) - 0.25 * float(np.sum(~met)) / len(points)


def _keys(cells: Array) -> Array:
    """One number (N,) for each cell (N, 3)."""
    whole = np.clip(cells, -1e5, 1e5).astype(np.int64)
    return (whole[:, 0] * 2_000_003 + whole[:, 1]) * 2_000_003 + whole[:, 2]


def _uprights(points: Array, across: Array) -> list[Array]:
    """Directions (3,) at right angles to the one across in which a figure may stand, the likeliest first."""
    ways = [axis for axis in np.eye(3)[[2, 1, 0]] if abs(axis @ across) < _CROSSWISE]
    if not ways:
        flat = points - np.mean(points, axis=0)
        flat = flat - (flat @ across)[:, None] * across
        ways = [np.linalg.svd(flat, full_matrices=False)[2][0]]
    ways = [way - (way @ across) * across for way in ways]
    ways.sort(key=lambda way: -float(np.ptp(points @ way)))
    return [sign * way / np.linalg.norm(way) for way in ways[:2] for sign in (1.0, -1.0)]
