# SPDX-License-Identifier: MIT
import numpy as np
import pytest

from vibe_blender.contract.quaternions import (
    conjugate,
    continuous,
    from_axis_angles,
    from_matrices,
    multiply,
    rotate,
    to_axis_angles,
    to_matrices,
)

RANDOM = np.random.default_rng(5)


def some(*shape: int) -> np.ndarray:
    """Unit quaternions that turn any way."""
    q = RANDOM.normal(size=(*shape, 4))
    return q / np.linalg.norm(q, axis=-1, keepdims=True)


def test_a_quarter_turn_about_z_takes_x_to_y() -> None:
    q = from_axis_angles(np.array([0.0, 0.0, np.pi / 2]))
    np.testing.assert_allclose(q, [np.sqrt(0.5), 0, 0, np.sqrt(0.5)])
    np.testing.assert_allclose(rotate(q, np.array([1.0, 0, 0])), [0, 1, 0], atol=1e-15)


def test_products_rotate_as_products_of_matrices() -> None:
    a, b, v = some(7, 3), some(7, 3), RANDOM.normal(size=(7, 3, 3))
    np.testing.assert_allclose(to_matrices(multiply(a, b)), to_matrices(a) @ to_matrices(b), atol=1e-12)
    np.testing.assert_allclose(rotate(a, v), np.einsum("...ij,...j->...i", to_matrices(a), v), atol=1e-12)
    np.testing.assert_allclose(multiply(a, conjugate(a)), np.broadcast_to([1.0, 0, 0, 0], a.shape), atol=1e-12)


def test_a_matrix_is_a_rotation() -> None:
    m = to_matrices(some(50))
    np.testing.assert_allclose(m @ np.swapaxes(m, -1, -2), np.broadcast_to(np.eye(3), m.shape), atol=1e-12)
    np.testing.assert_allclose(np.linalg.det(m), 1.0)


@pytest.mark.parametrize("angle", [0.0, 1e-9, 1e-4, 1.0, np.pi - 1e-7, np.pi])
def test_matrices_and_axis_angles_come_back(angle) -> None:
    axes = RANDOM.normal(size=(40, 3))
    axes = np.concatenate([axes, np.eye(3), -np.eye(3)])
    vectors = angle * axes / np.linalg.norm(axes, axis=-1, keepdims=True)
    q = from_axis_angles(vectors)
    np.testing.assert_allclose(np.linalg.norm(q, axis=-1), 1.0, atol=1e-12)
    np.testing.assert_allclose(to_matrices(from_matrices(to_matrices(q))), to_matrices(q), atol=1e-7)
    back = to_axis_angles(q)
    assert np.linalg.norm(back, axis=-1).max() <= np.pi + 1e-12
    np.testing.assert_allclose(to_matrices(from_axis_angles(back)), to_matrices(q), atol=1e-7)
    if angle < np.pi - 1e-3:
        np.testing.assert_allclose(back, vectors, atol=1e-9)


def test_continuous_only_changes_signs_and_never_jumps() -> None:
    angles = np.linspace(0.0, 12.0, 200)
    q = from_axis_angles(angles[:, None, None] * np.array([[0.0, 0.6, 0.8], [1.0, 0.0, 0.0]]))
    q[RANDOM.random(q.shape[:2]) < 0.5] *= -1
    smooth = continuous(q)
    assert (np.sum(smooth[1:] * smooth[:-1], axis=-1) > 0.9).all()
    np.testing.assert_allclose(np.abs(smooth), np.abs(q))
    np.testing.assert_allclose(smooth[0], q[0])
    assert continuous(q[:1]).shape == (1, 2, 4)
