# SPDX-License-Identifier: MIT
# ruff: noqa: E402 (what follows needs bpy)
import pytest

bpy = pytest.importorskip("bpy")

from tests.fake_backend import FPS, small_take
from vibe_blender.contract.take_file import save_take
from vibe_blender.scene.camera import frame_rate

pytestmark = pytest.mark.usefixtures("panel")


@pytest.fixture
def two(video, tmp_path, panel) -> None:
    panel.vibe.scene_start = 11
    for name in ("one", "two"):
        bpy.ops.vibe.open_take(filepath=str(save_take(small_take(str(video)), tmp_path / f"{name}.take")))


def test_without_a_take_the_buttons_say_why_not() -> None:
    for button in (bpy.ops.vibe.fit_timeline, bpy.ops.vibe.look_through_camera, bpy.ops.vibe.mark_doubtful):
        with pytest.raises(RuntimeError, match="Capture a video or open a take first"):
            button()


@pytest.mark.usefixtures("two")
def test_the_buttons_are_about_the_chosen_take() -> None:
    assert bpy.context.scene.vibe.active_take.name == "two"
    bpy.ops.vibe.activate_take(name="one")
    bpy.ops.vibe.look_through_camera()
    assert bpy.context.scene.camera.name == "one camera"
    assert (bpy.context.scene.render.resolution_x, bpy.context.scene.render.resolution_y) == (320, 180)


@pytest.mark.usefixtures("two")
def test_the_timeline_is_fitted_and_nothing_else_changes() -> None:
    scene = bpy.context.scene
    before = (frame_rate(scene), scene.frame_current, scene.camera)
    bpy.ops.vibe.fit_timeline()
    assert (scene.frame_start, scene.frame_end) == (11, 22)  # 11 steps at 25 a second, seen at 24
    assert (frame_rate(scene), scene.frame_current, scene.camera) == before


def test_the_scene_takes_the_videos_rate(video) -> None:
    with pytest.raises(RuntimeError, match="Choose a video first"):
        bpy.ops.vibe.match_frame_rate()
    bpy.context.scene.vibe.video = str(video)
    bpy.ops.vibe.match_frame_rate()
    assert frame_rate(bpy.context.scene) == pytest.approx(FPS)
