# SPDX-License-Identifier: MIT
"""Posed skin: our kinematics and skinning against smplx's SMPL on the same file."""

from pathlib import Path

import numpy as np
import pytest

from backend.body.model import load
from backend.body.skinning import posed_vertices
from vibe_blender.contract.quaternions import to_matrices
from vibe_blender.contract.skeleton import forward_kinematics

MANNEQUIN = Path(__file__).parents[3] / "vibe_blender" / "assets" / "mannequin.npz"


def _random_pose(frames: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(7)
    rotations = rng.normal(loc=[2.0, 0, 0, 0], size=(frames, 24, 4))
    rotations /= np.linalg.norm(rotations, axis=2, keepdims=True)
    return rng.normal(size=10), rotations, rng.normal(size=(frames, 3))


def test_skin_at_rest_is_the_template():
    body = load(MANNEQUIN)
    identity = np.tile([1.0, 0, 0, 0], (1, 24, 1))
    skin = posed_vertices(body, np.zeros(10), identity, body.joint_template[None, 0])
    np.testing.assert_allclose(skin[0], body.template, atol=1e-9)


def test_kinematics_and_skin_agree_with_smplx():
    torch = pytest.importorskip("torch")
    smplx = pytest.importorskip("smplx")
    from smplx.utils import Struct

    body = load(MANNEQUIN)
    betas, rotations, root = _random_pose(4)
    with np.load(MANNEQUIN) as file:
        theirs = smplx.SMPL("", data_struct=Struct(**file), batch_size=4, dtype=torch.float64)
    matrices = torch.from_numpy(to_matrices(rotations))
    rest = body.rest_joints(betas)
    result = theirs(
        betas=torch.from_numpy(np.tile(betas, (4, 1))),
        global_orient=matrices[:, :1],
        body_pose=matrices[:, 1:],
        transl=torch.from_numpy(root - rest[0]),
        pose2rot=False,
    )
    joints, _ = forward_kinematics(rest, rotations, root)
    np.testing.assert_allclose(joints, result.joints[:, :24].detach().numpy(), atol=1e-5)
    np.testing.assert_allclose(
        posed_vertices(body, betas, rotations, root), result.vertices.detach().numpy(), atol=1e-5
    )
