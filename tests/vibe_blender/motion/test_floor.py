# SPDX-License-Identifier: MIT
from __future__ import annotations

import numpy as np
import pytest

from vibe_blender.contract.quaternions import from_axis_angles, multiply, to_matrices
from vibe_blender.contract.skeleton import REST_JOINTS
from vibe_blender.motion.floor import Seen, find_floor, sole_speeds

SOLE_M = 1.20


def stander(place: tuple[float, float], down_deg: float, height_m: float, size: float = 1.0, count: int = 60) -> Seen:
    """Somebody upright on the floor, ``place`` metres to the right and ahead, as a camera that looks down sees it."""
    upright = from_axis_angles(np.array([np.pi, 0.0, 0.0]))  # body y up to camera y down
    down = from_axis_angles(np.array([np.radians(down_deg), 0.0, 0.0]))
    rotations = np.tile([1.0, 0, 0, 0], (count, 24, 1))
    rotations[:, 0] = multiply(down, upright)
    pelvis = np.array([place[0], height_m - (SOLE_M + REST_JOINTS[0, 1]) * size, place[1]])
    root = np.tile(to_matrices(down) @ pelvis, (count, 1))
    return Seen(np.arange(count) / 30, rotations, root, REST_JOINTS * size, np.zeros(3))


def down_of(up: np.ndarray) -> float:
    return float(-np.degrees(np.arcsin(up[2])))


@pytest.mark.parametrize("down_deg", [0.0, 6.0, 12.0])
def test_people_near_and_far_show_the_slope_of_the_floor(down_deg: float) -> None:
    floor = find_floor([stander((0.0, depth), down_deg, 1.5) for depth in (3.0, 5.0, 9.0)])
    assert np.linalg.norm(floor.up) == pytest.approx(1.0)
    assert down_of(floor.up) == pytest.approx(down_deg, abs=1.0)
    assert -floor.level_m == pytest.approx(1.5, abs=0.1)


def test_a_person_read_too_near_does_not_tilt_the_floor_much() -> None:
    """Two people side by side, of whom one is 8 % smaller than was thought, so seen 8 % too near."""
    right = [stander((-1.0, 6.0), 6.0, 1.5), stander((1.0, 6.5), 6.0, 1.5)]
    near = right[1]
    wrong = Seen(near.times, near.rotations, near.root * 0.92, near.rest_joints * 0.92, near.eyes)
    assert abs(down_of(find_floor([right[0], wrong]).up) - down_of(find_floor(right).up)) < 1.0


def test_distances_that_waver_do_not_lift_the_camera_s_eye() -> None:
    """Somebody who stands in one place, but whose distance is read now too short, now too long."""
    still = stander((0.0, 4.0), 8.0, 1.5, count=240)
    waver = np.exp(0.08 * np.sin(np.arange(240) / 25.0))[:, None]
    wavering = Seen(still.times, still.rotations, still.root * waver, still.rest_joints, still.eyes)
    assert down_of(find_floor([wavering]).up) == pytest.approx(8.0, abs=3.0)


def test_a_camera_that_moves_finds_the_same_floor() -> None:
    still = stander((0.5, 5.0), 0.0, 1.4)
    eyes = np.linspace([-1.0, 0.0, 0.0], [1.0, 0.0, 0.0], 60)
    floor = find_floor([Seen(still.times, still.rotations, still.root, still.rest_joints, eyes)])
    assert down_of(floor.up) == pytest.approx(0.0, abs=0.5)
    assert -floor.level_m == pytest.approx(1.4, abs=0.05)


def test_speeds_along_the_line_of_sight_count_half() -> None:
    times = np.array([0.0, 0.1, 0.3])
    eye = np.array([1.0, 2.0, 3.0])
    sight, across = np.array([0.6, 0.0, 0.8]), np.array([0.8, 0.0, -0.6])
    along = eye + 5 * sight + times[:, None] * 2.0 * sight
    assert sole_speeds(along[:, None], times, eye) == pytest.approx(np.full((3, 1), 1.0))
    beside = eye + 1e4 * sight + times[:, None] * 2.0 * across
    assert sole_speeds(beside[:, None], times, np.tile(eye, (3, 1))) == pytest.approx(np.full((3, 1), 2.0), rel=1e-3)
    assert np.array_equal(sole_speeds(along[:1, None], times[:1], eye), np.zeros((1, 1)))
