# SPDX-License-Identifier: MIT
from __future__ import annotations

import numpy as np
from scipy.spatial.transform import Rotation

from backend.body.keypoints import LANDMARKS
from backend.body.kinematics import GROUP_COUNT, UNKNOWNS, Points
from backend.estimators.keypoints.kinematics import Pose, posed
from vibe_blender.contract import quaternions
from vibe_blender.contract.skeleton import REST_JOINTS, forward_kinematics

LANDMARK_POINTS = Points(np.array([mark.joint for mark in LANDMARKS]), np.array([mark.offset for mark in LANDMARKS]))


def random_pose(count: int) -> Pose:
    turns = Rotation.random(count * GROUP_COUNT, random_state=4).as_matrix()
    return Pose(np.random.default_rng(4).normal(size=(count, 3)), turns.reshape(count, GROUP_COUNT, 3, 3))


def test_it_is_the_contract_s_forward_kinematics() -> None:
    pose = random_pose(3)
    expected = forward_kinematics(REST_JOINTS, quaternions.from_matrices(pose.joint_rotations()), pose.root)
    body = posed(pose, REST_JOINTS)
    assert np.allclose(body.positions, expected[0], atol=1e-12)
    assert np.allclose(body.orientations, quaternions.to_matrices(expected[1]), atol=1e-12)


def test_the_jacobian_is_the_derivative() -> None:
    pose = random_pose(2)
    body = posed(pose, REST_JOINTS)
    jacobian = body.jacobian(LANDMARK_POINTS, body.points(LANDMARK_POINTS))
    for unknown in range(UNKNOWNS):
        step = np.zeros((2, UNKNOWNS))
        step[:, unknown] = 1e-6
        ahead, behind = (posed(pose.moved(s * step), REST_JOINTS).points(LANDMARK_POINTS) for s in (1, -1))
        assert np.allclose(jacobian[..., unknown], (ahead - behind) / 2e-6, atol=1e-8)


def test_the_spine_bends_evenly() -> None:
    rotations = random_pose(1).joint_rotations()
    assert np.array_equal(rotations[:, 3], rotations[:, 6])
    assert np.array_equal(rotations[:, 3], rotations[:, 9])
    assert not np.allclose(rotations[:, 3], rotations[:, 4])
