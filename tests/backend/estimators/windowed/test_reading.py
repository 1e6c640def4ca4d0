# SPDX-License-Identifier: MIT
from __future__ import annotations

import numpy as np
import pytest
import torch

from backend.crops import Region
from backend.estimators.encodings import Encoded
from backend.estimators.windowed import WindowReader
from backend.person_crops import cut_out, square_around
from backend.tracking import Observation
from tests.stand_in_networks import small_tcmr

CPU = torch.device("cpu")
COUNT = 20


def picture(frame: int) -> np.ndarray:
    """Blots that wander, so that every frame is another one."""
    y, x = np.mgrid[:120, :160]
    waves = [np.sin(x / 17 + frame / 5 + c) + np.cos(y / 23 - frame / 7 + 2 * c) for c in range(3)]
    return np.uint8(127 + 60 * np.stack(waves, axis=-1))


def boxed(person: int, frame: int) -> Observation:
    box = np.array([60.0 + frame / 3 + 10 * person, 55.0, 40.0, 80.0 + person])
    return Observation(person, Region(box[:2], 100.0, 0.0), None, None, box)


def test_features_are_of_crops_as_tcmr_s_demo_cuts_them() -> None:
    reader = WindowReader(small_tcmr(), CPU, exact=True)
    parts: list[Encoded] = []
    for frame in range(COUNT):
        reader.see(picture(frame), [boxed(1, frame), *([boxed(2, frame)] if frame >= 12 else [])])
        if frame in (4, 15, COUNT - 1):
            parts += reader.settle()
    reader.close()
    for person, first in ((1, 0), (2, 12)):
        mine = [part for part in parts if part.person == person]
        squares = np.array([square_around(boxed(person, frame).box) for frame in range(first, COUNT)])
        crops = [cut_out(picture(frame), square, 1.2) for frame, square in enumerate(squares, first)]
        mean, spread = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
        with torch.inference_mode():
            made = (torch.from_numpy(np.array(crops)) / 255 - mean) / spread
            expected = small_tcmr().encoder(made.permute(0, 3, 1, 2)).numpy()
        features = np.concatenate([part.features for part in mine])
        assert features.dtype == np.float32
        assert np.abs(features - expected).max() < 1e-4
        assert np.array_equal(np.concatenate([part.squares for part in mine]), squares)
        assert all(part.moving is None for part in mine)


def test_nobody_seen_is_nothing_made() -> None:
    reader = WindowReader(small_tcmr(), CPU)
    reader.see(picture(0), [])
    assert reader.settle() == []
    reader.close()


def test_what_the_device_cannot_do_over_time_the_cpu_does(monkeypatch: pytest.MonkeyPatch) -> None:
    reader, tried = WindowReader(small_tcmr(), CPU, exact=True), []
    features = np.random.default_rng(0).random((20, 2048), np.float32)
    expected, said_of = reader.say(features, None), reader._said

    def unable(*arguments: np.ndarray) -> tuple[np.ndarray, ...]:
        tried.append(reader.encoder.device.type)
        if reader.encoder.device.type != "cpu":
            raise NotImplementedError("The operator 'aten::gru' is not implemented.")
        return said_of(*arguments)

    monkeypatch.setattr(reader, "_said", unable)
    reader.encoder.device = torch.device("meta")  # stands for a GPU
    said = reader.say(features, None)
    assert tried == ["meta", "cpu"]
    assert "aten::gru" in reader.encoder.warnings[0]
    assert all(np.array_equal(a, b) for a, b in zip(said, expected, strict=True))
    reader.close()


def test_how_far_two_features_put_a_joint_from_each_other() -> None:
    reader = WindowReader(small_tcmr(), CPU)
    features = torch.randn(3, 2048, generator=torch.Generator().manual_seed(0)).abs()
    assert reader._apart(features, features) == 0
    near, far = reader._apart(features, features * 1.001), reader._apart(features, features * 1.1)
    assert 0 < near < far < 3.0
    assert np.isnan(reader._apart(features, features * torch.inf))
    reader.close()
