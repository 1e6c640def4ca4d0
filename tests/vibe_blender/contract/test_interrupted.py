# SPDX-License-Identifier: MIT
from dataclasses import replace

import pytest

from vibe_blender.contract.errors import CaptureError
from vibe_blender.contract.interrupted import interrupted_job, note_job
from vibe_blender.contract.protocol import Job
from vibe_blender.contract.take_file import TakeWriter, partial_path


@pytest.fixture
def job(tmp_path) -> Job:
    video = tmp_path / "läuft 走.mp4"
    video.write_bytes(b"")
    return Job(str(video), str(tmp_path / "läuft 走.take"), start=5, people="2", focal_mm=28.0, height_m=1.8, fast=True)


def test_the_job_comes_back_as_it_was_and_resumes(job, tmp_path) -> None:
    with TakeWriter(tmp_path / "läuft 走.take") as writer:
        note_job(writer, job)
    expected = replace(job, models="m", resume=True)
    take = tmp_path / "läuft 走.take"
    assert interrupted_job(take, "m") == expected
    assert interrupted_job(partial_path(take), "m") == expected


def test_a_take_that_was_moved_is_resumed_where_it_is(job, tmp_path) -> None:
    with TakeWriter(tmp_path / "läuft 走.take") as writer:
        note_job(writer, job)
    moved = tmp_path / "elsewhere" / "other.take"
    moved.parent.mkdir()
    partial_path(tmp_path / "läuft 走.take").rename(partial_path(moved))
    assert interrupted_job(moved, "").take == str(moved)


def test_a_finished_take_has_nothing_to_resume(tmp_path) -> None:
    with pytest.raises(CaptureError) as caught:
        interrupted_job(tmp_path / "walk.take", "")
    assert caught.value.code == "nothing_to_resume"


def test_a_video_that_is_gone_is_named(job, tmp_path) -> None:
    with TakeWriter(tmp_path / "t.take") as writer:
        note_job(writer, replace(job, video=str(tmp_path / "gone.mp4")))
    with pytest.raises(CaptureError) as caught:
        interrupted_job(tmp_path / "t.take", "")
    assert caught.value.code == "video_missing"
    assert "gone.mp4" in caught.value.message


def test_a_growing_file_that_says_nonsense_is_refused(job, tmp_path) -> None:
    with TakeWriter(tmp_path / "t.take") as writer:
        writer.note("job", '{"video": 3}')
    with pytest.raises(CaptureError):
        interrupted_job(tmp_path / "t.take", "")
