# SPDX-License-Identifier: MIT
"""Prints what holding the feet does to captured takes, before and after, as a Markdown table; and how long it takes.

    python tests/benchmarks/feet_table.py --clips DIR --takes DIR [--only NAME,NAME] [--set FIELD=VALUE ...] [--smooth]

A clip is NAME.gt.npz in --clips with NAME.take in --takes, where ``clips_table.py --takes`` writes them. The settings
are the defaults of ``Feet`` unless --set says otherwise. With --smooth jitter is taken out first, as the clean-up does;
"before" is the take as it was captured.
"""

from __future__ import annotations

import argparse
import sys
import time
from dataclasses import dataclass, fields, replace
from pathlib import Path

import numpy as np

REPOSITORY = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(REPOSITORY))

from backend import metrics  # noqa: E402
from backend.evaluation import TruePerson, Truth, load_truth  # noqa: E402
from backend.metrics import Flags  # noqa: E402
from vibe_blender.contract.quaternions import (  # noqa: E402
    Array,
    conjugate,
    from_axis_angles,
    multiply,
    to_axis_angles,
)
from vibe_blender.contract.skeleton import REST_JOINTS, forward_kinematics  # noqa: E402
from vibe_blender.contract.take import Person, Take  # noqa: E402
from vibe_blender.contract.take_file import load_take  # noqa: E402
from vibe_blender.motion.contacts import contacts_of, standing  # noqa: E402
from vibe_blender.motion.feet import hold_feet  # noqa: E402
from vibe_blender.motion.settings import Feet, Smoothing  # noqa: E402
from vibe_blender.motion.smoothing import smooth  # noqa: E402
from vibe_blender.motion.soles import ANKLES, BALLS, HIPS, KNEES, sole_points  # noqa: E402

MOVING_CAMERA = ("moving_camera", "run_pan")
UNSMOOTHED = Smoothing(method="none")
STANDS_M = 0.003
NEIGHBOURS = 3
"""Frames on either side of a contact's border that its knee's speed is compared with."""


@dataclass(frozen=True)
class Row:
    """One person of one clip; lengths in mm, times in frames.

    Attributes:
        still: mean horizontal step of the ankle where the truth's ankle stands: contact, and moves less than 3 mm.
        still_ball: of the ball, there.
        declared: mean horizontal step of the held points within the contacts that were found.
        slide: mean horizontal step of the ball while the truth says that the foot stands.
        f1: of the contacts.
        floor: mean distance of a foot's lowest sole point from the floor while the truth says that it stands.
        deepest: 95th percentile of how far below the floor a sole is, all frames.
        knee: mean over the borders of contacts of the knee's angular speed there over that of its neighbours.
        knee_95: 95th percentile of that.
        pa, acceleration, jitter, root: as in ``vibe evaluate``; the root's in mm.
    """

    still: float
    still_ball: float
    declared: float
    slide: float
    f1: float
    floor: float
    deepest: float
    knee: float
    knee_95: float
    pa: float
    acceleration: float
    jitter: float
    root: float


def main() -> int:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--clips", type=Path, required=True)
    parser.add_argument("--takes", type=Path, required=True)
    parser.add_argument("--only", default="")
    parser.add_argument("--set", nargs="*", default=[], metavar="FIELD=VALUE")
    parser.add_argument("--smooth", action="store_true")
    arguments = parser.parse_args()
    feet = replace(Feet(), **dict(_setting(text) for text in arguments.set))
    names = sorted(path.stem for path in arguments.takes.glob("*.take"))
    chosen = [name for name in names if not arguments.only or name in arguments.only.split(",")]
    rows = {}
    for name in chosen:
        truth = load_truth(arguments.clips / f"{name}.gt.npz")
        take = load_take(arguments.takes / f"{name}.take")
        rows |= rows_of(name, take, truth, feet, Smoothing() if arguments.smooth else UNSMOOTHED)
    print_table(rows)
    print_speed()
    return 0


def rows_of(
    name: str, take: Take, truth: Truth, feet: Feet, smoothing: Smoothing = UNSMOOTHED
) -> dict[str, tuple[Row, Row]]:
    """Before and after of every person of one clip."""
    found = {}
    for person in take.people:
        image = take.camera.project(person.joints())
        true = min(truth.people, key=lambda true: float(np.abs(image - true.joints_image[person.frames]).mean()))
        times = take.video.times[person.frames - take.video.first_frame]
        smoothed = smooth(person, times, smoothing)
        stands = standing(contacts_of(smoothed, times, feet), person.frames)
        after = hold_feet(smoothed, times, feet)
        label = name if len(take.people) == 1 else f"{name} {person.id}"
        found[label] = (
            measured(person, stands, take, true, truth.fps),
            measured(after, stands, take, true, truth.fps),
        )
    return found


