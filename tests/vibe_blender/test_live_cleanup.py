# SPDX-License-Identifier: MIT
# ruff: noqa: E402 (what follows needs bpy)
"""Another take's file where that of a take in the scene was."""

from dataclasses import replace
from unittest.mock import MagicMock

import pytest

bpy = pytest.importorskip("bpy")

from tests.fake_backend import small_take
from vibe_blender import cleanup_panel
from vibe_blender.contract.take_file import load_take, save_take
from vibe_blender.live_cleanup import problem
from vibe_blender.scene.animation import curves_of
from vibe_blender.scene.cleaning import camera_path_of
from vibe_blender.scene.takes import camera_of, people

pytestmark = pytest.mark.usefixtures("panel")


@pytest.fixture
def opened(panel, video, tmp_path):
    path = save_take(small_take(str(video), count=60), tmp_path / "one.take")
    bpy.context.scene.render.fps = 25  # the video's
    bpy.ops.vibe.open_take(filepath=str(path))
    return path


def collection():
    return bpy.context.scene.vibe.active_take


def keys() -> list[tuple[float, ...]]:
    curves = curves_of(people(collection())[0][0].animation_data.action).fcurves
    return [tuple(float(point.co[1]) for point in curve.keyframe_points) for curve in curves]


@pytest.mark.parametrize("other", ["length", "first frame", "people"])
def test_another_take_in_the_file_s_place_is_not_shown(opened, tmp_path, other) -> None:
    whole = save_take(load_take(opened), tmp_path / "whole.take")
    take = load_take(opened)
    if other == "length":
        take = small_take(count=59)
    elif other == "first frame":
        later = [replace(person, frames=person.frames + 5) for person in take.people]
        take = replace(take, video=replace(take.video, first_frame=5), people=tuple(later))
    else:
        take = replace(take, people=tuple(replace(person, id=2) for person in take.people))
    opened.unlink()
    save_take(take, opened)
    before = keys()
    collection().vibe_cleanup.smoothing_cutoff_hz = 2.0
    assert problem(collection()).code == "other_take"
    assert "one.take is not the take" in problem(collection()).message
    assert keys() == before
    layout = MagicMock()
    cleanup_panel._draw_state(layout, MagicMock(), collection(), True)
    assert "vibe.locate_take" in [call.args[0] for call in layout.box().operator.call_args_list]
    bpy.ops.vibe.locate_take(filepath=str(whole))
    assert problem(collection()) is None
    assert keys() != before


def test_a_camera_s_path_is_not_kept_for_another_take(opened) -> None:
    scene = bpy.context.scene
    scene.render.resolution_x, scene.render.resolution_y = 320, 180
    collection().vibe_cleanup.camera = camera_of(collection())
    opened.unlink()
    save_take(small_take(count=20), opened)
    with pytest.raises(RuntimeError, match="is not the take"):
        bpy.ops.vibe.use_camera()
    assert camera_path_of(collection()) is None
