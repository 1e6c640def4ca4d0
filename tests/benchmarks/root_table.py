# SPDX-License-Identifier: MIT
"""Captures every clip of a folder with ground truth and prints how right path and camera are, as Markdown tables.

    python tests/benchmarks/root_table.py --clips DIR [--takes DIR] [--focal-takes DIR] [--track CLIP ...]

A clip is NAME.mp4 with NAME.gt.npz beside it. Each is captured as it is, and with the true focal length; takes go to a
temporary folder, or to those named, where what is already there is used as it is. Where the camera moved, it is given
as an animated camera of a Blender scene (needs bpy), and for the clips named by --track as Blender's motion tracker
solves it, on features found by Blender that are not on the people.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from clips_table import captured, truth_beside

REPOSITORY = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(REPOSITORY))

from backend import metrics  # noqa: E402
from backend.evaluation import STANDS, Truth, load_truth  # noqa: E402
from vibe_blender.contract.quaternions import Array  # noqa: E402
from vibe_blender.contract.take import Person, Take  # noqa: E402
from vibe_blender.contract.take_file import load_take  # noqa: E402
from vibe_blender.motion.settings import CameraPath, View  # noqa: E402
from vibe_blender.motion.view import scale_of_path, viewed  # noqa: E402

TRAVELS_M = 2.0


@dataclass(frozen=True)
class Clip:
    """A video with its truth.

    Attributes:
        video: the file.
        truth: of it.
        focal_px: (N,) true focal lengths.
    """

    video: Path
    truth: Truth
    focal_px: Array


def main() -> int:
    """Prints the tables; 1 where a clip could not be captured."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--clips", type=Path, required=True)
    parser.add_argument("--takes", type=Path)
    parser.add_argument("--focal-takes", type=Path)
    parser.add_argument("--track", nargs="*", default=[], metavar="CLIP")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        plain, focal = (
            folder or Path(temporary) / name
            for folder, name in ((arguments.takes, "plain"), (arguments.focal_takes, "focal"))
        )
        plain.mkdir(parents=True, exist_ok=True)
        focal.mkdir(parents=True, exist_ok=True)
        still, moving = [], []
        for video in sorted(path for path in arguments.clips.glob("*.mp4") if truth_beside(path).is_file()):
            with np.load(truth_beside(video)) as arrays:
                clip = Clip(video, load_truth(truth_beside(video)), arrays["K"][:, 0, 0])
            options = ["--focal-px", str(float(clip.focal_px[0]))]
            if not (captured(video, plain, []) and captured(video, focal, options)):
                return 1
            takes = load_take(plain / f"{video.stem}.take"), load_take(focal / f"{video.stem}.take")
            (moving if clip.truth.camera_moves else still).append((clip, *takes))
    print_still(still)
    print_moving(moving, arguments.track)
    return 0


def print_still(clips: list[tuple[Clip, Take, Take]]) -> None:
    """The clips with a camera that stood still: those that travel, then the others."""
    print("Root trajectory error in % of the path; pitch less the true one in degrees (+: too far up).\n")
    print("| clip | travels m | path m | as captured | lens changed later | true focal | pitch | with true focal |")
    print("|" + "---|" * 8)
    rows = []
    for clip, plain, focal in clips:
        changed = viewed(plain, View(focal_scale=float(clip.focal_px[0]) / plain.camera.focal_px)).take
        pitches = [pitch_error(take, clip) for take in (plain, focal)]
        errors = [root_errors(take, clip) for take in (plain, changed, focal)]
        for person, first in enumerate(errors[0]):
            if first is not None:
                name = clip.video.stem if len(errors[0]) == 1 else f"{clip.video.stem}, person {person}"
                rows.append((name, extent(clip, person), first[1], [error[person][0] for error in errors], pitches))
    for name, far, length, errors, pitches in sorted(rows, key=lambda row: row[1] <= TRAVELS_M):
        cells = " | ".join(f"{value:.1f}" for value in (*errors, *pitches))
        print(f"| {name} | {far:.1f} | {length:.1f} | {cells} |")
    far = [row for row in rows if row[1] > TRAVELS_M]
    means = " | ".join(f"**{np.mean([row[3][n] for row in far]):.1f}**" for n in range(3))
    sizes = " | ".join(f"**{np.mean([abs(row[4][n]) for row in far]):.1f}**" for n in range(2))
    print(f"| **mean of those that travel more than {TRAVELS_M:g} m** | | | {means} | {sizes} |")
    worst = " | ".join(f"{max(row[3][n] for row in far):.1f}" for n in range(3))
    sizes = " | ".join(f"{max(abs(row[4][n]) for row in rows):.1f}" for n in range(2))
    print(f"| worst of those; worst pitch of all | | | {worst} | {sizes} |")


