# SPDX-License-Identifier: MIT
from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from backend.body.kinematics import UNKNOWNS, group_index, posed
from backend.body.marks import MarkedBody, mannequin_marks
from backend.body.model import BodyModel
from backend.estimators.estimate import Estimate
from backend.refinement import refine, stage
from backend.refinement.cost import Change, Spread, Stretch, equations, landmark_costs
from backend.refinement.solve import solve
from tests.acting import CENTRE_PX, FOCAL_PX, Actor, act
from vibe_blender.contract.quaternions import continuous, from_axis_angles, multiply, to_matrices
from vibe_blender.contract.skeleton import JOINT_NAMES, forward_kinematics

COUNT = 60
FAITHLESS = Spread(turn_rad=5.0, path_m=(9.0, 9.0), depth_m=9.0, turn_unrest=500.0, path_unrest=(90.0, 90.0))


@pytest.fixture(scope="module")
def marks(body: BodyModel) -> MarkedBody:
    return mannequin_marks(body)


@pytest.fixture(scope="module")
def actor() -> Actor:
    return act(COUNT, walk_m=0.5)


def said(actor: Actor, marks: MarkedBody, *, wrong_rad: float = 0.0, betas: np.ndarray | None = None) -> Estimate:
    """What an estimator says that sees the actor's landmarks and errs slowly in some limbs, and in the shape."""
    count = len(actor.times)
    betas = np.zeros(10) if betas is None else betas
    vectors = np.zeros((count, 24, 3))
    wave = np.sin(2 * np.pi * actor.times / 1.5)
    for number, name in enumerate(("left_shoulder", "right_elbow", "left_hip", "right_hip", "neck", "right_knee")):
        vectors[:, JOINT_NAMES.index(name)] = wrong_rad * np.roll([0.8, 0.5, -0.3], number) * (1 + wave[:, None]) / 2
    keypoints = np.concatenate([actor.image_px, np.full((count, 33, 1), 0.95)], axis=2)
    low, high = keypoints[..., :2].min(axis=1), keypoints[..., :2].max(axis=1)
    return Estimate(
        frames=np.arange(count) + 7,
        times=actor.times,
        rotations=continuous(multiply(actor.rotations, from_axis_angles(vectors))),
        root=actor.root,
        confidence=np.full(count, 0.5),
        boxes=np.concatenate([(low + high) / 2, high - low], axis=1),
        keypoints=keypoints,
        rest_joints=marks.rest_joints(betas),
        betas=betas,
    )


def missed_px(estimate: Estimate, marks: MarkedBody) -> np.ndarray:
    """(T,) mean distance of the body's landmarks from those that were seen."""
    body = posed(estimate.root, to_matrices(estimate.rotations), estimate.rest_joints)
    places = body.points(marks.landmarks(estimate.betas))
    seen = FOCAL_PX * places[..., :2] / places[..., 2:] + CENTRE_PX
    return np.linalg.norm(seen - estimate.keypoints[..., :2], axis=-1).mean(axis=1)


def error_m(estimate: Estimate, actor: Actor) -> float:
    """Mean distance of joints, the pelvis aligned."""
    joints, _ = forward_kinematics(estimate.rest_joints, estimate.rotations, estimate.root)
    relative = [places - places[:, :1] for places in (joints, actor.joints)]
    return float(np.linalg.norm(relative[0] - relative[1], axis=-1).mean())


def refined(estimate: Estimate, marks: MarkedBody, **options) -> stage.Refined:
    return refine(estimate, marks, FOCAL_PX, CENTRE_PX, **options)


