# SPDX-License-Identifier: MIT
"""A take against ground truth: reads the truth, finds who is who, and reports every measure with its unit."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from vibe_blender.contract.errors import CaptureError
from vibe_blender.contract.quaternions import Array
from vibe_blender.contract.skeleton import JOINT_COUNT, LIMB_JOINTS
from vibe_blender.contract.take import Person, Take

from . import metrics
from .npz import read_arrays

STANDS = 0.5
_STILL_M = 1e-3


@dataclass(frozen=True)
class TruePerson:
    """What one person in the video really did.

    Attributes:
        joints_world: (N, 24, 3) metres, world frame.
        joints_camera: (N, 24, 3) metres, camera frame.
        joints_image: (N, 24, 2) pixels, image frame.
        visible: (N,) bool, at least half of the joints are inside the image.
        contacts: (N, 2) bool, left and right foot stands.
    """

    joints_world: Array
    joints_camera: Array
    joints_image: Array
    visible: metrics.Flags
    contacts: metrics.Flags


@dataclass(frozen=True)
class Truth:
    """A video's ground truth, frame n of every array being video frame n.

    Attributes:
        name: the file's name.
        fps: frames per second.
        width_px, height_px: size of the image.
        camera_from_world: (N, 4, 4) rigid transforms, metres.
        people: everybody in the video.
    """

    name: str
    fps: float
    width_px: int
    height_px: int
    camera_from_world: Array
    people: tuple[TruePerson, ...]

    @property
    def camera_moves(self) -> bool:
        """Whether the camera stands anywhere else or looks anywhere else than in the first frame."""
        return bool(np.abs(self.camera_from_world - self.camera_from_world[:1]).max(initial=0.0) > _STILL_M)


@dataclass(frozen=True)
class PersonReport:
    """One person of the take against the true one, over the frames in which the true one is visible.

    ``docs/evaluation.md`` defines each measure. NaN, null in JSON, is a measure of nothing. The fields that begin with
    ``true_`` measure the truth itself: what a perfect take would score.

    Attributes:
        person: id in the take.
        true_person: number in the truth, from 0.
        frames: how many frames were compared.
        mpjpe_mm, pa_mpjpe_mm: 12 limb joints.
        w_mpjpe_mm, wa_mpjpe_mm: 12 limb joints in the world, chunks of 100 frames aligned by their first two frames, or
            by all of theirs.
        acceleration_error_mm_per_frame2, acceleration_error_m_per_s2: the same in both units in use.
        wrist_speed_ratio, ankle_speed_ratio: 95th percentiles, 1 is right.
        jitter_10m_per_s3, true_jitter_10m_per_s3: all joints, world frame.
        foot_slide_mm_per_frame: while the truth says the foot stands.
        own_foot_slide_mm_per_frame: while the take says so.
        true_foot_slide_mm_per_frame: the truth's feet while the truth says so.
        root_error_m, root_error_percent, true_path_m: path of the hips; no percentage of a path shorter than 1 m.
        bone_length_deviation_percent: worst bone.
        coverage: 0..1.
        contact_precision, contact_recall, contact_f1: 0..1.
    """

    person: int
    true_person: int
    frames: int
    mpjpe_mm: float
    pa_mpjpe_mm: float
    w_mpjpe_mm: float
    wa_mpjpe_mm: float
    acceleration_error_mm_per_frame2: float
    acceleration_error_m_per_s2: float
    wrist_speed_ratio: float
    ankle_speed_ratio: float
    jitter_10m_per_s3: float
    true_jitter_10m_per_s3: float
    foot_slide_mm_per_frame: float
    own_foot_slide_mm_per_frame: float
    true_foot_slide_mm_per_frame: float
    root_error_m: float
    root_error_percent: float | None
    true_path_m: float
    bone_length_deviation_percent: float
    coverage: float
    contact_precision: float
    contact_recall: float
    contact_f1: float


_ROWS = (
    ("frames", "Frames compared", "", 0),
    ("coverage", "Coverage", "0..1", 3),
    ("mpjpe_mm", "MPJPE, 12 limb joints, hips aligned", "mm", 1),
    ("pa_mpjpe_mm", "PA-MPJPE, 12 limb joints", "mm", 1),
    ("w_mpjpe_mm", "W-MPJPE, 100 frames, 12 limb joints", "mm", 1),
    ("wa_mpjpe_mm", "WA-MPJPE, 100 frames, 12 limb joints", "mm", 1),
    ("acceleration_error_mm_per_frame2", "Acceleration error", "mm/frame^2", 2),
    ("acceleration_error_m_per_s2", "", "m/s^2", 2),
    ("wrist_speed_ratio", "Wrist speed, 95 %, to the truth's", "ratio", 3),
    ("ankle_speed_ratio", "Ankle speed, 95 %, to the truth's", "ratio", 3),
    ("jitter_10m_per_s3", "Jitter", "10 m/s^3", 2),
    ("true_jitter_10m_per_s3", "  of the truth", "10 m/s^3", 2),
    ("foot_slide_mm_per_frame", "Foot slide, the truth's contacts", "mm/frame", 2),
    ("own_foot_slide_mm_per_frame", "  the take's own contacts", "mm/frame", 2),
    ("true_foot_slide_mm_per_frame", "  of the truth", "mm/frame", 2),
    ("root_error_m", "Root trajectory error", "m", 3),
    ("root_error_percent", "", "% of path", 2),
    ("true_path_m", "  length of the true path", "m", 2),
    ("bone_length_deviation_percent", "Bone length deviation, worst bone", "%", 4),
    ("contact_precision", "Foot contacts, precision", "0..1", 3),
    ("contact_recall", "Foot contacts, recall", "0..1", 3),
    ("contact_f1", "Foot contacts, F1", "0..1", 3),
)


@dataclass(frozen=True)
class EvaluationReport:
    """Everything ``vibe evaluate`` prints.

    Attributes:
        video: the take's video.
        truth: name of the truth file.
        estimator: of the take.
        people: a report per matched person, in the order of the take.
        missed_people: numbers in the truth of people the take does not have.
        extra_people: ids in the take of people the truth does not have, second tracks of one person among them.
        identity_switches: how often a true person is followed by another id than before.
        notes: what to know before comparing the figures.
    """

    video: str
    truth: str
    estimator: str
    people: tuple[PersonReport, ...]
    missed_people: tuple[int, ...]
    extra_people: tuple[int, ...]
    identity_switches: int
    notes: tuple[str, ...]

    def to_json(self) -> str:
        """The report as JSON text; the names are those of the fields."""
        record = asdict(self)
        record["people"] = [
            {name: None if isinstance(value, float) and math.isnan(value) else value for name, value in person.items()}
            for person in record["people"]
        ]
        return json.dumps(record, indent=2, ensure_ascii=False, allow_nan=False)

    def to_text(self) -> str:
        """The report as a table for a person to read, a column per person."""
        lines = [f"{self.video} against {self.truth} ({self.estimator})"]
        if self.people:
            heads = [f"person {person.person}" for person in self.people]
            lines.append(_row("", heads, ""))
            lines += [
                _row(label, [_number(getattr(person, name), digits) for person in self.people], unit)
                for name, label, unit, digits in _ROWS
            ]
        lines.append(_row("Identity switches", [str(self.identity_switches)], ""))
        if self.missed_people:
            lines.append(f"Missed: person {_listed(self.missed_people)} of the truth is not in the take.")
        if self.extra_people:
            lines.append(f"Extra: person {_listed(self.extra_people)} of the take is not in the truth.")
        return "\n".join([*lines, *(f"Note: {note}" for note in self.notes)])


def evaluate(take: Take, truth_path: Path) -> EvaluationReport:
    """Compares a take with a ground-truth file.

    Raises:
        CaptureError: ``truth_missing``, ``truth_invalid``, or ``truth_mismatch`` for the truth of another video.
    """
    truth = load_truth(truth_path)
    count = len(truth.camera_from_world)
    captured = range(take.video.first_frame, take.video.first_frame + len(take.video.times))
    if (take.video.width_px, take.video.height_px) != (truth.width_px, truth.height_px) or captured.stop > count:
        raise CaptureError(
            "truth_mismatch",
            f"{truth.name} is not the truth of this take's video: it has {count} frames of "
            f"{truth.width_px}x{truth.height_px}, the take frames {captured.start} to {captured.stop - 1} of "
            f"{take.video.width_px}x{take.video.height_px}.",
            "Give the truth file that belongs to the video.",
        )
    overlap = metrics.overlap_2d(_taken_in_image(take, count), _true_in_image(truth))
    pairs = metrics.match_people(overlap)
    return EvaluationReport(
        video=take.video.path,
        truth=truth.name,
        estimator=take.estimator,
        people=tuple(_person_report(take, take.people[p], truth, q) for p, q in pairs),
        missed_people=tuple(sorted(set(range(len(truth.people))) - {q for _, q in pairs})),
        extra_people=tuple(p.id for n, p in enumerate(take.people) if n not in {n for n, _ in pairs}),
        identity_switches=metrics.identity_switches(overlap),
        notes=_notes(take, truth),
    )


def load_truth(path: Path) -> Truth:
    """Reads a ground-truth file; keys as in ``docs/evaluation.md``.

    Raises:
        CaptureError: ``truth_missing`` or ``truth_invalid``.
    """
    path = Path(path)
    if not path.is_file():
        raise CaptureError("truth_missing", f"There is no ground-truth file at {path}.", "Check the path.")
    try:
        return _read_truth(path.name, read_arrays(path))
    except KeyError as error:
        raise _invalid(path, f"{error.args[0]} is missing") from error
    except (OSError, ValueError, TypeError) as error:
        raise _invalid(path, str(error)) from error


def _read_truth(name: str, stored: dict[str, np.ndarray]) -> Truth:
    cameras = stored["T_cam_from_world"]
    count = len(cameras)

    def array(key: str, *shape: int) -> np.ndarray:
        values = stored[key]
        if values.shape != (count, *shape):
            raise ValueError(f"{key} has shape {values.shape}, expected {(count, *shape)}")
        if not np.isfinite(values).all():
            raise ValueError(f"{key} is not finite everywhere")
        return values

    width, height = (int(value) for value in stored["size"])
    return Truth(
        name=name,
        fps=float(stored["fps"]),
        width_px=width,
        height_px=height,
        camera_from_world=array("T_cam_from_world", 4, 4),
        people=tuple(
            TruePerson(
                joints_world=array(f"joints_world_{i}", JOINT_COUNT, 3),
                joints_camera=array(f"joints_cam_{i}", JOINT_COUNT, 3),
                joints_image=array(f"joints2d_{i}", JOINT_COUNT, 2),
                visible=array(f"visible_{i}").astype(bool),
                contacts=array(f"foot_contact_{i}", 2).astype(bool),
            )
            for i in range(int(stored["n_people"]))
        ),
    )


def _person_report(take: Take, person: Person, truth: Truth, number: int) -> PersonReport:
    true = truth.people[number]
    seen = true.visible[person.frames]
    frames = person.frames[seen]
    world, true_world, true_camera = person.joints()[seen], true.joints_world[frames], true.joints_camera[frames]
    camera = take.camera.to_camera(world)
    limbs, true_limbs = world[:, LIMB_JOINTS], true_world[:, LIMB_JOINTS]
    stands, true_stands = person.contacts[seen] >= STANDS, true.contacts[frames]
    acceleration = metrics.acceleration_error(camera, true_camera, frames)
    path = metrics.root_trajectory_error(metrics.middle_of_hips(world), metrics.middle_of_hips(true_world))
    contact = metrics.contact_score(stands, true_stands)
    return PersonReport(
        person=person.id,
        true_person=number,
        frames=len(frames),
        mpjpe_mm=metrics.mpjpe(camera, true_camera),
        pa_mpjpe_mm=metrics.pa_mpjpe(camera, true_camera),
        w_mpjpe_mm=metrics.world_mpjpe(limbs, true_limbs, whole=False),
        wa_mpjpe_mm=metrics.world_mpjpe(limbs, true_limbs, whole=True),
        acceleration_error_mm_per_frame2=acceleration,
        acceleration_error_m_per_s2=metrics.metres_per_second2(acceleration, truth.fps),
        wrist_speed_ratio=metrics.speed_ratio(camera, true_camera, frames, metrics.WRISTS),
        ankle_speed_ratio=metrics.speed_ratio(camera, true_camera, frames, metrics.ANKLES),
        jitter_10m_per_s3=metrics.jitter(world, frames, truth.fps),
        true_jitter_10m_per_s3=metrics.jitter(true_world, frames, truth.fps),
        foot_slide_mm_per_frame=metrics.foot_slide(world, true_stands, frames),
        own_foot_slide_mm_per_frame=metrics.foot_slide(world, stands, frames),
        true_foot_slide_mm_per_frame=metrics.foot_slide(true_world, true_stands, frames),
        root_error_m=path.mean_m,
        root_error_percent=path.percent,
        true_path_m=path.length_m,
        bone_length_deviation_percent=metrics.bone_length_deviation(world),
        coverage=metrics.coverage(person.frames, true.visible),
        contact_precision=contact.precision,
        contact_recall=contact.recall,
        contact_f1=contact.f1,
    )


def _taken_in_image(take: Take, count: int) -> Array:
    """(P, N, 12, 2) pixels of the take's limb joints, NaN where a person is not there."""
    places = np.full((len(take.people), count, len(LIMB_JOINTS), 2), np.nan)
    for row, person in zip(places, take.people, strict=True):
        row[person.frames] = take.camera.project(person.joints()[:, LIMB_JOINTS])
    return places


