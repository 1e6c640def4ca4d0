# SPDX-License-Identifier: MIT
"""How far a captured motion is from the truth: one function per measure, arrays in, one number out.

Conventions of this module. Joints are (T, 24, 3) metres in SMPL order. ``frames`` (T,) are ascending video frame
numbers: measures over time use only runs of consecutive frames, so a gap costs coverage and never looks like a jump. A
measure of nothing (no frames, no contact) is NaN. "Centred" means with the middle of the two hip joints moved to the
origin in every frame, which splits the whole error into pose (centred joints) and path (the middle of the hips).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from vibe_blender.contract.quaternions import Array
from vibe_blender.contract.skeleton import LIMB_JOINTS

HIPS = (1, 2)
WRISTS = (20, 21)
ANKLES = (7, 8)
FEET = (10, 11)
MM = 1000.0


def middle_of_hips(joints: Array) -> Array:
    """Positions (T, 3), metres, halfway between the hip joints of (T, 24, 3) joints, in their frame of reference."""
    return np.asarray(joints, dtype=float)[:, HIPS].mean(axis=1)


def centred(joints: Array, which: Sequence[int] = LIMB_JOINTS) -> Array:
    """The chosen joints (T, J, 3) relative to the middle of the hips, metres."""
    joints = np.asarray(joints, dtype=float)
    return joints[:, tuple(which)] - middle_of_hips(joints)[:, None]


def mpjpe(predicted: Array, truth: Array, which: Sequence[int] = LIMB_JOINTS) -> float:
    """Mean per-joint position error in mm: mean distance of centred joints (Ionescu et al. 2014, Human3.6M, eq. 8).

    Aligned by translation only, on the middle of the hips (VIBE and its kin do the same), so turning and scale count.

    Args:
        predicted: (T, 24, 3) metres, camera frame.
        truth: (T, 24, 3) metres, camera frame.
        which: the joints that count.
    """
    return MM * _mean_norm(centred(predicted, which) - centred(truth, which))


def pa_mpjpe(predicted: Array, truth: Array, which: Sequence[int] = LIMB_JOINTS) -> float:
    """Mean joint error in mm after the best similarity transform of every frame by itself ("PA", Procrustes-aligned).

    Args:
        predicted: (T, 24, 3) metres, any frame of reference.
        truth: (T, 24, 3) metres, any frame of reference.
        which: the joints that count, and that the alignment uses.
    """
    target = np.asarray(truth, dtype=float)[:, tuple(which)]
    return MM * _mean_norm(procrustes(np.asarray(predicted, dtype=float)[:, tuple(which)], target) - target)


def procrustes(source: Array, target: Array, *, scaled: bool = True) -> Array:
    """The source points (..., J, 3) after the rotation, shift and scale that bring them closest to the target's.

    Least squares, never a reflection (Umeyama 1991, eqs. 40-42). Each leading index is aligned by itself.

    Args:
        source: (..., J, 3) points.
        target: (..., J, 3) points, the same unit.
        scaled: False keeps the source's size.
    """
    source, target = np.asarray(source, dtype=float), np.asarray(target, dtype=float)
    source_mean, target_mean = source.mean(axis=-2, keepdims=True), target.mean(axis=-2, keepdims=True)
    moved, fixed = source - source_mean, target - target_mean
    u, sizes, vt = np.linalg.svd(np.swapaxes(fixed, -1, -2) @ moved)
    signs = np.ones_like(sizes)
    signs[..., -1] = np.where(np.linalg.det(u) * np.linalg.det(vt) < 0, -1.0, 1.0)
    rotation = (u * signs[..., None, :]) @ vt
    scale = np.ones(sizes.shape[:-1])
    if scaled:
        spread = np.sum(moved**2, axis=(-1, -2))
        scale = np.sum(sizes * signs, axis=-1) / np.where(spread > 0, spread, 1.0)
    return scale[..., None, None] * moved @ np.swapaxes(rotation, -1, -2) + target_mean


def acceleration_error(predicted: Array, truth: Array, frames: Array, which: Sequence[int] = LIMB_JOINTS) -> float:
    """Mean size in mm/frame^2 of the difference between the accelerations of centred joints (Kanazawa et al. 2019).

    Acceleration is x[t+1] - 2 x[t] + x[t-1]. A motionless body scores the truth's own acceleration, so read it together
    with ``speed_ratio``. ``metres_per_second2`` turns it into the other unit in use.

    Args:
        predicted: (T, 24, 3) metres, camera frame.
        truth: (T, 24, 3) metres, camera frame.
        frames: (T,) video frame numbers.
        which: the joints that count.
    """
    return MM * _mean_norm(_differences(centred(predicted, which) - centred(truth, which), frames, 2))


def metres_per_second2(mm_per_frame2: float, fps: float) -> float:
    """An acceleration in m/s^2 from mm/frame^2 (1 mm/frame^2 is 0.9 m/s^2 at 30 frames per second)."""
    return mm_per_frame2 / MM * fps**2


def speed_ratio(predicted: Array, truth: Array, frames: Array, which: Sequence[int]) -> float:
    """The 95th-percentile speed of a group of joints over the truth's: 1 is right, below 1 is over-smoothed.

    Speeds of centred joints, so that an error of the path does not count; the percentile is over all frames and joints
    of the group together, each frame with its neighbour where both are there.

    Args:
        predicted: (T, 24, 3) metres, camera frame.
        truth: (T, 24, 3) metres, camera frame.
        frames: (T,) video frame numbers.
        which: the group, such as ``WRISTS`` or ``ANKLES``.
    """
    fast, true = (_differences(centred(joints, which), frames, 1) for joints in (predicted, truth))
    if not len(true):
        return float("nan")
    fast_95, true_95 = (float(np.percentile(np.linalg.norm(step, axis=-1), 95)) for step in (fast, true))
    return fast_95 / true_95 if true_95 > 0 else float("nan")


def jitter(joints: Array, frames: Array, fps: float) -> float:
    """Mean size of the third derivative of all joints in units of 10 m/s^3 (Yi et al. 2021, TransPose, section 4).

    Args:
        joints: (T, 24, 3) metres, world frame.
        frames: (T,) video frame numbers.
        fps: frames per second.
    """
    return _mean_norm(_differences(np.asarray(joints, dtype=float), frames, 3)) * fps**3 / 10.0


def _differences(values: Array, frames: Array, order: int) -> Array:
    """Finite differences (M, ...) of the given order over consecutive frames; those that span a gap are left out."""
    if len(values) <= order:
        return np.zeros((0, *np.shape(values)[1:]))
    frames = np.asarray(frames)
    return np.diff(values, n=order, axis=0)[frames[order:] - frames[:-order] == order]


def _mean_norm(vectors: Array) -> float:
    return float(np.linalg.norm(vectors, axis=-1).mean()) if np.size(vectors) else float("nan")
