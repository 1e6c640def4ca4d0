# SPDX-License-Identifier: MIT
"""Rotations as six numbers (Zhou et al. 2019, section 4): what the networks learn instead of angles."""

from __future__ import annotations

import torch
from torch import Tensor

_EPSILON = 1e-6


def matrices_from_6d(numbers: Tensor) -> Tensor:
    """Rotation matrices (..., 3, 3) of six numbers (..., 6).

    The numbers are the first two columns of the matrix, row by row: elements 0, 2, 4 are the first column, 1, 3, 5 the
    second, which is how HMR's and VIBE's published weights have them.
    """
    first, second = numbers.reshape(*numbers.shape[:-1], 3, 2).unbind(-1)
    x = torch.nn.functional.normalize(first, dim=-1, eps=_EPSILON)
    y = second - (x * second).sum(-1, keepdim=True) * x
    y = torch.nn.functional.normalize(y, dim=-1, eps=_EPSILON)
    return torch.stack([x, y, torch.linalg.cross(x, y)], dim=-1)
