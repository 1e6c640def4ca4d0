# SPDX-License-Identifier: MIT
"""The best similarity transform, on points for which it is known and against scipy."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from backend.alignment import best_similarity, procrustes


def points(seed: int, count: int = 14) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(count, 3))


def test_a_similarity_is_found_again() -> None:
    source, turn = points(0), Rotation.from_rotvec([0.4, -2.0, 1.0]).as_matrix()
    found = best_similarity(source, 1.7 * source @ turn.T + [3.0, -4.0, 5.0])
    assert float(found.scale) == pytest.approx(1.7)
    assert found.rotation == pytest.approx(turn)
    assert found.shift == pytest.approx([3.0, -4.0, 5.0])


def test_points_that_do_not_count_change_nothing() -> None:
    source, turn = points(1), Rotation.from_rotvec([0.1, 0.5, 0.0]).as_matrix()
    target = 0.8 * source @ turn.T + 2.0
    target[[3, 9]] = 1e6
    counted = np.ones(14, bool)
    counted[[3, 9]] = False
    found = best_similarity(source, target, counted=counted)
    assert float(found.scale) == pytest.approx(0.8)
    assert found(source)[counted] == pytest.approx(target[counted])


def test_proper_rotations_agree_with_scipy_kabsch() -> None:
    source, target = points(5), points(6) * [-1.0, 1.0, 1.0]
    turn, _ = Rotation.align_vectors(target - target.mean(axis=0), source - source.mean(axis=0))
    expected = turn.apply(source - source.mean(axis=0)) + target.mean(axis=0)
    assert procrustes(source, target, scaled=False) == pytest.approx(expected, abs=1e-9)


def test_a_single_place_goes_to_the_middle_of_the_target() -> None:
    target = points(1)
    assert procrustes(np.ones((14, 3)), target) == pytest.approx(np.tile(target.mean(axis=0), (14, 1)))


def test_every_leading_index_is_aligned_by_itself() -> None:
    sources, targets = np.stack([points(2), points(3)]), np.stack([points(4), points(5)])
    alone = np.stack([procrustes(source, target) for source, target in zip(sources, targets, strict=True)])
    assert procrustes(sources, targets) == pytest.approx(alone)
