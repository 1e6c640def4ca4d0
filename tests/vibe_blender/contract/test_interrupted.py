# SPDX-License-Identifier: MIT
import json
import os
import subprocess
import sys
import unicodedata
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from vibe_blender.contract.errors import CaptureError
from vibe_blender.contract.interrupted import interrupted_job, interrupted_takes, note_job
from vibe_blender.contract.protocol import Job
from vibe_blender.contract.take_file import TakeWriter, free_take_path, partial_path

FAKE = Path(__file__).resolve().parents[2] / "fake_backend.py"


def leave(video: Path, folder: Path) -> Path:
    """What an interrupted capture of a video leaves in a folder."""
    take = free_take_path(folder, video.stem)
    with TakeWriter(take) as writer:
        note_job(writer, Job(str(video), str(take)))
    return partial_path(take)


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


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"start": -1}, "bad_range"),
        ({"start": 5, "end": 5}, "bad_range"),
        ({"end": 2**31}, "bad_range"),
        ({"device": "cuda:0"}, "no_such_device"),
        ({"estimator": "telepathy"}, "no_such_estimator"),
        ({"people": "9" * 5000}, "bad_people"),
        ({"height_m": -1.0}, "bad_number"),
    ],
    ids=str,
)
def test_a_strangers_job_that_makes_no_sense_is_refused(job, tmp_path, change, code) -> None:
    with TakeWriter(tmp_path / "t.take") as writer:
        writer.note("job", json.dumps(asdict(job) | change))
    with pytest.raises(CaptureError) as caught:
        interrupted_job(tmp_path / "t.take", "")
    assert caught.value.code == code
    assert caught.value.hint


def test_a_capture_begun_with_an_option_that_did_nothing_is_resumed_without_it(job, tmp_path) -> None:
    with TakeWriter(tmp_path / "t.take") as writer:
        writer.note("job", json.dumps(asdict(job) | {"estimator": "vibe", "fast": True, "chunk": 450}))
    resumed = interrupted_job(tmp_path / "t.take", "")
    assert (resumed.estimator, resumed.fast, resumed.chunk, resumed.resume) == ("vibe", False, 450, True)


def test_a_network_is_used_only_where_the_user_has_put_or_chosen_it(job, tmp_path) -> None:
    places = [tmp_path / name for name in ("videos", "takes", "models", "runs")]
    for place in places:
        place.mkdir()
    (places[0] / "walk.mp4").touch()
    take, models = places[1] / "t.take", places[2]
    job = Job(str(places[0] / "walk.mp4"), str(take), estimator="tcmr")
    for place in places:
        network = place / "best.pt"
        network.touch()
        with TakeWriter(take) as writer:
            note_job(writer, replace(job, network=str(network)))
        assert interrupted_job(take, str(models), {"tcmr": str(network)}).network == str(network)
        if place != places[3]:
            assert interrupted_job(take, str(models)).network == str(network)
            continue
        other = str(places[2] / "best.pt")
        assert interrupted_job(take, str(models), {"tcmr": other}).network == other  # the user's word
        for chosen in ({}, {"tcmr": ""}, {"vibe": other}):
            with pytest.raises(CaptureError) as caught:
                interrupted_job(take, str(models), chosen)
            assert caught.value.code == "network_missing"
            assert str(network) in caught.value.message
        network.unlink()
        with pytest.raises(CaptureError):
            interrupted_job(take, str(models), {"tcmr": str(network)})


def test_boxes_are_used_only_beside_the_video_or_the_take(job, tmp_path) -> None:
    (tmp_path / "videos").mkdir()
    (tmp_path / "secret").mkdir()
    job = replace(job, video=str(tmp_path / "videos" / "walk.mp4"))
    Path(job.video).touch()
    here, beside = tmp_path / "boxes.npz", tmp_path / "videos" / "boxes.npz"
    strange = [tmp_path / "secret" / "boxes.npz", tmp_path / "videos" / ".." / "secret" / "boxes.npz"]
    for path in (here, beside, strange[0]):
        path.touch()
    for boxes in (here, beside, *strange, tmp_path / "gone.npz"):
        with TakeWriter(tmp_path / "t.take") as writer:
            note_job(writer, replace(job, boxes=str(boxes)))
        if boxes in (here, beside):
            assert interrupted_job(tmp_path / "t.take", "").boxes == str(boxes)
            continue
        with pytest.raises(CaptureError) as caught:
            interrupted_job(tmp_path / "t.take", "")
        assert caught.value.code == "boxes_missing"


