# SPDX-License-Identifier: MIT
from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from vibe_blender.contract.quaternions import (
    conjugate,
    continuous,
    from_axis_angles,
    multiply,
    rotate,
    to_axis_angles,
    to_matrices,
)  # fmt: skip
from vibe_blender.contract.skeleton import JOINT_NAMES, REST_JOINTS
from vibe_blender.contract.take import Person
from vibe_blender.motion.settings import METHODS, Smoothing, Strengths
from vibe_blender.motion.smoothing import REGIONS, smooth

FILTERS = tuple(method for method in METHODS if method != "none")
FPS = 30.0


def moving(rotations: np.ndarray, root: np.ndarray, confidence: float | np.ndarray = 0.9) -> Person:
    """A person of these rotations (T, 24, 4) and this path (T, 3) in frames 0 to T - 1."""
    count = len(root)
    return Person(
        id=1,
        frames=np.arange(count),
        rotations=rotations,
        root=root,
        contacts=np.zeros((count, 2)),
        confidence=np.broadcast_to(confidence, count).astype(float),
        boxes=np.ones((count, 4)),
        rest_joints=REST_JOINTS,
        betas=np.zeros(10),
        keypoints=np.zeros((count, 0, 3)),
    )


def swaying(angle: np.ndarray, times: np.ndarray | None = None, confidence: float | np.ndarray = 0.9) -> Person:
    """A person whose every joint turns by an angle (T,) about an axis of its own, and whose path sways by it."""
    axes = np.random.default_rng(5).normal(size=(24, 3))
    axes /= np.linalg.norm(axes, axis=1, keepdims=True)
    base = from_axis_angles(np.random.default_rng(6).normal(size=(24, 3)))
    rotations = multiply(base, from_axis_angles(angle[:, None, None] * axes))
    return moving(continuous(rotations), np.array([1.0, 2.0, 1.0]) + angle[:, None] * axes[0], confidence)


def angles(person: Person, rest: Person) -> np.ndarray:
    """How far (T, 25) each joint of a ``swaying`` person is turned, and the path has come, from its frame at rest."""
    axes = np.random.default_rng(5).normal(size=(24, 3))
    axes /= np.linalg.norm(axes, axis=1, keepdims=True)
    turned = to_axis_angles(multiply(conjugate(rest.rotations[:1]), person.rotations))
    way = (person.root - rest.root[0]) @ axes[0]
    return np.concatenate([np.sum(turned * axes, axis=-1), way[:, None]], axis=1)


def random_motion(count: int = 120, seed: int = 1, noise: float = 0.05) -> Person:
    random = np.random.default_rng(seed)
    phase = np.arange(count)[:, None, None] / FPS * 2 * np.pi * random.uniform(0.3, 1.5, (24, 1))
    vectors = np.sin(phase + random.normal(size=(24, 3))) + noise * random.normal(size=(count, 24, 3))
    root = np.cumsum(random.normal(size=(count, 3)) * 0.02, axis=0)
    return moving(continuous(from_axis_angles(vectors)), root, random.uniform(0.3, 1.0, count))


def turned_apart(a: np.ndarray, b: np.ndarray) -> float:
    """The largest angle between rotations (T, J, 4), radians."""
    return float(np.linalg.norm(to_axis_angles(multiply(conjugate(a), b)), axis=-1).max())


def clock(person: Person) -> np.ndarray:
    return person.frames / FPS


def test_nothing_is_done_by_none() -> None:
    person = random_motion()
    assert smooth(person, clock(person), Smoothing(method="none")) is person


@pytest.mark.parametrize("cutoff", [2.0, 5.0, 8.0])
@pytest.mark.parametrize("method", FILTERS)
def test_a_sine_at_the_cutoff_is_left_at_minus_3_db_and_in_phase(method: str, cutoff: float) -> None:
    times = np.arange(600) / FPS
    sine = 0.1 * np.sin(2 * np.pi * cutoff * times + 0.3)
    person = swaying(sine)
    done = smooth(person, times, Smoothing(method=method, cutoff_hz=cutoff, keep_fast=0.0))
    rest = swaying(np.zeros(600))
    middle = slice(100, 500)
    after = angles(done, rest)[middle]
    quarter = 0.1 * np.cos(2 * np.pi * cutoff * times + 0.3)
    wave = np.stack([sine, quarter], axis=1)[middle]
    gains = np.linalg.lstsq(wave, after, rcond=None)[0]
    assert gains[0] == pytest.approx(np.full(25, np.sqrt(0.5)), abs=0.01)
    assert gains[1] == pytest.approx(np.zeros(25), abs=1e-3)


