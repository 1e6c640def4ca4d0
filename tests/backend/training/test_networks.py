# SPDX-License-Identifier: MIT
"""What networks begin with: rest, the mean body, SPIN's regressor, a published or an own network."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from backend.checkpoints import load_vibe
from backend.networks.frame_based import FrameBased
from backend.networks.vibe import Vibe
from backend.training.config import Model
from backend.training.networks import features_of, load_generator, new_generator, parameters
from backend.training.state import save_network, write_whole
from tests.published_files import MEAN_CAMERA, MEAN_SHAPE, make_mean_params, make_spin, make_vibe
from vibe_blender.contract.errors import CaptureError


@pytest.fixture(scope="module")
def files(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("published")
    make_mean_params(folder / "smpl_mean_params.npz")
    make_spin(folder / "spin.pth.tar")
    make_vibe(folder / "vibe.pth.tar")
    return folder


def test_generators_are_as_large_as_published(files) -> None:
    assert parameters(new_generator(Model("gru"), files)) == 21_309_597
    assert parameters(new_generator(Model("none"), files)) == 3_469_469


def test_without_anything_a_body_stands_upright_before_the_camera(files) -> None:
    generator = new_generator(Model("none"), files).eval()
    for name in ("decpose", "decshape", "deccam"):  # what it would correct
        for value in getattr(generator.regressor, name).parameters():
            torch.nn.init.zeros_(value)
    with torch.inference_mode():
        said, _ = generator(torch.zeros(1, 1, 2048))
    assert torch.allclose(said.rotations[0, 0, 0], torch.diag(torch.tensor([1.0, -1.0, -1.0])))
    assert torch.allclose(said.rotations[0, 0, 1:], torch.eye(3).expand(23, 3, 3))
    assert said.camera[0, 0].tolist() == pytest.approx([0.9, 0, 0])


def test_the_mean_body_is_begun_with(files) -> None:
    generator = new_generator(Model("gru", mean_body="smpl_mean_params.npz"), files)
    assert generator.regressor.init_shape[0].tolist() == pytest.approx(MEAN_SHAPE)
    assert generator.regressor.init_cam[0].tolist() == pytest.approx(MEAN_CAMERA)


@pytest.mark.parametrize("encoder", ["gru", "none"])
def test_spins_regressor_is_begun_with_and_can_learn(files, encoder) -> None:
    generator = new_generator(Model(encoder, spin="spin.pth.tar"), files)
    held = torch.load(files / "spin.pth.tar", weights_only=True)["model"]
    for name, value in generator.regressor.state_dict().items():
        assert torch.equal(value, held[name]), name
    assert all(value.requires_grad for value in generator.parameters())


def test_a_published_network_is_gone_on_with(files) -> None:
    generator = new_generator(Model("gru", start="vibe.pth.tar"), files)
    assert torch.equal(generator.encoder.gru.weight_ih_l0, load_vibe(files / "vibe.pth.tar").encoder.gru.weight_ih_l0)
    assert generator.training
    assert all(value.requires_grad for value in generator.parameters())
    with pytest.raises(CaptureError, match="it has a temporal encoder"):
        new_generator(Model("none", start="vibe.pth.tar"), files)


def test_an_own_network_is_read_again(tmp_path) -> None:
    for kind, network in (("gru", Vibe()), ("none", FrameBased())):
        save_network(tmp_path / f"{kind}.pt", network.state_dict(), kind, "{}")
        read = load_generator(tmp_path / f"{kind}.pt")
        assert type(read) is type(network)
        assert all(torch.equal(value, network.state_dict()[name]) for name, value in read.state_dict().items())
    with pytest.raises(CaptureError, match="it has no temporal encoder"):
        new_generator(Model("gru", start="none.pt"), tmp_path)


def test_captures_read_what_was_learned(tmp_path) -> None:
    network = Vibe()
    save_network(tmp_path / "best.pt", network.state_dict(), "gru", "{}")
    read = load_vibe(tmp_path / "best.pt")
    assert all(torch.equal(value, network.state_dict()[name]) for name, value in read.state_dict().items())


def test_other_files_are_no_networks(tmp_path) -> None:
    with pytest.raises(CaptureError) as raised:
        load_generator(tmp_path / "no.pt")
    assert raised.value.code == "network_missing"
    for record in (
        {"version": 1, "kind": "vibe-training"},
        {"version": 1, "kind": "vibe-network", "encoder": "lstm"},
        {"version": 1, "kind": "vibe-network", "encoder": "none", "gen_state_dict": {}},
        {"version": 1, "kind": "vibe-network", "encoder": "none", "gen_state_dict": 3},
        {"version": 1, "kind": "vibe-network", "encoder": "none"},
    ):
        write_whole(tmp_path / "other.pt", record)
        with pytest.raises(CaptureError) as raised:
            load_generator(tmp_path / "other.pt")
        assert raised.value.code == "network_other"


def test_features_of_pictures_are_read_by_a_fixed_network(tmp_path) -> None:
    from backend.training.archive import open_archive
    from backend.training.clips import ClipDataset, collate, normalised
    from backend.training.windows import Windows
    from tests.stand_in_networks import SmallEncoder
    from tests.training_data import write_archive

    write_archive(tmp_path / "a.clips", "3d", (8,), pictures=True)
    windows = Windows([open_archive(tmp_path / "a.clips")], 4)
    encoder = SmallEncoder()
    seen = collate([ClipDataset(windows, pictures=True)[number] for number in range(2)])
    found = features_of(seen, encoder)
    assert found.shape == (2, 4, 2048)
    assert not found.requires_grad
    assert torch.allclose(found[1, 2], encoder(normalised(seen.pictures[1, 2][None]))[0], atol=1e-5)
    held = collate([ClipDataset(windows)[0]])
    assert features_of(held, None) is held.features
