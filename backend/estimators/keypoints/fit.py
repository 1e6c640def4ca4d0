# SPDX-License-Identifier: MIT
"""The whole-clip fit: the motion of a body that explains the 2D landmarks, is smooth and bends as bodies do.

Weighted non-linear least squares over all frames of a window at once (Gauss-Newton with Levenberg damping). The cost is
a sum of squares of

    reprojection   landmark of the body, projected, against the landmark seen, in units of the crop's side
    depth          depth from one end of a bone to the other, against BlazePose's own, loosely
    acceleration   of points on the body and of the pelvis's depth, second difference over the true times
    limits         rotations outside what a joint can do, and away from rest where nothing else tells

each divided by its standard deviation; reprojection and depth are robust (Cauchy weights, re-computed at every step).
Frames couple to their two predecessors only, so the normal equations are block-banded.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from backend.banded import BandedNormal, robust
from backend.body.kinematics import GROUP_COUNT, UNKNOWNS, Points, PosedBody, group_index

from .kinematics import Pose, posed

Array = NDArray[np.floating]


@dataclass(frozen=True)
class Spread:
    """Standard deviations of the cost's terms, and where robustness sets in.

    Attributes:
        image: of a landmark's place, in crop sides.
        depth: of BlazePose's depth of a bone, in units of what was measured: its errors last for many frames.
        acceleration: of a point on the body, m/s^2.
        root_acceleration: of the pelvis along the camera's axis, m/s^2, where single frames say least.
        limit_rad: beyond a joint's limits.
        image_cutoff, depth_cutoff: in standard deviations, where residuals begin to count less.
    """

    image: float = 0.008
    depth: float = 1.0
    acceleration: float = 17.0
    root_acceleration: float = 4.0
    limit_rad: float = 0.10
    image_cutoff: float = 1.5
    depth_cutoff: float = 2.0


@dataclass(frozen=True)
class Observed:
    """What one person's landmarks say, frame by frame.

    Attributes:
        times: (T,) seconds, ascending.
        image: (T, M, 2) landmarks on the camera's plane z = 1: (pixel - principal point) / focal length.
        side: (T,) the crop's side in the same unit.
        weight: (T, M) 0..1, how much each landmark is worth in the image.
        depth: (T, S) metres along the camera's axis, from end to end of the model's S spans.
        depth_weight: (T, S) 0..1.
    """

    times: Array
    image: Array
    side: Array
    weight: Array
    depth: Array
    depth_weight: Array


@dataclass(frozen=True)
class Model:
    """The body that is fitted.

    Attributes:
        rest_joints: (24, 3) metres, body frame.
        landmarks: the M landmarks on it.
        spans: (S, M) what takes landmarks' depths to depths from end to end of bones.
        span_spread_m: (S,) metres, standard deviation of BlazePose's word on them.
        smooth: indices of the landmarks whose acceleration is bounded.
    """

    rest_joints: Array
    landmarks: Points
    spans: Array
    span_spread_m: Array
    smooth: tuple[int, ...]


@dataclass(frozen=True)
class _Limit:
    """A joint's range: rotation-vector bounds and the pull to ``rest`` inside them, radians."""

    low: tuple[float, float, float]
    high: tuple[float, float, float]
    rest: tuple[float, float, float] = (0.0, 0.0, 0.0)
    spread: tuple[float, float, float] = (1.5, 1.5, 1.5)


# Rotation vectors about the rest axes x left, y up, z forward. Mirrored for the right side: y and z change sign.
_LIMITS = {
    "spine1": _Limit((-0.25, -0.25, -0.2), (0.45, 0.25, 0.2), (0.04, 0, 0), (0.12, 0.10, 0.10)),
    "neck": _Limit((-0.5, -0.6, -0.4), (0.5, 0.6, 0.4), (0, 0, 0), (0.2, 0.25, 0.15)),
    "left_collar": _Limit((-0.3, -0.4, -0.3), (0.3, 0.4, 0.6), (0, 0, 0), (0.1, 0.15, 0.15)),
    "left_hip": _Limit((-2.4, -1.0, -0.8), (0.9, 1.0, 1.2), (-0.15, 0, 0), (1.5, 0.5, 0.8)),
    "left_knee": _Limit((0.02, -0.25, -0.1), (2.6, 0.25, 0.1), (0.2, 0, 0), (2.0, 0.15, 0.05)),
    "left_ankle": _Limit((-0.6, -0.4, -0.4), (0.9, 0.4, 0.4), (0, 0, 0), (0.4, 0.2, 0.2)),
    "left_shoulder": _Limit((-2.2, -2.2, -2.2), (2.2, 2.2, 2.2), (0, 0, -0.8), (1.5, 2.0, 2.0)),
    "left_elbow": _Limit((-1.4, -2.7, -0.15), (1.4, 0.0, 0.15), (0, -0.3, 0), (0.7, 2.0, 0.08)),
    "left_wrist": _Limit((-0.3, -0.6, -1.2), (0.3, 0.6, 1.2), (0, 0, 0), (0.15, 0.3, 0.4)),
}