@pytest.mark.parametrize("method", FILTERS)
def test_slow_motion_stays_and_fast_jitter_goes(method: str) -> None:
    times = np.arange(600) / FPS
    rest, settings = swaying(np.zeros(600)), Smoothing(method=method, cutoff_hz=4.0, keep_fast=0.0)
    slow, fast = (0.2 * np.sin(2 * np.pi * hz * times) for hz in (0.5, 12.0))
    kept = angles(smooth(swaying(slow), times, settings), rest)
    left = angles(smooth(swaying(fast), times, settings), rest)
    assert np.abs(kept - slow[:, None]).max() < 0.02 * 0.2
    assert np.abs(left[50:-50]).max() < (0.5 if method == "one_euro" else 0.25) * 0.2


@pytest.mark.parametrize("method", FILTERS)
def test_variable_frame_rates_count_in_seconds(method: str) -> None:
    random = np.random.default_rng(2)
    times = np.cumsum(random.choice([1 / 60, 1 / 40, 1 / 30], 900))
    sine = 0.1 * np.sin(2 * np.pi * 4.0 * times)
    settings = Smoothing(method=method, cutoff_hz=4.0, keep_fast=0.0)
    after = angles(smooth(swaying(sine), times, settings), swaying(np.zeros(900)))[100:-100]
    wave = np.stack([sine, 0.1 * np.cos(2 * np.pi * 4.0 * times)], axis=1)[100:-100]
    gains = np.linalg.lstsq(wave, after, rcond=None)[0]
    assert gains[0] == pytest.approx(np.full(25, np.sqrt(0.5)), abs=0.03)
    assert gains[1] == pytest.approx(np.zeros(25), abs=0.01)


OVERSHOOT = {"adaptive": 0.06, "gaussian": 0.003, "one_euro": 0.01, "butterworth": 0.06, "savitzky_golay": 0.12}


@pytest.mark.parametrize("method", FILTERS)
def test_a_step_neither_comes_early_nor_late_and_overshoots_by_little(method: str) -> None:
    step = np.where(np.arange(201) < 100, 0.0, 0.5)
    step[100] = 0.25
    for keep_fast in (0.0, 0.5):
        settings = Smoothing(method=method, cutoff_hz=3.0, keep_fast=keep_fast)
        after = angles(smooth(swaying(step), np.arange(201) / FPS, settings), swaying(np.zeros(201)))
        assert after[100] == pytest.approx(np.full(25, 0.25), abs=1e-6)
        assert after + after[::-1] == pytest.approx(np.full((201, 25), 0.5), abs=1e-6)
        assert after.max() < 0.5 * (1 + OVERSHOOT[method])
        assert after.min() > -0.5 * OVERSHOOT[method]


@pytest.mark.parametrize("count", [3, 4, 7, 90])
@pytest.mark.parametrize("method", FILTERS)
def test_rest_and_steady_motion_stay_exactly(method: str, count: int) -> None:
    for turns_a_second in (0.0, 0.7, 3.0):
        steady = 2 * np.pi * turns_a_second * np.arange(count) / FPS + 0.4
        person = swaying(steady)
        done = smooth(person, clock(person), Smoothing(method=method, cutoff_hz=4.0))
        assert turned_apart(done.rotations, person.rotations) < 1e-9
        np.testing.assert_allclose(done.root, person.root, atol=1e-9)


@pytest.mark.parametrize("method", FILTERS)
def test_uneven_times_leave_steady_motion_too(method: str) -> None:
    times = np.cumsum(np.random.default_rng(3).uniform(0.01, 0.05, 90))
    person = swaying(5.0 * times)
    done = smooth(person, times, Smoothing(method=method, cutoff_hz=4.0))
    assert turned_apart(done.rotations, person.rotations) < 1e-9
    np.testing.assert_allclose(done.root, person.root, atol=1e-9)


@pytest.mark.parametrize("method", FILTERS)
def test_the_world_may_be_turned_and_signs_may_jump(method: str) -> None:
    person = random_motion()
    settings = Smoothing(method=method, cutoff_hz=3.0)
    world, own = from_axis_angles(np.array([1.0, -2.0, 0.5])), from_axis_angles(np.array([0.3, 2.0, -1.0]))
    turned = multiply(multiply(world, person.rotations), own)
    signs = np.random.default_rng(4).choice([-1.0, 1.0], (len(turned), 24, 1))
    other = replace(person, rotations=signs * turned, root=rotate(world, person.root) + 7.0)
    before, after = smooth(person, clock(person), settings), smooth(other, clock(person), settings)
    assert turned_apart(after.rotations, multiply(multiply(world, before.rotations), own)) < 1e-7
    np.testing.assert_allclose(after.root, rotate(world, before.root) + 7.0, atol=1e-9)
    assert np.sum(after.rotations[1:] * after.rotations[:-1], axis=-1).min() > 0


