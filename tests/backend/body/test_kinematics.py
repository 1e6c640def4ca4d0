# SPDX-License-Identifier: MIT
from __future__ import annotations

import numpy as np
from scipy.spatial.transform import Rotation

from backend.body.kinematics import GROUP_JOINTS, UNKNOWNS, posed
from backend.body.marks import mannequin_marks
from backend.body.model import BodyModel


def test_the_jacobians_are_the_derivatives_where_every_joint_turns_by_itself(body: BodyModel) -> None:
    random = np.random.default_rng(5)
    marks, betas = mannequin_marks(body), random.normal(size=10)
    root = random.normal(size=(2, 3))
    rotations = Rotation.from_rotvec(random.normal(size=(48, 3)) * 0.5).as_matrix().reshape(2, 24, 3, 3)

    def places(step: np.ndarray, shift: np.ndarray) -> np.ndarray:
        turned = rotations.copy()
        for group, joints in enumerate(GROUP_JOINTS):
            for joint in joints:
                turned[:, joint] = turned[:, joint] @ Rotation.from_rotvec(step[3 + 3 * group :][:3]).as_matrix()
        shaped = betas + shift
        return posed(root + step[:3], turned, marks.rest_joints(shaped)).points(marks.landmarks(shaped))

    here = posed(root, rotations, marks.rest_joints(betas))
    points = marks.landmarks(betas)
    by_pose = here.jacobian(points, here.points(points))
    for unknown in range(UNKNOWNS):
        step = np.eye(UNKNOWNS)[unknown] * 1e-6
        slope = (places(step, np.zeros(10)) - places(-step, np.zeros(10))) / 2e-6
        assert np.allclose(by_pose[..., unknown], slope, atol=1e-6)
    by_shape = here.shape_jacobian(points, marks.joint_directions, marks.offset_directions)
    for component in range(10):
        shift = np.eye(10)[component] * 1e-4
        slope = (places(np.zeros(UNKNOWNS), shift) - places(np.zeros(UNKNOWNS), -shift)) / 2e-4
        assert np.allclose(by_shape[..., component], slope, atol=1e-9)
