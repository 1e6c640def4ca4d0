# SPDX-License-Identifier: MIT
# ruff: noqa: E402 (what follows needs bpy)
from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

bpy = pytest.importorskip("bpy")

from bpy_extras.object_utils import world_to_camera_view
from mathutils import Vector

from tests.fake_backend import small_take
from tests.vibe_blender.conftest import blocks
from vibe_blender.contract.errors import CaptureError
from vibe_blender.contract.quaternions import from_axis_angles, to_matrices
from vibe_blender.motion.curves import scene_frames
from vibe_blender.motion.settings import CameraPath, View
from vibe_blender.motion.view import viewed
from vibe_blender.scene.camera import frame_rate, set_frame_rate
from vibe_blender.scene.moving_camera import scene_camera_path, tracked_camera_path

POINTS = np.array([[0.3, 1.0, 0.2], [-0.6, 2.0, 1.5], [0.8, 0.5, 0.9], [0.0, 3.0, 0.1]])
START = 4


def animated_camera(scene):
    """A camera that goes, turns and zooms between the frames 1 and 30, every parent and constraint left to the test."""
    data = bpy.data.cameras.new("eye")
    eye = bpy.data.objects.new("eye", data)
    scene.collection.objects.link(eye)
    for frame, place, turn, lens in (
        (1, (0, -6, 1.5), (1.5, 0, 0.1), 40.0),
        (30, (1.5, -5, 1.2), (1.3, 0.05, -0.2), 55),
    ):
        eye.location, eye.rotation_euler, data.lens = place, turn, lens
        eye.keyframe_insert("location", frame=frame)
        eye.keyframe_insert("rotation_euler", frame=frame)
        data.keyframe_insert("lens", frame=frame)
    scene.camera = eye
    return eye


def video_and_scene(scene, width: int = 320, height: int = 180, fps: float = 25.0):
    video = replace(small_take().video, width_px=width, height_px=height)
    set_frame_rate(scene, fps)
    scene.render.resolution_x, scene.render.resolution_y = width, height
    return video


def seen_by_blender(scene, eye, video) -> NDArray:
    """Pixels (N, K, 2) of the points, as Blender itself projects them in each of the video's frames."""
    seen = []
    for frame in scene_frames(video.times, frame_rate(scene), START):
        scene.frame_set(int(np.floor(frame)), subframe=float(frame - np.floor(frame)))
        seen.append([world_to_camera_view(scene, eye, Vector(point)) for point in POINTS])
    scene.frame_set(1)
    return np.array(seen)[..., :2] * [1, -1] * [video.width_px, video.height_px] + [0, video.height_px]


def seen_by_path(path: CameraPath) -> NDArray:
    """Pixels (N, K, 2) of the points, as the path has it."""
    from_world = np.linalg.inv(path.to_world)
    camera = np.einsum("nij,kj->nki", from_world[:, :3, :3], POINTS) + from_world[:, None, :3, 3]
    return path.focal_px[:, None, None] * camera[..., :2] / camera[..., 2:] + path.centre_px[:, None]


def nothing(scene, eye) -> None:
    pass


def moving_parent(scene, eye) -> None:
    parent = bpy.data.objects.new("dolly", None)
    scene.collection.objects.link(parent)
    parent.rotation_euler, parent.scale = (0.1, 0.2, 0.3), (2, 2, 2)
    for frame, x in ((1, 0.0), (30, 2.0)):
        parent.location.x = x
        parent.keyframe_insert("location", frame=frame)
    eye.parent = parent


def constraints(scene, eye) -> None:
    target = bpy.data.objects.new("target", None)
    scene.collection.objects.link(target)
    for frame, z in ((1, 0.5), (30, 2.0)):
        target.location.z = z
        target.keyframe_insert("location", frame=frame)
    constraint = eye.constraints.new("TRACK_TO")
    constraint.target, constraint.track_axis, constraint.up_axis = target, "TRACK_NEGATIVE_Z", "UP_Y"


@pytest.mark.parametrize("held", [nothing, moving_parent, constraints])
@pytest.mark.parametrize("fps", [25.0, 24.0, 60.0])
def test_the_path_sees_what_the_camera_sees(scene, held, fps) -> None:
    video = video_and_scene(scene, fps=fps)
    eye = animated_camera(scene)
    held(scene, eye)
    path = scene_camera_path(scene, eye, video, fps=frame_rate(scene), start=START)
    assert path.to_world.shape == (len(video.times), 4, 4)
    assert path.scale == 1.0
    seen = seen_by_blender(scene, eye, video)
    assert np.ptp(seen, axis=0).max() > 10  # it does move
    np.testing.assert_allclose(seen_by_path(path), seen, atol=0.05)
    turns = path.to_world[:, :3, :3]
    np.testing.assert_allclose(turns @ np.swapaxes(turns, 1, 2), np.tile(np.eye(3), (len(turns), 1, 1)), atol=1e-6)