@pytest.mark.parametrize("method", FILTERS)
def test_spinning_bodies_lose_their_jitter_and_not_their_turns(method: str) -> None:
    """Six full turns in two seconds about a tilted axis, as fast as a skater."""
    count, random = 120, np.random.default_rng(8)
    times = np.arange(count) / 60.0
    spin = from_axis_angles(2 * np.pi * 3.0 * times[:, None, None] * np.array([0.36, 0.48, 0.8]))
    truth = np.tile(spin, (1, 24, 1))
    noisy = multiply(truth, from_axis_angles(0.05 * random.normal(size=(count, 24, 3))))
    person = moving(continuous(noisy), np.zeros((count, 3)))
    done = smooth(person, times, Smoothing(method=method, cutoff_hz=5.0, keep_fast=0.5))
    error = np.linalg.norm(to_axis_angles(multiply(conjugate(truth), done.rotations)), axis=-1)
    before = np.linalg.norm(to_axis_angles(multiply(conjugate(truth), noisy)), axis=-1)
    assert np.sqrt(np.mean(error**2)) < (0.95 if method == "one_euro" else 0.65) * np.sqrt(np.mean(before**2))
    assert error.max() < before.max()


@pytest.mark.parametrize("method", FILTERS)
def test_half_turns_do_not_flip(method: str) -> None:
    """A joint that rests, noisily, half a turn from its rest pose, where axis-angle vectors jump."""
    random = np.random.default_rng(9)
    truth = np.tile(from_axis_angles(np.array([np.pi, 0.0, 0.0])), (90, 24, 1))
    noisy = multiply(truth, from_axis_angles(0.05 * random.normal(size=(90, 24, 3))))
    done = smooth(moving(noisy, np.zeros((90, 3))), np.arange(90) / FPS, Smoothing(method=method, cutoff_hz=3.0))
    assert turned_apart(truth, done.rotations) < turned_apart(truth, noisy)
    assert turned_apart(truth, done.rotations) < 0.25


@pytest.mark.parametrize("method", FILTERS)
def test_ends_are_not_pulled_anywhere(method: str) -> None:
    """A swing cut at its fastest and at its turning point ends as it was, with and without noise."""
    times = np.arange(91) / FPS
    swing = 0.6 * np.sin(2 * np.pi * 0.75 * times)
    rest = swaying(np.zeros(91))
    done = angles(smooth(swaying(swing), times, Smoothing(method=method, cutoff_hz=4.0)), rest)
    assert np.abs(done - swing[:, None])[[0, 1, -2, -1]].max() < 0.02 * 0.6


def test_regions_cover_every_joint_once() -> None:
    assert sorted(joint for joints in REGIONS.values() for joint in joints) == list(range(24))
    assert set(REGIONS) == set(vars(Strengths()))


MOVED_BY = {
    "root": ["pelvis"],
    "spine": ["spine1", "spine2", "spine3"],
    "head": ["neck", "head"],
    "arms": [f"{side}_{part}" for part in ("collar", "shoulder", "elbow") for side in ("left", "right")],
    "hands": [f"{side}_{part}" for part in ("wrist", "hand") for side in ("left", "right")],
    "legs": ["left_hip", "right_hip", "left_knee", "right_knee"],
    "feet": ["left_ankle", "right_ankle", "left_foot", "right_foot"],
}


@pytest.mark.parametrize("region", list(MOVED_BY))
def test_each_region_moves_exactly_its_joints(region: str) -> None:
    person = random_motion()
    alone = Strengths(**{name: float(name == region) for name in vars(Strengths())})
    done = smooth(person, clock(person), Smoothing(strengths=alone))
    moves = (done.rotations != person.rotations).any(axis=(0, 2))
    assert {JOINT_NAMES[joint] for joint in np.flatnonzero(moves)} == set(MOVED_BY[region])
    assert (done.root != person.root).any() == (region == "root")


@pytest.mark.parametrize("region", list(REGIONS))
def test_strength_zero_leaves_a_region_bit_for_bit(region: str) -> None:
    person = random_motion()
    person = replace(person, rotations=person.rotations * np.where(np.arange(120) % 3, 1.0, -1.0)[:, None, None])
    done = smooth(person, clock(person), Smoothing(strengths=replace(Strengths(), **{region: 0.0})))
    mine = list(REGIONS[region])
    others = [joint for joint in range(24) if joint not in mine]
    assert np.array_equal(done.rotations[:, mine], person.rotations[:, mine])
    assert np.array_equal(done.root, person.root) == (region == "root")
    assert (np.abs(done.rotations[:, others]) != np.abs(person.rotations[:, others])).any(axis=(0, 2)).all()


