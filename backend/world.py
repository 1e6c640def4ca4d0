# SPDX-License-Identifier: MIT
"""Stage 7: camera-frame motion placed in the world, floor at z = 0, with foot contacts; the camera stands still.

The camera's tilt is found from three witnesses, weighed by how far each can be trusted: cameras are held about level,
people stand about upright, and feet that stand do so on one plane.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d

from backend.estimators.estimate import Estimate
from vibe_blender.contract import quaternions
from vibe_blender.contract.skeleton import JOINT_NAMES, REST_JOINTS, forward_kinematics
from vibe_blender.contract.take import Camera, Person

Array = NDArray[np.floating]

# Under heel, ball and toe tip of the average adult: offsets from the ankle, foot and foot joint, metres.
_SOLE = (
    ("ankle", (0.0, -0.072, -0.05)),
    ("foot", (0.0, -0.020, 0.0)),
    ("foot", (0.0, -0.020, 0.065)),
)
_AVERAGE_LEG_M = float(
    np.linalg.norm(REST_JOINTS[4] - REST_JOINTS[1]) + np.linalg.norm(REST_JOINTS[7] - REST_JOINTS[4])
)

_LEVEL_SPREAD = np.radians(8.0)
_ROLL_SPREAD = np.radians(2.0)
_UPRIGHT_SPREAD = np.radians(4.0)
_SOLE_SPREAD_M = 0.06
_SAMPLE_SECONDS = 0.3
_DEPTH_SHARE = 0.5
"""What counts of a speed along the camera's axis: of feet that stand, it is read two to six times as fast as across."""
_STANDING_SPEED, _STANDING_WIDTH = 0.60, 0.10
_STANDING_HEIGHT, _HEIGHT_WIDTH = 0.06, 0.015
_CONTACT_SMOOTHING_S = 0.04


@dataclass(frozen=True)
class Ground:
    """Where the floor is, as the camera sees it.

    Attributes:
        up: (3,) unit vector, camera frame.
        height_m: of the camera above the floor.
        origin: (2,) metres, where in the world's x and y, measured from the camera, the world's origin lies.
    """

    up: Array
    height_m: float
    origin: Array

    def from_camera(self) -> tuple[Array, Array]:
        """Rotation (3, 3) and translation (3,) that take camera points to the world; the camera looks along +y."""
        z = self.up
        y = np.array([0.0, 0.0, 1.0]) - z[2] * z
        y = y / np.linalg.norm(y)
        rotation = np.stack([np.cross(y, z), y, z])
        return rotation, np.array([-self.origin[0], -self.origin[1], self.height_m])

    def camera(self, focal_px: float, centre_px: Array) -> Camera:
        """The camera that saw it."""
        rotation, translation = self.from_camera()
        from_world = np.eye(4)
        from_world[:3, :3] = rotation.T
        from_world[:3, 3] = -rotation.T @ translation
        return Camera(focal_px, np.asarray(centre_px, dtype=float), from_world)


def find_ground(estimates: Sequence[Estimate]) -> Ground:
    """The floor under all people of a shot.

    Args:
        estimates: at least one, each with at least one frame.
    """
    soles = [_soles(estimate) for estimate in estimates]
    speeds = [_speeds(places, estimate.times) for places, estimate in zip(soles, estimates, strict=True)]
    up = _up(estimates, soles, speeds)
    heights = np.concatenate(
        [_standing_heights(places, speed, up) for places, speed in zip(soles, speeds, strict=True)]
    )
    ground = Ground(up, -float(np.median(heights)), np.zeros(2))
    rotation, translation = ground.from_camera()
    first = min(estimates, key=lambda estimate: estimate.frames[0])
    return Ground(up, ground.height_m, (rotation @ first.root[0] + translation)[:2])


def place(estimate: Estimate, ground: Ground, person_id: int) -> Person:
    """One person's motion in the world."""
    rotation, translation = ground.from_camera()
    turn = quaternions.from_matrices(rotation)
    rotations = estimate.rotations.copy()
    rotations[:, 0] = quaternions.multiply(turn, rotations[:, 0])
    soles = _soles(estimate)
    return Person(
        id=person_id,
        frames=estimate.frames,
        rotations=quaternions.continuous(rotations),
        root=estimate.root @ rotation.T + translation,
        contacts=_contacts(soles @ rotation.T + translation, _speeds(soles, estimate.times), estimate.times),
        confidence=estimate.confidence,
        boxes=estimate.boxes,
        rest_joints=estimate.rest_joints,
        betas=estimate.betas,
        keypoints=estimate.keypoints,
        words=estimate.words,
    )


def _soles(estimate: Estimate) -> Array:
    """(T, 2, 3, 3) metres, camera frame: heel, ball and toe tip of the left and the right sole."""
    positions, orientations = forward_kinematics(estimate.rest_joints, estimate.rotations, estimate.root)
    rest = estimate.rest_joints
    leg = np.linalg.norm(rest[4] - rest[1]) + np.linalg.norm(rest[7] - rest[4])
    scale = leg / _AVERAGE_LEG_M
    sides = []
    for side in ("left", "right"):
        points = []
        for part, offset in _SOLE:
            joint = JOINT_NAMES.index(f"{side}_{part}")
            points.append(positions[:, joint] + quaternions.rotate(orientations[:, joint], np.array(offset) * scale))
        sides.append(np.stack(points, axis=1))
    return np.stack(sides, axis=1)


