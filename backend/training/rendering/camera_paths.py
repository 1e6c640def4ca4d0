# SPDX-License-Identifier: MIT
"""Cameras that stand, turn after somebody, drive along or are held by hand."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import gaussian_filter1d

from vibe_blender.contract.quaternions import Array

SIZES_PX = ((1280, 720), (1920, 1080), (720, 1280), (960, 960), (640, 480))
_LOWEST_M = 0.15
_SMOOTH_FRAMES = 12.0
_STANDING, _TURNING, _DRIVING = "standing", "turning", "driving"


@dataclass(frozen=True)
class CameraPath:
    """A pinhole camera through T frames.

    Attributes:
        size_px: width and height of the video.
        focal_px: pixels.
        from_world: (T, 4, 4) world (z up) to camera (x right, y down, z forward), metres.
    """

    size_px: tuple[int, int]
    focal_px: float
    from_world: Array

    @property
    def intrinsics(self) -> Array:
        """(4,) focal length x, y, centre x, y, pixels; the middle of the first pixel is 0."""
        return np.array([self.focal_px, self.focal_px, (self.size_px[0] - 1) / 2, (self.size_px[1] - 1) / 2])

    def seen(self, points: Array) -> Array:
        """Points (T, K, 3), world, in camera axes."""
        turn, move = self.from_world[:, None, :3, :3], self.from_world[:, None, :3, 3]
        return (turn @ points[..., None])[..., 0] + move

    def projected(self, points: Array) -> Array:
        """(T, K, 2) pixels of points (T, K, 3) in camera axes."""
        depth = np.maximum(points[..., 2:], 1e-3)
        return self.focal_px * points[..., :2] / depth + self.intrinsics[2:]


def draw_camera(random: np.random.Generator, path: Array, height: float) -> CameraPath:
    """A camera that somebody is seen by, most of the time.

    Args:
        random: for all choices.
        path: (T, 3) metres, world, of the person's pelvis.
        height: metres, of the person.
    """
    size = SIZES_PX[random.integers(len(SIZES_PX))]
    view = np.radians(np.exp(random.uniform(np.log(24.0), np.log(82.0))))
    focal = max(size) / 2 / np.tan(view / 2)
    kind = str(random.choice([_STANDING, _TURNING, _DRIVING], p=[0.45, 0.3, 0.25]))
    close = random.random() < 0.22
    share = random.uniform(1.15, 2.2) if close else random.uniform(0.35, 0.95)
    distance = focal * height / (share * size[1])
    if kind == _STANDING and not close:
        reach = float(np.ptp(path[:, :2], axis=0).max())
        distance = max(distance, focal * (reach + 0.8) / (0.95 * size[0]))
    distance = float(np.clip(distance, 0.9, 30.0))
    heading, elevation = random.uniform(0, 2 * np.pi), np.radians(np.clip(random.normal(6, 13), -20, 55))
    away = np.array([np.cos(heading) * np.cos(elevation), np.sin(heading) * np.cos(elevation), np.sin(elevation)])
    lift = random.uniform(0.0, 0.32) * height if close else random.normal(0, 0.06) * height
    smooth = gaussian_filter1d(path, _SMOOTH_FRAMES, axis=0, mode="nearest")
    middle = (path.min(axis=0) + path.max(axis=0)) / 2
    after = random.uniform(0.5, 1.0)
    aim = np.tile(middle, (len(path), 1)) if kind == _STANDING else middle + after * (smooth - middle)
    aim = aim + np.array([0.0, 0.0, lift])
    anchor = aim if kind == _DRIVING else np.tile(aim.mean(axis=0), (len(path), 1))
    eye = anchor + distance * away
    if kind == _DRIVING and random.random() < 0.5:  # round the person, or past them
        eye = eye + np.outer(np.linspace(-1, 1, len(path)), np.cross(away, [0, 0, 1]) * random.uniform(0.1, 0.8))
    eye[:, 2] = np.maximum(eye[:, 2], _LOWEST_M)
    roll = np.full(len(path), np.radians(random.normal(0, 2.0)))
    if random.random() < 0.4:
        amount = random.uniform(0.2, 1.0)
        aim = aim + amount * distance * _shaking(random, len(path), 3, 0.012)
        eye = eye + amount * _shaking(random, len(path), 3, 0.03)
        roll = roll + amount * _shaking(random, len(path), 1, 0.015)[:, 0]
    aim_offset = np.cross(away, [0, 0, 1]) * random.normal(0, 0.06) * distance * size[0] / focal
    return CameraPath(size, float(focal), _looking(eye, aim + aim_offset, roll))


def _shaking(random: np.random.Generator, count: int, axes: int, size: float) -> Array:
    """(count, axes) of a hand's slow drift and fast tremor."""
    slow = gaussian_filter1d(random.normal(size=(count + 40, axes)), 9.0, axis=0)[20:-20] * 4.0
    fast = gaussian_filter1d(random.normal(size=(count + 40, axes)), 1.5, axis=0)[20:-20] * 0.35
    return size * (slow + fast)


def _looking(eye: Array, aim: Array, roll: Array) -> Array:
    """(T, 4, 4) world to camera of cameras at ``eye`` that look at ``aim`` (T, 3), turned by ``roll`` (T,) radians."""
    forward = aim - eye
    forward = forward / np.linalg.norm(forward, axis=1, keepdims=True)
    right = np.cross(forward, [0.0, 0.0, 1.0])
    right = right / np.maximum(np.linalg.norm(right, axis=1, keepdims=True), 1e-9)
    down = np.cross(forward, right)
    cosine, sine = np.cos(roll)[:, None], np.sin(roll)[:, None]
    turns = np.stack([cosine * right + sine * down, cosine * down - sine * right, forward], axis=1)
    held = np.tile(np.eye(4), (len(eye), 1, 1))
    held[:, :3, :3] = turns
    held[:, :3, 3] = -np.einsum("tij,tj->ti", turns, eye)
    return held
