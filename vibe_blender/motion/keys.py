# SPDX-License-Identifier: GPL-3.0-or-later OR MIT
"""Fewer keys: curves with a key now and then that stay within a bound of the motion, for editing by hand.

Curves between keys are cubic, with handles a third of the way along in time, where Blender's Bezier curves are exactly
Hermite's: so what is computed here is what Blender shows.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..contract.quaternions import Array, conjugate, multiply
from ..contract.skeleton import JOINT_COUNT, PARENTS, forward_kinematics
from .eulers import angles_to_quaternions

_MM = 1000.0
_MOST_ROUNDS, _TURNS = 200, 6
_STRAIGHT = 1e-4
"""How much a straight line counts beside a frame."""


@dataclass(frozen=True)
class Bounds:
    """How far the reduced motion may be from the first one.

    Attributes:
        degrees: of every joint's rotation to its parent.
        millimetres: of every joint's place in the world.
        every: a key every so many frames instead of these bounds; 0 for the bounds.
        smooth: cubic curves between the keys; else straight lines.
    """

    degrees: float = 1.0
    millimetres: float = 5.0
    every: int = 0
    smooth: bool = True


@dataclass(frozen=True)
class Track:
    """What moves one joint, or the root's place.

    Attributes:
        values: (T, C) what the curves show: quaternions, Euler angles in radians, or metres.
        order: of the Euler angles, such as ``XYZ``; empty for anything else.
    """

    values: Array
    order: str = ""


@dataclass(frozen=True)
class KeyedTrack:
    """The keys of a track.

    Attributes:
        rows: (K,) which of the frames have a key.
        values: (K, C).
        slopes: (K, C) per frame, the direction of the handles; those before and after a key are one line.
    """

    rows: NDArray[np.intp]
    values: Array
    slopes: Array


@dataclass(frozen=True)
class Skeleton:
    """What turns rotations of bones into places.

    Attributes:
        left, right: (24, 4) quaternions around a bone's rotation that make the take's of it: ``left b right``.
        rest_joints: (24, 3) metres.
    """

    left: Array
    right: Array
    rest_joints: Array


def reduce_keys(
    frames: Array, joints: tuple[Track, ...], root: Track, skeleton: Skeleton, needed: NDArray[np.bool_], bounds: Bounds
) -> tuple[tuple[KeyedTrack, ...], KeyedTrack]:
    """The keys of the joints' tracks and of the root's.

    Args:
        frames: (T,) ascending scene frames.
        joints: 24 tracks of rotations, sign-continuous.
        root: track of places, metres, in the world's axes.
        skeleton: of the person.
        needed: (25, T) frames in which a track keeps its key: beside gaps, and where the foot it moves begins or
            ceases to stand.
        bounds: how exact.
    """
    tracks = (*joints, root)
    keys = needed.copy()
    keys[:, [0, -1]] = True
    if bounds.every:
        keys[:, :: bounds.every] = True
    keyed = [
        _fitted(frames, track.values, np.flatnonzero(row), bounds.smooth)
        for track, row in zip(tracks, keys, strict=True)
    ]
    if not bounds.every:
        for number in range(len(joints)):
            _within(frames, tracks[number], keys[number], bounds)
            keyed[number] = _thinned(frames, tracks[number], keys[number], needed[number], bounds)
        truth = _places(tracks, [track.values for track in tracks], skeleton)
        for _ in range(_MOST_ROUNDS):
            shown = [_shown(frames, item, bounds.smooth) for item in keyed]
            stale = _add_for_places(tracks, shown, truth, skeleton, keys, bounds.millimetres / _MM)
            for number in stale:
                if number < len(joints):
                    keyed[number] = _within(frames, tracks[number], keys[number], bounds)
                else:
                    keyed[number] = _fitted(frames, root.values, np.flatnonzero(keys[number]), bounds.smooth)
            if not stale:
                break
    return tuple(keyed[:-1]), keyed[-1]


def _within(frames: Array, track: Track, keys: NDArray[np.bool_], bounds: Bounds) -> KeyedTrack:
    """The track of a joint with as many more keys (T,), which is changed, as keep it within the bound."""
    while True:
        keyed = _fitted(frames, track.values, np.flatnonzero(keys), bounds.smooth)
        errors = _angles(track, _shown(frames, keyed, bounds.smooth))
        if not _add_worst(keys, errors, errors > np.radians(bounds.degrees)):
            return keyed


def _thinned(
    frames: Array, track: Track, keys: NDArray[np.bool_], needed: NDArray[np.bool_], bounds: Bounds
) -> KeyedTrack:
    """The track of a joint without keys (T,), which is changed, that later ones have made needless.

    Every second key is taken away at once, and those are put back without which the curve leaves the bound.
    """
    limit = np.radians(bounds.degrees)
    keyed = _fitted(frames, track.values, np.flatnonzero(keys), bounds.smooth)
    for turn in range(_TURNS):
        free = np.flatnonzero(keys & ~needed)
        free = free[(free > 0) & (free < len(keys) - 1)]
        left = keys.copy()
        left[free[turn % 2 :: 2]] = False
        while True:
            found = _fitted(frames, track.values, np.flatnonzero(left), bounds.smooth)
            bad = _angles(track, _shown(frames, found, bounds.smooth)) > limit
            if not bad.any():
                break
            piece, gone = np.cumsum(left), np.flatnonzero(keys & ~left)
            # A curve may also be bad beside the piece that lost its key.
            for reach in range(len(piece)):
                near = np.unique(piece[bad][:, None] + np.arange(-reach, reach + 1))
                back = gone[np.isin(piece[gone], near)]
                if len(back):
                    break
            left[back] = True
        keys[:], keyed = left, found
    return keyed


def _fitted(frames: Array, values: Array, rows: NDArray[np.intp], smooth: bool) -> KeyedTrack:
    """Keys on the track, and the slopes with which the curve lies nearest to it.

    The slopes are those of least squares, one for each key, so that the handles of a key are one line.
    """
    places = values[rows]
    if not smooth or len(rows) < 2:
        return KeyedTrack(rows, places, np.zeros_like(places))
    piece, u, length = _pieces(frames, rows)
    count = len(rows) - 1
    h00, h10, h01, h11 = _hermite(u)
    rest = values - (h00[:, None] * places[piece] + h01[:, None] * places[piece + 1])
    # Normal equations of the slopes at both ends of each piece. Where there is no frame between two keys, and a little
    # everywhere, the straight line is the answer.
    near = [np.bincount(piece, product, count) for product in (h10 * h10, h11 * h11)]
    diagonal = np.zeros(len(rows))
    diagonal[:-1] += (near[0] + _STRAIGHT) * length**2
    diagonal[1:] += (near[1] + _STRAIGHT) * length**2
    beside = np.bincount(piece, h10 * h11, count) * length**2
    wanted = np.zeros_like(places)
    for axis, straight in enumerate((_STRAIGHT * np.diff(places, axis=0)).T):
        wanted[:-1, axis] += (np.bincount(piece, h10 * rest[:, axis], count) + straight) * length
        wanted[1:, axis] += (np.bincount(piece, h11 * rest[:, axis], count) + straight) * length
    return KeyedTrack(rows, places, _solved(diagonal, beside, wanted))


def _solved(diagonal: Array, beside: Array, wanted: Array) -> Array:
    """The answer (K, C) of a symmetric tridiagonal system, by Thomas's elimination."""
    left, right = diagonal.tolist(), wanted.copy()
    upper = beside.tolist()
    for row in range(1, len(left)):
        share = upper[row - 1] / left[row - 1]
        left[row] -= share * upper[row - 1]
        right[row] -= share * right[row - 1]
    right[-1] /= left[-1]
    for row in range(len(left) - 2, -1, -1):
        right[row] = (right[row] - upper[row] * right[row + 1]) / left[row]
    return right


