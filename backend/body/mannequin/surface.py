# SPDX-License-Identifier: MIT
"""From the cage to the skin: Catmull-Clark subdivision, then every vertex drawn onto the solid and evenly spread."""

from __future__ import annotations

import numpy as np
from scipy import sparse
from scipy.spatial import cKDTree

from vibe_blender.contract.quaternions import Array

from .cage import QuadMesh
from .field import Field, gradient, project

_SEARCH = 0.02
"""Metres on both sides of the subdivided cage within which the surface is looked for along the normal."""


def subdivide(mesh: QuadMesh) -> QuadMesh:
    """The mesh after one Catmull-Clark step (Catmull and Clark 1978); needs a closed mesh."""
    vertices, quads = mesh.vertices, mesh.quads
    count, faces = len(vertices), len(quads)
    ends = np.sort(np.stack([quads, np.roll(quads, -1, axis=1)], axis=2).reshape(-1, 2), axis=1)
    edges, edge_of = np.unique(ends, axis=0, return_inverse=True)
    edge_of = edge_of.reshape(faces, 4)
    face_points = vertices[quads].mean(axis=1)
    face_sum = np.zeros((len(edges), 3))
    np.add.at(face_sum, edge_of.ravel(), np.repeat(face_points, 4, axis=0))
    edge_points = (vertices[edges].sum(axis=1) + face_sum) / 4
    valence = np.bincount(quads.ravel(), minlength=count)[:, None]
    around_faces, around_edges = np.zeros((count, 3)), np.zeros((count, 3))
    np.add.at(around_faces, quads.ravel(), np.repeat(face_points, 4, axis=0))
    np.add.at(around_edges, edges.ravel(), np.repeat(vertices[edges].mean(axis=1), 2, axis=0))
    moved = (around_faces / valence + 2 * around_edges / valence + (valence - 3) * vertices) / valence
    at_edge, at_face = count + edge_of, count + len(edges) + np.arange(faces)
    small = [np.stack([quads[:, i], at_edge[:, i], at_face, at_edge[:, i - 1]], axis=1) for i in range(4)]
    return QuadMesh(
        np.concatenate([moved, edge_points, face_points]),
        np.stack(small, axis=1).reshape(-1, 4),
        np.repeat(mesh.parts, 4),
    )


def edges_of(quads: np.ndarray) -> np.ndarray:
    """Each edge once: (E, 2) vertex indices, the smaller first."""
    return np.unique(np.sort(np.stack([quads, np.roll(quads, -1, axis=1)], axis=2).reshape(-1, 2), axis=1), axis=0)


def averaging(quads: np.ndarray, count: int) -> sparse.csr_matrix:
    """The (V, V) matrix that replaces every vertex by the mean of its neighbours along edges."""
    edges = edges_of(quads)
    both = np.concatenate([edges, edges[:, ::-1]])
    links = sparse.csr_matrix((np.ones(len(both)), (both[:, 0], both[:, 1])), shape=(count, count))
    return sparse.diags(1 / np.asarray(links.sum(axis=1)).ravel()) @ links


def mirror_map(vertices: Array) -> np.ndarray:
    """For each vertex the index (V,) of its mirror image in x."""
    return cKDTree(vertices).query(vertices * [-1.0, 1.0, 1.0])[1]


def fit(mesh: QuadMesh, solid: Field, rounds: int) -> QuadMesh:
    """The mesh with its vertices on the solid's surface, spread along it as on the cage, and exactly symmetric in x.

    Along the surface every vertex is held where its neighbours' mean had it before the projection (its Laplacian
    coordinates), so that the cage decides where the mesh is fine and where it is coarse.
    """
    image = mirror_map(mesh.vertices)
    mean = averaging(mesh.quads, len(mesh.vertices))
    wanted = mesh.vertices - mean @ mesh.vertices
    vertices = project(solid, _onto_along_normals(mesh, solid))
    for _ in range(rounds):
        normal = gradient(solid, vertices)
        normal /= np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-9)
        pull = mean @ vertices + wanted - vertices
        pull -= np.sum(pull * normal, axis=1, keepdims=True) * normal
        vertices = project(solid, symmetric(vertices + 0.5 * pull, image), steps=2)
    # Taubin's pairs of steps (1995) take out kinks narrower than the mesh can carry, and keep the volume.
    for strength in (0.4, -0.42, 0.4, -0.42):
        vertices = vertices + strength * (mean @ vertices - vertices)
    return QuadMesh(symmetric(vertices, image), mesh.quads, mesh.parts)


def _onto_along_normals(mesh: QuadMesh, solid: Field) -> Array:
    """Vertices (V, 3) moved along the mesh's own normals to the nearest place where the solid ends.

    The solid's gradient would lead the vertices inside a nose sideways out of it instead of to its tip.
    """
    directions = normals(mesh.vertices, triangles(mesh.quads))
    shifts = np.linspace(-_SEARCH, _SEARCH, 61)
    places = mesh.vertices[:, None] + shifts[:, None] * directions[:, None]
    values = solid(places.reshape(-1, 3)).reshape(places.shape[:2])
    leaves = (values[:, :-1] <= 0) & (values[:, 1:] > 0)
    nearest = np.argmin(np.where(leaves, np.abs(shifts[:-1]), np.inf), axis=1)
    return np.where(leaves.any(axis=1)[:, None], places[np.arange(len(places)), nearest], mesh.vertices)


def symmetric(vertices: Array, image: np.ndarray) -> Array:
    """Vertices (V, 3) averaged with their mirror images; those on the middle line get x = 0."""
    return (vertices + vertices[image] * [-1.0, 1.0, 1.0]) / 2


def triangles(quads: np.ndarray) -> np.ndarray:
    """Two triangles (2Q, 3) for each quad."""
    return np.stack([quads[:, [0, 1, 2]], quads[:, [0, 2, 3]]], axis=1).reshape(-1, 3)


def volume(vertices: Array, faces: np.ndarray) -> Array:
    """Cubic metres enclosed by closed triangle meshes: vertices (..., V, 3) to (...)."""
    a, b, c = (vertices[..., faces[:, i], :] for i in range(3))
    return np.einsum("...fi,...fi->...", a, np.cross(b, c)) / 6


def normals(vertices: Array, faces: np.ndarray) -> Array:
    """Unit outward normals (V, 3) of a triangle mesh, averaged by area."""
    a, b, c = (vertices[faces[:, i]] for i in range(3))
    result = np.zeros_like(vertices)
    np.add.at(result, faces.ravel(), np.repeat(np.cross(b - a, c - a), 3, axis=0))
    return result / np.linalg.norm(result, axis=1, keepdims=True)
