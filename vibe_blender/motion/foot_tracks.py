# SPDX-License-Identifier: GPL-3.0-or-later OR MIT
"""How the path and both feet are led to where feet stand: all at once, and with as little haste as can be.

What is added to the path and to each foot is found by one least squares over the whole clip. A foot that stands is
where its contact is; between contacts, what is added to it has little acceleration, so that a correction uses all of a
swing, and the path takes what both feet have in common. Where a contact is, is found with it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..contract.quaternions import Array
from .banded import Bands, second_differences, squared
from .over_time import Timeline

Flags = NDArray[np.bool_]

_PATH, _FEET = 0, (1, 2)
_TENDS_S = 0.15
_RUSH_RAD_S2 = 4.0
"""How fast a leg's angles may well accelerate beyond what they did."""
ALONG, UP = 0, 1
"""The two problems: along the floor, of which there are two that differ in their right sides, and upwards."""


@dataclass(frozen=True)
class Weights:
    """How large what is added may well be (one standard deviation), each along the floor and upwards.

    Attributes:
        path_m_s2, path_m: of the path.
        foot_m_s2, foot_m: of a foot, as seen from the pelvis.
        calm: how much of the path's own acceleration is to be lessened as well, 0..1.
    """

    path_m_s2: tuple[float, float] = (1.3, 1.0)
    path_m: tuple[float, float] = (0.06, 0.25)
    foot_m_s2: tuple[float, float] = (1.8, 3.0)
    foot_m: tuple[float, float] = (0.06, 0.03)
    calm: float = 0.4


@dataclass(frozen=True)
class Stand:
    """What one foot's contacts ask for.

    Attributes:
        asked: (T, 3) metres, from the foot to where it would stand in a contact at the world's origin.
        contact: (T,) the number of the contact (or of those held together), -1 where the foot stands nowhere.
        far: (T,) where it is left alone, because no contact is near.
    """

    asked: Array
    contact: NDArray[np.intp]
    far: Flags


def tracks(
    path: Array, feet: Sequence[Stand], timeline: Timeline, follows: float, weights: Weights | None = None
) -> tuple[Array, Array]:
    """What to add to the path (T, 3), and besides to the left and the right foot (T, 2, 3), metres, world.

    Args:
        path: (T, 3) metres, world, before.
        feet: left and right.
        timeline: theirs.
        follows: 0..1, how much the path follows the feet.
        weights: others than the usual ones.
    """
    weights = weights or Weights()
    factors = second_differences(timeline)
    bands, right = _smoothness(path, factors, follows, weights)
    # Far more than all else together weighs, so that it holds; but not so much that nothing else could be told.
    hard = 1e4 * float(bands.here[:, :, (1, 2), (1, 2)].max())
    for foot, stand in zip(_FEET, feet, strict=True):
        _stand(bands, right, foot, stand, timeline, hard)
    found = bands.solved(right)
    way = np.concatenate([found[ALONG, :, _PATH], found[UP, :, _PATH, :1]], axis=1)
    way = way if follows > 0.0 else np.zeros_like(way)
    moves = [np.concatenate([found[ALONG, :, foot], found[UP, :, foot, :1]], axis=1) for foot in _FEET]
    exact = [_placed(move, way, stand) for move, stand in zip(moves, feet, strict=True)]
    return way, np.stack(exact, axis=1)


def between(values: Array, known: Flags, far: Flags, timeline: Timeline, give: Array | None = None) -> Array:
    """Values (P, T, D) that go on smoothly where they are not known, and are nothing far from where they are.

    Cubic splines (the least second derivative) that tend to nothing.

    Args:
        values: (P, T, D), P problems at once.
        known: (P, T) where they hold.
        far: (P, T) where they are nothing.
        timeline: theirs.
        give: (P, T) by how much they may give way where they are known, radians, one standard deviation; 0 not at all.
    """
    result = np.where(known[..., None], values, 0.0)
    if not known.any():
        return result
    own, one, two = (
        np.broadcast_to(band, known.shape)[..., None, None] for band in squared(second_differences(timeline))
    )
    here = own + 1.0 / _TENDS_S**4
    hard = 1e6 * float(here.max())
    weight = np.where(known | far, hard, 0.0)
    if give is not None:
        soft = (_RUSH_RAD_S2 / np.maximum(give, 1e-12)) ** 2
        weight = np.where(known, np.minimum(soft, hard), weight)
    bands = Bands(here + weight[..., None, None], one, two)
    found = bands.solved((weight[..., None] * result)[:, :, None])[:, :, 0]
    exact = far | (known if give is None else known & (give == 0.0))
    return np.where(exact[..., None], result, found)


