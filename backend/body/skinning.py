# SPDX-License-Identifier: MIT
"""The posed skin of a body model: pose-corrective shapes, then linear blend skinning."""

from __future__ import annotations

import numpy as np

from vibe_blender.contract.quaternions import Array, to_matrices
from vibe_blender.contract.skeleton import forward_kinematics

from .model import BodyModel


def posed_vertices(body: BodyModel, betas: Array, rotations: Array, root: Array) -> Array:
    """Skin vertices (T, V, 3), metres, in the frame of ``root`` (Loper et al. 2015, equations 1 to 12).

    Args:
        body: the model.
        betas: (10,) shape, or (T, 10).
        rotations: (T, 24, 4) unit quaternions, joint to parent, the root's to the frame of ``root``.
        root: (T, 3) metres, position of the pelvis.
    """
    rest_joints = body.rest_joints(betas)
    positions, orientations = forward_kinematics(rest_joints, rotations, root)
    turns = to_matrices(orientations)
    corrected = body.rest_vertices(betas) + pose_offsets(body, rotations)
    moves = positions - np.einsum("tjab,tjb->tja", turns, np.broadcast_to(rest_joints, positions.shape))
    blended = np.einsum("vj,tjab->tvab", body.skin_weights, turns)
    return np.einsum("tvab,tvb->tva", blended, corrected) + np.einsum("vj,tja->tva", body.skin_weights, moves)


def pose_offsets(body: BodyModel, rotations: Array) -> Array:
    """Metres (T, V, 3), rest pose: the pose-corrective shapes, linear in R - I of joints 1 to 23 (equation 9)."""
    features = to_matrices(rotations[:, 1:]) - np.eye(3)
    flat = features.reshape(len(features), -1)
    return np.tensordot(flat, body.pose_directions, axes=(1, 2))
