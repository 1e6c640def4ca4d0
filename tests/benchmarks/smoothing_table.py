# SPDX-License-Identifier: MIT
"""What each filter takes out and what it leaves, on clips with ground truth, as Markdown tables.

    python tests/benchmarks/smoothing_table.py --clips DIR --takes DIR [--models DIR] [--all] [--speed]

The clips are those with one person (NAME.mp4, NAME.gt.npz); --takes is as in clips_table.py. Four takes of each:

    captured  by the default road
    raw       BlazePose's landmarks as they come, one reading a frame, turned into a body frame by frame without the fit
    jittered  the captured one with measured jitter added: what raw's rotations and path are away from the true motion,
              above 1 Hz
    true      a body put frame by frame through the true joints: what must not be lost

Settings were chosen on every second clip ("tuned") and are checked on the others ("checked"); --all lists every setting
tried on the first half, too. Ratios are of means over the clips, after to before. --speed times each filter.
"""

from __future__ import annotations

import argparse
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
from clips_table import captured, truth_beside

REPOSITORY = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(REPOSITORY))

from backend.body.keypoints import LANDMARK_NAMES, LANDMARKS  # noqa: E402
from backend.body.kinematics import Points  # noqa: E402
from backend.detection import PersonDetector  # noqa: E402
from backend.estimators.estimate import Estimate  # noqa: E402
from backend.estimators.keypoints import Evidence  # noqa: E402
from backend.estimators.keypoints.evidence import LIMBS  # noqa: E402
from backend.estimators.keypoints.start import first_pose, turned_to_ray  # noqa: E402
from backend.evaluation import PersonReport, TruePerson, evaluate, load_truth  # noqa: E402
from backend.landmarks import LandmarkModel  # noqa: E402
from backend.models import find  # noqa: E402
from backend.recording import Recording  # noqa: E402
from backend.tracking import PeopleTracker  # noqa: E402
from backend.world import find_ground, place  # noqa: E402
from vibe_blender.contract import quaternions  # noqa: E402
from vibe_blender.contract.skeleton import JOINT_NAMES, REST_JOINTS  # noqa: E402
from vibe_blender.contract.take import Person, Take  # noqa: E402
from vibe_blender.contract.take_file import load_take  # noqa: E402
from vibe_blender.motion import filters  # noqa: E402
from vibe_blender.motion.gaps import repair  # noqa: E402
from vibe_blender.motion.settings import METHODS, Smoothing  # noqa: E402
from vibe_blender.motion.smoothing import smooth  # noqa: E402
from vibe_blender.motion.tracks import Tracks  # noqa: E402

HIPS = [LANDMARK_NAMES.index(f"{side}_hip") for side in ("left", "right")]
KINDS = ("raw", "jittered", "captured", "true")
JITTER_ABOVE_HZ = 1.0
NAMED = ("dance", "jump_turn", "bend_scoop")
TRIED = [
    Smoothing(method, cutoff, keep_fast)
    for method in METHODS
    if method != "none"
    for cutoff in (2.0, 3.0, 4.0, 6.0, 8.0)
    for keep_fast in ((0.3, 0.5, 0.7) if method in ("adaptive", "one_euro") else (0.0,))
]
SHOWN = [Smoothing(method, keep_fast=Smoothing().keep_fast) for method in METHODS]