def _smoothness(path: Array, factors: Array, follows: float, weights: Weights) -> tuple[Bands, Array]:
    """The terms that keep what is added small and smooth: bands, and right sides (2, T, 3, 2)."""
    count = len(path)
    bands, right = Bands.empty(2, count, 3), np.zeros((2, count, 3, 2))
    own, one, two = squared(factors)
    for problem in (ALONG, UP):
        for unknown in range(3):
            size, rush = (
                (weights.path_m[problem], weights.path_m_s2[problem])
                if unknown == _PATH
                else (weights.foot_m[problem], weights.foot_m_s2[problem])
            )
            if unknown == _PATH:
                size, rush = max(follows, 1e-4) * size, max(follows, 1e-4) * rush
            bands.here[problem, :, unknown, unknown] = own / rush**2 + 1.0 / size**2
            bands.one[problem, :, unknown, unknown] = one / rush**2
            bands.two[problem, :, unknown, unknown] = two / rush**2
            if unknown == _PATH:
                pull = -weights.calm / rush**2 * _pulls(path, factors)
                right[problem, :, _PATH] = pull[:, :2] if problem == ALONG else pull[:, 2:]
    return bands, right


def _pulls(path: Array, factors: Array) -> Array:
    """(T, 3): what of the path's accelerations each frame answers for, the transposed factors on the factors on it."""
    steps = np.diff(path, axis=0, prepend=path[:1])
    before, _, after = factors.T[:, :, None]
    following = np.concatenate([steps[1:], np.zeros((1, 3))])
    # Written with steps, which stay small however far from the origin somebody is.
    bent = after * following - before * steps
    pulls = factors[:, 1:2] * bent
    pulls[:-1] += before[1:] * bent[1:]
    pulls[1:] += after[:-1] * bent[:-1]
    return pulls


def _stand(bands: Bands, right: Array, foot: int, stand: Stand, timeline: Timeline, hard: float) -> None:
    """Writes the terms that hold one foot: along the floor, that it does not move within a contact; upwards, where."""
    both = np.zeros((3, 3))
    both[np.ix_((_PATH, foot), (_PATH, foot))] = hard
    there = stand.contact >= 0
    bands.here[UP, there] += both
    right[UP, there] += hard * _of(foot)[:, None] * stand.asked[there, None, 2:] * [1.0, 0.0]
    bands.here[:, stand.far, foot, foot] += hard
    for apart, band in ((1, bands.one), (2, bands.two)):
        first = np.flatnonzero(there[:-apart] & (stand.contact[apart:] == stand.contact[:-apart]))
        if apart == 2:
            first = first[~there[first + 1]]
        first = first[timeline.first[first] == timeline.first[first + apart]]
        step = (stand.asked[first + apart] - stand.asked[first])[:, None, :2]
        bands.here[ALONG, first] += both
        bands.here[ALONG, first + apart] += both
        band[ALONG, first] -= both
        right[ALONG, first] -= hard * _of(foot)[:, None] * step
        right[ALONG, first + apart] += hard * _of(foot)[:, None] * step


def _of(foot: int) -> Array:
    """(3,) the unknowns that move a foot: the path and the foot itself."""
    return np.array([float(unknown in (_PATH, foot)) for unknown in range(3)])


def _placed(moves: Array, way: Array, stand: Stand) -> Array:
    """The moves (T, 3) with every contact exactly in one place, and exactly nothing far from all."""
    there = stand.contact >= 0
    moves = np.where(stand.far[:, None], 0.0, moves)
    if not there.any():
        return moves
    number, asked = stand.contact[there], stand.asked[there]
    rest = (moves + way)[there] - asked
    count = np.maximum(np.bincount(number), 1)
    places = np.stack([np.bincount(number, rest[:, axis]) / count for axis in range(2)], axis=1)
    places = np.concatenate([places, np.zeros((len(places), 1))], axis=1)
    moves[there] = places[number] + asked - way[there]
    return moves
