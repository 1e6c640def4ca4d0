# SPDX-License-Identifier: MIT
"""Implicit solids: where they end, and that points find their surface."""

import numpy as np
import pytest

from backend.body.mannequin.field import carve, ellipsoid, gradient, loft, mirrored, project, round_cone, union

BALL = ellipsoid((0, 0, 0), (0.1, 0.1, 0.1))
BOX_POINTS = np.random.default_rng(3).uniform(-0.2, 0.2, (200, 3))


@pytest.mark.parametrize(
    ("solid", "surface"),
    [
        (ellipsoid((0.1, 0, 0), (0.3, 0.2, 0.1)), [[0.4, 0, 0], [0.1, 0.2, 0], [0.1, 0, -0.1]]),
        (ellipsoid((0, 0, 0), (0.3, 0.2, 0.1), (0, 0, 90)), [[0, 0.3, 0], [-0.2, 0, 0]]),
        (round_cone((0, 0, 0), (0, 1, 0), 0.1, 0.1), [[0.1, 0.5, 0], [0, 1.1, 0], [0, -0.1, 0]]),
        (
            loft(1, [(0, -0.1, 0.1, -0.2, 0.2, 2), (1, -0.3, 0.3, -0.2, 0.2, 2)]),
            [[0.1, 0, 0], [0.3, 1, 0], [0, 0.5, 0.2]],
        ),
    ],
)
def test_solids_end_where_their_numbers_say(solid, surface):
    np.testing.assert_allclose(solid(np.array(surface, float)), 0, atol=1e-9)


def test_a_cone_of_two_balls_holds_both():
    solid = round_cone((0, 0, 0), (0.3, 0, 0), 0.1, 0.05)
    assert solid(np.array([[0, 0.099, 0], [0.349, 0, 0]])).max() < 0
    assert solid(np.array([[0, 0.101, 0], [0.351, 0, 0]])).min() > -1e-3


def test_union_holds_both_and_carving_takes_away():
    other = ellipsoid((0.12, 0, 0), (0.06, 0.06, 0.06))
    assert np.all(union(0.02, BALL, other)(BOX_POINTS) <= np.minimum(BALL(BOX_POINTS), other(BOX_POINTS)) + 1e-12)
    assert carve(0.02, BALL, other)(np.array([[0.09, 0, 0]]))[0] > 0
    assert carve(0.02, BALL, other)(np.array([[-0.05, 0, 0]]))[0] < 0


def test_mirrored_solid_is_symmetric():
    solid = mirrored(ellipsoid((0.1, 0.02, 0), (0.05, 0.08, 0.03), (10, 20, 30)))
    np.testing.assert_allclose(solid(BOX_POINTS), solid(BOX_POINTS * [-1, 1, 1]))


def test_points_find_the_surface_along_the_gradient():
    near = BOX_POINTS[np.abs(BALL(BOX_POINTS)) < 0.05]
    found = project(BALL, near)
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 0.1, atol=1e-4)
    np.testing.assert_allclose(found / 0.1, near / np.linalg.norm(near, axis=1, keepdims=True), atol=0.01)
    np.testing.assert_allclose(gradient(BALL, near), near / np.linalg.norm(near, axis=1, keepdims=True), atol=1e-3)
