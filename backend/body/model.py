# SPDX-License-Identifier: MIT
"""A body model in SMPL's file format, read without running any code that a file may carry."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from backend.npz import read_arrays
from vibe_blender.contract.errors import CaptureError
from vibe_blender.contract.quaternions import Array
from vibe_blender.contract.skeleton import JOINT_COUNT, PARENTS

SHAPE_COUNT = 10
POSE_COUNT = 9 * (JOINT_COUNT - 1)


@dataclass(frozen=True, slots=True)
class BodyModel:
    """SMPL's arrays (Loper et al. 2015); metres, body frame (x to the person's left, y up, z out of the chest).

    Attributes:
        template: (V, 3) rest vertices for betas = 0.
        shape_directions: (V, 3, 10) metres per unit of each beta.
        pose_directions: (V, 3, 207) metres per entry of R - I of joints 1 to 23, row by row.
        joint_regressor: (24, V) weights that give the joints from the rest vertices.
        skin_weights: (V, 24) linear blend skinning weights, rows summing to 1.
        triangles: (F, 3) vertex indices, counter-clockwise seen from outside.
        quads: (Q, 4) the same surface in quads, or (0, 4) where the file has none.
        materials: (Q,) index into ``material_names`` for every quad; all 0 where the file has none.
        material_names: such as skin and shirt; one name where the file has none.
    """

    template: Array
    shape_directions: Array
    pose_directions: Array
    joint_regressor: Array
    skin_weights: Array
    triangles: np.ndarray
    quads: np.ndarray
    materials: np.ndarray
    material_names: tuple[str, ...]

    @property
    def joint_template(self) -> Array:
        """(24, 3) metres, body frame: the rest joints for betas = 0."""
        return self.joint_regressor @ self.template

    @property
    def joint_directions(self) -> Array:
        """(24, 3, 10) metres per unit of each beta: the rest joints are linear in the betas."""
        return np.einsum("jv,vck->jck", self.joint_regressor, self.shape_directions)

    def rest_vertices(self, betas: Array) -> Array:
        """(..., V, 3) metres, body frame: the rest skin for betas (..., 10)."""
        return self.template + np.einsum("vck,...k->...vc", self.shape_directions, betas)

    def rest_joints(self, betas: Array) -> Array:
        """(..., 24, 3) metres, body frame: the rest joints for betas (..., 10)."""
        return self.joint_template + np.einsum("jck,...k->...jc", self.joint_directions, betas)


def load(path: Path) -> BodyModel:
    """The body model in an .npz file.

    Raises:
        CaptureError: the file is missing, is no .npz of plain arrays, or its arrays do not fit SMPL's format.
    """
    try:
        arrays = read_arrays(path)
    except FileNotFoundError as error:
        raise CaptureError("body_missing", f"No body model at {path}.", "Reinstall the program.") from error
    except (OSError, ValueError) as error:
        raise _broken(path, "it is not an .npz file of plain arrays") from error
    return from_arrays(arrays, path)


def from_arrays(arrays: Mapping[str, np.ndarray], path: Path) -> BodyModel:
    """The body model of arrays with SMPL's names, checked; ``path`` is where they are from.

    Raises:
        CaptureError: ``body_broken``.
    """
    count = len(arrays["v_template"]) if "v_template" in arrays else 0
    shapes = {
        "v_template": (count, 3),
        "shapedirs": (count, 3, SHAPE_COUNT),
        "posedirs": (count, 3, POSE_COUNT),
        "J_regressor": (JOINT_COUNT, count),
        "weights": (count, JOINT_COUNT),
        "kintree_table": (2, JOINT_COUNT),
    }
    for name, shape in shapes.items():
        if name not in arrays:
            raise _broken(path, f"it has no array {name!r}")
        if arrays[name].shape != shape:
            raise _broken(path, f"{name!r} has shape {arrays[name].shape}, not {shape}")
        if not np.all(np.isfinite(arrays[name])):
            raise _broken(path, f"{name!r} holds values that are not numbers")
    if tuple(arrays["kintree_table"][0, 1:].astype(np.int64)) != PARENTS[1:]:
        raise _broken(path, "its joints are not connected as SMPL's are")
    doubles = {name: arrays[name].astype(np.float64) for name in shapes}
    if not np.allclose(doubles["weights"].sum(axis=1), 1.0, atol=1e-3):
        raise _broken(path, "its skin weights do not sum to 1")
    quads = _faces(path, arrays, "faces_quads", 4, count) if "faces_quads" in arrays else np.zeros((0, 4), np.int64)
    names = tuple(str(name) for name in arrays.get("material_names", np.array(["skin"])))
    materials = arrays.get("material", np.zeros(len(quads), np.uint8)).astype(np.int64)
    if materials.shape != (len(quads),) or materials.max(initial=0) >= len(names):
        raise _broken(path, "its materials do not fit its quads")
    return BodyModel(
        template=doubles["v_template"],
        shape_directions=doubles["shapedirs"],
        pose_directions=doubles["posedirs"],
        joint_regressor=doubles["J_regressor"],
        skin_weights=doubles["weights"],
        triangles=_faces(path, arrays, "f", 3, count),
        quads=quads,
        materials=materials,
        material_names=names,
    )


def _faces(path: Path, arrays: Mapping[str, np.ndarray], name: str, corners: int, count: int) -> np.ndarray:
    """Face corners (F, corners) as int64, checked to be vertex indices."""
    faces = arrays.get(name, np.zeros(0))
    if faces.ndim != 2 or faces.shape[1] != corners or not np.issubdtype(faces.dtype, np.integer):
        raise _broken(path, f"{name!r} is not a table of faces with {corners} corners")
    if faces.min(initial=0) < 0 or faces.max(initial=0) >= count:
        raise _broken(path, f"{name!r} names vertices that do not exist")
    return faces.astype(np.int64)


def _broken(path: Path, why: str) -> CaptureError:
    return CaptureError(
        "body_broken",
        f"{path} is not a body model in SMPL's format: {why}.",
        "Reinstall the program or replace the file.",
    )
