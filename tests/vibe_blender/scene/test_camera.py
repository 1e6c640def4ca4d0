# SPDX-License-Identifier: MIT
# ruff: noqa: E402 (what follows needs bpy)
from dataclasses import replace

import numpy as np
import pytest

bpy = pytest.importorskip("bpy")

from bpy_extras.object_utils import world_to_camera_view
from mathutils import Vector

from tests.fake_backend import small_take
from vibe_blender.contract.quaternions import from_axis_angles, to_matrices
from vibe_blender.contract.take import Camera
from vibe_blender.scene.camera import add_backdrop, add_camera, frame_rate, match_scene, set_frame_rate


def tilted_camera(focal_px: float, centre_px: tuple[float, float]) -> Camera:
    """Looks along +y from 4 m away and 1.5 m up, tilted and rolled a little."""
    from_world = np.eye(4)
    look = np.array([[1.0, 0, 0], [0, 0, -1], [0, 1, 0]])
    from_world[:3, :3] = to_matrices(from_axis_angles(np.array([0.2, -0.1, 0.05]))) @ look
    from_world[:3, 3] = from_world[:3, :3] @ -np.array([0.3, -4.0, 1.5])
    return Camera(focal_px, np.array(centre_px), from_world)


@pytest.mark.parametrize(
    ("size", "focal_px", "centre_px"),
    [
        ((1920, 1080), 1500.0, (960.0, 540.0)),
        ((1080, 1920), 1500.0, (540.0, 960.0)),
        ((640, 640), 700.0, (300.0, 350.0)),
        ((1920, 1080), 900.0, (1200.5, 300.25)),
        ((720, 1281), 2000.0, (100.0, 900.0)),
    ],
)
def test_joints_project_as_in_the_take(scene, size, focal_px, centre_px) -> None:
    take = small_take()
    video = replace(take.video, width_px=size[0], height_px=size[1])
    camera = tilted_camera(focal_px, centre_px)
    eye = add_camera("camera", camera, video, scene.collection)
    match_scene(scene, eye, video, start=1)
    bpy.context.view_layer.update()
    joints = take.people[0].joints()[0]
    seen = np.array([world_to_camera_view(scene, eye, Vector(joint)) for joint in joints])
    pixels = np.stack([seen[:, 0] * size[0], (1.0 - seen[:, 1]) * size[1]], axis=1)
    assert np.abs(pixels - camera.project(joints)).max() < 0.1
    np.testing.assert_allclose(seen[:, 2], camera.to_camera(joints)[:, 2], atol=1e-5)


def test_the_lens_reads_as_full_frame_upright_or_not(scene) -> None:
    video = small_take().video
    for size in ((1920, 1080), (1080, 1920)):
        wide = replace(video, width_px=size[0], height_px=size[1])
        eye = add_camera("camera", tilted_camera(1920.0, (size[0] / 2, size[1] / 2)), wide, scene.collection)
        assert eye.data.lens == pytest.approx(36.0)


@pytest.mark.parametrize("fps", [25.0, 30000 / 1001, 29.827, 59.94, 12.5])
def test_any_frame_rate_can_be_set(scene, fps) -> None:
    set_frame_rate(scene, fps)
    assert frame_rate(scene) == pytest.approx(fps, rel=1e-6)


def test_the_scene_takes_size_and_length_of_the_video(scene) -> None:
    take = small_take(count=26)
    set_frame_rate(scene, 50.0)
    eye = add_camera("camera", take.camera, take.video, scene.collection)
    match_scene(scene, eye, take.video, start=5)
    assert (scene.frame_start, scene.frame_end, scene.frame_current) == (5, 55, 5)
    assert (scene.render.resolution_x, scene.render.resolution_y) == (320, 180)
    assert scene.camera == eye


def test_a_missing_video_is_told_and_harmless(scene, tmp_path) -> None:
    take = small_take(tmp_path / "gone.mp4")
    eye = add_camera("camera", take.camera, take.video, scene.collection)
    assert "gone.mp4" in add_backdrop(eye, take.video, fps=25.0, start=1)
    assert not eye.data.background_images


def shown_frames(scene, eye, count: int) -> list[int]:
    """The movie frame, from 0, that the backdrop shows at each scene frame."""
    shown = []
    for n in range(count):
        scene.frame_set(scene.frame_start + n)
        user = eye.evaluated_get(bpy.context.evaluated_depsgraph_get()).data.background_images[0].image_user
        shown.append(scene.frame_current - user.frame_start + user.frame_offset)
    return shown


@pytest.mark.parametrize(("fps", "expected"), [(25.0, [*range(12)]), (50.0, [n // 2 + n % 2 for n in range(23)])])
def test_the_video_behind_the_camera_keeps_step(movie, scene, fps, expected) -> None:
    take = small_take(movie)
    set_frame_rate(scene, fps)
    eye = add_camera("camera", take.camera, take.video, scene.collection)
    assert add_backdrop(eye, take.video, fps=fps, start=3) == ""
    match_scene(scene, eye, take.video, start=3)
    image = eye.data.background_images[0].image
    assert image.source == "MOVIE"
    assert tuple(image.size) == (320, 180)
    assert eye.data.show_background_images
    shown = shown_frames(scene, eye, len(expected))
    assert np.abs(np.array(shown) - expected).max() <= (0 if fps == 25.0 else 1)
    assert shown[::2] == expected[::2]


def test_a_take_from_the_middle_shows_the_middle_of_the_video(movie, scene) -> None:
    take = small_take(movie)
    video = replace(take.video, times=take.video.times[4:], first_frame=4)
    set_frame_rate(scene, 25.0)
    eye = add_camera("camera", take.camera, video, scene.collection)
    add_backdrop(eye, video, fps=25.0, start=1)
    match_scene(scene, eye, video, start=1)
    assert shown_frames(scene, eye, 8) == [4, 5, 6, 7, 8, 9, 10, 11]
