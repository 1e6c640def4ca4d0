# SPDX-License-Identifier: MIT
"""The embedded default: BlazePose landmarks over time become the motion of our own body, by geometry.

Flips are repaired and the two readings merged (evidence), a first pose is read off BlazePose's own 3D (start), and the
whole clip is fitted to the 2D landmarks by a body of constant bone lengths that moves smoothly (fit, kinematics).
"""

from .estimator import Evidence, KeypointEstimator
from .evidence import Readings

__all__ = ["Evidence", "KeypointEstimator", "Readings"]
