# SPDX-License-Identifier: MIT
# ruff: noqa: E402 (what follows needs bpy)
from dataclasses import replace

import numpy as np
import pytest

bpy = pytest.importorskip("bpy")

from tests.fake_backend import FPS, small_take
from vibe_blender.contract.errors import CaptureError
from vibe_blender.contract.quaternions import rotate, to_matrices
from vibe_blender.contract.skeleton import forward_kinematics
from vibe_blender.scene.assembly import assemble
from vibe_blender.scene.body import SHAPE_NAMES, load_body_model, rest_body
from vibe_blender.scene.camera import set_frame_rate

BETAS = np.array([1.5, -1.0, 0.5, 0.0, 2.0, -0.5, 0.25, 0.0, 1.0, -2.0])


def shaped_take(model, count=12):
    take = small_take(count=count)
    rest = model.regressor @ (model.vertices + model.shape_directions @ BETAS)
    return replace(take, people=(replace(take.people[0], betas=BETAS, rest_joints=rest),))


def skinned(model, person) -> np.ndarray:
    """SMPL's own formula (Loper et al. 2015, equations 2 to 9): (T, V, 3) metres, world."""
    shaped = model.vertices + model.shape_directions @ person.betas
    features = (to_matrices(person.rotations[:, 1:]) - np.eye(3)).reshape(len(person.frames), 207)
    posed = shaped + np.einsum("vkp,tp->tvk", model.pose_directions, features)
    positions, axes = forward_kinematics(person.rest_joints, person.rotations, person.root)
    local = posed[:, :, None] - person.rest_joints
    moved = positions[:, None] + rotate(axes[:, None], local)
    return np.einsum("vj,tvjk->tvk", model.weights, moved)


def evaluated(scene, body, frame: int) -> np.ndarray:
    scene.frame_set(frame)
    mesh = body.evaluated_get(bpy.context.evaluated_depsgraph_get()).data
    vertices = np.empty(3 * len(mesh.vertices), np.float32)
    mesh.vertices.foreach_get("co", vertices)
    return vertices.reshape(-1, 3)


def check_skinning(scene, model, take, tolerance) -> None:
    set_frame_rate(scene, FPS)
    body = assemble(take, scene, "walk", start=1, model=model).actors[0].body
    expected = skinned(model, take.people[0])
    for n in range(0, len(expected), 4):
        assert np.abs(evaluated(scene, body, 1 + n) - expected[n]).max() < tolerance


def test_the_skinned_mesh_is_smpls_formula(scene, boxes) -> None:
    check_skinning(scene, boxes, shaped_take(boxes), 2e-5)


def test_the_mannequin_is_skinned_by_smpls_formula(scene) -> None:
    model = load_body_model()
    # Correctives of less than a millimetre are left out.
    check_skinning(scene, model, shaped_take(model), 3e-3)


def test_correctives_are_driven_without_python(scene, boxes) -> None:
    body = assemble(small_take(), scene, "walk", start=1, model=boxes).actors[0].body
    drivers = body.data.shape_keys.animation_data.drivers
    assert len(drivers) == 3 * 9
    assert all(curve.driver.is_simple_expression and curve.driver.is_valid for curve in drivers)


def test_shape_sliders_hold_the_persons_betas(scene, boxes) -> None:
    body = assemble(shaped_take(boxes), scene, "walk", start=1, model=boxes).actors[0].body
    keys = body.data.shape_keys.key_blocks
    assert [keys[name].value for name in SHAPE_NAMES] == pytest.approx(BETAS.tolist())
    assert keys["belly"].slider_min < -2
    assert keys["stature"].slider_max > 2


def test_bones_rest_inside_the_body_and_soles_on_the_floor(scene, boxes) -> None:
    take = shaped_take(boxes)
    rest = rest_body(boxes, take.people[0].rest_joints, BETAS)
    shaped = rest.vertices + np.tensordot(BETAS, rest.shape_keys, axes=1)
    np.testing.assert_allclose(boxes.regressor @ shaped, rest.joints, atol=1e-9)
    assert shaped[:, 2].min() == pytest.approx(0.0, abs=1e-9)
    assert shaped[:, 2].max() == pytest.approx(rest.crown)


def test_a_body_of_another_model_is_fitted_to_the_bones(boxes) -> None:
    rigid = replace(boxes, weights=np.repeat(np.eye(24), 8, axis=0))
    person = shaped_take(rigid).people[0]
    person = replace(person, rest_joints=person.rest_joints * (1.1, 0.9, 1.0))
    rest = rest_body(rigid, person.rest_joints)
    assert not rest.betas.any()
    np.testing.assert_allclose(rigid.regressor @ rest.vertices, rest.joints, atol=1e-9)


@pytest.mark.parametrize("content", [b"", b"not an archive", b"PK\x03\x04 cut"])
def test_a_damaged_body_file_is_told(tmp_path, content) -> None:
    path = tmp_path / "body.npz"
    path.write_bytes(content)
    with pytest.raises(CaptureError) as error:
        load_body_model(path)
    assert error.value.code == "body_damaged"
    with pytest.raises(CaptureError):
        load_body_model(tmp_path / "absent.npz")
