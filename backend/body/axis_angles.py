# SPDX-License-Identifier: MIT
"""Rotation vectors in tensors: to matrices and back, with gradients everywhere but at half a turn."""

from __future__ import annotations

import torch
from torch import Tensor

_TINY = 1e-6


def matrices_from_axis_angles(vectors: Tensor) -> Tensor:
    """Rotation matrices (..., 3, 3) of axis-angle vectors (..., 3), radians (Rodrigues' formula)."""
    squared = (vectors * vectors).sum(-1, keepdim=True)
    small = squared < _TINY**2
    angle = torch.where(small, torch.ones_like(squared), squared).sqrt()
    sine = torch.where(small, 1.0 - squared / 6.0, torch.sin(angle) / angle)[..., None]
    cosine = torch.where(small, 0.5 - squared / 24.0, (1.0 - torch.cos(angle)) / angle**2)[..., None]
    x, y, z = vectors.unbind(-1)
    nothing = torch.zeros_like(x)
    cross = torch.stack([nothing, -z, y, z, nothing, -x, -y, x, nothing], dim=-1).reshape(*x.shape, 3, 3)
    return torch.eye(3, dtype=vectors.dtype, device=vectors.device) + sine * cross + cosine * (cross @ cross)


def axis_angles_from_matrices(matrices: Tensor) -> Tensor:
    """Axis-angle vectors (..., 3), radians, at most pi long, of rotation matrices (..., 3, 3).

    By way of quaternions, of which the largest of the four components is found first (Shepperd 1978).
    """
    m = matrices
    m00, m11, m22 = m[..., 0, 0], m[..., 1, 1], m[..., 2, 2]
    squares = 1.0 + torch.stack([m00 + m11 + m22, m00 - m11 - m22, m11 - m00 - m22, m22 - m00 - m11], dim=-1)
    a, b, c = m[..., 2, 1] - m[..., 1, 2], m[..., 0, 2] - m[..., 2, 0], m[..., 1, 0] - m[..., 0, 1]
    d, e, f = m[..., 0, 1] + m[..., 1, 0], m[..., 0, 2] + m[..., 2, 0], m[..., 1, 2] + m[..., 2, 1]
    w, x, y, z = squares.unbind(-1)
    rows = torch.stack(
        [torch.stack(row, dim=-1) for row in ((w, a, b, c), (a, x, d, e), (b, d, y, f), (c, e, f, z))], dim=-2
    )
    largest = squares.detach().argmax(-1)[..., None, None].expand(*squares.shape[:-1], 1, 4)
    q = torch.nn.functional.normalize(rows.gather(-2, largest).squeeze(-2), dim=-1)
    q = torch.where(q[..., :1] < 0, -q, q)
    squared = (q[..., 1:] ** 2).sum(-1, keepdim=True)
    small = squared < _TINY**2
    sine = torch.where(small, torch.ones_like(squared), squared).sqrt()
    scale = torch.where(small, torch.full_like(sine, 2.0), 2.0 * torch.atan2(sine, q[..., :1]) / sine)
    return q[..., 1:] * scale
