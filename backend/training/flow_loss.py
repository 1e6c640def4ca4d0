# SPDX-License-Identifier: MIT
"""DTS-VIBE's flow loss: joints move from frame to frame as the picture does.

Equation: ``L_flow = sum over i = 2..T of |X_(i-1) - X^f_(i-1)|^2``, where ``X^f_(i-1)`` is ``X_i`` traced back to
frame i-1 by the flow. What the paper leaves open, and is decided here:

- *X is what the network says*, in both frames: labels would teach nothing that the loss of joints does not.
- *The unit* is the crop's, -1..1, of the later frame, and the loss is a mean as that of 2D joints is, so that both
  count alike at the same weight. Pixels of the video would make near people count more than far ones.
- *The flow is a measurement*: no gradient passes through the place where it is read. At an outline, flow changes by
  many pixels from one cell to the next, and its slope there would push joints towards whichever side fits by chance.
"""

from __future__ import annotations

import torch
from torch import Tensor

from .bodies import CROP_PX
from .distributed import shared_mean

_ROUNDING = 1e-4


def traced_back(joints: Tensor, flow: Tensor) -> Tensor:
    """Where the joints of each frame but the first were in the frame before: (N, T-1, J, 2), -1..1 of the later crop.

    The flow is read between the middles of its cells, cell i being the crop's pixels 4 i to 4 i + 4; beyond the
    outermost middles, and outside of the crop, it is that of the nearest one.

    Args:
        joints: (N, T, J, 2) in each frame's crop, -1..1.
        flow: (N, T, 2, 56, 56) pixels of the crop, right and down: what is at x in frame t was at x + flow_t(x) in
            frame t-1, which is looked at through frame t's crop.
    """
    later = joints[:, 1:]
    return later + _read(flow[:, 1:], later.detach()) * (2.0 / CROP_PX)


def flow_loss(joints: Tensor, flow: Tensor, boxes: Tensor, weights: Tensor) -> Tensor:
    """Mean squared distance, in the crop, of joints of a frame to where the flow traces those of the next.

    A pair of frames counts where there is a box in both; a joint where it is inside of the later frame's crop and all
    cells that its flow is read from have some, as much as it does in that of the two frames where it counts less. Cells
    of zeros are unknown: a person's first frame, a frame after a gap, and what is black beyond the video's edge.

    Args:
        joints: (N, T, J, 2) that the network says, in each frame's crop, -1..1.
        flow: (N, T, 2, 56, 56) as of ``traced_back``.
        boxes: (N, T, 4) centre x, y, width, height of what each crop shows, pixels of the video; zeros where unknown.
            Of mirrored crops, in the mirrored video.
        weights: (N, T, J) how much each joint counts.
    """
    apart = traced_back(joints, flow) - _through_later_crop(joints[:, :-1], boxes)
    boxed = (boxes[..., 2:] > 0).all(dim=-1)
    later = joints[:, 1:].detach()
    known = _read(flow[:, 1:].any(dim=2, keepdim=True), later)[..., 0] > 1.0 - _ROUNDING
    counted = known & (later.abs() <= 1.0).all(dim=-1) & (boxed[:, 1:] & boxed[:, :-1])[..., None]
    counts = torch.minimum(weights[:, 1:], weights[:, :-1]) * counted
    return _mean(apart**2, counts[..., None])


def _through_later_crop(joints: Tensor, boxes: Tensor) -> Tensor:
    """Joints (N, T-1, J, 2) of all frames but the last in the crop of the frame after each."""
    centres, halves = boxes[:, :, None, :2], boxes[:, :, None, 2:] / 2.0
    # Centres are subtracted from each other first: far from the video's corner, single precision has few digits left.
    moved = (centres[:, :-1] - centres[:, 1:]) + joints * halves[:, :-1]
    return moved / torch.where(halves[:, 1:] > 0, halves[:, 1:], 1.0)


def _read(cells: Tensor, places: Tensor) -> Tensor:
    """Cells (N, T, C, 56, 56) read at places (N, T, J, 2), -1..1 from edge to edge: (N, T, J, C)."""
    many = places.flatten(0, 1)[:, :, None]
    read = torch.nn.functional.grid_sample(
        cells.flatten(0, 1).to(places.dtype), many, mode="bilinear", padding_mode="border", align_corners=False
    )
    return read[..., 0].transpose(1, 2).unflatten(0, places.shape[:2])


def _mean(values: Tensor, counts: Tensor) -> Tensor:
    """The mean of those values that count, 0 where none does; of several processes as in ``losses``."""
    counts = counts.expand_as(values)
    return (values * counts).sum() / shared_mean(counts.sum()).clamp(min=1e-6)
