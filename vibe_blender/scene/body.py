# SPDX-License-Identifier: GPL-3.0-or-later
"""A person's body as a mesh on the armature: SMPL's skinning, shape sliders, and correctives driven by the pose."""

from __future__ import annotations

import zipfile
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import bpy
import numpy as np
from numpy.typing import NDArray

from ..contract.errors import CaptureError
from ..contract.quaternions import Array
from ..contract.skeleton import JOINT_NAMES
from ..motion.rotations import bone_correctives, upright
from .armature import bone_quaternions
from .steps import Steps

MANNEQUIN = Path(__file__).resolve().parent.parent / "assets" / "mannequin.npz"
SHAPE_NAMES = (
    "stature", "weight", "leg length", "arm length", "shoulder width", "hip width", "torso length", "head size",
    "muscularity", "belly",
)  # fmt: skip
SHAPE_RANGE = 5.0
_COLOURS = ((0.03, 0.38, 0.36), (0.62, 0.12, 0.05), (0.30, 0.14, 0.55), (0.60, 0.42, 0.04), (0.06, 0.20, 0.60))
_ROUGHNESS = 0.55
_SMALLEST_CORRECTIVE = 1e-3
"""Metres; correctives that move no vertex farther are left out."""
_ELEMENTS = (
    ("-2*(y*y+z*z)", "2*(x*y-w*z)", "2*(x*z+w*y)"),
    ("2*(x*y+w*z)", "-2*(x*x+z*z)", "2*(y*z-w*x)"),
    ("2*(x*z-w*y)", "2*(y*z+w*x)", "-2*(x*x+y*y)"),
)
"""``B - I`` of a pose rotation w, x, y, z; plain arithmetic, which Blender evaluates without Python."""


@dataclass(frozen=True)
class BodyModel:
    """A body in SMPL's form (Loper et al. 2015).

    Attributes:
        vertices: (V, 3) metres, body frame, T-pose, betas = 0.
        shape_directions: (V, 3, 10) metres per unit of beta.
        pose_directions: (V, 3, 207) metres, for the row-major elements of ``R - I`` of joints 1..23.
        regressor: (24, V), joints from vertices.
        weights: (V, 24), each vertex's shares of the joints, sums 1.
        faces: (F, 3 or 4) vertex indices.
    """

    vertices: Array
    shape_directions: Array
    pose_directions: Array
    regressor: Array
    weights: Array
    faces: Array


@dataclass(frozen=True)
class RestBody:
    """One person's body at rest, standing on the floor at the world's origin.

    Attributes:
        vertices: (V, 3) metres, world, at betas = 0.
        shape_keys: (10, V, 3) metres, world axes, per unit of beta.
        betas: (10,).
        joints: (24, 3) metres, world.
        crown: metres, world, height of the top of the head.
    """

    vertices: Array
    shape_keys: Array
    betas: Array
    joints: Array
    crown: float


