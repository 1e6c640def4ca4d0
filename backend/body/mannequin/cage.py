# SPDX-License-Identifier: MIT
"""The coarse quad cage of the body: rings of vertices along trunk, head and limbs, welded where they meet.

The cage decides the topology an animator sees: loops run round every limb, meet the trunk in one ring at the shoulder
and one at the groin, and lie closer together at knees, ankles, elbows and wrists. Its places are found by shooting rays
from inside the solid, so a changed anatomy needs no new cage.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from vibe_blender.contract.quaternions import Array

from .field import Field

_FAR = 0.32
"""Metres a ray looks ahead: more than half of any part's width."""


@dataclass(frozen=True, slots=True)
class QuadMesh:
    """A mesh of quads.

    Attributes:
        vertices: (V, 3) metres, body frame.
        quads: (Q, 4) vertex indices, counter-clockwise seen from outside.
        parts: (Q,) index into ``PARTS`` of the part a face belongs to.
    """

    vertices: Array
    quads: np.ndarray
    parts: np.ndarray


PARTS = ("trunk", "pelvis", "neck", "head", "arm", "hand", "leg", "foot")


@dataclass(slots=True)
class _Half:
    """The left half while it grows."""

    solid: Field
    vertices: list[Array] = field(default_factory=list)
    quads: list[tuple[int, int, int, int]] = field(default_factory=list)
    parts: list[int] = field(default_factory=list)

    def add(self, place: Array | Sequence[float]) -> int:
        self.vertices.append(np.asarray(place, float))
        return len(self.vertices) - 1

    def shoot(self, origin: Array, directions: Array) -> list[int]:
        """New vertices where rays from inside leave the solid."""
        distances = np.linspace(0.004, _FAR, 160)
        points = np.asarray(origin) + distances[None, :, None] * np.asarray(directions)[:, None, :]
        values = self.solid(points.reshape(-1, 3)).reshape(points.shape[:2])
        first = np.argmax(values > 0, axis=1)
        return [self.add(points[ray, index]) for ray, index in enumerate(first)]

    def face(self, part: str, *corners: int) -> None:
        a, b, c, d = corners
        self.quads.append((a, b, c, d))
        self.parts.append(PARTS.index(part))

    def bridge(self, part: str, lower: list[int], upper: list[int], closed: bool) -> None:
        """Quads between two rings whose vertices run counter-clockwise seen from the upper ring's side."""
        count = len(lower) if closed else len(lower) - 1
        for i in range(count):
            j = (i + 1) % len(lower)
            self.face(part, lower[i], lower[j], upper[j], upper[i])


_TRUNK_ANGLES = np.radians([0.0, 32.0, 70.0, 110.0, 148.0, 180.0])
_HEAD_ANGLES = np.radians([0.0, 28.0, 66.0, 106.0, 146.0, 180.0])
"""Left half of a ring, degrees from straight ahead to straight behind."""


def _horizontal(
    half: _Half, axis: tuple[float, float], heights: tuple[float, float, float], angles: Array
) -> list[int]:
    """A half ring round a vertical axis (x = 0) whose height runs from front over side to back."""
    z, drop = axis
    ring = []
    for angle in angles:
        ahead, aside = np.cos(angle), np.sin(angle)
        height = heights[0] * max(ahead, 0) ** 2 + heights[1] * aside**2 + heights[2] * max(-ahead, 0) ** 2
        direction = np.array([aside, drop * max(ahead, 0) ** 2, ahead])
        ring += half.shoot(np.array([0.0, height, z]), direction[None] / np.linalg.norm(direction))
    return ring


def _around_x(half: _Half, centre: tuple[float, float, float], lean: float = 0.0) -> list[int]:
    """A ring of 6 round the arm: front low, front, front top, back top, back, back low; ``lean`` moves its top in x."""
    degrees = np.radians([-58.0, 0.0, 58.0, 122.0, 180.0, 238.0])
    directions = np.stack([-lean * np.sin(degrees), np.sin(degrees), np.cos(degrees)], axis=1)
    return half.shoot(np.array(centre), directions / np.linalg.norm(directions, axis=1, keepdims=True))