class TestTheCost:
    @pytest.fixture
    def whole(self, actor: Actor, marks: MarkedBody) -> Stretch:
        estimate = said(actor, marks, wrong_rad=0.3)
        return stage._stretch(estimate, marks, FOCAL_PX, CENTRE_PX).window(slice(0, 5))

    def test_its_gradient_is_the_derivative_in_every_unknown_and_in_the_shape(
        self, whole: Stretch, marks: MarkedBody
    ) -> None:
        random = np.random.default_rng(0)
        betas, basis = random.normal(size=10), np.linalg.qr(random.normal(size=(10, 4)))[0]
        bent = random.normal(size=(5, UNKNOWNS)) * 0.3
        bent[:, 3 + 3 * group_index("left_knee")] = -1.2
        change = Change.none(5).moved(bent)
        assert (_knee(change, whole) < 0).any()  # so that the hinges have something to say

        def cost(step: np.ndarray, shift: np.ndarray) -> float:
            there = betas + basis @ shift
            return equations(whole, change.moved(step), marks, there, basis, Spread()).frames.cost

        found = equations(whole, change, marks, betas, basis, Spread())
        for frame in (0, 2, 4):
            for unknown in range(UNKNOWNS):
                step = np.zeros((5, UNKNOWNS))
                step[frame, unknown] = 1e-5
                slope = (cost(step, np.zeros(4)) - cost(-step, np.zeros(4))) / 4e-5
                assert found.frames.gradient[frame, unknown] == pytest.approx(slope, rel=1e-4, abs=1e-3)
        for component in range(4):
            shift = np.eye(4)[component] * 1e-4
            slope = (cost(np.zeros((5, UNKNOWNS)), shift) - cost(np.zeros((5, UNKNOWNS)), -shift)) / 4e-4
            assert found.corner_gradient[component] == pytest.approx(slope, rel=1e-4, abs=1e-3)

    def test_its_border_is_how_the_gradient_moves_with_the_shape(self, actor: Actor, marks: MarkedBody) -> None:
        whole = stage._stretch(said(actor, marks), marks, FOCAL_PX, CENTRE_PX).window(slice(0, 4))
        none, basis = Change.none(4), np.eye(10)[:, :7]
        here = equations(whole, none, marks, np.zeros(10), basis, Spread())  # where all residuals are zero
        for component in range(7):
            ahead, behind = (
                equations(whole, none, marks, sign * 1e-5 * basis[:, component], basis, Spread()) for sign in (1, -1)
            )
            slope = (ahead.frames.gradient - behind.frames.gradient) / 2e-5
            assert here.border[..., component] == pytest.approx(slope, rel=1e-3, abs=1e-2 * np.abs(slope).max())
            slope = (ahead.corner_gradient - behind.corner_gradient) / 2e-5
            assert here.corner[component] == pytest.approx(slope, rel=1e-3, abs=1e-3 * np.abs(slope).max())

    def test_distance_does_not_matter(self, marks: MarkedBody) -> None:
        costs = []
        for depth_m in (4.0, 12.0):
            estimate = said(act(3, depth_m=depth_m), marks)
            whole = stage._stretch(estimate, marks, FOCAL_PX, CENTRE_PX)
            aside = whole.image.copy()
            aside[:, 15, 0] += 0.05 * whole.side
            costs.append(
                landmark_costs(replace(whole, image=aside), Change.none(3), marks, estimate.betas, Spread()).sum()
            )
        assert costs[0] > 5
        assert costs[1] == pytest.approx(costs[0], rel=1e-6)


def _knee(change: Change, whole: Stretch) -> np.ndarray:
    return Rotation.from_matrix(change.of(whole)[1][:, JOINT_NAMES.index("left_knee")]).as_rotvec()[:, 0]


