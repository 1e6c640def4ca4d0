# SPDX-License-Identifier: MIT
"""Prints how feet stand on characters with other legs, without and with pinning, as a Markdown table; and its speed.

    python tests/benchmarks/retarget_feet.py [--takes DIR] [--only NAME,NAME] [--character NAME]

A made walk is always measured; with --takes, NAME.take files from there after the clean-up, where
``clips_table.py --takes`` writes them. Every figure is of the target in real size, but slides and speeds are compared
with the source's times the ratio of both legs.
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

from tests.characters import CHARACTERS, Character, character, scaled_legs, wide  # noqa: E402
from tests.smpl_rig import SMPL_MAP, smpl_motion, smpl_rig  # noqa: E402
from tests.stick_figures import played  # noqa: E402
from tests.walker import walker  # noqa: E402
from vibe_blender.contract.quaternions import Array, conjugate, from_axis_angles, multiply, rotate  # noqa: E402
from vibe_blender.contract.take import Person  # noqa: E402
from vibe_blender.contract.take_file import load_take  # noqa: E402
from vibe_blender.motion.cleanup import cleaned  # noqa: E402
from vibe_blender.motion.contacts import standing  # noqa: E402
from vibe_blender.motion.retargeting.figure import SIDES, Figure, figure_of  # noqa: E402
from vibe_blender.motion.retargeting.footing import soles_of  # noqa: E402
from vibe_blender.motion.retargeting.rig import RigMotion  # noqa: E402
from vibe_blender.motion.retargeting.settings import Retarget  # noqa: E402
from vibe_blender.motion.retargeting.solving import solve  # noqa: E402
from vibe_blender.motion.settings import Cleanup  # noqa: E402

NEIGHBOURS = 3
"""Frames on either side of a contact's border that its knee's speed is compared with."""
LEAST_SPEED_DEG = 0.5


@dataclass(frozen=True)
class Clip:
    """A person in motion, which parts stand (T, 2, 2), and frames a second."""

    person: Person
    stands: Array
    fps: float


@dataclass(frozen=True)
class Row:
    """One clip on one character; lengths in mm, per frame where something moves.

    Attributes:
        source: mean slide of heels and balls in their contacts on the source, times the ratio of legs.
        slide: the target's.
        more: 95th percentile of the target's slide less the source's in that frame.
        most: the highest of that.
        float_: mean height of what stands above where the source's says it should be, times the ratio.
        below: mean depth of what stands below that.
        deepest: how far any foot is below the floor, in any frame, further than the source's.
        knee: 95th percentile of the knee's angular speed at contacts' borders over that of its neighbours.
        knee_source: the source's.
        sink: how far the hips came down, at most.
    """

    source: float
    slide: float
    more: float
    most: float
    float_: float
    below: float
    deepest: float
    knee: float
    knee_source: float
    sink: float


def main() -> int:
    """Prints the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--takes", type=Path)
    parser.add_argument("--only", default="dance,walk_side")
    parser.add_argument("--character", default=CHARACTERS[0].name)
    arguments = parser.parse_args()
    clips = {"made walk": made_walk()}
    for name in arguments.only.split(",") if arguments.takes else ():
        clips |= taken(arguments.takes / f"{name}.take")
    one = character(arguments.character)
    names = [field.name.rstrip("_") for field in fields(Row)]
    print("| clip | character | feet |", " | ".join(names), "|")
    print("|---|---|---|" + "---|" * len(names))
    for clip, source in clips.items():
        if not source.stands.any():
            print(f"| {clip} | nothing stands |")
            continue
        for target in (scaled_legs(one, 0.7), scaled_legs(one, 1.4), one, wide(one)):
            for feet in (0.0, 1.0):
                row = measured(source, target, Retarget(feet=feet))
                cells = " | ".join(f"{getattr(row, field.name):.2f}" for field in fields(Row))
                print(f"| {clip} | {target.name} | {feet:g} | {cells} |")
    print_speed(one)
    return 0


def made_walk() -> Clip:
    """A walk with hips that turn and tilt."""
    person, times, flat = walker(150)
    angles = 0.25 * np.stack([0 * times, np.sin(6.3 * times), 0.5 * np.sin(6.3 * times + 1.0)], axis=1)
    rotations, sway = person.rotations.copy(), from_axis_angles(angles)
    rotations[:, 0] = multiply(rotations[:, 0], sway)
    rotations[:, 1:3] = multiply(conjugate(sway)[:, None], rotations[:, 1:3])
    return Clip(replace(person, rotations=rotations), np.stack([flat, flat], axis=2), 30.0)


def taken(path: Path) -> dict[str, Clip]:
    """The people of a take after the clean-up."""
    take = load_take(path)
    found = cleaned(take, Cleanup())
    return {
        f"{path.stem}" if len(take.people) == 1 else f"{path.stem} {person.id}": Clip(
            person, standing(found.contacts[person.id], person.frames), take.video.fps
        )
        for person in found.take.people
    }


