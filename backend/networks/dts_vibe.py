# SPDX-License-Identifier: MIT
"""DTS-VIBE: what frames show and how they move, each in its own stream, to bodies that a transformer makes smooth.

Nobody publishes its code or its weights, and the paper leaves much open. What is decided here, and why:

- *157 numbers and four heads*: 157 is no multiple of 4. The coarse body is widened to ``width`` before the regressor's
  layers and narrowed to 157 after them. Padding to 160 would leave 40 numbers to a head and mix units; a wider room
  costs little beside the encoder.
- *From coarse to fine*: the fine body is the coarse one plus what the transformer says, whose last layer begins small,
  as in HMR's regressor: a new network says the mean body, and each stage corrects the one before.
- *Coarse*: the mean body plus what the layer of 157 says, because a T-pose is a better start than zeros, which are no
  rotation at all.
- *No flow* (a person's first frame, a frame after a gap: zeros): the stream adds nothing to what is seen. With zeros as
  input it would say "at rest", which nobody knows.
- *Positions, normalisation, inner width, dropout*: in ``transformer.py``, each with its reason.
- *Flow as a picture* (``shown_flow``): right, down and length as the three channels, in units that bring them to where
  normalised photographs are. The paper's ResNet of flow begins with ImageNet's weights, which would fit so; here
  nothing loads them, and it begins at random.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from backend.body.rotation6d import matrices_from_6d

from .regressor import Regressed, Regressor
from .resnet import FEATURES, ResNet50
from .transformer import Transformer

FlowKind = Literal["resnet50", "grid", "none"]
TemporalKind = Literal["transformer", "gru"]
RegressorKind = Literal["transformer", "iterative"]

CELLS = 56
"""Flow comes on a grid of so many cells each way."""
FLOW_UNIT_PX, FLOW_LIMIT_PX = 8.0, 20.0
"""A motion of one unit, and the longest that is told from longer ones, pixels of the crop.

20 is the limit of two-stream networks for actions (Carreira and Zisserman 2017); 20 / 8 = 2.5 is how far normalised
photographs reach from zero.
"""
LAYERS, HEADS = 6, 8
REGRESSOR_LAYERS, REGRESSOR_HEADS = 3, 4
_GRID = 32
_JOINTS = 24
_PARTS = (6 * _JOINTS, 10, 3)
_BODY = sum(_PARTS)
_GAIN = 0.01
_STRIDES_OF_WINDOW = 4
_PICTURES_AT_ONCE, _WINDOWS_AT_ONCE = 64, 64


@dataclass(frozen=True)
class Attended:
    """What frames (second last) attended to (last), each row summing to 1.

    Attributes:
        encoder: (N, 6, 8, T, T) layers and heads; None where a GRU is the encoder.
        regressor: (N, 3, 4, T, T); None where the regressor is HMR's.
    """

    encoder: Tensor | None
    regressor: Tensor | None


class FlowStream(nn.Module):
    """What the motion since the frame before says of each frame.

    Attributes:
        cnn: of ``resnet50``; begins at random; its names are torchvision's, so ImageNet's weights would fit.
    """

    area: Tensor

    def __init__(self, kind: Literal["resnet50", "grid"], width: int) -> None:
        super().__init__()
        self.cnn = ResNet50() if kind == "resnet50" else None
        self.linear = nn.Linear(FEATURES, width)
        self.register_buffer("area", _area_means(), persistent=False)

    def forward(self, flow: Tensor) -> Tensor:
        """(B, 2, 56, 56) pixels of the crop to (B, width); zeros where the flow is zeros, which is to say unknown."""
        known = flow.flatten(1).any(dim=1)
        pictures = shown_flow(flow.to(self.linear.weight.dtype))
        if self.cnn is None:
            inner = (self.area @ pictures[:, :2] @ self.area.T).flatten(1)
        else:
            inner = self.cnn(nn.functional.interpolate(pictures, scale_factor=4, mode="bilinear"))
        return torch.where(known[:, None], self.linear(inner), 0.0)


class GruEncoder(nn.Module):
    """VIBE's encoder in the transformer's place, for the paper's ablation: a GRU whose output corrects its input."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.gru = nn.GRU(width, 2 * width, num_layers=2, batch_first=True)
        self.linear = nn.Linear(2 * width, width)

    def forward(self, frames: Tensor) -> tuple[Tensor, None]:
        """(N, T, width) to (N, T, width); there is no attention."""
        return self.linear(torch.relu(self.gru(frames)[0])) + frames, None


