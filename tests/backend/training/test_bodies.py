# SPDX-License-Identifier: MIT
"""Bodies for losses: the skeleton's joints against the mannequin's skin, gradients, and the crop's camera."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from backend.body.model import load
from backend.body.smpl import JOINTS49, Smpl
from backend.training.bodies import SmplBody, centred, open_body, projected
from tests.published_bodies import make_arrays, make_smpl_pkl
from vibe_blender.contract.errors import CaptureError
from vibe_blender.contract.skeleton import JOINT_NAMES

MANNEQUIN = Path(__file__).resolve().parents[3] / "vibe_blender" / "assets" / "mannequin.npz"


@pytest.fixture(scope="module")
def mannequin():
    return open_body("mannequin", "", Path())


def poses(count: int = 4) -> tuple[torch.Tensor, torch.Tensor]:
    turns = Rotation.random(count * 24, random_state=0).as_matrix().reshape(count, 24, 3, 3)
    return torch.from_numpy(turns).float(), torch.randn(count, 10, generator=torch.Generator().manual_seed(1))


def test_a_skeleton_is_where_forward_kinematics_puts_it(mannequin) -> None:
    turns, betas = poses()
    found = mannequin(turns, betas).joints.double().numpy()
    rest = load(MANNEQUIN).rest_joints(betas.double().numpy())
    parents = [-1, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 9, 9, 12, 13, 14, 16, 17, 18, 19, 20, 21]
    expected, world = rest.copy(), turns.double().numpy().copy()
    for joint in range(1, 24):
        parent = parents[joint]
        step = rest[:, joint] - rest[:, parent]
        expected[:, joint] = expected[:, parent] + np.einsum("nij,nj->ni", world[:, parent], step)
        world[:, joint] = world[:, parent] @ world[:, joint]
    for place, (name, number) in enumerate(JOINTS49):
        if number < 24:
            assert found[:, place] == pytest.approx(expected[:, number], abs=1e-5), name
    wrist = JOINT_NAMES.index("left_wrist")
    assert found[:, 36] == pytest.approx(expected[:, wrist], abs=1e-5)


def test_what_a_skeleton_has_not_is_not_valid_and_the_evaluated_are_there(mannequin) -> None:
    names = [name for name, _ in JOINTS49]
    lacking = {name for name, has in zip(names, mannequin.valid.tolist(), strict=True) if not has}
    assert "OP Nose" in lacking
    assert "OP LHeel" in lacking
    assert mannequin.valid[25:39].all()


def test_the_crown_is_on_top_of_the_mannequin(mannequin) -> None:
    upright = torch.eye(3).repeat(1, 24, 1, 1)
    joints = mannequin(upright, torch.zeros(1, 10)).joints[0]
    assert float(joints[38, 1]) == pytest.approx(load(MANNEQUIN).template[:, 1].max(), abs=1e-5)


def test_gradients_pass_through_both_bodies(mannequin) -> None:
    from backend.body.model import from_arrays

    smpl = SmplBody(Smpl(from_arrays(make_arrays(0), Path("made.npz")), np.full((9, 6890), 1 / 6890)))
    for body in (mannequin, smpl):
        turns, betas = (values[None].clone().requires_grad_() for values in poses(2))  # a batch of one clip
        points = body(turns, betas)
        assert points.joints.shape == (1, 2, 49, 3)
        points.joints[..., 25:39, :].square().sum().backward()
        assert float(betas.grad.abs().min()) > 0
        assert (turns.grad[0].abs().amax(dim=(0, 2, 3))[[0, 1, 16, 18]] > 0).all()
    assert points.vertices.shape == (1, 2, 6890, 3)
    assert smpl.valid.sum() == 49


def test_centred_joints_hang_by_their_hips() -> None:
    joints = torch.randn(2, 3, 49, 3)
    flat = centred(joints)
    assert torch.allclose(flat[..., 27, :] + flat[..., 28, :], torch.zeros(2, 3, 3), atol=1e-6)
    assert torch.allclose(centred(joints + 5.0), flat, atol=1e-5)


def test_the_crops_camera_is_the_published_one() -> None:
    # A.1.10 of our notes: computed from the formulas.
    point, camera = torch.tensor([[0.3, -0.2, 0.0]]), torch.tensor([0.9, 0.05, -0.1])
    assert projected(point, camera)[0].tolist() == pytest.approx([0.315, -0.27], abs=1e-5)


def test_bodies_are_opened_by_their_settings(tmp_path) -> None:
    with pytest.raises(CaptureError, match="body_files"):
        open_body("smpl", "", tmp_path)
    with pytest.raises(CaptureError) as raised:
        open_body("smpl", "models", tmp_path)
    assert raised.value.code == "body_missing"
    with pytest.raises(CaptureError) as raised:
        open_body("mannequin", "other.npz", tmp_path)
    assert raised.value.code == "body_missing"
    folder = tmp_path / "models"
    folder.mkdir()
    make_smpl_pkl(folder / "SMPL_NEUTRAL.pkl")
    np.save(folder / "J_regressor_extra.npy", np.full((9, 6890), 1 / 6890))
    without = open_body("smpl", "models", tmp_path)
    assert without.smpl.h36m is None
    np.save(folder / "J_regressor_h36m.npy", np.full((17, 6890), 1 / 6890))
    assert open_body("smpl", "models", tmp_path).smpl.h36m is not None
