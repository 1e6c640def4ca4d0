# SPDX-License-Identifier: MIT
"""The similarity transform that brings points closest to others."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vibe_blender.contract.quaternions import Array


@dataclass(frozen=True)
class Similarity:
    """A transform of points p to ``scale * rotation @ p + shift``.

    Attributes:
        scale: (...).
        rotation: (..., 3, 3).
        shift: (..., 3).
    """

    scale: Array
    rotation: Array
    shift: Array

    def __call__(self, points: Array) -> Array:
        """The points (..., J, 3) transformed."""
        turned = np.asarray(points, dtype=float) @ np.swapaxes(self.rotation, -1, -2)
        return self.scale[..., None, None] * turned + self.shift[..., None, :]


def best_similarity(
    source: Array, target: Array, *, scaled: bool = True, counted: NDArray[np.bool_] | None = None
) -> Similarity:
    """The rotation, shift and scale that bring the source's points closest to the target's.

    Least squares, never a reflection (Umeyama 1991, eqs. 40-42). Each leading index is aligned by itself.

    Args:
        source: (..., J, 3) points.
        target: (..., J, 3) points, the same unit.
        scaled: False keeps the source's size.
        counted: (..., J) points that matter; all where it is not given.
    """
    source, target = np.asarray(source, dtype=float), np.asarray(target, dtype=float)
    weights = np.ones(source.shape[:-1]) if counted is None else np.asarray(counted, dtype=float)
    weights = (weights / np.maximum(weights.sum(axis=-1, keepdims=True), 1e-12))[..., None]
    source_mean, target_mean = ((weights * points).sum(axis=-2, keepdims=True) for points in (source, target))
    moved, fixed = source - source_mean, target - target_mean
    u, sizes, vt = np.linalg.svd(np.swapaxes(fixed, -1, -2) @ (weights * moved))
    signs = np.ones_like(sizes)
    signs[..., -1] = np.where(np.linalg.det(u) * np.linalg.det(vt) < 0, -1.0, 1.0)
    rotation = (u * signs[..., None, :]) @ vt
    scale = np.ones(sizes.shape[:-1])
    if scaled:
        spread = np.sum(weights * moved**2, axis=(-1, -2))
        scale = np.sum(sizes * signs, axis=-1) / np.where(spread > 0, spread, 1.0)
    shift = target_mean[..., 0, :] - scale[..., None] * (rotation @ source_mean[..., 0, :, None])[..., 0]
    return Similarity(scale, rotation, shift)


def procrustes(source: Array, target: Array, *, scaled: bool = True, counted: NDArray[np.bool_] | None = None) -> Array:
    """The source points (..., J, 3) after the rotation, shift and scale of ``best_similarity``."""
    return best_similarity(source, target, scaled=scaled, counted=counted)(source)
