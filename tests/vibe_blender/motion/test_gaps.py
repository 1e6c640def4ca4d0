# SPDX-License-Identifier: MIT
from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from vibe_blender.contract.quaternions import conjugate, continuous, from_axis_angles, multiply, to_axis_angles
from vibe_blender.contract.skeleton import JOINT_NAMES, REST_JOINTS
from vibe_blender.contract.take import NetworkWords, Person, Video
from vibe_blender.motion.gaps import FILLED_CONFIDENCE, fill, repair
from vibe_blender.motion.settings import Smoothing

FPS = 30.0
ELBOW, KNEE = JOINT_NAMES.index("left_elbow"), JOINT_NAMES.index("right_knee")


def swinging(count: int = 90, hz: float = 1.0, amplitude: float = 1.0) -> Person:
    """A person whose joints all swing about axes of their own, and who walks at 1 m/s, nodding."""
    times = np.arange(count) / FPS
    axes = np.random.default_rng(1).normal(size=(24, 3))
    axes /= np.linalg.norm(axes, axis=1, keepdims=True)
    angle = amplitude * np.sin(2 * np.pi * hz * times)
    return Person(
        id=1,
        frames=np.arange(count),
        rotations=continuous(from_axis_angles(angle[:, None, None] * axes)),
        root=np.stack([times, 0 * times, 1 + 0.05 * np.sin(2 * np.pi * 2 * times)], axis=1),
        contacts=np.stack([np.sin(times) > 0, np.sin(times) <= 0], axis=1).astype(float),
        confidence=np.full(count, 0.8),
        boxes=np.stack([100 * times, 100 * times, 50 + times, 80 + times], axis=1),
        rest_joints=REST_JOINTS,
        betas=np.zeros(10),
        keypoints=np.stack([np.stack([100 * times, 90 * times, 0 * times + 0.9], axis=1)] * 5, axis=1),
    )


def video(count: int = 90, times: np.ndarray | None = None, first_frame: int = 0) -> Video:
    return Video("walk.mp4", 960, 540, FPS, np.arange(count) / FPS if times is None else times, first_frame)


def without(person: Person, missing: slice | list[int]) -> Person:
    """The person not seen in some frames."""
    keep = np.delete(np.arange(len(person.frames)), missing)
    names = ("frames", "rotations", "root", "contacts", "confidence", "boxes", "keypoints")
    return replace(person, **{name: getattr(person, name)[keep] for name in names})


def clock(person: Person) -> np.ndarray:
    return person.frames / FPS