def main() -> None:
    """Prints the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", type=Path, required=True)
    parser.add_argument("--takes", type=Path, required=True)
    parser.add_argument("--models", type=Path, help="folder with the network files")
    parser.add_argument("--all", action="store_true", help="every setting that was tried")
    parser.add_argument("--speed", action="store_true", help="time the filters, nothing else")
    arguments = parser.parse_args()
    arguments.takes.mkdir(parents=True, exist_ok=True)
    clips = [clip for clip in sorted(arguments.clips.glob("*.mp4")) if truth_beside(clip).is_file()]
    clips = [clip for clip in clips if len(load_truth(truth_beside(clip)).people) == 1]
    if arguments.speed:
        clips = clips[:1]
    takes = {clip: all_kinds(clip, arguments.takes, arguments.models) for clip in clips}
    if arguments.speed:
        print_speed(takes[clips[0]]["raw"].people[0])
        return
    print_spectrum([takes[clip] for clip in clips])
    before = {clip: {kind: measured(takes[clip][kind], clip) for kind in KINDS} for clip in clips}
    for name, half in (("tuned", clips[::2]), ("checked", clips[1::2]), ("all", clips)):
        print(f"\n### {name}: {', '.join(clip.stem for clip in half)}\n")
        settings = TRIED if arguments.all and name == "tuned" else SHOWN
        print_table({clip: takes[clip] for clip in half}, before, settings)
    print_speeds(takes, before)


def all_kinds(clip: Path, folder: Path, models: Path | None) -> dict[str, Take]:
    """The four takes of a clip by kind."""
    if not captured(clip, folder, ["--models", str(models)] if models else []):
        sys.exit(f"{clip} could not be captured.")
    take = load_take(folder / f"{clip.stem}.take")
    truth = load_truth(truth_beside(clip)).people[0]
    raw, true = raw_take(take, read(clip, models)), true_take(take, truth)
    return {"captured": take, "raw": raw, "true": true, "jittered": jittered(take, raw, true)}


def read(clip: Path, models: Path | None) -> Evidence:
    """The landmarks of the person in a clip as they come."""
    detector = PersonDetector(find("pose_detection.tflite", models), threads=2)
    reader = LandmarkModel(find("pose_landmark_full.tflite", models), threads=2)
    tracker, recording, video = PeopleTracker(detector, reader, people=1, mirror=False), Recording(), None
    video = cv2.VideoCapture(str(clip))
    fps, number = video.get(cv2.CAP_PROP_FPS), 0
    while True:
        there, picture = video.read()
        if not there:
            return recording.evidence(max(recording.people(), key=recording.frame_count))
        seen = tracker.update(number, number / fps, cv2.cvtColor(picture, cv2.COLOR_BGR2RGB))
        recording.add(number, number / fps, seen)
        number += 1


def raw_take(take: Take, seen: Evidence) -> Take:
    """The body that each frame's landmarks say, without the fit; camera as in the take, floor found anew."""
    person, camera, reading = take.people[0], take.camera, seen.straight
    ray = (reading.image_px[:, HIPS].mean(axis=1) - camera.centre_px) / camera.focal_px
    image = (reading.image_px - camera.centre_px) / camera.focal_px
    pose = first_pose(turned_to_ray(reading.world.astype(float), ray), image, person.rest_joints, landmarks(person))
    visibility = reading.visibility.astype(float)
    estimate = Estimate(
        frames=seen.frames,
        times=seen.times,
        rotations=quaternions.continuous(quaternions.from_matrices(pose.joint_rotations())),
        root=pose.root,
        confidence=np.clip(visibility[:, LIMBS].mean(axis=1), 0.0, 1.0),
        boxes=seen.boxes,
        keypoints=np.concatenate([reading.image_px.astype(float), visibility[..., None]], axis=2),
        rest_joints=person.rest_joints,
        betas=person.betas,
    )
    ground = find_ground([estimate])
    found = ground.camera(camera.focal_px, camera.centre_px)
    return replace(take, people=(place(estimate, ground, person.id),), camera=found)


def landmarks(person: Person) -> Points:
    """The landmarks on a person's body."""
    thigh = [np.linalg.norm(rest[4] - rest[1]) for rest in (person.rest_joints, REST_JOINTS)]
    offsets = np.array([mark.offset for mark in LANDMARKS]) * thigh[0] / thigh[1]
    return Points(np.array([mark.joint for mark in LANDMARKS]), offsets)


def true_take(take: Take, truth: TruePerson) -> Take:
    """The take's body, put through the true joints frame by frame, without any smoothing."""
    person = take.people[0]
    joints = truth.joints_camera[person.frames]
    world = np.zeros((len(joints), len(LANDMARK_NAMES), 3))
    for side in ("left", "right"):
        for part in ("hip", "knee", "ankle", "shoulder", "elbow", "wrist"):
            world[:, LANDMARK_NAMES.index(f"{side}_{part}")] = joints[:, JOINT_NAMES.index(f"{side}_{part}")]
    pose = first_pose(world, world[..., :2], person.rest_joints, landmarks(person))
    in_camera = quaternions.from_matrices(pose.joint_rotations())
    to_world = take.camera.from_world[:3, :3].T
    in_camera[:, 0] = quaternions.multiply(quaternions.from_matrices(to_world), in_camera[:, 0])
    root = (joints[:, 0] - take.camera.from_world[:3, 3]) @ to_world.T
    return replace(take, people=(replace(person, rotations=quaternions.continuous(in_camera), root=root),))


