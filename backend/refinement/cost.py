# SPDX-License-Identifier: MIT
"""What a change of an estimate costs: landmarks, the estimate's own word, hinges, shape, and unrest of the change.

After SMPLify (Bogo et al. 2016) and its temporal form in VIBE (Kocabas et al. 2020), as a sum of squares of

    image     landmark of the body, projected, against the landmark seen, in units of the crop's side, so that distance
              does not matter; by the square of its visibility, and robust (Cauchy weights)
    word      turns and path away from the estimate's own: it holds the depth that the picture does not tell
    hinges    knees and elbows that bend backwards
    shape     components away from the estimate's own
    unrest    second difference of the change over the true times: what the estimate has of motion stays as it is

each divided by its standard deviation. Where the published method has a mixture of Gaussians of poses, learned and
licensed with its file, stands the estimate's own pose: nothing of that file is here.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from backend.banded import BandedNormal, robust
from backend.body.kinematics import GROUP_COUNT, GROUP_JOINTS, UNKNOWNS, group_index, posed
from backend.body.marks import MarkedBody
from vibe_blender.contract.skeleton import JOINT_NAMES

Array = NDArray[np.floating]


@dataclass(frozen=True)
class Spread:
    """Standard deviations of the cost's terms, and where robustness sets in.

    Attributes:
        image: of a landmark's place, in crop sides.
        cutoff: in standard deviations of the image, where residuals begin to count less.
        turn_rad: of a joint's rotation from the estimate's.
        path_m: of the pelvis's place from the estimate's, across and along the camera's axis.
        depth_m: of a landmark behind the pelvis from where the estimate has it.
        shape: of each component from the estimate's, as if every frame were a witness of its own.
        hinge_rad: of a hinge that bends backwards.
        turn_unrest: of the second difference of turns, rad/s^2.
        path_unrest: of the second difference of the path's change, m/s^2, across and along the camera's axis.
    """

    image: float = 0.012
    cutoff: float = 2.0
    turn_rad: float = 0.3
    path_m: tuple[float, float] = (0.1, 0.2)
    depth_m: float = 0.05
    shape: float = 0.2
    hinge_rad: float = 0.1
    turn_unrest: float = 1.0
    path_unrest: tuple[float, float] = (0.3, 0.1)


_HINGES = (("left_knee", 0, 1.0), ("right_knee", 0, 1.0), ("left_elbow", 1, -1.0), ("right_elbow", 1, 1.0))
"""Joint, component of its rotation vector, and the sign of that component when it bends as it can."""
_FLEXES = [(JOINT_NAMES.index(name), group_index(name), axis, sign) for name, axis, sign in _HINGES]
_LEAST_DEPTH_M = 0.1


@dataclass(frozen=True)
class Stretch:
    """Some frames of an estimate, camera frame, and what was seen in them.

    Attributes:
        times: (T,) seconds, ascending.
        root: (T, 3) metres.
        rotations: (T, 24, 3, 3) joint to parent.
        image: (T, 33, 2) landmarks on the camera's plane z = 1: (pixel - principal point) / focal length.
        side: (T,) the crop's side in the same unit.
        weight: (T, 33) 0..1.
        depth: (T, 33) metres, how far behind the pelvis the estimate has the landmarks.
    """

    times: Array
    root: Array
    rotations: Array
    image: Array
    side: Array
    weight: Array
    depth: Array

    def window(self, frames: slice | Array) -> Stretch:
        """The same of some frames."""
        parts = (self.times, self.root, self.rotations, self.image, self.side, self.weight, self.depth)
        return Stretch(*(part[frames] for part in parts))


@dataclass(frozen=True)
class Change:
    """How a refined motion differs from the estimate's.

    Attributes:
        path: (T, 3) metres, of the pelvis.
        turns: (T, G, 3, 3) of each group's joints, from the right.
    """

    path: Array
    turns: Array

    @classmethod
    def none(cls, count: int) -> Change:
        """No change of so many frames."""
        return cls(np.zeros((count, 3)), np.tile(np.eye(3), (count, GROUP_COUNT, 1, 1)))

    def moved(self, step: Array) -> Change:
        """The change after a step (T, D) of all unknowns."""
        return Change(self.path + step[:, :3], self.turns @ _rotations(step[:, 3:].reshape(-1, GROUP_COUNT, 3)))

    def vectors(self) -> Array:
        """(T, G, 3) rotation vectors of the turns."""
        return _vectors(self.turns)

    def weighted(self, weight: Array) -> Change:
        """The change, (T,) of it: 0 nothing, 1 all."""
        return Change(self.path * weight[:, None], _rotations(self.vectors() * weight[:, None, None]))

    def of(self, stretch: Stretch) -> tuple[Array, Array]:
        """Root (T, 3) and rotations (T, 24, 3, 3) of the changed stretch."""
        rotations = stretch.rotations.copy()
        for group, joints in enumerate(GROUP_JOINTS):
            for joint in joints:
                rotations[:, joint] = rotations[:, joint] @ self.turns[:, group]
        return stretch.root + self.path, rotations


@dataclass
class Equations:
    """Normal equations of one stretch, with what couples it to the shape that all stretches share.

    Attributes:
        frames: of the change.
        border: (T, D, K) couples it with K numbers of the shape.
        corner: (K, K) of the shape alone.
        corner_gradient: (K,).
    """

    frames: BandedNormal
    border: Array
    corner: Array
    corner_gradient: Array


def landmark_costs(stretch: Stretch, change: Change, body: MarkedBody, betas: Array, spread: Spread) -> Array:
    """(T, 33) what each landmark's distance from where it was seen costs: the only witness, so the judge of a frame."""
    root, rotations = change.of(stretch)
    places = posed(root, rotations, body.rest_joints(betas)).points(body.landmarks(betas))
    projected = places[..., :2] / np.maximum(places[..., 2:], _LEAST_DEPTH_M)
    residual = (projected - stretch.image) / (spread.image * stretch.side[:, None, None])
    return robust(stretch.weight * np.sum(residual**2, axis=-1), spread.cutoff)[1]


