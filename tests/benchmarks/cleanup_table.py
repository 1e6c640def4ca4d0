# SPDX-License-Identifier: MIT
"""What each clean-up preset does to captured takes, before and after, as Markdown tables; and how long the chain takes.

    python tests/benchmarks/cleanup_table.py --clips DIR --takes DIR [--only NAME,NAME] [--presets light,film]
                                             [--set NAME=VALUE ...] [--means] [--speed]

A clip is NAME.gt.npz in --clips with NAME.take in --takes, where ``clips_table.py --takes`` writes them. Measured are
the frames that were captured: what fills gaps has nothing before it to be compared with. Clips whose camera moves are
cleaned without it, as the default road leaves them. With --set, named as in ``vibe evaluate --set``, every preset is
changed. --means prints no clips. --speed times the chain, nothing else.

The feet's settings were chosen on every second clip ("tuned") and are checked on the others ("checked").
"""

from __future__ import annotations

import argparse
import sys
import time
from dataclasses import dataclass, fields, replace
from pathlib import Path

import numpy as np
from feet_table import MOVING_CAMERA, measured

REPOSITORY = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(REPOSITORY))

from backend import metrics  # noqa: E402
from backend.evaluation import evaluate, load_truth  # noqa: E402
from vibe_blender.contract.take import Person, Take  # noqa: E402
from vibe_blender.contract.take_file import load_take  # noqa: E402
from vibe_blender.motion.cleanup import Cleaned, cleaned  # noqa: E402
from vibe_blender.motion.contacts import standing  # noqa: E402
from vibe_blender.motion.presets import PRESETS  # noqa: E402
from vibe_blender.motion.settings import Cleanup  # noqa: E402
from vibe_blender.motion.settings_text import changed  # noqa: E402

TIMED = ("frames", "rotations", "root", "contacts", "confidence", "boxes", "keypoints")


@dataclass(frozen=True)
class Row:
    """One person of one clip; lengths in mm, times in frames, angles and speeds as ratios.

    Attributes:
        pa, acceleration, jitter, wrist, ankle, own_slide, f1, path_percent: as in ``vibe evaluate``.
        still: mean horizontal step of the ankle where the truth's stands: contact, and moves less than 3 mm.
        held: mean horizontal step of the points under heel and ball within the contacts that were found.
        floor: mean distance of a foot's lowest sole point from the floor while the truth says that it stands.
        below: 95th percentile of how far below the floor a sole is, all frames.
        knee, knee_95: at the borders of contacts, the knee's angular speed over the mean of the three frames before and
            the three after: mean, and 95th percentile.
        path: mean distance of the path from the true one, aligned.
    """

    pa: float
    acceleration: float
    jitter: float
    wrist: float
    ankle: float
    still: float
    held: float
    own_slide: float
    f1: float
    floor: float
    below: float
    knee: float
    knee_95: float
    path: float
    path_percent: float


HEADS = {
    "pa": "PA-MPJPE mm", "acceleration": "accel. error mm/frame²", "jitter": "jitter 10 m/s³",
    "wrist": "wrist speed ratio", "ankle": "ankle speed ratio", "still": "slide, truth's ankle stands, mm/frame",
    "held": "in own contacts, held points", "own_slide": "in own contacts, balls", "f1": "contact F1",
    "floor": "float or penetration mm", "below": "below floor, 95 %, mm", "knee": "knee at borders, ratio",
    "knee_95": "95 %", "path": "path error mm", "path_percent": "path error %",
}  # fmt: skip


