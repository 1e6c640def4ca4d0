# SPDX-License-Identifier: MIT
"""What ``--refine`` does on every clip of a folder with ground truth, as two Markdown tables.

    python tests/benchmarks/refinement_table.py --clips DIR [--takes DIR] [capture options]

The first table is the default road, captured without and with ``--refine``. The second SIMULATES the VIBE road:
the published weights are not here, so the network's words are made from the clips' truth, with errors in pose, shape
and camera that last for about half a second, and some that do not last, about as large as VIBE's. They go the whole way
of real words (``WordsEstimator``), on our own body instead of SMPL, with the landmarks that were really read.

Image distances are in percent of the longer side of the person's box: to the landmarks (weighed by the square of their
visibility), and of the twelve limb joints to their true places.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
from clips_table import REPOSITORY, captured, truth_beside  # which makes the repository importable
from scipy.ndimage import gaussian_filter1d
from scipy.optimize import least_squares
from scipy.spatial.transform import Rotation

from backend.body.kinematics import GROUP_COUNT, UNKNOWNS, Points, posed
from backend.body.marks import MarkedBody, mannequin_marks
from backend.body.model import BodyModel, load
from backend.estimators.estimate import Estimate
from backend.estimators.vibe import WordsEstimator
from backend.estimators.words import Said
from backend.evaluation import PersonReport, Truth, evaluate, load_truth
from backend.refinement import refine
from backend.refinement.cost import Change, Stretch
from backend.world import find_ground, place
from vibe_blender.contract.quaternions import to_matrices
from vibe_blender.contract.skeleton import LIMB_JOINTS, PARENTS
from vibe_blender.contract.take import NetworkWords, Person, Take
from vibe_blender.contract.take_file import load_take

Row = tuple[float, ...]
HEADS = (
    "to the landmarks %", "to the truth %", "PA-MPJPE mm", "MPJPE mm", "accel. error mm/frame²", "foot slide mm/frame",
)  # fmt: skip
LIMBS = list(LIMB_JOINTS)
LASTING_SECONDS = 0.5
TURN_RAD, ROOT_TURN_RAD, JITTER_RAD = 0.11, 0.08, 0.012
SHAPE, SHAPE_JITTER = 0.7, 0.2
SCALE, SHIFT_M = 0.03, 0.03


def main() -> int:
    """Prints both tables; 1 where a clip could not be captured."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--clips", type=Path, required=True)
    parser.add_argument("--takes", type=Path)
    arguments, options = parser.parse_known_args()
    clips = sorted(path for path in arguments.clips.glob("*.mp4") if truth_beside(path).is_file())
    body = load(REPOSITORY / "vibe_blender" / "assets" / "mannequin.npz")
    marks = mannequin_marks(body)
    with tempfile.TemporaryDirectory() as temporary:
        folders = [(arguments.takes or Path(temporary)) / name for name in ("plain", "refined")]
        for folder, more in zip(folders, ([], ["--refine"]), strict=True):
            folder.mkdir(parents=True, exist_ok=True)
            if not all(captured(clip, folder, [*options, *more]) for clip in clips):
                return 1
        takes = {clip: [load_take(folder / f"{clip.stem}.take") for folder in folders] for clip in clips}
    print("The default road:\n")
    print_table({clip: [measures(take, truth_beside(clip), marks) for take in pair] for clip, pair in takes.items()})
    print("\nThe VIBE road, SIMULATED:\n")
    seconds, frames, rows = 0.0, 0, {}
    for seed, (clip, (take, _)) in enumerate(takes.items()):
        before = simulated(take, load_truth(truth_beside(clip)), body, np.random.default_rng(seed))
        began = time.perf_counter()
        after = [refine(e, marks, take.camera.focal_px, take.camera.centre_px).estimate for e in before]
        seconds += time.perf_counter() - began
        frames += sum(len(estimate.frames) for estimate in before)
        rows[clip] = [measures(with_motion(take, e), truth_beside(clip), marks) for e in (before, after)]
    print_table(rows)
    print(f"\nRefined {frames / seconds:.0f} frames per second.")
    return 0


