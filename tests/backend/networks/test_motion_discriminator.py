# SPDX-License-Identifier: MIT
"""VIBE's motion discriminator: as large as published, its attention, and the gradients that pass through it."""

from __future__ import annotations

import pytest
import torch

from backend.networks.motion_discriminator import POSE, MotionDiscriminator

# Computed by hand: GRU 3 (69 + 1024 + 2) 1024 and 3 (1024 + 1024 + 2) 1024; attention 2 (1024 + 1) 1024 and 1025; the
# last layer 1025.
_GRU = 3 * 1024 * (69 + 1024 + 2) + 3 * 1024 * (2048 + 2)
_ATTENTION = 2 * 1025 * 1024 + 1025


def poses(count: int = 2, frames: int = 16, seed: int = 0) -> torch.Tensor:
    return 0.3 * torch.randn(count, frames, POSE, generator=torch.Generator().manual_seed(seed))


@pytest.fixture(scope="module")
def network() -> MotionDiscriminator:
    torch.manual_seed(0)
    return MotionDiscriminator().eval()


@pytest.mark.parametrize(
    ("pooling", "count"),
    [("attention", _GRU + _ATTENTION + 1025), ("average_max", _GRU + 2049), ("last", _GRU + 1025)],
)
def test_it_has_as_many_parameters_as_published(pooling, count) -> None:
    with torch.device("meta"):
        network = MotionDiscriminator(pooling)
    assert sum(value.numel() for value in network.parameters()) == count
    if pooling == "attention":
        assert count == 11_762_690


def test_parameters_have_the_published_names_and_begin_as_published(network) -> None:
    names = set(network.state_dict())
    assert {"gru.weight_ih_l0", "gru.bias_hh_l1", "fc.weight", "fc.bias"} <= names
    assert {name for name in names if "attention" in name} == {
        f"attention.attention.{layer}.{kind}" for layer in (0, 3, 6) for kind in ("weight", "bias")
    }
    for layer in (0, 3, 6):
        weight = network.state_dict()[f"attention.attention.{layer}.weight"]
        assert 0.095 < float(weight.abs().max()) <= 0.1
        assert torch.all(network.state_dict()[f"attention.attention.{layer}.bias"] == 0.01)


def test_attention_sums_to_one_and_moves_when_a_frame_is_corrupted(network) -> None:
    clean = poses()
    corrupt = clean.clone()
    corrupt[:, 8] += 2.0
    with torch.inference_mode():
        before, after = network(clean), network(corrupt)
    assert before.attention.shape == (2, 16)
    assert torch.all(before.attention >= 0)
    for judged in (before, after):
        assert torch.allclose(judged.attention.sum(dim=1), torch.ones(2), atol=1e-6)
    assert torch.all((after.attention - before.attention).abs()[:, 8] > 1e-3)
    # Frames before it know nothing of it: among each other they count as much as ever.
    old, new = (judged.attention / judged.attention[:, :1] for judged in (before, after))
    assert torch.allclose(old[:, :8], new[:, :8], atol=1e-5)
    assert torch.all((old - new).abs()[:, 8] > 0.05)
    assert torch.all(before.score != after.score)


@pytest.mark.parametrize("pooling", ["attention", "average_max", "last"])
def test_a_sequence_is_judged_by_itself_and_in_its_order(pooling) -> None:
    torch.manual_seed(1)
    network = MotionDiscriminator(pooling).eval()
    both = poses(3, 6)
    with torch.inference_mode():
        together, alone, turned = network(both), network(both[1:2]), network(both.flip(1))
    assert together.score.shape == (3,)
    assert (together.attention is None) == (pooling != "attention")
    assert torch.allclose(together.score[1:2], alone.score, atol=1e-5)
    assert torch.all((together.score - turned.score).abs() > 1e-5)


@pytest.mark.parametrize("pooling", ["attention", "average_max", "last"])
def test_a_gradient_reaches_every_parameter_and_every_frame(pooling) -> None:
    torch.manual_seed(2)
    network, seen = MotionDiscriminator(pooling).eval(), poses(2, 5).requires_grad_()
    (network(seen).score ** 2).sum().backward()
    for name, value in network.named_parameters():
        assert value.grad is not None, name
        assert float(value.grad.abs().max()) > 0, name
    assert torch.all(seen.grad.abs().amax(dim=2) > 0)


def test_poolings_are_what_their_names_say() -> None:
    torch.manual_seed(3)
    seen = poses(2, 5)
    for pooling in ("average_max", "last"):
        network = MotionDiscriminator(pooling).eval()
        with torch.inference_mode():
            inner = network.gru(seen.transpose(0, 1))[0]
            both = torch.cat([inner.mean(dim=0), inner.max(dim=0).values], dim=1)
            pooled = inner[4] if pooling == "last" else both
            assert torch.allclose(network(seen).score, network.fc(pooled)[:, 0], atol=1e-6)
