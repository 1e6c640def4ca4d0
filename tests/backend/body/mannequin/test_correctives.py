# SPDX-License-Identifier: MIT
"""How the posed skin holds: girth and volume of bent, raised and twisted joints, limbs that meet, gentle offsets."""

from pathlib import Path

import numpy as np
import pytest

from backend.body.model import BodyModel, load
from backend.body.skinning import pose_offsets, posed_vertices
from vibe_blender.contract.quaternions import from_axis_angles, rotate
from vibe_blender.contract.skeleton import JOINT_NAMES, PARENTS, REST_JOINTS, forward_kinematics

MANNEQUIN = Path(__file__).parents[4] / "vibe_blender" / "assets" / "mannequin.npz"


@pytest.fixture(scope="module")
def body() -> BodyModel:
    return load(MANNEQUIN)


def _pose(**degrees: tuple[float, float, float]) -> np.ndarray:
    """(1, 24, 4) quaternions of joints turned by axis-angle vectors in degrees."""
    vectors = np.zeros((1, 24, 3))
    for name, vector in degrees.items():
        vectors[0, JOINT_NAMES.index(name)] = np.radians(vector)
    return from_axis_angles(vectors)


def _skin(body: BodyModel, rotations: np.ndarray) -> np.ndarray:
    return posed_vertices(body, np.zeros(10), rotations, REST_JOINTS[None, 0])[0]


def _volume(body: BodyModel, skin: np.ndarray) -> float:
    a, b, c = (skin[body.triangles[:, i]] for i in range(3))
    return float(np.einsum("fi,fi->", a, np.cross(b, c)) / 6)


def _limb(body: BodyModel, joint: str) -> np.ndarray:
    """Vertices that follow only a joint and its parent."""
    index = JOINT_NAMES.index(joint)
    return body.skin_weights[:, [index, PARENTS[index]]].sum(axis=1) > 0.95


def _section_area(body: BodyModel, skin: np.ndarray, limb: np.ndarray, point: np.ndarray, normal: np.ndarray) -> float:
    """Square metres of the cut of one limb with a plane: the sum of its loops, each triangle giving one segment."""
    height = (skin - point) @ normal
    faces = body.triangles[limb[body.triangles].all(axis=1)]
    area = np.zeros(3)
    for start in range(3):
        a, b, c = (faces[:, (start + i) % 3] for i in range(3))
        alone = (height[a] > 0) & (height[b] <= 0) & (height[c] <= 0)
        pair = (height[a] <= 0) & (height[b] > 0) & (height[c] > 0)
        for chosen, sign in ((alone, 1.0), (pair, -1.0)):
            p = _cut(skin, height, a[chosen], b[chosen]) - point
            q = _cut(skin, height, a[chosen], c[chosen]) - point
            area += sign * np.cross(p, q).sum(axis=0) / 2
    return float(abs(area @ normal))