def print_table(rows: dict[Path, list[list[Row]]]) -> None:
    """Prints a row per person, before → after, and the means."""
    print("| clip |", " | ".join(HEADS), "|")
    print("|" + "---|" * (len(HEADS) + 1))
    for clip, (before, after) in rows.items():
        for number, pair in enumerate(zip(before, after, strict=True)):
            name = clip.stem if len(before) == 1 else f"{clip.stem}, person {number}"
            print(f"| {name} |", " | ".join(f"{a:.2f} → {b:.2f}" for a, b in zip(*pair, strict=True)), "|")
    means = [np.mean([row for people in rows.values() for row in people[step]], axis=0) for step in (0, 1)]
    print("| **mean** |", " | ".join(f"**{a:.2f} → {b:.2f}**" for a, b in zip(*means, strict=True)), "|")


def measures(take: Take, truth_path: Path, marks: MarkedBody) -> list[Row]:
    """What stands in the columns, for every true person that the take has."""
    truth, report = load_truth(truth_path), evaluate(take, truth_path)
    found = sorted(report.people, key=lambda person: person.true_person)
    return [_measures(take, truth, person, marks) for person in found]


def _measures(take: Take, truth: Truth, report: PersonReport, marks: MarkedBody) -> Row:
    person, true = take.person(report.person), truth.people[report.true_person]
    shown = posed(person.root, to_matrices(person.rotations), person.rest_joints)
    side = person.boxes[:, 2:].max(axis=1)[:, None]
    landmarks = take.camera.project(shown.points(marks.landmarks(person.betas)))
    weight = person.keypoints[..., 2] ** 2
    missed = np.linalg.norm(landmarks - person.keypoints[..., :2], axis=-1) / side
    limbs = take.camera.project(shown.positions[:, LIMBS]) - true.joints_image[person.frames][:, LIMBS]
    untrue = (np.linalg.norm(limbs, axis=-1) / side)[true.visible[person.frames]]
    return (
        100 * float(np.sum(weight * missed) / np.sum(weight)),
        100 * float(untrue.mean()),
        report.pa_mpjpe_mm,
        report.mpjpe_mm,
        report.acceleration_error_mm_per_frame2,
        report.foot_slide_mm_per_frame,
    )


def with_motion(take: Take, estimates: list[Estimate]) -> Take:
    """The take with other motion of the same people."""
    ground = find_ground(estimates)
    people = tuple(place(e, ground, person.id) for e, person in zip(estimates, take.people, strict=True))
    return replace(take, camera=ground.camera(take.camera.focal_px, take.camera.centre_px), people=people)


def simulated(take: Take, truth: Truth, body: BodyModel, random: np.random.Generator) -> list[Estimate]:
    """What the VIBE road would make of a network's words about every person of a take."""
    estimator = WordsEstimator(body, take.camera.focal_px, take.camera.centre_px)
    return [estimator.estimate(_said(take, person, truth, body, random)) for person in take.people]


def _said(take: Take, person: Person, truth: Truth, body: BodyModel, random: np.random.Generator) -> Said:
    """The words: the truth on our body, as a network that errs would put it."""
    centre, focal = take.camera.centre_px, take.camera.focal_px
    limbs = take.camera.project(person.joints()[:, LIMBS])
    gaps = [np.linalg.norm(limbs - true.joints_image[person.frames][:, LIMBS], axis=-1).mean() for true in truth.people]
    true = truth.people[int(np.argmin(gaps))]
    betas, root, rotations = _on_our_body(true.joints_camera[person.frames], take, person, mannequin_marks(body))
    count, rest = len(person.frames), body.rest_joints(betas)
    errors = lasting(random, (count, 24, 3), truth.fps) * TURN_RAD + random.normal(size=(count, 24, 3)) * JITTER_RAD
    errors[:, 0] *= ROOT_TURN_RAD / TURN_RAD
    wrong = rotations @ Rotation.from_rotvec(errors.reshape(-1, 3)).as_matrix().reshape(rotations.shape)
    squares = np.concatenate([person.boxes[:, :2], np.repeat(1.2 * person.boxes[:, 2:].max(axis=1)[:, None], 2, 1)], 1)
    # The true lens is another than the take's: a network that sees crops puts the body where it looks as large.
    hips = (true.joints_image[person.frames][:, 1] + true.joints_image[person.frames][:, 2]) / 2
    true_focal = float(np.median(_focal(true.joints_camera[person.frames], true.joints_image[person.frames])))
    depth = root[:, 2:] * focal / true_focal
    middle = posed(root, rotations, rest).positions[:, [1, 2]].mean(axis=1) - root
    origin = np.concatenate([(hips - centre) / focal * depth - middle[:, :2], depth], axis=1) - rest[0]
    scale = 2 * focal / (squares[:, 2] * origin[:, 2])
    shift = origin[:, :2] - 2 * (squares[:, :2] - centre) / (scale * squares[:, 2])[:, None]
    camera = np.concatenate([(scale * np.exp(SCALE * lasting(random, (count,), truth.fps)))[:, None], shift], axis=1)
    camera[:, 1:] += SHIFT_M * lasting(random, (count, 2), truth.fps)
    shapes = betas + SHAPE * random.normal(size=10) + SHAPE_JITTER * lasting(random, (count, 10), truth.fps)
    words = NetworkWords(camera, wrong, shapes, squares)
    times = take.video.times[person.frames - take.video.first_frame]
    return Said(person.frames, times, person.boxes, words, person.keypoints)


