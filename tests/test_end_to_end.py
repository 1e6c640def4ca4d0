# SPDX-License-Identifier: MIT
"""The product as a user first meets it: the bundled video in, an animated armature and a picture out."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from backend.evaluation import evaluate
from vibe_blender.contract.take_file import load_take

REPOSITORY = Path(__file__).resolve().parent.parent
SAMPLE = REPOSITORY / "tests" / "data" / "walk.mp4"

LOOK_INSIDE = """
import sys
import bpy
from bpy_extras.object_utils import world_to_camera_view
bpy.ops.wm.open_mainfile(filepath=sys.argv[-1])
scene = bpy.context.scene
(rig,) = [thing for thing in scene.objects if thing.type == "ARMATURE"]
(body,) = [thing for thing in scene.objects if thing.type == "MESH"]
inside = moved = 0
for frame in range(scene.frame_start, scene.frame_end + 1, 10):
    scene.frame_set(frame)
    head = rig.matrix_world @ rig.pose.bones["head"].head
    x, y, depth = world_to_camera_view(scene, scene.camera, head)
    inside += 0 < x < 1 and 0 < y < 1 and depth > 0
    moved = max(moved, (head - rig.matrix_world @ rig.data.bones["head"].head_local).length)
views = {area.spaces.active.region_3d.view_perspective
         for screen in bpy.data.screens for area in screen.areas if area.type == "VIEW_3D"}
print("LOOK", len(rig.pose.bones), inside, round(moved, 2), len(body.data.vertices), body.find_armature() == rig,
      views == {"CAMERA"}, scene.render.resolution_x, scene.frame_end - scene.frame_start + 1,
      bool(scene.camera.data.background_images))
"""


@pytest.fixture(scope="module")
def made(models: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What README's first command leaves, in a folder with an awkward name."""
    pytest.importorskip("bpy")
    folder = tmp_path_factory.mktemp("first capture é 走")
    command = [sys.executable, "-m", "vibe_blender", str(SAMPLE), "--models", str(models)]
    command += ["--save", str(folder / "walk.blend"), "--picture", str(folder / "walk.png")]
    finished = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, timeout=300, check=False)
    assert finished.returncode == 0, finished.stderr
    return folder


def test_the_take_is_close_to_the_truth(made: Path) -> None:
    take = load_take(made / "walk.take")
    report = evaluate(take, SAMPLE.with_suffix(".gt.npz"))
    (person,) = report.people
    assert person.coverage == 1.0
    assert person.pa_mpjpe_mm < 65
    assert person.acceleration_error_mm_per_frame2 < 7.5
    assert 0.75 < person.wrist_speed_ratio < 1.25
    assert 0.75 < person.ankle_speed_ratio < 1.25
    assert person.bone_length_deviation_percent < 1e-6
    assert person.root_error_percent < 5
    assert person.contact_f1 > 0.85
    assert take.status == "complete"


def test_the_file_holds_a_rig_a_body_and_a_matching_camera(made: Path) -> None:
    command = [sys.executable, "-c", LOOK_INSIDE, str(made / "walk.blend")]
    printed = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False).stdout
    (line,) = [line for line in printed.splitlines() if line.startswith("LOOK")]
    bones, inside, moved, vertices, bound, camera, width, frames, backdrop = line.split()[1:]
    assert (bones, inside, bound, camera, width, frames, backdrop) == ("24", "11", "True", "True", "640", "104", "True")
    assert float(moved) > 1.0
    assert int(vertices) > 4000


def test_the_picture_shows_the_body_over_the_video(made: Path) -> None:
    import cv2

    from backend.video import read_frames

    picture = cv2.imdecode(np.fromfile(made / "walk.png", np.uint8), cv2.IMREAD_COLOR)[..., ::-1]
    frames = [frame.image for frame in read_frames(SAMPLE)]
    assert picture.shape == frames[0].shape
    # The rest of the picture is the video frame; where the body was drawn, it is not.
    apart = [np.mean(np.abs(picture.astype(int) - frame) > 40) for frame in frames]
    assert 0.005 < min(apart) < 0.15
