# SPDX-License-Identifier: MIT
"""The joints of each dataset by name, and which of the 49 each of them is.

Joints that OpenPose found are its own in the 49 (``OP ...``); those that people or markers marked are the others, which
are defined by such marks. Left and right are the person's own in all of them.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from backend.body.smpl import JOINTS49

Order = tuple[tuple[str, str | None], ...]
"""The dataset's name of each of its joints, and the name of the same among the 49, None where there is none."""

OPENPOSE18: Order = (
    ("nose", "OP Nose"), ("neck", "OP Neck"), ("right shoulder", "OP RShoulder"), ("right elbow", "OP RElbow"),
    ("right wrist", "OP RWrist"), ("left shoulder", "OP LShoulder"), ("left elbow", "OP LElbow"),
    ("left wrist", "OP LWrist"), ("right hip", "OP RHip"), ("right knee", "OP RKnee"), ("right ankle", "OP RAnkle"),
    ("left hip", "OP LHip"), ("left knee", "OP LKnee"), ("left ankle", "OP LAnkle"), ("right eye", "OP REye"),
    ("left eye", "OP LEye"), ("right ear", "OP REar"), ("left ear", "OP LEar"),
)  # fmt: skip
"""``poses2d`` of 3DPW: OpenPose's with COCO's joints."""

PENN_ACTION: Order = (
    ("head", "Top of Head (LSP)"), ("left_shoulder", "Left Shoulder"), ("right_shoulder", "Right Shoulder"),
    ("left_elbow", "Left Elbow"), ("right_elbow", "Right Elbow"), ("left_wrist", "Left Wrist"),
    ("right_wrist", "Right Wrist"), ("left_hip", "Left Hip"), ("right_hip", "Right Hip"), ("left_knee", "Left Knee"),
    ("right_knee", "Right Knee"), ("left_ankle", "Left Ankle"), ("right_ankle", "Right Ankle"),
)  # fmt: skip

POSETRACK: Order = (
    ("nose", "Nose"), ("head_bottom", "Neck (LSP)"), ("head_top", "Top of Head (LSP)"), ("left_ear", "Left Ear"),
    ("right_ear", "Right Ear"), ("left_shoulder", "Left Shoulder"), ("right_shoulder", "Right Shoulder"),
    ("left_elbow", "Left Elbow"), ("right_elbow", "Right Elbow"), ("left_wrist", "Left Wrist"),
    ("right_wrist", "Right Wrist"), ("left_hip", "Left Hip"), ("right_hip", "Right Hip"), ("left_knee", "Left Knee"),
    ("right_knee", "Right Knee"), ("left_ankle", "Left Ankle"), ("right_ankle", "Right Ankle"),
)  # fmt: skip

MPI_INF_3DHP_28: Order = (
    ("spine3", None), ("spine4", None), ("spine2", None), ("spine", "Spine (H36M)"), ("pelvis", "Pelvis (MPII)"),
    ("neck", "Neck (LSP)"), ("head", "Head (H36M)"), ("head_top", "Top of Head (LSP)"), ("left_clavicle", None),
    ("left_shoulder", "Left Shoulder"), ("left_elbow", "Left Elbow"), ("left_wrist", "Left Wrist"),
    ("left_hand", None), ("right_clavicle", None), ("right_shoulder", "Right Shoulder"),
    ("right_elbow", "Right Elbow"), ("right_wrist", "Right Wrist"), ("right_hand", None), ("left_hip", "Left Hip"),
    ("left_knee", "Left Knee"), ("left_ankle", "Left Ankle"), ("left_foot", None), ("left_toe", None),
    ("right_hip", "Right Hip"), ("right_knee", "Right Knee"), ("right_ankle", "Right Ankle"), ("right_foot", None),
    ("right_toe", None),
)  # fmt: skip
"""Of the training videos."""

