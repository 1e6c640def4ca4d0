# SPDX-License-Identifier: MIT
"""The SMPL body in tensors, posed by smplx, and the joints by which VIBE's results are compared with others'."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import smplx
import torch
from torch import Tensor, nn

from vibe_blender.contract.errors import CaptureError
from vibe_blender.contract.skeleton import JOINT_COUNT, PARENTS

from .model import BodyModel
from .smpl_files import read_regressor, read_smpl

VERTEX_JOINTS = (
    332, 6260, 2800, 4071, 583,  # nose, right eye, left eye, right ear, left ear
    3216, 3226, 3387, 6617, 6624, 6787,  # left big toe, small toe and heel, then the right ones
    2746, 2319, 2445, 2556, 2673,  # tips of the left thumb and fingers
    6191, 5782, 5905, 6016, 6133,  # and of the right ones
)  # fmt: skip
"""Vertices that count as joints 24 to 44, in this order."""

_EXTRA, _H36M = ("J_regressor_extra.npy", 9), ("J_regressor_h36m.npy", 17)
"""Files that give joints from vertices, and how many: 45 to 53, and Human3.6M's."""

JOINTS49 = (
    ("OP Nose", 24), ("OP Neck", 12), ("OP RShoulder", 17), ("OP RElbow", 19), ("OP RWrist", 21),
    ("OP LShoulder", 16), ("OP LElbow", 18), ("OP LWrist", 20), ("OP MidHip", 0), ("OP RHip", 2), ("OP RKnee", 5),
    ("OP RAnkle", 8), ("OP LHip", 1), ("OP LKnee", 4), ("OP LAnkle", 7), ("OP REye", 25), ("OP LEye", 26),
    ("OP REar", 27), ("OP LEar", 28), ("OP LBigToe", 29), ("OP LSmallToe", 30), ("OP LHeel", 31),
    ("OP RBigToe", 32), ("OP RSmallToe", 33), ("OP RHeel", 34),
    ("Right Ankle", 8), ("Right Knee", 5), ("Right Hip", 45), ("Left Hip", 46), ("Left Knee", 4), ("Left Ankle", 7),
    ("Right Wrist", 21), ("Right Elbow", 19), ("Right Shoulder", 17), ("Left Shoulder", 16), ("Left Elbow", 18),
    ("Left Wrist", 20), ("Neck (LSP)", 47), ("Top of Head (LSP)", 48), ("Pelvis (MPII)", 49), ("Thorax (MPII)", 50),
    ("Spine (H36M)", 51), ("Jaw (H36M)", 52), ("Head (H36M)", 53), ("Nose", 24), ("Left Eye", 26), ("Right Eye", 25),
    ("Left Ear", 28), ("Right Ear", 27),
)  # fmt: skip
"""Name and place of SPIN's 49 joints (OP: OpenPose's) among 54: SMPL's 24, 21 vertices, 9 means of vertices."""

H36M_TO_J17 = (6, 5, 4, 1, 2, 3, 16, 15, 14, 11, 12, 13, 8, 10, 0, 7, 9)
"""Of Human3.6M's joints, in the order in which evaluations have them: right ankle first, wrists, neck, head top."""
H36M_TO_J14 = H36M_TO_J17[:14]
"""Those that 3DPW is evaluated by."""


@dataclass(frozen=True)
class PosedBody:
    """Bodies in their poses, metres, from SMPL's own origin, in the frame that the root's rotation leads to.

    Attributes:
        vertices: (B, 6890, 3) of the skin.
        joints: (B, 24, 3).
    """

    vertices: Tensor
    joints: Tensor


