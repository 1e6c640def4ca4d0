# SPDX-License-Identifier: MIT
"""The iterative regressor of HMR (Kanazawa et al. 2018, 3.2): features to a body, corrected three times."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from backend.body.rotation6d import matrices_from_6d

from .resnet import FEATURES

_JOINTS = 24
_POSE, _SHAPE, _CAMERA = 6 * _JOINTS, 10, 3
_ITERATIONS = 3
_DROPOUT = 0.5
_GAIN = 0.01


@dataclass(frozen=True)
class Regressed:
    """What a network says of each picture.

    Attributes:
        rotations: (..., 24, 3, 3) joint to parent, the root's body to camera (x right, y down, z forward).
        betas: (..., 10) of the SMPL body.
        camera: (..., 3) weak perspective in the crop: scale s, translation x and y.
    """

    rotations: Tensor
    betas: Tensor
    camera: Tensor


class Regressor(nn.Module):
    """Starts from the mean body and adds three corrections, each seeing the last result.

    Attributes:
        init_pose, init_shape, init_cam: (1, 144) in 6D, (1, 10) and (1, 3), the mean body.
    """

    init_pose: Tensor
    init_shape: Tensor
    init_cam: Tensor

    def __init__(self, hidden: int = 1024) -> None:
        """Layers of ``hidden`` numbers; 1024 as published."""
        super().__init__()
        self.fc1 = nn.Linear(FEATURES + _POSE + _SHAPE + _CAMERA, hidden)
        self.fc2 = nn.Linear(hidden, hidden)
        self.dropout = nn.Dropout(_DROPOUT)
        self.decpose = nn.Linear(hidden, _POSE)
        self.decshape = nn.Linear(hidden, _SHAPE)
        self.deccam = nn.Linear(hidden, _CAMERA)
        for layer in (self.decpose, self.decshape, self.deccam):
            nn.init.xavier_uniform_(layer.weight, gain=_GAIN)
        self.register_buffer("init_pose", torch.zeros(1, _POSE))
        self.register_buffer("init_shape", torch.zeros(1, _SHAPE))
        self.register_buffer("init_cam", torch.zeros(1, _CAMERA))

    def forward(self, features: Tensor) -> Regressed:
        """(..., 2048) features to what they say; no activation between the layers, as published.

        Dropout works while training only, so the same network serves training and capture.
        """
        lead = features.shape[:-1]
        pose, shape, camera = (start[0].expand(*lead, -1) for start in (self.init_pose, self.init_shape, self.init_cam))
        for _ in range(_ITERATIONS):
            inner = self.dropout(self.fc1(torch.cat([features, pose, shape, camera], dim=-1)))
            inner = self.dropout(self.fc2(inner))
            pose = pose + self.decpose(inner)
            shape = shape + self.decshape(inner)
            camera = camera + self.deccam(inner)
        return Regressed(matrices_from_6d(pose.reshape(*lead, _JOINTS, 6)), shape, camera)