class TransformerRegressor(nn.Module):
    """A coarse body of each frame, and corrections of it from those of all frames.

    Attributes:
        init_pose, init_shape, init_cam: (1, 144) in 6D, (1, 10) and (1, 3), the mean body.
    """

    init_pose: Tensor
    init_shape: Tensor
    init_cam: Tensor

    def __init__(self, width: int) -> None:
        super().__init__()
        self.coarse = nn.Linear(width, _BODY)
        self.widen = nn.Linear(_BODY, width)
        self.transformer = Transformer(width, layers=REGRESSOR_LAYERS, heads=REGRESSOR_HEADS)
        self.fine = nn.Linear(width, _BODY)
        for layer in (self.coarse, self.fine):
            nn.init.xavier_uniform_(layer.weight, gain=_GAIN)
            nn.init.zeros_(layer.bias)
        for name, count in zip(("init_pose", "init_shape", "init_cam"), _PARTS, strict=True):
            self.register_buffer(name, torch.zeros(1, count))

    def forward(self, frames: Tensor) -> tuple[Regressed, Tensor]:
        """(N, T, width) to bodies (N, T, …), and the attention (N, 3, 4, T, T)."""
        coarse = torch.cat([self.init_pose, self.init_shape, self.init_cam], dim=-1) + self.coarse(frames)
        inner, maps = self.transformer(self.widen(coarse))
        pose, betas, camera = (coarse + self.fine(inner)).split(_PARTS, dim=-1)
        return Regressed(matrices_from_6d(pose.unflatten(-1, (_JOINTS, 6))), betas, camera), maps


class DtsVibe(nn.Module):
    """Two streams, added late, and a regressor that sees all frames.

    Args:
        width: of the streams, a multiple of 8; 512 in the paper. A GRU and HMR's regressor are twice as wide inside.
        flow: ``resnet50`` as in the paper, but begun at random; ``grid``, the flow itself on 32 x 32 cells, for
            machines that cannot train a second ResNet (and what the ResNet is worth); ``none`` for the ablation.
        temporal: ``transformer`` as in the paper, or ``gru``, over what is seen; the flow is added after it.
        regressor: ``transformer`` as in the paper, or HMR's ``iterative`` one.

    Attributes:
        regressor: has ``init_pose``, ``init_shape`` and ``init_cam``, whichever it is.
    """

    def __init__(
        self,
        width: int = 512,
        *,
        flow: FlowKind = "resnet50",
        temporal: TemporalKind = "transformer",
        regressor: RegressorKind = "transformer",
    ) -> None:
        super().__init__()
        self.rgb = nn.Linear(FEATURES, width)
        self.flow_stream = None if flow == "none" else FlowStream(flow, width)
        self.encoder: nn.Module = (
            Transformer(width, layers=LAYERS, heads=HEADS) if temporal == "transformer" else GruEncoder(width)
        )
        self.regressor: TransformerRegressor | Regressor
        if regressor == "transformer":
            self.lift, self.regressor = None, TransformerRegressor(width)
        else:  # to the features HMR's regressor expects, and not it narrowed, so that published weights of it fit
            self.lift, self.regressor = nn.Linear(width, FEATURES), Regressor(2 * width)

    def forward(self, features: Tensor, flow: Tensor | None = None) -> tuple[Regressed, None]:
        """Bodies (N, T, …) of sequences; there is no state to go on with.

        Args:
            features: (N, T, 2048) of the pictures.
            flow: (N, T, 2, 56, 56) pixels of the crop, from each frame back to the one before; zeros where unknown.
                Not looked at by a network without a flow stream.
        """
        return self._bodies(self.rgb(features), self._moving(flow))[0], None

    def attention(self, features: Tensor, flow: Tensor | None = None) -> Attended:
        """What the frames of sequences attend to; arguments as of ``forward``."""
        return self._bodies(self.rgb(features), self._moving(flow))[1]

    def moving(self, flow: Tensor) -> Tensor:
        """(F, width) what flow (F, 2, 56, 56) says of each frame by itself; for who calls ``over`` more than once."""
        if self.flow_stream is None:
            raise ValueError("this network has no flow stream")
        return torch.cat([self.flow_stream(part) for part in flow.split(_PICTURES_AT_ONCE)])

    def over(
        self, features: Tensor, flow: Tensor | None = None, *, moving: Tensor | None = None, length: int = 16
    ) -> Regressed:
        """Bodies (F, …) of a clip of any length, in evaluation mode.

        Windows as long as those that were learned from, each a quarter of that after the one before and the last at
        the clip's end, are blended: each counts most in its middle and next to nothing at its borders, so nothing
        jumps where one begins or ends. What each frame says by itself is computed once.

        Args:
            features: (F, 2048).
            flow: (F, 2, 56, 56) as of ``forward``.
            moving: (F, width) what ``moving`` makes of the flow, instead of it.
            length: of the windows; a shorter clip is one window.
        """
        seen = self.rgb(features)
        if self.flow_stream is not None and moving is None:
            moving = self.moving(_required(flow))
        rows = windows(len(features), length).to(features.device)
        parts = [
            self._bodies(seen[some], None if moving is None else moving[some])[0]
            for some in rows.split(_WINDOWS_AT_ONCE)
        ]
        whole = (torch.cat([getattr(each, n) for each in parts]) for n in ("rotations", "betas", "camera"))
        return blended(Regressed(*whole), rows)

    def _moving(self, flow: Tensor | None) -> Tensor | None:
        """(..., width) what flow (..., 2, 56, 56) says; None without a flow stream."""
        if self.flow_stream is None:
            return None
        flow = _required(flow)
        return self.flow_stream(flow.flatten(0, -4)).unflatten(0, flow.shape[:-3])

    def _bodies(self, seen: Tensor, moving: Tensor | None) -> tuple[Regressed, Attended]:
        """Bodies of what is seen and what moves, each (N, T, width)."""
        frames, of_encoder = self.encoder(seen)
        if moving is not None:
            frames = frames + moving
        if self.lift is not None:
            return self.regressor(self.lift(frames)), Attended(of_encoder, None)
        said, of_regressor = self.regressor(frames)
        return said, Attended(of_encoder, of_regressor)


