# SPDX-License-Identifier: MIT
import numpy as np
import pytest

from vibe_blender.contract.quaternions import from_axis_angles, multiply, rotate, to_axis_angles
from vibe_blender.motion.legs import (
    bend_leg,
    changed_ankle,
    knee_give,
    lack_of_reach,
    leg_change,
    lifted_toes,
    reached,
    turn_between,
)

UPPER, LOWER = np.array([0.01, -0.415, -0.003]), np.array([0.0, -0.415, -0.037])
LENGTH = float(np.linalg.norm(UPPER) + np.linalg.norm(LOWER))


@pytest.fixture
def leg() -> dict[str, np.ndarray]:
    """Two hundred legs with bent knees, each in another direction."""
    rng = np.random.default_rng(1)
    thigh = from_axis_angles(rng.normal(size=(200, 3)))
    shin = multiply(thigh, from_axis_angles(rng.uniform(0.2, 1.5, (200, 1)) * [1.0, 0.0, 0.0]))
    hip = rng.normal(size=(200, 3))
    knee = hip + rotate(thigh, UPPER)
    return {"hip": hip, "knee": knee, "ankle": knee + rotate(shin, LOWER), "thigh": thigh, "shin": shin}


def posed(leg: dict[str, np.ndarray], thigh: np.ndarray, shin: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    knee = leg["hip"] + rotate(thigh, UPPER)
    return knee, knee + rotate(shin, LOWER)


def unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)


def test_an_ankle_comes_exactly_to_where_it_should_be(leg) -> None:
    rng = np.random.default_rng(2)
    target = leg["hip"] + unit(rng.normal(size=(200, 3))) * rng.uniform(0.3, 0.95, (200, 1)) * LENGTH
    thigh, shin = bend_leg(**leg, target=target)
    assert np.allclose(posed(leg, thigh, shin)[1], target, atol=1e-9)
    assert np.allclose(np.linalg.norm(thigh, axis=1), 1.0, atol=1e-12)


def test_an_ankle_that_is_there_already_changes_nothing(leg) -> None:
    thigh, shin = bend_leg(**leg, target=leg["ankle"])
    for new, old in ((thigh, leg["thigh"]), (shin, leg["shin"])):
        assert np.allclose(np.abs(np.sum(new * old, axis=1)), 1.0, atol=1e-12)


def test_the_plane_of_the_knee_goes_along_with_the_leg(leg) -> None:
    rng = np.random.default_rng(3)
    target = leg["ankle"] + rng.normal(scale=0.05, size=(200, 3))
    thigh, shin = bend_leg(**leg, target=target)
    knee, ankle = posed(leg, thigh, shin)
    swing = turn_between(unit(leg["ankle"] - leg["hip"]), unit(ankle - leg["hip"]))
    before = rotate(swing, unit(np.cross(leg["knee"] - leg["hip"], leg["ankle"] - leg["hip"])))
    after = unit(np.cross(knee - leg["hip"], ankle - leg["hip"]))
    assert np.allclose(np.sum(before * after, axis=1), 1.0, atol=1e-9)


def test_a_leg_never_stretches_and_points_to_what_it_cannot_reach(leg) -> None:
    target = leg["hip"] + unit(leg["ankle"] - leg["hip"]) * LENGTH * 1.3
    thigh, shin = bend_leg(**leg, target=target)
    _, ankle = posed(leg, thigh, shin)
    assert np.all(np.linalg.norm(ankle - leg["hip"], axis=1) <= LENGTH)
    assert np.allclose(unit(ankle - leg["hip"]), unit(target - leg["hip"]), atol=1e-9)


def test_changed_angles_bring_the_ankle_to_its_target_or_as_near_as_it_gets(leg) -> None:
    rng = np.random.default_rng(4)
    joints = leg["hip"], leg["knee"], leg["ankle"]
    target = leg["hip"] + unit(rng.normal(size=(200, 3))) * rng.uniform(0.4, 0.95, (200, 1)) * LENGTH
    change = leg_change(*joints, target)
    assert np.allclose(changed_ankle(*joints, change), target, atol=1e-9)
    assert np.allclose(changed_ankle(*joints, np.zeros((200, 4))), leg["ankle"], atol=1e-9)
    far = leg["hip"] + unit(target - leg["hip"]) * 1.4 * LENGTH
    ankle = changed_ankle(*joints, leg_change(*joints, far))
    assert np.all(np.linalg.norm(ankle - leg["hip"], axis=1) < LENGTH)
    assert np.allclose(unit(ankle - leg["hip"]), unit(far - leg["hip"]), atol=1e-9)