def _around_y(half: _Half, centre: tuple[float, float, float]) -> list[int]:
    """A ring of 8 round the leg, from front-inner over lateral to back-inner and inner (the trunk's order)."""
    degrees = np.radians([112.5, 67.5, 22.5, -22.5, -67.5, -112.5, -157.5, 157.5])
    directions = np.stack([np.cos(degrees), np.zeros(8), np.sin(degrees)], axis=1)
    return half.shoot(np.array(centre), directions)


def build(solid: Field) -> QuadMesh:
    """The whole cage, symmetric in x, its vertices on the surface of ``solid``."""
    half = _Half(solid)
    groin, hole, neck = _trunk(half)
    _head(half, neck)
    _hand(half, _arm(half, hole))
    _foot(half, _leg(half, groin))
    return _with_mirror_image(half)


def _trunk(half: _Half) -> tuple[list[int], list[int], list[int]]:
    """Trunk faces; returns the groin ring (8), arm hole (6) and half ring of the neck (6)."""
    hip = _horizontal(half, (0.0, 0.0), (-0.345, -0.250, -0.345), _TRUNK_ANGLES)
    crotch = [half.add([0.0, -0.392, 0.022]), half.add([0.0, -0.394, -0.035])]
    rings = [hip]
    for front, side, behind in [
        (-0.255, -0.190, -0.225), (-0.165, -0.130, -0.145), (-0.080, -0.065, -0.075), (0.0, 0.0, 0.0),
        (0.065, 0.080, 0.080),
    ]:  # fmt: skip
        ring = _horizontal(half, (-0.005, 0.0), (front, side, behind), _TRUNK_ANGLES)
        rings.append(ring)
    hole = _around_x(half, (0.163, 0.200, -0.018), lean=0.30)
    front_low, front, front_top, back_top, back, back_low = hole
    low = _horizontal(half, (-0.01, 0.0), (0.120, 0.125, 0.140), _TRUNK_ANGLES[[0, 1, 4, 5]])
    middle = _horizontal(half, (-0.02, 0.0), (0.172, 0.180, 0.200), _TRUNK_ANGLES[[0, 1, 4, 5]])
    collar = _horizontal(half, (-0.02, 0.0), (0.212, 0.225, 0.238), _TRUNK_ANGLES[[0, 1, 4, 5]])
    neck = _horizontal(half, (-0.025, 0.0), (0.240, 0.272, 0.278), _HEAD_ANGLES)
    for index, (lower, upper) in enumerate(itertools.pairwise(rings)):
        half.bridge("pelvis" if index < 2 else "trunk", lower, upper, closed=False)
    half.bridge("trunk", rings[-1], [low[0], low[1], front_low, back_low, low[2], low[3]], closed=False)
    rows = [
        [low[0], low[1], front_low, back_low, low[2], low[3]],
        [middle[0], middle[1], front, back, middle[2], middle[3]],
        [collar[0], collar[1], front_top, back_top, collar[2], collar[3]],
    ]
    for lower, upper in itertools.pairwise(rows):
        half.bridge("trunk", lower[:3], upper[:3], closed=False)
        half.bridge("trunk", lower[3:], upper[3:], closed=False)
    half.bridge("trunk", rows[-1], neck, closed=False)
    return [*hip, crotch[1], crotch[0]], hole, neck


def _head(half: _Half, base: list[int]) -> None:
    """Neck, head and the cap of the skull, from the half ring at the base of the neck up."""
    rings = [base]
    for z, drop, front, side, behind in [
        (-0.012, 0.0, 0.290, 0.318, 0.325), (0.015, -0.45, 0.312, 0.346, 0.352), (0.020, 0.0, 0.338, 0.366, 0.375),
        (0.020, 0.0, 0.372, 0.385, 0.395), (0.020, 0.0, 0.412, 0.412, 0.415), (0.020, 0.0, 0.452, 0.446, 0.442),
        (0.015, 0.0, 0.488, 0.482, 0.476),
    ]:  # fmt: skip
        rings.append(_horizontal(half, (z, drop), (front, side, behind), _HEAD_ANGLES))
    for index, (lower, upper) in enumerate(itertools.pairwise(rings)):
        # The front two columns of the face are closed by _face, with a loop of their own.
        first = 2 if 2 <= index < 6 else 0
        half.bridge("neck" if index < 2 else "head", lower[first:], upper[first:], closed=False)
    _face(half, rings[2:7])
    front_vertex, f, s, t, b, back = rings[-1]
    up = np.array([[0.0, 1.0, 0.0]])
    crown_front = half.shoot(np.array([0.0, 0.45, 0.045]), up)[0]
    crown_back = half.shoot(np.array([0.0, 0.45, -0.015]), up)[0]
    half.face("head", front_vertex, f, s, crown_front)
    half.face("head", crown_front, s, t, crown_back)
    half.face("head", crown_back, t, b, back)


