# SPDX-License-Identifier: MIT
"""What networks begin with: rest, the mean body, SPIN's regressor, a published or an own network."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from backend.checkpoints import load_vibe
from backend.networks.tcmr import Tcmr
from backend.networks.vibe import Vibe
from backend.own_networks import Architecture, DtsVibeOptions, build, read_own, save_own
from backend.training.archive import open_archive
from backend.training.clips import ClipDataset, collate
from backend.training.config import Model
from backend.training.networks import bodies_of, features_of, new_generator, parameters, spoken_of
from backend.training.windows import Windows
from tests.published_files import MEAN_CAMERA, MEAN_SHAPE, make_mean_params, make_spin, make_vibe
from tests.training_data import write_archive
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
    with pytest.raises(CaptureError, match="in another way"):
        new_generator(Model("none", start="vibe.pth.tar"), files)


def test_an_own_network_is_gone_on_with(tmp_path) -> None:
    small = Architecture("gru", 32)
    save_own(tmp_path / "gru.pt", build(small).state_dict(), small, "spin", 16, "{}")
    generator = new_generator(Model("gru", 32, start="gru.pt"), tmp_path)
    held = read_own(tmp_path / "gru.pt").network.state_dict()
    assert generator.training
    assert all(torch.equal(value, held[name]) for name, value in generator.state_dict().items())
    for other in (Model("none", 32, start="gru.pt"), Model("gru", 48, start="gru.pt")):
        with pytest.raises(CaptureError, match="in another way"):
            new_generator(other, tmp_path)


def test_a_network_that_knows_other_features_is_not_begun_with(tmp_path) -> None:
    small = Architecture("gru", 32)
    save_own(tmp_path / "gru.pt", build(small).state_dict(), small, "landmarks", 16, "{}")
    with pytest.raises(CaptureError, match="features landmarks, and the archives have spin"):
        new_generator(Model("gru", 32, start="gru.pt"), tmp_path, "spin")


@pytest.mark.parametrize("model", [
    Model("gru", 32), Model("tcmr"), Model("dts-vibe", 64),
    Model("dts-vibe", dts_vibe=DtsVibeOptions("none", regressor="iterative")),
])  # fmt: skip
def test_of_spin_every_network_takes_what_fits(files, model) -> None:
    generator = new_generator(replace(model, spin="spin.pth.tar"), files)
    held = torch.load(files / "spin.pth.tar", weights_only=True)["model"]
    for name in ("init_pose", "init_shape", "init_cam"):
        assert torch.equal(getattr(generator.regressor, name), held[name])
    first = generator.regressor.state_dict().get("fc1.weight", torch.empty(0))
    assert torch.equal(first, held["fc1.weight"]) == (model.hidden == 1024)


def test_captures_read_what_was_learned(tmp_path) -> None:
    network = Vibe()
    save_own(tmp_path / "best.pt", network.state_dict(), Architecture(), "spin", 16, "{}")
    read = load_vibe(tmp_path / "best.pt")
    assert all(torch.equal(value, network.state_dict()[name]) for name, value in read.state_dict().items())


def test_networks_that_speak_of_one_frame_learn_its_labels(tmp_path) -> None:
    write_archive(tmp_path / "three.clips", "3d", (24,))
    made = ClipDataset(Windows([open_archive(tmp_path / "three.clips")], 16, overlap=0.9))
    clips = collate([made[0], made[1]])
    assert spoken_of(clips, Vibe(32)) is clips
    labels = spoken_of(clips, Tcmr(32))
    assert labels.joints2d.shape[1] == 3
    for number in range(3):
        assert torch.equal(labels.rotations[:, number], clips.rotations[:, 8])
        assert torch.equal(labels.has_2d[:, number], clips.has_2d[:, 8])
    assert torch.equal(labels.origin, clips.origin)


@pytest.mark.parametrize("encoder", ["gru", "none", "tcmr", "dts-vibe"])
def test_every_frame_of_a_sequence_has_a_body(encoder) -> None:
    torch.manual_seed(0)
    generator = build(
        Architecture(encoder, 32, dts_vibe=DtsVibeOptions("grid") if encoder == "dts-vibe" else DtsVibeOptions())
    ).eval()
    features, flow = torch.randn(12, 2048), torch.randn(12, 2, 56, 56)
    with torch.inference_mode():
        said = bodies_of(generator, features, flow, 4)
        if encoder in ("tcmr", "dts-vibe"):
            again = generator.over(*([features] if encoder == "tcmr" else [features, flow]), length=4)
            again = again[0] if encoder == "tcmr" else again
            assert torch.equal(said.rotations, again.rotations)
            assert not torch.equal(said.rotations, bodies_of(generator, features, flow, 6).rotations)
        else:
            again, _ = generator(features[4:8][None])
            torch.testing.assert_close(said.rotations[4:8], again.rotations[0], atol=1e-5, rtol=0)
    assert said.rotations.shape == (12, 24, 3, 3)
    assert said.betas.shape == (12, 10)
    assert said.camera.shape == (12, 3)


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
