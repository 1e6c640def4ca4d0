# SPDX-License-Identifier: GPL-3.0-or-later OR MIT
"""How clean a motion is, in the numbers that animators look at."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..contract.quaternions import Array
from ..contract.skeleton import forward_kinematics
from ..contract.take import Person
from .contacts import standing
from .settings import Contact
from .soles import sole_points

_MM = 1000.0
_JITTER_UNIT = 10.0


@dataclass(frozen=True)
class Measures:
    """Of one person, or the mean of several.

    Attributes:
        slide_mm: how far along the floor a part of a foot that stands moves, per video frame; nan where none stands.
        float_mm: how far above the floor parts that stand are, mean over all of them.
        below_mm: how far below it.
        jitter: mean third derivative of the joints' places, 10 m/s³; nan where the person is seen too shortly.
    """

    slide_mm: float
    float_mm: float
    below_mm: float
    jitter: float


def measure(person: Person, times: Array, contacts: tuple[Contact, ...]) -> Measures:
    """The numbers of a person.

    Foot slide, float and penetration are of the points under heel and ball in their own contacts; the jitter is that of
    VIBE's successors (Shen et al. 2024, table 2), without the steps across gaps.

    Args:
        person: whose; the floor is the world's z = 0.
        times: (T,) seconds of the person's frames.
        contacts: of this person.
    """
    positions, orientations = forward_kinematics(person.rest_joints, person.rotations, person.root)
    soles = sole_points(person.rest_joints, positions, orientations)[:, :, :2]
    stands = standing(contacts, person.frames)
    follows = np.diff(person.frames) == 1
    lasting = stands[1:] & stands[:-1] & follows[:, None, None]
    ways = np.linalg.norm(np.diff(soles[..., :2], axis=0), axis=-1)
    heights = soles[..., 2][stands]
    return Measures(
        slide_mm=_mean(ways[lasting]) * _MM,
        float_mm=_mean(np.maximum(heights, 0.0)) * _MM,
        below_mm=_mean(np.maximum(-heights, 0.0)) * _MM,
        jitter=_jitter(positions, times, follows),
    )


def together(measures: list[Measures]) -> Measures:
    """The means, over those who have a number."""
    names = ("slide_mm", "float_mm", "below_mm", "jitter")
    values = {name: np.array([getattr(item, name) for item in measures], float) for name in names}
    return Measures(**{name: _mean(found[np.isfinite(found)]) for name, found in values.items()})


def _jitter(positions: Array, times: Array, follows: Array) -> float:
    whole = follows[2:] & follows[1:-1] & follows[:-2]
    if not whole.any():
        return float("nan")
    step = (times[3:] - times[:-3])[whole] / 3.0
    thirds = np.linalg.norm(np.diff(positions, n=3, axis=0)[whole], axis=-1).mean(axis=1)
    return float(np.mean(thirds / step**3)) / _JITTER_UNIT


def _mean(values: Array) -> float:
    return float(np.mean(values)) if len(values) else float("nan")