@pytest.mark.parametrize(("width", "height"), [(320, 180), (180, 320), (200, 200)])
@pytest.mark.parametrize("fit", ["AUTO", "HORIZONTAL", "VERTICAL"])
def test_every_lens_is_understood(scene, width, height, fit) -> None:
    video = video_and_scene(scene, width, height)
    eye = animated_camera(scene)
    eye.data.sensor_fit, eye.data.sensor_width, eye.data.sensor_height = fit, 30.0, 20.0
    eye.data.shift_x, eye.data.shift_y = 0.05, -0.1
    path = scene_camera_path(scene, eye, video, fps=frame_rate(scene), start=START)
    np.testing.assert_allclose(seen_by_path(path), seen_by_blender(scene, eye, video), atol=0.05)


def test_nothing_of_the_scene_changes(scene) -> None:
    video = video_and_scene(scene)
    eye = animated_camera(scene)
    scene.frame_set(7, subframe=0.25)
    before, place = blocks(), np.array(eye.matrix_world)
    scene_camera_path(scene, eye, video, fps=frame_rate(scene), start=START)
    assert (scene.frame_current, scene.frame_subframe) == (7, 0.25)
    assert blocks() == before
    assert np.array_equal(np.array(eye.matrix_world), place)
    assert list(eye.users_scene) == [scene]
    assert bpy.context.scene == scene


def test_the_take_s_frames_are_where_its_keys_are(scene) -> None:
    video = video_and_scene(scene)
    eye = animated_camera(scene)
    seen = scene_camera_path(scene, eye, video, fps=25.0, start=START)
    set_frame_rate(scene, 50.0)  # after the keys were placed
    np.testing.assert_array_equal(scene_camera_path(scene, eye, video, fps=25.0, start=START).to_world, seen.to_world)


def test_people_stay_in_the_picture_of_a_moving_camera(scene) -> None:
    take = small_take()
    video_and_scene(scene)
    eye = animated_camera(scene)
    take = replace(take, camera=replace(take.camera, focal_px=40 / 36 * 320))
    bpy.data.objects["eye"].data.animation_data_clear()
    eye.data.lens = 40.0
    path = scene_camera_path(scene, eye, take.video, fps=frame_rate(scene), start=START)
    found = viewed(take, View(path=path))
    joints = found.take.people[0].joints()
    for number in (0, 5, 11):
        scene.frame_set(START + number)
        seen = np.array([world_to_camera_view(scene, eye, Vector(joint)) for joint in joints[number]])
        pixels = np.stack([seen[:, 0] * 320, (1 - seen[:, 1]) * 180], axis=1)
        assert np.abs(pixels - take.camera.project(take.people[0].joints()[number])).max() < 0.05


def test_what_is_no_such_camera_is_said(scene) -> None:
    video = video_and_scene(scene)
    eye = animated_camera(scene)
    empty = bpy.data.objects.new("nobody", None)
    scene.collection.objects.link(empty)
    with pytest.raises(CaptureError, match="nobody is no camera") as caught:
        scene_camera_path(scene, empty, video, fps=frame_rate(scene), start=START)
    assert caught.value.code == "no_camera"
    eye.data.type = "ORTHO"
    with pytest.raises(CaptureError, match="perspective"):
        scene_camera_path(scene, eye, video, fps=frame_rate(scene), start=START)
    eye.data.type = "PERSP"
    scene.render.resolution_x = 400
    with pytest.raises(CaptureError, match="400 x 180") as caught:
        scene_camera_path(scene, eye, video, fps=frame_rate(scene), start=START)
    assert caught.value.code == "camera_mismatch"


TRACK_POINTS = np.random.default_rng(2).uniform([-2.0, -1.2, 5.0], [2.0, 1.2, 9.0], (24, 3))
FOCAL_PX, CENTRE_PX = 300.0, np.array([170.0, 80.0])


