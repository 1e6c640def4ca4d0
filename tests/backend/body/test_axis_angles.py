# SPDX-License-Identifier: MIT
"""Rotation vectors in tensors, against scipy, with gradients at the places where formulas divide by nothing."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from backend.body.axis_angles import axis_angles_from_matrices, matrices_from_axis_angles

AXES = np.array([[1, 0, 0], [0, 1, 0], [0, 0, 1], [0.6, 0.8, 0], [-0.48, 0.6, 0.64], [0, -1, 0]])
ANGLES = (0.0, 1e-9, 1e-7, 1e-5, 1e-3, 0.5, 1.7, 3.0, np.pi - 1e-5)


def vectors() -> np.ndarray:
    """(A, 3) radians: all axes by all angles, and many by lot."""
    made = np.concatenate([angle * AXES for angle in ANGLES])
    random = Rotation.random(500, random_state=0).as_rotvec()
    return np.concatenate([made, random])


def test_matrices_are_those_of_scipy() -> None:
    expected = Rotation.from_rotvec(vectors()).as_matrix()
    assert matrices_from_axis_angles(torch.from_numpy(vectors())).numpy() == pytest.approx(expected, abs=1e-12)


def test_vectors_are_those_of_scipy() -> None:
    matrices = Rotation.from_rotvec(vectors()).as_matrix()
    found = axis_angles_from_matrices(torch.from_numpy(matrices)).numpy()
    assert found == pytest.approx(vectors(), abs=1e-9)


def test_half_a_turn_is_about_the_axis_or_its_opposite() -> None:
    found = axis_angles_from_matrices(torch.from_numpy(Rotation.from_rotvec(np.pi * AXES).as_matrix())).numpy()
    assert np.linalg.norm(found, axis=1) == pytest.approx(np.pi)
    assert np.abs((found * AXES).sum(axis=1)) == pytest.approx(np.pi)


def test_single_precision_and_any_shape() -> None:
    given = torch.from_numpy(vectors()[:500].reshape(5, 100, 3)).float()
    back = axis_angles_from_matrices(matrices_from_axis_angles(given))
    assert back.shape == given.shape
    assert back.dtype == torch.float32
    sure = given.norm(dim=-1) < 3.1
    assert torch.allclose(back[sure], given[sure], atol=2e-5)


@pytest.mark.parametrize("angle", [0.0, 1e-9, 1e-3, 0.7, 2.9])
def test_gradients_are_those_of_small_differences(angle) -> None:
    given = torch.from_numpy(angle * AXES).requires_grad_()
    assert torch.autograd.gradcheck(matrices_from_axis_angles, (given,), atol=1e-6)
    there = matrices_from_axis_angles(given.detach()).requires_grad_()

    def turned_by(small: torch.Tensor) -> torch.Tensor:
        return axis_angles_from_matrices(matrices_from_axis_angles(small) @ there.detach())

    assert torch.autograd.gradcheck(turned_by, (torch.full_like(given, 1e-3).requires_grad_(),), atol=1e-5)


def test_gradients_are_numbers_at_rest_and_at_half_a_turn() -> None:
    for turn in (np.zeros((1, 3)), np.pi * AXES):
        matrices = torch.from_numpy(Rotation.from_rotvec(turn).as_matrix()).requires_grad_()
        axis_angles_from_matrices(matrices).sum().backward()
        assert torch.isfinite(matrices.grad).all()
    rest = torch.zeros(4, 3, requires_grad=True)
    matrices_from_axis_angles(rest).sum().backward()
    assert torch.isfinite(rest.grad).all()