def lasting(random: np.random.Generator, shape: tuple[int, ...], fps: float) -> np.ndarray:
    """Noise of variance 1 that lasts, along the first axis, for about ``LASTING_SECONDS``."""
    frames = LASTING_SECONDS * fps / 2
    pad = int(4 * frames)
    noise = gaussian_filter1d(random.normal(size=(shape[0] + 2 * pad, *shape[1:])), frames, axis=0)[pad:-pad]
    return noise * np.sqrt(2 * np.sqrt(np.pi) * frames)


def _focal(camera: np.ndarray, image: np.ndarray) -> np.ndarray:
    """(T,) focal length in pixels, from the spread of joints (T, 24, 3) and their pixels (T, 24, 2)."""
    rays = camera[..., :2] / camera[..., 2:]
    return np.ptp(image, axis=1).sum(axis=1) / np.ptp(rays, axis=1).sum(axis=1)


def _on_our_body(joints: np.ndarray, take: Take, person: Person, marks: MarkedBody) -> tuple[np.ndarray, ...]:
    """Betas (10,), root (T, 3) and rotations (T, 24, 3, 3), camera frame, that bring our joints to the true ones."""
    ends = [joint for joint in range(1, 24) if joint in LIMBS and PARENTS[joint] in LIMBS]
    bases = [PARENTS[joint] for joint in ends]
    lengths = np.linalg.norm(joints[:, ends] - joints[:, bases], axis=-1).mean(axis=0)

    def misfit(betas: np.ndarray) -> np.ndarray:
        rest = marks.rest_joints(betas)
        return np.concatenate([np.linalg.norm(rest[ends] - rest[bases], axis=-1) - lengths, 0.003 * betas])

    betas = least_squares(misfit, np.zeros(10)).x
    rotations = to_matrices(person.rotations)
    rotations[:, 0] = take.camera.from_world[:3, :3] @ rotations[:, 0]
    root = joints[:, [1, 2]].mean(axis=1)
    empty = np.zeros((len(joints), 0))
    start = Stretch(empty, root, rotations, empty, empty, empty, empty)
    points, change = Points(np.arange(24), np.zeros((24, 3))), Change.none(len(joints))
    weight = np.where(np.isin(np.arange(24), LIMBS), 1.0, 0.1)[:, None]
    for _ in range(30):
        body = posed(*change.of(start), marks.rest_joints(betas))
        rows = (weight[..., None] * body.jacobian(points, body.positions)).reshape(len(joints), -1, UNKNOWNS)
        missed = (weight * (joints - body.positions)).reshape(len(joints), -1)
        held = np.concatenate([np.full(3, 1e-4), np.full(3 * GROUP_COUNT, 3e-3)])
        steps = np.linalg.solve(
            rows.transpose(0, 2, 1) @ rows + np.diag(held), np.einsum("tri,tr->ti", rows, missed)[..., None]
        )
        change = change.moved(steps[..., 0])
    return betas, *change.of(start)


if __name__ == "__main__":
    sys.exit(main())
