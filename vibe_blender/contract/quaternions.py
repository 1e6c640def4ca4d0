# SPDX-License-Identifier: GPL-3.0-or-later OR MIT
"""Unit quaternions, w x y z, on numpy arrays of any leading shape."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


def multiply(a: Array, b: Array) -> Array:
    """The rotation that applies ``b`` first, then ``a``.

    Args:
        a: (..., 4) quaternions.
        b: (..., 4) quaternions, broadcast against ``a``.
    """
    a, b = np.asarray(a), np.asarray(b)
    aw, ax, ay, az = (a[..., i] for i in range(4))
    bw, bx, by, bz = (b[..., i] for i in range(4))
    # Written in place, here and in `rotate`: stacking takes several times as long as the arithmetic.
    product = np.empty(np.broadcast_shapes(a.shape, b.shape), np.result_type(a, b))
    product[..., 0] = aw * bw - ax * bx - ay * by - az * bz
    product[..., 1] = aw * bx + ax * bw + ay * bz - az * by
    product[..., 2] = aw * by - ax * bz + ay * bw + az * bx
    product[..., 3] = aw * bz + ax * by - ay * bx + az * bw
    return product


def conjugate(q: Array) -> Array:
    """The inverse rotations of unit quaternions (..., 4)."""
    return np.asarray(q) * np.array([1.0, -1.0, -1.0, -1.0])


def rotate(q: Array, vectors: Array) -> Array:
    """Vectors (..., 3) turned by unit quaternions (..., 4), broadcast against each other."""
    q, vectors = np.asarray(q), np.asarray(vectors)
    kind = np.result_type(q.dtype, vectors.dtype, np.float32)
    q, vectors = q.astype(kind, copy=False), vectors.astype(kind, copy=False)
    w, x, y, z = (q[..., i] for i in range(4))
    a, b, c = (vectors[..., i] for i in range(3))
    twice_x, twice_y, twice_z = 2.0 * (y * c - z * b), 2.0 * (z * a - x * c), 2.0 * (x * b - y * a)
    turned = np.empty((*np.broadcast_shapes(q.shape[:-1], vectors.shape[:-1]), 3), kind)
    turned[..., 0] = a + w * twice_x + (y * twice_z - z * twice_y)
    turned[..., 1] = b + w * twice_y + (z * twice_x - x * twice_z)
    turned[..., 2] = c + w * twice_z + (x * twice_y - y * twice_x)
    return turned


def to_matrices(q: Array) -> Array:
    """Rotation matrices (..., 3, 3) of unit quaternions (..., 4)."""
    return np.stack([rotate(q, unit) for unit in np.eye(3)], axis=-1)


def from_matrices(matrices: Array) -> Array:
    """Unit quaternions (..., 4) of rotation matrices (..., 3, 3), with w >= 0.

    Takes the largest of the four components first, so no angle loses precision (Shepperd 1978).
    """
    m = np.asarray(matrices)
    m00, m11, m22 = m[..., 0, 0], m[..., 1, 1], m[..., 2, 2]
    four_squares = 1.0 + np.stack([m00 + m11 + m22, m00 - m11 - m22, m11 - m00 - m22, m22 - m00 - m11], axis=-1)
    pair = {
        (0, 1): m[..., 2, 1] - m[..., 1, 2],
        (0, 2): m[..., 0, 2] - m[..., 2, 0],
        (0, 3): m[..., 1, 0] - m[..., 0, 1],
        (1, 2): m[..., 0, 1] + m[..., 1, 0],
        (1, 3): m[..., 0, 2] + m[..., 2, 0],
        (2, 3): m[..., 1, 2] + m[..., 2, 1],
    }
    rows = [
        np.stack(
            [four_squares[..., i] if i == j else pair[min(i, j), max(i, j)] for j in range(4)],
            axis=-1,
        )
        for i in range(4)
    ]
    largest = np.argmax(four_squares, axis=-1)
    q = np.take_along_axis(np.stack(rows, axis=-2), largest[..., None, None], axis=-2)[..., 0, :]
    q = q / np.linalg.norm(q, axis=-1, keepdims=True)
    return np.where(q[..., :1] < 0, -q, q)


def to_axis_angles(q: Array) -> Array:
    """Axis-angle vectors (..., 3), radians, at most pi long, of unit quaternions (..., 4)."""
    q = np.asarray(q)
    q = np.where(q[..., :1] < 0, -q, q)
    sine = np.linalg.norm(q[..., 1:], axis=-1, keepdims=True)
    angle = 2.0 * np.arctan2(sine, q[..., :1])
    return q[..., 1:] * np.where(sine > 1e-9, angle / np.maximum(sine, 1e-9), 2.0)


def from_axis_angles(vectors: Array) -> Array:
    """Unit quaternions (..., 4) of axis-angle vectors (..., 3), radians."""
    vectors = np.asarray(vectors)
    angle = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return np.concatenate([np.cos(angle / 2), vectors * 0.5 * np.sinc(angle / (2 * np.pi))], axis=-1)


def continuous(q: Array) -> Array:
    """The same rotations (T, ..., 4) with signs chosen so that neighbours in time never jump to the antipode."""
    q = np.array(q, copy=True)
    if len(q) < 2:
        return q
    flips = np.sum(q[1:] * q[:-1], axis=-1) < 0
    odd = np.cumsum(flips, axis=0) % 2 == 1
    q[1:][odd] *= -1
    return q
