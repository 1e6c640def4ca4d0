# SPDX-License-Identifier: MIT
from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from backend.body.keypoints import LANDMARK_NAMES, LANDMARKS
from backend.body.marks import mannequin_marks, smpl_marks
from backend.body.model import BodyModel, from_arrays
from tests.published_bodies import make_arrays


def places(marks, betas: np.ndarray) -> dict[str, np.ndarray]:
    points = marks.landmarks(betas)
    return dict(zip(LANDMARK_NAMES, marks.rest_joints(betas)[points.joints] + points.offsets, strict=True))


def test_a_taller_mannequin_has_everything_farther_apart(body: BodyModel) -> None:
    marks = mannequin_marks(body)
    average, tall = (places(marks, np.array([stature, *[0.0] * 9])) for stature in (0.0, 2.0))
    for mark in LANDMARKS:
        assert average[mark.name] == pytest.approx(body.joint_template[mark.joint] + np.array(mark.offset))
    growth = 1 + 2 * marks.height_directions[0] / np.ptp(body.template[:, 1])
    assert growth == pytest.approx(1 + 2 * 0.07 / 1.72, rel=0.01)
    spans = [np.linalg.norm(found["nose"] - found["left_heel"]) for found in (average, tall)]
    assert spans[1] / spans[0] == pytest.approx(growth, rel=1e-3)


def test_height_grows_as_the_skin_does(body: BodyModel) -> None:
    marks = mannequin_marks(body)
    for component in range(10):
        heights = [np.ptp(body.rest_vertices(np.eye(10)[component] * sign * 1e-3)[:, 1]) for sign in (1, -1)]
        assert marks.height_directions[component] == pytest.approx((heights[0] - heights[1]) / 2e-3, abs=1e-6)


def test_of_smpl_heels_and_toes_are_skin_and_the_face_is_where_its_own_is() -> None:
    body = from_arrays(make_arrays(), Path("made.npz"))
    marks, betas = smpl_marks(body), np.random.default_rng(0).normal(size=10)
    found, skin = places(marks, betas), body.rest_vertices(betas)
    for name, vertex in (("left_heel", 3387), ("right_heel", 6787), ("left_foot_index", 3216)):
        assert found[name] == pytest.approx(skin[vertex])
    own = ["nose", "left_eye", "right_eye", "left_ear", "right_ear"]
    middle = np.mean([skin[vertex] for vertex in (332, 2800, 6260, 583, 4071)], axis=0)
    assert np.mean([found[name] for name in own], axis=0) == pytest.approx(middle)
    knee = LANDMARKS[LANDMARK_NAMES.index("left_knee")]
    assert found["left_knee"] == pytest.approx(marks.rest_joints(betas)[knee.joint] + np.array(knee.offset))
