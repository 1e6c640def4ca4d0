# SPDX-License-Identifier: GPL-3.0-or-later OR MIT
"""From the joints of a take to real bones: pose rotations, root location and correctives in the bones' own axes."""

from __future__ import annotations

import numpy as np

from ..contract.quaternions import Array, conjugate, multiply, rotate, to_matrices

UPRIGHT = np.array([np.sqrt(0.5), np.sqrt(0.5), 0.0, 0.0])
"""Quaternion that stands the body frame (y up, z out of the chest) up in the world: z up, facing -y."""


def upright(points: Array) -> Array:
    """Points (..., 3) of the body frame stood up: z up, facing -y."""
    return np.asarray(points)[..., [0, 2, 1]] * (1.0, -1.0, 1.0)


def bone_rotations(rotations: Array, bones: Array) -> Array:
    """The take's rotations as pose rotations of bones.

    SMPL joints rest with the body frame's axes, bones with their own, so a pose rotation is the joint's seen from the
    bone: ``c^-1 R c`` with ``c`` the bone's axes in the body frame. The root also undoes the standing up, because its
    rotation maps the body frame to the world and the armature already rests upright.

    Args:
        rotations: (T, 24, 4) unit quaternions, joint to parent, the root's to the world.
        bones: (24, 4) unit quaternions, bone axes to the armature, at rest.

    Returns:
        (T, 24, 4) unit quaternions in each bone's own rest axes: Blender's ``rotation_quaternion``.
    """
    left, right = axis_changes(bones)
    return multiply(multiply(left, rotations), right)


def axis_changes(bones: Array) -> tuple[Array, Array]:
    """What to multiply a take's rotations with from the left and from the right, each (24, 4) unit quaternions.

    Args:
        bones: (24, 4) unit quaternions, bone axes to the armature, at rest.
    """
    in_body = multiply(conjugate(UPRIGHT), bones)
    left = conjugate(in_body)
    left[0] = conjugate(bones[0])
    return left, in_body


def bone_location(root: Array, head: Array, bone: Array) -> Array:
    """Pose location (T, 3) of the root bone that puts its head at ``root``.

    Args:
        root: (T, 3) metres, world.
        head: (3,) metres, where the bone's head rests in the armature, which stands at the world's origin.
        bone: (4,) unit quaternion, bone axes to the armature, at rest.
    """
    return rotate(conjugate(bone), np.asarray(root) - np.asarray(head))


def bone_correctives(directions: Array, bone: Array) -> Array:
    """One joint's pose correctives, made to follow its bone's own pose rotation.

    SMPL weighs its correctives with ``R - I`` of joints 1..23 (Loper et al. 2015, equation 9). With ``R = c B c^T``
    and ``B`` the pose rotation's matrix, ``R - I = c (B - I) c^T`` is linear in ``B - I``, so the change of axes goes
    into the directions.

    Args:
        directions: (V, 3, 9) metres, body frame, for the row-major elements of ``R - I``.
        bone: (4,) unit quaternion, bone axes to the armature, at rest.

    Returns:
        (V, 3, 3, 3) metres, body frame, for the elements of ``B - I``.
    """
    axes = to_matrices(multiply(conjugate(UPRIGHT), bone))
    # Element (a, b) of R - I takes c[a, m] c[b, n] of element (m, n): one matrix product for all vertices.
    changed = np.reshape(directions, (-1, 9)) @ np.kron(axes, axes)
    return changed.reshape(*np.shape(directions)[:2], 3, 3)
