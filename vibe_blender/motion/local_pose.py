# SPDX-License-Identifier: GPL-3.0-or-later OR MIT
"""Bones that stand somewhere in the world become pose channels: what each adds to its rest, carried by its parent."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..contract.quaternions import Array, continuous, from_matrices

_UNSCALED = 1e-4
_SMALLEST = 1e-4
"""Of a scale that can be divided by."""


@dataclass(frozen=True)
class LocalPose:
    """Pose channels of bones that inherit everything from their parents.

    Attributes:
        locations: (T, B, 3) along the bones' rest axes.
        rotations: (T, B, 4) unit quaternions, sign-continuous.
        scales: (T, B, 3) along the bones' own axes.
    """

    locations: Array
    rotations: Array
    scales: Array


def local_pose(parents: NDArray[np.intp], rest: Array, posed: Array, still: float, *, half: bool = False) -> LocalPose:
    """The channels that bring every bone's head to its place, and its axes as near as rotation and scale can.

    What rotation and scale cannot make, shear, is lost, and no child inherits it: each is placed on what its parent
    became in fact.

    Args:
        parents: (B,) index of each bone's parent, -1 for none; parents come before their children.
        rest: (B, 4, 4) bones at rest, with unit axes.
        posed: (T, B, 4, 4) where they are to be, any common frame and unit; axes of length 1 are unscaled.
        still: a bone that is nowhere farther than this from where its parent carries it has no location.
        half: scales are rounded to half precision, and children placed accordingly.
    """
    count, bones = posed.shape[:2]
    locations, rotations = np.zeros((count, bones, 3)), np.zeros((count, bones, 4))
    scales, became = np.ones((count, bones, 3)), np.empty((count, bones, 4, 4))
    for bone, parent in enumerate(parents.tolist()):
        carried = np.broadcast_to(rest[bone], (count, 4, 4))
        if parent >= 0:
            carried = became[:, parent] @ (np.linalg.inv(rest[parent]) @ rest[bone])
        back = np.linalg.inv(carried[:, :3, :3])
        away = posed[:, bone, :3, 3] - carried[:, :3, 3]
        if np.sqrt((away**2).sum(axis=-1)).max() > still:
            locations[:, bone] = np.einsum("tij,tj->ti", back, away)
        axes = back @ posed[:, bone, :3, :3]
        lengths = np.linalg.norm(axes, axis=-2)
        if np.abs(lengths - 1.0).max() > _UNSCALED:
            lengths = np.maximum(lengths, _SMALLEST)
            scales[:, bone] = lengths.astype(np.float16) if half else lengths
        turned = orthonormal(axes)
        rotations[:, bone] = from_matrices(turned)
        became[:, bone] = carried
        became[:, bone, :3, 3] += np.einsum("tij,tj->ti", carried[:, :3, :3], locations[:, bone])
        became[:, bone, :3, :3] = carried[:, :3, :3] @ (turned * scales[:, bone, None])
    return LocalPose(locations, continuous(rotations), scales)


def orthonormal(axes: Array) -> Array:
    """Rotations (..., 3, 3) with the y axis of the given ones, and the x axis as near as can be; none where flat."""
    along = axes[..., :, 1]
    along = along / np.maximum(np.linalg.norm(along, axis=-1, keepdims=True), _SMALLEST)
    side = axes[..., :, 0] - along * (along * axes[..., :, 0]).sum(axis=-1, keepdims=True)
    side = side / np.maximum(np.linalg.norm(side, axis=-1, keepdims=True), _SMALLEST)
    found = np.stack([side, along, np.cross(side, along)], axis=-1)
    whole = np.linalg.det(found) > 0.5
    return np.where(whole[..., None, None], found, np.eye(3))