def equations(
    stretch: Stretch, change: Change, body: MarkedBody, betas: Array, basis: Array, spread: Spread
) -> Equations:
    """The normal equations at a change and a shape.

    Args:
        stretch: of the estimate.
        change: of it.
        body: whose it is.
        betas: (10,).
        basis: (10, K) the directions in which they may change.
        spread: of the terms.
    """
    root, rotations = change.of(stretch)
    posed_body = posed(root, rotations, body.rest_joints(betas))
    landmarks = body.landmarks(betas)
    places = posed_body.points(landmarks)
    depth = np.maximum(places[..., 2], _LEAST_DEPTH_M)
    projected = places[..., :2] / depth[..., None]
    scale = np.sqrt(stretch.weight) / (spread.image * stretch.side[:, None])
    residual = (projected - stretch.image) * scale[..., None]
    weight, cost = robust(np.sum(residual**2, axis=-1), spread.cutoff)
    residual *= np.sqrt(weight)[..., None]
    factor = (scale * np.sqrt(weight) / depth)[..., None, None]

    behind = (places[..., 2] - root[:, 2:] - stretch.depth) / spread.depth_m

    def witnessed(jacobian: Array) -> Array:
        """What moves points (T, 33, 3, N) as rows (T, 99, N) of the residuals."""
        across = factor * (jacobian[:, :, :2] - projected[..., None] * jacobian[:, :, 2:])
        size = jacobian.shape[-1]
        along = jacobian[:, :, 2] / spread.depth_m
        return np.concatenate([across.reshape(len(across), 2 * across.shape[1], size), along], axis=1)

    rows = witnessed(posed_body.jacobian(landmarks, places))
    rows[:, -places.shape[1] :, :3] = 0.0  # the root takes all landmarks with it
    residuals = np.concatenate([residual.reshape(len(residual), -1), behind], axis=1)[:, None]
    frames = BandedNormal(
        [rows.transpose(0, 2, 1) @ rows], (residuals @ rows)[:, 0], float(np.sum(cost) + np.sum(behind**2))
    )
    frames.blocks += [np.zeros((max(len(rows) - k, 0), UNKNOWNS, UNKNOWNS)) for k in (1, 2)]
    _add_word_and_unrest(frames, change, stretch.times, spread)
    _add_hinges(frames, rotations, spread)
    by_shape = witnessed(
        posed_body.shape_jacobian(landmarks, body.joint_directions @ basis, body.offset_directions @ basis)
    )
    return Equations(
        frames,
        rows.transpose(0, 2, 1) @ by_shape,
        np.einsum("tri,trj->ij", by_shape, by_shape),
        np.einsum("tr,tri->i", residuals[:, 0], by_shape),
    )