def test_a_knee_may_give_way_where_that_hardly_moves_the_ankle() -> None:
    bends = np.radians([2.0, 10.0, 30.0, 90.0])
    thigh = from_axis_angles(np.zeros((4, 3)))
    shin = from_axis_angles(bends[:, None] * [1.0, 0.0, 0.0])
    hip = np.zeros((4, 3))
    knee = rotate(thigh, UPPER)
    joints = hip, knee, knee + rotate(shin, LOWER)
    give = knee_give(*joints, np.zeros((4, 4)))
    assert np.all(np.diff(give) < 0.0)
    bent = np.concatenate([np.zeros((4, 3)), give[:, None]], axis=1)
    off = np.linalg.norm(changed_ankle(*joints, bent), axis=1) - np.linalg.norm(joints[2], axis=1)
    assert np.all(np.abs(off[1:]) < 1e-3)
    assert np.all(np.abs(off[2:]) < 1e-4)


def test_a_leg_straightens_ever_more_slowly() -> None:
    wanted = np.linspace(0.8, 1.5, 20000) * LENGTH
    span = reached(wanted, np.full(20000, 0.8 * LENGTH), np.array(LENGTH))
    steps = np.diff(span)
    assert np.all(span < LENGTH)
    assert np.all(steps >= 0.0)
    assert np.all(np.diff(steps) <= 1e-12)
    assert span[0] == wanted[0]


def test_a_leg_that_was_straight_may_stay_as_it_was() -> None:
    was = np.array([0.999 * LENGTH])
    assert reached(was, was, np.array(LENGTH)) == was


def test_a_knee_on_the_line_from_hip_to_ankle_bends_forwards() -> None:
    upper, lower = np.array([0.0, -0.4, 0.0]), np.array([0.0, -0.4, 0.0])
    none = np.array([[1.0, 0.0, 0.0, 0.0]])
    thigh, _ = bend_leg(np.zeros((1, 3)), upper[None], (upper + lower)[None], none, none, np.array([[0.0, -0.7, 0.0]]))
    assert rotate(thigh, upper)[0, 2] > 0.1


def test_how_far_a_hip_has_to_come_down() -> None:
    hip, was = np.array([[0.0, 0.0, 0.9]]), np.array([[0.0, 0.0, 0.1]])
    near, far = np.array([[0.1, 0.0, 0.2]]), np.array([[0.5, 0.0, 0.0]])
    assert lack_of_reach(hip, was, near, 0.9) == 0.0
    lack = lack_of_reach(hip, was, far, 0.9)
    assert lack > 0.0
    assert lack_of_reach(hip - [0.0, 0.0, lack[0]], was - [0.0, 0.0, lack[0]], far, 0.9) == pytest.approx(0.0, abs=1e-9)


def test_toes_turn_up_as_far_as_they_must_and_no_further_than_they_can() -> None:
    offset = np.array([0.0, -0.02, 0.065])
    level = np.array([np.sqrt(0.5), np.sqrt(0.5), 0.0, 0.0])  # body y is up, z goes ahead along -y
    down = multiply(from_axis_angles(np.array([0.6, 0.0, 0.0])), level)
    toes = np.stack([level, down, down])
    lifted = lifted_toes(toes, offset, np.array([-0.02, -0.02, 0.05]), np.radians(20.0))
    heights = rotate(lifted, offset)[:, 2]
    assert np.allclose(lifted[0], toes[0], atol=1e-12)
    assert heights[1] < -0.02  # 0.6 rad would be needed
    turned = to_axis_angles(multiply(lifted[1], down * [1.0, -1.0, -1.0, -1.0]))
    assert np.linalg.norm(turned) == pytest.approx(np.radians(20.0))
    free = lifted_toes(toes, offset, np.full(3, -0.02), np.pi)
    assert np.all(rotate(free, offset)[:, 2] >= -0.02 - 1e-12)


def test_opposite_directions_are_a_half_turn() -> None:
    for axis in np.eye(3):
        turn = turn_between(axis[None], -axis[None])
        assert np.allclose(rotate(turn, axis), -axis, atol=1e-12)
