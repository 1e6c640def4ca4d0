# SPDX-License-Identifier: MIT
"""People in their clothes, moving: the mannequin's skin and joints through the frames of a scene."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from backend.body.model import BodyModel
from vibe_blender.contract.quaternions import Array, from_axis_angles, multiply, rotate, to_matrices
from vibe_blender.contract.skeleton import JOINT_NAMES, forward_kinematics

from .looks import Look
from .motions import Motion

CONTACT_M, CONTACT_M_PER_S = 0.03, 0.45
"""A foot is on the floor while any point of its sole is lower and slower: the rule of our own test clips."""
_SOLE_M = 0.012
_FLOOR_PERCENTILE = 5
_HIP, _ANKLE, _HEAD = (JOINT_NAMES.index(name) for name in ("left_hip", "left_ankle", "head"))


@dataclass(frozen=True)
class Dressed:
    """A body in its clothes, at rest, single precision.

    Attributes:
        model: the mannequin.
        vertices: (V, 3) metres, body frame, with clothes.
        joints: (24, 3) metres, body frame.
        betas: (10,).
        materials: (Q,) index into the model's material names for every quad.
        correctives: (207, V * 3) metres, pose correctives.
        weights: (V, 24) skinning weights.
    """

    model: BodyModel
    vertices: Array
    joints: Array
    betas: Array
    materials: NDArray[np.int64]
    correctives: Array
    weights: Array


def dress(model: BodyModel, correctives: Array, look: Look) -> Dressed:
    """A body in its clothes.

    Args:
        model: the mannequin.
        correctives: (207, V * 3) single precision, of the model.
        look: what it looks like.
    """
    betas = np.array(look.betas)
    materials = _worn(model, look)
    rest = model.rest_vertices(betas)
    rest = rest + _offsets(model, rest, materials, look)[:, None] * _normals(rest, model.quads)
    return Dressed(
        model, rest.astype(np.float32), model.rest_joints(betas), betas, materials, correctives,
        model.skin_weights.astype(np.float32),
    )  # fmt: skip


def _worn(model: BodyModel, look: Look) -> NDArray[np.int64]:
    """(Q,) materials, with sleeves, trousers and shirt as long as they are."""
    named = {name: number for number, name in enumerate(model.material_names)}
    worn = model.materials.copy()
    x, y, _ = model.template[model.quads].mean(axis=1).T
    across = np.abs(x)
    arm = (across > 0.185) & (y > 0.12) & (y < 0.27)
    worn[arm] = np.where(across[arm] < look.sleeve_m, named["shirt"], named["skin"])
    below = worn == named["trousers"]
    worn[below & (y < look.legs_m)] = named["skin"]
    worn[below & (y > look.hem_m)] = named["shirt"]
    if not look.loose_m["hair"]:
        worn[(worn == named["hair"]) & (y > 0.445)] = named["skin"]
    return worn


def _offsets(model: BodyModel, rest: Array, worn: NDArray[np.int64], look: Look) -> Array:
    """(V,) metres: how far clothes and hair stand off the skin, unevenly."""
    amounts = np.array([look.loose_m.get(name, 0.0) for name in model.material_names])[worn]
    total, count = np.zeros(len(rest)), np.zeros(len(rest))
    np.add.at(total, model.quads, amounts[:, None].repeat(4, axis=1))
    np.add.at(count, model.quads, 1.0)
    x, y, z = rest.T
    folds = look.folds
    waves = sum(
        np.sin((9 + 5 * k) * (x * np.cos(folds[k]) + z * np.sin(folds[k])) + (14 + 6 * k) * y + folds[k + 6])
        for k in range(6)
    )
    return total / count * (1.0 + 0.16 * waves)


def _normals(vertices: Array, quads: NDArray[np.int64]) -> Array:
    """(V, 3) unit vectors out of the skin."""
    corners = vertices[quads]
    across = np.cross(corners[:, 2] - corners[:, 0], corners[:, 3] - corners[:, 1])
    normals = np.zeros_like(vertices)
    np.add.at(normals, quads, across[:, None, :].repeat(4, axis=1))
    return normals / np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-12)


@dataclass(frozen=True)
class Walker:
    """A person through the T frames of a scene; the world has z up and the floor at z = 0.

    Attributes:
        dressed: who.
        rotations: (T, 24, 4) unit quaternions, joint to parent, the root's to the world; continuous in time.
        root: (T, 3) metres, world, of the pelvis.
    """

    dressed: Dressed
    rotations: Array
    root: Array

    def points(self) -> Array:
        """(T, 25, 3) metres, world: the 24 joints and the crown, as ``training.bodies`` has them."""
        positions, turns = forward_kinematics(self.dressed.joints, self.rotations, self.root)
        model = self.dressed.model
        up = np.array([0.0, model.template[:, 1].max() - model.joint_template[_HEAD, 1], 0.0])
        crown = positions[:, _HEAD] + rotate(turns[:, _HEAD], up)
        return np.concatenate([positions, crown[:, None]], axis=1)

    def skin(self, times: Array) -> Array:
        """(len(times), V, 3) float32 metres, world, at times in frames, which need not be whole."""
        rotations, root = _between(self.rotations, times), _between_places(self.root, times)
        who = self.dressed
        positions, orientations = forward_kinematics(who.joints, rotations, root)
        turns = to_matrices(orientations)
        moves = positions - np.einsum("tjab,jb->tja", turns, who.joints)
        maps = np.concatenate([turns.reshape(*turns.shape[:2], 9), moves], axis=2).astype(np.float32)
        features = (to_matrices(rotations[:, 1:]) - np.eye(3)).reshape(len(rotations), -1).astype(np.float32)
        skins = np.empty((len(rotations), *who.vertices.shape), np.float32)
        for number, (some, feature) in enumerate(zip(maps, features, strict=True)):
            corrected = who.vertices + (feature @ who.correctives).reshape(-1, 3)
            blended = who.weights @ some
            turned = np.einsum("vab,vb->va", blended[:, :9].reshape(-1, 3, 3), corrected)
            skins[number] = turned + blended[:, 9:]
        return skins


def walk(dressed: Dressed, motion: Motion, turn: float, place: Array) -> Walker:
    """Somebody who moves so, on the floor.

    The path is as long as the legs are, compared with those of the body that the motion is of, so that feet stay where
    they stand.

    Args:
        dressed: who.
        motion: how.
        turn: radians, about the world's up.
        place: (2,) metres, world x and y, of the middle of the path.
    """
    model = dressed.model
    scale = _leg(dressed.joints) / _leg(model.joint_template)
    about = from_axis_angles(np.array([0.0, 0.0, turn]))
    rotations = motion.rotations.copy()
    rotations[:, 0] = multiply(about, rotations[:, 0])
    root = rotate(about, motion.trans * scale)
    root[:, :2] += place - root[:, :2].mean(axis=0)
    standing = Walker(dressed, rotations, root)
    lowest = standing.skin(np.arange(len(root)))[..., 2].min(axis=1)
    root[:, 2] -= np.percentile(lowest, _FLOOR_PERCENTILE)
    return Walker(dressed, rotations, root)


def contacts(walker: Walker, skins: Array, fps: float) -> NDArray[np.float32]:
    """(T, 2) whether the left and the right foot are on the floor, 0 or 1.

    Args:
        walker: who.
        skins: (T, V, 3) metres, world.
        fps: frames per second.
    """
    model = walker.dressed.model
    x, y, _ = model.template.T
    found = []
    for side in (1, -1):
        sole = skins[:, (side * x > 0) & (y < y.min() + _SOLE_M)]
        speeds = np.linalg.norm(np.gradient(sole, axis=0), axis=2) * fps if len(sole) > 1 else np.zeros(sole.shape[:2])
        found.append(((sole[..., 2] < CONTACT_M) & (speeds < CONTACT_M_PER_S)).any(axis=1))
    return np.stack(found, axis=1).astype(np.float32)


def _leg(joints: Array) -> float:
    return float(joints[_HIP, 1] - joints[_ANKLE, 1])


def _between(rotations: Array, times: Array) -> Array:
    """Rotations at times in frames: neighbours are near each other, and so their mean, normalised, will do."""
    mixed = _between_places(rotations, times)
    return mixed / np.linalg.norm(mixed, axis=-1, keepdims=True)


def _between_places(values: Array, times: Array) -> Array:
    times = np.clip(times, 0, len(values) - 1)
    low = np.minimum(times.astype(int), max(0, len(values) - 2))
    share = (times - low).reshape(-1, *[1] * (values.ndim - 1))
    return (1 - share) * values[low] + share * values[np.minimum(low + 1, len(values) - 1)]
