# SPDX-License-Identifier: MIT
"""The ten shape components: each does what its name says, and the joints move by the documented amounts."""

from pathlib import Path

import numpy as np
import pytest

from backend.body.mannequin import shape
from backend.body.mannequin.surface import mirror_map
from backend.body.model import BodyModel, load
from vibe_blender.contract.skeleton import JOINT_NAMES, PARENTS, REST_JOINTS

MANNEQUIN = Path(__file__).parents[4] / "vibe_blender" / "assets" / "mannequin.npz"


@pytest.fixture(scope="module")
def body() -> BodyModel:
    return load(MANNEQUIN)


def _betas(name: str, amount: float = 1.0) -> np.ndarray:
    return amount * np.eye(10)[shape.COMPONENTS.index(name)]


def _bone_growth(body: BodyModel, name: str) -> dict[str, float]:
    """Metres by which the bone that ends at each joint grows for +1 of a component."""
    rest, shaped = (body.rest_joints(betas) for betas in (np.zeros(10), _betas(name)))
    lengths = [np.linalg.norm(joints[1:] - joints[list(PARENTS[1:])], axis=1) for joints in (rest, shaped)]
    return dict(zip(JOINT_NAMES[1:], lengths[1] - lengths[0], strict=True))


def _volume(body: BodyModel, betas: np.ndarray) -> float:
    a, b, c = (body.rest_vertices(betas)[body.triangles[:, i]] for i in range(3))
    return float(np.einsum("fi,fi->", a, np.cross(b, c)) / 6)


def _height(body: BodyModel, betas: np.ndarray) -> float:
    return float(np.ptp(body.rest_vertices(betas)[:, 1]))


def test_joints_move_as_documented(body: BodyModel):
    np.testing.assert_allclose(body.joint_directions, shape.joint_directions(), atol=1e-5)


def test_the_body_is_1m72_tall_and_stature_adds_7_cm(body: BodyModel):
    assert _height(body, np.zeros(10)) == pytest.approx(1.72, abs=0.003)
    assert _height(body, _betas("stature")) - _height(body, np.zeros(10)) == pytest.approx(0.07, abs=0.001)
    growth = body.rest_joints(_betas("stature")) - REST_JOINTS[0]
    np.testing.assert_allclose(growth, (REST_JOINTS - REST_JOINTS[0]) * (1 + 0.07 / 1.72), atol=1e-5)


def test_leg_length_adds_3_cm_between_hip_and_ankle(body: BodyModel):
    growth = _bone_growth(body, "leg_length")
    for side in ("left", "right"):
        assert growth[f"{side}_knee"] + growth[f"{side}_ankle"] == pytest.approx(0.03, abs=2e-4)
        assert growth[f"{side}_elbow"] == pytest.approx(0, abs=1e-5)
    assert _height(body, _betas("leg_length")) - _height(body, np.zeros(10)) == pytest.approx(0.03, abs=0.002)


def test_arm_length_adds_2_5_cm_between_shoulder_and_wrist(body: BodyModel):
    growth = _bone_growth(body, "arm_length")
    for side in ("left", "right"):
        assert growth[f"{side}_elbow"] + growth[f"{side}_wrist"] == pytest.approx(0.025, abs=2e-4)
        assert growth[f"{side}_hand"] == pytest.approx(0, abs=1e-5)
        assert growth[f"{side}_knee"] == pytest.approx(0, abs=1e-5)


def test_widths_move_shoulders_and_hips_apart(body: BodyModel):
    for name, joint, amount in (("shoulder_width", "left_shoulder", 0.015), ("hip_width", "left_hip", 0.007)):
        index = JOINT_NAMES.index(joint)
        moved = body.rest_joints(_betas(name)) - REST_JOINTS
        np.testing.assert_allclose(moved[index], [amount, 0, 0], atol=1e-5)
        np.testing.assert_allclose(moved[index + 1], [-amount, 0, 0], atol=1e-5)


def test_torso_length_lifts_the_neck_by_2_5_cm_and_leaves_the_legs(body: BodyModel):
    moved = body.rest_joints(_betas("torso_length")) - REST_JOINTS
    np.testing.assert_allclose(moved[JOINT_NAMES.index("neck")], [0, 0.025, 0], atol=1e-5)
    np.testing.assert_allclose(moved[JOINT_NAMES.index("left_shoulder")][1], 0.0222, atol=3e-4)
    np.testing.assert_allclose(moved[JOINT_NAMES.index("left_ankle")], 0, atol=1e-5)


@pytest.mark.parametrize("name", ["weight", "muscularity", "belly", "head_size"])
def test_soft_components_leave_the_skeleton_alone(body: BodyModel, name: str):
    np.testing.assert_allclose(body.rest_joints(_betas(name)), REST_JOINTS, atol=1e-5)


@pytest.mark.parametrize(("name", "litres"), [("weight", 6.0), ("muscularity", 2.5), ("belly", 0.8)])
def test_soft_components_add_flesh(body: BodyModel, name: str, litres: float):
    rest = _volume(body, np.zeros(10))
    assert _volume(body, _betas(name)) - rest > litres / 1000
    assert _volume(body, _betas(name, -1.0)) - rest < -litres / 2000


def test_belly_grows_to_the_front(body: BodyModel):
    moved = body.rest_vertices(_betas("belly")) - body.template
    front = np.argmax(np.linalg.norm(moved, axis=1))
    assert body.template[front, 2] > 0.07
    assert abs(body.template[front, 1] + 0.10) < 0.08
    assert moved[front, 2] > 0.02


@pytest.mark.parametrize("name", ["weight", "muscularity", "belly"])
def test_flesh_leaves_hands_feet_and_skull_in_place(body: BodyModel, name: str):
    x, y, _ = body.template.T
    still = (np.abs(x) > 0.72) | (y < -1.12) | (y > 0.42)
    moved = np.linalg.norm(body.rest_vertices(_betas(name)) - body.template, axis=1)
    assert moved[still].max() < 0.002
    if name == "belly":
        assert moved[(np.abs(x) > 0.2) | (y < -0.5) | (y > 0.27)].max() < 0.002


def test_head_size_scales_the_head_by_4_per_cent(body: BodyModel):
    crown = np.argmax(body.template[:, 1])
    head = REST_JOINTS[JOINT_NAMES.index("head")]
    moved = body.rest_vertices(_betas("head_size"))[crown] - body.template[crown]
    np.testing.assert_allclose(moved, 0.04 * (body.template[crown] - head), atol=1e-3)


def test_every_component_keeps_the_body_symmetric(body: BodyModel):
    image = mirror_map(body.template)
    mirrored = body.shape_directions[image] * np.array([-1.0, 1.0, 1.0])[:, None]
    np.testing.assert_allclose(body.shape_directions, mirrored, atol=1e-5)
