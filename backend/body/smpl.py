# SPDX-License-Identifier: MIT
"""The published SMPL body on smplx: rotations and betas to vertices, vertices to the joints that networks speak of."""

from __future__ import annotations

import contextlib
import io
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import smplx
import torch
from torch import Tensor, nn

from vibe_blender.contract.errors import CaptureError
from vibe_blender.contract.quaternions import Array
from vibe_blender.contract.skeleton import JOINT_COUNT, PARENTS

from .model import SHAPE_COUNT, BodyModel
from .smpl_files import read_regressor, read_smpl

_VERTEX_JOINTS = (
    332, 6260, 2800, 4071, 583,  # nose; right, left eye; right, left ear
    3216, 3226, 3387, 6617, 6624, 6787,  # left big toe, small toe, heel; right
    2746, 2319, 2445, 2556, 2673, 6191, 5782, 5905, 6016, 6133,  # left thumb to little finger; right
)  # fmt: skip
"""Vertices that stand for joints 24 to 44; behind them come the nine of ``J_regressor_extra``."""

JOINTS49 = (
    ("OP Nose", 24), ("OP Neck", 12), ("OP RShoulder", 17), ("OP RElbow", 19), ("OP RWrist", 21), ("OP LShoulder", 16),
    ("OP LElbow", 18), ("OP LWrist", 20), ("OP MidHip", 0), ("OP RHip", 2), ("OP RKnee", 5), ("OP RAnkle", 8),
    ("OP LHip", 1), ("OP LKnee", 4), ("OP LAnkle", 7), ("OP REye", 25), ("OP LEye", 26), ("OP REar", 27),
    ("OP LEar", 28), ("OP LBigToe", 29), ("OP LSmallToe", 30), ("OP LHeel", 31), ("OP RBigToe", 32),
    ("OP RSmallToe", 33), ("OP RHeel", 34),
    ("Right Ankle", 8), ("Right Knee", 5), ("Right Hip", 45), ("Left Hip", 46), ("Left Knee", 4), ("Left Ankle", 7),
    ("Right Wrist", 21), ("Right Elbow", 19), ("Right Shoulder", 17), ("Left Shoulder", 16), ("Left Elbow", 18),
    ("Left Wrist", 20), ("Neck (LSP)", 47), ("Top of Head (LSP)", 48), ("Pelvis (MPII)", 49), ("Thorax (MPII)", 50),
    ("Spine (H36M)", 51), ("Jaw (H36M)", 52), ("Head (H36M)", 53), ("Nose", 24), ("Left Eye", 26), ("Right Eye", 25),
    ("Left Ear", 28), ("Right Ear", 27),
)  # fmt: skip
"""VIBE's names of its joints, and where each is among 24 joints, 21 vertices, 9 extra ones: OpenPose's 25, then 24."""

H36M_TO_J17 = (6, 5, 4, 1, 2, 3, 16, 15, 14, 11, 12, 13, 8, 10, 0, 7, 9)
"""Of the 17 joints of ``J_regressor_h36m``, in the order of the common ones."""
H36M_TO_J14 = H36M_TO_J17[:14]
"""Right ankle, knee, hip; left hip, knee, ankle; right wrist, elbow, shoulder; left ones; neck, top of the head."""

_EXTRA_JOINTS, _H36M_JOINTS = 9, 17


@dataclass(frozen=True)
class SmplOutput:
    """A posed body; metres, in the frame of the root's rotation, SMPL's origin.

    Attributes:
        vertices: (B, 6890, 3).
        joints: (B, 24, 3); the root stands where it does at rest.
    """

    vertices: Tensor
    joints: Tensor