def _add_word_and_unrest(frames: BandedNormal, change: Change, times: Array, spread: Spread) -> None:
    """Adds what holds the change small, and calm."""
    vectors = change.vectors()
    values = np.concatenate([change.path, vectors.reshape(len(vectors), -1)], axis=1)
    rows = np.zeros((len(values), UNKNOWNS, UNKNOWNS))
    rows[:, :3, :3] = np.eye(3)
    slopes = _vector_slopes(vectors)
    for group in range(GROUP_COUNT):
        block = slice(3 + 3 * group, 6 + 3 * group)
        rows[:, block, block] = slopes[:, group]
    across, along = spread.path_m
    word = np.array([across, across, along, *[spread.turn_rad] * (3 * GROUP_COUNT)])
    pulled = rows / word[:, None]
    frames.cost += float(np.sum((values / word) ** 2))
    frames.gradient += np.einsum("tr,tri->ti", values / word, pulled)
    frames.blocks[0] += pulled.transpose(0, 2, 1) @ pulled
    across, along = spread.path_unrest
    unrest = np.array([across, across, along, *[spread.turn_unrest] * (3 * GROUP_COUNT)])
    frames.add_second_differences(rows / unrest[:, None], values / unrest, times)


def _add_hinges(frames: BandedNormal, rotations: Array, spread: Spread) -> None:
    """Adds what keeps knees and elbows from bending backwards."""
    vectors = _vectors(rotations[:, [joint for joint, *_ in _FLEXES]])
    slopes = _vector_slopes(vectors) / spread.hinge_rad
    for number, (_, group, axis, sign) in enumerate(_FLEXES):
        beyond = np.minimum(sign * vectors[:, number, axis], 0.0) / spread.hinge_rad
        row = np.where(beyond[:, None] < 0, sign * slopes[:, number, axis], 0.0)
        block = slice(3 + 3 * group, 6 + 3 * group)
        frames.cost += float(np.sum(beyond**2))
        frames.gradient[:, block] += beyond[:, None] * row
        frames.blocks[0][:, block, block] += row[:, :, None] * row[:, None]


def _rotations(vectors: Array) -> Array:
    """Matrices (..., 3, 3) of rotation vectors (..., 3)."""
    return Rotation.from_rotvec(vectors.reshape(-1, 3)).as_matrix().reshape(*vectors.shape, 3)


def _vectors(rotations: Array) -> Array:
    """Rotation vectors (..., 3) of matrices (..., 3, 3)."""
    return Rotation.from_matrix(rotations.reshape(-1, 3, 3)).as_rotvec().reshape(rotations.shape[:-1])


def _vector_slopes(vectors: Array) -> Array:
    """How rotation vectors (..., 3) move with a turn from the right: (..., 3, 3), the inverse right Jacobian of SO(3).

    I + [v] / 2 + (1 / a^2 - (1 + cos a) / (2 a sin a)) [v]^2, where a is the length of v (Solà et al. 2018, eq. 144).
    """
    angle = np.linalg.norm(vectors, axis=-1)
    safe = np.clip(angle, 1e-4, np.pi - 1e-3)
    factor = np.where(angle > 1e-2, 1 / safe**2 - (1 + np.cos(safe)) / (2 * safe * np.sin(safe)), 1 / 12)
    cross = np.zeros((*vectors.shape, 3))
    x, y, z = np.moveaxis(vectors, -1, 0)
    cross[..., 0, 1], cross[..., 0, 2], cross[..., 1, 2] = -z, y, -x
    cross -= np.swapaxes(cross, -1, -2)
    return np.eye(3) + cross / 2 + factor[..., None, None] * (cross @ cross)