def _true_in_image(truth: Truth) -> Array:
    """(Q, N, 12, 2) pixels of the true limb joints, NaN where a person is not visible."""
    places = np.full((len(truth.people), len(truth.camera_from_world), len(LIMB_JOINTS), 2), np.nan)
    for row, person in zip(places, truth.people, strict=True):
        row[person.visible] = person.joints_image[:, LIMB_JOINTS][person.visible]
    return places


def _notes(take: Take, truth: Truth) -> tuple[str, ...]:
    notes = []
    if truth.camera_moves:
        notes.append(
            "the camera of this video moves and the take's stands still, so its root trajectory, foot slide and jitter "
            "contain the camera's motion; the pose measures are taken in the camera's frame and do not."
        )
    missing = len(truth.camera_from_world) - len(take.video.times)
    if missing:
        notes.append(f"{missing} frames of the video are not in the take; coverage counts them as not covered.")
    if take.status != "complete":
        notes.append("the take is partial: its capture did not finish.")
    return tuple(notes)


def _row(label: str, values: list[str], unit: str) -> str:
    return f"{label:<36}{''.join(f'{value:>12}' for value in values)}  {unit}".rstrip()


def _number(value: float | None, digits: int) -> str:
    return "-" if value is None or math.isnan(value) else f"{value:.{digits}f}"


def _listed(numbers: tuple[int, ...]) -> str:
    return ", ".join(str(number) for number in numbers)


def _invalid(path: Path, why: str) -> CaptureError:
    return CaptureError(
        "truth_invalid",
        f"{path} is not a ground-truth file: {why}.",
        "Expected is an .npz with the arrays that docs/evaluation.md lists.",
    )
