# SPDX-License-Identifier: MIT
"""How far BlazePose's depth can be trusted: from one end of a bone to the other, each bone with its own error.

Slopes and standard deviations were measured on clips with exact ground truth, by regressing the true depth of a bone on
BlazePose's. Bone by bone they are nearly independent, while errors of depths behind the hips add up along a limb.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from backend.body.keypoints import LANDMARK_NAMES

Array = NDArray[np.floating]


@dataclass(frozen=True)
class Span:
    """From the mean of some landmarks to the mean of others.

    Attributes:
        start, end: landmark names.
        slope: true depth over BlazePose's.
        spread_m: standard deviation of what is left.
    """

    start: tuple[str, ...]
    end: tuple[str, ...]
    slope: float
    spread_m: float


def _both(start: str, end: str, slope: float, spread_m: float) -> list[Span]:
    return [Span((f"{side}_{start}",), (f"{side}_{end}",), slope, spread_m) for side in ("left", "right")]


_SHOULDERS = ("left_shoulder", "right_shoulder")
SPANS: tuple[Span, ...] = (
    Span(("left_hip",), ("right_hip",), 1.0, 0.04),
    Span(("left_shoulder",), ("right_shoulder",), 1.1, 0.065),
    Span(("left_hip", "right_hip"), _SHOULDERS, 1.0, 0.06),
    Span(_SHOULDERS, ("left_ear", "right_ear"), 1.0, 0.05),
    Span(("left_ear",), ("right_ear",), 1.0, 0.03),
    Span(("left_ear", "right_ear"), ("nose",), 1.0, 0.03),
    *_both("hip", "knee", 1.3, 0.085),
    *_both("knee", "ankle", 1.15, 0.085),
    *_both("ankle", "heel", 1.0, 0.03),
    *_both("heel", "foot_index", 1.0, 0.05),
    *_both("shoulder", "elbow", 0.9, 0.07),
    *_both("elbow", "wrist", 0.9, 0.085),
    *(Span(_SHOULDERS, (f"{side}_{part}",), 1.0, 0.10) for part in ("elbow", "wrist") for side in ("left", "right")),
    *_both("wrist", "index", 1.0, 0.05),
    *_both("index", "pinky", 1.0, 0.04),
)


def _matrix() -> Array:
    matrix = np.zeros((len(SPANS), len(LANDMARK_NAMES)))
    for row, span in enumerate(SPANS):
        for names, sign in ((span.start, -1.0), (span.end, 1.0)):
            for name in names:
                matrix[row, LANDMARK_NAMES.index(name)] += sign / len(names)
    return matrix


SPAN_MATRIX = _matrix()
"""(S, 33), one row for each span: what takes depths of the landmarks to depths from end to end."""
SPAN_ENDS = SPAN_MATRIX != 0
SPAN_SLOPE = np.array([span.slope for span in SPANS])
SPAN_SPREAD_M = np.array([span.spread_m for span in SPANS])
