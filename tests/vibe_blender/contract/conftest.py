# SPDX-License-Identifier: MIT
"""A path that is hard to write, and a take that has everything."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.fake_backend import small_take, walking_person
from vibe_blender.contract.take import NetworkWords, Take


@pytest.fixture
def path(tmp_path) -> Path:
    return tmp_path / "my takes é 🎬 走" / "walk #1 100%.take"


@pytest.fixture
def rich() -> Take:
    """Two people, one of them with landmarks, gaps and a network's words, and everything else said too."""
    take = small_take("C:\\Videos\\走 é.mp4")
    keypoints = np.random.default_rng(0).random((5, 33, 3))
    shapes = ((5, 3), (5, 24, 3, 3), (5, 10), (5, 4))
    words = NetworkWords(*(np.random.default_rng(n).random(shape).astype("f4") for n, shape in enumerate(shapes)))
    second = replace(
        walking_person(np.array([1, 2, 6, 7, 9]), 4), keypoints=keypoints, betas=np.arange(10.0), words=words
    )
    return replace(take, people=(take.people[0], second), warnings=("The camera moved.", "é"), device="cuda:0")
