# SPDX-License-Identifier: MIT
import numpy as np
import pytest

from vibe_blender.contract.quaternions import Array
from vibe_blender.motion.foot_tracks import Stand, Weights, between, tracks
from vibe_blender.motion.over_time import Timeline

COUNT = 120
TIMES = np.arange(COUNT) / 30.0
TIMELINE = Timeline.of(TIMES, np.arange(COUNT))
NONE = np.zeros(COUNT, dtype=bool)


def standing(asked: Array, stretches: list[tuple[int, int]]) -> Stand:
    contact = np.full(COUNT, -1)
    for number, (first, end) in enumerate(stretches):
        contact[first:end] = number
    return Stand(asked, contact, NONE)


def walk(sway: Array) -> tuple[Array, list[Stand]]:
    """A path with a sway (T, 3) that the feet share, and feet that stand in turn where they are, the sway apart."""
    path = np.stack([0.3 * TIMES, 0 * TIMES, np.full(COUNT, 0.9)], axis=1) + sway
    ways = [[(0, 20), (40, 60), (80, 100)], [(20, 40), (60, 80), (100, 120)]]
    return path, [standing(-sway, stretches) for stretches in ways]


def test_the_path_takes_what_feet_have_in_common() -> None:
    sway = 0.03 * np.sin(4.0 * TIMES)[:, None] * [1.0, -0.5, 0.3]
    path, feet = walk(sway)
    way, moves = tracks(path, feet, TIMELINE, 1.0)
    assert np.abs((sway + way)[10:-10]).std(axis=0).max() < 0.5 * sway.std(axis=0).max()
    less, _ = tracks(path, feet, TIMELINE, 0.3)
    assert np.abs(less).max() < np.abs(way).max()
    none, alone = tracks(path, feet, TIMELINE, 0.0)
    assert not none.any()
    assert np.abs(alone).max() > np.abs(moves).max()


def test_contacts_are_one_place_each_and_upwards_a_given_one() -> None:
    rng = np.random.default_rng(0)
    path, feet = walk(0.02 * rng.normal(size=(COUNT, 3)))
    way, moves = tracks(path, feet, TIMELINE, 1.0)
    for side, stand in enumerate(feet):
        for number in range(3):
            there = stand.contact == number
            away = (way + moves[:, side] - stand.asked)[there]
            assert np.ptp(away, axis=0).max() < 1e-12
            assert np.abs(away[:, 2]).max() < 1e-12


def test_a_foot_uses_all_of_its_swing() -> None:
    asked = np.zeros((COUNT, 3))
    asked[60:, 2] = 0.2
    still = standing(np.zeros((COUNT, 3)), [(0, COUNT)])
    feet = [standing(asked, [(0, 40), (60, COUNT)]), still]
    _, moves = tracks(np.zeros((COUNT, 3)), feet, TIMELINE, 0.0, Weights(foot_m=(1.0, 1.0)))
    raised = moves[:, 0, 2]
    assert np.allclose(raised[[39, 60]], [0.0, 0.2])
    # A step as slow as can be accelerates by six times its height over its length squared.
    assert np.abs(np.diff(raised, n=2)).max() * 900.0 <= 1.5 * 6.0 * 0.2 / (21 / 30) ** 2


def test_far_from_contacts_nothing_is_moved() -> None:
    asked = np.full((COUNT, 3), 0.05)
    contact = np.full(COUNT, -1)
    contact[50:60] = 0
    far = np.abs(np.arange(COUNT) - 55) > 20
    nowhere = Stand(np.zeros((COUNT, 3)), np.full(COUNT, -1), ~NONE)
    _, moves = tracks(np.zeros((COUNT, 3)), [Stand(asked, contact, far), nowhere], TIMELINE, 1.0)
    assert not moves[far, 0].any()
    assert not moves[:, 1].any()
    assert moves[40:70, 0].any()


def test_what_is_between_is_smooth_and_what_is_known_stays() -> None:
    values = np.stack([np.sin(TIMES), 0.1 * TIMES], axis=1)
    known = (np.arange(COUNT) < 40) | (np.arange(COUNT) >= 48)
    found = between(values[None], known[None], NONE[None], TIMELINE)[0]
    assert np.array_equal(found[known], values[known])
    assert np.abs(found - values)[~known].max() < 0.1
    rates = np.diff(found, axis=0) * 30.0
    assert np.abs(np.diff(rates, axis=0)).max() < 0.6


def test_what_may_give_way_does_where_that_makes_it_calmer() -> None:
    values = np.where(np.arange(COUNT) >= 60, 0.3, 0.0)[:, None]
    known = ~NONE
    give = np.full(COUNT, 0.1)
    soft = between(values[None], known[None], NONE[None], TIMELINE, give[None])[0]
    assert np.abs(np.diff(soft, n=2, axis=0)).max() < 0.5 * np.abs(np.diff(values, n=2, axis=0)).max()
    assert np.abs(soft - values).max() < 0.25
    hard = between(values[None], known[None], NONE[None], TIMELINE, np.zeros((1, COUNT)))[0]
    assert np.array_equal(hard, values)


def test_nothing_known_is_nothing() -> None:
    assert not between(np.ones((1, COUNT, 2)), NONE[None], NONE[None], TIMELINE).any()
    nowhere = Stand(np.ones((COUNT, 3)), np.full(COUNT, -1), ~NONE)
    way, moves = tracks(np.zeros((COUNT, 3)), [nowhere, nowhere], TIMELINE, 1.0)
    assert way == pytest.approx(0.0)
    assert not moves.any()


def test_no_correction_crosses_a_gap() -> None:
    frames = np.where(np.arange(COUNT) < 60, np.arange(COUNT), np.arange(COUNT) + 30)
    timeline = Timeline.of(frames / 30.0, frames)
    asked = np.full((COUNT, 3), 0.05)
    contact = np.full(COUNT, -1)
    contact[40:60] = 0
    far = np.arange(COUNT) >= 60
    foot, none = Stand(asked, contact, far), Stand(asked, np.full(COUNT, -1), ~NONE)
    way, moves = tracks(np.zeros((COUNT, 3)), [foot, none], timeline, 1.0)
    assert np.abs(way[60:]).max() < 1e-9
    assert not moves[60:].any()
