# SPDX-License-Identifier: MIT
from __future__ import annotations

import numpy as np
import pytest
import torch

from backend.body.rotation6d import matrices_from_6d
from tests.published_files import POSE_ROOT


def test_golden_rotation() -> None:
    rotation = matrices_from_6d(torch.tensor([0.9, 0.1, -0.2, 0.8, 0.3, -0.4], dtype=torch.float64))
    assert rotation.numpy() == pytest.approx(
        np.array(
            [
                [0.92827912, 0.32093945, -0.1878716],
                [-0.20628425, 0.86471989, 0.45793704],
                [0.30942637, -0.38633844, 0.86890617],
            ]
        ),
        abs=1e-8,
    )


def test_the_published_mean_root_is_half_a_turn_about_x() -> None:
    assert matrices_from_6d(torch.tensor(POSE_ROOT)).numpy() == pytest.approx(np.diag([1.0, -1.0, -1.0]), abs=1e-6)


def test_the_first_two_columns_row_by_row_come_back() -> None:
    chance = torch.Generator().manual_seed(1)
    rotations = torch.linalg.qr(torch.randn(5, 4, 3, 3, generator=chance, dtype=torch.float64))[0]
    rotations = rotations * torch.linalg.det(rotations)[..., None, None]
    again = matrices_from_6d(rotations[..., :2].reshape(5, 4, 6))
    assert torch.allclose(again, rotations)


def test_anything_becomes_a_rotation_and_nothing_a_number_that_is_none() -> None:
    chance = torch.Generator().manual_seed(2)
    rotations = matrices_from_6d(3 * torch.randn(1000, 6, generator=chance, dtype=torch.float64))
    assert torch.allclose(rotations @ rotations.mT, torch.eye(3, dtype=torch.float64))
    assert torch.allclose(torch.linalg.det(rotations), torch.ones(1000, dtype=torch.float64))
    assert torch.isfinite(matrices_from_6d(torch.zeros(6))).all()
