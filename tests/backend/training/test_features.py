# SPDX-License-Identifier: MIT
from __future__ import annotations

import numpy as np
import pytest
import torch

from backend.__main__ import main
from backend.checkpoints import load_image_encoder
from backend.training import features as features_module
from backend.training.archive import open_archive
from backend.training.features import SpinEncoder
from tests.published_files import make_spin
from tests.raw_datasets import make_penn_action
from tests.training_data import write_archive


class Trivial(torch.nn.Module):
    """A network of the right shape that takes no time."""

    def forward(self, pictures: torch.Tensor) -> torch.Tensor:
        return pictures.mean(dim=(1, 2, 3))[:, None].repeat(1, 2048)


@pytest.fixture(scope="module")
def spin(tmp_path_factory):
    return make_spin(tmp_path_factory.mktemp("spin") / "spin_model_checkpoint.pth.tar", seed=1)


def test_features_are_what_the_network_says_of_normalised_crops(spin):
    network = load_image_encoder(spin)
    crops = np.random.default_rng(0).integers(0, 256, (2, 224, 224, 3)).astype(np.uint8)
    mean, spread = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
    pixels = torch.tensor(((crops / 255 - mean) / spread).transpose(0, 3, 1, 2), dtype=torch.float32)
    with torch.inference_mode():
        wanted = network(pixels).numpy()
    features = SpinEncoder(network, torch.device("cpu")).encode(crops)
    assert features.dtype == np.float16
    assert features == pytest.approx(wanted, rel=2e-3, abs=1e-3 * np.abs(wanted).max())


def test_command_line(tmp_path, spin, capsys, monkeypatch):
    write_archive(tmp_path / "a.clips", lengths=(2, 3), features=False, pictures=True)
    command = ["prepare", "archive", str(tmp_path / "a.clips"), "-o", str(tmp_path / "b.clips")]
    assert main(command) == 1
    assert "--features" in capsys.readouterr().err
    assert main([*command, "--features", str(spin)]) == 0
    assert "5 frames, 2 sequences" in capsys.readouterr().out
    found = open_archive(tmp_path / "b.clips").column("features")
    assert np.isfinite(found).all()
    assert found.std() > 0
    assert main([*command[:4], str(tmp_path / "d.clips"), "--features", str(tmp_path / "none")]) == 1
    assert "none" in capsys.readouterr().err
    make_penn_action(tmp_path / "raw")
    monkeypatch.setattr(features_module, "load_image_encoder", lambda path: Trivial())
    command = ["prepare", "penn-action", str(tmp_path / "raw"), "-o", str(tmp_path / "c.clips"), "--limit", "1"]
    assert main([*command, "--features", str(spin), "--fps", "6", "--shortest", "2"]) == 0
    assert len(open_archive(tmp_path / "c.clips")) == 4
    assert open_archive(tmp_path / "c.clips").columns == ("features", "joints2d", "boxes", "frames")
