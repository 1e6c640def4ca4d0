# SPDX-License-Identifier: MIT
"""Captures every clip of a folder with ground truth and prints the measures as a Markdown table.

    python tests/benchmarks/clips_table.py --clips DIR [--takes DIR] [capture options]

A clip is NAME.mp4 with NAME.gt.npz beside it. Takes go to a temporary folder, or to --takes, where those already there
are used as they are. Anything else on the command line is handed to ``vibe capture``. The means are over the clips with
one person; a clip in which that person was not found counts with coverage 0, and the last line says so.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

REPOSITORY = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(REPOSITORY))

from backend import metrics  # noqa: E402
from backend.evaluation import EvaluationReport, PersonReport, evaluate, load_truth  # noqa: E402
from vibe_blender.contract.take_file import load_take  # noqa: E402

COLUMNS = (
    ("PA-MPJPE mm", "pa_mpjpe_mm", "{:.1f}"),
    ("MPJPE mm", "mpjpe_mm", "{:.1f}"),
    ("accel. error mm/frame²", "acceleration_error_mm_per_frame2", "{:.2f}"),
    ("wrist speed ratio", "wrist_speed_ratio", "{:.2f}"),
    ("ankle speed ratio", "ankle_speed_ratio", "{:.2f}"),
    ("bone dev. %", "bone_length_deviation_percent", "{:.3f}"),
    ("coverage", "coverage", "{:.1%}"),
    ("foot slide mm/frame", "foot_slide_mm_per_frame", "{:.1f}"),
    ("by own contacts", "own_foot_slide_mm_per_frame", "{:.1f}"),
    ("of the truth", "true_foot_slide_mm_per_frame", "{:.1f}"),
    ("root error m", "root_error_m", "{:.3f}"),
    ("root error %", "root_error_percent", "{:.1f}"),
    ("contact F1", "contact_f1", "{:.2f}"),
)


def main() -> int:
    """Prints the table; 1 where a clip could not be captured."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--clips", type=Path, required=True)
    parser.add_argument("--takes", type=Path)
    arguments, capture_options = parser.parse_known_args()
    clips = sorted(path for path in arguments.clips.glob("*.mp4") if truth_beside(path).is_file())
    if not clips:
        parser.error(f"no clip with ground truth in {arguments.clips}")
    with tempfile.TemporaryDirectory() as temporary:
        folder = arguments.takes or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        failed = [clip.stem for clip in clips if not captured(clip, folder, capture_options)]
        reports = {
            clip: evaluate(load_take(folder / f"{clip.stem}.take"), truth_beside(clip))
            for clip in clips
            if clip.stem not in failed
        }
    print_table(reports)
    if failed:
        print(f"\nNot captured, and in no mean: {', '.join(failed)}.")
    return 1 if failed else 0


def truth_beside(clip: Path) -> Path:
    """Where a clip's ground truth is."""
    return clip.with_name(f"{clip.stem}.gt.npz")


def captured(clip: Path, folder: Path, options: list[str]) -> bool:
    """Captures a clip unless its take is there; False where that failed."""
    take = folder / f"{clip.stem}.take"
    if take.is_file():
        return True
    print(f"capturing {clip.name}", file=sys.stderr)
    command = [sys.executable, "-m", "backend", "capture", str(clip.resolve()), "-o", str(take.resolve()), *options]
    return subprocess.run(command, cwd=REPOSITORY, stdout=sys.stderr, check=False).returncode == 0


def print_table(reports: dict[Path, EvaluationReport]) -> None:
    """Prints a row per person, the means over the clips with one person, and what to know about them."""
    print("| clip | frames |", " | ".join(head for head, _, _ in COLUMNS), "| id switches |")
    print("|" + "---|" * (len(COLUMNS) + 3))
    single: list[PersonReport | None] = []
    for clip, report in reports.items():
        people = len(report.people) + len(report.missed_people)
        for person in report.people:
            name = clip.stem if people == 1 else f"{clip.stem}, person {person.true_person}"
            cells = " | ".join(cell(getattr(person, field), form) for _, field, form in COLUMNS)
            print(f"| {name} | {person.frames} | {cells} | {report.identity_switches} |")
        for missed in report.missed_people:
            print(f"| {clip.stem}, person {missed} | 0 |{' – |' * len(COLUMNS)} {report.identity_switches} |")
        if people == 1:
            single += [*report.people, *[None for _ in report.missed_people]]
    found = [person for person in single if person is not None]
    means = {field: mean([getattr(person, field) for person in found]) for _, field, _ in COLUMNS}
    if single:
        means["coverage"] = sum(person.coverage for person in found) / len(single)
    cells = " | ".join(f"**{cell(means[field], form)}**" for _, field, form in COLUMNS)
    print(f"| **mean, {len(single)} clips with one person** | | {cells} | |")
    still = mean([still_body_error(clip) for clip, report in reports.items() if len(load_people(clip)) == 1])
    print(f"\nA motionless body has an acceleration error of {cell(still, '{:.2f}')} mm/frame² on these clips.")
    print(f"Single people found: {len(found)} of {len(single)}.")
    for clip, report in reports.items():
        for note in report.notes:
            print(f"{clip.stem}: {note}")
        if report.extra_people:
            print(f"{clip.stem}: tracks that are nobody's, or a second one: {list(report.extra_people)}")


def still_body_error(clip: Path) -> float:
    """The acceleration error in mm/frame² of a body that does not move at all: the truth's own acceleration."""
    (person,) = load_people(clip)
    joints = person.joints_camera[person.visible]
    frames = np.flatnonzero(person.visible)
    return metrics.acceleration_error(np.repeat(joints[:1], len(joints), axis=0), joints, frames)


def load_people(clip: Path) -> tuple:
    """The true people of a clip."""
    return load_truth(truth_beside(clip)).people


def mean(values: list[float | None]) -> float | None:
    """The mean of what could be measured."""
    known = [value for value in values if value is not None and not np.isnan(value)]
    return sum(known) / len(known) if known else None


def cell(value: float | None, form: str) -> str:
    """A number as it stands in the table."""
    return "–" if value is None or np.isnan(value) else form.format(value)


if __name__ == "__main__":
    sys.exit(main())
