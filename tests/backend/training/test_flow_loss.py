# SPDX-License-Identifier: MIT
"""The flow loss on patterns whose motion is known."""

from __future__ import annotations

from itertools import pairwise

import cv2
import numpy as np
import pytest
import torch

from backend.training.flow_loss import flow_loss, traced_back

T, J = 5, 12
PX = 2.0 / 224.0
MIDDLES = (torch.arange(56, dtype=torch.float64) * 4 + 2) * PX - 1
BOXES = torch.tensor([600.0, 400.0, 300.0, 300.0], dtype=torch.float64).expand(1, T, 4)
ONES = torch.ones(1, T, J, dtype=torch.float64)


def grid() -> torch.Tensor:
    """(2, 56, 56) x and y of the middles of the flow's cells in the crop, -1..1."""
    return torch.stack(torch.meshgrid(MIDDLES, MIDDLES, indexing="xy"))


class Pattern:
    """Points of the video that turn, grow and drift from frame to frame, each frame as the one before."""

    def __init__(self, *, drift: tuple[float, float] = (7.0, -4.0), angle: float = 0.06, growth: float = 1.03) -> None:
        turn = torch.tensor([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]], dtype=torch.float64)
        self.linear, self.drift = growth * turn, torch.tensor(drift, dtype=torch.float64)
        self.centre = torch.tensor([600.0, 400.0], dtype=torch.float64)

    def forth(self, points: torch.Tensor) -> torch.Tensor:
        """(..., 2) pixels of the video in a frame to where they are in the next."""
        return (points - self.centre) @ self.linear.T + self.centre + self.drift

    def back(self, points: torch.Tensor) -> torch.Tensor:
        """(..., 2) pixels of the video in a frame to where they were in the frame before."""
        return (points - self.centre - self.drift) @ torch.linalg.inv(self.linear).T + self.centre

    def joints(self, boxes: torch.Tensor) -> torch.Tensor:
        """(1, T, J, 2) points that move with the pattern, in crops."""
        chance = torch.Generator().manual_seed(1)
        points = [self.centre + 120 * (torch.rand(J, 2, generator=chance, dtype=torch.float64) - 0.5)]
        for _ in range(T - 1):
            points.append(self.forth(points[-1]))
        return (torch.stack(points)[None] - boxes[..., None, :2]) / (boxes[..., None, 2:] / 2)

    def flow(self, boxes: torch.Tensor) -> torch.Tensor:
        """(1, T, 2, 56, 56) of the pattern in crops, zeros in the first frame."""
        flows = torch.zeros(1, T, 2, 56, 56, dtype=torch.float64)
        for t in range(1, T):
            half = boxes[0, t, 2] / 2
            seen = grid().permute(1, 2, 0) * half + boxes[0, t, :2]
            flows[0, t] = ((self.back(seen) - seen) / half / PX).permute(2, 0, 1)
        return flows


def moving() -> torch.Tensor:
    """(1, T, 4) squares that follow nobody: they drift and shrink."""
    steps = torch.arange(T, dtype=torch.float64)
    side = 320 - 14 * steps
    return torch.stack([590 + 9 * steps, 410 - 5 * steps, side, side], dim=-1)[None]


def loss(joints: torch.Tensor, boxes: torch.Tensor, flow: torch.Tensor, weights: torch.Tensor = ONES) -> float:
    return float(flow_loss(joints, flow, boxes, weights))


