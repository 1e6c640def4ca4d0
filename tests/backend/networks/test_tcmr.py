# SPDX-License-Identifier: MIT
from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from backend.networks import tcmr as tcmr_module
from backend.networks.regressor import Regressed
from backend.networks.tcmr import Tcmr, mirrored
from tests.plain_networks import body
from tests.published_files import random_tcmr

Array = NDArray[np.float64]
PARTS = ("rotations", "betas", "camera")
SMALL = 32


@pytest.fixture(scope="module")
def network() -> Tcmr:
    return random_tcmr(21, SMALL)


def clip(frames: int, seed: int = 22) -> Tensor:
    """(F, 2048) features that change as those of a moving person do."""
    chance = torch.Generator().manual_seed(seed)
    moments = torch.rand(frames // 8 + 2, 2048, generator=chance)
    places = torch.arange(frames) / 8
    share = (places % 1)[:, None]
    return moments[places.long()] * (1 - share) + moments[places.long() + 1] * share


def windows(frames: int, length: int, *, repeat_ends: bool) -> list[list[int]]:
    """Which frames each frame's window holds, by the published rule, or with the clip mirrored at its ends."""
    found = []
    for frame in range(frames):
        places = list(range(frame - length // 2, frame - length // 2 + length))
        if repeat_ends and (places[0] < 0 or places[-1] >= frames):
            places = [frame] * length
        for i, place in enumerate(places):
            while not 0 <= place < frames:
                place = -place if place < 0 else 2 * (frames - 1) - place
                place = 0 if frames == 1 else place
            places[i] = place
        found.append(places)
    return found


def one_by_one(network: Tcmr, features: Tensor, length: int = 16, *, repeat_ends: bool) -> tuple[Regressed, Tensor]:
    """What ``over`` says, by a window after the other."""
    with torch.inference_mode():
        said = [network(features[each][None]) for each in windows(len(features), length, repeat_ends=repeat_ends)]
    bodies = Regressed(*(torch.cat([getattr(each, name)[:, 0] for each, _ in said]) for name in PARTS))
    return bodies, torch.cat([weights for _, weights in said])


def assert_same(ours: tuple[Regressed, Tensor], theirs: tuple[Regressed, Tensor], apart: float) -> None:
    for name in PARTS:
        one, other = getattr(ours[0], name), getattr(theirs[0], name)
        assert one.shape == other.shape
        assert (one - other).abs().max() < apart
    assert ours[1].shape == theirs[1].shape
    assert (ours[1] - theirs[1]).abs().max() < apart


def gru(weights: Mapping[str, Array], name: str, steps: list[Array], way: str = "") -> list[Array]:
    """Cho et al. 2014 with the reset gate after the matrix, from rest; steps of (N, …), which is one layer only."""
    state, states = None, []
    for values in steps:
        seen = values @ weights[f"weight_ih_{name}{way}"].T + weights[f"bias_ih_{name}{way}"]
        state = np.zeros((len(values), seen.shape[1] // 3)) if state is None else state
        kept = state @ weights[f"weight_hh_{name}{way}"].T + weights[f"bias_hh_{name}{way}"]
        (a, b, c), (d, e, f) = np.split(seen, 3, axis=1), np.split(kept, 3, axis=1)
        reset, update = 1 / (1 + np.exp(-a - d)), 1 / (1 + np.exp(-b - e))
        state = (1 - update) * np.tanh(c + reset * f) + update * state
        states.append(state)
    return states


def part(weights: Mapping[str, Array], name: str) -> dict[str, Array]:
    return {key.removeprefix(name): values for key, values in weights.items() if key.startswith(name)}


def plain(weights: Mapping[str, Array], seen: Array) -> tuple[Array, Array]:
    """The encoder by its formulas, in numpy: windows (N, T, 2048) to past, all, future (N, 3, 2048), weights (N, 3)."""
    length = seen.shape[1]
    middle = length // 2

    def linear(name: str, values: Array) -> Array:
        result = values @ weights[f"encoder.{name}.weight"].T
        return result + weights[f"encoder.{name}.bias"]

    def last(name: str, places: range) -> Array:
        inner = part(weights, f"encoder.{name}.")
        return gru(inner, "l1", gru(inner, "l0", [seen[:, place] for place in places]))[-1]

    past = last("gru_bef", range(middle))
    future = last("gru_aft", range(length - 1, middle, -1))
    inner, steps = part(weights, "encoder.gru_cur."), [seen[:, place] for place in range(length)]
    for layer in ("l0", "l1"):
        there = gru(inner, layer, steps)
        back = gru(inner, layer, steps[::-1], "_reverse")[::-1]
        steps = [np.concatenate(pair, axis=1) for pair in zip(there, back, strict=True)]
    said = {"bef": past, "cur": steps[middle], "aft": future}
    branches = np.stack([linear(f"linear_{name}", np.maximum(said[name], 0)) for name in said], axis=1)
    scores = linear("attention.fc", branches).reshape(len(seen), -1)
    for number in (0, 2, 4):
        scores = np.tanh(linear(f"attention.attention.{number}", scores))
    shares = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    return branches, shares


def plain_bodies(network: Tcmr, features: Array) -> list[tuple[Array, Array, Array]]:
    weights = in_numpy(network)
    return [body(weights, feature) for feature in features]


def in_numpy(network: nn.Module) -> dict[str, Array]:
    return {name: values.numpy().astype(float) for name, values in network.state_dict().items()}


def assert_like_the_formulas(network: Tcmr, features: Tensor, *, repeat_ends: bool) -> None:
    """A clip to bodies on both roads: torch in single precision, plain numpy in double."""
    said, weights = network.over(features, repeat_ends=repeat_ends)
    seen = features.numpy().astype(float)[np.array(windows(len(features), 16, repeat_ends=repeat_ends))]
    branches, shares = plain(in_numpy(network), seen)
    assert np.abs(weights.numpy() - shares).max() < 1e-4
    together = (branches * shares[:, :, None]).sum(axis=1)
    for name, expected in zip(PARTS, zip(*plain_bodies(network, together), strict=True), strict=True):
        ours = getattr(said, name).numpy()
        assert np.abs(ours - np.array(expected)).max() < 1e-4
        assert np.ptp(ours, axis=0).max() > 1e-3  # the frames differ


def test_it_has_the_parameters_of_the_published_one() -> None:
    with torch.device("meta"):
        network = Tcmr()
    assert sum(each.numel() for each in network.encoder.parameters()) == 78_437_891
    assert sum(each.numel() for each in network.parameters()) == 81_907_360
    expected: dict[str, tuple[int, ...]] = {}
    for name, ways, second in (("cur", ("", "_reverse"), 2048), ("bef", ("",), 1024), ("aft", ("",), 1024)):
        for way in ways:
            for layer, wide in ((0, 2048), (1, second)):
                expected[f"gru_{name}.weight_ih_l{layer}{way}"] = (3072, wide)
                expected[f"gru_{name}.weight_hh_l{layer}{way}"] = (3072, 1024)
                expected[f"gru_{name}.bias_ih_l{layer}{way}"] = (3072,)
                expected[f"gru_{name}.bias_hh_l{layer}{way}"] = (3072,)
        expected[f"linear_{name}.weight"], expected[f"linear_{name}.bias"] = (2048, second), (2048,)
    for name, shape in (("fc", (256, 2048)), ("attention.0", (256, 768)), ("attention.2", (256, 256)),
                        ("attention.4", (3, 256))):  # fmt: skip
        expected[f"attention.{name}.weight"], expected[f"attention.{name}.bias"] = shape, shape[:1]
    assert {name: tuple(values.shape) for name, values in network.encoder.state_dict().items()} == expected


@pytest.mark.parametrize("repeat_ends", [False, True])
def test_a_clip_gives_the_bodies_of_the_formulas(network: Tcmr, repeat_ends: bool) -> None:
    assert_like_the_formulas(network, clip(64), repeat_ends=repeat_ends)


@pytest.mark.slow
def test_a_clip_gives_the_bodies_of_the_formulas_in_the_published_size() -> None:
    assert_like_the_formulas(random_tcmr(23), clip(64), repeat_ends=True)


@pytest.mark.parametrize("length", [16, 7, 3])
def test_while_training_it_says_three_things_of_the_middle_frame(network: Tcmr, length: int) -> None:
    seen = torch.stack([clip(length, seed) for seed in (1, 2)])
    branches, shares = plain(in_numpy(network), seen.numpy().astype(float))
    together = (branches * shares[:, :, None]).sum(axis=1)
    three = np.stack([branches[:, 0], branches[:, 2], together], axis=1)
    network.train()
    network.regressor.dropout.eval()  # which would change what is said by chance
    try:
        bodies, weights = network(seen)
    finally:
        network.eval()
    assert np.abs(weights.detach().numpy() - shares).max() < 1e-5
    said = bodies.rotations.detach().numpy()
    assert said.shape == (2, 3, 24, 3, 3)
    expected = np.array([[one[0] for one in plain_bodies(network, each)] for each in three])
    assert np.abs(said - expected).max() < 1e-4
    assert (bodies.betas.shape, bodies.camera.shape) == ((2, 3, 10), (2, 3, 3))
    assert np.abs(said[:, 0] - said[:, 1]).max() > 1e-3
    assert np.abs(said[:, 0] - said[:, 2]).max() > 1e-3
    assert network(seen)[0].rotations.shape == (2, 1, 24, 3, 3)


def test_the_past_and_the_future_are_not_told_of_the_rest(network: Tcmr) -> None:
    seen = clip(16)[None]
    with torch.inference_mode():
        before = network.encoder(seen)[0][0]
        for changed, who in ((7, [0, 1]), (8, [1]), (9, [1, 2]), (0, [0, 1]), (15, [1, 2])):
            other = seen.clone()
            other[:, changed] += 0.5
            moved = (network.encoder(other)[0][0] - before).abs().amax(dim=1)
            assert [branch for branch in range(3) if moved[branch] > 0] == who


@pytest.mark.parametrize("residual", [False, True])
def test_everything_learns(residual: bool) -> None:
    network = random_tcmr(24, SMALL, residual=residual).train()
    bodies, weights = network(torch.stack([clip(16, 1), clip(16, 2)]))
    assert weights.sum(dim=1).tolist() == [pytest.approx(1), pytest.approx(1)]
    loss = sum(getattr(bodies, name).square().mul(torch.rand(getattr(bodies, name).shape)).sum() for name in PARTS)
    loss.backward()
    for name, weight in network.named_parameters():
        assert weight.grad is not None, name
        assert weight.grad.isfinite().all(), name
        assert weight.grad.abs().max() > 0, name


def test_with_the_residual_the_three_together_stand_on_the_middle_frames_own_feature(network: Tcmr) -> None:
    other = Tcmr(SMALL, residual=True).eval()
    other.load_state_dict(network.state_dict())
    seen = clip(16)[None]
    with torch.inference_mode():
        branches, weights = network.encoder(seen)
        together = (branches * weights[..., None]).sum(dim=1) + seen[:, 8]
        for part in PARTS:
            wanted = getattr(network.regressor(together), part)
            assert torch.allclose(getattr(other(seen)[0], part)[:, 0], wanted, atol=1e-5)
        other.train()
        for dropout in (module for module in other.modules() if isinstance(module, torch.nn.Dropout)):
            dropout.p = 0.0
        alone = other.regressor(branches[:, [0, 2]]).rotations
        assert torch.allclose(other(seen)[0].rotations[:, :2], alone, atol=1e-5), "past and future stand for themselves"
        other.eval()
    assert_same(other.over(clip(40)), one_by_one(other, clip(40), repeat_ends=False), 1e-5)


@pytest.mark.parametrize("repeat_ends", [False, True])
@pytest.mark.parametrize("frames", [1, 2, 5, 15, 16, 17, 64])
def test_all_windows_at_once_say_what_each_says(network: Tcmr, frames: int, repeat_ends: bool) -> None:
    features = clip(frames)
    said = network.over(features, repeat_ends=repeat_ends)
    assert said[0].rotations.shape == (frames, 24, 3, 3)
    assert_same(said, one_by_one(network, features, repeat_ends=repeat_ends), 1e-5)


@pytest.mark.parametrize("repeat_ends", [False, True])
@pytest.mark.parametrize("length", [3, 8, 9])
def test_windows_may_have_other_lengths(network: Tcmr, length: int, repeat_ends: bool) -> None:
    features = clip(30)
    said = network.over(features, repeat_ends=repeat_ends, length=length)
    assert_same(said, one_by_one(network, features, length, repeat_ends=repeat_ends), 1e-5)


@pytest.mark.slow
def test_all_windows_at_once_say_what_each_says_in_the_published_size() -> None:
    network = random_tcmr(25)
    assert_same(network.over(clip(32)), one_by_one(network, clip(32), repeat_ends=False), 1e-5)


@pytest.mark.parametrize("repeat_ends", [False, True])
@pytest.mark.parametrize("at_once", [1, 7, 20])
def test_batches_meet_without_a_seam(network: Tcmr, monkeypatch, at_once: int, repeat_ends: bool) -> None:
    features = clip(50)
    whole = network.over(features, repeat_ends=repeat_ends)
    monkeypatch.setattr(tcmr_module, "_AT_ONCE", at_once)
    assert_same(network.over(features, repeat_ends=repeat_ends), whole, 1e-5)


@pytest.mark.parametrize(("frames", "length"), [(1000, 16), (600, 1024)])
@pytest.mark.parametrize("repeat_ends", [False, True])
def test_a_long_clip_is_never_held_at_once(monkeypatch, frames: int, length: int, repeat_ends: bool) -> None:
    network, held = random_tcmr(26, 4), []
    batched = network.encoder.batched

    def watched(features: Tensor, count: int, length: int, move: int) -> tuple[Tensor, Tensor]:
        held.append((len(features), count))
        return batched(features, count, length, move)

    monkeypatch.setattr(network.encoder, "batched", watched)
    network.over(clip(frames), repeat_ends=repeat_ends, length=length)
    assert sum(count for _, count in held) == frames
    assert max(rows for rows, _ in held) < 256 + length
    assert max(count for _, count in held) == 256


def test_beyond_its_ends_a_clip_is_mirrored() -> None:
    assert mirrored(5, 3, 2).tolist() == [3, 2, 1, 0, 1, 2, 3, 4, 3, 2]
    assert mirrored(3, 5, 5).tolist() == [1, 0, 1, 2, 1, 0, 1, 2, 1, 0, 1, 2, 1]
    assert mirrored(2, 3, 2).tolist() == [1, 0, 1, 0, 1, 0, 1]
    assert mirrored(1, 2, 1).tolist() == [0, 0, 0, 0]


def changes(said: Regressed) -> Iterator[float]:
    """How much the rotations change from each frame to the next."""
    return (float((b - a).norm()) for a, b in zip(said.rotations[:-1], said.rotations[1:], strict=True))


def test_only_as_published_the_clips_ends_are_torn_off() -> None:
    network, features = random_tcmr(0, 256), clip(64, 50)
    published, ours = (list(changes(network.over(features, repeat_ends=repeat)[0])) for repeat in (True, False))
    usual = np.median(ours[8:56])
    for seam in (7, 56):  # between the frames that are repeated and the first, or last, with a window of its own
        assert published[seam] > 2 * usual
    assert max(ours) < 1.5 * usual
    assert published[8:56] == pytest.approx(ours[8:56], abs=1e-4)


def test_what_over_says_is_not_learnt_from(network: Tcmr) -> None:
    said, weights = network.over(clip(20))
    assert not said.rotations.requires_grad
    assert not weights.requires_grad


@pytest.mark.parametrize("length", [0, 1, 2])
def test_windows_without_past_or_future_are_refused(network: Tcmr, length: int) -> None:
    with pytest.raises(ValueError, match=f"a window of {length} frames"):
        network.over(clip(20), length=length)
    with pytest.raises(ValueError, match=f"a window of {length} frames"):
        network(torch.zeros(1, length, 2048))