class Smpl(nn.Module):
    """SMPL (Loper et al. 2015) as a layer without parameters; gradients pass through it."""

    joint_template: Tensor
    joint_directions: Tensor
    vertex_joints: Tensor
    places49: Tensor
    extra: Tensor | None
    h36m: Tensor | None

    def __init__(self, body: BodyModel, extra: np.ndarray | None = None, h36m: np.ndarray | None = None) -> None:
        """Takes over a body's arrays.

        Args:
            body: with 6890 vertices.
            extra: (9, 6890) what ``joints49`` needs.
            h36m: (17, 6890) what ``joints_h36m`` needs.
        """
        super().__init__()
        with contextlib.redirect_stdout(io.StringIO()):  # it deplores bodies of ten shapes, and VIBE's are
            self._engine = smplx.SMPL(
                "", data_struct=_arrays(body), create_betas=False, create_global_orient=False,
                create_body_pose=False, create_transl=False,
            )  # fmt: skip
        for name, values in (
            ("joint_template", body.joint_template), ("joint_directions", body.joint_directions),
            ("extra", extra), ("h36m", h36m),
        ):  # fmt: skip
            held = None if values is None else torch.tensor(values, dtype=torch.float32)
            self.register_buffer(name, held, persistent=False)
        self.register_buffer("vertex_joints", torch.tensor(VERTEX_JOINTS), persistent=False)
        self.register_buffer("places49", torch.tensor([place for _, place in JOINTS49]), persistent=False)
        self.requires_grad_(False).eval()

    def forward(self, rotations: Tensor, betas: Tensor) -> PosedBody:
        """Bodies in their poses.

        Args:
            rotations: (B, 24, 3, 3) joint to parent, the root's to the frame that is wanted.
            betas: (B, 10).
        """
        posed = self._engine(
            betas=betas, global_orient=rotations[:, :1], body_pose=rotations[:, 1:], pose2rot=False
        )  # fmt: skip
        return PosedBody(posed.vertices, posed.joints[:, :JOINT_COUNT])

    def rest_joints(self, betas: Tensor) -> Tensor:
        """(..., 24, 3) metres, body frame: the joints at rest for betas (..., 10)."""
        return self.joint_template + torch.einsum("jck,...k->...jc", self.joint_directions, betas)

    def joints49(self, vertices: Tensor, joints: Tensor) -> Tensor:
        """(..., 49, 3) of vertices (..., 6890, 3) and joints (..., 24, 3), in the order of ``JOINTS49``.

        Raises:
            CaptureError: ``published_missing``.
        """
        means = _present(self.extra, _EXTRA[0]) @ vertices
        every = torch.cat([joints, vertices[..., self.vertex_joints, :], means], dim=-2)
        return every[..., self.places49, :]

    def joints_h36m(self, vertices: Tensor) -> Tensor:
        """(..., 17, 3) Human3.6M's joints of vertices (..., 6890, 3), in its own order.

        Raises:
            CaptureError: ``published_missing``.
        """
        return _present(self.h36m, _H36M[0]) @ vertices


@dataclass(frozen=True)
class Points:
    """What VIBE's program gives of bodies besides their parameters, metres, as ``PosedBody`` has them.

    Attributes:
        vertices: (T, 6890, 3) float32 of the skin.
        joints49: (T, 49, 3) float32 in the order of ``JOINTS49``.
        h36m: (T, 17, 3) float32 of Human3.6M, None where the layer has no regressor for them.
    """

    vertices: np.ndarray
    joints49: np.ndarray
    h36m: np.ndarray | None


def points_in_parts(smpl: Smpl, rotations: np.ndarray, betas: np.ndarray, part: int = 64) -> Iterator[Points]:
    """The points of bodies, ``part`` frames at a time, so that a long clip takes no more memory than a short one.

    Args:
        smpl: with the regressor of the 49 joints.
        rotations: (T, 24, 3, 3) joint to parent, the root's to the frame that is wanted.
        betas: (T, 10).
        part: how many frames at once.

    Raises:
        CaptureError: ``published_missing``.
    """
    for first in range(0, len(rotations), part):
        some = slice(first, first + part)
        with torch.inference_mode():
            body = smpl(*(torch.tensor(values[some], dtype=torch.float32) for values in (rotations, betas)))
            joints = smpl.joints49(body.vertices, body.joints)
            h36m = None if smpl.h36m is None else smpl.joints_h36m(body.vertices).numpy()
        yield Points(body.vertices.numpy(), joints.numpy(), h36m)


def load_smpl(smpl: Path, extra: Path | None = None, h36m: Path | None = None) -> Smpl:
    """The body in a published file, or in one that ``vibe models import`` wrote, in float32 on the CPU.

    Args:
        smpl: SMPL's .pkl or .npz.
        extra: ``J_regressor_extra.npy``.
        h36m: ``J_regressor_h36m.npy``.

    Raises:
        CaptureError: ``body_missing``, ``body_unsafe`` or ``body_broken``.
    """
    return Smpl(
        read_smpl(smpl),
        None if extra is None else read_regressor(extra, _EXTRA[1]),
        None if h36m is None else read_regressor(h36m, _H36M[1]),
    )


def _arrays(body: BodyModel) -> SimpleNamespace:
    """The body's arrays under the names of the published files."""
    return SimpleNamespace(
        v_template=body.template,
        shapedirs=body.shape_directions,
        posedirs=body.pose_directions,
        J_regressor=body.joint_regressor,
        kintree_table=np.array([PARENTS, range(JOINT_COUNT)]),
        weights=body.skin_weights,
        f=body.triangles,
    )


def _present(regressor: Tensor | None, name: str) -> Tensor:
    if regressor is None:
        raise CaptureError(
            "published_missing",
            f"These joints need {name}, which was not given.",
            "`vibe models list` says where it is to be had.",
        )
    return regressor
