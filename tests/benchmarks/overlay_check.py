# SPDX-License-Identifier: MIT
"""How well a saved .blend covers the filmed person: its posed bones, seen by its camera, against the landmarks.

    python tests/benchmarks/overlay_check.py TAKE [BLEND]

Without BLEND, the take is saved as one first. The distance is the mean over frames and over the twelve limb joints
that BlazePose sees well (visibility above a half), as a share of the person's height in the picture.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import bpy
import numpy as np
from bpy_extras.object_utils import world_to_camera_view

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from vibe_blender.__main__ import main as build
from vibe_blender.contract.skeleton import JOINT_NAMES, LIMB_JOINTS
from vibe_blender.contract.take import Camera, Person, Video
from vibe_blender.contract.take_file import load_take
from vibe_blender.motion.curves import scene_frames
from vibe_blender.scene.camera import frame_rate

LANDMARKS = {
    "left_hip": 23, "right_hip": 24, "left_knee": 25, "right_knee": 26, "left_ankle": 27, "right_ankle": 28,
    "left_shoulder": 11, "right_shoulder": 12, "left_elbow": 13, "right_elbow": 14, "left_wrist": 15, "right_wrist": 16,
}  # fmt: skip
LIMIT = 0.025


def projected(rig: bpy.types.Object, video: Video, person: Person) -> np.ndarray:
    """(T, 12, 2) pixels of the posed limb joints through the scene's camera."""
    scene = bpy.context.scene
    grid = scene_frames(video.times, frame_rate(scene), scene.frame_start)
    pixels = np.empty((len(person.frames), len(LIMB_JOINTS), 2))
    for row, frame in enumerate(grid[np.asarray(person.frames) - video.first_frame]):
        scene.frame_set(int(np.floor(frame)), subframe=frame % 1.0)
        posed = rig.evaluated_get(bpy.context.evaluated_depsgraph_get())
        for column, joint in enumerate(LIMB_JOINTS):
            head = posed.matrix_world @ posed.pose.bones[JOINT_NAMES[joint]].head
            x, y, _ = world_to_camera_view(scene, scene.camera, head)
            pixels[row, column] = x * video.width_px, (1.0 - y) * video.height_px
    return pixels


def height_px(camera: Camera, person: Person, height_m: float) -> np.ndarray:
    """(T,) how tall the person, upright, would be in the picture."""
    return camera.focal_px * height_m / camera.to_camera(person.root)[:, 2]


def main(take_path: Path, blend: Path) -> bool:
    """Prints a line per person; whether all are within the limit."""
    take = load_take(take_path)
    bpy.ops.wm.open_mainfile(filepath=str(blend))
    rigs = {thing.name.rpartition(" ")[2]: thing for thing in bpy.data.objects if thing.type == "ARMATURE"}
    good = True
    for person in take.people:
        rig = rigs[str(person.id)]
        landmarks = person.keypoints[:, [LANDMARKS[JOINT_NAMES[joint]] for joint in LIMB_JOINTS]]
        distances = np.linalg.norm(projected(rig, take.video, person) - landmarks[..., :2], axis=-1)
        tall = height_px(take.camera, person, rig.data.bones["head"].tail_local.z)
        shares = np.where(landmarks[..., 2] > 0.5, distances / tall[:, None], np.nan)
        worst = JOINT_NAMES[LIMB_JOINTS[int(np.nanargmax(np.nanmean(shares, axis=0)))]]
        share = float(np.nanmean(shares))
        good = good and share <= LIMIT
        print(
            f"person {person.id}: {len(person.frames)} frames, {np.nanmean(distances):.1f} px of {tall.mean():.0f}, "
            f"{share:.2%} of the height (limit {LIMIT:.1%}), 95th percentile {np.nanpercentile(shares, 95):.2%}, "
            f"farthest on average: {worst} {np.nanmax(np.nanmean(shares, axis=0)):.2%}"
        )
    return good


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        source = Path(sys.argv[1])
        saved = Path(sys.argv[2]) if len(sys.argv) > 2 else Path(folder) / "take.blend"
        if len(sys.argv) < 3 and build([str(source), "--save", str(saved)]) != 0:
            sys.exit(1)
        sys.exit(0 if main(source, saved) else 1)