def test_a_capture_that_is_running_is_not_resumed(job, tmp_path) -> None:
    with TakeWriter(tmp_path / "t.take") as writer:
        note_job(writer, job)
        with pytest.raises(CaptureError) as caught:
            interrupted_job(tmp_path / "t.take", "")
    assert caught.value.code == "take_in_use"
    assert interrupted_job(tmp_path / "t.take", "").resume


def test_the_job_of_a_backend_that_died_comes_back(job, tmp_path) -> None:
    job = replace(job, start=None)
    command = [sys.executable, str(FAKE), "dies_half_way"]
    environment = {**os.environ, "FAKE_FPS": "0", "FAKE_FRAMES": "200"}
    subprocess.run(command, input=job.to_line().encode(), capture_output=True, env=environment, check=False)
    (part,) = interrupted_takes(tmp_path, Path(job.video))
    assert interrupted_job(part, "") == replace(job, resume=True)


class TestInterruptedTakes:
    def test_another_videos_are_not_shown(self, tmp_path) -> None:
        walk, walking = tmp_path / "walk.mp4", tmp_path / "walking.mp4"
        left = [leave(walk, tmp_path), leave(walk, tmp_path)]
        other = [
            leave(walking, tmp_path),
            leave(tmp_path / "walk.mov", tmp_path),
            leave(tmp_path / "a" / "walk.mp4", tmp_path),
        ]
        assert interrupted_takes(tmp_path, walk) == left
        assert interrupted_takes(tmp_path, walking) == other[:1]
        assert interrupted_takes(tmp_path, tmp_path / "walk.mov") == other[1:2]
        assert interrupted_takes(tmp_path / "nowhere", walk) == []

    @pytest.mark.parametrize("stem", ["走" * 80, "x" * 240, " led ", "walk 2", "a.take", "é", "[a]*(b)", "no\nsense"])
    def test_they_are_found_whatever_the_video_is_called(self, tmp_path, stem) -> None:
        video = tmp_path / f"{stem}.mp4"
        left = [leave(video, tmp_path / "takes") for _ in range(11)]
        assert interrupted_takes(tmp_path / "takes", video) == left

    def test_two_ways_to_write_a_letter_are_one(self, tmp_path) -> None:
        part = leave(tmp_path / unicodedata.normalize("NFD", "é.mp4"), tmp_path)
        assert interrupted_takes(tmp_path, tmp_path / unicodedata.normalize("NFC", "é.mp4")) == [part]

    def test_one_that_is_being_written_is_not_shown(self, tmp_path) -> None:
        video = tmp_path / "walk.mp4"
        part = leave(video, tmp_path)
        with TakeWriter(tmp_path / "walk.take", keep=True):
            assert interrupted_takes(tmp_path, video) == []
        assert interrupted_takes(tmp_path, video) == [part]

    def test_a_name_that_is_only_kept_free_and_rubbish_are_not_shown(self, tmp_path) -> None:
        video = tmp_path / "walk.mp4"
        free_take_path(tmp_path, "walk")
        (tmp_path / "walk 2.take.part").write_bytes(b"rubbish")
        (tmp_path / "walk 3.take.part").mkdir()
        with TakeWriter(tmp_path / "walk 4.take") as writer:
            writer.note("job", "nonsense")
        assert interrupted_takes(tmp_path, video) == []

    def test_only_files_with_the_names_are_opened(self, tmp_path, monkeypatch) -> None:
        left = leave(tmp_path / "walk.mp4", tmp_path)
        leave(tmp_path / "jump.mp4", tmp_path)
        opened = []
        monkeypatch.setattr("vibe_blender.contract.interrupted.read_note", lambda path, key: opened.append(path))
        interrupted_takes(tmp_path, tmp_path / "walk.mp4")
        assert opened == [left]
