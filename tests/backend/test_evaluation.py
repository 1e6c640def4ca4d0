# SPDX-License-Identifier: MIT
"""Takes made from their own truth, and from the truth spoilt in a known way."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest

from backend.evaluation import EvaluationReport, PersonReport, evaluate, load_truth
from vibe_blender.contract import quaternions
from vibe_blender.contract.errors import CaptureError
from vibe_blender.contract.skeleton import JOINT_COUNT, REST_JOINTS
from vibe_blender.contract.take import Camera, Person, Take, Video

COUNT = 60
PERFECT = {
    "mpjpe_mm": 0, "pa_mpjpe_mm": 0, "w_mpjpe_mm": 0, "wa_mpjpe_mm": 0,
    "acceleration_error_mm_per_frame2": 0, "acceleration_error_m_per_s2": 0,
    "wrist_speed_ratio": 1, "ankle_speed_ratio": 1, "root_error_m": 0, "root_error_percent": 0,
    "bone_length_deviation_percent": 0, "coverage": 1, "contact_precision": 1, "contact_recall": 1, "contact_f1": 1,
}  # fmt: skip


def made_take(people: int = 1, count: int = COUNT) -> Take:
    """People who walk past a camera at 4 m, the first to the right, the second to the left."""
    time = np.arange(count) / 30
    from_world = np.eye(4)
    from_world[:3, :3] = [[1, 0, 0], [0, 0, -1], [0, 1, 0]]
    from_world[:3, 3] = [0, 1.2, 4]
    members = []
    for number in range(people):
        random = np.random.default_rng(number)
        swing = 0.4 * random.normal(size=(1, JOINT_COUNT, 3)) * np.sin(6 * time + number)[:, None, None]
        swing[:, 0] = [np.pi / 2, 0, 0]
        direction = 1 - 2 * number
        root = np.stack([direction * (1.5 * time - 1.4), 0.1 * time + number, 1 + 0 * time], axis=-1)
        members.append(
            Person(
                id=number + 1,
                frames=np.arange(count),
                rotations=quaternions.from_axis_angles(swing),
                root=root,
                contacts=np.stack([np.sin(6 * time) > 0, np.sin(6 * time) < 0], axis=-1).astype(float),
                confidence=np.ones(count),
                boxes=np.zeros((count, 4)),
                rest_joints=REST_JOINTS,
                betas=np.zeros(10),
                keypoints=np.zeros((count, 0, 3)),
            )
        )
    camera = Camera(900.0, np.array([480.0, 270.0]), from_world)
    return Take(Video("walk.mp4", 960, 540, 30.0, time), camera, tuple(members))


def truth_of(take: Take) -> dict[str, np.ndarray]:
    """The arrays of a truth file that says the take is exact."""
    count = len(take.video.times)
    arrays = {
        "fps": np.array(take.video.fps),
        "size": np.array([take.video.width_px, take.video.height_px]),
        "n_people": np.array(len(take.people)),
        "T_cam_from_world": np.tile(take.camera.from_world, (count, 1, 1)),
    }
    for i, person in enumerate(take.people):
        joints = person.joints()
        arrays |= {
            f"joints_world_{i}": joints,
            f"joints_cam_{i}": take.camera.to_camera(joints),
            f"joints2d_{i}": take.camera.project(joints),
            f"visible_{i}": np.ones(count, dtype=bool),
            f"foot_contact_{i}": person.contacts > 0.5,
        }
    return arrays


@pytest.fixture
def against(tmp_path: Path) -> Callable[..., EvaluationReport]:
    """Evaluates a take against truth arrays."""

    def run(take: Take, truth: dict[str, np.ndarray]) -> EvaluationReport:
        np.savez(tmp_path / "made.gt.npz", **truth)
        return evaluate(take, tmp_path / "made.gt.npz")

    return run


def with_person(take: Take, number: int, **changes) -> Take:
    people = list(take.people)
    people[number] = replace(people[number], **changes)
    return replace(take, people=tuple(people))


def cut(person: Person, keep: np.ndarray) -> dict[str, np.ndarray]:
    names = ("frames", "rotations", "root", "contacts", "confidence", "boxes", "keypoints")
    return {name: getattr(person, name)[keep] for name in names}


def test_the_truth_itself_is_perfect(against) -> None:
    take = made_take(people=2)
    report = against(take, truth_of(take))
    assert [(person.person, person.true_person) for person in report.people] == [(1, 0), (2, 1)]
    for person in report.people:
        for name, value in PERFECT.items():
            assert getattr(person, name) == pytest.approx(value, abs=1e-9), name
        assert person.frames == COUNT
        assert person.jitter_10m_per_s3 == pytest.approx(person.true_jitter_10m_per_s3)
        assert person.foot_slide_mm_per_frame == pytest.approx(person.true_foot_slide_mm_per_frame)
        assert person.own_foot_slide_mm_per_frame == pytest.approx(person.true_foot_slide_mm_per_frame)
    assert (report.identity_switches, report.missed_people, report.extra_people, report.notes) == (0, (), (), ())


def test_people_are_matched_whatever_their_order(against) -> None:
    take = made_take(people=2)
    truth = truth_of(take)
    report = against(replace(take, people=take.people[::-1]), truth)
    assert [(person.person, person.true_person) for person in report.people] == [(2, 1), (1, 0)]
    assert all(person.mpjpe_mm == pytest.approx(0, abs=1e-9) for person in report.people)


def test_the_take_may_have_its_own_world(against) -> None:
    take = made_take()
    turn = quaternions.from_axis_angles(np.array([0, 0, 0.7]))
    shift = np.array([3.0, 2.0, 0.0])
    person = take.people[0]
    rotations = person.rotations.copy()
    rotations[:, 0] = quaternions.multiply(turn, rotations[:, 0])
    back = np.eye(4)
    back[:3, :3] = quaternions.to_matrices(turn).T
    back[:3, 3] = -back[:3, :3] @ shift
    moved = with_person(take, 0, rotations=rotations, root=quaternions.rotate(turn, person.root) + shift)
    moved = replace(moved, camera=replace(take.camera, from_world=take.camera.from_world @ back))
    report = against(moved, truth_of(take)).people[0]
    for name, value in PERFECT.items():
        assert getattr(report, name) == pytest.approx(value, abs=1e-9), name


def test_a_path_error_is_no_pose_error(against) -> None:
    take = made_take()
    root = take.people[0].root.copy()
    root[:, 1] += 0.3 * np.sin(np.linspace(0, 12, COUNT))
    report = against(with_person(take, 0, root=root), truth_of(take)).people[0]
    assert report.root_error_m > 0.1
    assert report.root_error_percent == pytest.approx(100 * report.root_error_m / report.true_path_m)
    assert report.mpjpe_mm == pytest.approx(0, abs=1e-9)
    assert report.wrist_speed_ratio == pytest.approx(1)


def test_gaps_cost_coverage_and_nothing_else(against) -> None:
    take = made_take()
    keep = np.r_[0:20, 35:COUNT]
    report = against(with_person(take, 0, **cut(take.people[0], keep)), truth_of(take)).people[0]
    assert report.coverage == pytest.approx(45 / 60)
    assert report.frames == 45
    assert report.acceleration_error_mm_per_frame2 == pytest.approx(0, abs=1e-9)
    assert report.ankle_speed_ratio == pytest.approx(1)


def test_frames_in_which_the_person_cannot_be_seen_do_not_count(against) -> None:
    take = made_take()
    truth = truth_of(take)
    truth["visible_0"][40:] = False
    truth["joints_cam_0"][40:] += np.random.default_rng(0).normal(size=(20, JOINT_COUNT, 3))
    report = against(with_person(take, 0, **cut(take.people[0], np.arange(50))), truth).people[0]
    assert (report.frames, report.coverage) == (40, 1.0)
    assert report.mpjpe_mm == pytest.approx(0, abs=1e-9)


def test_swapped_people_are_counted(against) -> None:
    take = made_take(people=2)
    first, second = take.people
    late = np.arange(COUNT) >= 50
    swapped = [
        replace(a, **{name: np.where(late.reshape(-1, *[1] * (getattr(a, name).ndim - 1)), getattr(b, name), value)
                      for name, value in cut(a, np.arange(COUNT)).items()})
        for a, b in ((first, second), (second, first))
    ]  # fmt: skip
    report = against(replace(take, people=tuple(swapped)), truth_of(take))
    assert report.identity_switches == 2
    assert [(person.person, person.true_person) for person in report.people] == [(1, 0), (2, 1)]


def test_a_second_track_of_one_person_is_extra(against) -> None:
    take = made_take()
    person = take.people[0]
    tracks = tuple(
        replace(person, id=number, **cut(person, keep))
        for number, keep in ((4, np.arange(20)), (7, np.arange(20, COUNT)))
    )
    report = against(replace(take, people=tracks), truth_of(take))
    assert [(matched.person, matched.coverage) for matched in report.people] == [(7, pytest.approx(40 / 60))]
    assert (report.extra_people, report.identity_switches) == ((4,), 1)


def test_nobody_captured(against) -> None:
    take = made_take()
    report = against(replace(take, people=()), truth_of(take))
    assert (report.people, report.missed_people, report.identity_switches) == ((), (0,), 0)
    assert "Missed: person 0" in report.to_text()


def test_somebody_else_captured(against) -> None:
    take = made_take()
    away = with_person(take, 0, root=take.people[0].root + np.array([2.0, 0.0, 0.0]))
    report = against(away, truth_of(take))
    assert (report.missed_people, report.extra_people) == ((0,), (1,))


def test_a_range_of_frames_is_compared_in_place_and_noted(against) -> None:
    take = made_take()
    truth = truth_of(take)
    part = with_person(take, 0, **cut(take.people[0], np.arange(10, 40)))
    part = replace(part, video=replace(take.video, times=take.video.times[10:40], first_frame=10), status="partial")
    report = against(part, truth)
    assert report.people[0].coverage == pytest.approx(0.5)
    assert report.people[0].mpjpe_mm == pytest.approx(0, abs=1e-9)
    assert len(report.notes) == 2


def test_a_moving_camera_is_noted(against) -> None:
    take = made_take()
    truth = truth_of(take)
    truth["T_cam_from_world"][:, 0, 3] += np.linspace(0, 1, COUNT)
    assert "the camera of this video moves" in against(take, truth).notes[0]


def test_json_has_every_measure_and_no_nan(against) -> None:
    take = made_take()
    truth = truth_of(take)
    truth["foot_contact_0"][:] = False
    record = json.loads(against(take, truth).to_json())
    assert set(record["people"][0]) == {item.name for item in fields(PersonReport)}
    assert record["people"][0]["foot_slide_mm_per_frame"] is None
    assert record["people"][0]["contact_recall"] is None
    assert record["people"][0]["coverage"] == 1.0


def test_text_names_every_measure_once_with_its_unit(against) -> None:
    take = made_take(people=2)
    text = against(take, truth_of(take)).to_text()
    lines = text.splitlines()
    assert lines[0] == "walk.mp4 against made.gt.npz (keypoints)"
    assert lines[1].split() == ["person", "1", "person", "2"]
    (mpjpe,) = [line for line in lines if line.startswith("MPJPE")]
    assert mpjpe.split()[-3:] == ["0.0", "0.0", "mm"]
    assert max(map(len, lines)) <= 80
    assert len([line for line in lines if " of the truth" in line]) == 2


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda truth: truth.pop("visible_0"), "visible_0"),
        (lambda truth: truth.pop("fps"), "fps"),
        (lambda truth: truth.update(joints_cam_0=np.zeros((COUNT, 22, 3))), "joints_cam_0"),
        (lambda truth: truth.update(joints_world_0=np.zeros((COUNT - 1, 24, 3))), "joints_world_0"),
        (lambda truth: truth.update(joints2d_0=np.full((COUNT, 24, 2), np.nan)), "joints2d_0"),
        (lambda truth: truth.update(size=np.array(3)), "not"),
        (lambda truth: truth.update(fps=np.array("fast")), "fast"),
        (lambda truth: truth.update(n_people=np.array([object()], dtype=object)), "allow_pickle"),
    ],
)
def test_a_file_with_wrong_arrays_is_refused(against, spoil, reason) -> None:
    take = made_take()
    truth = truth_of(take)
    spoil(truth)
    with pytest.raises(CaptureError, match=reason) as caught:
        against(take, truth)
    assert caught.value.code == "truth_invalid"
    assert caught.value.hint


@pytest.mark.parametrize("content", [b"", b"not a zip", b"PK\x03\x04 cut short", b"\x80\x04N."])
def test_a_file_that_is_no_npz_is_refused(tmp_path, content) -> None:
    path = tmp_path / "truth 🎬.npz"
    path.write_bytes(content)
    with pytest.raises(CaptureError) as caught:
        load_truth(path)
    assert caught.value.code == "truth_invalid"


def test_a_truncated_or_damaged_truth_is_refused(tmp_path) -> None:
    path = tmp_path / "made.gt.npz"
    np.savez_compressed(path, **truth_of(made_take()))
    whole = path.read_bytes()
    damaged = bytearray(whole)
    for place in range(len(damaged) // 4, len(damaged) * 3 // 4, 97):
        damaged[place] ^= 0x5A
    for content in (whole[: len(whole) // 2], bytes(damaged)):
        path.write_bytes(content)
        with pytest.raises(CaptureError) as caught:
            load_truth(path)
        assert caught.value.code == "truth_invalid"


def test_a_missing_file_and_a_folder_are_named(tmp_path) -> None:
    for path in (tmp_path / "nothing.npz", tmp_path):
        with pytest.raises(CaptureError, match="no ground-truth file") as caught:
            evaluate(made_take(), path)
        assert caught.value.code == "truth_missing"


@pytest.mark.parametrize("video", [{"width_px": 640}, {"times": np.arange(COUNT + 1) / 30}])
def test_the_truth_of_another_video_is_refused(against, video) -> None:
    take = made_take()
    truth = truth_of(take)
    with pytest.raises(CaptureError) as caught:
        against(replace(take, video=replace(take.video, **video)), truth)
    assert caught.value.code == "truth_mismatch"


def test_the_shared_truth_files_are_read(shared) -> None:
    paths = sorted((shared / "clips").glob("*.gt.npz"))
    truths = {path.name.removesuffix(".gt.npz"): load_truth(path) for path in paths}
    assert len(truths) >= 11
    assert {name for name, truth in truths.items() if truth.camera_moves} == {"run_pan", "moving_camera"}
    assert {name: len(truth.people) for name, truth in truths.items() if len(truth.people) != 1} == {"two_cross": 2}
