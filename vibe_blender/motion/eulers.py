# SPDX-License-Identifier: GPL-3.0-or-later OR MIT
"""Euler angles as Blender has them, without jumps, in the order that keeps farthest from gimbal lock."""

from __future__ import annotations

import numpy as np

from ..contract.quaternions import Array, from_axis_angles, multiply, to_matrices

ORDERS = ("XYZ", "XZY", "YXZ", "YZX", "ZXY", "ZYX")


def angles_to_quaternions(angles: Array, order: str) -> Array:
    """Unit quaternions (T, 4) of Euler angles (T, 3), radians about x, y and z; ``XYZ`` turns about x first."""
    q = np.broadcast_to([1.0, 0.0, 0.0, 0.0], (len(angles), 4))
    for axis in ("XYZ".index(letter) for letter in order):
        q = multiply(from_axis_angles(angles[:, axis, None] * np.eye(3)[axis]), q)
    return q


def quaternions_to_angles(q: Array, order: str) -> Array:
    """Euler angles (T, 3), radians about x, y and z, of unit quaternions (T, 4), each nearest to the one before.

    With axes i, j, k in this order the matrix is ``R_k R_j R_i``; its angles are those of Shoemake 1994, "Euler angle
    conversion", and at each moment there is a second triple that turns the same way.
    """
    i, j, k = ("XYZ".index(letter) for letter in order)
    sign = 1.0 if (i, j, k) in ((0, 1, 2), (1, 2, 0), (2, 0, 1)) else -1.0
    m = to_matrices(q)
    level = np.hypot(m[:, i, i], m[:, j, i])
    angles = np.empty((len(q), 3))
    angles[:, j] = sign * np.arctan2(-m[:, k, i], level)
    locked = level < 1e-6
    angles[:, i] = sign * np.where(locked, np.arctan2(-m[:, j, k], m[:, j, j]), np.arctan2(m[:, k, j], m[:, k, k]))
    angles[:, k] = sign * np.where(locked, 0.0, np.arctan2(m[:, j, i], m[:, i, i]))
    other = angles + np.pi
    other[:, j] = np.pi - angles[:, j]
    return _nearest(np.stack([angles, other]))


def best_order(q: Array) -> str:
    """The order whose middle axis stays farthest from a right angle, where two of the axes fall together."""
    matrices = to_matrices(q)

    def steepest(order: str) -> float:
        i, _, k = ("XYZ".index(letter) for letter in order)
        return float(np.max(np.abs(matrices[:, k, i])))

    least = min(steepest(order) for order in ORDERS)
    return next(order for order in ORDERS if steepest(order) <= least + 0.1)


def _nearest(choices: Array) -> Array:
    """Of two triples (2, T, 3) per moment, turned by whole turns, those with the shortest way from one to the next.

    Which triple follows which is the same question at every moment, so the choice is a running sum of changes.
    """
    ways = np.stack([_way(choices[to, 1:] - choices[0, :-1]) for to in (0, 1)])
    changes = ways[1] < ways[0] - 1e-9
    chosen = np.concatenate([[0], np.cumsum(changes) % 2])
    angles = np.where(chosen[:, None] == 0, choices[0], choices[1])
    return np.unwrap(angles, axis=0)


def _way(difference: Array) -> Array:
    wrapped = (difference + np.pi) % (2 * np.pi) - np.pi
    return np.sum(np.abs(wrapped), axis=-1)
