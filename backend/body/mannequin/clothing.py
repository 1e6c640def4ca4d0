# SPDX-License-Identifier: MIT
"""Which part of the skin would be clothed: colours for a rendering that looks like a person in shirt and trousers."""

from __future__ import annotations

import numpy as np

from vibe_blender.contract.quaternions import Array

from .cage import PARTS

MATERIALS = ("skin", "hair", "shirt", "trousers", "shoes", "eyes", "lips")
_SLEEVE_X = 0.340
_HAIRLINE_Y = 0.352


def face_materials(vertices: Array, quads: np.ndarray, parts: np.ndarray) -> np.ndarray:
    """Index (Q,) into ``MATERIALS`` for every quad of the rest body.

    Args:
        vertices: (V, 3) metres, body frame.
        quads: (Q, 4) vertex indices.
        parts: (Q,) index into the cage's ``PARTS``.
    """
    x, y, z = vertices[quads].mean(axis=1).T
    across = np.abs(x)
    on = {name: parts == index for index, name in enumerate(PARTS)}
    result = np.zeros(len(quads), np.uint8)

    def paint(name: str, where: Array) -> None:
        result[where] = MATERIALS.index(name)

    paint("trousers", on["pelvis"] | on["leg"])
    paint("shirt", on["trunk"] | (on["arm"] & (across < _SLEEVE_X)))
    paint("shoes", on["foot"])
    scalp = (y > 0.412 + 1.0 * z) & (y > _HAIRLINE_Y) & ~((across > 0.062) & (y < 0.435) & (z > -0.030))
    brow = (np.abs(y - 0.4305) < 0.005) & (across > 0.012) & (across < 0.052) & (z > 0.06)
    paint("hair", on["head"] & (scalp | brow))
    paint("eyes", on["head"] & (np.hypot(across - 0.0325, 1.4 * (y - 0.4115)) < 0.010) & (z > 0.05))
    paint("lips", on["head"] & (np.abs(y - 0.3455) < 0.008) & (across < 0.021) & (z > 0.07))
    return result