class TestTheOptimum:
    def test_a_known_shape_and_motion_are_found(self, actor: Actor, marks: MarkedBody) -> None:
        betas = np.array([0, 0, 1.5, -1.5, 1.0, 0, 1.0, 0, 0, 0.0])
        estimate = said(actor, marks, wrong_rad=0.2, betas=betas)
        whole = stage._stretch(estimate, marks, FOCAL_PX, CENTRE_PX)
        basis = np.eye(10)[:, [2, 3, 4, 6]]
        spread = replace(FAITHLESS, shape=100.0)
        (change,), found = solve([whole], marks, betas, basis, spread, 40, lambda share: None)
        assert np.abs(found).max() < 0.1
        left = landmark_costs(whole, change, marks, found, spread).sum()
        assert left < 1e-3 * landmark_costs(whole, Change.none(COUNT), marks, betas, spread).sum()

    def test_a_wrong_motion_comes_nearer_to_the_truth(self, actor: Actor, marks: MarkedBody) -> None:
        estimate = said(actor, marks, wrong_rad=0.3)
        found = refined(estimate, marks)
        assert found.kept.mean() > 0.8
        assert missed_px(found.estimate, marks).mean() < 0.4 * missed_px(estimate, marks).mean()
        assert error_m(found.estimate, actor) < 0.8 * error_m(estimate, actor)
        assert found.estimate.confidence[found.kept].min() > 0.5

    def test_what_is_right_stays(self, actor: Actor, marks: MarkedBody) -> None:
        estimate = said(actor, marks)
        found = refined(estimate, marks).estimate
        assert error_m(found, actor) < 1e-3
        assert np.abs(found.betas).max() < 0.01

    def test_the_stature_stays(self, body: BodyModel, actor: Actor, marks: MarkedBody) -> None:
        betas = np.array([0.5, 0, 2.0, -1.0, 0, 0, -1.0, 0, 0, 0])
        found = refined(said(actor, marks, betas=betas), marks, spread=replace(Spread(), shape=10.0)).estimate
        heights = [np.ptp(body.rest_vertices(shape)[:, 1]) for shape in (betas, found.betas)]
        assert np.abs(found.betas - betas).max() > 0.5
        assert heights[1] == pytest.approx(heights[0], abs=1e-3)
        assert found.rest_joints == pytest.approx(body.rest_joints(found.betas))

    def test_a_body_whose_spine_bends_unevenly_keeps_bending_so(self, actor: Actor, marks: MarkedBody) -> None:
        estimate = said(actor, marks, wrong_rad=0.2)
        bends = estimate.rotations.copy()
        for joint, angle in ((3, 0.3), (6, -0.1), (9, 0.0)):
            bends[:, joint] = from_axis_angles(np.array([angle, 0, 0]))
        before = to_matrices(bends)
        after = to_matrices(refined(replace(estimate, rotations=continuous(bends)), marks).estimate.rotations)
        turns = [np.swapaxes(before[:, joint], -1, -2) @ after[:, joint] for joint in (3, 6, 9)]
        assert np.abs(turns[0] - np.eye(3)).max() > 0.01
        assert turns[1] == pytest.approx(turns[0], abs=1e-9)
        assert turns[2] == pytest.approx(turns[0], abs=1e-9)
        for joint in (10, 11, 22, 23):  # what no landmark tells of
            assert after[:, joint] == pytest.approx(before[:, joint], abs=1e-12)

    def test_knees_do_not_bend_backwards(self, marks: MarkedBody) -> None:
        actor = act(30)
        backwards = actor.rotations.copy()
        knee = JOINT_NAMES.index("left_knee")
        backwards[:, knee] = from_axis_angles(np.array([-0.5, 0.0, 0.0]))
        joints, orientations = forward_kinematics(marks.rest_joints(np.zeros(10)), backwards, actor.root)
        points = marks.landmarks(np.zeros(10))
        landmarks = joints[:, points.joints] + np.einsum(
            "tmij,mj->tmi", to_matrices(orientations)[:, points.joints], points.offsets
        )
        estimate = said(replace(actor, landmarks=landmarks), marks)
        angles = []
        for spread in (replace(FAITHLESS, hinge_rad=9.0), replace(FAITHLESS, hinge_rad=1e-3)):
            whole = stage._stretch(estimate, marks, FOCAL_PX, CENTRE_PX)
            start = replace(whole, rotations=to_matrices(actor.rotations))
            (change,), _ = solve([start], marks, np.zeros(10), np.zeros((10, 0)), spread, 20, lambda share: None)
            angles.append(Rotation.from_matrix(change.of(start)[1][:, knee]).as_rotvec()[:, 0].min())
        assert angles[1] > -0.03
        assert angles[0] < -0.2


