# SPDX-License-Identifier: MIT
from dataclasses import replace
from pathlib import Path

import pytest

from tests.fake_backend import small_take
from vibe_blender.contract.kept_take import KeptTake
from vibe_blender.contract.take_file import TakeWriter, load_take, partial_path, save_take


def test_nothing_was_begun(tmp_path) -> None:
    assert KeptTake(tmp_path / "walk.take").find() == ""


def test_an_older_take_is_not_of_this_capture(tmp_path) -> None:
    kept = KeptTake(save_take(small_take(), tmp_path / "walk.take"))
    assert kept.find() == ""


def test_a_growing_take_counts_once_frames_are_solved(tmp_path) -> None:
    path = tmp_path / "walk é.take"
    kept = KeptTake(path)
    with TakeWriter(path) as writer:
        writer.note("settings", {})
        assert kept.find() == ""
        writer.extend(small_take())
        assert kept.find() == str(path)
    assert kept.find() == str(path)
    assert load_take(Path(kept.find())).status == "partial"


def test_beside_an_older_take_the_growing_one_has_its_own_name(tmp_path) -> None:
    path = save_take(small_take(count=5), tmp_path / "walk.take")
    kept = KeptTake(path)
    with TakeWriter(path) as writer:
        writer.extend(small_take())
    assert kept.find() == str(partial_path(path))
    assert len(load_take(Path(kept.find())).video.times) == 12


@pytest.mark.parametrize("status", ["complete", "partial"])
def test_what_the_capture_wrote_last_counts_most(tmp_path, status) -> None:
    path = tmp_path / "walk.take"
    kept = KeptTake(path)
    with TakeWriter(path) as writer:
        writer.extend(small_take(count=5))
        writer.finish(replace(small_take(), status=status))
    assert kept.find() == str(path)


def test_rubbish_in_its_place_is_nothing(tmp_path) -> None:
    path = tmp_path / "walk.take"
    partial_path(path).write_bytes(b"no database" * 100)
    assert KeptTake(path).find() == ""
