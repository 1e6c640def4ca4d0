# SPDX-License-Identifier: MIT
"""One person's landmark readings in, an Estimate out: the steps of the keypoint road in their order."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d

from backend.banded import windows
from backend.body.keypoints import LANDMARK_NAMES, LANDMARKS
from backend.body.kinematics import GROUP_COUNT, Points
from backend.body.model import BodyModel
from backend.estimators.estimate import Estimate
from vibe_blender.contract import quaternions

from .evidence import LIMBS, Readings, merge, repair_flips
from .fit import Model, Observed, Spread, fit
from .kinematics import Pose, posed
from .spans import SPAN_ENDS, SPAN_MATRIX, SPAN_SLOPE, SPAN_SPREAD_M
from .start import first_pose, leg_and_torso, turned_to_ray

Array = NDArray[np.floating]

_HIPS = (LANDMARK_NAMES.index("left_hip"), LANDMARK_NAMES.index("right_hip"))
_SMOOTH = tuple(
    LANDMARK_NAMES.index(name)
    for name in ("nose", *(f"{side}_{part}" for side in ("left", "right")
                           for part in ("hip", "knee", "ankle", "foot_index", "shoulder", "elbow", "wrist")))
)  # fmt: skip
_WINDOW, _OVERLAP = 150, 30
_THREADS = 2
_ITERATIONS = 6
_AGREEMENT = 0.015
_CALM_SECONDS = 0.07
_SIZE_DOUBT = 0.08
"""BlazePose's word on a person's size is good to this many parts; within it, people are of average height."""
_STATURE = 0
"""The shape component that scales the whole body."""


@dataclass(frozen=True)
class Evidence:
    """Everything that was read of one person.

    Attributes:
        frames: (T,) ascending video frame numbers.
        times: (T,) seconds, ascending.
        boxes: (T, 4) centre x, y, width, height, pixels.
        straight: reading of the crops.
        mirrored: reading of their mirror images, turned back; None where only one was made.
    """

    frames: NDArray[np.integer]
    times: Array
    boxes: Array
    straight: Readings
    mirrored: Readings | None


class KeypointEstimator:
    """Turns evidence into motion, for one camera."""

    def __init__(self, body: BodyModel, focal_px: float, centre_px: Array, height_m: float | None = None) -> None:
        """Prepares for a camera of this focal length and principal point (2,), and an actor of this height if known."""
        self._body = body
        up = body.joint_directions[:, 1, _STATURE]
        self._growth = float(np.ptp(up) / np.ptp(body.joint_template[:, 1]))
        self._focal_px = focal_px
        self._centre_px = np.asarray(centre_px, dtype=float)
        self._height_m = height_m

    def estimate(
        self, evidence: Evidence, *, iterations: int = _ITERATIONS, progress: Callable[[int], None] = lambda done: None
    ) -> Estimate:
        """The motion that explains the evidence best.

        Args:
            evidence: of one person.
            iterations: of the fit, at most.
            progress: told how many frames are done; may raise to stop.
        """
        straight, mirrored, _ = repair_flips(evidence.straight, evidence.mirrored)
        merged, gap = merge(straight, mirrored)
        hips = merged.image_px[:, _HIPS].mean(axis=1)
        world = turned_to_ray(merged.world, (hips - self._centre_px) / self._focal_px)
        scale = self._scale(world)
        betas = np.zeros(10)
        betas[_STATURE] = (scale - 1.0) / self._growth
        rest_joints = self._body.rest_joints(betas)
        landmarks = Points(
            np.array([landmark.joint for landmark in LANDMARKS]),
            np.array([landmark.offset for landmark in LANDMARKS]) * scale,
        )
        model = Model(rest_joints, landmarks, SPAN_MATRIX, SPAN_SPREAD_M, _SMOOTH)

        def solved(window: slice) -> _Part:
            seen = self._observed(evidence.times[window], merged.window(window), gap[window], world[window])
            start = _calmed(first_pose(world[window], seen.image, rest_joints, landmarks), seen.times)
            pose = fit(start, seen, model, Spread(), iterations)
            return _Part(pose, _confidence(pose, seen, model, merged.visibility[window]))

        whole = _in_windows(len(evidence.times), solved, progress)
        turns = [
            quaternions.from_matrices(whole.pose.window(w).joint_rotations()) for w in windows(len(world), _WINDOW, 0)
        ]
        return Estimate(
            frames=evidence.frames,
            times=evidence.times,
            rotations=quaternions.continuous(np.concatenate(turns)),
            root=whole.pose.root,
            confidence=whole.confidence,
            boxes=evidence.boxes,
            keypoints=np.concatenate([merged.image_px, merged.visibility[..., None]], axis=2),
            rest_joints=rest_joints,
            betas=betas,
        )

    def _scale(self, world: Array) -> float:
        """How much larger than average the person is: as given, or by BlazePose's word where that is uncommon."""
        if self._height_m is not None:
            return self._height_m / float(np.ptp(self._body.template[:, 1]))
        template = np.stack([self._body.joint_template[mark.joint] + np.array(mark.offset) for mark in LANDMARKS])
        doubt = float(np.log(np.median(leg_and_torso(world)) / leg_and_torso(template[None])[0]))
        return float(np.exp(np.sign(doubt) * max(abs(doubt) - _SIZE_DOUBT, 0.0)))

    def _observed(self, times: Array, merged: Readings, gap: Array, world: Array) -> Observed:
        visible = np.clip(merged.visibility, 0.05, 1.0)
        depth_weight = np.min(np.where(SPAN_ENDS, merged.visibility[:, None], 1.0), axis=2)
        return Observed(
            times=times,
            image=(merged.image_px - self._centre_px) / self._focal_px,
            side=merged.side_px / self._focal_px,
            weight=visible / (1.0 + (gap / _AGREEMENT) ** 2),
            depth=world[..., 2] @ SPAN_MATRIX.T * SPAN_SLOPE,
            depth_weight=np.clip(depth_weight, 0.1, 1.0),
        )


