# SPDX-License-Identifier: MIT
"""A small take, a body of 24 boxes and an empty Blender, for the add-on's tests: numpy and bpy are all they need."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tests.fake_backend import small_take
from vibe_blender.contract.skeleton import JOINT_COUNT, PARENTS, REST_JOINTS
from vibe_blender.contract.take import Take

_CORNERS = np.array([[x, y, z] for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)]) * 0.03
_SIDES = np.array([[0, 1, 3, 2], [4, 6, 7, 5], [0, 4, 5, 1], [2, 3, 7, 6], [0, 2, 6, 4], [1, 5, 7, 3]])


@pytest.fixture
def take() -> Take:
    return small_take()


@pytest.fixture
def scene() -> Any:
    """The scene of an empty Blender file at 24 frames per second."""
    bpy = pytest.importorskip("bpy")
    bpy.ops.wm.read_factory_settings(use_empty=True)
    return bpy.context.scene


@pytest.fixture(scope="session")
def boxes() -> Any:
    """A body in SMPL's form: a box around every joint, shared half and half with the parent."""
    pytest.importorskip("bpy")
    from vibe_blender.scene.body import BodyModel

    random = np.random.default_rng(0)
    count = JOINT_COUNT * len(_CORNERS)
    weights = np.zeros((count, JOINT_COUNT))
    for vertex in range(count):
        joint = vertex // len(_CORNERS)
        for owner in (joint, max(PARENTS[joint], 0)):
            weights[vertex, owner] += 0.5
    regressor = np.repeat(np.eye(JOINT_COUNT), len(_CORNERS), axis=1) / len(_CORNERS)
    pose_directions = np.zeros((count, 3, 23, 9))
    for joint in (2, 17, 18):
        pose_directions[:, :, joint] = random.normal(scale=0.01, size=(count, 3, 9))
    return BodyModel(
        vertices=(REST_JOINTS[:, None] + _CORNERS).reshape(-1, 3),
        shape_directions=random.normal(scale=0.01, size=(count, 3, 10)),
        pose_directions=pose_directions.reshape(count, 3, 207),
        regressor=regressor,
        weights=weights,
        faces=(np.arange(JOINT_COUNT)[:, None, None] * len(_CORNERS) + _SIDES).reshape(-1, 4),
    )