def _face(half: _Half, outer: list[list[int]]) -> None:
    """The mask of the face inside two columns of five rings: a loop round it, and a finer grid within."""
    angles = np.radians([0.0, 16.0, 38.0])
    inner = [
        _horizontal(half, (0.020, 0.0), heights, angles)
        for heights in [(0.317, 0.340, 0.0), (0.346, 0.362, 0.0), (0.379, 0.379, 0.0), (0.411, 0.411, 0.0),
                        (0.438, 0.434, 0.0)]
    ]  # fmt: skip
    for lower, upper in itertools.pairwise(inner):
        half.bridge("head", lower, upper, closed=False)
    half.bridge("head", outer[0][:3], inner[0], closed=False)
    half.bridge("head", inner[-1], outer[-1][:3], closed=False)
    for row in range(4):
        half.face("head", inner[row][2], outer[row][2], outer[row + 1][2], inner[row + 1][2])


def _arm(half: _Half, hole: list[int]) -> list[int]:
    """Arm faces from the hole in the trunk; returns the wrist ring (6)."""
    ring = hole
    for x, y, z, lean in [
        (0.205, 0.203, -0.018, 0.20), (0.262, 0.203, -0.018, 0.0), (0.345, 0.204, -0.021, 0.0),
        (0.420, 0.204, -0.024, 0.0), (0.455, 0.205, -0.025, 0.0), (0.490, 0.205, -0.024, 0.0),
        (0.560, 0.205, -0.022, 0.0), (0.640, 0.205, -0.020, 0.0), (0.710, 0.205, -0.020, 0.0),
    ]:  # fmt: skip
        following = _around_x(half, (x, y, z), lean)
        half.bridge("arm", following, ring, closed=True)
        ring = following
    return ring


def _hand(half: _Half, wrist: list[int]) -> None:
    """Mitten and thumb from the wrist ring."""
    rings = [wrist]
    for x, z in [(0.738, -0.018), (0.772, -0.016), (0.825, -0.014), (0.874, -0.008)]:
        rings.append(_around_x(half, (x, 0.202 if x < 0.8 else 0.196, z)))
    thumb_base = [rings[1][0], rings[1][1], rings[2][1], rings[2][0]]
    for index, (inner, outer) in enumerate(itertools.pairwise(rings)):
        for i in range(6):
            j = (i + 1) % 6
            if (index, i) != (1, 0):
                half.face("hand", outer[i], outer[j], inner[j], inner[i])
    low, front, top, back_top, back, back_low = rings[-1]
    half.face("hand", back, back_top, top, front)
    half.face("hand", front, low, back_low, back)
    ring = thumb_base
    heading = np.array([0.62, -0.22, 0.75]) / np.linalg.norm([0.62, -0.22, 0.75])
    up = np.cross(heading, [1.0, 0.0, 0.0])
    side = np.cross(up, heading)
    for centre in [(0.770, 0.191, 0.044), (0.8055, 0.1802, 0.0795)]:
        corners = [
            -side - up,
            -side + up,
            side + up,
            side - up,
        ]  # low and high of the wrist side, high and low of the tip's
        following = half.shoot(np.array(centre), np.stack(corners) / np.sqrt(2))
        half.bridge("hand", following, ring, closed=True)
        ring = following
    half.face("hand", *ring[::-1])


