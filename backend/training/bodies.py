# SPDX-License-Identifier: MIT
"""The body that losses and measures are about: parameters in, 49 joints out, and gradients pass through."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import resources
from pathlib import Path

import torch
from torch import Tensor, nn

from backend.body import model
from backend.body.model import BodyModel
from backend.body.smpl import JOINTS49, Smpl, load_smpl
from vibe_blender.contract.errors import CaptureError
from vibe_blender.contract.skeleton import JOINT_COUNT, JOINT_NAMES, PARENTS

EVALUATED = slice(25, 39)
"""Of the 49 joints, those that 3D losses and measures are about: ankles to wrists, neck and head top, LSP's 14."""
HIPS = (27, 28)
"""The right and the left hip among the 49."""
_LIKE = {45: "right_hip", 46: "left_hip", 47: "neck", 49: "pelvis"}
"""Places among SMPL's 54 joints that a skeleton has no vertices for, and its own joint that is nearest in meaning."""
_CROWN = 48
_TINY = 1e-9
CROP_PX, NETWORK_FOCAL_PX = 224.0, 5000.0


@dataclass(frozen=True)
class BodyPoints:
    """Points of bodies, metres, from the body's origin, in the frame that the root's rotation leads to.

    Attributes:
        joints: (..., 49, 3) in the order of ``JOINTS49``.
        vertices: (..., V, 3) of the skin, None where the body has none here.
    """

    joints: Tensor
    vertices: Tensor | None


class SmplBody(nn.Module):
    """SMPL from the user's own files.

    Attributes:
        valid: (49,) 1 for every joint.
    """

    valid: Tensor

    def __init__(self, smpl: Smpl) -> None:
        super().__init__()
        self.smpl = smpl
        self.register_buffer("valid", torch.ones(len(JOINTS49)), persistent=False)

    def forward(self, rotations: Tensor, betas: Tensor) -> BodyPoints:
        """Points of bodies with rotations (..., 24, 3, 3), joint to parent, and betas (..., 10)."""
        lead = rotations.shape[:-3]
        posed = self.smpl(rotations.reshape(-1, JOINT_COUNT, 3, 3), betas.reshape(-1, betas.shape[-1]))
        joints = self.smpl.joints49(posed.vertices, posed.joints)
        return BodyPoints(joints.reshape(*lead, -1, 3), posed.vertices.reshape(*lead, -1, 3))


class SkeletonBody(nn.Module):
    """The joints of a body without its skin, such as our mannequin's: what limbs need, many times as fast.

    Of the 49, joints on the skin are not valid; hips, neck and pelvis stand in for those that annotators mark there.

    Attributes:
        valid: (49,) 1 where a joint is there, else 0.
    """

    template: Tensor
    directions: Tensor
    crown: Tensor
    valid: Tensor

    def __init__(self, body: BodyModel) -> None:
        super().__init__()
        head = JOINT_NAMES.index("head")
        crown = body.joint_template[head].copy()
        crown[1] = body.template[:, 1].max()
        places, valid = [], []
        for _, place in JOINTS49:
            like = place if place < JOINT_COUNT else JOINT_NAMES.index(_LIKE[place]) if place in _LIKE else 0
            like = JOINT_COUNT if place == _CROWN else like
            places.append(like)
            valid.append(float(place < JOINT_COUNT or place in _LIKE or place == _CROWN))
        self._places = places
        for name, values in (
            ("template", body.joint_template), ("directions", body.joint_directions),
            ("crown", crown - body.joint_template[head]), ("valid", valid),
        ):  # fmt: skip
            self.register_buffer(name, torch.as_tensor(values, dtype=torch.float32), persistent=False)

    def forward(self, rotations: Tensor, betas: Tensor) -> BodyPoints:
        """Points of bodies with rotations (..., 24, 3, 3), joint to parent, and betas (..., 10)."""
        rest = self.template + torch.einsum("jck,...k->...jc", self.directions, betas)
        places, turns = [rest[..., 0, :]], [rotations[..., 0, :, :]]
        for joint, parent in enumerate(PARENTS[1:], start=1):
            along = (rest[..., joint, :] - rest[..., parent, :]).unsqueeze(-1)
            places.append(places[parent] + (turns[parent] @ along).squeeze(-1))
            turns.append(turns[parent] @ rotations[..., joint, :, :])
        head = JOINT_NAMES.index("head")
        places.append(places[head] + (turns[head] @ self.crown.unsqueeze(-1)).squeeze(-1))
        return BodyPoints(torch.stack([places[place] for place in self._places], dim=-2), None)


def open_body(kind: str, files: str, folder: Path) -> SmplBody | SkeletonBody:
    """The body that settings name.

    Args:
        kind: ``smpl`` or ``mannequin``.
        files: of SMPL the folder, of a mannequin the file, from ``folder``; empty for our own mannequin.
        folder: that the path is from.

    Raises:
        CaptureError: ``bad_setting``; as of ``smpl_body`` and ``mannequin_body``.
    """
    if kind == "mannequin":
        own = Path(str(resources.files("vibe_blender") / "assets" / "mannequin.npz"))
        return mannequin_body(folder / files if files else own)
    if not files:
        raise CaptureError(
            "bad_setting", "The body smpl needs SMPL's files.", 'Name their folder in body_files, or take "mannequin".'
        )
    return smpl_body(folder / files)


def smpl_body(folder: Path) -> SmplBody:
    """SMPL from a folder with the published files.

    Raises:
        CaptureError: ``body_missing``, ``body_unsafe`` or ``body_broken``.
    """
    files = [folder / name for name in ("SMPL_NEUTRAL.pkl", "J_regressor_extra.npy", "J_regressor_h36m.npy")]
    h36m = files[2] if files[2].is_file() else None
    return SmplBody(load_smpl(files[0], files[1], h36m))


def mannequin_body(path: Path) -> SkeletonBody:
    """The joints of our own mannequin, from its file.

    Raises:
        CaptureError: ``body_missing`` or ``body_broken``.
    """
    return SkeletonBody(model.load(path))


def centred(joints: Tensor) -> Tensor:
    """Joints (..., 49, 3) from the middle of the hips."""
    middle = (joints[..., HIPS[0], :] + joints[..., HIPS[1], :]) / 2
    return joints - middle.unsqueeze(-2)


def projected(joints: Tensor, camera: Tensor) -> Tensor:
    """Where points (..., J, 3) are in the crop, (..., J, 2), -1..1.

    The network's camera is far away: with a focal length of 5000 pixels, ``2 f / (224 s)`` metres from the body (SPIN,
    Kolotouros et al. 2019).

    Args:
        joints: metres, camera axes.
        camera: (..., 3) scale s, and translation x and y, metres.
    """
    depth = 2.0 * NETWORK_FOCAL_PX / (CROP_PX * camera[..., :1] + _TINY)
    moved = joints + torch.cat([camera[..., 1:], depth], dim=-1).unsqueeze(-2)
    return NETWORK_FOCAL_PX * moved[..., :2] / moved[..., 2:] / (CROP_PX / 2.0)
