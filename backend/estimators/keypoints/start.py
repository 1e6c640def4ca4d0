# SPDX-License-Identifier: MIT
"""A first pose, frame by frame, from BlazePose's 3D landmarks: torso axes, limb directions, hinge planes."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from backend.body.keypoints import LANDMARK_NAMES
from backend.body.kinematics import GROUP_COUNT, Points, group_index
from vibe_blender.contract.skeleton import JOINT_NAMES

from .kinematics import Pose, posed

Array = NDArray[np.floating]

_CHAINS = (
    ("hip", "knee", "ankle"),
    ("shoulder", "elbow", "wrist"),
)


def _place(world: Array, name: str) -> Array:
    return world[:, LANDMARK_NAMES.index(name)]


def _unit(vectors: Array) -> Array:
    return vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-9)


def _frame(x: Array, y: Array) -> Array:
    """Rotation matrices (T, 3, 3) whose second column is y and whose first is as near x as can be."""
    y = _unit(y)
    x = _unit(x - np.sum(x * y, axis=-1, keepdims=True) * y)
    return np.stack([x, y, np.cross(x, y)], axis=-1)


def turned_to_ray(world: Array, ray: Array) -> Array:
    """Landmarks (T, 33, 3) turned from the crop's axes to the camera's, given the ray (T, 2) on z = 1 through the crop.

    BlazePose reads a crop as if the camera looked straight at it.
    """
    direction = _unit(np.concatenate([ray, np.ones((len(ray), 1))], axis=1))
    axis = np.cross(np.array([0.0, 0.0, 1.0]), direction)
    sine = np.linalg.norm(axis, axis=-1, keepdims=True)
    angle = np.arctan2(sine, direction[:, 2:])
    turn = Rotation.from_rotvec(np.where(sine > 1e-9, axis / np.maximum(sine, 1e-9), 0.0) * angle)
    return np.einsum("tij,tmj->tmi", turn.as_matrix(), world)


def first_pose(world: Array, image: Array, rest_joints: Array, landmarks: Points) -> Pose:
    """A pose near the truth for the fit to start from.

    Args:
        world: (T, 33, 3) metres, camera axes.
        image: (T, 33, 2) landmarks on the plane z = 1.
        rest_joints: (24, 3) metres, body frame.
        landmarks: the 33 landmarks on the body.
    """
    count = len(world)
    rotations = np.tile(np.eye(3), (count, GROUP_COUNT, 1, 1))
    hips = (_place(world, "left_hip") + _place(world, "right_hip")) / 2
    chest = (_place(world, "left_shoulder") + _place(world, "right_shoulder")) / 2
    pelvis = _frame(_place(world, "left_hip") - _place(world, "right_hip"), chest - hips)
    shoulders = _frame(_place(world, "left_shoulder") - _place(world, "right_shoulder"), chest - hips)
    rotations[:, group_index("pelvis")] = pelvis
    bend = Rotation.from_matrix(pelvis.transpose(0, 2, 1) @ shoulders).as_rotvec() / 3
    spine = Rotation.from_rotvec(bend).as_matrix()
    rotations[:, group_index("spine1")] = spine
    chest_turn = pelvis @ spine @ spine @ spine
    for side in ("left", "right"):
        for base, chain in ((pelvis, _CHAINS[0]), (chest_turn, _CHAINS[1])):
            upper, lower = _limb(world, side, chain, base, rest_joints)
            rotations[:, group_index(f"{side}_{chain[0]}")] = upper
            rotations[:, group_index(f"{side}_{chain[1]}")] = lower
    pose = Pose(np.zeros((count, 3)), rotations)
    return Pose(_root(pose, image, rest_joints, landmarks), rotations)


def _limb(world: Array, side: str, chain: tuple[str, str, str], base: Array, rest_joints: Array) -> tuple[Array, Array]:
    """Rotations of the upper joint (to its parent, oriented as ``base``) and of the hinge below it, each (T, 3, 3)."""
    names = [f"{side}_{part}" for part in chain]
    a, b, c = (_place(world, name) for name in names)
    joints = [JOINT_NAMES.index(name) for name in names]
    rest = [_unit(rest_joints[joints[i + 1]] - rest_joints[joints[i]]) for i in range(2)]
    upper, lower = _unit(b - a), _unit(c - b)
    rest_hinge = np.array([1.0, 0.0, 0.0] if chain[0] == "hip" else [0.0, -1.0 if side == "left" else 1.0, 0.0])
    local_upper = np.einsum("tji,tj->ti", base, upper)
    local_lower = np.einsum("tji,tj->ti", base, lower)
    swing = _swing(rest[0], local_upper)
    # The hinge follows the swing where the limb is straight, and the plane of the limb where it is bent.
    by_swing = np.einsum("tij,j->ti", swing, rest_hinge)
    plane = np.cross(local_upper, local_lower)
    facing = np.sum(plane * by_swing, axis=-1, keepdims=True)
    hinge = by_swing * 0.2 + np.where(facing > 0, plane, 0.0)
    target = _frame(hinge, local_upper)
    turned = target @ _frame(rest_hinge[None], rest[0][None]).transpose(0, 2, 1)
    bent = np.einsum("tji,tj->ti", turned, local_lower)
    angle = np.arccos(np.clip(np.sum(bent * rest[1], axis=-1), -1, 1))
    return turned, Rotation.from_rotvec(angle[:, None] * rest_hinge).as_matrix()


def _swing(rest: Array, wanted: Array) -> Array:
    """The smallest rotations (T, 3, 3) that take a direction (3,) to directions (T, 3)."""
    axis = np.cross(rest, wanted)
    sine = np.linalg.norm(axis, axis=-1, keepdims=True)
    angle = np.arctan2(sine, (wanted @ rest)[:, None])
    return Rotation.from_rotvec(axis / np.maximum(sine, 1e-9) * angle).as_matrix()


def _root(pose: Pose, image: Array, rest_joints: Array, landmarks: Points) -> Array:
    """The pelvis (T, 3) that best explains the image: linear least squares in the translation t of
    (x + t_x) = u (z + t_z), (y + t_y) = v (z + t_z).
    """
    places = posed(pose, rest_joints).points(landmarks)
    count, total = image.shape[:2]
    rows = np.zeros((count, total, 2, 3))
    rows[..., 0, 0] = rows[..., 1, 1] = 1.0
    rows[..., 2] = -image
    rows = rows.reshape(count, -1, 3)
    right = (image * places[..., 2:] - places[..., :2]).reshape(count, -1)
    normal = rows.transpose(0, 2, 1) @ rows + 1e-9 * np.eye(3)
    root = np.linalg.solve(normal, np.einsum("tri,tr->ti", rows, right)[..., None])[..., 0]
    root[:, 2] = np.clip(root[:, 2], 0.3, 1e3)
    return root


def leg_and_torso(world: Array) -> Array:
    """Length (T,) metres of thigh, shank and torso, the mean of both sides: BlazePose's word on a person's size."""
    length = np.zeros(len(world))
    for side in ("left", "right"):
        chain = [_place(world, f"{side}_{part}") for part in ("ankle", "knee", "hip", "shoulder")]
        length += sum(np.linalg.norm(b - a, axis=-1) for a, b in pairwise(chain)) / 2
    return length