def print_moving(clips: list[tuple[Clip, Take, Take]], tracked: list[str]) -> None:
    """The clips with a camera that moved, each camera that is known in its own row."""
    print("\n| clip | camera | error % | error m | scale | standing feet, median m/s | picture moves px, mean, max |")
    print("|" + "---|" * 7)
    for clip, take, _ in clips:
        given = scene_path(clip, take)
        paths: dict[str, View] = {
            "as captured, standing still": View(),
            "animated scene camera": View(path=given),
            "the same, scale and floor found": View(
                path=CameraPath(given.to_world, given.focal_px, given.centre_px, None), refit_floor=True
            ),
        }
        if clip.video.stem in tracked:
            paths["solved by Blender's tracker"] = View(path=tracked_path(clip, take), refit_floor=True)
        for name, view in paths.items():
            found = viewed(take, view)
            (error, length), scale = root_errors(found.take, clip)[0], "–"
            if view.path is not None:
                scale = f"{scale_of_path(take, view.path):.3f}"
            moved = picture_change(take, found.take, found.path)
            print(
                f"| {clip.video.stem} | {name} | {error:.1f} | {error * length / 100:.3f} | {scale} | "
                f"{standing_speed(found.take.people[0], clip):.2f} | {moved.mean():.2f}, {moved.max():.2f} |"
            )


def root_errors(take: Take, clip: Clip) -> list[tuple[float, float] | None]:
    """Error in percent and length in metres of the path of each true person; None for one that was not found."""
    found: list[tuple[float, float] | None] = []
    for true in clip.truth.people:
        person = min(take.people, key=lambda person: np.median(distances(take, person, true.joints_image)))
        rows = true.visible[person.frames]
        if np.median(distances(take, person, true.joints_image)) > 100:
            found.append(None)
            continue
        paths = person.joints(), true.joints_world[person.frames]
        error = metrics.root_trajectory_error(*(metrics.middle_of_hips(joints[rows]) for joints in paths))
        found.append((100 * error.mean_m / error.length_m, error.length_m))
    return found


def distances(take: Take, person: Person, joints_image: Array) -> Array:
    """Pixels (T,) from the person's detected box to the true pelvis (N, 24, 2): no view of it changes that."""
    return np.linalg.norm(person.boxes[:, :2] - joints_image[person.frames].mean(axis=1), axis=1)


def extent(clip: Clip, person: int) -> float:
    """Metres along the floor between the two places of a true person that are farthest apart."""
    way = clip.truth.people[person].joints_world[:, 0, :2]
    return float(np.linalg.norm(way[:, None] - way[None], axis=-1).max())


def pitch_error(take: Take, clip: Clip) -> float:
    """Degrees by which the take's camera looks further up than the true one in the first frame."""
    return pitch(take.camera.from_world) - pitch(clip.truth.camera_from_world[0])


def pitch(from_world: Array) -> float:
    """Degrees by which a camera looks up."""
    return float(np.degrees(np.arcsin(from_world[2, 2])))


def standing_speed(person: Person, clip: Clip) -> float:
    """Median speed in m/s of the balls of the feet while the truth says that the foot stands."""
    feet = np.linalg.norm(np.gradient(person.joints()[:, metrics.FEET], axis=0), axis=-1) * clip.truth.fps
    return float(np.median(feet[clip.truth.people[0].contacts[person.frames] > STANDS]))


def picture_change(before: Take, after: Take, path: CameraPath | None) -> Array:
    """Pixels (T, 24) by which the first person's joints lie elsewhere in the picture than they did."""
    old = before.camera.project(before.people[0].joints())
    joints = after.people[0].joints()
    if path is None:
        return np.linalg.norm(after.camera.project(joints) - old, axis=-1)
    rows = after.people[0].frames - after.video.first_frame
    from_world = np.linalg.inv(path.to_world[rows])
    seen = np.einsum("tij,tkj->tki", from_world[:, :3, :3], joints) + from_world[:, None, :3, 3]
    centre = after.camera.centre_px if path.centre_px is None else path.centre_px[rows][:, None]
    return np.linalg.norm(path.focal_px[rows][:, None, None] * seen[..., :2] / seen[..., 2:] + centre - old, axis=-1)