def _speeds(places: Array, times: Array) -> Array:
    """Speed in m/s of points (T, ..., 3), camera frame, by central differences over the true times; less in depth."""
    if len(places) < 2:
        return np.zeros(places.shape[:-1])
    return np.linalg.norm(np.gradient(places, times, axis=0) * [1.0, 1.0, _DEPTH_SHARE], axis=-1)


def _up(estimates: Sequence[Estimate], soles: Sequence[Array], speeds: Sequence[Array]) -> Array:
    """The direction up in the camera frame: (a, -1, b), normalised.

    By weighted linear least squares in a, b and c, where a x - y + b z = c on the floor.
    """
    rows = [(1.0 / _ROLL_SPREAD, 0.0, 0.0), (0.0, 1.0 / _LEVEL_SPREAD, 0.0)]
    right = [0.0, 0.0]
    directions = np.concatenate([_upright_directions(estimate) for estimate in estimates])
    if len(directions):
        middle = np.median(directions[:, [0, 2]] / -directions[:, 1:2], axis=0)
        spread = _UPRIGHT_SPREAD * (1.0 + 10.0 / len(directions))
        rows += [(1.0 / spread, 0.0, 0.0), (0.0, 1.0 / spread, 0.0)]
        right += list(middle / spread)
    standing = [_standing_places(p, s, e.times) for p, s, e in zip(soles, speeds, estimates, strict=True)]
    places = np.concatenate(standing) / _SOLE_SPREAD_M
    floor = np.stack([places[:, 0], places[:, 2], np.full(len(places), -1.0 / _SOLE_SPREAD_M)], axis=1)
    weight = np.ones(len(places))
    for _ in range(4):
        matrix = np.concatenate([np.array(rows), floor * weight[:, None]])
        # Where no foot stands, nothing is known of c, and of all answers the one with c = 0 is given.
        answer, *_ = np.linalg.lstsq(matrix, np.concatenate([right, places[:, 1] * weight]), rcond=None)
        weight = 1.0 / np.sqrt(1.0 + np.abs(floor @ answer - places[:, 1]))
    up = np.array([answer[0], -1.0, answer[1]])
    return up / np.linalg.norm(up)


def _upright_directions(estimate: Estimate) -> Array:
    """Unit vectors (S, 3), camera frame, from between the ankles to the neck, where both legs are nearly straight."""
    positions, _ = forward_kinematics(estimate.rest_joints, estimate.rotations, estimate.root)
    index = {name: JOINT_NAMES.index(name) for name in ("neck", "left_hip", "left_ankle", "right_hip", "right_ankle")}
    leg = np.linalg.norm(estimate.rest_joints[index["left_hip"]] - estimate.rest_joints[index["left_ankle"]])
    straight = np.ones(len(positions), dtype=bool)
    for side in ("left", "right"):
        reach = np.linalg.norm(positions[:, index[f"{side}_hip"]] - positions[:, index[f"{side}_ankle"]], axis=1)
        straight &= reach > 0.93 * leg
    ankles = (positions[:, index["left_ankle"]] + positions[:, index["right_ankle"]]) / 2
    body = positions[:, index["neck"]] - ankles
    body = body / np.linalg.norm(body, axis=1, keepdims=True)
    return body[straight & (body[:, 1] < -0.7)]


def _standing_places(soles: Array, speeds: Array, times: Array) -> Array:
    """Sole points (S, 3), camera frame, of standing feet: the slowest point of each stretch of time, if slow."""
    found = []
    stretch = ((times - times[0]) / _SAMPLE_SECONDS).astype(int)
    flat = soles.reshape(len(soles), -1, 3)
    slow = speeds.reshape(len(soles), -1)
    for number in np.unique(stretch):
        frames = np.flatnonzero(stretch == number)
        frame, point = np.unravel_index(np.argmin(slow[frames]), slow[frames].shape)
        if slow[frames[frame], point] < _STANDING_SPEED:
            found.append(flat[frames[frame], point])
    return np.array(found).reshape(-1, 3)


def _standing_heights(soles: Array, speeds: Array, up: Array) -> Array:
    """Heights above the camera (S,), metres, of each frame's lowest sole point where it is slow, else of all frames."""
    heights = (soles @ up).reshape(len(soles), -1)
    lowest = np.argmin(heights, axis=1)
    rows = np.arange(len(heights))
    slow = speeds.reshape(len(soles), -1)[rows, lowest] < _STANDING_SPEED
    return heights[rows, lowest][slow] if slow.any() else heights[rows, lowest]


def _contacts(soles: Array, speeds: Array, times: Array) -> Array:
    """How surely each foot stands (T, 2), 0..1: a point of its sole is near the floor and slow."""
    slow = 1.0 / (1.0 + np.exp((speeds - _STANDING_SPEED) / _STANDING_WIDTH))
    low = 1.0 / (1.0 + np.exp((soles[..., 2] - _STANDING_HEIGHT) / _HEIGHT_WIDTH))
    sure = (slow * low).max(axis=2)
    if len(times) < 3:
        return sure
    frames = _CONTACT_SMOOTHING_S / max(float(np.median(np.diff(times))), 1e-3)
    return np.clip(gaussian_filter1d(sure, frames, axis=0, mode="nearest"), 0.0, 1.0)
