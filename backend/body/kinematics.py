# SPDX-License-Identifier: MIT
"""The posed body as a differentiable function: landmark positions and their Jacobian, all frames at once.

The unknowns of a frame are D = 3 + 3 G numbers: a step of the root position, then one small rotation vector for each of
the G groups of joints that turn together (a group of one joint, except the spine and the neck: landmarks do not tell
their joints apart). Rotations are updated from the right, R <- R exp(step), so that there is no singular pose.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vibe_blender.contract.skeleton import JOINT_NAMES, PARENTS

Array = NDArray[np.floating]

GROUPS: tuple[tuple[str, ...], ...] = (
    ("pelvis",), ("left_hip",), ("right_hip",), ("left_knee",), ("right_knee",), ("left_ankle",), ("right_ankle",),
    ("spine1", "spine2", "spine3"), ("neck", "head"), ("left_collar",), ("right_collar",), ("left_shoulder",),
    ("right_shoulder",), ("left_elbow",), ("right_elbow",), ("left_wrist",), ("right_wrist",),
)  # fmt: skip
"""Joints that turn; those of one group turn by the same step, so the spine bends evenly."""

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

    def shape_jacobian(self, points: Points, joints: Array, offsets: Array) -> Array:
        """How points move with K numbers the body's shape is linear in: (T, M, 3, K), metres per unit of each.

        Args:
            points: the points.
            joints: (24, 3, K) metres per unit that the rest joints move.
            offsets: (M, 3, K) metres per unit that the points move from their joints.
        """
        moved: list[Array] = [np.zeros((len(self.positions), *joints.shape[1:]))]
        for joint, parent in enumerate(PARENTS[1:], start=1):
            moved.append(moved[parent] + self.orientations[:, parent] @ (joints[joint] - joints[parent]))
        return np.stack(moved, axis=1)[:, points.joints] + self.orientations[:, points.joints] @ offsets


def posed(root: Array, rotations: Array, rest_joints: Array) -> PosedBody:
    """Forward kinematics.

    Args:
        root: (T, 3) metres, the pelvis.
        rotations: (T, 24, 3, 3) joint to parent; the pelvis's, body to the frame of ``root``.
        rest_joints: (24, 3) metres, body frame.
    """
    positions: list[Array] = [root]
    orientations: list[Array] = [rotations[:, 0]]
    for joint, parent in enumerate(PARENTS[1:], start=1):
        offset = rest_joints[joint] - rest_joints[parent]
        positions.append(positions[parent] + orientations[parent] @ offset)
        orientations.append(orientations[parent] @ rotations[:, joint])
    return PosedBody(np.stack(positions, axis=1), np.stack(orientations, axis=1))
