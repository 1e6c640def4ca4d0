# SPDX-License-Identifier: MIT
from __future__ import annotations

import re

import numpy as np
import torch

from backend.networks.resnet import ResNet50
from tests.plain_networks import features
from tests.published_files import random_image_encoder


def test_it_has_the_parameters_of_the_published_one() -> None:
    network = ResNet50()
    assert sum(each.numel() for each in network.parameters()) == 23_508_032
    names = set(network.state_dict())
    blocks = {re.match(r"layer\d\.\d", name)[0] for name in names if name.startswith("layer")}
    depths = {1: 3, 2: 4, 3: 6, 4: 3}
    assert blocks == {f"layer{layer}.{block}" for layer, depth in depths.items() for block in range(depth)}
    assert {name.rpartition(".")[0] for name in names if "downsample" in name} == {
        f"layer{layer}.0.downsample.{part}" for layer in depths for part in (0, 1)
    }
    assert network.conv1.weight.shape == (64, 3, 7, 7)
    assert network.layer2[0].conv2.stride == (2, 2)  # and not the first, as in the original paper
    assert network.layer2[0].conv1.stride == (1, 1)


def test_features_are_those_of_the_formulas() -> None:
    network = random_image_encoder(4)
    weights = {name: values.numpy().astype(float) for name, values in network.state_dict().items()}
    pixels = np.random.default_rng(5).normal(size=(2, 3, 224, 224))
    with torch.inference_mode():
        ours = network(torch.from_numpy(pixels).float()).numpy()
    assert ours.shape == (2, 2048)
    assert ours.min() >= 0
    assert np.abs(ours[0] - ours[1]).max() > 0.1
    for one, picture in zip(ours, pixels, strict=True):
        assert np.abs(one - features(weights, picture)).max() < 1e-4


def test_a_picture_is_the_same_in_any_company() -> None:
    network = random_image_encoder(4)
    pixels = torch.randn(3, 3, 224, 224, generator=torch.Generator().manual_seed(6))
    with torch.inference_mode():
        together = network(pixels)
        alone = torch.cat([network(each[None]) for each in pixels])
    assert torch.allclose(together, alone, atol=1e-5)
