# SPDX-License-Identifier: MIT
"""Losses against their equations, written out by hand."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from backend.networks.motion_discriminator import Judged
from backend.networks.regressor import Regressed
from backend.training.bodies import BodyPoints, projected
from backend.training.clips import ClipBatch
from backend.training.config import Weights
from backend.training.flow_loss import flow_loss
from backend.training.losses import Losses, body_pose, generator_losses, taken_for_real, told_apart

N, T = 3, 4
ONES = Weights(1.0, 1.0, 1.0, 1.0, 1.0)


def random(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def rotations(seed: int) -> torch.Tensor:
    return torch.linalg.qr(random(N, T, 24, 3, 3, seed=seed))[0]


@pytest.fixture
def said() -> Regressed:
    camera = torch.stack([0.8 + 0.1 * random(N, T, seed=3), *random(2, N, T, seed=4) * 0.1], dim=-1)
    return Regressed(rotations(1), random(N, T, 10, seed=2), camera)


@pytest.fixture
def points() -> BodyPoints:
    return BodyPoints(0.5 * random(N, T, 49, 3, seed=5), None)


@pytest.fixture
def clips() -> ClipBatch:
    joints2d = torch.cat([random(N, T, 49, 2, seed=6), torch.rand(N, T, 49, 1, dtype=torch.float64)], dim=-1)
    joints3d = torch.cat([random(N, T, 49, 3, seed=7), torch.ones(N, T, 49, 1, dtype=torch.float64)], dim=-1)
    yes = torch.ones(N, T, dtype=torch.bool)
    return ClipBatch(
        features=None, pictures=None, joints2d=joints2d, joints3d=joints3d, rotations=rotations(8),
        betas=random(N, T, 10, seed=9), has_2d=yes, has_3d=yes.clone(), has_smpl=yes.clone(),
        boxes=torch.zeros(N, T, 4), origin=torch.zeros(N, 3, dtype=torch.int64),
    )  # fmt: skip


VALID = torch.ones(49, dtype=torch.float64)


def test_the_parts_are_the_published_ones(said, points, clips) -> None:
    losses = generator_losses(said, points, VALID, clips, None, ONES)
    shown = projected(points.joints, said.camera)
    squared = (shown - clips.joints2d[..., :2]) ** 2
    assert float(losses.joints_2d) == pytest.approx(float((clips.joints2d[..., 2:] * squared).mean()))
    mine, theirs = points.joints[..., 25:39, :], clips.joints3d[..., 25:39, :3]
    mine, theirs = (joints - (joints[..., 2:3, :] + joints[..., 3:4, :]) / 2 for joints in (mine, theirs))
    assert float(losses.joints_3d) == pytest.approx(float(((mine - theirs) ** 2).mean()))
    assert float(losses.pose) == pytest.approx(float(((said.rotations - clips.rotations) ** 2).mean()))
    assert float(losses.shape) == pytest.approx(float(((said.betas - clips.betas) ** 2).mean()))
    assert float(losses.adversarial) == 0


def test_joints_follow_the_flow_where_that_is_asked_for(said, points, clips) -> None:
    flow = 5.0 * random(N, T, 2, 56, 56, seed=11)
    boxes = torch.tensor([100.0, 90.0, 60.0, 60.0], dtype=torch.float64).expand(N, T, 4)
    with_flow = replace(clips, flow=flow, boxes=boxes)
    plain = generator_losses(said, points, VALID, clips, None, ONES)
    valid = VALID.clone()
    valid[7:] = 0
    losses = generator_losses(said, points, valid, with_flow, None, replace(ONES, flow=10.0))
    shown = projected(points.joints, said.camera)
    alone = flow_loss(shown, flow, boxes, valid.expand(N, T, 49))
    assert float(plain.flow) == 0
    assert float(alone) > 0
    assert float(losses.flow) == pytest.approx(10 * float(alone))


def test_weights_weigh(said, points, clips) -> None:
    judged = Judged(torch.tensor([0.0, 1.0, 3.0]), None)
    one = generator_losses(said, points, VALID, clips, judged, ONES)
    weighed = generator_losses(said, points, VALID, clips, judged, Weights(2.0, 3.0, 5.0, 7.0, 11.0))
    for name, weight in zip(("joints_2d", "joints_3d", "pose", "shape", "adversarial"), (2, 3, 5, 7, 11), strict=True):
        assert float(getattr(weighed, name)) == pytest.approx(weight * float(getattr(one, name)))
    assert float(weighed.total) == pytest.approx(sum(float(value) for value in vars(weighed).values()), rel=1e-6)
    assert isinstance(weighed, Losses)


@pytest.mark.parametrize(
    ("mask", "labels", "part"),
    [
        ("has_2d", ("joints2d",), "joints_2d"),
        ("has_3d", ("joints3d",), "joints_3d"),
        ("has_smpl", ("rotations",), "pose"),
        ("has_smpl", ("betas",), "shape"),
    ],
)
def test_what_is_not_labelled_costs_nothing_and_the_rest_counts_in_full(
    said, points, clips, mask, labels, part
) -> None:
    has = torch.ones(N, T, dtype=torch.bool)
    has[1], has[2, 3] = False, False
    changes = {}
    for name in labels:
        values = getattr(clips, name).clone()
        values[~has] = 1e6
        changes[name] = values
    partly = generator_losses(said, points, VALID, replace(clips, **changes, **{mask: has}), None, ONES)
    # The same clips without those frames, each as a clip of one frame.
    kept = {name: getattr(clips, name)[has][:, None] for name in clips.tensors() if name != "origin"}
    alone = ClipBatch(**{"features": None, "pictures": None, **kept, "origin": clips.origin})
    less = Regressed(*(values[has][:, None] for values in (said.rotations, said.betas, said.camera)))
    whole = generator_losses(less, BodyPoints(points.joints[has][:, None], None), VALID, alone, None, ONES)
    assert float(getattr(partly, part)) == pytest.approx(float(getattr(whole, part)))
    nobody = replace(clips, **{mask: torch.zeros_like(has)})
    assert float(getattr(generator_losses(said, points, VALID, nobody, None, ONES), part)) == 0


def test_joints_that_a_body_has_not_or_nobody_labelled_do_not_count(said, points, clips) -> None:
    valid = VALID.clone()
    valid[[0, 26]] = 0
    other = BodyPoints(points.joints.clone(), None)
    other.joints[..., [0, 26], :] += 100
    one, two = (generator_losses(said, some, valid, clips, None, ONES) for some in (points, other))
    assert float(one.joints_2d) == float(two.joints_2d)
    assert float(one.joints_3d) == float(two.joints_3d)
    unlabelled = clips.joints3d.clone()
    unlabelled[0, 1, 30] = 0  # one ankle
    unlabelled[2, 2, 27] = 0  # a hip, from which all others are measured
    losses = generator_losses(said, points, VALID, replace(clips, joints3d=unlabelled), None, ONES)
    mine, theirs = points.joints[..., 25:39, :], clips.joints3d[..., 25:39, :3]
    mine, theirs = (joints - (joints[..., 2:3, :] + joints[..., 3:4, :]) / 2 for joints in (mine, theirs))
    squared = (mine - theirs) ** 2
    counts = torch.ones(N, T, 14, dtype=torch.bool)
    counts[0, 1, 5], counts[2, 2] = False, False
    assert float(losses.joints_3d) == pytest.approx(float(squared[counts].mean()))


def test_least_squares_games() -> None:
    made_up, real = Judged(torch.tensor([0.0, 0.5, 2.0]), None), Judged(torch.tensor([1.0, 0.0]), None)
    assert float(taken_for_real(made_up)) == pytest.approx((1 + 0.25 + 1) / 3)
    assert float(told_apart(real, made_up)) == pytest.approx(0.5 + (0.25 + 4) / 3)


def test_a_discriminator_sees_no_root(said) -> None:
    poses = body_pose(Regressed(_proper(rotations(1)), said.betas, said.camera))
    assert poses.shape == (N, T, 69)
    turned = _proper(rotations(1))
    turned[..., 0, :, :] = _proper(rotations(2))[..., 0, :, :]
    assert torch.equal(poses, body_pose(Regressed(turned, said.betas, said.camera)))


def _proper(matrices: torch.Tensor) -> torch.Tensor:
    return matrices * torch.linalg.det(matrices)[..., None, None]
