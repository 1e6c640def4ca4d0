# SPDX-License-Identifier: MIT
"""Subdivision and projection of quad meshes, on a cube and a ball."""

import numpy as np
import pytest

from backend.body.mannequin import surface
from backend.body.mannequin.cage import QuadMesh
from backend.body.mannequin.field import ellipsoid

CORNERS = np.array([[x, y, z] for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)], float)
SIDES = np.array([[0, 1, 3, 2], [4, 6, 7, 5], [0, 4, 5, 1], [2, 3, 7, 6], [0, 2, 6, 4], [1, 5, 7, 3]])
CUBE = QuadMesh(CORNERS, SIDES, np.arange(6))


def test_cube_faces_outwards():
    assert surface.volume(CUBE.vertices, surface.triangles(CUBE.quads)) == pytest.approx(8)


def test_catmull_clark_of_a_cube():
    once = surface.subdivide(CUBE)
    assert (len(once.vertices), len(once.quads)) == (26, 24)
    np.testing.assert_allclose(np.abs(once.vertices[:8]), 5 / 9)  # (Q + 2 R + (n - 3) S) / n with n = 3
    np.testing.assert_allclose(np.sort(np.abs(once.vertices[8]))[1:], 0.75)
    np.testing.assert_array_equal(np.bincount(once.parts), 4)
    assert len(surface.edges_of(once.quads)) == 48


def test_fitted_cube_is_an_even_symmetric_ball():
    ball = ellipsoid((0, 0, 0), (0.7, 0.7, 0.7))
    small = QuadMesh(CUBE.vertices * 0.5, CUBE.quads, CUBE.parts)
    mesh = surface.fit(surface.subdivide(surface.subdivide(surface.subdivide(small))), ball, 5)
    np.testing.assert_allclose(np.linalg.norm(mesh.vertices, axis=1), 0.7, atol=0.01)
    image = surface.mirror_map(mesh.vertices)
    np.testing.assert_array_equal(mesh.vertices[image], mesh.vertices * [-1, 1, 1])
    outward = surface.normals(mesh.vertices, surface.triangles(mesh.quads))
    np.testing.assert_allclose(outward, mesh.vertices / 0.7, atol=0.06)