def _leg(half: _Half, groin: list[int]) -> list[int]:
    """Leg faces from the groin ring; returns the ring at the ankle (8)."""
    # Both rings run: front inner, front, front outer, back outer, back, back inner, inner back, inner front.
    ring = groin
    for x, y, z in [
        (0.093, -0.435, 0.000), (0.096, -0.525, 0.002), (0.096, -0.612, 0.004), (0.095, -0.680, 0.006),
        (0.095, -0.742, 0.002), (0.095, -0.820, -0.006), (0.095, -0.925, -0.014), (0.095, -1.030, -0.022),
        (0.095, -1.105, -0.024),
    ]:  # fmt: skip
        following = _around_y(half, (x, y, z))
        half.bridge("leg", following, ring, closed=True)
        ring = following
    return ring


def _foot(half: _Half, ankle: list[int]) -> None:
    """Heel, sole and forefoot from the ankle ring."""
    middle = _around_y(half, (0.095, -1.150, -0.028))
    sole_ring = [half.add([x, -1.196, z]) for x, z in
                 [(0.074, -0.006), (0.092, -0.002), (0.112, -0.006), (0.118, -0.036), (0.108, -0.068),
                  (0.086, -0.070), (0.071, -0.062), (0.066, -0.034)]]  # fmt: skip
    # Columns 7-0, 0-1 and 1-2 look forward: the forefoot grows out of them.
    for upper, lower in [(ankle, middle), (middle, sole_ring)]:
        for i in range(8):
            j = (i + 1) % 8
            if i not in (7, 0, 1):
                half.face("foot", lower[i], lower[j], upper[j], upper[i])
    half.face("foot", sole_ring[2], sole_ring[1], sole_ring[4], sole_ring[3])
    half.face("foot", sole_ring[1], sole_ring[0], sole_ring[5], sole_ring[4])
    half.face("foot", sole_ring[0], sole_ring[7], sole_ring[6], sole_ring[5])
    ring = [ankle[7], ankle[0], ankle[1], ankle[2], middle[2], sole_ring[2], sole_ring[1], sole_ring[0],
            sole_ring[7], middle[7]]  # fmt: skip
    degrees = np.radians([150.0, 105.0, 75.0, 30.0, 0.0, -32.0, -70.0, -110.0, -148.0, 180.0])
    directions = np.stack([np.cos(degrees), np.sin(degrees), np.zeros(10)], axis=1)
    for x, y, z in [(0.096, -1.160, 0.025), (0.100, -1.172, 0.075), (0.105, -1.178, 0.115), (0.106, -1.184, 0.150)]:
        following = half.shoot(np.array([x, y, z]), directions)
        half.bridge("foot", following, ring, closed=True)
        ring = following
    top_in, top_a, top_b, top_out, out, low_out, low_b, low_a, low_in, inner = ring
    ahead = np.array([[0.0, 0.0, 1.0]])
    tip_a = half.shoot(np.array([0.094, -1.184, 0.12]), ahead)[0]
    tip_b = half.shoot(np.array([0.116, -1.184, 0.12]), ahead)[0]
    half.face("foot", inner, tip_a, top_a, top_in)
    half.face("foot", tip_a, tip_b, top_b, top_a)
    half.face("foot", tip_b, out, top_out, top_b)
    half.face("foot", low_in, low_a, tip_a, inner)
    half.face("foot", low_a, low_b, tip_b, tip_a)
    half.face("foot", low_b, low_out, out, tip_b)


def _with_mirror_image(half: _Half) -> QuadMesh:
    """Both halves, welded at x = 0."""
    used, quads = np.unique(half.quads, return_inverse=True)
    quads = quads.reshape(-1, 4)
    left = np.array(half.vertices)[used]
    middle = np.abs(left[:, 0]) < 1e-9
    image = np.where(middle, np.arange(len(left)), len(left) + np.cumsum(~middle) - 1)
    right = left[~middle] * [-1.0, 1.0, 1.0]
    return QuadMesh(
        np.concatenate([left, right]),
        np.concatenate([quads, image[quads][:, ::-1]]),
        np.concatenate([half.parts, half.parts]).astype(np.int64),
    )
