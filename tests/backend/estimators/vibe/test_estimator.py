# SPDX-License-Identifier: MIT
from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from backend.body.model import BodyModel, from_arrays
from backend.estimators.vibe import WordsEstimator
from backend.estimators.words import Said
from tests.acting import CENTRE_PX, FOCAL_PX, Actor, act
from tests.published_bodies import make_arrays
from vibe_blender.contract.quaternions import to_matrices
from vibe_blender.contract.skeleton import forward_kinematics
from vibe_blender.contract.take import NetworkWords

COUNT = 12


@pytest.fixture(scope="module")
def actor() -> Actor:
    return act(COUNT, walk_m=0.5)


@pytest.fixture(scope="module")
def said(actor: Actor, body: BodyModel) -> Said:
    """What a network that errs only in the shape, and there evenly about the mean, would say of the actor."""
    squares = np.tile([480.0, 270.0, 500.0, 500.0], (COUNT, 1)) + np.arange(COUNT)[:, None] * [1.0, 0.5, 2.0, 2.0]
    place = actor.root - body.rest_joints(np.zeros(10))[0]
    scale = 2 * FOCAL_PX / (squares[:, 2] * place[:, 2])
    shift = place[:, :2] - (squares[:, :2] - CENTRE_PX) / FOCAL_PX * place[:, 2:]
    betas = np.random.default_rng(0).normal(size=(COUNT, 10))
    words = NetworkWords(
        np.hstack([scale[:, None], shift]), to_matrices(actor.rotations), betas - betas.mean(axis=0), squares
    )
    keypoints = np.concatenate([actor.image_px, np.full((COUNT, 33, 1), 0.9)], axis=2)
    return Said(np.arange(COUNT), actor.times, squares, words, keypoints)


@pytest.fixture
def camera(body: BodyModel) -> WordsEstimator:
    return WordsEstimator(body, FOCAL_PX, CENTRE_PX)


def test_words_become_the_motion_they_mean(camera: WordsEstimator, said: Said, actor: Actor, body: BodyModel) -> None:
    estimate = camera.estimate(said)
    assert estimate.betas == pytest.approx(np.zeros(10), abs=1e-12)
    assert estimate.rest_joints == pytest.approx(body.rest_joints(np.zeros(10)))
    found, _ = forward_kinematics(estimate.rest_joints, estimate.rotations, estimate.root)
    assert estimate.root == pytest.approx(actor.root, abs=1e-9)
    assert np.abs(found - actor.joints).max() < 0.02
    assert estimate.words is said.words
    assert estimate.frames is said.frames
    assert (np.sum(estimate.rotations[1:] * estimate.rotations[:-1], axis=-1) > 0).all()


def test_a_frame_is_trusted_where_the_body_has_the_limbs_that_are_seen(camera: WordsEstimator, said: Said) -> None:
    sure = camera.estimate(said).confidence
    assert (sure > 0.8).all()
    assert (sure <= 0.9).all()
    keypoints = said.keypoints.copy()
    keypoints[3, :, 2] = 0.1
    keypoints[7, :, 0] += 100
    doubted = camera.estimate(replace(said, keypoints=keypoints)).confidence
    assert doubted[3] == pytest.approx(sure[3] / 9)
    assert doubted[7] < 0.25 * sure[7]
    assert np.delete(doubted, [3, 7]) == pytest.approx(np.delete(sure, [3, 7]))


def test_without_landmarks_every_frame_is_trusted(camera: WordsEstimator, said: Said) -> None:
    estimate = camera.estimate(replace(said, keypoints=np.zeros((COUNT, 0, 3))))
    assert estimate.confidence.tolist() == [1.0] * COUNT


@pytest.mark.parametrize("height_m", [1.5, 1.95])
def test_an_actor_of_known_height_has_it_and_stands_where_that_belongs(
    said: Said, body: BodyModel, height_m: float
) -> None:
    estimate = WordsEstimator(body, FOCAL_PX, CENTRE_PX, height_m).estimate(said)
    usual = WordsEstimator(body, FOCAL_PX, CENTRE_PX).estimate(said)
    assert np.ptp(body.rest_vertices(estimate.betas)[:, 1]) == pytest.approx(height_m, abs=1e-3)
    larger = np.ptp(body.rest_vertices(estimate.betas)[:, 1]) / np.ptp(body.template[:, 1])
    depth = (estimate.root[:, 2] - estimate.rest_joints[0, 2]) / (usual.root[:, 2] - usual.rest_joints[0, 2])
    assert depth == pytest.approx(larger, rel=1e-6)


@pytest.mark.parametrize(("height_m", "reached"), [(1.95, True), (2.2, True), (1.5, False)])
def test_whatever_the_body_the_path_fits_the_height_it_has(said: Said, height_m: float, reached: bool) -> None:
    """Of a body whose highest and lowest vertices change with every step, and which cannot be as small as 1.5 m."""
    made = from_arrays(make_arrays(), Path("made.npz"))
    found = WordsEstimator(made, FOCAL_PX, CENTRE_PX, height_m).estimate(said)
    usual = WordsEstimator(made, FOCAL_PX, CENTRE_PX).estimate(said)
    tall, before = (np.ptp(made.rest_vertices(each.betas)[:, 1]) for each in (found, usual))
    assert abs(tall - height_m) <= (1e-3 if reached else before - height_m)
    depth = (found.root[:, 2] - found.rest_joints[0, 2]) / (usual.root[:, 2] - usual.rest_joints[0, 2])
    assert depth == pytest.approx(tall / before, rel=1e-6)


def test_a_scale_that_makes_no_sense_leaves_the_body_in_front_of_the_camera(camera: WordsEstimator, said: Said) -> None:
    cameras = said.words.camera.copy()
    cameras[:3, 0] = [0.0, -0.9, 1e-9]
    estimate = camera.estimate(replace(said, words=replace(said.words, camera=cameras)))
    assert np.isfinite(estimate.root).all()
    assert (estimate.root[:, 2] > 0).all()