def shown_flow(flow: Tensor) -> Tensor:
    """Flow (B, 2, 56, 56), pixels of the crop, as a picture (B, 3, 56, 56): right, down and length, -2.5..2.5.

    What is longer than the limit is shortened to it and keeps its direction.
    """
    length = torch.linalg.vector_norm(flow, dim=1, keepdim=True)
    share = FLOW_LIMIT_PX / length.clamp(min=FLOW_LIMIT_PX)
    return torch.cat([flow, length], dim=1) * share / FLOW_UNIT_PX


def windows(frames: int, length: int) -> Tensor:
    """(W, L) the frames of overlapping windows that cover a clip."""
    length = min(length, frames)
    starts = list(range(0, frames - length, max(1, length // _STRIDES_OF_WINDOW)))
    return torch.tensor([*starts, frames - length])[:, None] + torch.arange(length)


def blended(said: Regressed, rows: Tensor) -> Regressed:
    """Bodies (F, …) of what windows that overlap said of their frames.

    Rotations become the mean rotation, the one least far from all of them by the chordal distance (Hartley et al.
    2013, 5.3): the rotation nearest to the mean of the matrices, which itself is none.

    Args:
        said: (W, L, …).
        rows: (W, L) which frames of the clip they are; every frame is there.
    """
    count, length = int(rows.max()) + 1, rows.shape[1]
    middles = (torch.arange(length, device=rows.device) + 0.5) / length
    weights = torch.sin(torch.pi * middles).square().to(said.betas).repeat(len(rows))
    whole = weights.new_zeros(count).index_add(0, rows.flatten(), weights)

    def mean(values: Tensor) -> Tensor:
        parts = values.flatten(0, 1)
        shares = (weights / whole[rows.flatten()]).reshape(-1, *[1] * (parts.dim() - 1))
        return parts.new_zeros(count, *parts.shape[1:]).index_add(0, rows.flatten(), shares * parts)

    return Regressed(_nearest_rotations(mean(said.rotations)), mean(said.betas), mean(said.camera))


def _nearest_rotations(matrices: Tensor) -> Tensor:
    """The rotation matrices nearest to matrices (..., 3, 3), by singular values (Arun et al. 1987)."""
    left, _, right = torch.linalg.svd(matrices)
    signs = torch.ones_like(matrices[..., 0])
    signs[..., 2] = torch.linalg.det(left @ right).sign()
    return (left * signs[..., None, :]) @ right


def _required(flow: Tensor | None) -> Tensor:
    if flow is None:
        raise ValueError("this network needs flow")
    return flow


def _area_means() -> Tensor:
    """(32, 56) how much of each cell of the flow's grid is in each of a grid of 32, as shares that sum to 1."""
    edges = torch.arange(_GRID + 1, dtype=torch.float64) * CELLS / _GRID
    cells = torch.arange(CELLS, dtype=torch.float64)
    shared = torch.minimum(edges[1:, None], cells + 1) - torch.maximum(edges[:-1, None], cells)
    return (shared.clamp(min=0) * _GRID / CELLS).to(torch.float32)
