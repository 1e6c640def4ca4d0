# SPDX-License-Identifier: MIT
"""Draws the pictures of docs/clean-up.md: what each tool of the clean-up does to a captured clip.

    python tests/benchmarks/cleanup_pictures.py --clips DIR --takes DIR -o docs [--models DIR]

A clip is NAME.mp4 with NAME.gt.npz in --clips; --takes is as in clips_table.py. Grey is before, blue after the
clean-up, green the truth.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
from clips_table import truth_beside
from contact_sheet import draw
from plot import AFTER, BEFORE, FAINT, INK, TRUTH, Plot, beside, bones, stacked, titled, write
from smoothing_table import raw_take, read

REPOSITORY = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(REPOSITORY))

from backend.body.model import BodyModel, load  # noqa: E402
from backend.body.skinning import posed_vertices  # noqa: E402
from backend.evaluation import TruePerson, load_truth  # noqa: E402
from backend.metrics import middle_of_hips  # noqa: E402
from backend.video import read_frames  # noqa: E402
from vibe_blender.contract.quaternions import Array, continuous, to_axis_angles  # noqa: E402
from vibe_blender.contract.skeleton import JOINT_COUNT  # noqa: E402
from vibe_blender.contract.take import Person, Take  # noqa: E402
from vibe_blender.contract.take_file import load_take  # noqa: E402
from vibe_blender.motion.cleanup import cleaned  # noqa: E402
from vibe_blender.motion.contacts import standing  # noqa: E402
from vibe_blender.motion.keys import Bounds, Skeleton, Track, reduce_keys  # noqa: E402
from vibe_blender.motion.presets import FILM  # noqa: E402
from vibe_blender.motion.root import rerooted  # noqa: E402
from vibe_blender.motion.settings import RAW, Cleanup, Root, Smoothing, View  # noqa: E402

ELBOW, LEFT_LEG = 19, (4, 7, 10)
SECONDS = 4.0
SIDE_WALK, TURNING, BENDING, ARMS = "walk_side", "walk_towards", "bend_scoop", "dribble_turns"
BODY = REPOSITORY / "vibe_blender" / "assets" / "mannequin.npz"


def main() -> None:
    """Writes the pictures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--clips", type=Path, required=True)
    parser.add_argument("--takes", type=Path, required=True)
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--models", type=Path, help="folder with the network files")
    arguments = parser.parse_args()

    def clip(name: str) -> tuple[Path, Take, TruePerson]:
        video = arguments.clips / f"{name}.mp4"
        return video, load_take(arguments.takes / f"{name}.take"), load_truth(truth_beside(video)).people[0]

    write(arguments.output / "clean-up-smoothing.png", smoothing(*clip(ARMS), arguments.models))
    write(arguments.output / "clean-up-feet.png", feet(*clip(SIDE_WALK)[1:]))
    write(arguments.output / "clean-up-root.png", beside([sway(*clip(BENDING)[1:]), modes(clip(TURNING)[1])]))
    video, take, _ = clip(SIDE_WALK)
    write(arguments.output / "clean-up-camera.jpg", views(video, take, load(BODY)))
    write(arguments.output / "clean-up-walk.png", strides(take))
    write(arguments.output / "clean-up-keys.png", keys(take))


def smoothing(video: Path, take: Take, truth: TruePerson, models: Path | None) -> np.ndarray:
    """How far an elbow is bent over time: landmarks as they come, and smoothed."""
    raw = raw_take(take, read(video, models))
    calm = cleaned(raw, Cleanup(Smoothing(), RAW.feet)).take
    frames = raw.people[0].frames
    joints = truth.joints_world[frames]
    upper, lower = joints[:, ELBOW - 2] - joints[:, ELBOW], joints[:, ELBOW + 2] - joints[:, ELBOW]
    cosine = np.sum(upper * lower, axis=1) / np.linalg.norm(upper, axis=1) / np.linalg.norm(lower, axis=1)
    seconds = frames / take.video.fps
    shown = seconds <= SECONDS
    plot = Plot(900, 320, (0.0, SECONDS), (0.0, 150.0), "s", "elbow bent by, degrees")
    plot.line(seconds[shown], 180.0 - np.degrees(np.arccos(cosine[shown])), TRUTH, "truth")
    plot.line(seconds[shown], bend(raw.people[0], ELBOW)[shown], BEFORE, "landmarks, frame by frame")
    plot.line(seconds[shown], bend(calm.people[0], ELBOW)[shown], AFTER, "smoothed", wide=2)
    return titled(plot.picture(), f"Smoothing: an elbow in {video.stem}, landmarks without the fit")


def bend(person: Person, joint: int) -> Array:
    """Degrees by which a joint is turned from rest."""
    return np.degrees(np.linalg.norm(to_axis_angles(person.rotations[:, joint]), axis=1))


