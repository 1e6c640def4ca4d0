# SPDX-License-Identifier: MIT
"""Clips that differ each time they are seen: shaken crops, mirrored people, things in the way, other colours.

All of it changes pictures, so it needs them: features cannot be mirrored or occluded once they are computed. What is
drawn follows from a seed, from how often the data has been gone through, and from the clip's number, and from nothing
else: neither from how many processes load clips, nor from what was loaded before.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from backend.body.smpl import JOINTS49
from backend.person_crops import SIDE_PX
from vibe_blender.contract.skeleton import JOINT_NAMES

Array = NDArray[np.floating]
Pictures = NDArray[np.uint8]

_MOST_OCCLUDERS = 3
_OCCLUDER_SIDES = (0.1, 0.45)
_CORNERS = (8, 24)
_GRAIN = 5


@dataclass(frozen=True)
class Augmentation:
    """How much clips change; each clip as a whole, so that motion stays motion.

    Attributes:
        scale: the crop becomes larger or smaller by a factor up to 1 + so much.
        shift: the crop moves by up to so much of its side, to each side and up or down.
        mirror: share of clips that are mirrored, left and right exchanged.
        occlude: share of clips in which made things drift before the person (the idea of Sarandi et al. 2018, which
            TCMR follows, with made textures instead of cut-out objects).
        colour: each channel is multiplied by 1 +- up to so much.
    """

    scale: float = 0.2
    shift: float = 0.08
    mirror: float = 0.5
    occlude: float = 0.5
    colour: float = 0.3


NONE = Augmentation(0.0, 0.0, 0.0, 0.0, 0.0)


@dataclass(frozen=True)
class Change:
    """What was drawn for one clip.

    Attributes:
        scale: factor of the crop's side.
        shift: (2,) of the crop's centre, in sides of the square, x right, y down, before mirroring.
        mirrored: left and right are exchanged.
        gains: (3,) of red, green and blue.
        occluders: what is in the way.
    """

    scale: float
    shift: Array
    mirrored: bool
    gains: Array
    occluders: tuple[Occluder, ...] = ()


@dataclass(frozen=True)
class Occluder:
    """A blot that drifts through the crop.

    Attributes:
        outline: (M, 2) pixels of the crop, around its middle.
        way: (2, 2) pixels of the crop, of the middle in the first and in the last frame.
        texture: (224, 224, 3) RGB.
    """

    outline: Array
    way: Array
    texture: Pictures


UNCHANGED = Change(1.0, np.zeros(2), False, np.ones(3))


def random_of(seed: int, times: int, number: int) -> np.random.Generator:
    """What decides about a clip.

    Args:
        seed: of the run.
        times: how often the data was gone through before.
        number: of the clip.
    """
    return np.random.default_rng([seed, times, number])


def draw(settings: Augmentation, random: np.random.Generator) -> Change:
    """What is to happen to a clip."""
    scale = float(np.exp(random.uniform(-1, 1) * np.log1p(settings.scale)))
    shift = random.uniform(-1, 1, 2) * settings.shift
    mirrored = bool(random.random() < settings.mirror)
    gains = 1.0 + random.uniform(-1, 1, 3) * settings.colour
    count = int(random.integers(1, _MOST_OCCLUDERS + 1)) if random.random() < settings.occlude else 0
    return Change(scale, shift, mirrored, gains, tuple(_occluder(random) for _ in range(count)))


def shaken(squares: Array, change: Change) -> Array:
    """(T, 4) squares, centre x, y, width, height, pixels, moved and enlarged as drawn."""
    centres = squares[:, :2] + change.shift * squares[:, 2:]
    return np.concatenate([centres, squares[:, 2:] * change.scale], axis=1)


def painted(crops: Pictures, change: Change) -> Pictures:
    """(T, 224, 224, 3) uint8 RGB: crops with other colours, and with things in the way of people."""
    result = crops.copy()
    if np.any(change.gains != 1.0):
        levels = np.arange(256)[:, None] * change.gains
        table = np.clip(np.rint(levels), 0, 255).astype(np.uint8)[None]
        for crop in result:
            cv2.LUT(crop, table, dst=crop)
    for occluder in change.occluders:
        for frame, share in enumerate(np.linspace(0.0, 1.0, len(crops))):
            middle = (1 - share) * occluder.way[0] + share * occluder.way[1]
            mask = np.zeros((SIDE_PX, SIDE_PX), np.uint8)
            cv2.fillPoly(mask, [np.rint(occluder.outline + middle).astype(np.int32)], [1])
            cv2.copyTo(occluder.texture, mask, result[frame])
    return result


def mirrored_joints(joints: Array) -> Array:
    """(..., 49, 2 or more) joints of somebody seen in a mirror: first number negated, left and right exchanged.

    Args:
        joints: x first, 0 in the mirror's plane, in the order of ``JOINTS49``.
    """
    result = joints[..., SWAPPED_JOINTS, :].copy()
    result[..., 0] *= -1
    return result


def mirrored_rotations(rotations: Array) -> Array:
    """(..., 24, 3) axis-angle of somebody seen in a mirror across x: left and right exchanged, y and z negated.

    A mirror M = diag(-1, 1, 1) turns R into M R M, whose axis is -M times R's. That is as true of the root, whose
    rotation leads to a camera that is mirrored in x, too.
    """
    return rotations[..., SWAPPED_ROTATIONS, :] * [1.0, -1.0, -1.0]


def _occluder(random: np.random.Generator) -> Occluder:
    """A jagged or a round blot with a coarse texture; it moves by up to half a crop."""
    side = SIDE_PX * random.uniform(*_OCCLUDER_SIDES)
    corners = _CORNERS[int(random.integers(2))]
    angles = np.arange(corners) * 2 * np.pi / corners
    radii = side / 2 * (random.uniform(0.3, 1.0, corners) if corners == _CORNERS[0] else np.ones(corners))
    outline = np.stack([np.cos(angles), np.sin(angles)], axis=1) * radii[:, None] * np.exp(random.uniform(-0.5, 0.5, 2))
    start = random.uniform(0, SIDE_PX, 2)
    way = np.stack([start, start + random.uniform(-0.5, 0.5, 2) * SIDE_PX])
    grains = random.integers(0, 256, 3) + random.normal(scale=40, size=(_GRAIN, _GRAIN, 3))
    texture = cv2.resize(np.clip(grains, 0, 255).astype(np.uint8), (SIDE_PX, SIDE_PX), interpolation=cv2.INTER_CUBIC)
    return Occluder(outline, way, texture.astype(np.uint8, copy=False))


def _other_side(name: str) -> str:
    """The name of a joint's counterpart, its own where it has none."""
    for right, left in (("Right ", "Left "), ("OP R", "OP L"), ("right_", "left_")):
        for one, other in ((right, left), (left, right)):
            if name.startswith(one):
                return other + name.removeprefix(one)
    return name


def _swapped(names: tuple[str, ...]) -> NDArray[np.intp]:
    return np.array([names.index(_other_side(name)) for name in names], np.intp)


SWAPPED_JOINTS = _swapped(tuple(name for name, _ in JOINTS49))
"""(49,) for each of ``JOINTS49`` the one on the other side."""
SWAPPED_ROTATIONS = _swapped(JOINT_NAMES)
"""(24,) for each of SMPL's joints the one on the other side."""
