# SPDX-License-Identifier: GPL-3.0-or-later OR MIT
"""Rest poses brought together: T-pose or A-pose, a target's limbs are first turned to where the source's rest."""

from __future__ import annotations

import numpy as np

from ...contract.quaternions import Array, multiply, rotate
from ..legs import turn_between
from .figure import SIDES, Figure

_STILL = np.array([1.0, 0.0, 0.0, 0.0])
_LIMBS = (("hip", "knee"), ("shoulder", "elbow", "wrist"))
_TRUNK = ("spine", "neck", "left_collar", "right_collar")


def alignment(source: Figure, target: Figure, *, trunk: bool) -> Array:
    """Turns (M, 4) of the target's bones, character frame, that bring its rest pose to the source's.

    Each bone of an arm or a leg takes over what the one before it got, and is swung to the direction of the source's by
    the shortest way. Feet, which rest flat on both, are only turned about the vertical. The trunk keeps its posture.

    Args:
        source, target: at rest.
        trunk: whether spine, neck and collars are swung too.
    """
    turns = np.tile(_STILL, (len(target), 1))
    if trunk:
        for part in _TRUNK:
            _align_chain(turns, source, target, part)
    for side in SIDES:
        for joints in _LIMBS:
            before = _STILL
            for joint in joints:
                before = _align(turns, source, target, f"{side}_{joint}", before)
        _align_foot(turns, source, target, side)
    return turns


def _align(turns: Array, source: Figure, target: Figure, part: str, before: Array) -> Array:
    """Writes the turn of a limb's bone; what the next one takes over."""
    row, there = target.row(part), source.row(part)
    if row < 0:
        return before
    turns[row] = before
    if there >= 0 and not part.endswith("wrist"):
        now = rotate(before, target.directions[row])
        turns[row] = multiply(turn_between(now, source.directions[there]), before)
    return turns[row]


def _align_foot(turns: Array, source: Figure, target: Figure, side: str) -> None:
    """Writes the turn of a foot and its toes."""
    foot, there = target.row(f"{side}_ankle"), source.row(f"{side}_ankle")
    if foot < 0 or there < 0:
        return
    ahead, wanted = target.directions[foot] * (1.0, 1.0, 0.0), source.directions[there] * (1.0, 1.0, 0.0)
    lengths = np.linalg.norm(ahead), np.linalg.norm(wanted)
    if min(lengths) < 0.1:  # a foot without toes, drawn straight down
        return
    turn = turn_between(ahead / lengths[0], wanted / lengths[1])
    for part in (f"{side}_ankle", f"{side}_foot"):
        if (row := target.row(part)) >= 0:
            turns[row] = turn


def _align_chain(turns: Array, source: Figure, target: Figure, part: str) -> None:
    """Writes the turns of spine, neck or a collar, whose bones point as the same stretch of the source's does."""
    rows, there = target.rows(part), source.rows(part)
    if not rows or not there:
        return
    points = np.concatenate([source.heads[list(there)], source.ends[list(there[-1:])]])
    marks = shares(source, part)
    for row, first, last in zip(rows, *_edges(target, source, part), strict=True):
        begin, end = (_along(points, marks, at) for at in (first, last))
        chord = end - begin
        length = np.linalg.norm(chord)
        if length > 1e-9:
            turns[row] = turn_between(target.directions[row], chord / length)


def shares(figure: Figure, part: str) -> Array:
    """(N + 1,) where the bones of a chain begin and end, 0 at its first and 1 at the end of its last."""
    lengths = figure.lengths[list(figure.rows(part))]
    return np.concatenate([[0.0], np.cumsum(lengths) / max(float(np.sum(lengths)), 1e-12)])


def _edges(target: Figure, source: Figure, part: str) -> tuple[Array, Array]:
    """Where on the source's chain each of the target's bones begins and ends."""
    same = len(target.rows(part)) == len(source.rows(part))
    marks = shares(source if same else target, part)
    return marks[:-1], marks[1:]


def _along(points: Array, marks: Array, at: float) -> Array:
    """The place (3,) on a line through points (N, 3) at marks (N,)."""
    return np.array([np.interp(at, marks, points[:, axis]) for axis in range(3)])