def feet(take: Take, truth: TruePerson) -> np.ndarray:
    """Ankles from above and their speeds, before and after, with the contacts that were found."""
    before, after = take.people[0], cleaned(take, FILM)
    clean = after.take.people[0]
    shift = aligned(truth.joints_world[before.frames], before.joints())
    ways = [before.joints()[:, 7:9], clean.joints()[:, 7:9], shift[:, 7:9]]
    along = np.linalg.svd(before.root[:, :2] - before.root[:, :2].mean(axis=0), full_matrices=False)[2][0]
    along *= np.sign((before.root[-1, :2] - before.root[0, :2]) @ along)
    across = np.array([-along[1], along[0]])
    low, high = ((ways[0][..., :2] @ along).min() - 0.2, (ways[0][..., :2] @ along).max() + 0.2)
    middle = float((ways[0][..., :2] @ across).mean())
    plot = Plot(900, 300, (low, high), (middle - 0.45, middle + 0.45), "m along the way", "m across")
    for side in range(2):
        for way, colour, label in zip(ways, (BEFORE, AFTER, TRUTH), ("before", "after", "truth"), strict=True):
            floor = way[:, side, :2]
            plot.line(floor @ along, floor @ across, colour, label if side == 0 else "", wide=2 - (colour != AFTER))
            plot.dots(floor @ along, floor @ across, colour)
    seconds = before.frames / take.video.fps
    speed = Plot(900, 240, (0.0, float(seconds[-1])), (0.0, 4.0), "s", "left ankle, m/s")
    stands = standing(after.contacts[before.id], before.frames)[:, 0].any(axis=1)
    speed.spans(seconds, stands, "stands")
    for way, colour in zip(ways, (BEFORE, AFTER, TRUTH), strict=True):
        rate = np.linalg.norm(np.gradient(way[:, 0], seconds, axis=0), axis=1)
        speed.line(seconds, rate, colour, wide=2 - (colour != AFTER))
    above = titled(plot.picture(), "Feet: where the ankles go, from above; a dot a frame")
    return stacked([above, titled(speed.picture(), "and how fast; shaded where the left foot is held")])


def aligned(true: Array, joints: Array) -> Array:
    """The true joints (T, 24, 3) turned about the vertical and moved, so that their path lies on the take's."""
    source, target = (middle_of_hips(points)[:, 0] + 1j * middle_of_hips(points)[:, 1] for points in (true, joints))
    centre, onto = source.mean(), target.mean()
    turn = np.vdot(source - centre, target - onto)
    flat = (true[..., 0] + 1j * true[..., 1] - centre) * turn / abs(turn) + onto
    return np.stack([flat.real, flat.imag, true[..., 2]], axis=-1)


def sway(take: Take, truth: TruePerson) -> np.ndarray:
    """The hips of somebody who stays in place, from above."""
    before, after = take.people[0], cleaned(take, FILM).take.people[0]
    true = middle_of_hips(aligned(truth.joints_world[before.frames], after.joints()))
    ways = [middle_of_hips(before.joints()), middle_of_hips(after.joints()), true]
    x, y = np.mean(ways[0][:, :2], axis=0)
    reach = max(0.6, 1.1 * max(float(np.abs(way[:, :2] - [x, y]).max()) for way in ways))
    plot = Plot(440, 440, (x - reach, x + reach), (y - reach, y + reach), "m", "m")
    for way, colour, label in zip(ways, (BEFORE, AFTER, TRUTH), ("before", "after", "truth"), strict=True):
        plot.line(way[:, 0], way[:, 1], colour, label, wide=2 - (colour != AFTER))
    return titled(plot.picture(), "Path: hips from above, feet in place")


def modes(take: Take) -> np.ndarray:
    """The path from above as each mode has it."""
    person = cleaned(take, FILM).take.people[0]
    times = take.video.times[person.frames - take.video.first_frame]
    x, y = person.root[:, :2].mean(axis=0)
    reach = 0.7 * float(np.ptp(person.root[:, :2], axis=0).max())
    plot = Plot(440, 440, (x - reach, x + reach), (y - reach, y + reach), "m", "m")
    named = {"full": (AFTER, Root()), "line": (TRUTH, Root(mode="line")), "in place": (INK, Root(mode="in_place"))}
    named["turned"] = (FAINT, Root(heading_rad=np.radians(30.0)))
    for label, (colour, root) in named.items():
        way = rerooted(person, times, root).root
        if label.startswith("turned"):
            way = way - way[0] + person.root[0]
        plot.line(way[:, 0], way[:, 1], colour, label, wide=2)
        if label == "in place":
            plot.dots(way[:1, 0], way[:1, 1], colour, 6)
    return titled(plot.picture(), "and what can be made of a walk")