class TestFramesAreKeptOnlyIfBetter:
    @pytest.fixture
    def found(self, actor: Actor, marks: MarkedBody, monkeypatch: pytest.MonkeyPatch):
        """A refinement that goes wrong for a third of a second, in frames 20 to 29."""
        estimate = said(actor, marks, wrong_rad=0.3)
        change_of = stage._Fitted._change

        def spoiled(fitted, spread, heed):
            change = change_of(fitted, spread, heed)
            if spread.turn_rad > 0.01:
                change.turns[20:30, 0] = change.turns[20:30, 0] @ Rotation.from_rotvec([0.0, 0.0, 0.9]).as_matrix()
            return change

        monkeypatch.setattr(stage._Fitted, "_change", spoiled)
        return estimate, refined(estimate, marks)

    def test_the_others_keep_their_turns(self, found, marks: MarkedBody) -> None:
        estimate, result = found
        assert not result.kept[20:30].any()
        assert result.kept[:12].all()
        assert result.kept[38:].all()
        left = ~result.kept
        assert np.array_equal(np.abs(result.estimate.rotations[left]), np.abs(estimate.rotations[left]))
        assert (missed_px(result.estimate, marks) < missed_px(estimate, marks))[result.kept].mean() > 0.9

    def test_nothing_jumps_beside_them(self, found) -> None:
        estimate, result = found
        steps = []
        for motion in (estimate, result.estimate):
            joints, _ = forward_kinematics(motion.rest_joints, motion.rotations, motion.root)
            steps.append(np.linalg.norm(np.diff(joints, n=2, axis=0), axis=-1).max())
        assert steps[1] < steps[0] + 0.006

    def test_where_no_frame_gets_better_all_is_as_it_was(
        self, actor: Actor, marks: MarkedBody, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(stage, "solve", lambda parts, _body, betas, *_: (
            [Change.none(len(part.times)).moved(np.full((len(part.times), UNKNOWNS), 0.2)) for part in parts], betas
        ))  # fmt: skip
        estimate = said(actor, marks, wrong_rad=0.1)
        result = refined(estimate, marks)
        assert result.estimate is estimate
        assert not result.kept.any()


def test_without_landmarks_there_is_nothing_to_refine(actor: Actor, marks: MarkedBody) -> None:
    estimate = said(actor, marks)
    unseen = estimate.keypoints * [1, 1, 0]
    for keypoints in (np.zeros((COUNT, 0, 3)), unseen):
        done: list[int] = []
        bare = replace(estimate, keypoints=keypoints)
        result = refined(bare, marks, progress=done.append)
        assert result.estimate is bare
        assert not result.kept.any()
        assert done == [COUNT]


def test_gaps_and_frames_without_landmarks_are_bridged(actor: Actor, marks: MarkedBody) -> None:
    estimate = said(actor, marks, wrong_rad=0.3)
    estimate.keypoints[40:45, :, 2] = 0.0
    there = np.r_[0:20, 32:COUNT]
    timed = ("frames", "times", "rotations", "root", "confidence", "boxes", "keypoints")
    result = refined(replace(estimate, **{name: getattr(estimate, name)[there] for name in timed}), marks)
    assert result.estimate.frames.tolist() == (there + 7).tolist()
    assert np.isfinite(result.estimate.rotations).all()
    blind = (there >= 40) & (there < 45)
    assert result.kept[~blind].mean() > 0.8
    assert not result.kept[blind].any()


@pytest.mark.parametrize("count", [1, 2, 3])
def test_a_few_frames_are_enough(marks: MarkedBody, count: int) -> None:
    result = refined(said(act(count), marks, wrong_rad=0.3), marks)
    assert result.estimate.rotations.shape == (count, 24, 4)
    assert np.isfinite(result.estimate.root).all()


def test_long_clips_are_refined_in_windows_without_seams(marks: MarkedBody, monkeypatch: pytest.MonkeyPatch) -> None:
    actor = act(130)
    estimate = said(actor, marks, wrong_rad=0.3)
    whole = refined(estimate, marks).estimate
    monkeypatch.setattr(stage, "_WINDOW", 50)
    monkeypatch.setattr(stage, "_OVERLAP", 15)
    done: list[int] = []
    parts = refined(estimate, marks, progress=done.append).estimate
    assert done == sorted(done)
    assert done[-1] == 130
    joints = [forward_kinematics(e.rest_joints, e.rotations, e.root)[0] for e in (whole, parts)]
    assert np.linalg.norm(joints[0] - joints[1], axis=-1).max() < 0.02
    jumps = [np.linalg.norm(np.diff(places, n=2, axis=0), axis=-1).max() for places in joints]
    assert jumps[1] < 1.3 * jumps[0]


def test_it_can_be_stopped_at_any_moment(actor: Actor, marks: MarkedBody) -> None:
    class Stopped(Exception):
        pass

    told: list[int] = []
    refined(said(actor, marks, wrong_rad=0.3), marks, progress=told.append)
    assert len(told) > 8
    for moment in (0, len(told) // 2, len(told) - 1):
        calls: list[int] = []

        def stop(done: int, calls: list[int] = calls, moment: int = moment) -> None:
            calls.append(done)
            if len(calls) > moment:
                raise Stopped

        with pytest.raises(Stopped):
            refined(said(actor, marks, wrong_rad=0.3), marks, progress=stop)
        assert len(calls) == moment + 1
