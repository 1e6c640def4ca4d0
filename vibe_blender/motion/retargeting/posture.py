# SPDX-License-Identifier: GPL-3.0-or-later OR MIT
"""A figure in motion."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...contract.quaternions import Array, conjugate, from_axis_angles, multiply, rotate, to_axis_angles
from .figure import Figure


@dataclass(frozen=True)
class Posture:
    """Where the bones of a figure are, in its character frame.

    Attributes:
        turned: (T, M, 4) unit quaternions, bone axes to the character frame.
        hips: (T, 3) midway between where both thighs begin, units of the figure's armature.
    """

    turned: Array
    hips: Array

    def turns(self, figure: Figure) -> Array:
        """(T, M, 4) by how much each bone is turned from its rest, about the axes of the character frame."""
        return multiply(self.turned, conjugate(figure.axes))


def places(figure: Figure, posture: Posture) -> Array:
    """Where all bones begin, (T, M, 3), each carried rigidly by its carrier, and the hips where they are to be."""
    turns = posture.turns(figure)
    found = np.empty((*posture.turned.shape[:2], 3))
    for row, carrier in enumerate(figure.carriers):
        if carrier < 0:
            found[:, row] = posture.hips + rotate(turns[:, row], figure.heads[row] - figure.hips)
        else:
            found[:, row] = found[:, carrier] + rotate(turns[:, carrier], figure.heads[row] - figure.heads[carrier])
    return found


def ends(figure: Figure, posture: Posture, begin: Array) -> Array:
    """Where all bones end, (T, M, 3); ``begin`` as from ``places``."""
    return begin + rotate(posture.turns(figure), figure.ends - figure.heads)


def partway(before: Array, after: Array, share: float) -> Array:
    """Unit quaternions (T, 4) a share 0..1 of the shortest way from some (T, 4) to others (slerp, Shoemake 1985)."""
    return multiply(before, from_axis_angles(share * to_axis_angles(multiply(conjugate(before), after))))
