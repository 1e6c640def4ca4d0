# SPDX-License-Identifier: MIT
"""A body whose spine and neck bend evenly, as motion: what the keypoint road solves for."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from backend.body.kinematics import GROUP_JOINTS, PosedBody
from backend.body.kinematics import posed as posed_joints
from vibe_blender.contract.skeleton import JOINT_COUNT

Array = NDArray[np.floating]


@dataclass(frozen=True)
class Pose:
    """A body in motion, camera frame.

    Attributes:
        root: (T, 3) metres, the pelvis.
        rotations: (T, G, 3, 3) of each group's joints to their parents; the pelvis's, body to camera.
    """

    root: Array
    rotations: Array

    def moved(self, step: Array) -> Pose:
        """The pose after a step (T, D) of all unknowns."""
        turns = Rotation.from_rotvec(step[:, 3:].reshape(-1, 3)).as_matrix().reshape(self.rotations.shape)
        return Pose(self.root + step[:, :3], self.rotations @ turns)

    def joint_rotations(self) -> Array:
        """(T, 24, 3, 3) of every joint to its parent."""
        full = np.tile(np.eye(3), (len(self.root), JOINT_COUNT, 1, 1))
        for index, joints in enumerate(GROUP_JOINTS):
            for joint in joints:
                full[:, joint] = self.rotations[:, index]
        return full

    def window(self, frames: slice) -> Pose:
        """The pose of some frames."""
        return Pose(self.root[frames], self.rotations[frames])


def posed(pose: Pose, rest_joints: Array) -> PosedBody:
    """Where every joint of a body with these rest joints (24, 3), metres, body frame, is in a pose."""
    return posed_joints(pose.root, pose.joint_rotations(), rest_joints)