MPI_INF_3DHP_17: Order = (
    ("head_top", "Top of Head (LSP)"), ("neck", "Neck (LSP)"), ("right_shoulder", "Right Shoulder"),
    ("right_elbow", "Right Elbow"), ("right_wrist", "Right Wrist"), ("left_shoulder", "Left Shoulder"),
    ("left_elbow", "Left Elbow"), ("left_wrist", "Left Wrist"), ("right_hip", "Right Hip"),
    ("right_knee", "Right Knee"), ("right_ankle", "Right Ankle"), ("left_hip", "Left Hip"), ("left_knee", "Left Knee"),
    ("left_ankle", "Left Ankle"), ("pelvis", "Pelvis (MPII)"), ("spine", "Spine (H36M)"), ("head", "Head (H36M)"),
)  # fmt: skip
"""Of the test set."""

HUMAN36M: Order = (
    ("Hips", "Pelvis (MPII)"), ("RightUpLeg", "Right Hip"), ("RightLeg", "Right Knee"), ("RightFoot", "Right Ankle"),
    ("RightToeBase", None), ("Site", None), ("LeftUpLeg", "Left Hip"), ("LeftLeg", "Left Knee"),
    ("LeftFoot", "Left Ankle"), ("LeftToeBase", None), ("Site", None), ("Spine", None), ("Spine1", "Spine (H36M)"),
    ("Neck", "Neck (LSP)"), ("Head", "Jaw (H36M)"), ("Site", "Head (H36M)"), ("LeftShoulder", None),
    ("LeftArm", "Left Shoulder"), ("LeftForeArm", "Left Elbow"), ("LeftHand", "Left Wrist"), ("LeftHandThumb", None),
    ("Site", None), ("L_Wrist_End", None), ("Site", None), ("RightShoulder", None), ("RightArm", "Right Shoulder"),
    ("RightForeArm", "Right Elbow"), ("RightHand", "Right Wrist"), ("RightHandThumb", None), ("Site", None),
    ("R_Wrist_End", None), ("Site", None),
)  # fmt: skip

INSTA_VARIETY: Order = (
    ("R Heel", "OP RHeel"), ("R Knee", "OP RKnee"), ("R Hip", "OP RHip"), ("L Hip", "OP LHip"), ("L Knee", "OP LKnee"),
    ("L Heel", "OP LHeel"), ("R Wrist", "OP RWrist"), ("R Elbow", "OP RElbow"), ("R Shoulder", "OP RShoulder"),
    ("L Shoulder", "OP LShoulder"), ("L Elbow", "OP LElbow"), ("L Wrist", "OP LWrist"), ("Neck", "OP Neck"),
    ("Head", "Top of Head (LSP)"),
    ("Nose", "OP Nose"), ("L Eye", "OP LEye"), ("R Eye", "OP REye"), ("L Ear", "OP LEar"), ("R Ear", "OP REar"),
    ("L Big Toe", "OP LBigToe"), ("R Big Toe", "OP RBigToe"), ("L Small Toe", "OP LSmallToe"),
    ("R Small Toe", "OP RSmallToe"), ("L Ankle", "OP LAnkle"), ("R Ankle", "OP RAnkle"),
)  # fmt: skip
"""The fourteen of ``image/xys``, the five of ``image/face_pts``, the six of ``image/toes_pts``, one after another."""

SMPL24: tuple[tuple[int, int], ...] = tuple((joint, place) for place, (_, joint) in enumerate(JOINTS49) if joint < 24)
"""Joint of SMPL and place among the 49; some joints have two places, and some places are none of its joints."""

_PLACES = {name: place for place, (name, _) in enumerate(JOINTS49)}


def to_49(order: Order, joints: NDArray[np.floating]) -> NDArray[np.float32]:
    """(..., 49, D) of joints (..., K, D) in a dataset's order; zeros for joints that it does not have."""
    placed = np.zeros((*joints.shape[:-2], len(JOINTS49), joints.shape[-1]), np.float32)
    for joint, (_, name) in enumerate(order):
        if name is not None:
            placed[..., _PLACES[name], :] = joints[..., joint, :]
    return placed
