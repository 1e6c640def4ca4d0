# SPDX-License-Identifier: MIT
import sqlite3
from contextlib import closing
from dataclasses import replace

from tests.fake_backend import small_take
from vibe_blender.contract.take_file import load_take, save_take
from vibe_blender.contract.terms import described, notice_of


def test_only_captures_with_published_files_are_limited() -> None:
    assert notice_of("keypoints") == ""
    assert "non-commercial" in notice_of("vibe")
    for estimator in ("vibe", "tcmr"):
        own = notice_of(estimator, own=True)
        assert "SPIN" in own
        assert "weights of VIBE" not in own
        assert own != notice_of(estimator)
    assert notice_of("dts-vibe") == notice_of("dts-vibe", own=True)
    assert described("keypoints", "") == "Keypoints"
    assert described("vibe", notice_of("vibe")) == "VIBE, non-commercial research"
    assert described("keypoints", notice_of("vibe")) == "Keypoints, non-commercial research"


def test_a_take_carries_its_notice_as_text(tmp_path) -> None:
    take = replace(small_take(), estimator="vibe", notice="")
    assert take.notice == notice_of("vibe")
    path = save_take(take, tmp_path / "walk.take")
    with closing(sqlite3.connect(path)) as database:
        (stored,) = database.execute("SELECT value FROM meta WHERE key = 'notice'").fetchone()
    assert stored == f'"{notice_of("vibe")}"'
    assert load_take(path).notice == notice_of("vibe")
    assert small_take().notice == ""


def test_a_take_from_before_there_were_notices_gets_its_estimators(tmp_path) -> None:
    path = save_take(replace(small_take(), estimator="vibe"), tmp_path / "walk.take")
    with closing(sqlite3.connect(path)) as database:
        database.execute("DELETE FROM meta WHERE key = 'notice'")
        database.commit()
    assert load_take(path).notice == notice_of("vibe")
