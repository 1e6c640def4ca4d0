# SPDX-License-Identifier: MIT
from __future__ import annotations

import time

import numpy as np
import pytest
import torch

from backend.crops import Region
from backend.estimators.vibe import VibeReader
from backend.estimators.vibe.gathering import box_of
from backend.estimators.words import Spoken
from backend.landmarks import POINT_COUNT, Landmarks
from backend.person_crops import cut_out, square_around
from backend.tracking import Observation
from tests.stand_in_networks import small_networks
from vibe_blender.contract.skeleton import REST_JOINTS

CPU = torch.device("cpu")
SIZE = (120, 160, 3)
COUNT = 70


def picture(frame: int) -> np.ndarray:
    """Blots that wander, so that every frame is another one."""
    y, x = np.mgrid[: SIZE[0], : SIZE[1]]
    waves = [np.sin(x / 17 + frame / 5 + c) + np.cos(y / 23 - frame / 7 + 2 * c) for c in range(3)]
    return np.uint8(127 + 60 * np.stack(waves, axis=-1))


def boxed(person: int, frame: int) -> Observation:
    box = np.array([60.0 + frame / 3 + 10 * person, 55.0, 40.0, 80.0 + person])
    return Observation(person, Region(box[:2], 100.0, 0.0), None, None, box)


def spoken(stops: list[int], **options) -> list[Spoken]:
    """What is said of 70 frames with the first person in all and the second from the 20th on, settled at ``stops``."""
    reader = VibeReader(small_networks(), CPU, **{"compat": True, **options})
    said: dict[int, list[Spoken]] = {1: [], 2: []}

    def remembered(person: int):
        before = said[person]
        return (before[-1].memory if before else None), sum(len(part.words.camera) for part in before)

    for frame in range(COUNT):
        reader.see(picture(frame), [boxed(1, frame), *([boxed(2, frame)] if frame >= 20 else [])])
        if frame + 1 in stops or frame + 1 == COUNT:
            for part in reader.settle(remembered):
                said[part.person].append(part)
    reader.close()
    return [part for parts in said.values() for part in parts]


def joined(parts: list[Spoken], person: int) -> dict[str, np.ndarray]:
    mine = [part.words for part in parts if part.person == person]
    return {name: np.concatenate([getattr(part, name) for part in mine]) for name in vars(mine[0])}


def farthest(one: dict[str, np.ndarray], other: dict[str, np.ndarray]) -> float:
    return max(float(np.abs(one[name] - other[name]).max()) for name in one)


@pytest.fixture(scope="module")
def whole() -> list[Spoken]:
    return spoken([])


def test_what_is_said_is_what_the_networks_say_of_the_whole_sequence(whole: list[Spoken]) -> None:
    networks = small_networks()
    squares = np.array([square_around(boxed(1, frame).box) for frame in range(COUNT)])
    crops = torch.from_numpy(np.array([cut_out(picture(frame), square) for frame, square in enumerate(squares)]))
    mean, spread = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    with torch.inference_mode():
        features = networks.encoder(((crops / 255 - mean) / spread).permute(0, 3, 1, 2))
        told, _ = networks.vibe(features[None])
    found = joined(whole, 1)
    for name in ("camera", "rotations", "betas"):
        assert np.abs(found[name] - getattr(told, name)[0].numpy()).max() < 1e-5, name
    assert np.array_equal(found["boxes"], squares)
    assert np.ptp(found["rotations"], axis=0).max() > 0.01


@pytest.mark.parametrize("step", [1, 16, 30, 64])
def test_memory_is_carried_over_every_stretch(whole: list[Spoken], step: int) -> None:
    parts = spoken(list(range(step, COUNT, step)))
    for person in (1, 2):
        assert farthest(joined(parts, person), joined(whole, person)) < 1e-5


@pytest.mark.parametrize("step", [7, 30])
@pytest.mark.parametrize("chunk", [16, 64])
def test_a_chunk_begins_with_an_empty_memory(whole: list[Spoken], chunk: int, step: int) -> None:
    parts = spoken(list(range(step, COUNT, step)), chunk=chunk)
    found, carried = joined(parts, 1), joined(whole, 1)
    networks = small_networks()
    squares = found["boxes"]
    crops = torch.from_numpy(np.array([cut_out(picture(frame), square) for frame, square in enumerate(squares)]))
    mean, spread = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    with torch.inference_mode():
        features = networks.encoder(((crops / 255 - mean) / spread).permute(0, 3, 1, 2))
        told = [networks.vibe(features[None, first : first + chunk])[0] for first in range(0, COUNT, chunk)]
    rotations = torch.cat([part.rotations[0] for part in told]).numpy()
    assert np.abs(found["rotations"] - rotations).max() < 1e-5
    assert np.abs(found["rotations"][:chunk] - carried["rotations"][:chunk]).max() < 1e-5
    assert np.abs(found["rotations"][chunk] - carried["rotations"][chunk]).max() > 1e-4
    # Whoever comes later has chunks of their own.
    assert np.abs(joined(parts, 2)["rotations"][:chunk] - joined(whole, 2)["rotations"][:chunk]).max() < 1e-5