def apart(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """The angles (...) between rotations (..., 4), radians."""
    return np.linalg.norm(to_axis_angles(multiply(conjugate(a), b)), axis=-1)


@pytest.mark.parametrize("length", [1, 2])
@pytest.mark.parametrize("at", [1, 30, 87])
def test_wild_frames_are_mended_and_nothing_else_is_touched(at: int, length: int) -> None:
    person = swinging()
    wild = slice(at, min(at + length, 89))
    rotations, root = person.rotations.copy(), person.root.copy()
    rotations[wild, ELBOW] = multiply(rotations[wild, ELBOW], from_axis_angles(np.array([1.5, -1.0, 0.5])))
    root[wild] += [0.4, 0.8, -0.3]
    done = repair(replace(person, rotations=rotations, root=root), clock(person), Smoothing())
    assert apart(done.rotations[wild, ELBOW], person.rotations[wild, ELBOW]).max() < 0.1
    assert np.abs(done.root[wild] - person.root[wild]).max() < 0.02
    others = np.delete(np.arange(90), wild)
    np.testing.assert_array_equal(done.root[others], person.root[others])
    assert apart(done.rotations, person.rotations)[others].max() < 1e-9
    arm = [JOINT_NAMES.index(f"left_{part}") for part in ("collar", "shoulder", "elbow", "wrist", "hand")]
    assert np.delete(apart(done.rotations, person.rotations), arm, axis=1).max() < 1e-9
    assert apart(done.rotations, person.rotations).max() < 0.1


def test_a_half_turn_for_one_frame_is_mended_whatever_its_sign() -> None:
    person = swinging(amplitude=0.1)
    for sign in (1.0, -1.0):
        rotations = person.rotations.copy()
        rotations[40, KNEE] = sign * multiply(rotations[40, KNEE], from_axis_angles(np.array([0.0, np.pi, 0.0])))
        done = repair(replace(person, rotations=rotations), clock(person), Smoothing())
        assert apart(done.rotations[40, KNEE], person.rotations[40, KNEE]) < 0.01
        assert np.sum(done.rotations[1:] * done.rotations[:-1], axis=-1).min() > 0


def test_without_repair_wild_frames_stay() -> None:
    person = swinging()
    person.root[30] += 2.0
    assert repair(person, clock(person), Smoothing(repair=False)) is person


def test_fast_true_motion_is_not_touched() -> None:
    """Shakes, spins, sudden turns to stay, and a hand that strikes and bounces back."""
    person = swinging(hz=4.0, amplitude=0.8)
    times = clock(person)
    moves = {
        "spin": 2 * np.pi * 3.0 * times,
        "turn to stay": np.where(times < 1.0, 0.0, 1.5),
        "strike": 12.0 * np.abs(((times * 2) % 1.0) - 0.5) / 2,
        "kick": 1.8 * np.exp(-(((times - 1.5) / 0.08) ** 2)),
    }
    for joint, angle in zip((0, ELBOW, 19, KNEE), moves.values(), strict=True):
        person.rotations[:, joint] = from_axis_angles(angle[:, None] * np.array([0.0, 0.6, 0.8]))
    person = replace(person, rotations=continuous(person.rotations))
    person.root[:, 2] += np.maximum(0.0, 0.4 - 4.9 * (times - 1.5) ** 2)
    assert repair(person, times, Smoothing()) is person


@pytest.mark.parametrize("clip", ["dance", "jump_turn", "run_pan", "bend_scoop", "dribble_turns"])
def test_the_true_paths_of_dancers_jumpers_and_runners_are_not_touched(shared: Path, clip: str) -> None:
    """Each true joint's path, in the place of the body's, from motion capture: jumps, landings, running arms."""
    with np.load(shared / "clips" / f"{clip}.gt.npz") as truth:
        joints = truth["joints_world_0"].astype(float)
    still = swinging(len(joints), amplitude=0.0)
    for joint in range(24):
        person = replace(still, root=joints[:, joint])
        assert repair(person, clock(person), Smoothing()) is person


def test_jumps_across_a_gap_are_not_wild() -> None:
    person = without(swinging(), slice(30, 40))
    person.root[30] += 3.0
    person.root[31:] += 6.0
    assert repair(person, clock(person), Smoothing()) is person


@pytest.mark.parametrize("first_frame", [0, 12])
def test_short_gaps_are_filled(first_frame: int) -> None:
    person = swinging()
    seen = without(person, slice(40, 46))
    seen = replace(
        seen, frames=seen.frames + first_frame, rotations=seen.rotations * (-1.0) ** (seen.frames[:, None, None] // 7)
    )
    done = fill(seen, video(first_frame=first_frame), Smoothing())
    assert (done.frames - first_frame).tolist() == list(range(90))
    assert apart(done.rotations, person.rotations)[40:46].max() < 0.06
    np.testing.assert_allclose(done.root[40:46], person.root[40:46], atol=0.02)
    assert np.sum(done.rotations[1:] * done.rotations[:-1], axis=-1).min() > 0
    np.testing.assert_allclose(done.confidence[40:46], FILLED_CONFIDENCE * 0.8)
    np.testing.assert_allclose(done.boxes, person.boxes, atol=1e-9)
    np.testing.assert_allclose(done.keypoints[..., :2], person.keypoints[..., :2], atol=1e-9)
    assert (done.keypoints[40:46, :, 2] == 0).all()
    assert (done.keypoints[:40, :, 2] == 0.9).all()
    kept = np.delete(np.arange(90), slice(40, 46))
    np.testing.assert_array_equal(done.root[kept], seen.root)
    assert apart(done.rotations[kept], seen.rotations).max() < 1e-9


def test_speeds_go_on_into_a_gap_and_out_of_it() -> None:
    """A body thrown up: straight lines would cut its path, which is 0.3 m higher in the middle."""
    times = np.arange(90) / FPS
    person = swinging(amplitude=0.0)
    person.root[:, 2] = 1 + 4.9 * (1.0 - (times - 1.5) ** 2)
    done = fill(without(person, slice(38, 52)), video(), Smoothing())
    straight = (person.root[37, 2] + person.root[52, 2]) / 2
    assert person.root[45, 2] - straight > 0.25
    assert done.root[45, 2] == pytest.approx(person.root[45, 2], abs=0.08)
    steps = np.diff(done.root[:, 2])
    assert np.abs(np.diff(steps)).max() < 0.06


def test_a_steady_spin_goes_on_through_a_gap() -> None:
    times = np.arange(90) / FPS
    person = swinging()
    person.rotations[:, 0] = from_axis_angles(2 * np.pi * 0.6 * times[:, None] * np.array([0.0, 0.6, 0.8]))
    person = replace(person, rotations=continuous(person.rotations))
    done = fill(without(person, slice(40, 52)), video(), Smoothing())
    assert apart(done.rotations[:, 0], person.rotations[:, 0]).max() < 1e-9


def test_long_gaps_stay_open_and_the_length_is_in_seconds() -> None:
    person = without(swinging(), slice(40, 50))
    assert fill(person, video(), Smoothing(fill_s=9.5 / FPS)) is person
    assert len(fill(person, video(), Smoothing(fill_s=10.5 / FPS)).frames) == 90
    assert fill(person, video(), Smoothing(fill_s=0.0)) is person
    slow = np.arange(90) / 10.0
    assert fill(person, video(times=slow), Smoothing(fill_s=0.5)) is person


def test_several_gaps_and_uneven_times() -> None:
    times = np.cumsum(np.random.default_rng(2).uniform(0.02, 0.05, 90))
    person = swinging(amplitude=0.0)
    person = replace(person, root=times[:, None] * [1.0, 2.0, -1.0])
    frames = np.delete(np.arange(90), [3, 10, 11, 50, *range(60, 85)])
    seen = without(person, [3, 10, 11, 50, *range(60, 85)])
    done = fill(seen, video(times=times), Smoothing(fill_s=0.2))
    assert done.frames.tolist() == [*range(60), *range(85, 90)]
    np.testing.assert_allclose(done.root, times[done.frames][:, None] * [1.0, 2.0, -1.0], atol=1e-9)
    assert set(frames) < set(done.frames.tolist())


def test_a_lone_frame_beside_a_gap_is_enough() -> None:
    person = without(swinging(6), [1, 2, 4])
    done = fill(person, video(6), Smoothing())
    assert done.frames.tolist() == list(range(6))
    assert np.isfinite(done.root).all()


def test_words_are_dropped_where_frames_were_filled_of_which_nothing_was_said() -> None:
    whole = swinging()
    words = NetworkWords(np.zeros((84, 3)), np.zeros((84, 24, 3, 3)), np.zeros((84, 10)), np.zeros((84, 4)))
    person = replace(without(whole, slice(40, 46)), words=words)
    assert fill(person, video(), Smoothing()).words is None
    assert fill(person, video(), Smoothing(fill_s=0.0)).words is words
