# SPDX-License-Identifier: MIT
from dataclasses import replace

import numpy as np
import pytest

from tests.fake_backend import FPS, small_take, walking_person
from vibe_blender.contract.amass import amass
from vibe_blender.contract.quaternions import from_axis_angles, to_matrices
from vibe_blender.contract.skeleton import forward_kinematics
from vibe_blender.contract.take import Take


@pytest.fixture
def take() -> Take:
    """Twelve frames: the first person is not seen in two of them."""
    people = (walking_person(np.array([0, 1, 2, 3, 6, 7, 8, 9, 10, 11]), 1), walking_person(np.arange(12), 2))
    return replace(small_take(), people=people)


def test_smpl_s_own_kinematics_give_the_take_s_joints(take) -> None:
    person = take.person(2)
    arrays = amass(take, person)
    assert set(arrays) == {"trans", "poses", "betas", "gender", "mocap_framerate"}
    assert arrays["poses"].shape == (12, 72)
    assert str(arrays["gender"]) == "neutral"
    assert float(arrays["mocap_framerate"]) == FPS
    # SMPL: the root turns about the rest pelvis, and trans is added to everything.
    turned = from_axis_angles(arrays["poses"].reshape(-1, 24, 3))
    posed, _ = forward_kinematics(person.rest_joints, turned, person.rest_joints[0] + arrays["trans"])
    np.testing.assert_allclose(posed, person.joints(), atol=1e-9)


def test_gaps_are_filled_at_the_constant_rate(take) -> None:
    person = take.person(1)
    arrays = amass(take, person)
    assert len(arrays["trans"]) == 12
    seen = person.root - person.rest_joints[0]
    np.testing.assert_allclose(arrays["trans"][[0, 3, 6, 11]], seen[[0, 3, 4, 9]], atol=1e-9)
    np.testing.assert_allclose(arrays["trans"][4], (2 * seen[3] + seen[4]) / 3, atol=1e-9)
    between = to_matrices(from_axis_angles(arrays["poses"].reshape(-1, 24, 3)))
    np.testing.assert_allclose(between @ between.swapaxes(-1, -2), np.broadcast_to(np.eye(3), between.shape), atol=1e-9)


def test_a_variable_rate_becomes_constant(take) -> None:
    times = np.array([0, 1, 2, 4, 5, 6, 8, 9, 10, 12, 13, 14]) / FPS
    person = replace(take.person(2), root=np.outer(times, [3.0, 0, 0]))
    arrays = amass(replace(take, video=replace(take.video, times=times)), person)
    moved = arrays["trans"] + person.rest_joints[0]
    np.testing.assert_allclose(moved[:, 0], 3.0 * np.arange(15) / FPS, atol=1e-9)