def test_what_is_said_is_about_the_crop_or_as_published_about_the_box(whole: list[Spoken]) -> None:
    true = joined(spoken([], compat=False), 1)
    published = joined(whole, 1)
    assert true["boxes"] == pytest.approx(published["boxes"] * [1, 1, 1.1, 1.1])
    assert published["boxes"][5].tolist() == boxed(1, 5).box[[0, 1, 3, 3]].tolist()


def test_nobody_seen_is_nothing_said() -> None:
    reader = VibeReader(small_networks(), CPU)
    reader.see(picture(0), [])
    assert reader.settle(lambda person: (None, 0)) == []
    reader.close()


def test_a_network_that_is_too_slow_is_waited_for(whole: list[Spoken]) -> None:
    reader = VibeReader(small_networks(), CPU, compat=True)
    encode, waiting = reader.encoder.encode, []

    def slowly(crops: torch.Tensor) -> torch.Tensor:
        time.sleep(0.05)
        return encode(crops)

    reader.encoder.encode = slowly
    for frame in range(COUNT):
        reader.see(picture(frame), [boxed(1, frame)])
        waiting.append(sum(not future.done() for future in reader._features))
    assert max(waiting) <= 3
    # Nobody wrote over the crops that waited.
    (late,) = reader.settle(lambda person: (None, 0))
    assert farthest(joined([late], 1), joined(whole, 1)) < 1e-5
    reader.close()


def test_what_the_device_cannot_do_over_time_the_cpu_does(whole: list[Spoken], monkeypatch: pytest.MonkeyPatch) -> None:
    reader = VibeReader(small_networks(), CPU, compat=True)
    spoken_of, tried = reader._spoken, []

    def unable(*arguments) -> Spoken:
        tried.append(reader.encoder.device.type)
        if reader.encoder.device.type != "cpu":
            raise NotImplementedError("The operator 'aten::gru' is not implemented.")
        return spoken_of(*arguments)

    monkeypatch.setattr(reader, "_spoken", unable)
    for frame in range(COUNT):
        reader.see(picture(frame), [boxed(1, frame)])
    reader._send()
    [future.result() for future in reader._features]
    reader.encoder.device = torch.device("meta")  # stands for a GPU
    (said,) = reader.settle(lambda person: (None, 0))
    assert tried == ["meta", "cpu"]
    assert "aten::gru" in reader.encoder.warnings[0]
    assert farthest(joined([said], 1), joined(whole, 1)) < 1e-5
    reader.close()


def test_the_box_of_landmarks_has_the_crown_in_it() -> None:
    points = np.zeros((POINT_COUNT, 2))
    points[:33] = [100.0, 300.0]
    points[[7, 8]], points[[11, 12]] = [[95.0, 120.0], [105.0, 120.0]], [[80.0, 160.0], [120.0, 160.0]]
    sure = np.full(POINT_COUNT, 0.9)
    seen = Observation(
        1, Region(np.zeros(2), 1.0, 0.0), Landmarks(points, sure, np.zeros((33, 3)), sure, sure, 1), None
    )
    crown = 120 - 0.66 * 40
    assert box_of(seen) == pytest.approx([100, (300 + crown) / 2, 40, 300 - crown])
    sure[7] = 0.2
    assert box_of(seen)[1] - box_of(seen)[3] / 2 == 120


def test_how_far_two_features_put_a_joint_from_each_other() -> None:
    reader = VibeReader(small_networks(), CPU)
    features = torch.randn(3, 2048, generator=torch.Generator().manual_seed(0)).abs()
    assert reader._apart(features, features) == 0
    near, far = reader._apart(features, features * 1.001), reader._apart(features, features * 1.1)
    assert 0 < near < far < np.ptp(REST_JOINTS[:, 1]) * 2
    assert np.isnan(reader._apart(features, features * torch.inf))
    reader.close()
