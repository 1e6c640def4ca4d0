# SPDX-License-Identifier: GPL-3.0-or-later OR MIT
"""The SMPL skeleton: joint names, parents, the rest pose of our own neutral adult, forward kinematics."""

from __future__ import annotations

import numpy as np

from .quaternions import Array, multiply, rotate

JOINT_NAMES = (
    "pelvis", "left_hip", "right_hip", "spine1", "left_knee", "right_knee", "spine2", "left_ankle", "right_ankle",
    "spine3", "left_foot", "right_foot", "neck", "left_collar", "right_collar", "head", "left_shoulder",
    "right_shoulder", "left_elbow", "right_elbow", "left_wrist", "right_wrist", "left_hand", "right_hand",
)  # fmt: skip
PARENTS = (-1, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 9, 9, 12, 13, 14, 16, 17, 18, 19, 20, 21)
JOINT_COUNT = len(JOINT_NAMES)
LIMB_JOINTS = (1, 2, 4, 5, 7, 8, 16, 17, 18, 19, 20, 21)
"""Hips, knees, ankles, shoulders, elbows, wrists: the joints two body models agree on."""

_LEFT = {
    "left_hip": (0.085, -0.298, 0.015),
    "left_knee": (0.095, -0.713, 0.012),
    "left_ankle": (0.095, -1.128, -0.025),
    "left_foot": (0.105, -1.180, 0.095),
    "left_collar": (0.070, 0.185, -0.005),
    "left_shoulder": (0.180, 0.205, -0.015),
    "left_elbow": (0.455, 0.205, -0.025),
    "left_wrist": (0.710, 0.205, -0.020),
    "left_hand": (0.800, 0.200, -0.015),
}
_MIDDLE = {
    "pelvis": (0.0, -0.2233, 0.0282),
    "spine1": (0.0, -0.113, 0.010),
    "spine2": (0.0, 0.012, 0.000),
    "spine3": (0.0, 0.065, 0.000),
    "neck": (0.0, 0.260, -0.020),
    "head": (0.0, 0.340, 0.005),
}


def _rest_joints() -> np.ndarray:
    places = dict(_MIDDLE)
    for name, (x, y, z) in _LEFT.items():
        places[name] = (x, y, z)
        places[name.replace("left", "right")] = (-x, y, z)
    return np.array([places[name] for name in JOINT_NAMES])


REST_JOINTS = _rest_joints()
"""(24, 3) metres, body frame: a 1.72 m adult in T-pose, soles at y = -1.20, crown at y = 0.52.

Segment lengths follow de Leva (1996), "Adjustments to Zatsiorsky-Seluyanov's segment inertia parameters", averaged
over both sexes; the pelvis sits where SMPL's does, so that `trans` of AMASS-style files means the same place.
"""


def forward_kinematics(rest_joints: Array, rotations: Array, root: Array) -> tuple[Array, Array]:
    """Joint positions and orientations of a posed skeleton.

    Args:
        rest_joints: (24, 3) metres, body frame.
        rotations: (T, 24, 4) unit quaternions, joint to parent, the root's to the frame of ``root``.
        root: (T, 3) metres, position of the pelvis.

    Returns:
        positions (T, 24, 3) metres and orientations (T, 24, 4) quaternions, both in the frame of ``root``.
    """
    rest_joints, rotations = np.asarray(rest_joints), np.asarray(rotations)
    positions: list[Array] = [np.asarray(root)]
    orientations: list[Array] = [rotations[..., 0, :]]
    for joint, parent in enumerate(PARENTS[1:], start=1):
        offset = rest_joints[joint] - rest_joints[parent]
        positions.append(positions[parent] + rotate(orientations[parent], offset))
        orientations.append(multiply(orientations[parent], rotations[..., joint, :]))
    return np.stack(positions, axis=-2), np.stack(orientations, axis=-2)
