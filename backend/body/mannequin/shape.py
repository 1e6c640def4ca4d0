# SPDX-License-Identifier: MIT
"""The ten shape components: how joints and skin move per unit of each, with plain meanings."""

from __future__ import annotations

import numpy as np
from scipy import sparse

from vibe_blender.contract.quaternions import Array
from vibe_blender.contract.skeleton import JOINT_COUNT, JOINT_NAMES, REST_JOINTS

COMPONENTS = (
    "stature", "weight", "leg_length", "arm_length", "shoulder_width", "hip_width", "torso_length", "head_size",
    "muscularity", "belly",
)  # fmt: skip
"""In the order of ``betas``; +1 is about one standard deviation among adults."""

STATURE_M = 0.07
LEG_M = 0.03
ARM_M = 0.025
SHOULDER_M = 0.015
HIP_JOINT_M = 0.007
HIP_FLESH_M = 0.012
TORSO_M = 0.025
HEAD_SCALE = 0.04
_HEIGHT = 1.72
_PUSH_SMOOTHING_ROUNDS = 12

_J = {name: REST_JOINTS[index] for index, name in enumerate(JOINT_NAMES)}


def joint_directions() -> Array:
    """Metres (24, 3, 10), body frame, that each joint moves per unit of each component; the skin obeys it."""
    return np.stack([_skeletal(index, REST_JOINTS) for index in range(len(COMPONENTS))], axis=2)


def flesh_directions(vertices: Array, normals: Array) -> Array:
    """Metres (V, 3, 10), body frame, that the flesh alone moves per unit of each component, along normals (V, 3)."""
    return np.stack([_flesh(name, vertices)[:, None] * normals for name in COMPONENTS], axis=2)


def shape_directions(vertices: Array, flesh: Array, regressor: Array, mean: sparse.csr_matrix) -> Array:
    """Metres (V, 3, 10), body frame, that the skin moves per unit of each component.

    The skin follows the skeleton's own displacement field plus the flesh. What little the regressed joints then miss of
    ``joint_directions`` is taken out by a smooth push around each joint, so that
    ``regressor @ shape_directions == joint_directions``.

    Args:
        vertices: (V, 3) metres, body frame.
        flesh: (V, 3, 10) from ``flesh_directions``.
        regressor: (24, V) joint regressor.
        mean: (V, V) matrix that replaces every vertex by the mean of its neighbours.
    """
    result = np.stack([_skeletal(index, vertices) for index in range(len(COMPONENTS))], axis=2) + flesh
    missing = joint_directions() - np.einsum("jv,vck->jck", regressor, result)
    push = regressor.T
    for _ in range(_PUSH_SMOOTHING_ROUNDS):
        push = mean @ push
    push /= push.max(axis=0)
    strength = np.linalg.solve(regressor @ push, missing.reshape(JOINT_COUNT, -1)).reshape(missing.shape)
    return result + np.einsum("vj,jck->vck", push, strength)


def _ramp(value: Array, low: float, high: float) -> Array:
    """0 below ``low``, 1 above ``high``, linear between."""
    return np.clip((value - low) / (high - low), 0.0, 1.0)


def _step(value: Array, low: float, high: float) -> Array:
    """0 below ``low``, 1 above ``high``, smoothstep between."""
    t = _ramp(value, low, high)
    return t * t * (3 - 2 * t)


def _skeletal(component: int, points: Array) -> Array:
    """Displacement (N, 3) of points (N, 3), body frame, by the skeletal part of one component."""
    x, y, z = points.T
    side, across = np.sign(x), np.abs(x)
    zero = np.zeros_like(x)
    arm = _step(across, 0.03, 0.16) * _step(y, -0.06, 0.14)
    legs = _step(-y, 0.16, 0.30)
    match COMPONENTS[component]:
        case "stature":
            return (points - _J["pelvis"]) * (STATURE_M / _HEIGHT)
        case "leg_length":
            hip, ankle = _J["left_hip"][1], _J["left_ankle"][1]
            return np.stack([zero, -LEG_M * _ramp(-y, -hip, -ankle), zero], axis=1)
        case "arm_length":
            shoulder, wrist = _J["left_shoulder"][0], _J["left_wrist"][0]
            return np.stack([side * ARM_M * _ramp(across, shoulder, wrist), zero, zero], axis=1)
        case "shoulder_width":
            return np.stack([side * SHOULDER_M * arm, zero, zero], axis=1)
        case "hip_width":
            return np.stack([side * HIP_JOINT_M * legs * _step(across, 0.0, 0.07), zero, zero], axis=1)
        case "torso_length":
            return np.stack([zero, TORSO_M * _ramp(y, _J["pelvis"][1], _J["neck"][1]), zero], axis=1)
        case "head_size":
            head = _J["head"]
            inside = _step(y - 0.338 + 0.5 * (z - 0.005), -0.03, 0.03)
            return (points - head) * (HEAD_SCALE * inside)[:, None]
        case _:
            return np.zeros_like(points)


def _flesh(name: str, points: Array) -> Array:
    """Metres (N,) along the outward normal by the soft part of one component."""
    x, y, z = points.T
    across = np.abs(x)
    trunk = _step(-across, -0.20, -0.14)
    belly = np.exp(-(((y + 0.09) / 0.11) ** 2) - (x / 0.13) ** 2) * _step(z, -0.02, 0.08)
    hips = np.exp(-(((y + 0.27) / 0.10) ** 2))
    thigh = np.exp(-(((y + 0.46) / 0.14) ** 2))
    calf = np.exp(-(((y + 0.86) / 0.09) ** 2))
    upper_arm = np.exp(-(((across - 0.30) / 0.09) ** 2)) * _step(y, 0.10, 0.15)
    forearm = np.exp(-(((across - 0.53) / 0.07) ** 2)) * _step(y, 0.10, 0.15)
    chest = np.exp(-(((y - 0.10) / 0.09) ** 2)) * trunk
    match name:
        case "weight":
            waist = np.exp(-(((y + 0.08) / 0.13) ** 2)) * trunk
            soft = 0.014 * waist + 0.010 * hips + 0.009 * thigh + 0.004 * calf + 0.006 * upper_arm + 0.003 * forearm
            neck = np.exp(-(((y - 0.30) / 0.05) ** 2)) * trunk
            return soft + 0.006 * chest + 0.004 * neck + 0.008 * belly
        case "hip_width":
            return (HIP_FLESH_M - HIP_JOINT_M) * hips * _step(across, 0.06, 0.17)
        case "muscularity":
            shoulder = np.exp(-(((across - 0.20) / 0.06) ** 2)) * _step(y, 0.13, 0.20)
            front = np.exp(-(((y - 0.11) / 0.06) ** 2)) * _step(z, 0.0, 0.06) * trunk
            back = np.exp(-(((y - 0.14) / 0.09) ** 2)) * _step(-z, 0.02, 0.08) * trunk
            limbs = 0.006 * upper_arm + 0.004 * forearm + 0.006 * thigh + 0.005 * calf
            return limbs + 0.007 * shoulder + 0.008 * front + 0.006 * back
        case "belly":
            return 0.034 * belly
        case _:
            return np.zeros_like(x)
