# SPDX-License-Identifier: MIT
"""Pose-corrective shapes: what linear blend skinning loses at bent and twisted joints, learned from a better bend.

For poses that turn one joint alone every vertex has a known better place: it turns about the joint by its own share of
the joint's rotation, which keeps its distance from the joint (linear blending draws it inwards: the collapsed elbow,
the candy-wrapper wrist), and where two limbs press on each other both stop at the plane between them. SMPL's offsets
are linear in R - I, so the best offsets are a least-squares problem per vertex and joint.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.spatial.transform import Rotation

from vibe_blender.contract.quaternions import Array
from vibe_blender.contract.skeleton import JOINT_COUNT, JOINT_NAMES, PARENTS, REST_JOINTS

from .surface import averaging, mirror_map
from .weights import MIRRORED_JOINT

_MIRROR_SIGNS = np.array([-1.0, 1.0, 1.0])
_FEATURE_SIGNS = np.outer(_MIRROR_SIGNS, _MIRROR_SIGNS).ravel()
_SMOOTHING_ROUNDS = 3
_RIDGE = 0.003
"""Keeps offsets small for rotations no sample asks about; in units of a squared feature."""
_SMALLEST = 2e-4
"""Metres per unit of R - I; smaller offsets are dropped, so that the file packs well."""
_SOFTNESS = 0.006
"""Metres over which a limb that meets another comes to rest."""


@dataclass(frozen=True, slots=True)
class _Range:
    """How far a joint goes.

    Attributes:
        low: (3,) degrees about x, y, z, the lower end.
        high: (3,) degrees, the upper end.
        limb: direction from the joint along its own limb at rest, where limbs can press on each other.
        reach: metres from the joint within which they do.
        twist: metres along the limb, from the joint, over which the skin takes up a turn about the limb; a forearm
            turns with the hand from the elbow on, however little of it follows the hand when the wrist bends.
            A negative start lies on the parent's side.
    """

    low: tuple[float, float, float]
    high: tuple[float, float, float]
    limb: tuple[float, float, float] | None = None
    reach: float = 0.0
    twist: tuple[float, float] | None = None


_RANGES = {
    "left_hip": _Range((-125, -45, -25), (35, 45, 65), (0, -1, 0), 0.16, (0.0, 0.30)),
    "left_knee": _Range((-10, -30, -15), (145, 30, 15), (0, -1, 0), 0.16),
    "left_ankle": _Range((-35, -30, -25), (50, 30, 25)),
    "left_foot": _Range((-60, -10, -10), (30, 10, 10)),
    "left_collar": _Range((-20, -30, -15), (20, 25, 40)),
    "left_shoulder": _Range((-80, -110, -85), (80, 45, 105), (1, 0, 0), 0.11, (0.0, 0.19)),
    "left_elbow": _Range((-90, -145, -25), (90, 10, 25), (1, 0, 0), 0.11),
    "left_wrist": _Range((-90, -35, -80), (90, 35, 80), (1, 0, 0), 0.0, (-0.14, 0.02)),
    "left_hand": _Range((-15, -15, -80), (15, 15, 40)),
    "spine1": _Range((-30, -40, -30), (45, 40, 30)),
    "spine2": _Range((-25, -35, -25), (40, 35, 25)),
    "spine3": _Range((-25, -35, -25), (35, 35, 25)),
    "neck": _Range((-40, -60, -35), (40, 60, 35)),
    "head": _Range((-40, -60, -35), (40, 60, 35)),
}
"""For left and middle joints; the right ones mirror the left."""


def pose_directions(vertices: Array, quads: np.ndarray, weights: Array) -> Array:
    """Metres (V, 3, 207), rest pose, per entry of R - I of joints 1 to 23 (Loper et al. 2015, equation 9).

    Args:
        vertices: (V, 3) metres, body frame, mirror-symmetric.
        quads: (Q, 4) vertex indices.
        weights: (V, 24) skin weights.
    """
    image = mirror_map(vertices)
    mean = averaging(quads, len(vertices))
    result = np.zeros((len(vertices), 3, JOINT_COUNT, 9))
    for joint, name in enumerate(JOINT_NAMES):
        if name not in _RANGES:
            continue
        found = _fit_joint(joint, vertices, _share(joint, weights), mean)
        flipped = found[image] * _MIRROR_SIGNS[:, None] * _FEATURE_SIGNS
        if MIRRORED_JOINT[joint] == joint:
            result[:, :, joint] = (found + flipped) / 2
        else:
            result[:, :, joint], result[:, :, MIRRORED_JOINT[joint]] = found, flipped
    result[np.abs(result) < _SMALLEST] = 0.0
    return result[:, :, 1:].reshape(len(vertices), 3, -1)


def _share(joint: int, weights: Array) -> Array:
    """The share (V,) of each vertex that follows a joint: its own weight and those of all joints below it."""
    below = {joint}
    for child in range(joint + 1, JOINT_COUNT):
        if PARENTS[child] in below:
            below.add(child)
    return weights[:, sorted(below)].sum(axis=1)


def _samples(limits: _Range) -> Array:
    """Rotation matrices (S, 3, 3): steps along each axis, and mixtures of two axes."""
    ends = np.array([limits.low, limits.high])
    single = [ends[side, axis] * step * np.eye(3)[axis]
              for axis in range(3) for side in range(2) for step in (0.25, 0.5, 0.75, 0.9, 1.0)]  # fmt: skip
    mixed = [0.6 * (ends[i, a] * np.eye(3)[a] + ends[j, b] * np.eye(3)[b])
             for a in range(3) for b in range(a) for i in range(2) for j in range(2)]  # fmt: skip
    return Rotation.from_rotvec(np.radians([*single, *mixed])).as_matrix()


def _fit_joint(joint: int, vertices: Array, share: Array, mean: object) -> Array:
    """Offsets (V, 3, 9) that bring blended vertices closest to their better places over all samples of one joint."""
    limits = _RANGES[JOINT_NAMES[joint]]
    rotations = _samples(limits)
    local = vertices - REST_JOINTS[joint]
    normal = np.zeros((len(vertices), 27, 27))
    right = np.zeros((len(vertices), 27))
    active = np.zeros(len(vertices), bool)
    wanted = []
    for rotation in rotations:
        blended = local + share[:, None] * (local @ rotation.T - local)
        change = _better_place(local, share, rotation, limits, joint) - blended
        for _ in range(_SMOOTHING_ROUNDS):
            change = 0.5 * change + 0.5 * (mean @ change)
        wanted.append(change)
        active |= np.linalg.norm(change, axis=1) > _SMALLEST
    rows = np.flatnonzero(active)
    normal, right = np.zeros((len(rows), 3, 9, 3, 9)), np.zeros((len(rows), 3, 9))
    for rotation, change in zip(rotations, wanted, strict=True):
        feature = (rotation - np.eye(3)).ravel()
        blend = np.eye(3) + share[rows, None, None] * (rotation - np.eye(3))
        gram = np.einsum("nab,nac->nbc", blend, blend)
        normal += np.einsum("nbc,f,g->nbfcg", gram, feature, feature, optimize=True)
        right += np.einsum("nab,na,f->nbf", blend, change[rows], feature, optimize=True)
    system = normal.reshape(len(rows), 27, 27) + _RIDGE * len(rotations) * np.eye(27)
    result = np.zeros((len(vertices), 3, 9))
    result[rows] = np.linalg.solve(system, right.reshape(len(rows), 27, 1)).reshape(-1, 3, 9)
    return result


def _better_place(local: Array, share: Array, rotation: Array, limits: _Range, joint: int) -> Array:
    """Places (V, 3) relative to the joint, of vertices that turn about it by their share of the rotation."""
    if limits.limb is None:
        return _turned(local, share, Rotation.from_matrix(rotation))
    along = np.array(limits.limb)
    twist = _twist(rotation, along)
    swing = Rotation.from_matrix(rotation) * twist.inv()
    twist_share = share
    if limits.twist is not None:
        low, high = limits.twist
        ramp = _smooth(np.clip((local @ along - low) / (high - low), 0.0, 1.0))
        twist_share = ramp if low < 0 else ramp * share
    twisted = _turned(local, twist_share, twist)
    turned = _turned(twisted, share, swing)
    return turned + _contact(local, turned, share, rotation, limits, REST_JOINTS[joint, 0]) if limits.reach else turned


def _turned(local: Array, share: Array, rotation: Rotation) -> Array:
    return Rotation.from_rotvec(share[:, None] * rotation.as_rotvec()).apply(local)


def _twist(rotation: Array, along: Array) -> Rotation:
    """The part of a rotation about the limb's own axis at rest, so that rotation = swing * twist."""
    x, y, z, w = Rotation.from_matrix(rotation).as_quat()
    part = np.array([x, y, z]) @ along
    return Rotation.from_quat([*(part * along), w] if abs(part) + abs(w) > 1e-9 else [0.0, 0.0, 0.0, 1.0])


def _contact(local: Array, turned: Array, share: Array, rotation: Array, limits: _Range, joint_x: float) -> Array:
    """Displacements (V, 3) that stop both sides of a bend at the plane halfway between them."""
    along = np.array(limits.limb)
    crease = -along - rotation @ along
    crease /= max(float(np.linalg.norm(crease)), 1e-9)
    at_rest = -local @ along
    upper = share < 0.5
    side = np.where(upper, 1.0, -1.0)
    allowed = np.where(upper, np.minimum(at_rest, 0), np.maximum(at_rest, 0))
    depth = side * (allowed - turned @ crease)
    depth = _SOFTNESS * np.logaddexp(0.0, depth / _SOFTNESS) * (depth > -3 * _SOFTNESS)
    near = np.clip(2.0 - np.linalg.norm(local, axis=1) / limits.reach, 0.0, 1.0)
    # Flesh of the other half of the body belongs to the joint over there.
    own_half = np.clip((local[:, 0] + joint_x + 0.02) / 0.08, 0.0, 1.0)
    return (side * depth * _smooth(near) * _smooth(own_half))[:, None] * crease


def _smooth(t: Array) -> Array:
    return t * t * (3 - 2 * t)