def _cut(skin: np.ndarray, height: np.ndarray, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    t = height[a] / (height[a] - height[b])
    return skin[a] + t[:, None] * (skin[b] - skin[a])


BENDS = {
    "left_elbow": ((0.0, -120.0, 0.0), (1.0, 0.0, 0.0)),
    "right_elbow": ((0.0, 120.0, 0.0), (-1.0, 0.0, 0.0)),
    "left_knee": ((120.0, 0.0, 0.0), (0.0, -1.0, 0.0)),
    "right_knee": ((120.0, 0.0, 0.0), (0.0, -1.0, 0.0)),
}
"""Joint, bend in degrees, direction of the limb at rest."""


@pytest.mark.parametrize("joint", BENDS)
@pytest.mark.parametrize("share", [0.25, 0.5, 0.75, 1.0])
def test_bent_joint_keeps_its_girth(body: BodyModel, joint: str, share: float):
    bend, along = BENDS[joint]
    rotations = _pose(**{joint: tuple(share * angle for angle in bend)})
    index = JOINT_NAMES.index(joint)
    positions, orientations = forward_kinematics(REST_JOINTS, rotations, REST_JOINTS[None, 0])
    limb = _limb(body, joint)
    turned = rotate(orientations[0, index], np.array(along))
    middle = (turned + along) / np.linalg.norm(turned + along)
    rest = _section_area(body, body.template, limb, REST_JOINTS[index], np.array(along))
    bent = _section_area(body, _skin(body, rotations), limb, positions[0, index], middle)
    assert rest > 0.003
    assert bent >= 0.9 * rest


@pytest.mark.parametrize("joint", BENDS)
def test_limbs_that_meet_stop_at_each_other(body: BodyModel, joint: str):
    bend, along = BENDS[joint]
    index = JOINT_NAMES.index(joint)
    rotations = _pose(**{joint: bend})
    positions, orientations = forward_kinematics(REST_JOINTS, rotations, REST_JOINTS[None, 0])
    turned = rotate(orientations[0, index], np.array(along))
    crease = -np.array(along) - turned
    crease /= np.linalg.norm(crease)
    height = (_skin(body, rotations) - positions[0, index]) @ crease
    own = body.skin_weights[:, index]
    upper = _limb(body, joint) & (own < 0.02)
    lower = _limb(body, joint) & (own > 0.98)
    assert height[upper].min() > -0.012
    assert height[lower].max() < 0.012


@pytest.mark.parametrize("joint", ["left_wrist", "right_wrist", "left_elbow", "left_shoulder", "neck", "head"])
@pytest.mark.parametrize(("angle", "least"), [(60.0, 0.95), (90.0, 0.70)])
def test_twist_does_not_wring_the_joint(body: BodyModel, joint: str, angle: float, least: float):
    index = JOINT_NAMES.index(joint)
    axis = np.array([0.0, 1.0, 0.0]) if joint in ("neck", "head") else np.array([1.0, 0.0, 0.0])
    skin = _skin(body, _pose(**{joint: tuple(angle * axis)}))
    limb = _limb(body, joint)
    for shift in (-0.015, 0.0, 0.015):
        place = REST_JOINTS[index] + shift * axis
        rest = _section_area(body, body.template, limb, place, axis)
        assert _section_area(body, skin, limb, place, axis) >= least * rest


EXTREMES = {
    "arms overhead": _pose(left_collar=(0, 0, 20), left_shoulder=(0, 0, 70), right_shoulder=(0, 0, -90)),
    "arms down": _pose(left_shoulder=(0, 0, -75), right_shoulder=(0, 0, 75)),
    "arms forward": _pose(left_shoulder=(0, -90, 0), right_shoulder=(0, 90, 0)),
    "sitting": _pose(left_hip=(-95, 0, 0), right_hip=(-95, 0, 0), left_knee=(95, 0, 0), right_knee=(95, 0, 0)),
    "squatting": _pose(left_hip=(-120, 0, 15), right_hip=(-120, 0, -15), left_knee=(130, 0, 0), right_knee=(130, 0, 0)),
    "leg raised": _pose(left_hip=(-90, 0, 0)),
    "bowing": _pose(spine1=(30, 0, 0), spine2=(25, 0, 0), spine3=(20, 0, 0)),
    "looking back": _pose(spine1=(0, 20, 0), spine2=(0, 20, 0), spine3=(0, 20, 0), neck=(0, 35, 0), head=(0, 35, 0)),
    "curled": _pose(left_elbow=(0, -140, 0), right_elbow=(0, 140, 0), left_knee=(140, 0, 0), right_knee=(140, 0, 0)),
}


@pytest.mark.parametrize("name", EXTREMES)
def test_volume_holds_in_extreme_poses(body: BodyModel, name: str):
    rest = _volume(body, body.template)
    assert abs(_volume(body, _skin(body, EXTREMES[name])) / rest - 1) < 0.06


def test_offsets_vanish_at_rest(body: BodyModel):
    assert not pose_offsets(body, _pose()).any()


@pytest.mark.parametrize("name", EXTREMES)
def test_skin_does_not_tear_in_extreme_poses(body: BodyModel, name: str):
    pairs = np.stack([body.quads, np.roll(body.quads, -1, axis=1)], axis=2).reshape(-1, 2)
    rest = np.linalg.norm(np.diff(body.template[pairs], axis=1)[:, 0], axis=1)
    posed = np.linalg.norm(np.diff(_skin(body, EXTREMES[name])[pairs], axis=1)[:, 0], axis=1)
    assert np.quantile(posed / rest, 0.99) < 2.2
    assert (posed - rest).max() < 0.08
