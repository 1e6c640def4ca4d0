# SPDX-License-Identifier: MIT
# ruff: noqa: E402 (what follows needs bpy)
import os
from pathlib import Path

import pytest

bpy = pytest.importorskip("bpy")

from vibe_blender.contract.errors import CaptureError
from vibe_blender.scene.video_facts import VideoFacts, facts


def test_what_blender_knows(scene, movie) -> None:
    assert facts(movie) == VideoFacts(320, 180, 25.0, 12)
    assert len(bpy.data.movieclips) == 0


@pytest.mark.parametrize("name", ["gone.mp4", "a\0b.mp4", "a" * 5000])
def test_what_is_not_there(scene, tmp_path, name) -> None:
    with pytest.raises(CaptureError) as caught:
        facts(tmp_path / name)
    assert caught.value.code == "video_missing"


def test_what_is_no_video(scene, tmp_path) -> None:
    path = tmp_path / "notes.mp4"
    path.write_text("no video")
    for no_video in (path, tmp_path):
        with pytest.raises(CaptureError) as caught:
            facts(no_video)
        assert caught.value.code == "video_unreadable"


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_nobody_waits_for_a_pipe(scene, tmp_path) -> None:
    pipe = Path(tmp_path / "pipe.mp4")
    os.mkfifo(pipe)
    with pytest.raises(CaptureError) as caught:
        facts(pipe)
    assert caught.value.code == "video_unreadable"