def _shown(frames: Array, track: KeyedTrack, smooth: bool) -> Array:
    """The values (T, C) that curves with these keys have at all frames."""
    piece, u, length = _pieces(frames, track.rows)
    before, after = track.values[piece], track.values[piece + 1]
    if not smooth:
        return before + u[:, None] * (after - before)
    h00, h10, h01, h11 = (weights[:, None] for weights in _hermite(u))
    span = length[piece][:, None]
    return h00 * before + h01 * after + span * (h10 * track.slopes[piece] + h11 * track.slopes[piece + 1])


def _pieces(frames: Array, rows: NDArray[np.intp]) -> tuple[NDArray[np.intp], Array, Array]:
    """Of each frame the piece between two keys that it is in, and how far (0..1); the pieces' lengths in frames."""
    piece = np.clip(np.searchsorted(rows, np.arange(len(frames)), "right") - 1, 0, max(len(rows) - 2, 0))
    start, length = frames[rows[:-1]], np.diff(frames[rows])
    return piece, (frames - start[piece]) / length[piece], length


def _hermite(u: Array) -> tuple[Array, Array, Array, Array]:
    """Hermite's weights of value, slope, next value and next slope at ``u`` 0..1 of a piece of length 1."""
    return (1 + 2 * u) * (1 - u) ** 2, u * (1 - u) ** 2, u * u * (3 - 2 * u), u * u * (u - 1)


