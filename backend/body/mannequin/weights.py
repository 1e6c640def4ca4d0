# SPDX-License-Identifier: MIT
"""How much each vertex follows each joint, and which vertices tell where a joint is."""

from __future__ import annotations

import numpy as np
from scipy.optimize import nnls

from vibe_blender.contract.quaternions import Array
from vibe_blender.contract.skeleton import JOINT_COUNT, JOINT_NAMES, PARENTS, REST_JOINTS

from .surface import averaging, mirror_map

_INFLUENCES = 4
"""Game engines read four bones per vertex."""
_SMOOTHING_ROUNDS = 4
MIRRORED_JOINT = np.array(
    [
        JOINT_NAMES.index(name.replace("left", "right") if "left" in name else name.replace("right", "left"))
        for name in JOINT_NAMES
    ]
)


def skin_weights(vertices: Array, quads: np.ndarray) -> Array:
    """Linear blend skinning weights (V, 24): at most four per vertex, each row summing to 1, mirror-symmetric.

    Down the tree every joint takes its share of what its parent holds, so rows sum to 1 by construction; the share
    grows smoothly from 0 to 1 across a zone around the joint.
    """
    image = mirror_map(vertices)
    weights = np.zeros((len(vertices), JOINT_COUNT))
    weights[:, 0] = 1.0
    for joint in range(1, JOINT_COUNT):
        name = JOINT_NAMES[joint]
        share = _share(name.replace("right", "left"), vertices * ([-1, 1, 1] if "right" in name else [1, 1, 1]))
        taken = share * weights[:, PARENTS[joint]]
        weights[:, joint] += taken
        weights[:, PARENTS[joint]] -= taken
    mean = averaging(quads, len(vertices))
    for _ in range(_SMOOTHING_ROUNDS):
        weights = 0.5 * weights + 0.5 * (mean @ weights)
    weights = _strongest(weights)
    return _strongest((weights + weights[image][:, MIRRORED_JOINT]) / 2)


def _strongest(weights: Array) -> Array:
    """Rows cut to their strongest influences; those under one per cent are dropped."""
    cut = np.sort(weights, axis=1)[:, -_INFLUENCES][:, None]
    kept = np.where((weights >= cut) & (weights > 0.01), weights, 0.0)
    return kept / kept.sum(axis=1, keepdims=True)


def _rise(value: Array, middle: Array | float, half_width: Array | float) -> Array:
    """0 below the zone, 1 above it, smooth in between (smoothstep)."""
    t = np.clip((value - middle) / (2 * half_width) + 0.5, 0.0, 1.0)
    return t * t * (3 - 2 * t)


def _share(name: str, points: Array) -> Array:
    """The part (V,) of its parent's weight that a middle or left joint takes at points (V, 3), metres, body frame."""
    x, y, z = points.T
    if name == "left_hip":
        # The crease runs from the crotch up and out to the front of the iliac crest.
        inner = np.clip(1 - x / 0.07, 0, 1)  # here the skin between the legs has to give
        crease = -0.400 + 0.85 * np.clip(x, 0, 0.2) - 0.10 * np.clip(-z, 0, 0.1) - 0.03 * inner
        seam = 0.022 - 0.018 * _rise(-y, 0.410, 0.025)  # wide at the crotch, none between the legs
        return _rise(-y, -crease, np.where(z < 0, 0.075, 0.060) + 0.03 * inner) * _rise(x, seam, seam)
    if name == "left_knee":
        return _rise(-y, 0.713, 0.065)
    if name == "left_ankle":
        return _rise(-y, 1.112 + 0.25 * np.clip(z + 0.025, -0.05, 0.05), 0.040)
    if name == "left_foot":
        return _rise(z, 0.092, 0.030) * _rise(-y, 1.10, 0.04)
    if name == "spine1":
        return _rise(y, -0.113, 0.060)
    if name == "spine2":
        return _rise(y, 0.005, 0.055)
    if name == "spine3":
        return _rise(y, 0.070, 0.055)
    if name == "neck":
        return _rise(y, 0.262 - 0.35 * (z + 0.02), 0.035) * _rise(-np.abs(x), -0.095, 0.03)
    if name == "head":
        return _rise(y, 0.338 - 0.50 * (z - 0.005), 0.028)
    if name == "left_collar":
        return _rise(x, 0.070, 0.055) * _rise(y, 0.135 - 1.5 * np.maximum(x - 0.11, 0), 0.070)
    if name == "left_shoulder":
        return _rise(x, 0.172 + 0.12 * (0.205 - y), 0.045)
    if name == "left_elbow":
        return _rise(x, 0.455, 0.050)
    if name == "left_wrist":
        return _rise(x, 0.710, 0.035)
    if name == "left_hand":
        thumb = _rise(z, 0.040, 0.012) * _rise(-x, -0.815, 0.015)
        return _rise(x, 0.802, 0.028) * (1 - thumb)
    raise ValueError(f"no skin zone for {name}")


def joint_regressor(vertices: Array, weights: Array, flesh: Array) -> Array:
    """Rows (24, V) of non-negative weights summing to 1 that place every joint exactly, from vertices around it.

    Args:
        vertices: (V, 3) metres, body frame.
        weights: (V, 24) skin weights.
        flesh: (V, 3, K) displacements that leave bones where they are: a belly must not pull the spine forward.
    """
    image = mirror_map(vertices)
    rows = np.zeros((JOINT_COUNT, len(vertices)))
    for joint, name in enumerate(JOINT_NAMES):
        if "right" in name:
            rows[joint] = rows[MIRRORED_JOINT[joint]][image]
            continue
        nearby = _around(joint, vertices, weights)
        row = np.zeros(len(vertices))
        row[nearby] = _convex_combination(vertices[nearby], REST_JOINTS[joint], flesh[nearby])
        rows[joint] = (row + row[image]) / 2 if "left" not in name else row
    return rows


def _around(joint: int, vertices: Array, weights: Array) -> np.ndarray:
    """Indices of the vertices close to a joint that move with it or its parent, nearest first."""
    own = weights[:, joint] + weights[:, max(PARENTS[joint], 0)]
    offset = np.linalg.norm(vertices - REST_JOINTS[joint], axis=1)
    if "left" in JOINT_NAMES[joint]:
        offset = np.where(vertices[:, 0] > 0.002, offset, np.inf)
    return np.argsort(np.where(own > 0.5, offset, offset + 1.0), kind="stable")[:400]


def _convex_combination(points: Array, target: Array, flesh: Array) -> Array:
    """Non-negative weights (N,) summing to 1 whose mean of points (N, 3) is the target, spread over the near ones.

    The mean of the displacements ``flesh`` (N, 3, K) is brought close to zero.
    """
    spread = np.linalg.norm(points - target, axis=1)
    penalty = np.diag(1e-3 * (spread / spread.min()) ** 2)
    place = np.concatenate([points - target, np.full((len(points), 1), 0.1)], axis=1).T
    rows = np.concatenate([100 * place, 10 * flesh.reshape(len(points), -1).T, penalty])
    wanted = np.zeros(len(rows))
    wanted[3] = 100 * 0.1
    solution = nnls(rows, wanted)[0]
    active = solution > 1e-6
    exact = np.concatenate([(points - target)[active], np.ones((active.sum(), 1))], axis=1).T
    error = np.array([0.0, 0.0, 0.0, 1.0]) - exact @ solution[active]
    solution[active] += np.linalg.pinv(exact) @ error
    solution[~active] = 0.0
    return solution
