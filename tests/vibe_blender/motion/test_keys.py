# SPDX-License-Identifier: MIT
import itertools

import numpy as np
import pytest

from vibe_blender.contract.quaternions import continuous, from_axis_angles, multiply
from vibe_blender.contract.skeleton import REST_JOINTS, forward_kinematics
from vibe_blender.motion.eulers import ORDERS, angles_to_quaternions, best_order, quaternions_to_angles
from vibe_blender.motion.keys import Bounds, KeyedTrack, Skeleton, Track, reduce_keys

COUNT = 120
FRAMES = 1.0 + 0.8 * np.arange(COUNT)


@pytest.fixture(scope="module")
def motion() -> tuple[np.ndarray, np.ndarray]:
    """Smooth rotations (T, 24, 4) and places (T, 3)."""
    random = np.random.default_rng(1)
    phase = np.arange(COUNT)[:, None, None] / random.uniform(8.0, 20.0, (24, 3)) + random.uniform(0, 6, (24, 3))
    turns = continuous(from_axis_angles(0.5 * np.sin(phase)))
    return turns, np.cumsum(0.02 * np.cos(np.arange(COUNT)[:, None] / [9.0, 13.0, 7.0]), axis=0)


def curve(track: KeyedTrack, smooth: bool) -> np.ndarray:
    """The values at all frames, by de Casteljau with handles a third of the way along."""
    found = []
    for frame in FRAMES:
        place = min(max(np.searchsorted(FRAMES[track.rows], frame, "right") - 1, 0), len(track.rows) - 2)
        start, end = FRAMES[track.rows[place]], FRAMES[track.rows[place + 1]]
        u, third = (frame - start) / (end - start), (end - start) / 3
        a, b = track.values[place], track.values[place + 1]
        points = [a, a + third * track.slopes[place], b - third * track.slopes[place + 1], b] if smooth else [a, b]
        while len(points) > 1:
            points = [(1 - u) * p + u * q for p, q in itertools.pairwise(points)]
        found.append(points[0])
    return np.array(found)


def unit(q: np.ndarray) -> np.ndarray:
    return q / np.linalg.norm(q, axis=-1, keepdims=True)


def degrees(one: np.ndarray, other: np.ndarray) -> float:
    return float(np.degrees(2 * np.arccos(np.clip(np.abs(np.sum(one * other, axis=-1)), 0, 1))).max())


@pytest.mark.parametrize("smooth", [True, False])
@pytest.mark.parametrize("order", ["", "XYZ"])
def test_the_bounds_hold_and_few_keys_are_left(motion, smooth, order) -> None:
    turns, places = motion
    still = np.tile([1.0, 0, 0, 0], (24, 1))
    tracks = tuple(
        Track(quaternions_to_angles(turns[:, joint], order) if order else turns[:, joint], order) for joint in range(24)
    )
    needed = np.zeros((25, COUNT), bool)
    needed[3, 17] = True
    bounds = Bounds(1.0, 5.0, smooth=smooth)
    joints, root = reduce_keys(FRAMES, tracks, Track(places), Skeleton(still, still, REST_JOINTS), needed, bounds)
    shown = [curve(track, smooth) for track in joints]
    shown = np.stack([angles_to_quaternions(q, order) if order else unit(q) for q in shown], axis=1)
    assert degrees(shown, turns) <= 1.0 + 1e-6
    before = forward_kinematics(REST_JOINTS, turns, places)[0]
    after = forward_kinematics(REST_JOINTS, shown, curve(root, smooth))[0]
    assert np.linalg.norm(after - before, axis=-1).max() <= 0.005 + 1e-9
    kept = sum(len(track.rows) for track in (*joints, root))
    assert kept < (0.35 if smooth else 0.6) * 25 * COUNT
    assert 17 in joints[3].rows


def test_every_so_many_frames(motion) -> None:
    turns, places = motion
    still = np.tile([1.0, 0, 0, 0], (24, 1))
    tracks = tuple(Track(turns[:, joint]) for joint in range(24))
    needed = np.zeros((25, COUNT), bool)
    needed[5, 33] = True
    joints, root = reduce_keys(
        FRAMES, tracks, Track(places), Skeleton(still, still, REST_JOINTS), needed, Bounds(every=10)
    )
    assert root.rows.tolist() == [*range(0, COUNT, 10), COUNT - 1]
    assert joints[5].rows.tolist() == sorted([*root.rows.tolist(), 33])


def test_a_cubic_needs_its_ends_only() -> None:
    x = FRAMES - FRAMES[0]
    places = np.stack([1e-5 * x**3, 2e-3 * x**2, x], axis=-1) * 0.01
    turns = np.tile([1.0, 0, 0, 0], (COUNT, 24, 1))
    still = turns[0]
    tracks = tuple(Track(turns[:, joint]) for joint in range(24))
    needed = np.zeros((25, COUNT), bool)
    _, root = reduce_keys(FRAMES, tracks, Track(places), Skeleton(still, still, REST_JOINTS), needed, Bounds())
    assert root.rows.tolist() == [0, COUNT - 1]
    np.testing.assert_allclose(curve(root, True), places, atol=1e-4)


@pytest.mark.parametrize("order", ORDERS)
def test_euler_angles_turn_the_same_and_do_not_jump(order) -> None:
    random = np.random.default_rng(4)
    middle = "XYZ".index(order[1])
    angles = np.cumsum(random.normal(scale=0.1, size=(400, 3)), axis=0)
    angles[:, middle] = 0.9 * np.sin(angles[:, middle])
    q = angles_to_quaternions(angles, order)
    back = quaternions_to_angles(q, order)
    assert degrees(angles_to_quaternions(back, order), q) < 1e-4
    assert np.abs(np.diff(back, axis=0)).max() < 0.5


def test_euler_angles_are_those_of_blender() -> None:
    pytest.importorskip("bpy")  # brings mathutils
    mathutils = pytest.importorskip("mathutils")
    random = np.random.default_rng(5)
    for order in ORDERS:
        angles = random.uniform(-3, 3, (20, 3))
        theirs = np.array([mathutils.Euler(row, order).to_quaternion() for row in angles])
        assert degrees(angles_to_quaternions(angles, order), theirs) < 0.1


def test_the_order_keeps_away_from_gimbal_lock() -> None:
    # About y by a right angle and to and fro about the others: y must not be the middle axis.
    random = np.random.default_rng(6)
    swing = np.cumsum(random.normal(scale=0.03, size=(200, 3)), axis=0) * [0.3, 1.0, 0.3]
    q = multiply(from_axis_angles(np.array([0.0, np.pi / 2, 0.0])), from_axis_angles(swing))
    assert best_order(q)[1] != "Y"