@dataclass(frozen=True)
class _Part:
    """What a window was solved to: the pose, and confidence (T,) 0..1."""

    pose: Pose
    confidence: Array


def _in_windows(count: int, solved: Callable[[slice], _Part], progress: Callable[[int], None]) -> _Part:
    """A clip of any length in bounded memory: windows that overlap, two at a time, blended where they do."""
    root, rotations = np.zeros((count, 3)), np.zeros((count, GROUP_COUNT, 3, 3))
    confidence = np.zeros(count)
    parts = windows(count, _WINDOW, _OVERLAP)
    with ThreadPoolExecutor(_THREADS) as threads:
        waiting = [threads.submit(solved, window) for window in parts]
        try:
            done = 0
            for window in parts:
                part = waiting.pop(0).result()
                shared, both = done - window.start, slice(window.start, done)
                blend = (np.arange(shared) + 1.0) / (shared + 1.0)
                before, after = Pose(root[both].copy(), rotations[both].copy()), part.pose.window(slice(shared))
                root[window], rotations[window] = part.pose.root, part.pose.rotations
                root[both] = before.root + blend[:, None] * (after.root - before.root)
                turned = before.rotations + blend[:, None, None, None] * (after.rotations - before.rotations)
                rotations[both] = _nearest_rotations(turned)
                confidence[window] = part.confidence
                done = window.stop
                progress(done)
        finally:
            for future in waiting:
                future.cancel()
    return _Part(Pose(root, rotations), confidence)


def _calmed(pose: Pose, times: Array) -> Pose:
    """A pose without the jitter of single frames, which the fit would take several steps to get rid of."""
    if len(times) < 3:
        return pose
    frames = _CALM_SECONDS / max(float(np.median(np.diff(times))), 1e-3)
    root, rotations = (gaussian_filter1d(part, frames, axis=0, mode="nearest") for part in (pose.root, pose.rotations))
    return Pose(root, _nearest_rotations(rotations))


def _nearest_rotations(matrices: Array) -> Array:
    """The rotations nearest to (..., 3, 3) matrices: a blend of two rotations is one only almost."""
    left, _, right = np.linalg.svd(matrices)
    left[..., -1] *= np.sign(np.linalg.det(left @ right))[..., None]
    return left @ right


def _confidence(pose: Pose, seen: Observed, model: Model, visibility: Array) -> Array:
    """How far each frame can be trusted, (T,) 0..1: limbs that are seen, and explained by the fit."""
    places = posed(pose, model.rest_joints).points(model.landmarks)[:, LIMBS]
    missed = np.linalg.norm(places[..., :2] / places[..., 2:] - seen.image[:, LIMBS], axis=-1) / seen.side[:, None]
    return np.mean(np.clip(visibility[:, LIMBS], 0.0, 1.0) / (1.0 + (missed / 0.03) ** 2), axis=1)