def jitter(raw: Take, true: Take) -> np.ndarray:
    """(T, 25, 3) rotation vectors of the joints, then metres: what raw is away from true, above 1 Hz."""
    person, right = raw.people[0], true.people[0]
    change = true.camera.from_world[:3, :3].T @ raw.camera.from_world[:3, :3]
    rotations = person.rotations.copy()
    rotations[:, 0] = quaternions.multiply(quaternions.from_matrices(change), rotations[:, 0])
    root = raw.camera.to_camera(person.root) - true.camera.from_world[:3, 3]
    turned = quaternions.to_axis_angles(quaternions.multiply(quaternions.conjugate(right.rotations), rotations))
    away = np.concatenate([turned, (root @ true.camera.from_world[:3, :3] - right.root)[:, None]], axis=1)
    count, step = len(away), 1.0 / raw.video.fps
    margin = min(round(2.0 / step), count - 1)
    whole = np.concatenate([away[margin:0:-1], away, away[-2 : -margin - 2 : -1]])
    slow = filters.gaussian(filters.frequencies(len(whole), step), JITTER_ABOVE_HZ, step)
    return filters.filtered(whole, 1.0 - slow)[margin : margin + count]


def jittered(take: Take, raw: Take, true: Take) -> Take:
    """The take with the measured jitter added, and as little confidence as raw has."""
    person = take.people[0]
    tracks = Tracks(quaternions.continuous(person.rotations), person.root[:, None]).moved(jitter(raw, true))
    rotations = quaternions.continuous(tracks.turns)
    confidence = raw.people[0].confidence
    return replace(
        take, people=(replace(person, rotations=rotations, root=tracks.places[:, 0], confidence=confidence),)
    )


def cleaned(take: Take, smoothing: Smoothing) -> Take:
    """The take mended and smoothed."""
    person = take.people[0]
    times = take.video.times[person.frames - take.video.first_frame]
    return replace(take, people=(smooth(repair(person, times, smoothing), times, smoothing),))


def measured(take: Take, clip: Path) -> PersonReport:
    """The measures of the take's person."""
    return evaluate(take, truth_beside(clip)).people[0]


@dataclass(frozen=True)
class Means:
    """Means over clips of one kind of take before and after, and the least share of a 95 % speed that is left."""

    pa_mm: float
    acceleration: tuple[float, float]
    jitter: tuple[float, float]
    wrist: tuple[float, float]
    ankle: tuple[float, float]
    wrist_kept: tuple[float, float]
    ankle_kept: tuple[float, float]

    @classmethod
    def of(cls, before: list[PersonReport], after: list[PersonReport]) -> Means:
        """Over reports in the same order."""

        def pair(name: str) -> tuple[float, float]:
            return tuple(float(np.mean([getattr(one, name) for one in reports])) for reports in (before, after))

        def kept(name: str) -> tuple[float, float]:
            shares = [getattr(b, name) / getattr(a, name) for a, b in zip(before, after, strict=True)]
            return float(np.mean(shares)), float(min(shares))

        pa = pair("pa_mpjpe_mm")
        return cls(
            pa[1] - pa[0], pair("acceleration_error_mm_per_frame2"), pair("jitter_10m_per_s3"),
            pair("wrist_speed_ratio"), pair("ankle_speed_ratio"), kept("wrist_speed_ratio"), kept("ankle_speed_ratio"),
        )  # fmt: skip


