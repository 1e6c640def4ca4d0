# SPDX-License-Identifier: MIT
"""Where the 33 BlazePose landmarks lie on our own body: a joint and an offset in that joint's rest frame."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from vibe_blender.contract.quaternions import Array, rotate
from vibe_blender.contract.skeleton import JOINT_NAMES, REST_JOINTS


@dataclass(frozen=True, slots=True)
class BodyLandmark:
    """A named place fixed to one joint.

    Attributes:
        name: BlazePose's name of the landmark.
        joint: index of the SMPL joint it moves with.
        offset: metres from that joint, in the joint's rest frame (axes of the body frame), for betas = 0.
    """

    name: str
    joint: int
    offset: tuple[float, float, float]


_MIDDLE = {"nose": ("head", (0.0, 0.384, 0.116))}
"""Parent joint and place on the mannequin, metres, body frame."""

_LEFT = {
    "eye_inner": ("head", (0.018, 0.413, 0.091)),
    "eye": ("head", (0.030, 0.413, 0.087)),
    "eye_outer": ("head", (0.042, 0.413, 0.080)),
    "ear": ("head", (0.062, 0.396, 0.022)),
    "mouth": ("head", (0.024, 0.346, 0.098)),
    "shoulder": ("left_shoulder", (0.168, 0.209, -0.016)),
    "elbow": ("left_elbow", (0.452, 0.205, -0.017)),
    "wrist": ("left_wrist", (0.710, 0.204, -0.012)),
    "pinky": ("left_wrist", (0.788, 0.203, -0.050)),
    "index": ("left_wrist", (0.803, 0.208, 0.014)),
    "thumb": ("left_wrist", (0.785, 0.190, 0.058)),
    "hip": ("left_hip", (0.085, -0.298, 0.015)),
    "knee": ("left_knee", (0.095, -0.713, 0.012)),
    "ankle": ("left_ankle", (0.095, -1.128, -0.025)),
    "heel": ("left_ankle", (0.095, -1.172, -0.078)),
    "foot_index": ("left_foot", (0.108, -1.184, 0.162)),
}
"""The same on the left half; the right half is its mirror image.

Face and arms are where BlazePose itself sees them: its landmarks of 108 rendered pictures of the clothed mannequin
(12 poses, 9 views each), triangulated in the frame of each joint, agree within 7 to 20 mm (medians). Its shoulders lie
12 mm nearer to the neck than the joint and its nose 12 mm behind the tip. Hips, knees and ankles are our joints, hands
and feet the mesh's own knuckles, heel and toe: a mitten tells BlazePose too little about fingers.
"""

LANDMARK_NAMES = (
    "nose",
    "left_eye_inner", "left_eye", "left_eye_outer", "right_eye_inner", "right_eye", "right_eye_outer",
    "left_ear", "right_ear", "mouth_left", "mouth_right",
    "left_shoulder", "right_shoulder", "left_elbow", "right_elbow", "left_wrist", "right_wrist",
    "left_pinky", "right_pinky", "left_index", "right_index", "left_thumb", "right_thumb",
    "left_hip", "right_hip", "left_knee", "right_knee", "left_ankle", "right_ankle",
    "left_heel", "right_heel", "left_foot_index", "right_foot_index",
)  # fmt: skip
"""BlazePose's 33 landmarks in its own order."""


def _other_side(name: str) -> str:
    opposite = {"left": "right", "right": "left"}
    return "_".join(opposite.get(word, word) for word in name.split("_"))


MIRROR: tuple[int, ...] = tuple(LANDMARK_NAMES.index(_other_side(name)) for name in LANDMARK_NAMES)
"""Landmark k of a body is landmark MIRROR[k] of its mirror image."""


def _landmark(name: str) -> BodyLandmark:
    side = next((word for word in name.split("_") if word in ("left", "right")), "")
    part = "_".join(word for word in name.split("_") if word != side)
    joint_name, place = _LEFT[part] if side else _MIDDLE[part]
    if side == "right":
        joint_name, place = joint_name.replace("left", "right"), (-place[0], place[1], place[2])
    joint = JOINT_NAMES.index(joint_name)
    x, y, z = (round(float(value), 6) for value in np.subtract(place, REST_JOINTS[joint]))
    return BodyLandmark(name, joint, (x, y, z))


LANDMARKS: tuple[BodyLandmark, ...] = tuple(_landmark(name) for name in LANDMARK_NAMES)
"""The 33 landmarks in BlazePose's order."""


def landmark_positions(positions: Array, orientations: Array) -> Array:
    """Places of the 33 landmarks of a posed body, in the frame of ``positions``.

    Args:
        positions: (T, 24, 3) metres, joint positions from ``forward_kinematics``.
        orientations: (T, 24, 4) unit quaternions, joint orientations in the same frame.

    Returns:
        (T, 33, 3) metres.
    """
    joints = [landmark.joint for landmark in LANDMARKS]
    offsets = np.array([landmark.offset for landmark in LANDMARKS])
    return positions[..., joints, :] + rotate(orientations[..., joints, :], offsets)
