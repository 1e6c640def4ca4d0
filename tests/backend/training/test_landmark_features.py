# SPDX-License-Identifier: MIT
"""Landmarks in the place of an image network's features: where they are, and in which order."""

from __future__ import annotations

import numpy as np
import pytest

from backend.body.keypoints import LANDMARK_NAMES
from backend.landmarks import Landmarks
from backend.training import landmark_features
from backend.training.archive import open_archive
from backend.training.landmark_features import USED, LandmarkEncoder
from backend.training.prepare.command import LANDMARKS
from tests.training_data import write_archive
from vibe_blender.contract.errors import CaptureError


class Reading:
    """Stands for the landmark network: everything is at the crop's right edge, halfway down, and seen."""

    def __init__(self, *_: object) -> None:
        self.regions = []

    def read(self, image, region) -> Landmarks:
        self.regions.append(region)
        world = np.arange(99.0).reshape(33, 3) / 100
        return Landmarks(np.tile([224.0, 112.0], (39, 1)), np.full(39, -56.0), world, np.ones(39), np.ones(39), 1.0)


def test_what_is_read_is_said_in_units_of_the_crop(monkeypatch, tmp_path) -> None:
    monkeypatch.setattr(landmark_features, "LandmarkModel", Reading)
    encoder = LandmarkEncoder(tmp_path)
    features = encoder.encode(np.zeros((2, 224, 224, 3), np.uint8))
    assert features.shape == (2, 2048)
    assert features.dtype == np.float16
    rows = features[1, :USED].astype(float).reshape(33, 7)
    np.testing.assert_allclose(rows[:, :4], np.tile([1.0, 0.0, -0.5, 1.0], (33, 1)))
    np.testing.assert_allclose(rows[:, 4:], np.arange(99.0).reshape(33, 3) / 50, atol=2e-3)
    assert not features[:, USED:].any()
    region = encoder._network.regions[0]
    assert (*region.centre_px, region.side_px, region.rotation_rad) == (112, 112, 224, 0)


def test_an_archive_gets_them_by_the_command(tmp_path, monkeypatch, capsys) -> None:
    from backend.__main__ import main

    write_archive(tmp_path / "in.clips", "3d", (5,), features=False, pictures=True)
    monkeypatch.setattr(landmark_features, "LandmarkModel", Reading)
    monkeypatch.setattr(landmark_features.models, "find", lambda name, folder: tmp_path / name)
    assert (
        main(
            ["prepare", "archive", str(tmp_path / "in.clips"), "-o", str(tmp_path / "o.clips"), "--features", LANDMARKS]
        )
        == 0
    )
    archive = open_archive(tmp_path / "o.clips")
    assert archive.facts.features == "landmarks"
    assert (archive.column("features")[:, 7] == 1.0).all()


def test_without_its_file_it_says_how_to_get_it(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("VIBE_MODELS", str(tmp_path))
    with pytest.raises(CaptureError, match="is missing"):
        landmark_features.landmark_encoder()
    assert len(LANDMARK_NAMES) == 33
