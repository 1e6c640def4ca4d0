# SPDX-License-Identifier: GPL-3.0-or-later OR MIT
"""Where a person's legs and the soles of the feet are: points under heel, ball and toe tip."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ..contract.quaternions import Array, multiply, rotate
from ..contract.skeleton import REST_JOINTS
from ..contract.take import Person

HIPS, KNEES, ANKLES, BALLS = (1, 2), (4, 5), (7, 8), (10, 11)
"""Joints of the left and the right leg; SMPL's "foot" joint is the ball of the foot."""
_CHAIN = np.array([HIPS, KNEES, ANKLES, BALLS])
HIP, KNEE, ANKLE, BALL = range(4)

# Of the average adult, metres: offsets from the ankle, and from the ball to under it and under the tip of the toes.
_HEEL = (0.0, -0.072, -0.05)
_UNDER_BALL = (0.0, -0.020, 0.0)
_TIP = (0.0, -0.020, 0.065)


def leg_length(rest_joints: Array) -> float:
    """Metres of thigh and shin together, of joints (24, 3) at rest."""
    thigh, shin = rest_joints[KNEES[0]] - rest_joints[HIPS[0]], rest_joints[ANKLES[0]] - rest_joints[KNEES[0]]
    return float(np.linalg.norm(thigh) + np.linalg.norm(shin))


def sole_offsets(rest_joints: Array) -> tuple[Array, Array, Array]:
    """Where under heel, ball and toe tip are, each (3,) metres, at rest: from the ankle, the ball and the ball.

    Args:
        rest_joints: (24, 3) metres, body frame; the offsets grow with the legs.
    """
    scale = leg_length(rest_joints) / leg_length(REST_JOINTS)
    heel, ball, tip = (np.array(offset) * scale for offset in (_HEEL, _UNDER_BALL, _TIP))
    return heel, ball, tip


def sole_points(rest_joints: Array, positions: Array, orientations: Array) -> Array:
    """Under heel, ball and toe tip of the left and the right foot: (T, 2, 3, 3) metres, world.

    Args:
        rest_joints: (24, 3) metres, body frame.
        positions: (T, 24, 3) metres, world.
        orientations: (T, 24, 4) unit quaternions, to the world.
    """
    ankles, balls = np.array(ANKLES), np.array(BALLS)
    return _points(
        rest_joints, positions[:, ankles], orientations[:, ankles], positions[:, balls], orientations[:, balls]
    )


@dataclass(frozen=True)
class Legs:
    """Both legs of one person.

    Attributes:
        places: (T, 2, 4, 3) metres, world: hip, knee, ankle and ball of the left and the right leg.
        turned: (T, 2, 4, 4) unit quaternions, of the same joints to the world.
        soles: (T, 2, 3, 3) metres, world: under heel, ball and toe tip.
        pelvis: (T, 4) unit quaternions, to the world.
        rest_joints: (24, 3) metres, body frame.
    """

    places: Array
    turned: Array
    soles: Array
    pelvis: Array
    rest_joints: Array

    def moved(self, by: Array) -> Legs:
        """The legs of a person moved by (T, 3) metres."""
        by = by[:, None, None]
        return replace(self, places=self.places + by, soles=self.soles + by)


def legs_of(person: Person) -> Legs:
    """A person's legs: the part of the forward kinematics that feet need."""
    rest, rotations = person.rest_joints, person.rotations
    place, turned = person.root[:, None], rotations[:, :1]
    start = rest[:1]
    places, turns = [], []
    for joints in _CHAIN:
        place = place + rotate(turned, rest[joints] - start)
        turned = multiply(turned, rotations[:, joints])
        start = rest[joints]
        places.append(place)
        turns.append(turned)
    soles = _points(rest, places[ANKLE], turns[ANKLE], places[BALL], turns[BALL])
    return Legs(np.stack(places, axis=2), np.stack(turns, axis=2), soles, rotations[:, 0], rest)


def _points(rest_joints: Array, ankles: Array, ankles_turned: Array, balls: Array, balls_turned: Array) -> Array:
    heel, under_ball, tip = sole_offsets(rest_joints)
    return np.stack(
        [
            ankles + rotate(ankles_turned, heel),
            balls + rotate(balls_turned, under_ball),
            balls + rotate(balls_turned, tip),
        ],
        axis=2,
    )
