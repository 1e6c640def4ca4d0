# SPDX-License-Identifier: MIT
"""The SMPL body against its peers: smplx by axis-angle, our own numpy skinning, and the published joint tables."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the network packages are not installed")
smplx = pytest.importorskip("smplx", reason="the network packages are not installed")

from types import SimpleNamespace  # noqa: E402

from backend.body import smpl_files  # noqa: E402
from backend.body.skinning import posed_vertices  # noqa: E402
from backend.body.smpl import H36M_TO_J14, H36M_TO_J17, JOINTS49, load_smpl  # noqa: E402
from tests.published_bodies import VERTICES, make_arrays, make_regressors, make_smpl_pkl  # noqa: E402
from vibe_blender.contract.errors import CaptureError  # noqa: E402
from vibe_blender.contract.quaternions import from_axis_angles, to_matrices  # noqa: E402
from vibe_blender.contract.skeleton import forward_kinematics  # noqa: E402


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("body")
    make_smpl_pkl(folder / "SMPL_NEUTRAL.pkl", seed=4)
    make_regressors(folder, seed=5)
    return folder


@pytest.fixture(scope="module")
def smpl(folder):
    return load_smpl(folder / "SMPL_NEUTRAL.pkl", folder / "J_regressor_extra.npy", folder / "J_regressor_h36m.npy")


@pytest.fixture(scope="module")
def pose():
    """Axis-angles (6, 24, 3) and betas (6, 10)."""
    random = np.random.default_rng(6)
    return random.normal(scale=0.6, size=(6, 24, 3)), random.normal(size=(6, 10))


def tensor(values) -> torch.Tensor:
    return torch.tensor(np.asarray(values), dtype=torch.float32)


def posed(smpl, pose):
    angles, betas = pose
    with torch.no_grad():
        return smpl(tensor(to_matrices(from_axis_angles(angles))), tensor(betas))


def test_smplx_by_axis_angles_and_its_own_reading_of_the_arrays(smpl, pose, capsys):
    arrays = make_arrays(seed=4)
    peer = smplx.SMPL(
        "", data_struct=SimpleNamespace(**{**arrays, "kintree_table": arrays["kintree_table"].astype(int)})
    )
    angles, betas = pose
    with torch.no_grad():
        theirs = peer(
            betas=tensor(betas),
            global_orient=tensor(angles[:, 0]),
            body_pose=tensor(angles[:, 1:].reshape(6, 69)),
            transl=torch.zeros(6, 3),
        )
    ours = posed(smpl, pose)
    assert ours.vertices.shape == (6, VERTICES, 3)
    assert ours.joints.shape == (6, 24, 3)
    assert (ours.vertices - theirs.vertices).abs().max() < 1e-5
    assert (ours.joints - theirs.joints[:, :24]).abs().max() < 1e-5
    picked = torch.cat([ours.joints, ours.vertices[:, smpl._vertex_joints]], dim=1)
    assert (picked - theirs.joints).abs().max() < 1e-5, "smplx has the same 21 vertices in the same order"


def test_our_own_skinning_in_double_precision(smpl, folder, pose):
    angles, betas = pose
    body = smpl_files.read_smpl(folder / "SMPL_NEUTRAL.pkl")
    rotations, rest = from_axis_angles(angles), body.rest_joints(betas)
    ours = posed(smpl, pose)
    joints, _ = forward_kinematics(rest[0], rotations[:1], rest[:1, 0])
    np.testing.assert_allclose(ours.joints[:1].numpy(), joints, atol=1e-5)
    vertices = posed_vertices(body, betas[0], rotations[:1], rest[:1, 0])
    np.testing.assert_allclose(ours.vertices[:1].numpy(), vertices, atol=1e-5)
    np.testing.assert_allclose(smpl.rest_joints(tensor(betas)).numpy(), rest, atol=1e-6)
    np.testing.assert_allclose(smpl.rest_joints(tensor(betas.reshape(2, 3, 10))).numpy()[1, 2], rest[5], atol=1e-6)


def test_without_rotation_the_joints_are_at_rest(smpl, pose):
    betas = tensor(pose[1])
    still = smpl(torch.eye(3).expand(6, 24, 3, 3), betas)
    assert (still.joints - smpl.rest_joints(betas)).abs().max() < 1e-5


def test_loading_is_silent_and_leaves_nothing_to_train(folder, capfd):
    smpl = load_smpl(folder / "SMPL_NEUTRAL.pkl")
    assert capfd.readouterr() == ("", "")
    assert not [parameter for parameter in smpl.parameters() if parameter.requires_grad]
    assert not smpl.training


def test_gradients_reach_rotations_and_betas(smpl):
    rotations = torch.eye(3).repeat(2, 24, 1, 1).requires_grad_()
    betas = torch.zeros(2, 10, requires_grad=True)
    smpl(rotations, betas).vertices.square().sum().backward()
    assert rotations.grad.abs().sum() > 0
    assert betas.grad.abs().sum() > 0


class TestJoints49:
    def test_each_is_the_joint_vertex_or_mean_of_its_name(self, smpl, folder, pose):
        body = posed(smpl, pose)
        found = dict(zip([name for name, _ in JOINTS49], smpl.joints49(body.vertices, body.joints)[2], strict=True))
        assert len(found) == 49
        joints, vertices = body.joints[2], body.vertices[2]
        extra = tensor(np.load(folder / "J_regressor_extra.npy")) @ vertices
        for name, truth in {
            "OP MidHip": joints[0], "OP LHip": joints[1], "OP RKnee": joints[5], "OP LWrist": joints[20],
            "Right Wrist": joints[21], "OP Neck": joints[12], "OP Nose": vertices[332], "Nose": vertices[332],
            "OP REye": vertices[6260], "Left Eye": vertices[2800], "OP LEar": vertices[583],
            "OP LBigToe": vertices[3216], "OP RHeel": vertices[6787], "OP LHeel": vertices[3387],
            "Right Hip": extra[0], "Left Hip": extra[1],
            "Neck (LSP)": extra[2], "Top of Head (LSP)": extra[3], "Pelvis (MPII)": extra[4], "Head (H36M)": extra[8],
        }.items():  # fmt: skip
            assert (found[name] - truth).abs().max() < 1e-6, name

    def test_left_and_right_are_told_apart(self):
        places = dict(JOINTS49)
        for left, right in (("OP LKnee", "OP RKnee"), ("Left Ankle", "Right Ankle"), ("OP LElbow", "OP RElbow")):
            assert places[left] + 1 == places[right], "SMPL's right joint follows its left one"
        assert [name for name, _ in JOINTS49[:25]] == [name for name, _ in JOINTS49 if name.startswith("OP ")]

    def test_without_the_file(self, folder, pose):
        smpl = load_smpl(folder / "SMPL_NEUTRAL.pkl")
        body = posed(smpl, pose)
        for call, name in (
            (lambda: smpl.joints49(body.vertices, body.joints), "J_regressor_extra.npy"),
            (lambda: smpl.joints_h36m(body.vertices), "J_regressor_h36m.npy"),
        ):
            with pytest.raises(CaptureError, match=name):
                call()


def test_joints_of_h36m(smpl, folder, pose):
    body = posed(smpl, pose)
    truth = np.load(folder / "J_regressor_h36m.npy") @ body.vertices.numpy().astype(float)
    np.testing.assert_allclose(smpl.joints_h36m(body.vertices).numpy(), truth, atol=1e-6)
    assert sorted(H36M_TO_J17) == list(range(17))
    assert H36M_TO_J14 == (6, 5, 4, 1, 2, 3, 16, 15, 14, 11, 12, 13, 8, 10)