def scene_path(clip: Clip, take: Take) -> CameraPath:
    """The true camera as an animated camera of a Blender scene, read from there."""
    import bpy
    from mathutils import Matrix

    from vibe_blender.scene.camera import set_frame_rate
    from vibe_blender.scene.moving_camera import scene_camera_path

    bpy.ops.wm.read_factory_settings(use_empty=True)
    scene = bpy.context.scene
    set_frame_rate(scene, clip.truth.fps)
    scene.render.resolution_x, scene.render.resolution_y = clip.truth.width_px, clip.truth.height_px
    eye = bpy.data.objects.new("eye", bpy.data.cameras.new("eye"))
    scene.collection.objects.link(eye)
    eye.rotation_mode = "QUATERNION"
    for number, matrix in enumerate(np.linalg.inv(clip.truth.camera_from_world) @ np.diag([1.0, -1.0, -1.0, 1.0])):
        eye.matrix_world = Matrix(matrix.tolist())
        eye.data.lens = clip.focal_px[number] / max(clip.truth.width_px, clip.truth.height_px) * eye.data.sensor_width
        eye.keyframe_insert("location", frame=number + 1)
        eye.keyframe_insert("rotation_quaternion", frame=number + 1)
        eye.data.keyframe_insert("lens", frame=number + 1)
    return scene_camera_path(scene, eye, take.video, fps=clip.truth.fps, start=1 + take.video.first_frame)


def tracked_path(clip: Clip, take: Take) -> CameraPath:
    """The camera as Blender's motion tracker solves it, the focal length being known."""
    import bpy

    from vibe_blender.scene.moving_camera import tracked_camera_path

    bpy.ops.wm.read_factory_settings(use_empty=True)
    movie = bpy.data.movieclips.load(str(clip.video))
    tracking, scene = movie.tracking, bpy.context.scene
    tracking.camera.sensor_width = 36.0
    tracking.camera.focal_length_pixels = float(clip.focal_px[0])
    settings = tracking.settings
    settings.default_pattern_size, settings.default_search_size = 21, 81
    settings.default_correlation_min, settings.use_default_normalization = 0.75, True
    settings.use_keyframe_selection = True
    scene.frame_end = movie.frame_duration
    window = bpy.context.window_manager.windows[0]
    area = window.screen.areas[0]
    area.type = "CLIP_EDITOR"
    area.spaces.active.clip = movie
    region = next(region for region in area.regions if region.type == "WINDOW")
    with bpy.context.temp_override(window=window, area=area, region=region, scene=scene):
        for start in range(1, movie.frame_duration + 1, 30):
            scene.frame_set(start)
            old = {track.name for track in tracking.tracks}
            bpy.ops.clip.detect_features(placement="FRAME", margin=24, threshold=0.02, min_distance=20)
            drop(tracking, [track for track in tracking.tracks if track.name not in old and on_people(track, take)])
            for backwards in (False, True):
                scene.frame_set(start)
                for track in tracking.tracks:
                    track.select = track.name not in old
                bpy.ops.clip.track_markers(backwards=backwards, sequence=True)
        drop(tracking, [track for track in tracking.tracks if on_people(track, take)])
        bpy.ops.clip.solve_camera()
    error, count = tracking.reconstruction.average_error, len(tracking.tracks)
    print(f"tracked {clip.video.stem}: {count} tracks, mean error {error:.2f} px", file=sys.stderr)
    return tracked_camera_path(movie, take.video)


def on_people(track, take: Take) -> bool:
    """Whether a track is in a person's box in more than a tenth of its frames."""
    size = np.array([take.video.width_px, take.video.height_px])
    inside = []
    for marker in track.markers:
        place = np.array([marker.co[0], 1 - marker.co[1]]) * size
        boxes = [person.boxes[person.frames == marker.frame - 1] for person in take.people]
        inside.append(any(np.any(np.all(np.abs(place - box[:, :2]) < 0.6 * box[:, 2:], axis=1)) for box in boxes))
    return float(np.mean(inside)) > 0.1


def drop(tracking, bad: list) -> None:
    """Deletes tracks."""
    import bpy

    for track in tracking.tracks:
        track.select = track in bad
    if bad:
        bpy.ops.clip.delete_track()


if __name__ == "__main__":
    sys.exit(main())