def _rotations(track: Track, values: Array) -> Array:
    """Unit quaternions (T, 4) that curves with these values show."""
    if track.order:
        return angles_to_quaternions(values, track.order)
    return values / np.maximum(np.linalg.norm(values, axis=-1, keepdims=True), 1e-9)


def _angles(track: Track, shown: Array) -> Array:
    """Radians (T,) between the track's rotations and those shown."""
    apart = multiply(conjugate(_rotations(track, track.values)), _rotations(track, shown))
    return 2.0 * np.arctan2(np.linalg.norm(apart[:, 1:], axis=-1), np.abs(apart[:, 0]))


def _add_worst(keys: NDArray[np.bool_], errors: Array, bad: NDArray[np.bool_]) -> bool:
    """Gives every piece with a bad frame a key where its error is largest; whether there was one.

    Args:
        keys: (T,) is changed.
        errors, bad: (T,).
    """
    bad = bad & ~keys
    if not bad.any():
        return False
    piece = np.cumsum(keys)
    order = np.lexsort((np.where(bad, errors, -1.0), piece))
    last = order[np.append(np.diff(piece[order]) > 0, True)]
    keys[last[bad[last]]] = True
    return True


def _places(tracks: tuple[Track, ...], values: list[Array], skeleton: Skeleton) -> Array:
    """World positions (T, 24, 3), metres, of the joints."""
    turns = np.stack([_rotations(track, found) for track, found in zip(tracks[:-1], values[:-1], strict=True)], axis=1)
    turns = multiply(multiply(skeleton.left, turns), skeleton.right)
    return forward_kinematics(skeleton.rest_joints, turns, values[-1])[0]


def _add_for_places(
    tracks: tuple[Track, ...],
    shown: list[Array],
    truth: Array,
    skeleton: Skeleton,
    keys: NDArray[np.bool_],
    bound: float,
) -> set[int]:
    """Gives keys to those tracks that are most to blame for joints being out of place; which tracks.

    A joint's error moves all that hangs on it by its angle times the distance, so of the joints above one that is out
    of place, and the root, the one with the largest such product gets the key.

    Args:
        tracks: with the root's last.
        shown: (T, C) of each.
        truth: (T, 24, 3) metres.
        skeleton: of the person.
        keys: (25, T) is changed.
        bound: metres.
    """
    apart = np.linalg.norm(_places(tracks, shown, skeleton) - truth, axis=-1)
    rows = np.flatnonzero(apart.max(axis=1) > bound)
    if not len(rows):
        return set()
    worst = apart[rows].argmax(axis=1)
    angles = np.stack([_angles(track, values)[rows] for track, values in zip(tracks[:-1], shown[:-1], strict=True)])
    reach = np.linalg.norm(truth[rows, worst][:, None] - truth[rows], axis=-1).T
    blame = np.where(_ABOVE[:, worst], angles * reach, 0.0)
    blame = np.concatenate([blame, np.linalg.norm(tracks[-1].values[rows] - shown[-1][rows], axis=-1)[None]])
    blame[keys[:, rows]] = 0.0
    culprit = blame.argmax(axis=0)
    found = set[int]()
    for number in np.unique(culprit).tolist():
        mine = rows[culprit == number]
        errors, bad = np.zeros(len(truth)), np.zeros(len(truth), bool)
        errors[mine], bad[mine] = blame[number, culprit == number], True
        if _add_worst(keys[number], errors, bad):
            found.add(number)
    return found


def _above() -> NDArray[np.bool_]:
    """Whether a joint (first index) carries another."""
    above = np.zeros((JOINT_COUNT, JOINT_COUNT), bool)
    for joint in range(JOINT_COUNT):
        up = PARENTS[joint]
        while up >= 0:
            above[up, joint] = True
            up = PARENTS[up]
    return above


_ABOVE = _above()