def _limit_arrays() -> tuple[Array, Array, Array, Array]:
    low, high = np.full((GROUP_COUNT, 3), -np.inf), np.full((GROUP_COUNT, 3), np.inf)
    rest, spread = np.zeros((GROUP_COUNT, 3)), np.full((GROUP_COUNT, 3), np.inf)
    for name, limit in _LIMITS.items():
        values = [np.array(part) for part in (limit.low, limit.high, limit.rest, limit.spread)]
        group = group_index(name)
        low[group], high[group], rest[group], spread[group] = values
        if name.startswith("left_"):
            group, flip = group_index(name.replace("left_", "right_")), np.array([1.0, -1.0, -1.0])
            low[group], high[group] = (
                np.minimum(values[0] * flip, values[1] * flip),
                np.maximum(values[0] * flip, values[1] * flip),
            )
            rest[group], spread[group] = values[2] * flip, values[3]
    return low, high, rest, spread


_LOW, _HIGH, _REST, _SPREAD = _limit_arrays()


def fit(start: Pose, seen: Observed, model: Model, spread: Spread, iterations: int) -> Pose:
    """The pose that costs least, from a start near it."""
    pose, damping = start, 1e-3
    normal = _normal_equations(pose, seen, model, spread)
    for _ in range(iterations):
        trial = pose.moved(normal.step(damping))
        following = _normal_equations(trial, seen, model, spread)
        if following.cost < normal.cost:
            done = normal.cost - following.cost < 1e-3 * normal.cost
            pose, normal, damping = trial, following, max(damping * 0.3, 1e-6)
            if done:
                break
        else:
            damping = max(damping, 1e-4) * 10.0
    return pose


def _normal_equations(pose: Pose, seen: Observed, model: Model, spread: Spread) -> BandedNormal:
    body = posed(pose, model.rest_joints)
    places = body.points(model.landmarks)
    jacobian = body.jacobian(model.landmarks, places)
    count = len(places)
    rows, residuals, cost = _landmark_rows(places, jacobian, seen, model, spread)
    normal = BandedNormal([rows.transpose(0, 2, 1) @ rows], (residuals[:, None] @ rows)[:, 0].astype(float), cost)
    normal.blocks += [np.zeros((max(count - k, 0), UNKNOWNS, UNKNOWNS), rows.dtype) for k in (1, 2)]
    _add_limits(normal, pose, spread)
    _add_acceleration(normal, places, jacobian, body, seen.times, model, spread)
    return normal


def _landmark_rows(
    places: Array, jacobian: Array, seen: Observed, model: Model, spread: Spread
) -> tuple[Array, Array, float]:
    """Weighted rows (T, R, D) of the image and the depth terms, their residuals (T, R), and what they cost."""
    depth = np.maximum(places[..., 2], 0.1)
    projected = places[..., :2] / depth[..., None]
    scale = np.sqrt(seen.weight) / (spread.image * seen.side[:, None])
    residual = (projected - seen.image) * scale[..., None]
    weight, image_cost = robust(np.sum(residual**2, axis=-1), spread.image_cutoff)
    residual *= np.sqrt(weight)[..., None]
    rows = jacobian[:, :, :2] - projected[..., None].astype(jacobian.dtype) * jacobian[:, :, 2:]
    rows *= (scale * np.sqrt(weight) / depth)[..., None, None]

    depth_scale = np.sqrt(seen.depth_weight) / (spread.depth * model.span_spread_m)
    depth_residual = (places[..., 2] @ model.spans.T - seen.depth) * depth_scale
    weight, depth_cost = robust(depth_residual**2, spread.depth_cutoff)
    depth_residual *= np.sqrt(weight)
    depth_rows = model.spans.astype(jacobian.dtype) @ jacobian[:, :, 2]
    depth_rows *= (depth_scale * np.sqrt(weight))[..., None]

    count = len(places)
    rows = np.concatenate([rows.reshape(count, -1, UNKNOWNS), depth_rows], axis=1)
    residuals = np.concatenate([residual.reshape(count, -1), depth_residual], axis=1)
    return rows, residuals.astype(rows.dtype), float(np.sum(image_cost) + np.sum(depth_cost))


def _add_limits(normal: BandedNormal, pose: Pose, spread: Spread) -> None:
    count = len(pose.root)
    vectors = Rotation.from_matrix(pose.rotations.reshape(-1, 3, 3)).as_rotvec().reshape(count, GROUP_COUNT, 3)
    beyond = np.minimum(vectors - _LOW, 0.0) + np.maximum(vectors - _HIGH, 0.0)
    pull = (vectors - _REST) / _SPREAD
    hard = 1.0 / spread.limit_rad**2
    normal.cost += float(np.sum(beyond**2) * hard + np.sum(pull**2))
    gradient = beyond * hard + pull / _SPREAD
    curvature = (beyond != 0) * hard + 1.0 / _SPREAD**2
    turns = slice(3, None)
    normal.gradient[:, turns] += gradient.reshape(count, -1)
    diagonal = np.arange(3, UNKNOWNS)
    normal.blocks[0][:, diagonal, diagonal] += curvature.reshape(count, -1)


def _add_acceleration(
    normal: BandedNormal, places: Array, jacobian: Array, body: PosedBody, times: Array, model: Model, spread: Spread
) -> None:
    """Adds the second differences of the coordinates of the smooth points and of the pelvis's depth."""
    count, smooth = len(times), list(model.smooth)
    rows = np.zeros((count, 3 * len(smooth) + 1, UNKNOWNS), jacobian.dtype)
    rows[:, :-1] = jacobian[:, smooth].reshape(count, -1, UNKNOWNS) / spread.acceleration
    rows[:, -1, 2] = 1.0 / spread.root_acceleration
    values = np.concatenate(
        [
            places[:, smooth].reshape(count, -1) / spread.acceleration,
            body.positions[:, 0, 2:] / spread.root_acceleration,
        ],
        axis=1,
    )
    normal.add_second_differences(rows, values, times)