def print_table(takes: dict[Path, dict[str, Take]], before: dict, settings: list[Smoothing]) -> None:
    """Prints a row per setting."""
    heads = ["method", "cutoff Hz", "keep fast"]
    for kind in ("raw", "jittered"):
        heads += [f"{kind}: accel. error", "ratio", "jitter", "ratio", "PA mm"]
    heads += ["captured: accel. error", "jitter", "PA mm", "wrist kept (least)", "ankle kept (least)"]
    heads += ["true: wrist kept (least)", "ankle kept (least)"]
    print("| " + " | ".join(heads) + " |\n|" + "---|" * len(heads))
    for setting in settings:
        means = {}
        for kind in KINDS:
            after = [measured(cleaned(kinds[kind], setting), clip) for clip, kinds in takes.items()]
            means[kind] = Means.of([before[clip][kind] for clip in takes], after)
        cells = [
            "none but mending" if setting.method == "none" else setting.method,
            f"{setting.cutoff_hz:g}",
            f"{setting.keep_fast:g}",
        ]
        for kind in ("raw", "jittered"):
            m = means[kind]
            for was, now in (m.acceleration, m.jitter):
                cells += [f"{was:.1f} → {now:.1f}", f"{now / was:.2f}"]
            cells.append(f"{m.pa_mm:+.1f}")
        m = means["captured"]
        cells += [f"{was:.2f} → {now:.2f}" for was, now in (m.acceleration, m.jitter)] + [f"{m.pa_mm:+.2f}"]
        for kind in ("captured", "true"):
            m = means[kind]
            cells += [f"{kept:.3f} ({least:.3f})" for kept, least in (m.wrist_kept, m.ankle_kept)]
        print("| " + " | ".join(cells) + " |", flush=True)


def print_speeds(takes: dict[Path, dict[str, Take]], before: dict) -> None:
    """Prints the 95 % speeds over the truth's of the clips with fast motion, before and after the default."""
    print("\n### 95 % speeds over the truth's, before → after the default\n")
    print("| clip | kind | wrists | ankles |\n|---|---|---|---|")
    for clip, kinds in takes.items():
        for kind in KINDS:
            if clip.stem in NAMED:
                was, now = before[clip][kind], measured(cleaned(kinds[kind], Smoothing()), clip)
                wrists = f"{was.wrist_speed_ratio:.2f} → {now.wrist_speed_ratio:.2f}"
                ankles = f"{was.ankle_speed_ratio:.2f} → {now.ankle_speed_ratio:.2f}"
                print(f"| {clip.stem} | {kind} | {wrists} | {ankles} |")


def print_spectrum(clips: list[dict[str, Take]]) -> None:
    """Prints how large the measured jitter is, and how fast."""
    window, rows = np.hanning(64)[:, None, None], []
    for kinds in clips:
        noise = jitter(kinds["raw"], kinds["true"])
        for first in range(0, len(noise) - 63, 32):
            rows.append(np.abs(np.fft.rfft(noise[first : first + 64] * window, axis=0)) ** 2)  # noqa: PERF401
    energy = np.mean(rows, axis=0)
    size = 2 * energy / (np.sum(window**2) * 64)
    hz = np.fft.rfftfreq(64, 1.0 / clips[0]["raw"].video.fps)
    print("### Measured jitter of raw landmarks above 1 Hz, root mean square of one axis\n")
    print("| | 1-3 Hz | 3-6 Hz | 6-10 Hz | 10-15 Hz |\n|---|---|---|---|---|")
    parts = {
        "hips and shoulders, °": [1, 2, 16, 17], "knees and elbows, °": [4, 5, 18, 19], "pelvis, °": [0],
        "path, mm": [24],
    }  # fmt: skip
    for name, channels in parts.items():
        unit = 1000.0 if name.endswith("mm") else np.degrees(1.0)
        power = size[:, channels].mean(axis=(1, 2))
        bands = [(1, 3), (3, 6), (6, 10), (10, 15.1)]
        cells = [f"{unit * np.sqrt(power[(hz >= low) & (hz < high)].sum()):.1f}" for low, high in bands]
        print(f"| {name} | " + " | ".join(cells) + " |")


def print_speed(person: Person) -> None:
    """Prints processor time of each filter for 1,000 and 10,000 frames x 24 joints, the least of five."""
    print("| | 1,000 frames, ms | 10,000 frames, ms |\n|---|---|---|")
    names = ("rotations", "root", "contacts", "confidence", "boxes", "keypoints")
    people = []
    for count in (1000, 10000):
        again = np.arange(count) % len(person.frames)
        people.append(replace(person, frames=np.arange(count), **{n: getattr(person, n)[again] for n in names}))
    for method in ("repair", *METHODS):
        cells = []
        for longer in people:
            times, taken = longer.frames / 30.0, []
            for _ in range(5):
                started = time.process_time()
                if method == "repair":
                    repair(longer, times, Smoothing())
                else:
                    smooth(longer, times, Smoothing(method=method))
                taken.append(time.process_time() - started)
            cells.append(f"{1000 * min(taken):.1f}")
        print(f"| {method} | {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
