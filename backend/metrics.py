# SPDX-License-Identifier: MIT
"""How far a captured motion is from the truth: one function per measure, arrays in, one number out.

Conventions of this module. Joints are (T, 24, 3) metres in SMPL order, or, where a measure is told which joints are the
hips, in any. ``frames`` (T,) are ascending video frame numbers: measures over time use only runs of consecutive frames,
so a gap costs coverage and never looks like a jump. A measure of nothing (no frames, no contact) is NaN. "Centred"
means with the middle of the two hip joints moved to the origin in every frame, which splits the whole error into pose
(centred joints) and path (the middle of the hips).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from vibe_blender.contract.quaternions import Array
from vibe_blender.contract.skeleton import LIMB_JOINTS, PARENTS

from .alignment import best_similarity, procrustes

Flags = NDArray[np.bool_]

HIPS = (1, 2)
WRISTS = (20, 21)
ANKLES = (7, 8)
FEET = (10, 11)
MM = 1000.0
SHORT_PATH_M = 1.0
SAME_PERSON = 0.25
CHUNK_FRAMES = 100
_FEWEST_JOINTS = 3


def middle_of_hips(joints: Array, hips: tuple[int, int] = HIPS) -> Array:
    """Positions (T, 3), metres, halfway between the hip joints of (T, J, 3) joints, in their frame of reference."""
    return np.asarray(joints, dtype=float)[:, hips].mean(axis=1)


def centred(joints: Array, which: Sequence[int] = LIMB_JOINTS, hips: tuple[int, int] = HIPS) -> Array:
    """The chosen joints (T, J, 3) relative to the middle of the hips, metres."""
    joints = np.asarray(joints, dtype=float)
    return joints[:, tuple(which)] - middle_of_hips(joints, hips)[:, None]


def mpjpe(
    predicted: Array, truth: Array, which: Sequence[int] = LIMB_JOINTS, hips: tuple[int, int] = HIPS,
    known: Flags | None = None,
) -> float:  # fmt: skip
    """Mean per-joint position error in mm: mean distance of centred joints (Ionescu et al. 2014, Human3.6M, eq. 8).

    Aligned by translation only, on the middle of the hips (VIBE and its kin do the same), so turning and scale count.

    Args:
        predicted: (T, J, 3) metres, camera frame; 24 joints of SMPL where ``which`` and ``hips`` are not given.
        truth: (T, J, 3) metres, camera frame.
        which: the joints that count.
        hips: the right and the left one, in any order.
        known: (T, J) where the truth is known; joints count where they are and their frame's hips are.
    """
    apart = centred(predicted, which, hips) - centred(truth, which, hips)
    return MM * _mean_norm(apart, _centred_known(known, which, hips))


def pa_mpjpe(predicted: Array, truth: Array, which: Sequence[int] = LIMB_JOINTS, known: Flags | None = None) -> float:
    """Mean joint error in mm after the best similarity transform of every frame by itself ("PA", Procrustes-aligned).

    Args:
        predicted: (T, J, 3) metres, any frame of reference.
        truth: (T, J, 3) metres, any frame of reference.
        which: the joints that count, and that the alignment uses.
        known: (T, J) where the truth is known; frames with fewer than three such joints do not count.
    """
    source = np.asarray(predicted, dtype=float)[:, tuple(which)]
    target = np.asarray(truth, dtype=float)[:, tuple(which)]
    if known is None:
        return MM * _mean_norm(procrustes(source, target) - target)
    counted = np.asarray(known, dtype=bool)[:, tuple(which)]
    counted = counted & (counted.sum(axis=1, keepdims=True) >= _FEWEST_JOINTS)
    return MM * _mean_norm(procrustes(source, target, counted=counted) - target, counted)


def vertex_error(predicted: Array, truth: Array) -> float:
    """Mean per-vertex error in mm ("PVE", Pavlakos et al. 2018): mean distance of the skins' vertices.

    Not aligned: both skins are where SMPL puts them, from its own origin, as VIBE and TCMR measure it.

    Args:
        predicted: (T, V, 3) metres, camera axes, from the body's origin.
        truth: (T, V, 3) metres, camera axes, from the body's origin.
    """
    return MM * _mean_norm(np.asarray(predicted, dtype=float) - np.asarray(truth, dtype=float))


def world_mpjpe(predicted: Array, truth: Array, *, whole: bool, chunk: int = CHUNK_FRAMES) -> float:
    """Mean joint error in mm of joints in the world, in chunks of 100 frames (Ye et al. 2023, SLAHMR, 5).

    Each chunk is brought to the truth by one similarity transform: W-MPJPE by that of its first two frames, so that
    drift counts; WA-MPJPE by that of all of its frames. What a last chunk of one frame would be belongs to the one
    before.

    Args:
        predicted: (T, J, 3) metres, its own world frame.
        truth: (T, J, 3) metres, its own world frame.
        whole: True for WA-MPJPE, False for W-MPJPE.
        chunk: frames of a chunk.
    """
    predicted, truth = np.asarray(predicted, dtype=float), np.asarray(truth, dtype=float)
    count, joints = len(truth), truth.shape[1]
    starts = [start for start in range(0, count, chunk) if start == 0 or count - start > 1]
    errors = []
    for start, end in zip(starts, [*starts[1:], count], strict=True):
        aligned_by = slice(start, end if whole else min(start + 2, end))
        transform = best_similarity(*(points[aligned_by].reshape(-1, 3) for points in (predicted, truth)))
        moved = transform(predicted[start:end].reshape(-1, 3)).reshape(-1, joints, 3)
        errors.append(np.linalg.norm(moved - truth[start:end], axis=-1))
    return MM * float(np.concatenate(errors).mean()) if count else float("nan")


def acceleration(
    joints: Array, frames: Array, which: Sequence[int] = LIMB_JOINTS, hips: tuple[int, int] = HIPS
) -> float:
    """Mean size in mm/frame^2 of the accelerations x[t+1] - 2 x[t] + x[t-1] of centred joints: how much they shake.

    It needs no truth, and a motionless body scores 0.

    Args:
        joints: (T, J, 3) metres, camera frame.
        frames: (T,) video frame numbers.
        which: the joints that count.
        hips: the right and the left one, in any order.
    """
    return MM * _mean_norm(_differences(centred(joints, which, hips), frames, 2))


def acceleration_error(
    predicted: Array, truth: Array, frames: Array, which: Sequence[int] = LIMB_JOINTS, hips: tuple[int, int] = HIPS,
    known: Flags | None = None,
) -> float:  # fmt: skip
    """Mean size in mm/frame^2 of the difference between the accelerations of centred joints (Kanazawa et al. 2019).

    Acceleration is x[t+1] - 2 x[t] + x[t-1]. A motionless body scores the truth's own acceleration, so read it together
    with ``speed_ratio``. ``metres_per_second2`` turns it into the other unit in use.

    Args:
        predicted: (T, J, 3) metres, camera frame; 24 joints of SMPL where ``which`` and ``hips`` are not given.
        truth: (T, J, 3) metres, camera frame.
        frames: (T,) video frame numbers.
        which: the joints that count.
        hips: the right and the left one, in any order.
        known: (T, J) where the truth is known; what counts is known in all three frames, hips too.
    """
    apart = centred(predicted, which, hips) - centred(truth, which, hips)
    counted = _centred_known(known, which, hips)
    if counted is not None and len(counted) > 2:
        counted = (counted[2:] & counted[1:-1] & counted[:-2])[_consecutive(frames, 2)]
    elif counted is not None:
        counted = counted[:0]
    return MM * _mean_norm(_differences(apart, frames, 2), counted)


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


def foot_slide(joints: Array, contacts: Flags, frames: Array) -> float:
    """Mean horizontal step in mm/frame of the foot joints (balls of the feet) while the foot stands on the floor.

    A step counts where the foot stands in both of its frames. With the truth's contacts it is the foot sliding of WHAM
    (Shin et al. 2024) on joints instead of sole vertices; with the take's own, what a viewer of the take alone sees. A
    foot that rolls over heel and toe moves its ball a little, so a true walk scores 2 to 4 too, not 0.

    Args:
        joints: (T, 24, 3) metres, world frame.
        contacts: (T, 2) bool, left and right foot stands.
        frames: (T,) video frame numbers.
    """
    contacts = np.asarray(contacts, dtype=bool)
    if len(contacts) < 2:
        return float("nan")
    steps = np.diff(np.asarray(joints, dtype=float)[:, FEET, :2], axis=0)
    standing = contacts[1:] & contacts[:-1] & (np.diff(np.asarray(frames)) == 1)[:, None]
    return MM * _mean_norm(steps[standing])


@dataclass(frozen=True)
class PathError:
    """How far a path is from the true one, after the best rigid alignment.

    Attributes:
        mean_m: mean distance, metres.
        length_m: length of the true path, metres.
        percent: ``mean_m`` as a share of ``length_m`` in percent; None for a true path shorter than 1 m.
    """

    mean_m: float
    length_m: float
    percent: float | None


def root_trajectory_error(predicted: Array, truth: Array) -> PathError:
    """Mean distance between two paths after one rigid alignment without scale ("RTE", Shin et al. 2024, WHAM).

    Args:
        predicted: (T, 3) metres, its own world frame.
        truth: (T, 3) metres, its own world frame.
    """
    truth = np.asarray(truth, dtype=float)
    if not len(truth):
        return PathError(float("nan"), 0.0, None)
    length = float(np.linalg.norm(np.diff(truth, axis=0), axis=-1).sum())
    mean = _mean_norm(procrustes(predicted, truth, scaled=False) - truth)
    return PathError(mean, length, 100 * mean / length if length >= SHORT_PATH_M else None)


def bone_length_deviation(joints: Array) -> float:
    """The standard deviation of a bone's length over time in percent of its mean, of the bone where that is largest.

    Args:
        joints: (T, 24, 3) metres, any frame of reference.
    """
    joints = np.asarray(joints, dtype=float)
    if not len(joints):
        return float("nan")
    lengths = np.linalg.norm(joints[:, 1:] - joints[:, PARENTS[1:]], axis=-1)
    return 100 * float((lengths.std(axis=0) / lengths.mean(axis=0)).max())


def coverage(frames: Array, visible: Flags) -> float:
    """The share, 0..1, of the frames with a visible person in which the take has that person.

    Args:
        frames: (T,) video frame numbers of the take's person.
        visible: (N,) bool, for every frame of the video, the truth's person is visible.
    """
    visible = np.asarray(visible, dtype=bool)
    return float(np.isin(np.flatnonzero(visible), frames).mean()) if visible.any() else float("nan")


@dataclass(frozen=True)
class ContactScore:
    """Foot contacts found, both feet together: shares 0..1."""

    precision: float
    recall: float
    f1: float


def contact_score(predicted: Flags, truth: Flags) -> ContactScore:
    """Precision, recall and their harmonic mean F1 of foot contacts, each foot in each frame one decision.

    Args:
        predicted: (T, 2) bool, left and right foot stands.
        truth: (T, 2) bool.
    """
    predicted, truth = np.asarray(predicted, dtype=bool), np.asarray(truth, dtype=bool)
    hits, found, real = (float(values.sum()) for values in (predicted & truth, predicted, truth))
    return ContactScore(
        precision=hits / found if found else float("nan"),
        recall=hits / real if real else float("nan"),
        f1=2 * hits / (found + real) if found + real else float("nan"),
    )


def overlap_2d(predicted: Array, truth: Array) -> Array:
    """How well people's limbs lie on each other in the image, 1 exactly to 0 not the same person: (P, Q, N).

    It is 1 - d / 0.25, at least 0, with d the median joint distance (a wrong arm is no other person) in units of
    the diagonal of the true joints' box.

    Args:
        predicted: (P, N, J, 2) pixels, NaN where a person is not in the frame.
        truth: (Q, N, J, 2) pixels, NaN where a person is not visible.
    """
    size = np.linalg.norm(truth.max(axis=2) - truth.min(axis=2), axis=-1)
    distance = np.median(np.linalg.norm(predicted[:, None] - truth[None], axis=-1), axis=-1)
    return np.nan_to_num(np.clip(1 - distance / (SAME_PERSON * np.maximum(size, 1e-9)), 0, 1), nan=0.0)


def match_people(overlap: Array) -> list[tuple[int, int]]:
    """Pairs (predicted, true) with the largest sum of overlaps, one to one; people who never overlap stay single.

    Args:
        overlap: (P, Q, N) of ``overlap_2d``.
    """
    total = overlap.sum(axis=-1)
    rows, columns = linear_sum_assignment(total, maximize=True)
    return [(int(p), int(q)) for p, q in zip(rows, columns, strict=True) if total[p, q] > 0]


def identity_switches(overlap: Array) -> int:
    """How often a true person is followed by another predicted person than before (Bernardin, Stiefelhagen 2008).

    Matched frame by frame; a pair of the frame before is kept while it overlaps at all, so two people in front of each
    other are no switch until they part.

    Args:
        overlap: (P, Q, N) of ``overlap_2d``.
    """
    switches = 0
    pairs: dict[int, int] = {}  # true person: predicted person, in the frame before
    last: dict[int, int] = {}  # the same, whenever it was
    for frame in np.moveaxis(overlap, -1, 0):
        pairs = {q: p for q, p in pairs.items() if frame[p, q] > 0}
        free = frame.copy()
        free[list(pairs.values()), :] = 0
        free[:, list(pairs)] = 0
        rows, columns = linear_sum_assignment(free, maximize=True)
        for p, q in zip(rows.tolist(), columns.tolist(), strict=True):
            if free[p, q] > 0:
                switches += last.get(q, p) != p
                pairs[q] = last[q] = p
    return switches


def _differences(values: Array, frames: Array, order: int) -> Array:
    """Finite differences (M, ...) of the given order over consecutive frames; those that span a gap are left out."""
    if len(values) <= order:
        return np.zeros((0, *np.shape(values)[1:]))
    return np.diff(values, n=order, axis=0)[_consecutive(frames, order)]


def _consecutive(frames: Array, order: int) -> Flags:
    """Of each frame and the ``order`` after it, (T - order,), whether there is no gap among them."""
    frames = np.asarray(frames)
    return np.asarray(frames[order:] - frames[:-order] == order)


def _centred_known(known: Flags | None, which: Sequence[int], hips: tuple[int, int]) -> Flags | None:
    """(T, J) where the chosen joints are known and the hips that they are measured from are."""
    if known is None:
        return None
    known = np.asarray(known, dtype=bool)
    return np.asarray(known[:, tuple(which)] & known[:, hips].all(axis=1, keepdims=True))


def _mean_norm(vectors: Array, counted: Flags | None = None) -> float:
    norms = np.linalg.norm(vectors, axis=-1)
    if counted is not None:
        norms = norms[counted]
    return float(norms.mean()) if np.size(norms) else float("nan")