@pytest.mark.parametrize("boxes", [BOXES, moving()], ids=["still", "moving"])
def test_it_is_zero_at_the_truth_and_rises_with_the_error(boxes) -> None:
    pattern = Pattern()
    joints, flow = pattern.joints(boxes), pattern.flow(boxes)
    assert joints.abs().max() < 0.9
    assert flow[:, 1:].abs().amax(dim=(2, 3, 4)).min() > 5
    assert loss(joints, boxes, flow) < 1e-20
    wrong = torch.randn(joints.shape, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    for error in (wrong, wrong[:, :, :1].expand_as(wrong), wrong * (torch.arange(T) == 2)[None, :, None, None]):
        said = [loss(joints + px * PX * error, boxes, flow) for px in (0, 0.5, 1, 2, 4, 8)]
        assert all(more > 3 * less for less, more in pairwise(said[1:]))
        assert said[1] > 1e-6


def test_a_pattern_that_is_followed_by_its_joints_only_in_the_right_direction() -> None:
    pattern, boxes = Pattern(), moving()
    joints, flow = pattern.joints(boxes), pattern.flow(boxes)
    forth = Pattern()
    forth.back = pattern.forth
    for name, other in {
        "the sign": -flow, "x and y": flow.flip(2), "rows and columns": flow.transpose(-1, -2),
        "there instead of back": forth.flow(boxes), "the frame before's": flow.roll(1, dims=1),
    }.items():  # fmt: skip
        assert loss(joints, boxes, other) > 1e-6, name
    assert loss(joints.flip(1), boxes, flow) > 1e-5
    assert loss(joints, boxes.flip(1), flow) > 1e-4
    assert loss(joints, BOXES, flow) > 1e-4


def test_the_flow_is_read_where_the_joint_is_in_the_later_frame() -> None:
    """Only the right half moves; the joint comes from the left half."""
    flow = torch.zeros(1, 2, 2, 56, 56, dtype=torch.float64)
    flow[0, 1, 0, :, 28:], flow[0, 1, 1, :, 28:] = -40.0, 12.0
    joints = torch.tensor([[[[-0.15, 0.2]], [[0.2, 0.1]]]], dtype=torch.float64)
    back = traced_back(joints, flow)
    assert back.shape == (1, 1, 1, 2)
    assert back[0, 0, 0].tolist() == pytest.approx([0.2 - 40 * PX, 0.1 + 12 * PX])
    assert traced_back(joints.flip(1), flow)[0, 0, 0].tolist() == pytest.approx([-0.15, 0.2])


def test_cells_are_read_at_their_middles_and_in_between() -> None:
    flow = torch.randn(1, 2, 2, 56, 56, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    x, y = 17, 40
    places = torch.stack([MIDDLES[x], MIDDLES[y]])
    between = places + torch.tensor([1.0, 3.0]) * PX  # a quarter of the way right, three quarters down
    edge = torch.tensor([-1.0, MIDDLES[y]], dtype=torch.float64)
    beyond = torch.tensor([-1.7, 1.3], dtype=torch.float64)
    joints = torch.stack([places, between, edge, beyond]).expand(1, 2, 4, 2)
    read = (traced_back(joints, flow) - joints[:, 1:])[0, 0] / PX
    cells = flow[0, 1]
    upper, lower = (0.75 * cells[:, row, x] + 0.25 * cells[:, row, x + 1] for row in (y, y + 1))
    expected = [cells[:, y, x], 0.25 * upper + 0.75 * lower, cells[:, y, 0], cells[:, 55, 0]]
    assert torch.allclose(read, torch.stack(expected), atol=1e-9)


def test_the_flow_of_real_pictures_leads_back() -> None:
    """A texture that moves right and down, and OpenCV's flow of it from each frame to the one before."""
    chance = np.random.default_rng(4)
    texture = cv2.GaussianBlur(chance.integers(0, 256, (400, 400), np.uint8), (0, 0), 3)
    texture = cv2.normalize(texture, None, 0, 255, cv2.NORM_MINMAX)
    step = np.array([5, 3])
    shots = [np.ascontiguousarray(texture[(y := 80 - t * step[1]) : y + 224, (x := 80 - t * step[0]) : x + 224])
             for t in range(T)]  # fmt: skip
    dis = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    flow = torch.zeros(1, T, 2, 56, 56)
    for t in range(1, T):
        back = dis.calc(shots[t], shots[t - 1], None)
        flow[0, t] = torch.from_numpy(cv2.resize(back, (56, 56), interpolation=cv2.INTER_AREA)).permute(2, 0, 1)
    moved = torch.arange(T)[:, None, None] * torch.from_numpy(step) * PX
    start = 1.2 * (torch.rand(J, 2, generator=torch.Generator().manual_seed(5)) - 0.5)
    joints = (start + moved)[None].float()
    boxes, weights = BOXES.float(), ONES.float()
    right = loss(joints, boxes, flow, weights)
    assert right < (0.3 * PX) ** 2
    for wrong in (joints.flip(1), joints[:, :1].expand_as(joints), 2 * moved.float() + start):
        assert loss(wrong.reshape(joints.shape), boxes, flow, weights) > 30 * right


def test_what_is_still_in_the_video_is_still_though_crops_move() -> None:
    """The crop follows; a point of the background does not move where it is looked at through one crop."""
    boxes = moving()
    joints = (torch.tensor([610.0, 390.0], dtype=torch.float64) - boxes[..., None, :2]) / (boxes[..., None, 2:] / 2)
    flow = torch.full((1, T, 2, 56, 56), 1e-9, dtype=torch.float64)  # not zero: it is known
    assert joints.diff(dim=1).abs().min() > 0.01
    assert loss(joints, boxes, flow, ONES[..., :1]) < 1e-20
    assert loss(joints, BOXES, flow, ONES[..., :1]) > 1e-4


def test_it_is_the_mean_over_what_counts() -> None:
    pattern, boxes = Pattern(), moving()
    chance = torch.Generator().manual_seed(6)
    joints = pattern.joints(boxes) + 0.05 * torch.randn(1, T, J, 2, generator=chance, dtype=torch.float64)
    flow = pattern.flow(boxes)
    weights = torch.rand(1, T, J, generator=chance, dtype=torch.float64)
    flow[0, 2] = 0.0
    joints[0, 3, 4] = torch.tensor([1.2, 0.0])
    total, counted = 0.0, 0.0
    for t in (1, 3, 4):
        for j in range(J):
            if (t, j) == (3, 4):
                continue
            video = joints[0, t - 1, j] * boxes[0, t - 1, 2] / 2 + boxes[0, t - 1, :2]
            before = (video - boxes[0, t, :2]) / (boxes[0, t, 2] / 2)
            apart = traced_back(joints, flow)[0, t - 1, j] - before
            weight = float(min(weights[0, t, j], weights[0, t - 1, j]))
            total, counted = total + weight * float((apart**2).mean()), counted + weight
    assert loss(joints, boxes, flow, weights) == pytest.approx(total / counted)


def test_frames_without_flow_or_box_and_joints_outside_do_not_count() -> None:
    pattern, boxes = Pattern(), BOXES.clone()
    joints, flow = pattern.joints(boxes), pattern.flow(boxes)
    far = joints.clone()
    far[0, 2, 3] = torch.tensor([1e4, 0.0])
    assert loss(far, boxes, flow) > 1  # as the frame before frame 3 it counts
    unseen = flow.clone()
    unseen[0, 3] = 0
    assert loss(far, boxes, unseen) < 1e-20
    lost = boxes.clone()
    lost[0, 2] = 0
    assert loss(far, lost, flow) < 1e-20
    ignored = ONES.clone()
    ignored[0, 2, 3] = 0
    assert loss(far, boxes, flow, ignored) < 1e-20
    assert loss(far, boxes, torch.zeros_like(flow)) == 0
    # What frame 3's joint is read from is partly black: nothing is known of it, and of the others it still is.
    black = flow.clone()
    column, row = ((joints[0, 3, 3] / PX + 112) / 4 - 0.5).long().tolist()
    black[0, 3, :, row, column] = 0
    assert loss(far, boxes, black) < 1e-20
    black[0, 3, :, row, column], black[0, 3, :, row - 1, column] = flow[0, 3, :, row, column], 0
    assert loss(far, boxes, black) > 1
    assert loss(joints[:, :1], boxes[:, :1], flow[:, :1], ONES[:, :1]) == 0


def test_gradients_pull_both_frames_together_and_not_across_the_flow() -> None:
    pattern = Pattern(drift=(5.0, 0.0), angle=0.0, growth=1.0)
    flow = pattern.flow(BOXES)
    joints = pattern.joints(BOXES)
    joints[0, 2, 0, 0] += 0.1
    joints.requires_grad_()
    flow_loss(joints, flow, BOXES, ONES).backward()
    pulled = joints.grad[0, :, 0, 0]
    assert pulled[2] > 0
    assert pulled[1] == pytest.approx(-float(pulled[2]) / 2)
    assert pulled[3] == pytest.approx(-float(pulled[2]) / 2)
    assert joints.grad[0, :, 1:].abs().max() < 1e-12
    # Where flow is read is not to be moved: flow that differs from place to place pulls both frames alike, too.
    shorn = flow.clone()
    shorn[:, 1:] += 30 * grid()
    joints.grad = None
    flow_loss(joints, shorn, BOXES, ONES).backward()
    assert joints.grad.abs().max() > 1e-4
    assert joints.grad.sum(dim=1).abs().max() < 1e-12


def test_half_precision_flow_of_an_archive_will_do() -> None:
    pattern, boxes = Pattern(), moving()
    joints = pattern.joints(boxes).float()
    assert loss(joints, boxes.float(), pattern.flow(boxes).half(), ONES.float()) < (0.02 * PX) ** 2
