# SPDX-License-Identifier: MIT
"""A made person whose every joint is known, and the landmarks a perfect or an imperfect network would read of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from backend.body.keypoints import landmark_positions
from backend.estimators.keypoints import Evidence, Readings
from vibe_blender.contract import quaternions
from vibe_blender.contract.skeleton import JOINT_COUNT, JOINT_NAMES, REST_JOINTS, forward_kinematics

SIZE = (960, 540)
FOCAL_PX = 960.0
CENTRE_PX = np.array([480.0, 270.0])
FPS = 30.0


@dataclass(frozen=True)
class Actor:
    """The truth: rotations (T, 24, 4) root to camera, root (T, 3), joints and landmarks in the camera frame, metres."""

    times: NDArray
    rotations: NDArray
    root: NDArray
    joints: NDArray
    landmarks: NDArray

    @property
    def image_px(self) -> NDArray:
        return self.landmarks[..., :2] / self.landmarks[..., 2:] * FOCAL_PX + CENTRE_PX

    def readings(self, noise_px: float = 0.0, noise_m: float = 0.0, seed: int = 0) -> Readings:
        random = np.random.default_rng(seed)
        hips = self.landmarks[:, [23, 24]].mean(axis=1, keepdims=True)
        shape = self.landmarks.shape
        return Readings(
            self.image_px + random.normal(size=(*shape[:2], 2)) * noise_px,
            self.landmarks - hips + random.normal(size=shape) * noise_m,
            np.full(shape[:2], 0.95),
            np.full(shape[0], 400.0),
        )

    def evidence(self, noise_px: float = 0.0, noise_m: float = 0.0, mirrored: bool = True) -> Evidence:
        count = len(self.times)
        return Evidence(
            np.arange(count),
            self.times,
            np.tile([480.0, 270.0, 200.0, 400.0], (count, 1)),
            self.readings(noise_px, noise_m, seed=1),
            self.readings(noise_px, noise_m, seed=2) if mirrored else None,
        )


def act(count: int, *, walk_m: float = 0.0, depth_m: float = 4.0, turn_rad: float = 0.3) -> Actor:
    """A person before a level camera 1.2 m above the floor: steps, swings the arms, turns, and walks across."""
    times = np.arange(count) / FPS
    phase = 2 * np.pi * times
    vectors = np.zeros((count, JOINT_COUNT, 3))
    joint = JOINT_NAMES.index
    for side, sign in (("left", 1.0), ("right", -1.0)):
        vectors[:, joint(f"{side}_hip"), 0] = -0.25 + 0.35 * sign * np.sin(phase)
        vectors[:, joint(f"{side}_knee"), 0] = 0.4 + 0.3 * np.sin(phase + sign)
        vectors[:, joint(f"{side}_shoulder")] = np.stack(
            [0.4 * sign * np.sin(phase), 0.1 * np.cos(phase), np.full(count, -1.0 * sign)], axis=1
        )
        vectors[:, joint(f"{side}_elbow"), 1] = -sign * (0.8 + 0.4 * np.sin(phase))
    for name in ("spine1", "spine2", "spine3"):
        vectors[:, joint(name), 0] = 0.05 + 0.03 * np.sin(phase)
    rotations = quaternions.from_axis_angles(vectors)
    heading = quaternions.from_axis_angles(np.stack([0 * times, turn_rad * np.sin(phase / 3), 0 * times], axis=1))
    upside = quaternions.from_axis_angles(np.array([np.pi, 0.0, 0.0]))  # body y up to camera y down
    rotations[:, 0] = quaternions.multiply(upside, heading)
    root = np.stack(
        [np.linspace(-walk_m / 2, walk_m / 2, count), np.full(count, 0.25), np.full(count, depth_m)], axis=1
    )
    rotations = quaternions.continuous(rotations)
    joints, orientations = forward_kinematics(REST_JOINTS, rotations, root)
    return Actor(times, rotations, root, joints, landmark_positions(joints, orientations))
