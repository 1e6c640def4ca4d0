# SPDX-License-Identifier: MIT
"""Who is who: whether a body seen now is a person known from before, by place, size, motion and colour of clothes."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from backend.crops import Region
from backend.landmarks import Landmarks
from vibe_blender.contract.quaternions import Array

SAME_BODY = 0.12
"""Two poses whose joints lie closer than this, in body sizes, are two readings of one body."""
SIZE_RATIO = 1.67

_SHOULDERS, _HIPS, _KNEES = (11, 12), (23, 24), (25, 26)
_LIMBS = (0, 11, 12, 13, 14, 23, 24, 25, 26, 27, 28)
_TO_COLOUR = np.array([[0.15, 0.50, -0.17], [0.29, -0.42, -0.33], [0.06, -0.08, 0.50]])
"""Half of Y, then Cr and Cb (ITU-R BT.601), from RGB: light changes more than colour does."""
_COLOUR_SCALE = 30.0
"""Distance of two colours at which clothes look like other clothes."""
_SHARE = 8
_COLOUR_MEMORY_S = 1.0
_MOTION_MEMORY_S = 0.25
_MAX_GUESS_S = 1.5


def _grid(down: Array, across: Array) -> Array:
    """(N, 4) weights of a quadrilateral's corners (upper left, upper right, lower left, lower right)."""
    v, u = (part.ravel() for part in np.meshgrid(down, across, indexing="ij"))
    return np.stack([(1 - u) * (1 - v), u * (1 - v), (1 - u) * v, u * v], axis=1)


_TRUNK_GRID = _grid(np.linspace(0.15, 0.85, 6), np.linspace(0.15, 0.85, 4))
_THIGH_GRID = _grid(np.linspace(0.2, 0.8, 12), np.array([0.0, 1.0]))


@dataclass(frozen=True, slots=True)
class Sighting:
    """One body in one frame.

    Attributes:
        region: where it was looked for.
        landmarks: what was read there.
        hips_px: (2,) pixels, image frame.
        size_px: diameter of the circle around the body.
        colours: (2, 24, 3) half the lightness, red, blue (as in YCbCr): samples of the trunk and of the thighs.
    """

    region: Region
    landmarks: Landmarks
    hips_px: Array
    size_px: float
    colours: Array

    @staticmethod
    def of(image_rgb: np.ndarray, region: Region, landmarks: Landmarks) -> Sighting:
        """What was read in ``region``, with what it takes to know the person again."""
        points = landmarks.image_px
        return Sighting(region, landmarks, points[list(_HIPS)].mean(0), landmarks.size_px, _clothes(image_rgb, points))

    def distance(self, other: Sighting) -> float:
        """Mean distance of the two bodies' joints, in body sizes."""
        gaps = (self.landmarks.image_px - other.landmarks.image_px)[list(_LIMBS)]
        return float(np.linalg.norm(gaps, axis=1).mean()) / max(self.size_px, other.size_px, 1e-6)


@dataclass(slots=True)
class Memory:
    """What is remembered of a person: some thirty numbers, however long they are followed.

    Attributes:
        time_s: when they were seen last.
        hips_px: (2,) pixels, image frame, then.
        velocity_px_s: (2,) pixels a second.
        size_px: diameter of the circle around the body.
        colour: (2, 3) of shirt and trousers, as in ``Sighting``.
    """

    time_s: float
    hips_px: Array
    velocity_px_s: Array
    size_px: float
    colour: Array

    @staticmethod
    def of(time_s: float, seen: Sighting) -> Memory:
        """The memory of somebody seen for the first time."""
        return Memory(time_s, seen.hips_px, np.zeros(2), seen.size_px, np.median(seen.colours, 1))

    def place(self, time_s: float) -> Array:
        """(2,) pixels, image frame: where the hips should be at ``time_s``."""
        return self.hips_px + self.velocity_px_s * min(time_s - self.time_s, _MAX_GUESS_S)

    def misfit(self, time_s: float, seen: Sighting) -> float:
        """How badly a sighting fits: near 0 for the same person a moment later, above 1 for somebody else.

        Place against where they should be, change of size, other clothes; the longer they were away, the more the first
        two may differ. None of them alone decides: a bad reading may miss the clothes.
        """
        absent = max(time_s - self.time_s, 0.0)
        reach = (0.5 + min(absent, 2.0)) * max(self.size_px, seen.size_px)
        place = float(np.linalg.norm(seen.hips_px - self.place(time_s))) / max(reach, 1e-6)
        growth = abs(math.log(max(seen.size_px, 1e-6) / self.size_px)) / (math.log(SIZE_RATIO) * (1 + absent / 2))
        return max(place, growth, (place + growth + self.stranger(seen)) / 1.5)

    def stranger(self, seen: Sighting) -> float:
        """How far the clothes are from this person's: below 0.5 the same, above 1 others.

        A third of the samples must show them: an arm may cover the shirt, a body that hides this one covers all of it.
        """
        gaps = np.linalg.norm(seen.colours - self.colour[:, None], axis=-1)
        return float(np.partition(gaps, _SHARE, axis=1)[:, _SHARE].mean()) / _COLOUR_SCALE

    def follow(self, time_s: float, seen: Sighting, *, alone: bool) -> None:
        """Takes in a sighting of the person; beside somebody else it may be half the other's, so it counts for less."""
        passed = max(time_s - self.time_s, 1e-6)
        if alone:
            gain = 1 - math.exp(-passed / _MOTION_MEMORY_S)
            self.velocity_px_s = self.velocity_px_s + gain * (
                (seen.hips_px - self.hips_px) / passed - self.velocity_px_s
            )
            self.colour = self.colour + (1 - math.exp(-passed / _COLOUR_MEMORY_S)) * (
                self._clothes_in(seen) - self.colour
            )
            self.size_px += gain * (seen.size_px - self.size_px)
            self.hips_px = seen.hips_px
        else:
            guess = self.place(time_s)
            self.hips_px = guess + 0.3 * (seen.hips_px - guess)
        self.time_s = time_s

    def _clothes_in(self, seen: Sighting) -> Array:
        """(2, 3) mean of the samples most like this person's clothes."""
        gaps = np.linalg.norm(seen.colours - self.colour[:, None], axis=-1)
        nearest = np.argpartition(gaps, _SHARE, axis=1)[:, : _SHARE + 1]
        return np.take_along_axis(seen.colours, nearest[..., None], axis=1).mean(1)


def _clothes(image_rgb: np.ndarray, points_px: Array) -> Array:
    """(2, 24, 3) colours on a grid over the trunk and along both thighs."""
    spots = np.concatenate([_TRUNK_GRID @ points_px[[*_SHOULDERS, *_HIPS]], _THIGH_GRID @ points_px[[*_HIPS, *_KNEES]]])
    height, width = image_rgb.shape[:2]
    columns, rows = spots.round().astype(int).clip(0, (width - 1, height - 1)).T
    return (image_rgb[rows, columns] @ _TO_COLOUR).reshape(2, -1, 3)
