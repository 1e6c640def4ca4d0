# SPDX-License-Identifier: MIT
"""ResNet-50 without its classifier (He et al. 2016): an upright picture of a person to 2048 numbers about it."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

FEATURES = 2048
COLOUR_MEAN, COLOUR_SPREAD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""Of ImageNet's pictures, red, green and blue, 0..1: pictures are normalised by them before they come here."""
_EXPANSION = 4
_BLOCKS = (3, 4, 6, 3)
_WIDTHS = (64, 128, 256, 512)


class Bottleneck(nn.Module):
    """1x1, 3x3, 1x1 convolutions around a shortcut; the 3x3 one takes the stride."""

    def __init__(self, channels: int, width: int, stride: int) -> None:
        super().__init__()
        out = width * _EXPANSION
        self.conv1 = nn.Conv2d(channels, width, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, stride, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, out, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(out)
        self.downsample: nn.Module | None = None
        if stride != 1 or channels != out:
            self.downsample = nn.Sequential(nn.Conv2d(channels, out, 1, stride, bias=False), nn.BatchNorm2d(out))

    def forward(self, pixels: Tensor) -> Tensor:
        """(B, C, H, W) to (B, 4 width, H / stride, W / stride)."""
        shortcut = pixels if self.downsample is None else self.downsample(pixels)
        # In place: what a convolution or a normalisation has just written nobody else reads, not even its gradient.
        inner = torch.relu_(self.bn1(self.conv1(pixels)))
        inner = torch.relu_(self.bn2(self.conv2(inner)))
        return torch.relu_(self.bn3(self.conv3(inner)).add_(shortcut))


class ResNet50(nn.Module):
    """The image encoder of HMR and SPIN; parameter names as in the published files."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 64, 7, 2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        self.maxpool = nn.MaxPool2d(3, 2, padding=1)
        self.layer1, self.layer2, self.layer3, self.layer4 = _layers(_BLOCKS, _WIDTHS)

    def forward(self, pictures: Tensor) -> Tensor:
        """(B, 3, 224, 224) normalised RGB to (B, 2048) features, none of them negative."""
        inner = self.maxpool(torch.relu_(self.bn1(self.conv1(pictures))))
        inner = self.layer4(self.layer3(self.layer2(self.layer1(inner))))
        return inner.mean(dim=(2, 3))  # 7 x 7, as the published average pooling


def _layers(blocks: Sequence[int], widths: Sequence[int]) -> list[nn.Sequential]:
    layers, channels = [], 64
    for depth, (count, width) in enumerate(zip(blocks, widths, strict=True)):
        modules = []
        for number in range(count):
            modules.append(Bottleneck(channels, width, stride=2 if depth and not number else 1))
            channels = width * _EXPANSION
        layers.append(nn.Sequential(*modules))
    return layers