def test_strength_two_is_half_the_cutoff() -> None:
    person = random_motion()
    strong = smooth(person, clock(person), Smoothing("gaussian", 6.0, strengths=replace(Strengths(), arms=2.0)))
    slow = smooth(person, clock(person), Smoothing("gaussian", 3.0))
    normal = smooth(person, clock(person), Smoothing("gaussian", 6.0))
    arms = list(REGIONS["arms"])
    assert turned_apart(strong.rotations[:, arms], slow.rotations[:, arms]) < 1e-9
    assert turned_apart(strong.rotations[:, [0, 1, 4]], normal.rotations[:, [0, 1, 4]]) < 1e-9
    np.testing.assert_allclose(strong.root, normal.root, atol=1e-12)


@pytest.mark.parametrize("method", FILTERS)
def test_nothing_is_smeared_across_a_gap(method: str) -> None:
    person = random_motion(80)
    person = replace(person, frames=np.where(np.arange(80) < 40, np.arange(80), np.arange(80) + 1))
    settings = Smoothing(method=method, cutoff_hz=2.0)
    times = person.frames / FPS
    first = smooth(person, times, settings)
    other = from_axis_angles(np.full((24, 3), 0.7))
    moved = replace(
        person,
        rotations=np.concatenate([person.rotations[:40], continuous(multiply(other, person.rotations[40:]))]),
        root=person.root + 3.0 * (np.arange(80) >= 40)[:, None],
        confidence=np.full(80, 0.9),
    )
    second = smooth(replace(moved, confidence=person.confidence), times, settings)
    np.testing.assert_array_equal(first.rotations[:40], second.rotations[:40])
    np.testing.assert_array_equal(first.root[:40], second.root[:40])


def test_a_hole_in_the_times_is_a_gap_too() -> None:
    person = swaying(np.where(np.arange(60) < 30, 0.0, 1.0))
    times = np.arange(60) / FPS + 5.0 * (np.arange(60) >= 30)
    done = smooth(person, times, Smoothing("gaussian", 1.0))
    assert turned_apart(done.rotations, person.rotations) < 1e-9


def test_fast_motion_is_kept_where_it_stands_out_of_the_noise() -> None:
    """Two seconds of rest, one of a 6 Hz shake, two of rest, with a little noise all over."""
    times = np.arange(150) / FPS
    shake = 0.3 * np.sin(2 * np.pi * 6.0 * times) * ((times > 2) & (times < 3))
    noise = 0.01 * np.random.default_rng(1).normal(size=(150, 24, 3))
    person = swaying(shake)
    noisy = replace(person, rotations=continuous(multiply(person.rotations, from_axis_angles(noise))))
    keeping = smooth(noisy, times, Smoothing(cutoff_hz=3.0, keep_fast=0.7))
    plain = smooth(noisy, times, Smoothing(cutoff_hz=3.0, keep_fast=0.0))
    rest = swaying(np.zeros(150))
    kept, lost = (np.abs(angles(done, rest)[66:84, :24]).max(axis=0) for done in (keeping, plain))
    assert kept.min() > 0.27
    assert lost.max() < 0.1
    still = slice(5, 40)
    before = np.std(angles(noisy, rest)[still, :24])
    assert np.std(angles(keeping, rest)[still, :24]) < 0.6 * before


def test_doubtful_stretches_are_smoothed_more() -> None:
    noise = 0.05 * np.random.default_rng(2).normal(size=(200, 24, 3))
    confidence = np.where(np.arange(200) < 100, 0.9, 0.1)
    person = moving(continuous(from_axis_angles(noise)), np.zeros((200, 3)), confidence)
    done = smooth(person, np.arange(200) / FPS, Smoothing())
    sure, doubtful = (np.linalg.norm(to_axis_angles(done.rotations[part]), axis=-1).mean() for part in (
        slice(10, 80), slice(120, 190),
    ))  # fmt: skip
    assert doubtful < 0.8 * sure


def test_a_person_of_few_frames_is_left_alone() -> None:
    for count in (0, 1, 2):
        person = random_motion(max(count, 3))
        person = moving(person.rotations[:count], person.root[:count])
        done = smooth(person, np.arange(count) / FPS, Smoothing())
        assert np.array_equal(done.rotations, person.rotations)
        assert np.array_equal(done.root, person.root)


def test_matrices_stay_rotations() -> None:
    person = random_motion(noise=1.0)
    for method in FILTERS:
        done = smooth(person, clock(person), Smoothing(method=method, cutoff_hz=1.0))
        np.testing.assert_allclose(np.linalg.det(to_matrices(done.rotations)), 1.0, atol=1e-9)


@pytest.mark.parametrize("method", METHODS)
def test_what_is_too_fast_for_the_frame_rate_is_all_left(method: str) -> None:
    person = random_motion()
    settings = Smoothing(method=method, cutoff_hz=0.5 / (clock(person)[1] - clock(person)[0]))
    after = smooth(person, clock(person), settings)
    assert np.allclose(after.root, person.root)
    assert turned_apart(after.rotations, person.rotations) < 1e-9
