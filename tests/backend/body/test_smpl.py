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
from tests.plain_networks import posed as plainly_posed  # noqa: E402
from tests.published_bodies import VERTICES, make_arrays, make_regressors, make_smpl_pkl  # noqa: E402
from vibe_blender.contract.errors import CaptureError  # noqa: E402
from vibe_blender.contract.quaternions import from_axis_angles, to_matrices  # noqa: E402
from vibe_blender.contract.skeleton import JOINT_NAMES, forward_kinematics  # noqa: E402


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
    picked = torch.cat([ours.joints, ours.vertices[:, smpl.vertex_joints]], dim=1)
    assert (picked - theirs.joints).abs().max() < 1e-5, "smplx has the same 21 vertices in the same order"


def test_the_published_equations_written_out(smpl, pose):
    angles, betas = pose
    ours, rotations = posed(smpl, pose), to_matrices(from_axis_angles(angles))
    for frame in range(6):
        vertices, joints = plainly_posed(make_arrays(seed=4), rotations[frame], betas[frame])
        np.testing.assert_allclose(ours.vertices[frame].numpy(), vertices, atol=1e-5)
        np.testing.assert_allclose(ours.joints[frame].numpy(), joints, atol=1e-5)


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
    def test_the_published_order(self):
        # A name and a place for each; those of 54 are 24 joints, 21 vertices and 9 means.
        assert [place for _, place in JOINTS49] == [
            24, 12, 17, 19, 21, 16, 18, 20, 0, 2, 5, 8, 1, 4, 7, 25, 26, 27, 28, 29, 30, 31, 32, 33, 34,
            8, 5, 45, 46, 4, 7, 21, 19, 17, 16, 18, 20, 47, 48, 49, 50, 51, 52, 53, 24, 26, 25, 28, 27,
        ]  # fmt: skip

    def test_each_is_the_joint_vertex_or_mean_of_its_name(self, smpl, folder, pose):
        body = posed(smpl, pose)
        found = dict(zip([name for name, _ in JOINTS49], smpl.joints49(body.vertices, body.joints)[2], strict=True))
        assert len(found) == 49
        joints = dict(zip(JOINT_NAMES, body.joints[2], strict=True))
        vertices = body.vertices[2]
        means = tensor(np.load(folder / "J_regressor_extra.npy")) @ vertices
        truth = {"OP Neck": joints["neck"], "OP MidHip": joints["pelvis"]}
        for side in ("left", "right"):
            for part in ("shoulder", "elbow", "wrist", "hip", "knee", "ankle"):
                truth[f"OP {side[0].upper()}{part.title()}"] = joints[f"{side}_{part}"]
                truth[f"{side.title()} {part.title()}"] = joints[f"{side}_{part}"]
        for name, vertex in {
            "Nose": 332, "REye": 6260, "LEye": 2800, "REar": 4071, "LEar": 583, "LBigToe": 3216, "LSmallToe": 3226,
            "LHeel": 3387, "RBigToe": 6617, "RSmallToe": 6624, "RHeel": 6787,
        }.items():  # fmt: skip
            truth[f"OP {name}"] = vertices[vertex]
        for name in ("Nose", "Right Eye", "Left Eye", "Right Ear", "Left Ear"):
            truth[name] = truth[f"OP {name.replace('Right ', 'R').replace('Left ', 'L')}"]
        for number, name in enumerate((
            "Right Hip", "Left Hip", "Neck (LSP)", "Top of Head (LSP)", "Pelvis (MPII)", "Thorax (MPII)",
            "Spine (H36M)", "Jaw (H36M)", "Head (H36M)",
        )):  # fmt: skip
            truth[name] = means[number]
        assert truth.keys() == found.keys()
        for name, place in truth.items():
            assert (found[name] - place).abs().max() < 1e-6, name

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
