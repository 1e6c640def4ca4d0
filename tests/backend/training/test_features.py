# SPDX-License-Identifier: MIT
from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch

from backend.__main__ import main
from backend.checkpoints import load_image_encoder
from backend.training import features as features_module
from backend.training.archive import ArchiveWriter, ClipArchive, open_archive
from backend.training.features import SpinEncoder, add_features
from backend.training.prepare.command import find_dataset
from backend.training.prepare.preparing import Options, prepare
from tests.published_files import make_spin
from tests.raw_datasets import make_penn_action
from tests.training_data import write_archive
from vibe_blender.contract.errors import CaptureError


class Middle:
    """Stands for the encoder: what the middle of the crop looks like; keeps the crops."""

    def __init__(self) -> None:
        self.crops: list[np.ndarray] = []

    def encode(self, crops: np.ndarray) -> np.ndarray:
        self.crops += list(crops)
        middle = crops[:, 96:128, 96:128].astype(float).mean(axis=(1, 2, 3))
        return np.repeat(middle[:, None], 2048, axis=1).astype(np.float16)


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


def pictured(folder) -> ClipArchive:
    return write_archive(folder, lengths=(12, 9), features=False, pictures=True)


def test_a_copy_has_features_and_all_labels(tmp_path):
    archive = pictured(tmp_path / "a.clips")
    copy = add_features(archive, tmp_path / "b.clips", Middle())
    assert set(copy.columns) == (set(archive.columns) - {"pictures", "picture_boxes"}) | {"features"}
    for name in set(copy.columns) - {"features"}:
        assert (copy.column(name) == archive.column(name)).all()
    assert [sequence.name for sequence in copy.sequences] == [sequence.name for sequence in archive.sequences]
    assert (copy.column("features").min(axis=1) > 20).all()
    with_pictures = add_features(archive, tmp_path / "c.clips", Middle(), images=True)
    assert [with_pictures.picture(frame) for frame in range(21)] == [archive.picture(frame) for frame in range(21)]
    assert (with_pictures.column("features") == copy.column("features")).all()


def test_crops_of_kept_pictures_are_those_of_whole_ones(tmp_path):
    """Within what JPEG and scaling cost; an error of a pixel in where the crop is would cost several times as much."""
    make_penn_action(tmp_path / "raw")
    blocks = np.random.default_rng(3).integers(0, 255, (30, 40, 3)).astype(np.uint8)
    picture = cv2.resize(blocks, (960, 720), interpolation=cv2.INTER_CUBIC)
    for path in (tmp_path / "raw" / "frames" / "0001").iterdir():
        path.write_bytes(cv2.imencode(".png", picture)[1].tobytes())
    whole, kept = Middle(), Middle()
    archive = prepare(
        find_dataset("penn-action"), tmp_path / "raw", tmp_path / "a.clips", Options(limit=1, images=True), whole
    )
    add_features(archive, tmp_path / "b.clips", kept)
    inside = slice(20, 204)
    for ours, theirs in zip(kept.crops, whole.crops, strict=True):
        apart = np.abs(ours[inside, inside].astype(float) - theirs[inside, inside]).mean()
        moved = np.abs(np.roll(ours, 1, axis=1)[inside, inside].astype(float) - theirs[inside, inside]).mean()
        assert apart < moved / 3


def test_interrupted_and_gone_on_with(tmp_path, monkeypatch):
    archive = pictured(tmp_path / "a.clips")
    whole = add_features(archive, tmp_path / "whole.clips", Middle())
    added = ArchiveWriter.add

    def once(self, name, *arguments):
        if name == "made 1":
            raise KeyboardInterrupt
        added(self, name, *arguments)

    with monkeypatch.context() as patch:
        patch.setattr(ArchiveWriter, "add", once)
        with pytest.raises(KeyboardInterrupt):
            add_features(archive, tmp_path / "b.clips", Middle())
    again = Middle()
    copy = add_features(archive, tmp_path / "b.clips", again)
    assert len(again.crops) == 9
    assert (copy.column("features") == whole.column("features")).all()


def test_archives_without_pictures(tmp_path):
    archive = write_archive(tmp_path / "a.clips", lengths=(12,))
    with pytest.raises(CaptureError) as caught:
        add_features(archive, tmp_path / "b.clips", Middle())
    assert caught.value.code == "no_pictures"


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