def views(video: Path, take: Take, body: BodyModel) -> np.ndarray:
    """One frame with the body and the floor, for three cameras that could have filmed it."""
    frame = int(take.people[0].frames[len(take.people[0].frames) // 2])
    image = cv2.cvtColor(next(iter(read_frames(video, frame, frame + 1))).image, cv2.COLOR_RGB2BGR)
    tiles = []
    for label, view in (
        ("as captured", View()),
        ("pitch +6 degrees", View(pitch_rad=np.radians(6.0))),
        ("focal length x 1.6", View(focal_scale=1.6)),
    ):
        seen = cleaned(take, replace(RAW, view=view)).take
        tile = image.copy()
        person = seen.people[0]
        row = int(np.flatnonzero(person.frames == frame)[0])
        floor_grid(tile, seen, person.root[row])
        world = posed_vertices(body, person.betas, person.rotations[row : row + 1], person.root[row : row + 1])[0]
        draw(tile, seen.camera.to_camera(world), seen.camera.project(world), body.triangles, AFTER)
        small = cv2.resize(tile, (520, round(520 * tile.shape[0] / tile.shape[1])), interpolation=cv2.INTER_AREA)
        tiles.append(titled(small, label))
    return beside(tiles)


def floor_grid(image: np.ndarray, take: Take, around: Array) -> None:
    """Draws the floor into the image, a line every half metre."""
    steps = np.arange(-4.0, 4.01, 0.5)
    x0, y0 = np.round(around[:2] * 2.0) / 2.0
    fine = np.linspace(-4.0, 4.0, 33)
    for step in steps:
        for line in (
            np.stack([np.full(33, x0 + step), y0 + fine, 0 * fine], axis=1),
            np.stack([x0 + fine, np.full(33, y0 + step), 0 * fine], axis=1),
        ):
            line = line[take.camera.to_camera(line)[:, 2] > 0.3]
            if len(line) > 1:
                points = np.round(16 * take.camera.project(line)).clip(-(2**20), 2**20).astype(np.int32)
                cv2.polylines(image, [points], False, (60, 220, 255), 1, cv2.LINE_AA, 4)


def strides(take: Take) -> np.ndarray:
    """The left leg of somebody who walks, from the side, before and after."""
    rows = []
    for label, settings in (("before", RAW), ("after", FILM)):
        person = cleaned(take, settings).take.people[0]
        along = np.linalg.svd(person.root[:, :2] - person.root[:, :2].mean(axis=0), full_matrices=False)[2][0]
        along *= np.sign((person.root[-1, :2] - person.root[0, :2]) @ along)
        joints = person.joints()
        flat = np.stack([joints[..., :2] @ along, joints[..., 2]], axis=-1)
        middle = float(np.median(flat[:, 0, 0]))
        plot = Plot(900, 300, (middle - 2.1, middle + 2.1), (-0.1, 1.0), "m", "m")
        plot.level(0.0)
        some = np.flatnonzero(np.abs(flat[:, 0, 0] - middle) < 1.8)
        for row in some[::3]:
            bones(plot, flat[row], LEFT_LEG, BEFORE if label == "before" else AFTER)
        plot.dots(flat[some, 7, 0], flat[some, 7, 1], INK, 2)
        rows.append(titled(plot.picture(), f"{label}: the left leg in every third frame, a dot at its ankle in each"))
    return stacked(rows)


def keys(take: Take) -> np.ndarray:
    """One curve of a knee with a key in every frame, and with the few that are left within the bounds."""
    person = cleaned(take, FILM).take.people[0]
    count, same = len(person.frames), np.tile([1.0, 0.0, 0.0, 0.0], (JOINT_COUNT, 1))
    rotations = continuous(person.rotations)
    tracks = tuple(Track(rotations[:, joint]) for joint in range(JOINT_COUNT))
    needed, frames = np.zeros((JOINT_COUNT + 1, count), bool), person.frames.astype(float)
    skeleton = Skeleton(same, same, person.rest_joints)
    few, _ = reduce_keys(frames, tracks, Track(person.root), skeleton, needed, Bounds())
    knee, curve = few[LEFT_LEG[0]], rotations[:, LEFT_LEG[0], 1]
    low, high = float(curve.min()), float(curve.max())
    plot = Plot(900, 300, (frames[0], frames[-1]), (low - 0.05, high + 0.05), "frame", "left knee, quaternion x")
    plot.line(frames, curve, BEFORE, f"a key in each of {count} frames")
    plot.dots(frames, curve, BEFORE)
    at = frames[knee.rows]
    fine = np.linspace(at[0], at[-1], 900)
    piece = np.clip(np.searchsorted(at, fine) - 1, 0, len(at) - 2)
    span = at[piece + 1] - at[piece]
    u = (fine - at[piece]) / span
    value, slope = knee.values[:, 1], knee.slopes[:, 1]
    shown = (1 + 2 * u) * (1 - u) ** 2 * value[piece] + u * (1 - u) ** 2 * span * slope[piece]
    shown += u**2 * (3 - 2 * u) * value[piece + 1] + u**2 * (u - 1) * span * slope[piece + 1]
    plot.line(fine, shown, AFTER, f"{len(at)} keys")
    plot.dots(at, value, AFTER, 4)
    return titled(plot.picture(), "Fewer keys: within 1 degree and 5 mm everywhere")


if __name__ == "__main__":
    main()
