# SPDX-License-Identifier: GPL-3.0-or-later OR MIT
"""When the feet of a source stand whose animation does not say it: by the same rules as those of a person."""

from __future__ import annotations

import itertools

import numpy as np
from numpy.typing import NDArray

from ...contract.quaternions import Array, conjugate, multiply, rotate
from ..contacts import HARDLY_EVER, standing_speeds, standing_stretches
from ..over_time import Timeline
from ..settings import Feet
from .bone_map import BoneMap
from .figure import SIDES, Figure, figure_of
from .footing import soles_of
from .limbs import metres_per_unit
from .rig import Rig, RigMotion


def found_stands(source: Rig, source_map: BoneMap, motion: RigMotion, fps: float) -> NDArray[np.bool_] | None:
    """Whether heel and ball of the left and the right foot stand, (T, 2, 2); None where they hardly ever do.

    The floor is where the soles are at rest. Speeds and heights count as those of a figure with an adult's legs.

    Args:
        source: at rest.
        source_map: of it, usable.
        motion: of it, every frame.
        fps: frames a second.

    Raises:
        CaptureError: ``no_figure``.
    """
    figure = figure_of(source, source_map)
    if any(figure.row(f"{side}_ankle") < 0 for side in SIDES):
        return None
    timeline = Timeline.of(motion.frames / fps, np.arange(len(motion.frames)))
    points = metres_per_unit(figure) * np.stack([_sole(source, figure, motion, side) for side in SIDES], axis=1)
    speeds, feet = standing_speeds(points, timeline), Feet()
    stands = np.zeros(speeds.shape, bool)
    for foot, part in itertools.product(range(2), range(2)):
        for first, end in standing_stretches(speeds[:, foot, part], points[:, foot, part, 2], timeline, feet):
            stands[first:end, foot, part] = True
    return stands if stands.any(axis=(1, 2)).mean() >= HARDLY_EVER else None


def _sole(source: Rig, figure: Figure, motion: RigMotion, side: str) -> Array:
    """Heel and ball of a foot, (T, 2, 3), character frame, armature units; their heights are those above rest."""
    foot, back = figure.bones[figure.row(f"{side}_ankle")], conjugate(figure.frame)
    offsets = soles_of(figure, figure, side)[0].offsets
    turn = multiply(motion.turned[:, foot], conjugate(source.axes[foot]))
    points = rotate(back, motion.heads[:, foot, None] + rotate(turn[:, None], rotate(figure.frame, offsets)))
    points[..., 2] -= rotate(back, source.heads[foot])[2] + offsets[:, 2]
    return points
