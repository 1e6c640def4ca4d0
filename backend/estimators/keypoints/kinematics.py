# SPDX-License-Identifier: MIT
"""The posed body as a differentiable function: landmark positions and their Jacobian, all frames at once.

The unknowns of a frame are D = 3 + 3 G numbers: a step of the root position, then one small rotation vector for each of
the G groups of joints that turn together (a group of one joint, except the spine and the neck). Rotations are updated
from the right, R <- R exp(step), so that there is no singular pose.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from vibe_blender.contract.skeleton import JOINT_COUNT, JOINT_NAMES, PARENTS

Array = NDArray[np.floating]

GROUPS: tuple[tuple[str, ...], ...] = (
    ("pelvis",), ("left_hip",), ("right_hip",), ("left_knee",), ("right_knee",), ("left_ankle",), ("right_ankle",),
    ("spine1", "spine2", "spine3"), ("neck", "head"), ("left_collar",), ("right_collar",), ("left_shoulder",),
    ("right_shoulder",), ("left_elbow",), ("right_elbow",), ("left_wrist",), ("right_wrist",),
)  # fmt: skip
"""Joints that turn; those of one group share one rotation, so the spine bends evenly."""

GROUP_JOINTS = tuple(tuple(JOINT_NAMES.index(name) for name in group) for group in GROUPS)
GROUP_COUNT = len(GROUPS)
UNKNOWNS = 3 + 3 * GROUP_COUNT


def group_index(name: str) -> int:
    """The group that turns the joint of this name."""
    return next(index for index, group in enumerate(GROUPS) if name in group)


def _ancestors(joint: int) -> set[int]:
    chain = set()
    while joint >= 0:
        chain.add(joint)
        joint = PARENTS[joint]
    return chain


@dataclass(frozen=True)
class Points:
    """Points fixed to the body.

    Attributes:
        joints: (M,) the joint each point moves with.
        offsets: (M, 3) metres, from that joint, in its rest axes.
    """

    joints: NDArray[np.intp]
    offsets: Array


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


@dataclass(frozen=True)
class PosedBody:
    """Where every joint is.

    Attributes:
        positions: (T, 24, 3) metres, camera frame.
        orientations: (T, 24, 3, 3) joint to camera.
    """

    positions: Array
    orientations: Array

    def points(self, points: Points) -> Array:
        """(T, M, 3) metres, camera frame."""
        turned = np.einsum("tmij,mj->tmi", self.orientations[:, points.joints], points.offsets)
        return self.positions[:, points.joints] + turned

    def jacobian(self, points: Points, places: Array) -> Array:
        """How points move with the unknowns: (T, M, 3, D), metres per metre or radian.

        In single precision: the fit sums squares of these, and its steps need not be exact.

        A point p that hangs on joint a moves by (R_a e_k) x (p - x_a) per radian about the joint's own axis k.
        """
        count, total = len(places), len(points.joints)
        result = np.zeros((count, total, 3, UNKNOWNS), np.float32)
        result[:, :, [0, 1, 2], [0, 1, 2]] = 1.0
        chains = [_ancestors(joint) for joint in points.joints]
        for group, joints in enumerate(GROUP_JOINTS):
            block = slice(3 + 3 * group, 6 + 3 * group)
            for joint in joints:
                moved = [m for m, chain in enumerate(chains) if joint in chain]
                if not moved:
                    continue
                arm = (places[:, moved] - self.positions[:, joint, None]).astype(np.float32)
                axes = self.orientations[:, joint].astype(np.float32)
                # a x r = -[r]x a for each of the three axes a, the columns of the orientation
                skew = np.zeros((*arm.shape, 3), np.float32)
                skew[..., 0, 1], skew[..., 0, 2] = arm[..., 2], -arm[..., 1]
                skew[..., 1, 0], skew[..., 1, 2] = -arm[..., 2], arm[..., 0]
                skew[..., 2, 0], skew[..., 2, 1] = arm[..., 1], -arm[..., 0]
                result[:, moved, :, block] += skew @ axes[:, None]
        return result


def posed(pose: Pose, rest_joints: Array) -> PosedBody:
    """Forward kinematics of a pose with rest joints (24, 3), metres, body frame."""
    rotations = pose.joint_rotations()
    positions: list[Array] = [pose.root]
    orientations: list[Array] = [rotations[:, 0]]
    for joint, parent in enumerate(PARENTS[1:], start=1):
        offset = rest_joints[joint] - rest_joints[parent]
        positions.append(positions[parent] + orientations[parent] @ offset)
        orientations.append(orientations[parent] @ rotations[:, joint])
    return PosedBody(np.stack(positions, axis=1), np.stack(orientations, axis=1))
