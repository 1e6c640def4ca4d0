# SPDX-License-Identifier: MIT
# ruff: noqa: E402 (what follows needs bpy)
from dataclasses import replace

import pytest

bpy = pytest.importorskip("bpy")

from vibe_blender import places, session
from vibe_blender.contract.interrupted import interrupted_takes, note_job
from vibe_blender.contract.protocol import Job
from vibe_blender.contract.take_file import TakeWriter

pytestmark = pytest.mark.usefixtures("panel")


@pytest.fixture
def jobs(monkeypatch) -> list[Job]:
    """The jobs that buttons start, none of which is run."""
    started: list[Job] = []
    monkeypatch.setattr(session, "start", lambda job, *_: started.append(job))
    return started


def test_the_settings_become_the_job(video, jobs) -> None:
    settings = bpy.context.scene.vibe
    settings.video = str(video)
    bpy.ops.vibe.capture()
    settings.use_range, settings.start, settings.end = True, 3, 9
    settings.people, settings.people_count = "count", 4
    settings.focal, settings.focal_mm = "mm", 26.0
    settings.use_height, settings.height_m = True, 1.5
    settings.device, settings.fast = "cpu", True
    bpy.ops.vibe.capture()
    takes = [str(video.with_name(f"{video.stem}{number}.take")) for number in ("", " 2")]
    chosen = {"start": 3, "end": 9, "people": "4", "focal_mm": 26.0, "height_m": 1.5, "device": "cpu", "fast": True}
    assert jobs == [Job(str(video), takes[0]), Job(str(video), takes[1], **chosen)]


def test_takes_go_where_the_preferences_say(video, jobs, tmp_path) -> None:
    bpy.context.scene.vibe.video = str(video)
    places.preferences().takes = str(tmp_path / "all my takes")
    bpy.ops.vibe.capture()
    assert jobs[0].take == str(tmp_path / "all my takes" / f"{video.stem}.take")


def test_without_a_video_or_a_backend_the_button_says_so(video, jobs, monkeypatch) -> None:
    with pytest.raises(RuntimeError, match="Choose a video first"):
        bpy.ops.vibe.capture()
    bpy.context.scene.vibe.video = str(video)
    monkeypatch.delenv("VIBE_BACKEND_PYTHON")
    with pytest.raises(RuntimeError, match="Install the backend first"):
        bpy.ops.vibe.capture()
    assert jobs == []


def test_a_video_that_is_gone_and_a_range_that_is_empty_are_refused(video, jobs) -> None:
    settings = bpy.context.scene.vibe
    settings.video = str(video)
    settings.use_range, settings.start, settings.end = True, 9, 9
    with pytest.raises(RuntimeError, match="ends before it begins"):
        bpy.ops.vibe.capture()
    video.unlink()
    with pytest.raises(RuntimeError, match="Choose it again"):
        bpy.ops.vibe.capture()
    assert jobs == []


def test_an_interrupted_capture_is_found_and_resumed_as_it_was_begun(video, jobs) -> None:
    begun = Job(str(video), str(video.with_suffix(".take")), start=2, people="1", height_m=1.9)
    with TakeWriter(video.with_suffix(".take")) as writer:
        note_job(writer, begun)
    bpy.context.scene.vibe.fast = True  # the settings of now do not matter
    (found,) = interrupted_takes(video.parent, video)
    bpy.ops.vibe.resume_capture(take=str(found))
    assert jobs == [replace(begun, resume=True)]


def test_there_may_be_nothing_to_resume(video, jobs) -> None:
    with pytest.raises(RuntimeError, match="no interrupted capture"):
        bpy.ops.vibe.resume_capture(take=str(video.with_suffix(".take")))
    assert jobs == []
