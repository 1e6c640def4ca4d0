# SPDX-License-Identifier: MIT
"""Patterns of cloth, floors and walls as pictures that repeat without a seam.

As pictures, because a renderer looks them up many times as fast as it computes the same from nodes.
"""

from __future__ import annotations

import numpy as np
from scipy.ndimage import gaussian_filter

from vibe_blender.contract.quaternions import Array

from .looks import BRICKS, CHECKS, DOTS, NOISE, PLAIN, STRIPES, Finish

SIDE_PX = 256
_PERIODS = 4
"""Of a pattern in a picture."""


def pattern_picture(finish: Finish) -> Array:
    """(256, 256, 3) display values 0..1; ``SIDE_PX`` pixels are ``repeat_m`` metres."""
    random = np.random.default_rng(finish.grain)
    share = np.clip(_share(finish, random), 0, 1)[..., None]
    linear = (1 - share) * np.array(finish.colours[0]) + share * np.array(finish.colours[1])
    shade = 1.0 + finish.uneven * (_clouds(random, 3.0) * 0.5 + _clouds(random, 14.0))
    linear = np.clip(linear * shade[..., None], 0, 1)
    return np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)


def repeat_m(finish: Finish) -> float:
    """After how many metres a pattern's picture begins again."""
    return _PERIODS / finish.scale


def _share(finish: Finish, random: np.random.Generator) -> Array:
    """(256, 256) of the second colour, 0..1."""
    across = (np.arange(SIDE_PX) + 0.5) / SIDE_PX * _PERIODS
    x, y = np.meshgrid(across, across)
    if finish.pattern == PLAIN:
        return np.zeros((SIDE_PX, SIDE_PX))
    if finish.pattern == STRIPES:
        width = random.uniform(0.2, 0.6)
        return (x % 1.0 < width) * 1.0
    if finish.pattern == CHECKS:
        mixed = random.random() < 0.5
        stripes = [(axis % 1.0 < 0.5) * 1.0 for axis in (x, y)]
        return (stripes[0] + stripes[1]) / 2 if mixed else np.abs(stripes[0] - stripes[1])
    if finish.pattern == DOTS:
        return (np.hypot(x % 1.0 - 0.5, y % 1.0 - 0.5) < random.uniform(0.15, 0.4)) * 1.0
    if finish.pattern == BRICKS:
        row = np.floor(2 * y)
        joint = np.minimum((2 * y) % 1.0, 0.5 * ((x + 0.5 * (row % 2)) % 1.0) * 2)
        return (joint < 0.1) * 1.0
    assert finish.pattern == NOISE
    clouds = _clouds(random, random.uniform(4, 20)) + 0.4 * _clouds(random, 3.0)
    return 0.5 + random.uniform(0.5, 3.0) * clouds


def _clouds(random: np.random.Generator, size_px: float) -> Array:
    """(256, 256) smooth noise of standard deviation 0.5 that repeats."""
    noise = gaussian_filter(random.standard_normal((SIDE_PX, SIDE_PX)), size_px, mode="wrap")
    return 0.5 * noise / noise.std()