def measured(person: Person, stands: Flags, take: Take, true: TruePerson, fps: float) -> Row:
    """One person against the truth."""
    frames = person.frames
    positions, orientations = forward_kinematics(person.rest_joints, person.rotations, person.root)
    true_joints, true_contacts = true.joints_world[frames], true.contacts[frames]
    next_to = (np.diff(frames) == 1)[:, None]
    in_contact = true_contacts[1:] & true_contacts[:-1] & next_to
    still = in_contact & (np.linalg.norm(np.diff(true_joints[:, ANKLES], axis=0), axis=-1) < STANDS_M)
    soles = sole_points(person.rest_joints, positions, orientations)
    held = np.stack([soles[:, :, 0], positions[:, BALLS]], axis=2)
    held_steps = np.linalg.norm(np.diff(held[..., :2], axis=0), axis=-1)
    lowest = soles[..., 2].min(axis=2)
    camera = take.camera.to_camera(positions)
    true_camera = true.joints_camera[frames]
    knee = _knee_ratios(person, stands)
    path = metrics.root_trajectory_error(metrics.middle_of_hips(positions), metrics.middle_of_hips(true_joints))
    return Row(
        still=1e3 * _mean(_steps(positions[:, ANKLES])[still]),
        still_ball=1e3 * _mean(_steps(positions[:, BALLS])[still]),
        declared=1e3 * _mean(held_steps[stands[1:] & stands[:-1] & next_to[..., None]]),
        slide=metrics.foot_slide(positions, true_contacts, frames),
        f1=metrics.contact_score(person.contacts > 0.5, true_contacts).f1,
        floor=1e3 * _mean(np.abs(lowest[true_contacts])),
        deepest=1e3 * float(np.percentile(np.maximum(-lowest, 0), 95)),
        knee=_mean(knee),
        knee_95=float(np.percentile(knee, 95)) if len(knee) else float("nan"),
        pa=metrics.pa_mpjpe(camera, true_camera),
        acceleration=metrics.acceleration_error(camera, true_camera, frames),
        jitter=metrics.jitter(positions, frames, fps),
        root=1e3 * path.mean_m,
    )


def print_table(rows: dict[str, tuple[Row, Row]]) -> None:
    """Prints before and after of every person, and the means."""
    names = [field.name for field in fields(Row)]
    print("| clip |", " | ".join(names), "|")
    print("|" + "---|" * (len(names) + 1))
    for clip, pair in rows.items():
        _print_row(clip, [[getattr(row, name) for row in pair] for name in names])
    still = {clip: pair for clip, pair in rows.items() if clip not in MOVING_CAMERA}
    for label, some in (("all", rows), ("camera stands", still)):
        if some:
            values = [[_mean([getattr(pair[i], name) for pair in some.values()]) for i in range(2)] for name in names]
            _print_row(f"**mean, {label}, {len(some)} people**", values)


def print_speed() -> None:
    """Prints the processor's time for a walk of 1,000 and of 10,000 frames, the best of five."""
    for count in (1000, 10000):
        times = np.arange(count) / 30.0
        person = _walker(times)
        seconds = []
        for _ in range(5):
            began = time.process_time()
            hold_feet(person, times, Feet())
            seconds.append(time.process_time() - began)
        contacts = len(contacts_of(person, times, Feet()))
        print(f"{count} frames, {contacts} contacts: {1e3 * min(seconds):.0f} ms")


def _walker(times: Array) -> Person:
    count = len(times)
    angles = 0.01 * np.random.default_rng(0).normal(size=(count, 24, 3))
    for side in range(2):
        phase = 2 * np.pi * times + np.pi * side
        angles[:, HIPS[side], 0] -= 0.45 * np.sin(phase)
        angles[:, KNEES[side], 0] += 0.5 * np.maximum(np.cos(phase), 0)
    rotations = from_axis_angles(angles)
    rotations[:, 0] = multiply(np.array([np.sqrt(0.5), np.sqrt(0.5), 0, 0]), rotations[:, 0])
    root = np.stack([0 * times, -1.2 * times, np.full(count, 0.975)], axis=1)
    return Person(
        id=1, frames=np.arange(count), rotations=rotations, root=root, contacts=np.zeros((count, 2)),
        confidence=np.ones(count), boxes=np.ones((count, 4)), rest_joints=REST_JOINTS, betas=np.zeros(10),
        keypoints=np.zeros((count, 0, 3)),
    )  # fmt: skip


def _knee_ratios(person: Person, stands: Flags) -> Array:
    """The knee's angular speed at every border of a foot's contacts over the mean of its neighbours, (B,)."""
    ratios = []
    for side, knee in enumerate(KNEES):
        rotations = person.rotations[:, knee]
        speeds = np.linalg.norm(to_axis_angles(multiply(conjugate(rotations[:-1]), rotations[1:])), axis=-1)
        foot = stands[:, side].any(axis=1)
        for border in np.flatnonzero(foot[1:] != foot[:-1]):
            near = np.r_[max(border - NEIGHBOURS, 0) : border, border + 1 : min(border + 1 + NEIGHBOURS, len(speeds))]
            if len(near) == 2 * NEIGHBOURS:
                ratios.append(speeds[border] / max(speeds[near].mean(), np.radians(0.2)))
    return np.array(ratios)


def _steps(points: Array) -> Array:
    return np.linalg.norm(np.diff(points[..., :2], axis=0), axis=-1)


def _mean(values: Array | list[float]) -> float:
    known = [value for value in np.ravel(values) if not np.isnan(value)]
    return float(np.mean(known)) if known else float("nan")


def _setting(text: str) -> tuple[str, object]:
    name, _, value = text.partition("=")
    kind = type(getattr(Feet(), name))
    return name, value.lower() in ("1", "true", "on") if kind is bool else kind(value)


def _print_row(label: str, values: list[list[float]]) -> None:
    cells = " | ".join(f"{before:.2f} → {after:.2f}" for before, after in values)
    print(f"| {label} | {cells} |")


if __name__ == "__main__":
    sys.exit(main())
