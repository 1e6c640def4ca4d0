# SPDX-License-Identifier: MIT
"""A transformer over the frames of a sequence (Vaswani et al. 2017), which tells what it attended to."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

FFN_TIMES = 4
"""The inner layer of a block's two is so many times as wide as the block, which is Vaswani's proportion."""
DROPOUT = 0.1
"""Vaswani's, too: of what either half of a block adds, and between its two layers. Attention itself loses nothing."""
_LONGEST_WAVE = 10_000.0


class Attention(nn.Module):
    """Every frame looks at every frame, in several ways at once.

    The three inputs have no biases: the layer norm before them has one, and a bias of keys changes nothing at all.
    """

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        if width % heads:
            raise ValueError(f"{heads} heads cannot share a width of {width}")
        self.heads = heads
        self.inputs = nn.Linear(width, 3 * width, bias=False)
        self.output = nn.Linear(width, width)

    def forward(self, frames: Tensor) -> tuple[Tensor, Tensor]:
        """(N, T, width) to (N, T, width), and how much each frame (third) looked at each (last): (N, heads, T, T)."""
        queries, keys, values = self.inputs(frames).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        alike = queries @ keys.transpose(-1, -2) / math.sqrt(queries.shape[-1])
        weights = torch.softmax(alike, dim=-1)
        return self.output((weights @ values).transpose(1, 2).flatten(-2)), weights


class Block(nn.Module):
    """Attention and two layers, each added to what came in, and given it normalised.

    Normalised before and not after, because that learns without a warm-up of the rate (Xiong et al. 2020), and the
    paper names none.
    """

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.before_attention, self.before_layers = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attention = Attention(width, heads)
        self.layers = nn.Sequential(
            nn.Linear(width, FFN_TIMES * width), nn.ReLU(), nn.Dropout(DROPOUT), nn.Linear(FFN_TIMES * width, width)
        )
        self.dropout = nn.Dropout(DROPOUT)

    def forward(self, frames: Tensor) -> tuple[Tensor, Tensor]:
        """(N, T, width) to (N, T, width), and its attention (N, heads, T, T)."""
        seen, weights = self.attention(self.before_attention(frames))
        frames = frames + self.dropout(seen)
        return frames + self.dropout(self.layers(self.before_layers(frames))), weights


class Transformer(nn.Module):
    """Blocks one after the other, of frames that are told their place in the sequence."""

    def __init__(self, width: int, *, layers: int, heads: int) -> None:
        super().__init__()
        self.dropout = nn.Dropout(DROPOUT)
        self.blocks = nn.ModuleList(Block(width, heads) for _ in range(layers))
        self.norm = nn.LayerNorm(width)

    def forward(self, frames: Tensor) -> tuple[Tensor, Tensor]:
        """(N, T, width), T any number, to (N, T, width), and the attention of all blocks (N, layers, heads, T, T)."""
        places = positions(frames.shape[1], frames.shape[2]).to(frames)
        frames, maps = self.dropout(frames + places), []
        for block in self.blocks:
            frames, weights = block(frames)
            maps.append(weights)
        return self.norm(frames), torch.stack(maps, dim=1)


def positions(count: int, width: int) -> Tensor:
    """(count, width) what tells places in a sequence apart: sines and cosines of ever longer waves (Vaswani, 3.5).

    Not learned, so that a sequence may be shorter or longer than those that were learned from.
    """
    waves = torch.exp(torch.arange(0, width, 2) * (-math.log(_LONGEST_WAVE) / width))
    angles = torch.arange(count)[:, None] * waves
    return torch.stack([angles.sin(), angles.cos()], dim=-1).flatten(-2)[:, :width]
