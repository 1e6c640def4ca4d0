# SPDX-License-Identifier: MIT
"""The landmarks on the body: order, symmetry, and that they follow their joints."""

from pathlib import Path

import numpy as np

from backend.body.keypoints import LANDMARK_NAMES, LANDMARKS, landmark_positions
from backend.body.model import load
from vibe_blender.contract.skeleton import JOINT_NAMES, REST_JOINTS, forward_kinematics

MANNEQUIN = Path(__file__).parents[3] / "vibe_blender" / "assets" / "mannequin.npz"
SURFACE = ("nose", "eye", "ear", "mouth", "pinky", "index", "thumb", "heel")


def _rest_places() -> dict[str, np.ndarray]:
    return {landmark.name: REST_JOINTS[landmark.joint] + landmark.offset for landmark in LANDMARKS}


def test_the_33_landmarks_stand_in_blazepose_order():
    assert len(LANDMARKS) == 33
    assert tuple(landmark.name for landmark in LANDMARKS) == LANDMARK_NAMES
    assert [LANDMARK_NAMES.index(n) for n in ("nose", "left_shoulder", "right_hip", "right_foot_index")] == [
        0,
        11,
        24,
        32,
    ]


def test_right_landmarks_mirror_the_left_ones():
    places = _rest_places()
    for name, place in places.items():
        if "left" in name:
            np.testing.assert_allclose(places[name.replace("left", "right")], place * [-1, 1, 1], atol=1e-6)


def test_the_face_looks_along_z_and_left_is_positive_x():
    places = _rest_places()
    assert places["nose"][2] > places["left_eye"][2] > places["left_ear"][2]
    assert places["left_ear"][0] > places["left_eye_outer"][0] > places["left_eye_inner"][0] > 0
    assert places["left_foot_index"][2] > places["left_ankle"][2] > places["left_heel"][2]
    assert places["left_thumb"][2] > places["left_index"][2] > places["left_pinky"][2]


def test_landmarks_turn_with_their_joint():
    rotations = np.tile([1.0, 0.0, 0.0, 0.0], (1, 24, 1))
    head = JOINT_NAMES.index("head")
    rotations[0, head] = [np.cos(np.pi / 4), 0.0, np.sin(np.pi / 4), 0.0]  # 90 degrees about y: z turns to x
    places = landmark_positions(*forward_kinematics(REST_JOINTS, rotations, REST_JOINTS[None, 0]))[0]
    rest = _rest_places()
    nose = rest["nose"] - REST_JOINTS[head]
    np.testing.assert_allclose(places[0], REST_JOINTS[head] + [nose[2], nose[1], -nose[0]], atol=1e-9)
    np.testing.assert_allclose(places[31], rest["left_foot_index"], atol=1e-6)


def test_landmarks_lie_in_or_on_the_skin():
    skin = load(MANNEQUIN).template
    for name, place in _rest_places().items():
        nearest = skin[np.argmin(np.linalg.norm(skin - place, axis=1))]
        limit = 0.015 if any(part in name for part in SURFACE) else 0.085
        assert np.linalg.norm(nearest - place) < limit, name
    low, high = skin.min(axis=0) - 0.005, skin.max(axis=0) + 0.005
    assert all(np.all((low < place) & (place < high)) for place in _rest_places().values())
