# SPDX-License-Identifier: MIT
"""A skeleton with BlazePose's 33 landmarks on it, as linear functions of the shape."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .keypoints import LANDMARK_NAMES, LANDMARKS
from .kinematics import Points
from .model import BodyModel

Array = NDArray[np.floating]

_JOINTS = np.array([landmark.joint for landmark in LANDMARKS])
_OFFSETS = np.array([landmark.offset for landmark in LANDMARKS])
_STATURE = 0
"""The mannequin's shape component that scales the whole body."""

_SMPL_VERTICES = {
    "nose": 332, "right_eye": 6260, "left_eye": 2800, "right_ear": 4071, "left_ear": 583,
    "left_foot_index": 3216, "left_heel": 3387, "right_foot_index": 6617, "right_heel": 6787,
}  # fmt: skip
"""Where the vertices of SMPL's skin are that stand for OpenPose's face, big toes and heels."""


@dataclass(frozen=True)
class MarkedBody:
    """A body as landmarks see it; metres, body frame.

    Attributes:
        joints: (24, 3) rest joints for betas = 0.
        joint_directions: (24, 3, 10) per unit of each beta.
        offsets: (33, 3) from a landmark's joint to the landmark, for betas = 0.
        offset_directions: (33, 3, 10) per unit of each beta.
        height_directions: (10,) what the whole body grows per unit of each beta.
    """

    joints: Array
    joint_directions: Array
    offsets: Array
    offset_directions: Array
    height_directions: Array

    def rest_joints(self, betas: Array) -> Array:
        """(24, 3) for betas (10,)."""
        return self.joints + self.joint_directions @ betas

    def landmarks(self, betas: Array) -> Points:
        """The 33 landmarks for betas (10,)."""
        return Points(_JOINTS, self.offsets + self.offset_directions @ betas)


def mannequin_marks(body: BodyModel) -> MarkedBody:
    """Our own body, whose landmarks grow with its stature and are else fixed to their joints."""
    directions = np.zeros((*_OFFSETS.shape, body.joint_directions.shape[2]))
    up = body.joint_directions[:, 1, _STATURE]
    directions[..., _STATURE] = _OFFSETS * float(np.ptp(up) / np.ptp(body.joint_template[:, 1]))
    return _marked(body, _OFFSETS, directions)


def smpl_marks(body: BodyModel) -> MarkedBody:
    """SMPL: limbs as on our own body, heels and toes on the skin, the face moved to where the skin has its own."""
    offsets, directions = _OFFSETS.copy(), np.zeros((*_OFFSETS.shape, body.joint_directions.shape[2]))
    marks = [LANDMARK_NAMES.index(name) for name in _SMPL_VERTICES]
    vertices, joints = list(_SMPL_VERTICES.values()), _JOINTS[marks]
    places = body.template[vertices] - body.joint_template[joints]
    growth = body.shape_directions[vertices] - body.joint_directions[joints]
    on_head = joints == _JOINTS[0]
    head = _JOINTS[0] == _JOINTS
    offsets[head] += np.mean(places[on_head] - _OFFSETS[marks][on_head], axis=0)
    directions[head] = np.mean(growth[on_head], axis=0)
    feet = np.array(marks)[~on_head]
    offsets[feet], directions[feet] = places[~on_head], growth[~on_head]
    return _marked(body, offsets, directions)


def _marked(body: BodyModel, offsets: Array, directions: Array) -> MarkedBody:
    height = body.template[:, 1]
    grows = body.shape_directions[np.argmax(height), 1] - body.shape_directions[np.argmin(height), 1]
    return MarkedBody(body.joint_template, body.joint_directions, offsets, directions, grows)
