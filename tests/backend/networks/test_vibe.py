# SPDX-License-Identifier: MIT
from __future__ import annotations

from itertools import islice
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
import torch

from backend.networks.regressor import Regressed
from backend.networks.vibe import Vibe
from tests.plain_networks import body, features, normalised, temporal
from tests.published_files import random_image_encoder, random_vibe


@pytest.fixture(scope="module")
def network() -> Vibe:
    return random_vibe(11)


@pytest.fixture(scope="module")
def sequence() -> torch.Tensor:
    """(1, 500, 2048) features that change as those of a moving person do."""
    chance = torch.Generator().manual_seed(12)
    moments = torch.rand(1, 50, 2048, generator=chance).repeat_interleave(10, dim=1)
    return 0.9 * moments + 0.1 * torch.rand(1, 500, 2048, generator=chance)


@pytest.fixture(scope="module")
def whole(network: Vibe, sequence: torch.Tensor) -> Regressed:
    return in_chunks(network, sequence, sequence.shape[1], carried=True)


def in_chunks(network: Vibe, sequence: torch.Tensor, length: int, *, carried: bool) -> Regressed:
    said, state = [], None
    with torch.inference_mode():
        for chunk in sequence.split(length, dim=1):
            regressed, after = network(chunk, state)
            said.append(regressed)
            state = after if carried else None
    return Regressed(*(torch.cat([getattr(each, n) for each in said], 1) for n in ("rotations", "betas", "camera")))


def test_it_has_the_parameters_of_the_published_one(network: Vibe) -> None:
    count = sum(each.numel() for each in network.parameters())
    assert count == 21_309_597
    assert sum(each.numel() for each in network.encoder.parameters()) == 17_840_128
    shapes = {name: tuple(values.shape) for name, values in network.state_dict().items() if name.startswith("encoder")}
    assert shapes == {
        "encoder.gru.weight_ih_l0": (3072, 2048), "encoder.gru.weight_hh_l0": (3072, 1024),
        "encoder.gru.bias_ih_l0": (3072,), "encoder.gru.bias_hh_l0": (3072,),
        "encoder.gru.weight_ih_l1": (3072, 1024), "encoder.gru.weight_hh_l1": (3072, 1024),
        "encoder.gru.bias_ih_l1": (3072,), "encoder.gru.bias_hh_l1": (3072,),
        "encoder.linear.weight": (2048, 1024), "encoder.linear.bias": (2048,),
    }  # fmt: skip


@pytest.mark.parametrize("length", [16, 64, 450])
def test_carried_state_makes_chunks_one_sequence(
    network: Vibe, sequence: torch.Tensor, whole: Regressed, length: int
) -> None:
    chunks = in_chunks(network, sequence, length, carried=True)
    resets = in_chunks(network, sequence, length, carried=False)
    for name in ("rotations", "betas", "camera"):
        one, other, reset = (getattr(each, name) for each in (whole, chunks, resets))
        assert (one - other).abs().max() < 1e-5
        assert torch.equal(other[:, :length], reset[:, :length])
        # The published demo forgets at each border, and this is what that does to the frame behind it.
        assert (one - reset)[:, length].abs().max() > 1e-3


def test_people_do_not_mix(network: Vibe, sequence: torch.Tensor) -> None:
    two = torch.cat([sequence[:, :40], sequence[:, 400:440]])
    with torch.inference_mode():
        together, _ = network(two)
        alone = [network(each[None])[0] for each in two]
    for number, one in enumerate(alone):
        assert torch.allclose(together.rotations[number], one.rotations[0], atol=1e-5)


def test_a_short_video_gives_the_bodies_of_the_formulas(network: Vibe) -> None:
    chance = np.random.default_rng(13)
    start, end = chance.integers(0, 256, (2, 224, 224, 3))
    pictures = [(start + (end - start) * share).astype(np.uint8) for share in (0.0, 0.4, 1.0)]
    assert_like_the_formulas(network, pictures)


@pytest.mark.slow
def test_64_frames_of_tennis_give_the_bodies_of_the_formulas(network: Vibe, shared: Path) -> None:
    pictures = []
    with av.open(str(shared / "videos" / "tennis.mp4")) as video:
        for frame in islice(video.decode(video=0), 64):
            picture = frame.to_ndarray(format="rgb24")
            side = min(picture.shape[:2])
            left = (picture.shape[1] - side) // 2
            pictures.append(cv2.resize(picture[:side, left : left + side], (224, 224), interpolation=cv2.INTER_AREA))
    assert len(pictures) == 64
    assert_like_the_formulas(network, pictures)


def assert_like_the_formulas(network: Vibe, pictures: list[np.ndarray]) -> None:
    """Pixels to bodies on both roads: torch in single precision, plain numpy in double."""
    encoder = random_image_encoder(14)
    pixels = np.array([normalised(picture) for picture in pictures])
    with torch.inference_mode():
        seen = torch.cat([encoder(part) for part in torch.from_numpy(pixels).float().split(8)])
        ours, _ = network(seen[None])
    image_weights, weights = (
        {name: values.numpy().astype(float) for name, values in each.state_dict().items()}
        for each in (encoder, network)
    )
    plain = np.array([features(image_weights, each) for each in pixels])
    assert np.abs(seen.numpy() - plain).max() < 1e-4
    bodies = [body(weights, feature) for feature in temporal(weights, plain)]
    for name, expected in zip(("rotations", "betas", "camera"), zip(*bodies, strict=True), strict=True):
        said = getattr(ours, name)[0].numpy()
        assert np.abs(said - np.array(expected)).max() < 1e-4
        assert np.ptp(said, axis=0).max() > 1e-3  # the frames differ
