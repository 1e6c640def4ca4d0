# SPDX-License-Identifier: MIT
from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from backend.networks.regressor import Regressor
from tests.plain_networks import body
from tests.published_files import make_mean_params, random_vibe


def test_it_has_the_parameters_of_the_published_one() -> None:
    network = Regressor()
    assert sum(each.numel() for each in network.parameters()) == 3_469_469
    shapes = {name: tuple(values.shape) for name, values in network.state_dict().items()}
    assert shapes == {
        "fc1.weight": (1024, 2205), "fc1.bias": (1024,), "fc2.weight": (1024, 1024), "fc2.bias": (1024,),
        "decpose.weight": (144, 1024), "decpose.bias": (144,), "decshape.weight": (10, 1024), "decshape.bias": (10,),
        "deccam.weight": (3, 1024), "deccam.bias": (3,),
        "init_pose": (1, 144), "init_shape": (1, 10), "init_cam": (1, 3),
    }  # fmt: skip


def test_bodies_are_those_of_the_formulas() -> None:
    network = random_vibe(7).regressor
    weights = {f"regressor.{name}": values.numpy().astype(float) for name, values in network.state_dict().items()}
    features = np.abs(np.random.default_rng(8).normal(size=(2, 3, 2048)))
    with torch.inference_mode():
        ours = network(torch.from_numpy(features).float())
    assert ours.rotations.shape == (2, 3, 24, 3, 3)
    assert (ours.rotations[0, 0] - ours.rotations[1, 1]).abs().max() > 0.1
    for place in np.ndindex(2, 3):
        rotations, betas, camera = body(weights, features[place])
        assert ours.rotations[place].numpy() == pytest.approx(rotations, abs=1e-5)
        assert ours.betas[place].numpy() == pytest.approx(betas, abs=1e-5)
        assert ours.camera[place].numpy() == pytest.approx(camera, abs=1e-5)


def test_without_corrections_it_gives_the_mean_body_on_its_feet_before_the_camera(tmp_path: Path) -> None:
    network = Regressor().eval()
    with torch.no_grad(), np.load(make_mean_params(tmp_path / "mean.npz")) as mean:
        for layer in (network.decpose, network.decshape, network.deccam):
            layer.weight.zero_()
            layer.bias.zero_()
        for name in ("pose", "shape", "cam"):
            getattr(network, f"init_{name}").copy_(torch.from_numpy(mean[name]))
        said = network(torch.rand(2048))
        assert said.rotations.shape == (24, 3, 3)
        # Half a turn about x: a body's up (y) is the camera's down, and it looks at the camera.
        assert said.rotations[0].numpy() == pytest.approx(np.diag([1.0, -1.0, -1.0]), abs=1e-6)
        assert said.betas.numpy() == pytest.approx(mean["shape"])
        assert said.camera.numpy() == pytest.approx([0.9, 0.0, 0.0])
        assert np.ptp(said.rotations.numpy(), axis=0).max() > 0.1


def test_dropout_is_of_training_only() -> None:
    network = random_vibe(7).regressor
    features = torch.rand(4, 2048)
    with torch.no_grad():
        assert torch.equal(network(features).betas, network(features).betas)
        network.train()
        assert not torch.equal(network(features).betas, network(features).betas)


def test_it_learns() -> None:
    network = random_vibe(7).regressor.train()
    said = network(torch.rand(4, 2048))
    (said.rotations.sum() + said.betas.sum() + said.camera.sum()).backward()
    assert all(each.grad is not None and each.grad.abs().max() > 0 for each in network.parameters())
