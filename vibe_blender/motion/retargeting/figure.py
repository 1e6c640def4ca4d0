# SPDX-License-Identifier: GPL-3.0-or-later OR MIT
"""A rig as a figure: the bones that are parts of a body, as one tree, standing upright and looking along -y."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from ...contract.errors import CaptureError
from ...contract.quaternions import Array, conjugate, from_matrices, multiply, rotate
from .bone_map import CARRIERS, CHAINS, PARTS, BoneMap
from .rig import Rig

SIDES = ("left", "right")
_ENDS = {"hip": "knee", "knee": "ankle", "ankle": "foot", "collar": "shoulder", "shoulder": "elbow", "elbow": "wrist"}
_LEAN_DEG, _ASKEW_DEG = 30.0, 5.0
"""So far from an axis of the armature a trunk that is drawn along it may lean, and hips and shoulders be askew."""


@dataclass(frozen=True)
class Figure:
    """The mapped bones of a rig at rest, in its own character frame: x its left, y behind it, z up, armature units.

    Attributes:
        parts: of each bone, M of them; carriers come before what they carry.
        bones: (M,) index of each in the rig.
        carriers: (M,) index in the figure of the one that carries each, -1 for the pelvis.
        heads, ends: (M, 3) where each begins, and where the next begins, or its own tail is.
        axes: (M, 4) unit quaternions, bone axes to the character frame.
        frame: (4,) unit quaternion, character frame to the armature.
    """

    parts: tuple[str, ...]
    bones: NDArray[np.intp]
    carriers: NDArray[np.intp]
    heads: Array
    ends: Array
    axes: Array
    frame: Array

    def __len__(self) -> int:
        """How many bones there are."""
        return len(self.parts)

    @cached_property
    def _rows(self) -> dict[str, tuple[int, ...]]:
        rows: dict[str, list[int]] = {}
        for row, part in enumerate(self.parts):
            rows.setdefault(part, []).append(row)
        return {part: tuple(found) for part, found in rows.items()}

    def rows(self, part: str) -> tuple[int, ...]:
        """The rows of a part's bones; none where it is not mapped."""
        return self._rows.get(part, ())

    def row(self, part: str) -> int:
        """The row of a part's last bone, -1 where it is not mapped."""
        return self.rows(part)[-1] if self.rows(part) else -1

    def carrier(self, part: str) -> str:
        """The next mapped part that carries a part."""
        part = CARRIERS[part]
        while part and not self.rows(part):
            part = CARRIERS[part]
        return part

    @property
    def directions(self) -> Array:
        """(M, 3) unit vectors from where bones begin to where they end."""
        along = self.ends - self.heads
        return along / np.maximum(np.linalg.norm(along, axis=-1, keepdims=True), 1e-12)

    @property
    def lengths(self) -> Array:
        """(M,) armature units from where bones begin to where they end."""
        return np.linalg.norm(self.ends - self.heads, axis=-1)

    @property
    def leg(self) -> float:
        """Armature units of thigh and shin together, the mean of both legs."""
        rows = [self.row(f"{side}_{joint}") for side in SIDES for joint in ("hip", "knee")]
        return float(np.sum(self.lengths[rows]) / 2)

    @property
    def hips(self) -> Array:
        """(3,) midway between where both thighs begin."""
        return np.mean([self.heads[self.row(f"{side}_hip")] for side in SIDES], axis=0)


def figure_of(rig: Rig, bone_map: BoneMap) -> Figure:
    """The figure of a rig.

    Args:
        rig: at rest.
        bone_map: usable (``bone_map.check_usable``).

    Raises:
        CaptureError: ``no_figure`` where legs have no length, or it cannot be told which way is up.
    """
    parts: list[str] = []
    bones: list[int] = []
    carriers: list[int] = []
    for part in PARTS:
        names = bone_map.bones(part) if part != "root" else ()
        names = names if part in CHAINS else names[:1]
        for number, name in enumerate(names):
            carriers.append(len(parts) - 1 if number else _last(parts, part))
            parts.append(part)
            bones.append(rig.numbers[name])
    heads, chosen = rig.heads[bones], np.array(bones, np.intp)
    frame = _frame(parts, heads)
    ends = np.array([_end(rig, bone_map, parts, bones, row) for row in range(len(parts))])
    back = conjugate(frame)
    figure = Figure(
        tuple(parts), chosen, np.array(carriers, np.intp), rotate(back, heads), rotate(back, ends),
        multiply(back, rig.axes[chosen]), frame,
    )  # fmt: skip
    limbs = [figure.row(f"{side}_{joint}") for side in SIDES for joint in ("hip", "knee", "shoulder", "elbow")]
    if not np.all(figure.lengths[limbs] > 1e-3 * max(figure.leg, 1e-9)):
        raise CaptureError("no_figure", "A thigh, shin, upper arm or forearm has no length.", "Check the mapped bones.")
    return figure


def _last(parts: list[str], part: str) -> int:
    """The row of the last bone of what carries a part, -1 for the pelvis."""
    carrier = CARRIERS[part]
    while carrier and carrier not in parts:
        carrier = CARRIERS[carrier]
    return len(parts) - 1 - parts[::-1].index(carrier) if carrier else -1


def _end(rig: Rig, bone_map: BoneMap, parts: list[str], bones: list[int], row: int) -> Array:
    """Where a bone of the figure ends, armature frame: where the next begins; else at its own tail."""
    part = parts[row]
    side, _, joint = part.rpartition("_")
    following = {"spine": "neck", "neck": "head"}.get(part) or (f"{side}_{_ENDS[joint]}" if joint in _ENDS else "")
    if part in CHAINS and row + 1 < len(parts) and parts[row + 1] == part:
        return rig.heads[bones[row + 1]]
    if part == "spine" and "neck" not in parts:
        following = "head"
    if following in parts:
        return rig.heads[bones[parts.index(following)]]
    inline = bone_map.bones(part)
    return rig.tails[bones[row] if part in CHAINS else rig.numbers[inline[-1]]]


def _frame(parts: list[str], heads: Array) -> Array:
    """The character frame to the armature, (4,): its axes are the armature's where the figure is drawn along them."""
    place = {part: heads[row] for row, part in reversed(list(enumerate(parts)))}
    across = sum(place[f"left_{joint}"] - place[f"right_{joint}"] for joint in ("hip", "shoulder"))
    upwards = sum(place[f"{side}_shoulder"] - place[f"{side}_hip"] for side in SIDES)
    if min(np.linalg.norm(across), np.linalg.norm(np.cross(across, upwards))) < 1e-9:
        raise CaptureError("no_figure", "Hips and shoulders do not tell which way is up.", "Check the mapped bones.")
    up = _along_axis(upwards, _LEAN_DEG)
    # A trunk leans, but hips and shoulders lie level: how a figure is turned about the vertical is told exactly.
    left = _along_axis(across - (across @ up) * up, _ASKEW_DEG)
    return from_matrices(np.stack([left, np.cross(up, left), up], axis=1))


def _along_axis(way: Array, most_deg: float) -> Array:
    """The unit vector (3,) of a way (3,), or of the armature's axis that it is nearest to, if that is so near."""
    way = way / np.linalg.norm(way)
    nearest = int(np.argmax(np.abs(way)))
    axis = np.sign(way[nearest]) * np.eye(3)[nearest]
    return axis if np.degrees(np.arccos(np.clip(axis @ way, -1.0, 1.0))) < most_deg else way