class Smpl(nn.Module):
    """SMPL (Loper et al. 2015) with its joint regressors, in single precision; differentiable, on any device."""

    _rest: Tensor
    _per_beta: Tensor
    _extra: Tensor | None
    _h36m: Tensor | None
    _vertex_joints: Tensor
    _places49: Tensor

    def __init__(self, body: BodyModel, extra: Array | None = None, h36m: Array | None = None) -> None:
        """A body of arrays.

        Args:
            body: SMPL's own arrays.
            extra: (9, 6890) joints from vertices, which ``joints49`` needs.
            h36m: (17, 6890) joints from vertices, which ``joints_h36m`` needs.
        """
        super().__init__()
        self._layer = _layer(body)
        self._keep("_rest", body.joint_template)
        self._keep("_per_beta", body.joint_directions)
        self._keep("_extra", extra)
        self._keep("_h36m", h36m)
        self.register_buffer("_vertex_joints", torch.tensor(_VERTEX_JOINTS), persistent=False)
        self.register_buffer("_places49", torch.tensor([place for _, place in JOINTS49]), persistent=False)

    def _keep(self, name: str, values: Array | None) -> None:
        tensor = None if values is None else torch.tensor(values, dtype=torch.float32)
        self.register_buffer(name, tensor, persistent=False)

    @property
    def faces(self) -> Tensor:
        """(F, 3) vertex indices."""
        return self._layer.faces_tensor

    def rest_joints(self, betas: Tensor) -> Tensor:
        """(..., 24, 3) metres, body frame: the joints before any rotation, for betas (..., 10)."""
        return self._rest + torch.einsum("jck,...k->...jc", self._per_beta, betas)

    def forward(self, rotations: Tensor, betas: Tensor) -> SmplOutput:
        """The posed body.

        Args:
            rotations: (B, 24, 3, 3) joint to parent; the root's frame is the result's.
            betas: (B, 10).
        """
        posed = self._layer(
            betas=betas, global_orient=rotations[:, :1], body_pose=rotations[:, 1:], pose2rot=False, return_verts=True
        )
        return SmplOutput(posed.vertices, posed.joints[:, :JOINT_COUNT])

    def joints49(self, vertices: Tensor, joints: Tensor) -> Tensor:
        """(B, 49, 3) metres: the joints that VIBE is trained on (``JOINTS49``), of a posed body.

        Args:
            vertices: (B, 6890, 3) metres.
            joints: (B, 24, 3) metres.
        """
        extra = _needed(self._extra, "J_regressor_extra.npy") @ vertices
        return torch.cat([joints, vertices[:, self._vertex_joints], extra], dim=1)[:, self._places49]

    def joints_h36m(self, vertices: Tensor) -> Tensor:
        """(B, 17, 3) metres: the joints that results are compared by; ``H36M_TO_J14`` picks those of 3DPW."""
        return _needed(self._h36m, "J_regressor_h36m.npy") @ vertices


def load_smpl(path: Path, extra: Path | None = None, h36m: Path | None = None) -> Smpl:
    """The body of a published .pkl, or of our .npz, and the published regressors where they are given; on the CPU.

    Raises:
        CaptureError: ``body_missing``, ``body_unsafe`` or ``body_broken``.
    """
    return Smpl(
        read_smpl(path),
        None if extra is None else read_regressor(extra, _EXTRA_JOINTS),
        None if h36m is None else read_regressor(h36m, _H36M_JOINTS),
    ).eval()


def _layer(body: BodyModel) -> smplx.SMPLLayer:
    parents = np.array([PARENTS, range(JOINT_COUNT)], np.int64)
    arrays = SimpleNamespace(
        v_template=body.template,
        shapedirs=body.shape_directions,
        posedirs=body.pose_directions,
        J_regressor=body.joint_regressor,
        weights=body.skin_weights,
        kintree_table=parents,
        f=body.triangles,
    )
    with contextlib.redirect_stdout(io.StringIO()):  # smplx prints that there are ten shapes only
        return smplx.SMPLLayer(model_path="", data_struct=arrays, num_betas=SHAPE_COUNT).requires_grad_(False)


def _needed(regressor: Tensor | None, name: str) -> Tensor:
    if regressor is None:
        raise CaptureError(
            "body_missing", f"{name} is not there, which these joints need.", "`vibe models list` says where it is."
        )
    return regressor
