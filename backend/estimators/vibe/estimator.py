# SPDX-License-Identifier: MIT
"""What VIBE said of one person in, an Estimate out: one body for the whole clip, at its place before the camera."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from backend.body.keypoints import LANDMARK_NAMES, LANDMARKS
from backend.body.model import BodyModel
from backend.estimators.estimate import Estimate
from backend.estimators.words import Said
from backend.weak_camera import place_in_camera
from vibe_blender.contract import quaternions
from vibe_blender.contract.skeleton import forward_kinematics

Array = NDArray[np.floating]

_LIMBS = [LANDMARK_NAMES.index(f"{side}_{part}") for side in ("left", "right")
          for part in ("shoulder", "elbow", "wrist", "hip", "knee", "ankle")]  # fmt: skip
_LIMB_JOINTS = [LANDMARKS[limb].joint for limb in _LIMBS]
_LEAST_SCALE = 0.05
"""A body twenty times as tall as its crop is a slip of the network; a scale of nothing would put it beyond reach."""
_TRUSTED = 0.06
"""Where a joint misses its landmark by so much of the crop's side, its frame is trusted half."""
_HEIGHT_M, _HEIGHT_STEPS = 1e-3, 8
"""A known height is met to so much, in at most so many steps."""


class WordsEstimator:
    """Turns what a network said of SMPL bodies into motion, for one camera."""

    def __init__(self, body: BodyModel, focal_px: float, centre_px: Array, height_m: float | None = None) -> None:
        """Prepares for a camera of this focal length and principal point (2,), and an actor of this height if known."""
        self._body, self._height_m = body, height_m
        self._focal_px, self._centre_px = focal_px, np.asarray(centre_px, dtype=float)

    def estimate(self, said: Said) -> Estimate:
        """The motion that was said, by a body whose shape is the mean over the clip."""
        betas, larger = self._shape(said.words.betas.astype(float).mean(axis=0))
        rest_joints = self._body.rest_joints(betas)
        camera = said.words.camera.astype(float)
        camera[:, 0] = np.maximum(camera[:, 0], _LEAST_SCALE)
        # SMPL turns a body about its own pelvis, which lies beside the origin to which the camera refers.
        place = place_in_camera(camera, said.words.boxes.astype(float), self._focal_px, self._centre_px)
        root = rest_joints[0] + larger * place
        rotations = quaternions.continuous(quaternions.from_matrices(said.words.rotations.astype(float)))
        return Estimate(
            frames=said.frames,
            times=said.times,
            rotations=rotations,
            root=root,
            confidence=self._confidence(said, forward_kinematics(rest_joints, rotations, root)[0]),
            boxes=said.boxes,
            keypoints=said.keypoints,
            rest_joints=rest_joints,
            betas=betas,
            words=said.words,
        )

    def _shape(self, betas: Array) -> tuple[Array, float]:
        """A shape (10,) near ``betas`` that has the known height, and how much taller that is.

        The height, highest vertex less lowest, is convex in the shape; each step goes straight to where it would be
        right if these two stayed the outermost (Polyak's step). Where no shape is as small, the nearest has to do.
        """
        first, slope = self._stature(betas)
        if self._height_m is None:
            return betas, 1.0
        shape, height = best, reached = betas, first
        for _ in range(_HEIGHT_STEPS):
            if abs(reached - self._height_m) < _HEIGHT_M or not slope.any():
                break
            shape = shape + slope * (self._height_m - height) / (slope @ slope)
            height, slope = self._stature(shape)
            if abs(height - self._height_m) < abs(reached - self._height_m):
                best, reached = shape, height
        return best, reached / first

    def _stature(self, betas: Array) -> tuple[float, Array]:
        """How tall a shape stands, metres, and what that gains (10,) by each of its components."""
        heights = self._body.rest_vertices(betas)[:, 1]
        top, bottom = int(heights.argmax()), int(heights.argmin())
        upwards = self._body.shape_directions[:, 1]
        return float(heights[top] - heights[bottom]), upwards[top] - upwards[bottom]

    def _confidence(self, said: Said, joints: Array) -> Array:
        """How far each frame can be trusted, (T,) 0..1: limbs that are seen, where the body (T, 24, 3) has them.

        Without landmarks nothing is known against a frame.
        """
        if not said.keypoints.shape[1]:
            return np.ones(len(said.frames))
        limbs = joints[:, _LIMB_JOINTS]
        places = self._focal_px * limbs[..., :2] / np.maximum(limbs[..., 2:], 1e-6) + self._centre_px
        missed = np.linalg.norm(places - said.keypoints[:, _LIMBS, :2], axis=-1) / said.words.boxes[:, 2:3]
        seen = np.clip(said.keypoints[:, _LIMBS, 2], 0.0, 1.0)
        return np.mean(seen / (1.0 + (missed / _TRUSTED) ** 2), axis=1)
