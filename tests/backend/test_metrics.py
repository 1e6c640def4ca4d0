# SPDX-License-Identifier: MIT
"""Every measure on cases whose answer is known in closed form."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial import procrustes as scipy_procrustes
from scipy.spatial.transform import Rotation

from backend import metrics
from vibe_blender.contract.skeleton import LIMB_JOINTS

FPS = 30.0


def moving_body(count: int = 40, seed: int = 0) -> np.ndarray:
    """(T, 24, 3) metres: random but smooth joint paths."""
    random = np.random.default_rng(seed)
    time = np.arange(count)[:, None, None] / FPS
    rate, phase = random.uniform(1, 6, (24, 3)), random.uniform(0, 6, (24, 3))
    return random.normal(size=(24, 3)) * 0.4 + 0.2 * np.sin(rate * time + phase)


def test_mpjpe_ignores_where_the_person_stands() -> None:
    body = moving_body()
    assert metrics.mpjpe(body + np.array([3.0, -1.0, 5.0]), body) == pytest.approx(0, abs=1e-9)


def test_mpjpe_counts_what_moves_against_the_hips() -> None:
    body = moving_body()
    off = body.copy()
    off[:, [4, 20]] += [0.03, 0.04, 0.0]
    assert metrics.mpjpe(off, body) == pytest.approx(50 * 2 / 12)


def test_mpjpe_counts_scale_and_turning() -> None:
    body = moving_body()
    reach = np.linalg.norm(metrics.centred(body), axis=-1).mean() * 1000
    assert metrics.mpjpe(1.1 * body, body) == pytest.approx(0.1 * reach)
    half_turn = body * [-1.0, 1.0, -1.0]
    sideways = np.linalg.norm(metrics.centred(body)[..., [0, 2]], axis=-1).mean() * 1000
    assert metrics.mpjpe(half_turn, body) == pytest.approx(2 * sideways)


def test_pa_mpjpe_forgives_turning_scale_and_place_of_each_frame() -> None:
    body = moving_body()
    turns = Rotation.random(len(body), random_state=1).as_matrix()
    scale = np.random.default_rng(2).uniform(0.5, 2.0, (len(body), 1, 1))
    place = np.random.default_rng(3).normal(size=(len(body), 1, 3))
    assert metrics.pa_mpjpe(scale * body @ turns + place, body) == pytest.approx(0, abs=1e-9)


def test_pa_mpjpe_does_not_forgive_a_mirror_image() -> None:
    body = moving_body()
    assert metrics.pa_mpjpe(body * [-1.0, 1.0, 1.0], body) > 50


def test_pa_mpjpe_agrees_with_scipy() -> None:
    truth = moving_body()
    predicted = truth + np.random.default_rng(4).normal(scale=0.05, size=truth.shape)
    errors = []
    for source, target in zip(predicted[:, LIMB_JOINTS], truth[:, LIMB_JOINTS], strict=True):
        fixed, moved, _ = scipy_procrustes(target, source)  # both in units of the target's Frobenius norm
        size = np.linalg.norm(target - target.mean(axis=0))
        errors.append(np.linalg.norm(fixed - moved, axis=-1).mean() * size * 1000)
    assert metrics.pa_mpjpe(predicted, truth) == pytest.approx(np.mean(errors), abs=1e-9)


def test_acceleration_error_of_a_known_acceleration() -> None:
    truth = np.tile(moving_body(1), (30, 1, 1))
    predicted = truth.copy()
    predicted[:, 21, 0] += 0.5 * 0.012 * np.arange(30) ** 2
    assert metrics.acceleration_error(predicted, truth, np.arange(30)) == pytest.approx(12 / 12)
    assert metrics.metres_per_second2(1.0, 30.0) == pytest.approx(0.9)


def test_acceleration_error_of_known_noise() -> None:
    truth = np.tile(moving_body(1), (3000, 1, 1))
    sigma = 0.01
    noise = np.random.default_rng(7).normal(scale=sigma, size=truth.shape)
    noise[:, metrics.HIPS] = 0
    error = metrics.acceleration_error(truth + noise, truth, np.arange(3000))
    # (1, -2, 1) has norm sqrt(6); the length of a 3D Gaussian is sigma * 2 * sqrt(2 / pi); 10 of 12 joints are noisy.
    assert error == pytest.approx(1000 * sigma * np.sqrt(6) * 2 * np.sqrt(2 / np.pi) * 10 / 12, rel=0.01)


def test_measures_over_time_leave_gaps_out() -> None:
    body = moving_body(60)
    kept = np.r_[0:20, 30:60]
    jumped = body.copy()
    jumped[30:, :, :] += moving_body(1, seed=9) * 10
    assert metrics.acceleration_error(jumped[kept], body[kept], kept) == pytest.approx(0, abs=1e-9)
    assert metrics.speed_ratio(jumped[kept], body[kept], kept, metrics.WRISTS) == pytest.approx(1)
    assert metrics.acceleration_error(jumped, body, np.arange(60)) > 10


def test_speed_ratio_of_damped_hands() -> None:
    body = moving_body(300)
    hips = metrics.middle_of_hips(body)
    rest = (body - hips[:, None])[0]
    damped = body.copy()
    damped[:, metrics.WRISTS] = hips[:, None] + (rest + 0.7 * (body - hips[:, None] - rest))[:, metrics.WRISTS]
    frames = np.arange(300)
    assert metrics.speed_ratio(damped, body, frames, metrics.WRISTS) == pytest.approx(0.7)
    assert metrics.speed_ratio(damped, body, frames, metrics.ANKLES) == pytest.approx(1.0)


def test_jitter_of_a_cubic() -> None:
    joints = np.zeros((50, 24, 3))
    joints[..., 0] = (0.5 * (np.arange(50) / FPS) ** 3)[:, None]
    assert metrics.jitter(joints, np.arange(50), FPS) == pytest.approx(0.5 * 6 / 10)


def test_foot_slide_counts_horizontal_steps_of_standing_feet() -> None:
    joints = np.zeros((11, 24, 3))
    joints[:, 10, 0] = 0.003 * np.arange(11)
    joints[:, 10, 1] = 0.004 * np.arange(11)
    joints[:, 10, 2] = 0.5 * np.arange(11)
    joints[:, 11, 0] = np.arange(11)
    left, frames = np.tile([True, False], (11, 1)), np.arange(11)
    assert metrics.foot_slide(joints, left, frames) == pytest.approx(5)
    assert metrics.foot_slide(joints, np.ones((11, 2)), frames) == pytest.approx((5 + 1000) / 2)
    every_other = left & (np.arange(11) % 2 == 0)[:, None]
    assert np.isnan(metrics.foot_slide(joints, every_other, frames))
    assert np.isnan(metrics.foot_slide(joints, left, 2 * frames))


def test_root_trajectory_error_forgives_a_rigid_motion_only() -> None:
    time = np.linspace(0, 5, 200)
    path = np.stack([time, np.sin(time), 0.1 * np.cos(3 * time)], axis=-1)
    turn = Rotation.from_rotvec([0.3, -1.0, 2.0]).as_matrix()
    same = metrics.root_trajectory_error(path @ turn.T + [4.0, 5.0, 6.0], path)
    assert same.mean_m == pytest.approx(0, abs=1e-12)
    assert same.percent == pytest.approx(0, abs=1e-9)
    assert same.length_m == pytest.approx(np.linalg.norm(np.diff(path, axis=0), axis=1).sum())
    larger = metrics.root_trajectory_error(1.2 * path, path)
    spread = np.linalg.norm(path - path.mean(axis=0), axis=1).mean()
    assert larger.mean_m == pytest.approx(0.2 * spread)
    assert larger.percent == pytest.approx(100 * 0.2 * spread / larger.length_m)


def test_root_trajectory_error_of_a_short_path_has_no_percentage() -> None:
    path = np.linspace([0.0, 0, 0], [0.9, 0, 0], 30)
    error = metrics.root_trajectory_error(2 * path, path)
    assert error.percent is None
    assert error.mean_m == pytest.approx(np.abs(path[:, 0] - 0.45).mean())


def test_bone_length_deviation_is_that_of_the_worst_bone() -> None:
    joints = np.tile(moving_body(1), (100, 1, 1))
    assert metrics.bone_length_deviation(joints) == pytest.approx(0, abs=1e-9)
    for tip, parent, change in ((22, 20, 0.1), (15, 12, 0.05)):
        joints[::2, tip] += change * (joints[::2, tip] - joints[::2, parent])
    assert metrics.bone_length_deviation(joints) == pytest.approx(100 * 0.05 / 1.05)


def test_coverage_counts_visible_frames_only() -> None:
    visible = np.ones(20, dtype=bool)
    visible[10:] = False
    assert metrics.coverage(np.arange(4, 18), visible) == pytest.approx(0.6)
    assert np.isnan(metrics.coverage(np.arange(4), ~np.ones(5, dtype=bool)))


def test_contact_score() -> None:
    truth = np.array([[1, 1], [1, 0], [0, 0], [0, 0]])
    found = np.array([[1, 0], [1, 1], [1, 0], [0, 0]])
    score = metrics.contact_score(found, truth)
    assert (score.precision, score.recall) == pytest.approx((2 / 4, 2 / 3))
    assert score.f1 == pytest.approx(2 * (1 / 2) * (2 / 3) / (1 / 2 + 2 / 3))
    assert np.isnan(metrics.contact_score(np.zeros((4, 2)), truth).precision)


def two_people() -> np.ndarray:
    """(2, N, J, 2) pixels: two stick figures that walk through each other."""
    figure = np.array([[0.0, 0], [20, 0], [0, 100], [20, 100]])
    shift = np.linspace(0, 400, 81)
    return np.stack([figure + np.stack([x, 0 * x], axis=-1)[:, None] for x in (shift, 400 - shift)])


def test_overlap_falls_linearly_with_the_distance() -> None:
    truth = two_people()[:1]
    diagonal = np.hypot(20, 100)
    for distance, expected in ((0.0, 1.0), (0.1, 0.6), (0.3, 0.0)):
        overlap = metrics.overlap_2d(truth + np.array([0.0, distance * diagonal]), truth)
        assert overlap == pytest.approx(np.full((1, 1, 81), expected))


def test_overlap_bears_one_wrong_limb() -> None:
    truth = np.concatenate([two_people()[:1]] * 3, axis=2)
    wild = truth.copy()
    wild[:, :, :4] += 500
    assert metrics.overlap_2d(wild, truth) == pytest.approx(np.ones((1, 1, 81)))


def test_people_are_matched_by_overlap() -> None:
    truth = two_people()
    nobody = np.full((1, *truth.shape[1:]), np.nan)
    overlap = metrics.overlap_2d(np.concatenate([nobody, truth[::-1]]), truth)
    assert metrics.match_people(overlap) == [(1, 1), (2, 0)]
    assert metrics.match_people(metrics.overlap_2d(truth[:0], truth)) == []


def test_crossing_people_with_their_own_ids_switch_nothing() -> None:
    truth = two_people()
    assert metrics.identity_switches(metrics.overlap_2d(truth + 3.0, truth)) == 0


def test_swapped_people_are_two_switches() -> None:
    truth = two_people()
    swapped = truth.copy()
    swapped[:, 41:] = truth[::-1, 41:]
    assert metrics.identity_switches(metrics.overlap_2d(swapped, truth)) == 2


def test_a_new_id_after_a_gap_is_one_switch_and_the_old_id_is_none() -> None:
    truth = two_people()[:1]
    before, after = truth.copy(), truth.copy()
    before[:, 30:] = np.nan
    after[:, :50] = np.nan
    assert metrics.identity_switches(metrics.overlap_2d(np.concatenate([before, after]), truth)) == 1
    gap = truth.copy()
    gap[:, 30:50] = np.nan
    assert metrics.identity_switches(metrics.overlap_2d(gap, truth)) == 0


def test_one_id_that_moves_from_person_to_person() -> None:
    truth = two_people()
    jumping = truth[:1].copy()
    jumping[0, 10:20] = truth[1, 10:20]
    other = truth[1:].copy()
    other[:, :20] = np.nan
    # Person 1 is first followed by id 0, then by id 1; person 0 comes back to its own id.
    assert metrics.identity_switches(metrics.overlap_2d(np.concatenate([jumping, other]), truth)) == 1


def test_nothing_to_measure_is_nan() -> None:
    nobody = np.zeros((0, 24, 3))
    assert np.isnan(metrics.mpjpe(nobody, nobody))
    assert np.isnan(metrics.pa_mpjpe(nobody, nobody))
    assert np.isnan(metrics.bone_length_deviation(nobody))
    assert np.isnan(metrics.root_trajectory_error(nobody[:, 0], nobody[:, 0]).mean_m)
    assert np.isnan(metrics.acceleration_error(moving_body(2), moving_body(2), np.arange(2)))
    assert np.isnan(metrics.speed_ratio(moving_body(1), moving_body(1), np.arange(1), metrics.WRISTS))


# Fourteen joints in the order of the papers' tables, whose hips are the third and the fourth.
FOURTEEN, HIPS = range(14), (2, 3)


def fourteen(count: int = 30, seed: int = 0) -> np.ndarray:
    """(T, 14, 3) metres."""
    return moving_body(count, seed)[:, :14]


def test_measures_of_other_joints_are_those_of_their_own_hips() -> None:
    truth = fourteen()
    off = truth.copy()
    off[:, 6] += [0.0, 0.03, 0.04]
    assert metrics.mpjpe(off, truth, FOURTEEN, HIPS) == pytest.approx(50 / 14)
    off[:, HIPS] += [0.0, 0.014, 0.0]  # all others seem to move the other way
    assert metrics.mpjpe(off, truth, [0], HIPS) == pytest.approx(14)


def test_swapped_sides_are_as_far_apart_as_the_sides_are() -> None:
    truth = fourteen()
    swapped = truth.copy()
    swapped[:, [6, 11]] = truth[:, [11, 6]]
    apart = np.linalg.norm(truth[:, 6] - truth[:, 11], axis=-1).mean()
    assert metrics.mpjpe(swapped, truth, FOURTEEN, HIPS) == pytest.approx(1000 * apart * 2 / 14)


def test_joints_that_nobody_labelled_do_not_count() -> None:
    truth = fourteen()
    known = np.ones((30, 14), bool)
    known[:, 5], known[4, 2], known[7] = False, False, False
    predicted = truth + np.random.default_rng(1).normal(scale=0.03, size=truth.shape)
    other = truth.copy()
    other[:, 5], other[4, 2], other[7] = 99.0, -99.0, 0.0
    kept = np.delete(np.arange(30), [4, 7])
    joints = [joint for joint in FOURTEEN if joint != 5]
    assert metrics.mpjpe(predicted, other, FOURTEEN, HIPS, known) == pytest.approx(
        metrics.mpjpe(predicted[kept], truth[kept], joints, HIPS)
    )
    alone = [
        scipy_distances(predicted[frame, known[frame]], truth[frame, known[frame]])
        for frame in np.flatnonzero(known.any(axis=1))
    ]
    assert metrics.pa_mpjpe(predicted, other, FOURTEEN, known) == pytest.approx(np.concatenate(alone).mean(), abs=1e-6)
    three = known[2:] & known[1:-1] & known[:-2] & np.array(
        [known[t : t + 3, HIPS].all() for t in range(28)]
    )[:, None]  # fmt: skip
    sizes = plain_acceleration_errors(predicted, other)
    expected = sizes[three].mean()
    found = metrics.acceleration_error(predicted, other, np.arange(30), FOURTEEN, HIPS, known)
    assert found == pytest.approx(expected, abs=1e-6)


def test_frames_with_too_few_labelled_joints_to_align_do_not_count() -> None:
    truth = fourteen(2)
    known = np.ones((2, 14), bool)
    known[1, 2:] = False
    predicted = truth + np.random.default_rng(1).normal(scale=0.03, size=truth.shape)
    assert metrics.pa_mpjpe(predicted, truth, FOURTEEN, known) == pytest.approx(
        metrics.pa_mpjpe(predicted[:1], truth[:1], FOURTEEN)
    )


def scipy_distances(source: np.ndarray, target: np.ndarray) -> np.ndarray:
    """(J,) mm left over by scipy's Procrustes analysis, which works in units of the target's size."""
    fixed, moved, _ = scipy_procrustes(target, source)
    return np.linalg.norm(fixed - moved, axis=-1) * np.linalg.norm(target - target.mean(axis=0)) * 1000


def plain_acceleration_errors(predicted: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """(T - 2, 14) mm/frame^2, number by number."""
    sizes = np.zeros((len(truth) - 2, 14))
    for t in range(1, len(truth) - 1):
        for joint in range(14):
            total = 0.0
            for axis in range(3):
                parts = []
                for body in (predicted, truth):
                    at = [body[s, joint, axis] - 0.5 * (body[s, 2, axis] + body[s, 3, axis]) for s in (t - 1, t, t + 1)]
                    parts.append(at[0] - 2 * at[1] + at[2])
                total += (parts[0] - parts[1]) ** 2
            sizes[t - 1, joint] = 1000 * total**0.5
    return sizes


def test_acceleration_error_agrees_with_plain_loops() -> None:
    truth = fourteen()
    predicted = truth + np.random.default_rng(1).normal(scale=0.03, size=truth.shape)
    sizes = plain_acceleration_errors(predicted, truth)
    frames = np.arange(30)
    found = metrics.acceleration_error(predicted, truth, frames, FOURTEEN, HIPS)
    assert found == pytest.approx(sizes.mean(), abs=1e-6)
    frames[12:] += 3  # frames 10 and 11 before the gap have no second neighbour after it
    left = np.delete(sizes, [10, 11], axis=0).mean()
    found = metrics.acceleration_error(predicted, truth, frames, FOURTEEN, HIPS)
    assert found == pytest.approx(left, abs=1e-6)


def test_own_acceleration_of_a_parabola_and_of_stillness() -> None:
    still = np.tile(fourteen(1), (20, 1, 1))
    assert metrics.acceleration(still, np.arange(20), FOURTEEN, HIPS) == pytest.approx(0, abs=1e-9)
    still[:, 0, 1] += 0.5 * 0.008 * np.arange(20) ** 2
    assert metrics.acceleration(still, np.arange(20), FOURTEEN, HIPS) == pytest.approx(8 / 14)


def test_vertex_error_is_not_aligned() -> None:
    skin = np.random.default_rng(0).normal(size=(3, 50, 3))
    assert metrics.vertex_error(skin + np.array([0.003, 0.0, -0.004]), skin) == pytest.approx(5)


def test_world_errors_forgive_one_similarity_of_each_chunk() -> None:
    truth = moving_body(230)
    turn = Rotation.from_rotvec([0.2, 0.0, 1.0]).as_matrix()
    moved = truth.copy()
    for start in (0, 100, 200):
        moved[start : start + 100] = 1.3 * truth[start : start + 100] @ turn.T + [start, 1.0, 2.0]
    assert metrics.world_mpjpe(moved, truth, whole=True) == pytest.approx(0, abs=1e-9)
    assert metrics.world_mpjpe(moved, truth, whole=False) == pytest.approx(0, abs=1e-9)


def test_drift_counts_from_the_second_frame_of_a_chunk() -> None:
    truth = np.tile(moving_body(1), (100, 1, 1))
    drift = 0.01 * np.arange(100)[:, None, None] * np.array([1.0, 0.0, 0.0])
    drift[:2] = 0.0
    assert metrics.world_mpjpe(truth + drift, truth, whole=False) == pytest.approx(10 * np.arange(2, 100).sum() / 100)
    assert metrics.world_mpjpe(truth + drift, truth, whole=True) < metrics.world_mpjpe(
        truth + drift, truth, whole=False
    )


def test_a_chunk_of_one_frame_belongs_to_the_one_before() -> None:
    truth = moving_body(101)
    off = truth.copy()
    off[100] += [0.0, 0.0, 0.101]
    assert metrics.world_mpjpe(off, truth, whole=False) == pytest.approx(1)
