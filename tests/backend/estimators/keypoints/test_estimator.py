# SPDX-License-Identifier: MIT
from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from backend.body.model import BodyModel
from backend.estimators.estimate import Estimate
from backend.estimators.keypoints import KeypointEstimator, estimator
from backend.estimators.keypoints.start import turned_to_ray
from tests.acting import CENTRE_PX, FOCAL_PX, Actor, act
from vibe_blender.contract.skeleton import LIMB_JOINTS, PARENTS, forward_kinematics

LIMBS = list(LIMB_JOINTS)


def joints_of(estimate: Estimate) -> np.ndarray:
    return forward_kinematics(estimate.rest_joints, estimate.rotations, estimate.root)[0]


def error_mm(estimate: Estimate, actor: Actor) -> np.ndarray:
    """(T, 12) of limb joints relative to the pelvis."""
    found, truth = joints_of(estimate)[:, LIMBS], actor.joints[:, LIMBS]
    return 1000 * np.linalg.norm(found - estimate.root[:, None] - truth + actor.root[:, None], axis=-1)


@pytest.fixture
def camera(body: BodyModel) -> KeypointEstimator:
    return KeypointEstimator(body, FOCAL_PX, CENTRE_PX)


def test_perfect_landmarks_give_the_pose_and_the_path(camera: KeypointEstimator) -> None:
    actor = act(60, walk_m=1.0)
    estimate = camera.estimate(actor.evidence(), iterations=30)
    # Depths are taken to be compressed, as BlazePose's are, so that perfect ones are stretched a little.
    assert error_mm(estimate, actor).mean() < 25
    assert np.linalg.norm(estimate.root - actor.root, axis=1).mean() < 0.05
    assert estimate.confidence.min() > 0.8


def test_noise_is_smoothed_away_and_motion_is_kept(camera: KeypointEstimator) -> None:
    actor = act(90)
    evidence = actor.evidence(noise_px=4.0, noise_m=0.05)
    estimate = camera.estimate(evidence)
    assert error_mm(estimate, actor).mean() < 30
    found, truth = (np.diff(joints[:, [20, 21]], axis=0) for joints in (joints_of(estimate), actor.joints))
    fastest = [np.percentile(np.linalg.norm(step, axis=-1), 95) for step in (found, truth)]
    assert fastest[0] == pytest.approx(fastest[1], rel=0.15)


def test_bones_keep_their_length_and_rotations_their_sign(camera: KeypointEstimator) -> None:
    estimate = camera.estimate(act(40).evidence(noise_px=5.0, noise_m=0.1))
    joints = joints_of(estimate)
    lengths = np.linalg.norm(joints[:, 1:] - joints[:, list(PARENTS[1:])], axis=-1)
    assert np.ptp(lengths, axis=0).max() < 1e-9
    assert np.allclose(np.linalg.norm(estimate.rotations, axis=-1), 1)
    assert (np.sum(estimate.rotations[1:] * estimate.rotations[:-1], axis=-1) > 0).all()


def test_knees_and_elbows_do_not_bend_backwards(camera: KeypointEstimator) -> None:
    actor = act(40)
    evidence = actor.evidence()
    for reading in (evidence.straight, evidence.mirrored):
        assert reading is not None
        reading.world[..., 2] *= -1  # every depth is read the wrong way round
    estimate = camera.estimate(evidence, iterations=30)
    sine = 2 * np.arcsin(estimate.rotations[:, [4, 5], 1])  # turn about x, small twist beside it
    assert sine.min() > -0.15


def test_long_clips_are_solved_in_windows_without_seams(
    camera: KeypointEstimator, monkeypatch: pytest.MonkeyPatch
) -> None:
    actor = act(150)
    evidence = actor.evidence(noise_px=2.0)
    whole = joints_of(camera.estimate(evidence, iterations=20))
    monkeypatch.setattr(estimator, "_WINDOW", 60)
    monkeypatch.setattr(estimator, "_OVERLAP", 20)
    done: list[int] = []
    windows = joints_of(camera.estimate(evidence, iterations=20, progress=done.append))
    assert done[-1] == 150
    assert len(done) >= 3
    assert np.linalg.norm(whole - windows, axis=-1).max() < 0.03
    jumps = [np.linalg.norm(np.diff(joints, n=2, axis=0), axis=-1).max() for joints in (whole, windows)]
    assert jumps[1] < 1.5 * jumps[0]


@pytest.mark.parametrize("count", [1, 2, 3])
def test_a_few_frames_are_enough(camera: KeypointEstimator, count: int) -> None:
    estimate = camera.estimate(act(count).evidence())
    assert estimate.rotations.shape == (count, 24, 4)
    assert np.isfinite(estimate.root).all()


def test_a_given_height_is_the_height(body: BodyModel) -> None:
    actor = act(20)
    tall = KeypointEstimator(body, FOCAL_PX, CENTRE_PX, height_m=1.72 * 1.1).estimate(actor.evidence())
    average = KeypointEstimator(body, FOCAL_PX, CENTRE_PX).estimate(actor.evidence())
    leg = [np.linalg.norm(e.rest_joints[4] - e.rest_joints[1]) for e in (tall, average)]
    assert leg[0] / leg[1] == pytest.approx(1.1, rel=1e-3)
    assert np.median(tall.root[:, 2] / average.root[:, 2]) == pytest.approx(1.1, rel=0.01)


def test_a_child_is_not_made_an_adult(camera: KeypointEstimator) -> None:
    evidence = act(20).evidence()
    small = [replace(r, world=r.world * 0.6) for r in (evidence.straight, evidence.mirrored) if r is not None]
    estimate = camera.estimate(replace(evidence, straight=small[0], mirrored=small[1]))
    assert 0.6 <= np.linalg.norm(estimate.rest_joints[4] - estimate.rest_joints[1]) / 0.415 < 0.7


def test_a_landmark_that_flies_off_is_not_followed(camera: KeypointEstimator) -> None:
    actor = act(40)
    evidence = actor.evidence(noise_px=1.0)
    for reading in (evidence.straight, evidence.mirrored):
        assert reading is not None
        reading.image_px[20, 15] += [150.0, -120.0]  # the left wrist, for one frame
    estimate = camera.estimate(evidence)
    assert error_mm(estimate, actor)[20, LIMBS.index(20)] < 60


def test_crops_are_read_as_if_the_camera_looked_at_them() -> None:
    ahead = np.array([[[0.0, 0.0, 1.0]]])
    assert np.allclose(turned_to_ray(ahead, np.array([[1.0, 0.0]])), np.array([[[1, 0, 1]]]) / np.sqrt(2))
    assert np.allclose(turned_to_ray(ahead, np.zeros((1, 2))), ahead)
