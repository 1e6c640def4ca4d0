# SPDX-License-Identifier: MIT

import pytest

bpy = pytest.importorskip("bpy")

pytestmark = pytest.mark.usefixtures("panel")


def test_the_whole_video_is_chosen(video) -> None:
    settings = bpy.context.scene.vibe
    settings.use_range, settings.start = True, 5
    assert bpy.ops.vibe.choose_video(filepath=str(video)) == {"FINISHED"}
    assert settings.video_path() == video
    assert (settings.use_range, settings.start, settings.end) == (False, 0, 12)
    found = settings.video_facts()
    assert (found.width_px, found.height_px, found.fps, found.frames) == (320, 180, 25.0, 12)


def test_a_file_that_is_no_video_is_refused_and_nothing_changes(video, tmp_path) -> None:
    bpy.ops.vibe.choose_video(filepath=str(video))
    text = tmp_path / "text.mp4"
    text.write_text("no video", encoding="utf-8")
    for wrong in (text, tmp_path / "missing.mp4"):
        with pytest.raises(RuntimeError, match=wrong.name):
            bpy.ops.vibe.choose_video(filepath=str(wrong))
    assert bpy.context.scene.vibe.video_path() == video


def test_a_dropped_video_is_handled_in_the_3d_view_only() -> None:
    handler = bpy.types.VIBE_FH_video
    assert handler.bl_import_operator == "vibe.choose_video"
    assert ".mp4" in handler.bl_file_extensions.split(";")
