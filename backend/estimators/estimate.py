# SPDX-License-Identifier: MIT
"""What every estimator answers: one person's pose and path in the camera's frame."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from vibe_blender.contract.take import NetworkWords

Array = NDArray[np.floating]


@dataclass(frozen=True)
class Estimate:
    """One person's motion as the camera sees it.

    Attributes:
        frames: (T,) ascending video frame numbers.
        times: (T,) seconds.
        rotations: (T, 24, 4) unit quaternions, joint to parent; the root's, body frame to camera.
        root: (T, 3) metres, camera frame, the pelvis.
        confidence: (T,) 0..1.
        boxes: (T, 4) centre x, y, width, height, pixels.
        keypoints: (T, K, 3) x, y in pixels and visibility 0..1 of the detected landmarks.
        rest_joints: (24, 3) metres, body frame, with the person's shape.
        betas: (10,) shape components.
        words: what a network said of the frames, where one did.
    """

    frames: NDArray[np.integer]
    times: Array
    rotations: Array
    root: Array
    confidence: Array
    boxes: Array
    keypoints: Array
    rest_joints: Array
    betas: Array
    words: NetworkWords | None = None

    def since(self, first: int) -> Estimate:
        """The same without the frames before the ``first``-th."""
        timed = ("frames", "times", "rotations", "root", "confidence", "boxes", "keypoints")
        words = None if self.words is None else self.words.since(first)
        return replace(self, words=words, **{name: getattr(self, name)[first:] for name in timed})