def main() -> int:
    """Prints the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--clips", type=Path, required=True)
    parser.add_argument("--takes", type=Path, required=True)
    parser.add_argument("--only", default="")
    parser.add_argument("--presets", default=",".join(name for name in PRESETS if name != "raw"))
    parser.add_argument("--set", nargs="*", default=[], metavar="NAME=VALUE")
    parser.add_argument("--means", action="store_true")
    parser.add_argument("--speed", action="store_true")
    arguments = parser.parse_args()
    names = sorted(path.stem for path in arguments.takes.glob("*.take"))
    if arguments.speed:
        print_speed(load_take(arguments.takes / f"{names[0]}.take"))
        return 0
    chosen = [name for name in names if not arguments.only or name in arguments.only.split(",")]
    print_unchanged([arguments.takes / f"{name}.take" for name in chosen])
    for preset in arguments.presets.split(","):
        settings = PRESETS[preset]
        for text in arguments.set:
            settings = changed(settings, *text.split("=", 1))
        rows: dict[str, tuple[Row, Row]] = {}
        for name in chosen:
            rows |= rows_of(arguments.takes / f"{name}.take", arguments.clips / f"{name}.gt.npz", settings)
        print(f"\n### {preset}\n")
        print_table(rows, names, clips=not arguments.means)
    return 0


def rows_of(take_path: Path, truth_path: Path, settings: Cleanup) -> dict[str, tuple[Row, Row]]:
    """Before and after of every person of one clip."""
    take, truth = load_take(take_path), load_truth(truth_path)
    after = cleaned(take, settings)
    kept = replace(after.take, people=tuple(map(only_captured, after.take.people, take.people)))
    reports = [evaluate(one, truth_path) for one in (take, kept)]
    found = {}
    for was, now in zip(reports[0].people, reports[1].people, strict=True):
        pair = []
        for one, report in ((take, was), (kept, now)):
            person = next(person for person in one.people if person.id == report.person)
            extra = measured(person, stands_of(after, person), one, truth.people[report.true_person], truth.fps)
            pair.append(
                Row(
                    pa=report.pa_mpjpe_mm,
                    acceleration=report.acceleration_error_mm_per_frame2,
                    jitter=report.jitter_10m_per_s3,
                    wrist=report.wrist_speed_ratio,
                    ankle=report.ankle_speed_ratio,
                    still=extra.still,
                    held=extra.declared,
                    own_slide=report.own_foot_slide_mm_per_frame,
                    f1=report.contact_f1,
                    floor=extra.floor,
                    below=extra.deepest,
                    knee=extra.knee,
                    knee_95=extra.knee_95,
                    path=1e3 * report.root_error_m,
                    path_percent=float("nan") if report.root_error_percent is None else report.root_error_percent,
                )
            )
        label = take_path.stem if len(take.people) == 1 else f"{take_path.stem} {was.person}"
        found[label] = (pair[0], pair[1])
    return found


def only_captured(person: Person, captured: Person) -> Person:
    """The person in the frames that were captured."""
    keep = np.isin(person.frames, captured.frames)
    return replace(person, **{name: getattr(person, name)[keep] for name in TIMED})


def stands_of(after: Cleaned, person: Person) -> metrics.Flags:
    """(T, 2, 2) which parts of which foot stand, as the clean-up found it."""
    return standing(after.contacts.get(person.id, ()), person.frames)


def print_unchanged(takes: list[Path]) -> None:
    """Prints whether the preset that changes nothing changes nothing."""
    raw = PRESETS["raw"]
    same = all(
        np.array_equal(new.rotations, old.rotations) and np.array_equal(new.root, old.root)
        for path in takes
        for take in [load_take(path)]
        for new, old in zip(cleaned(take, raw).take.people, take.people, strict=True)
    )
    print(f"raw: {'bit-equal on every clip' if same else 'NOT THE SAME'}")


def print_table(rows: dict[str, tuple[Row, Row]], names: list[str], *, clips: bool) -> None:
    """Prints a row per person and the means."""
    columns = [field.name for field in fields(Row)]
    print("| clip | " + " | ".join(HEADS[name] for name in columns) + " |\n|" + "---|" * (len(columns) + 1))
    if clips:
        for label, pair in rows.items():
            print_row(label, [[getattr(row, name) for row in pair] for name in columns])
    stems = {label: label.split(" ")[0] for label in rows}
    groups = {
        "all": list(rows),
        "camera stands": [label for label in rows if stems[label] not in MOVING_CAMERA],
        "tuned": [label for label in rows if stems[label] in names[::2]],
        "checked": [label for label in rows if stems[label] in names[1::2]],
    }
    for title, labels in groups.items():
        if labels:
            means = [[mean([getattr(rows[label][i], name) for label in labels]) for i in range(2)] for name in columns]
            print_row(f"**mean, {title}, {len(labels)} people**", means)


def print_row(label: str, pairs: list[list[float]]) -> None:
    """Prints one row."""
    cells = ["–" if np.isnan(pair[1]) else f"{number(pair[0])} → {number(pair[1])}" for pair in pairs]
    print(f"| {label} | " + " | ".join(cells) + " |", flush=True)


def number(value: float) -> str:
    """Three digits, or all before the point."""
    if np.isnan(value):
        return "–"
    return f"{value:.{0 if abs(value) >= 100 else 1 if abs(value) >= 10 else 2}f}"


def mean(values: list[float]) -> float:
    """Over those that are numbers; NaN of none."""
    known = [value for value in values if not np.isnan(value)]
    return float(np.mean(known)) if known else float("nan")


def print_speed(take: Take) -> None:
    """Prints wall and processor time of the chain on a person of 1,000 and of 10,000 frames, the least of five."""
    heads = ("preset", "1,000 frames, ms", "of the processor", "10,000 frames, ms", "of the processor", "contacts")
    print(f"| {' | '.join(heads)} |\n|" + "---|" * len(heads))
    longer = [repeated(take, count) for count in (1000, 10000)]
    for name, settings in PRESETS.items():
        cells = []
        for one in longer:
            wall, work = [], []
            for _ in range(5):
                began, began_work = time.perf_counter(), time.process_time()
                cleaned(one, settings)
                wall.append(time.perf_counter() - began)
                work.append(time.process_time() - began_work)
            cells += [f"{1e3 * min(wall):.0f}", f"{1e3 * min(work):.0f}"]
        contacts = sum(map(len, cleaned(longer[1], settings).contacts.values()))
        print(f"| {name} | {' | '.join(cells)} | {contacts} |", flush=True)


def repeated(take: Take, count: int) -> Take:
    """The take's first person to and fro for so many frames."""
    person = take.people[0]
    there = np.concatenate([np.arange(len(person.frames)), np.arange(len(person.frames))[-2:0:-1]])
    rows = np.resize(there, count)
    frames = np.arange(count)
    person = replace(person, **{name: getattr(person, name)[rows] for name in TIMED if name != "frames"}, frames=frames)
    video = replace(take.video, first_frame=0, times=frames / take.video.fps)
    return replace(take, video=video, people=(person,))


if __name__ == "__main__":
    sys.exit(main())
