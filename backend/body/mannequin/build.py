# SPDX-License-Identifier: MIT
"""The whole body model, from the solid to the arrays of an SMPL file."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from vibe_blender.contract.quaternions import Array
from vibe_blender.contract.skeleton import JOINT_COUNT, PARENTS

from . import anatomy, cage, clothing, correctives, shape, surface, weights

_FIT_ROUNDS = 10
_STEP = 2.0**-20
"""Metres: values are rounded to multiples of this (about a micrometre), so that the file packs well."""


def arrays() -> dict[str, np.ndarray]:
    """Every array of the file, by its SMPL name."""
    solid = anatomy.solid()
    mesh = surface.subdivide(surface.subdivide(cage.build(solid)))
    mesh = surface.fit(mesh, solid, _FIT_ROUNDS)
    vertices = _rounded(mesh.vertices).astype(np.float64)
    faces = surface.triangles(mesh.quads)
    skin = weights.skin_weights(vertices, mesh.quads)
    flesh = shape.flesh_directions(vertices, surface.normals(vertices, faces))
    regressor = weights.joint_regressor(vertices, skin, flesh)
    mean = surface.averaging(mesh.quads, len(vertices))
    return {
        "v_template": _rounded(vertices),
        "shapedirs": _rounded(shape.shape_directions(vertices, flesh, regressor, mean)),
        "posedirs": _rounded(correctives.pose_directions(vertices, mesh.quads, skin)),
        "J_regressor": regressor.astype(np.float32),
        "weights": skin.astype(np.float32),
        "kintree_table": np.array([[2**32 - 1, *PARENTS[1:]], range(JOINT_COUNT)], np.uint32),
        "f": faces.astype(np.uint32),
        "faces_quads": mesh.quads.astype(np.uint32),
        "material": clothing.face_materials(vertices, mesh.quads, mesh.parts),
        "material_names": np.array(clothing.MATERIALS),
    }


def write(path: Path) -> None:
    """Builds the model and writes it as a compressed .npz."""
    np.savez_compressed(path, **arrays())


def _rounded(values: Array) -> Array:
    return (np.round(values / _STEP) * _STEP).astype(np.float32)
