# SPDX-License-Identifier: GPL-3.0-or-later OR MIT
"""Arms and legs of a figure in motion, each two bones that bend so that their end comes to a place."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ...contract.quaternions import Array, conjugate, from_axis_angles, multiply
from ...contract.skeleton import REST_JOINTS
from ..legs import bend_leg
from ..soles import leg_length
from .figure import Figure
from .posture import Posture, ends, places

_LEG_M = leg_length(REST_JOINTS)
_RIGHT = np.array([np.pi / 2.0, 0.0, 0.0])
_KNEES, _ELBOWS = from_axis_angles(_RIGHT), from_axis_angles(-_RIGHT)
"""Turn the z axis to the front of the character frame, where knees bend to, and to its back, where elbows do."""


@dataclass(frozen=True)
class Limb:
    """One arm or leg over time, character frame.

    Attributes:
        rows: of upper arm and forearm, or thigh and shin, in the figure.
        begin, middle, end: (T, 3) shoulder, elbow and wrist, or hip, knee and ankle.
    """

    rows: tuple[int, int]
    begin: Array
    middle: Array
    end: Array

    def moved(self, by: Array) -> Limb:
        """The limb moved by (T, 3)."""
        return replace(self, begin=self.begin + by, middle=self.middle + by, end=self.end + by)

    @property
    def length(self) -> float:
        """Of both bones together."""
        upper, lower = self.middle[0] - self.begin[0], self.end[0] - self.middle[0]
        return float(np.linalg.norm(upper) + np.linalg.norm(lower))


def metres_per_unit(figure: Figure) -> float:
    """What makes a figure one whose legs are those of the average adult."""
    return _LEG_M / figure.leg


def in_metres(figure: Figure, posture: Posture) -> tuple[Figure, Posture]:
    """A figure and its posture as large as the average adult: there all that is known in metres holds."""
    scale = metres_per_unit(figure)
    sized = replace(figure, heads=scale * figure.heads, ends=scale * figure.ends)
    return sized, Posture(posture.turned, scale * posture.hips)


def limbs(figure: Figure, posture: Posture, joints: tuple[str, str, str]) -> list[Limb]:
    """The left and the right one of the limbs of such joints: ``("hip", "knee", "ankle")``, or those of arms."""
    begin = places(figure, posture)
    end = ends(figure, posture, begin)
    found = []
    for side in ("left", "right"):
        upper, lower, last = (figure.row(f"{side}_{joint}") for joint in joints)
        found.append(
            Limb((upper, lower), begin[:, upper], begin[:, lower], begin[:, last] if last >= 0 else end[:, lower])
        )
    return found


def bend(figure: Figure, turned: Array, limb: Limb, goal: Array, *, arm: bool) -> None:
    """Writes a limb's new orientations into ``turned`` (T, M, 4), so that its end comes to its goal, or towards it.

    Args:
        figure: whose limb it is.
        turned: orientations of the bones, character frame.
        limb: before.
        goal: (T, 3) character frame.
        arm: whether it bends to the back.
    """
    rows = list(limb.rows)
    axes = multiply(conjugate(figure.axes[rows]), _ELBOWS if arm else _KNEES)
    before = multiply(turned[:, rows], axes)
    upper, lower = bend_leg(limb.begin, limb.middle, limb.end, before[:, 0], before[:, 1], goal)
    turned[:, rows] = multiply(np.stack([upper, lower], axis=1), conjugate(axes))