def measured(clip: Clip, target: Character, settings: Retarget) -> Row:
    """One clip on one character."""
    rig = smpl_rig(clip.person.rest_joints)
    motion = smpl_motion(clip.person)
    source = figure_of(rig, SMPL_MAP)
    figure = figure_of(target.rig, target.true_map)
    found, plain = (
        played(
            target.rig,
            solve(
                rig, SMPL_MAP, motion, target.rig, target.true_map, each, stands=clip.stands, fps=clip.fps
            ),
        )
        for each in (settings, replace(settings, feet=0.0))
    )  # fmt: skip
    mm = 1000.0 * target.unit_m
    ratio = figure.leg / source.leg * mm
    theirs, high = soles(source, motion, source, figure, 0)
    ours, height = soles(figure, found, source, figure, 1)
    theirs, high, ours, height = ratio * theirs, ratio * high, mm * ours, mm * height
    lasting = clip.stands[1:] & clip.stands[:-1] & (np.diff(clip.person.frames) == 1)[:, None, None]
    ways = [np.linalg.norm(np.diff(points[..., :2], axis=0), axis=-1)[lasting] for points in (theirs, ours)]
    off = (height - high)[clip.stands]
    pelvis = figure.bones[figure.row("pelvis")]
    sink = mm * rotate(conjugate(figure.frame), plain.heads[:, pelvis] - found.heads[:, pelvis])[:, 2]
    return Row(
        source=float(ways[0].mean()),
        slide=float(ways[1].mean()),
        more=float(np.percentile(ways[1] - ways[0], 95)),
        most=float((ways[1] - ways[0]).max()),
        float_=float(np.maximum(off, 0.0).mean()),
        below=float(np.maximum(-off, 0.0).mean()),
        deepest=float(np.maximum(np.minimum(high, 0.0) - height, 0.0).max()),
        knee=knees(figure, found, clip.stands),
        knee_source=knees(source, motion, clip.stands),
        sink=float(sink.max()),
    )


def soles(figure: Figure, motion: RigMotion, source: Figure, target: Figure, which: int) -> tuple[Array, Array]:
    """Under heels and at balls (T, 2, 2, 3), and how high (T, 2, 2) they are above where they rest; armature units.

    Args:
        figure: whose.
        motion: of its rig.
        source, target: the pair whose feet are compared.
        which: 0 where it is the source, 1 where it is the target.
    """
    points, rests = [], []
    for side in SIDES:
        sole = soles_of(source, target, side)[which]
        row = figure.row(f"{side}_ankle")
        turn = multiply(conjugate(figure.frame), motion.turned[:, figure.bones[row]])
        turn = multiply(turn, conjugate(figure.axes[row]))
        ankle = rotate(conjugate(figure.frame), motion.heads[:, figure.bones[row]])
        points.append(ankle[:, None] + rotate(turn[:, None], sole.offsets))
        rests.append(figure.hips[2] + sole.heights)
    found = np.stack(points, axis=1)
    return found, found[..., 2] - np.stack(rests)


def knees(figure: Figure, motion: RigMotion, stands: Array) -> float:
    """95th percentile of how fast knees are at the borders of contacts, over their neighbours."""
    ratios = []
    for side in range(2):
        rows = [figure.bones[figure.row(f"{SIDES[side]}_{joint}")] for joint in ("hip", "knee", "ankle")]
        thigh, shin = np.moveaxis(np.diff(motion.heads[:, rows], axis=1), 1, 0)
        cosine = np.sum(thigh * shin, axis=1) / np.linalg.norm(thigh, axis=1) / np.linalg.norm(shin, axis=1)
        speeds = np.abs(np.diff(np.degrees(np.arccos(np.clip(cosine, -1.0, 1.0)))))
        foot = stands[:, side].any(axis=1)
        for border in np.flatnonzero(foot[1:] != foot[:-1]):
            if NEIGHBOURS <= border < len(speeds) - NEIGHBOURS:
                near = np.r_[speeds[border - NEIGHBOURS : border], speeds[border + 1 : border + 1 + NEIGHBOURS]]
                ratios.append(speeds[border] / max(float(near.mean()), LEAST_SPEED_DEG))
    return float(np.percentile(ratios, 95)) if ratios else float("nan")


def print_speed(target: Character) -> None:
    """Prints the processor's time of all of ``solve`` for a walk of 3,000 frames, the best of five."""
    person, _, flat = walker(3000)
    rig, motion, stands = smpl_rig(), smpl_motion(person), np.stack([flat, flat], axis=2)
    print()
    for label, settings in (
        ("without feet", Retarget(feet=0.0)),
        ("with feet", Retarget()),
        ("with feet, hands, twist and trunk", Retarget(hands=1.0, twist=1.0, align_trunk=True)),
    ):
        seconds = []
        for _ in range(5):
            began = time.process_time()
            solve(rig, SMPL_MAP, motion, target.rig, target.true_map, settings, stands=stands)
            seconds.append(time.process_time() - began)
        print(f"{target.name}, 3000 frames, {label}: {1e3 * min(seconds):.0f} ms")


if __name__ == "__main__":
    sys.exit(main())