@lru_cache(maxsize=1)
def load_body_model(path: Path = MANNEQUIN) -> BodyModel:
    """Reads a body in SMPL's ``.npz`` layout; the last one read is kept. May be called on any thread.

    Raises:
        CaptureError: ``body_damaged``.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            return BodyModel(
                vertices=file["v_template"].astype(float),
                shape_directions=file["shapedirs"][..., : len(SHAPE_NAMES)].astype(float),
                pose_directions=file["posedirs"].astype(np.float32, copy=False),
                regressor=file["J_regressor"].astype(float),
                weights=file["weights"].astype(float),
                faces=file["faces_quads"] if "faces_quads" in file else file["f"],
            )
    except (OSError, EOFError, KeyError, ValueError, zipfile.BadZipFile) as error:
        raise CaptureError(
            "body_damaged", f"The body model {path} cannot be read: {error}.", "Install VIBE for Blender again."
        ) from error


def rest_body(model: BodyModel, joints: Array, betas: Array | None = None) -> RestBody:
    """The model with a person's proportions, stood up on the floor.

    The mesh is carried along to the person's own joints, each vertex by its skinning weights. That moves nothing
    where the joints come from this model's betas, and fits the body to a skeleton from any other.

    Args:
        model: the body.
        joints: (24, 3) metres, body frame, the person's rest joints.
        betas: (10,) of this model; None where they are not known, or another model's.
    """
    betas = np.zeros(len(SHAPE_NAMES)) if betas is None else np.asarray(betas, float)
    shaped = model.vertices + model.shape_directions @ betas
    carry = model.weights @ (joints - model.regressor @ shaped)
    lift = np.array([0.0, -np.min((shaped + carry)[:, 1]), 0.0])
    return RestBody(
        vertices=upright(model.vertices + carry + lift),
        shape_keys=upright(np.moveaxis(model.shape_directions, -1, 0)),
        betas=betas,
        joints=upright(joints + lift),
        crown=float(np.max((shaped + carry)[:, 1]) + lift[1]),
    )


def adding_body(
    name: str,
    model: BodyModel,
    rest: RestBody,
    armature: bpy.types.Object,
    collection: bpy.types.Collection,
    *,
    colour: int,
) -> Steps[bpy.types.Object]:
    """A new mesh object skinned to the armature, with a slider per beta and correctives that follow the bones.

    Args:
        name: of the object, its mesh and its material.
        model: the body.
        rest: the same body with the person's proportions.
        armature: from ``add_armature``, at ``rest.joints``.
        collection: receives the object.
        colour: number of ``person_colour``.
    """
    body = yield from adding_skin(name, model, rest.vertices, armature, collection, colour=colour)
    body.shape_key_add(name="Basis", from_mix=False)
    for label, offsets, value in zip(SHAPE_NAMES, rest.shape_keys, rest.betas, strict=True):
        _add_key(body, label, rest.vertices + offsets, SHAPE_RANGE).value = value
        yield
    bones = bone_quaternions(armature)
    for joint, bone in enumerate(JOINT_NAMES[1:]):
        directions = bone_correctives(model.pose_directions[..., 9 * joint : 9 * joint + 9], bones[joint + 1])
        sizes = np.sqrt((directions**2).sum(axis=1)).max(axis=0)
        yield
        for row, column in np.argwhere(sizes > _SMALLEST_CORRECTIVE):
            offsets = upright(directions[..., row, column])
            key = _add_key(body, f"{bone} {row + 1}{column + 1}", rest.vertices + offsets, 2.0)
            _drive(key, _ELEMENTS[row][column], armature, bone)
            yield
    return body


def adding_skin(
    name: str,
    model: BodyModel,
    vertices: Array,
    armature: bpy.types.Object,
    collection: bpy.types.Collection,
    *,
    colour: int,
) -> Steps[bpy.types.Object]:
    """A new mesh object that follows the armature and no more.

    Args:
        name: of the object, its mesh and its material.
        model: the body: its faces and weights.
        vertices: (V, 3) metres, world, with the armature at rest.
        armature: from ``add_armature``.
        collection: receives the object.
        colour: number of ``person_colour``.
    """
    mesh = bpy.data.meshes.new(name)
    body = bpy.data.objects.new(name, mesh)
    collection.objects.link(body)
    body.parent = armature
    mesh.materials.append(_material(name, colour))
    yield from _filling(mesh, vertices, model.faces)
    for joint, joint_name in enumerate(JOINT_NAMES):
        yield
        group = body.vertex_groups.new(name=joint_name)
        for vertex in np.flatnonzero(model.weights[:, joint]):
            group.add([int(vertex)], float(model.weights[vertex, joint]), "REPLACE")
    # Linear blend skinning, as the model was made for.
    modifier = body.modifiers.new("Armature", "ARMATURE")
    modifier.object = armature
    modifier.use_deform_preserve_volume = False
    return body


def _filling(mesh: bpy.types.Mesh, vertices: Array, faces: NDArray[np.integer]) -> Steps[None]:
    count, corners = faces.shape
    mesh.vertices.add(len(vertices))
    mesh.vertices.foreach_set("co", np.ascontiguousarray(vertices, np.float32).ravel())
    mesh.loops.add(count * corners)
    mesh.loops.foreach_set("vertex_index", np.ascontiguousarray(faces, np.int32).ravel())
    mesh.polygons.add(count)
    mesh.polygons.foreach_set("loop_start", np.arange(0, count * corners, corners, dtype=np.int32))
    yield
    mesh.update(calc_edges=True)
    yield
    mesh.shade_smooth()


def person_colour(number: int) -> tuple[float, float, float]:
    """Linear red, green, blue of the body of a person; five people look different."""
    return _COLOURS[(number - 1) % len(_COLOURS)]


def _material(name: str, colour: int) -> bpy.types.Material:
    material = bpy.data.materials.new(name)
    if material.node_tree is None:  # before Blender 5.0
        material.use_nodes = True
    rgba = (*person_colour(colour), 1.0)
    material.diffuse_color, material.roughness = rgba, _ROUGHNESS
    shader = next(node for node in material.node_tree.nodes if node.type == "BSDF_PRINCIPLED")
    shader.inputs["Base Color"].default_value = rgba
    shader.inputs["Roughness"].default_value = _ROUGHNESS
    return material


def _add_key(body: bpy.types.Object, name: str, vertices: Array, limit: float) -> bpy.types.ShapeKey:
    key = body.shape_key_add(name=name, from_mix=False)
    key.data.foreach_set("co", np.ascontiguousarray(vertices, np.float32).ravel())
    key.slider_min, key.slider_max = -limit, limit
    return key


def _drive(key: bpy.types.ShapeKey, expression: str, armature: bpy.types.Object, bone: str) -> None:
    driver = key.driver_add("value").driver
    driver.type = "SCRIPTED"
    for letter in sorted(set(expression) & set("wxyz")):
        variable = driver.variables.new()
        variable.name = letter
        variable.type = "TRANSFORMS"
        target = variable.targets[0]
        target.id, target.bone_target = armature, bone
        target.transform_type, target.rotation_mode = f"ROT_{letter.upper()}", "QUATERNION"
        target.transform_space = "LOCAL_SPACE"
    driver.expression = expression
