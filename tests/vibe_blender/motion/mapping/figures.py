# SPDX-License-Identifier: MIT
"""Made skeletons of all sorts, whose parts are known."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from vibe_blender.contract.quaternions import Array
from vibe_blender.motion.retargeting.rig import Rig


@dataclass
class Figure:
    """A skeleton while it is made: metres, z up, looking along -y."""

    spine: int = 3
    neck: int = 1
    collars: bool = True
    toes: bool = True
    fingers: int = 5
    inline: int = 0
    root: bool = True
    face: bool = False
    clutter: bool = False
    arms_down_deg: float = 0.0
    legs: float = 0.85
    arms: float = 0.53
    head: float = 0.25
    pelvis_bones: bool = False
    names: list[str] = field(default_factory=list)
    parents: list[int] = field(default_factory=list)
    heads: list[Array] = field(default_factory=list)
    tails: list[Array] = field(default_factory=list)
    truth: dict[str, list[int]] = field(default_factory=dict)

    def bone(self, name: str, parent: int, head: Array, tail: Array, part: str = "") -> int:
        """A new bone's number."""
        self.names.append(name)
        self.parents.append(parent)
        self.heads.append(np.asarray(head, float))
        self.tails.append(np.asarray(tail, float))
        if part:
            self.truth.setdefault(part, []).append(len(self.names) - 1)
        return len(self.names) - 1

    def made(self) -> Figure:
        """The same with all its bones."""
        hip = 0.08 + self.legs
        parent = self.bone("root", -1, (0, 0, 0), (0, 0, 0.1), "root") if self.root else -1
        pelvis = self.bone("pelvis", parent, (0, 0.02, hip + 0.05), (0, 0.02, hip + 0.12), "pelvis")
        chest_at = hip + 0.48
        parent = pelvis
        levels = np.linspace(hip + 0.12, chest_at, self.spine + 1)
        for number in range(self.spine):
            ends = [(0, 0.03, level) for level in levels[number : number + 2]]
            parent = self.bone(f"spine{number + 1}", parent, *ends, "spine")
        chest = parent
        levels = np.linspace(chest_at + 0.02, chest_at + 0.12, self.neck + 1)
        for number in range(self.neck):
            ends = [(0, 0.03 - 0.01 * number, level) for level in levels[number : number + 2]]
            parent = self.bone(f"neck{number + 1}", parent, *ends, "neck")
        head = self.bone("head", parent, (0, 0.02, chest_at + 0.12), (0, 0.02, chest_at + 0.12 + self.head), "head")
        if self.face:
            self.bone("jaw", head, (0, -0.02, chest_at + 0.13), (0, -0.1, chest_at + 0.1))
            for side in (1, -1):
                eye = chest_at + 0.2
                self.bone(f"eye{side}", head, (0.03 * side, -0.08, eye), (0.03 * side, -0.1, eye))
        for side, mirror in (("left", 1.0), ("right", -1.0)):
            self._leg(side, mirror, pelvis, hip)
            self._arm(side, mirror, chest, chest_at)
        if self.clutter:
            self._clutter(head, pelvis, chest, chest_at, hip)
        return self

    def _limb(self, side: str, parts: list[str], points: Array, parent: int) -> int:
        """The last bone of a limb through points (N + 1, 3); its segments but the last may be of several bones."""
        for number, part in enumerate(parts):
            pieces = 1 + (self.inline if part in ("hip", "knee", "shoulder", "elbow") else 0)
            cuts = np.linspace(points[number], points[number + 1], pieces + 1)
            for piece in range(pieces):
                name = f"{side}_{part}" + (f"_{piece}" if pieces > 1 else "")
                parent = self.bone(name, parent, cuts[piece], cuts[piece + 1], f"{side}_{part}")
        return parent

    def _leg(self, side: str, mirror: float, pelvis: int, hip: float) -> None:
        if self.pelvis_bones:
            pelvis = self.bone(f"{side}_hipbone", pelvis, (0.02 * mirror, 0.02, hip + 0.05), (0.09 * mirror, 0, hip))
        knee, half = 0.08 + 0.49 * self.legs, 0.09 * mirror
        points = [(half, 0, hip), (half, -0.02, knee), (half, 0.02, 0.08), (half, -0.1, 0.02), (half, -0.17, 0.02)]
        parts = ["hip", "knee", "ankle", "foot"] if self.toes else ["hip", "knee", "ankle"]
        self._limb(side, parts, np.array(points), pelvis)

    def _arm(self, side: str, mirror: float, chest: int, chest_at: float) -> None:
        down = np.radians(self.arms_down_deg)
        way = np.array([mirror * np.cos(down), 0, -np.sin(down)])
        shoulder = np.array([0.18 * mirror, 0.02, chest_at - 0.02])
        parent = chest
        if self.collars:
            parent = self.bone(f"{side}_collar", chest, (0.03 * mirror, 0, chest_at - 0.03), shoulder, f"{side}_collar")
        elbow, wrist = shoulder + 0.53 * self.arms * way, shoulder + self.arms * way + np.array([0, -0.02, 0])
        palm = wrist + 0.09 * way
        hand = self._limb(side, ["shoulder", "elbow", "wrist"], np.array([shoulder, elbow, wrist, palm]), parent)
        for finger in range(self.fingers):
            base, number = palm + np.array([0, 0.02 * (finger - 2), 0]), hand
            for joint in range(3):
                ends = base + 0.03 * joint * way, base + 0.03 * (joint + 1) * way
                number = self.bone(f"{side}_f{finger}_{joint}", number, *ends)

    def _clutter(self, head: int, pelvis: int, chest: int, chest_at: float, hip: float) -> None:
        """Plaits, a skirt, a tail, a cape."""
        for mirror in (1.0, -1.0):
            for start, parent, way, count in (
                ((0.07 * mirror, 0.05, chest_at + 0.25), head, (0.02 * mirror, 0.02, -0.08), 5),
                ((0.1 * mirror, -0.1, hip), pelvis, (0.03 * mirror, -0.02, -0.12), 4),
                ((0.08 * mirror, 0.1, chest_at), chest, (0.01 * mirror, 0.01, -0.13 * self.legs), 5),
                ((0.06 * mirror, -0.1, chest_at - 0.1), chest, (0, -0.05, 0), 1),
            ):
                number, at = parent, np.array(start)
                for link in range(count):
                    number = self.bone(f"x{start}{link}", number, at, at + way)
                    at = at + way
        number, at = pelvis, np.array([0, 0.1, hip + 0.05])
        for link in range(5):
            number = self.bone(f"t{link}", number, at, at + np.array([0, 0.08, -0.05]))
            at = at + np.array([0, 0.08, -0.05])

    def rig(self, names: list[str] | None = None, turn: Array | None = None, scale: float = 1.0) -> Rig:
        """Its rig, turned by a matrix (3, 3) and scaled."""
        count = len(self.names)
        turn = np.eye(3) if turn is None else turn
        everything = np.ones(count, bool)
        return Rig(
            tuple(names or self.names), np.array(self.parents, np.intp), np.array(self.heads) @ turn.T * scale,
            np.array(self.tails) @ turn.T * scale, np.tile([1.0, 0.0, 0.0, 0.0], (count, 1)), everything, everything,
        )  # fmt: skip
