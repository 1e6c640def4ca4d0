# SPDX-License-Identifier: MIT
"""A body around the bones of `characters`, so that their motion can be looked at: rounded pieces, one to a bone."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tests.characters import Character
from vibe_blender.contract.quaternions import Array, from_axis_angles, rotate

_AROUND, _ROUND = 16, 5
_LEFT, _AHEAD, _UP = np.array([1.0, 0.0, 0.0]), np.array([0.0, -1.0, 0.0]), np.array([0.0, 0.0, 1.0])
_SHAPES = {
    "pelvis": ((0.13, 0.1), (0.125, 0.095), _LEFT), "spine": ((0.125, 0.09), (0.15, 0.1), _LEFT),
    "neck": ((0.06, 0.055), (0.05, 0.05), _LEFT), "head": ((0.07, 0.085), (0.075, 0.095), _LEFT),
    "collar": ((0.05, 0.05), (0.06, 0.055), _UP), "shoulder": ((0.055, 0.055), (0.042, 0.042), _AHEAD),
    "elbow": ((0.042, 0.04), (0.028, 0.024), _AHEAD), "wrist": ((0.03, 0.02), (0.04, 0.016), _AHEAD),
    "hip": ((0.085, 0.085), (0.058, 0.06), _LEFT), "knee": ((0.056, 0.06), (0.036, 0.04), _LEFT),
    "ankle": ((0.036, 0.045), (0.042, 0.028), _LEFT), "foot": ((0.042, 0.026), (0.036, 0.014), _LEFT),
    "finger": ((0.009, 0.009), (0.007, 0.007), _AHEAD),
}  # fmt: skip
"""Of a part where it begins and where it ends: half its width along a direction, half its depth; metres."""


@dataclass(frozen=True)
class Flesh:
    """A mesh whose vertices hang on one bone each.

    Attributes:
        vertices: (V, 3) armature frame and units.
        faces: (F, 4) vertex indices.
        owners: names of the bones, with the first vertex and the one after the last of each.
    """

    vertices: Array
    faces: Array
    owners: tuple[tuple[str, int, int], ...]


def flesh_of(character: Character) -> Flesh:
    """The body of a character, about as stout as its torso is long."""
    size = character.recipe.build.torso / 0.5
    turn = from_axis_angles(np.array([-np.pi / 2 if character.up == "Y" else 0.0, 0.0, 0.0]))
    vertices: list[Array] = []
    faces: list[Array] = []
    owners: list[tuple[str, int, int]] = []
    for bone, (part, begin, end) in _pieces(character).items():
        first, last, across = _SHAPES[part]
        radii = size * np.array([np.add(first, share * np.subtract(last, first)) for share in (begin, end)])
        start, stop = character.rig.heads[bone], character.ends[bone]
        if part == "pelvis":
            start = start - rotate(turn, 0.07 * size * _UP) / character.unit_m
        points, sides = _piece(start, stop, radii / character.unit_m, rotate(turn, across))
        count = sum(map(len, vertices))
        vertices.append(points)
        faces.append(sides + count)
        owners.append((character.rig.names[bone], count, count + len(points)))
    return Flesh(np.concatenate(vertices), np.concatenate(faces), tuple(owners))


def _pieces(character: Character) -> dict[int, tuple[str, float, float]]:
    """The bones that have flesh: of which kind, and from where to where along their part."""
    found = {}
    for entry in character.true_map.parts:
        for n, name in enumerate(entry.bones if entry.part != "root" else ()):
            joint = entry.part.rpartition("_")[2]
            found[character.rig.numbers[name]] = (joint, n / len(entry.bones), (n + 1) / len(entry.bones))
    fingers = {int(bone): ("finger", 0.0, 1.0) for bone in np.flatnonzero(character.fingers)}
    return found | fingers


def _piece(start: Array, end: Array, radii: Array, across: Array) -> tuple[Array, Array]:
    """Vertices (V, 3) and quads (F, 4) of a tube with rounded ends.

    Args:
        start, end: (3,) of its axis.
        radii: (2, 2) at its beginning and its end, along ``across`` and at right angles to it.
        across: (3,) direction.
    """
    way = end - start
    length = float(np.linalg.norm(way))
    y = way / length
    x = across - (across @ y) * y
    if np.linalg.norm(x) < 0.1:
        x = np.cross(y, np.eye(3)[np.argmin(np.abs(y))])
    x /= np.linalg.norm(x)
    angles = np.linspace(0.0, 0.99 * np.pi / 2, _ROUND)
    rings, z = [], np.cross(x, y)
    for side, centre in enumerate((start, end)):
        sign, half = (-1.0, 1.0)[side], radii[side]
        # No ends rounder than half the piece is long.
        bulge = min(float(half.min()), 0.5 * length + 0.3 * float(half.min()))
        rings += [
            (centre + sign * bulge * np.sin(angle) * y, half * np.cos(angle))
            for angle in (angles[::-1] if side == 0 else angles)
        ]
    around = np.arange(_AROUND) / _AROUND * 2.0 * np.pi
    points = [
        middle + np.cos(around)[:, None] * half[0] * x + np.sin(around)[:, None] * half[1] * z for middle, half in rings
    ]
    here = np.arange(_AROUND)
    after = (here + 1) % _AROUND
    quads = [
        np.stack([level + here, level + after, level + _AROUND + after, level + _AROUND + here], axis=1)
        for level in range(0, _AROUND * (len(rings) - 1), _AROUND)
    ]
    return np.concatenate(points), np.concatenate(quads)
