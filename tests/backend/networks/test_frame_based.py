# SPDX-License-Identifier: MIT
"""The generator without time: each frame by itself, as large as HMR's regressor."""

from __future__ import annotations

import torch

from backend.networks.frame_based import FrameBased
from backend.networks.vibe import Vibe


def test_it_is_the_regressor_and_no_more() -> None:
    with torch.device("meta"):
        network = FrameBased()
    assert sum(value.numel() for value in network.parameters()) == 3_469_469
    assert all(name.startswith("regressor.") for name in network.state_dict())


def test_frames_know_nothing_of_each_other() -> None:
    torch.manual_seed(0)
    network = FrameBased().eval()
    features = torch.rand(2, 5, 2048)
    other = features.clone()
    other[:, 2] += 1.0
    with torch.inference_mode():
        (said, state), (changed, _) = network(features), network(other)
    assert state is None
    assert said.rotations.shape == (2, 5, 24, 3, 3)
    assert said.betas.shape == (2, 5, 10)
    assert said.camera.shape == (2, 5, 3)
    still = [0, 1, 3, 4]
    assert torch.equal(said.rotations[:, still], changed.rotations[:, still])
    assert not torch.equal(said.rotations[:, 2], changed.rotations[:, 2])


def test_it_says_what_the_regressor_of_vibe_says_of_the_same_features() -> None:
    torch.manual_seed(1)
    vibe, network = Vibe().eval(), FrameBased().eval()
    network.regressor.load_state_dict(vibe.regressor.state_dict())
    features = torch.rand(1, 3, 2048)
    with torch.inference_mode():
        said, _ = network(vibe.encoder(features)[0])
        expected, _ = vibe(features)
    assert torch.equal(said.rotations, expected.rotations)
    assert torch.equal(said.camera, expected.camera)