def true_path() -> NDArray:
    """(12, 4, 4) camera to world, OpenCV's axes: a dolly to the side and ahead that turns."""
    share = np.linspace(0.0, 1.0, 12)
    paths = np.tile(np.eye(4), (12, 1, 1))
    paths[:, :3, :3] = to_matrices(from_axis_angles(share[:, None] * [0.05, -0.15, 0.02]))
    paths[:, :3, 3] = share[:, None] * [1.5, 0.1, 0.8]
    return paths


def solved_clip(movie: Path):
    """A clip with tracks of points that ``true_path`` sees, its camera solved by Blender."""
    clip = bpy.data.movieclips.load(str(movie))
    tracking = clip.tracking
    tracking.camera.sensor_width = 36.0
    tracking.camera.focal_length_pixels = FOCAL_PX
    tracking.camera.principal_point_pixels = (CENTRE_PX[0], 180 - CENTRE_PX[1])
    from_world = np.linalg.inv(true_path())
    for point in TRACK_POINTS:
        track = tracking.tracks.new(name="point", frame=1)
        for number, (matrix, place) in enumerate(zip(from_world[:, :3, :3], from_world[:, :3, 3], strict=True)):
            x, y, z = matrix @ point + place
            pixel = FOCAL_PX * np.array([x, y]) / z + CENTRE_PX
            track.markers.insert_frame(number + 1, co=(pixel[0] / 320, 1 - pixel[1] / 180))
    tracking.objects[0].keyframe_a, tracking.objects[0].keyframe_b = 1, 12
    window = bpy.context.window_manager.windows[0]
    area = window.screen.areas[0]
    area.type = "CLIP_EDITOR"
    area.spaces.active.clip = clip
    region = next(region for region in area.regions if region.type == "WINDOW")
    with bpy.context.temp_override(window=window, area=area, region=region):
        bpy.ops.clip.solve_camera()
    return clip


def closest(path: NDArray) -> tuple[float, float]:
    """How far a path is from the true one, both begun at one place and made equally long: radians and share."""
    truth = true_path()
    path = np.linalg.inv(path[0]) @ path
    places = path[:, :3, 3] / np.linalg.norm(path[-1, :3, 3]) * np.linalg.norm(truth[-1, :3, 3])
    turns = np.swapaxes(path[:, :3, :3], 1, 2) @ truth[:, :3, :3]
    angles = np.arccos(np.clip((np.trace(turns, axis1=1, axis2=2) - 1) / 2, -1, 1))
    return float(angles.max()), float(np.abs(places - truth[:, :3, 3]).max() / np.linalg.norm(truth[-1, :3, 3]))


@pytest.mark.skipif(not bpy.app.build_options.libmv, reason="this Blender has no motion tracker")
def test_a_tracker_s_solution_is_read(movie, scene) -> None:
    clip = solved_clip(movie)
    assert clip.tracking.reconstruction.average_error < 0.1
    path = tracked_camera_path(clip, small_take(movie).video)
    turned, moved = closest(path.to_world)
    assert turned < 0.005
    assert moved < 0.02
    np.testing.assert_allclose(path.focal_px, FOCAL_PX, rtol=1e-5)
    np.testing.assert_allclose(path.centre_px, np.tile(CENTRE_PX, (12, 1)), atol=1e-3)
    assert path.scale is None


@pytest.mark.skipif(not bpy.app.build_options.libmv, reason="this Blender has no motion tracker")
def test_a_camera_held_by_the_solver_is_read_like_any_other(movie, scene) -> None:
    video = video_and_scene(scene)
    clip = solved_clip(movie)
    scene.active_clip = clip
    eye = bpy.data.objects.new("solved", bpy.data.cameras.new("solved"))
    scene.collection.objects.link(eye)
    eye.constraints.new("CAMERA_SOLVER").use_active_clip = True
    path = scene_camera_path(scene, eye, video, fps=frame_rate(scene), start=1)
    turned, moved = closest(path.to_world)
    assert turned < 0.005
    assert moved < 0.02
    assert path.scale is None


def test_an_unsolved_clip_is_said(movie, scene) -> None:
    clip = bpy.data.movieclips.load(str(movie))
    with pytest.raises(CaptureError, match="12 of 12 frames, the first is 1") as caught:
        tracked_camera_path(clip, small_take(movie).video)
    assert caught.value.code == "camera_unsolved"
    with pytest.raises(CaptureError, match="320 x 180") as caught:
        tracked_camera_path(clip, replace(small_take(movie).video, width_px=640))
    assert caught.value.code == "camera_mismatch"
