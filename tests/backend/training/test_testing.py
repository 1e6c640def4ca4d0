# SPDX-License-Identifier: MIT
"""``vibe test``: the papers' table with our rows, as text, JSON and a plot."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from backend.own_networks import Architecture, build, save_own
from backend.training import testing
from backend.training.prepare import human36m, mpi_inf_3dhp, threedpw
from backend.training.testing import PLOT, REPORT, compare, published_on
from tests.training_data import write_archive
from vibe_blender.contract.errors import CaptureError

SETTINGS = """
output = "found"
archives = ["walks.clips", "rooms.clips"]
frames = 4
body = "mannequin"
device = "cpu"
[[networks]]
name = "ours"
file = "vibe.pt"
[[networks]]
name = "framewise 框"
file = "frames.pt"
"""


@pytest.fixture
def folder(tmp_path) -> Path:
    write_archive(tmp_path / "walks.clips", "3d", (9, 8), dataset="3dpw", split="test")
    write_archive(tmp_path / "rooms.clips", "3d", (12,), dataset="rendered", split="test")
    for name, kind in (("vibe", "gru"), ("frames", "none")):
        built = Architecture(kind, hidden=32)
        save_own(tmp_path / f"{name}.pt", build(built).state_dict(), built, "spin", 4, "{}")
    (tmp_path / "test.toml").write_text(SETTINGS, encoding="utf-8")
    return tmp_path


def test_a_network_is_not_shown_features_that_it_does_not_know(folder) -> None:
    built = Architecture("gru", hidden=32)
    save_own(folder / "vibe.pt", build(built).state_dict(), built, "landmarks", 4, "{}")
    with pytest.raises(CaptureError, match=r"has learned from the features landmarks, walks\.clips has spin"):
        compare(folder / "test.toml")


def test_a_network_of_windows_is_read_in_windows_of_its_length(folder) -> None:
    built = Architecture("tcmr", hidden=32)
    save_own(folder / "vibe.pt", build(built).state_dict(), built, "spin", 8, "{}")
    with pytest.raises(CaptureError, match="learned from windows of 8 frames, not 4"):
        compare(folder / "test.toml")


def test_our_rows_stand_below_the_published_ones(folder) -> None:
    report = compare(folder / "test.toml")
    text = report.to_text()
    first, second = text.split("rooms (rendered, test)")
    assert "walks (3dpw, test)" in first
    assert first.index("VIBE [1]") < first.index("TCMR") < first.index("> ours") < first.index("> framewise 框")
    assert "56.5" in next(line for line in first.splitlines() if line.startswith("VIBE [1]"))
    assert "TCMR" not in second  # nobody published anything on it
    assert "> ours" in second
    assert "mm/frame^2" in text
    figures = report.tables[0].ours["ours"]
    assert figures.frames == 16
    row = next(line for line in first.splitlines() if line.startswith("> ours"))
    assert f"{figures.pa_mpjpe_mm:.1f}" in row
    assert f"{figures.acceleration_error_mm_per_frame2:.1f}" in row


def test_the_report_and_a_plot_are_written(folder) -> None:
    report = compare(folder / "test.toml")
    written = json.loads((folder / "found" / REPORT).read_text(encoding="utf-8"))
    assert written == json.loads(report.to_json())
    ours = written["tables"][1]["ours"]["framewise 框"]
    assert ours["pve_mm"] is None
    assert ours["mpjpe_mm"] > 0
    picture = cv2.imdecode(np.fromfile(folder / "found" / PLOT, np.uint8), cv2.IMREAD_COLOR)
    assert picture.shape == (1120, 1000, 3)


def test_vibes_quirk_is_a_flag(folder) -> None:
    own = compare(folder / "test.toml")
    (folder / "test.toml").write_text("across_sequences = true\n" + SETTINGS)
    quirk = compare(folder / "test.toml")
    mine, theirs = (report.tables[0].ours["ours"] for report in (own, quirk))
    assert mine.mpjpe_mm == theirs.mpjpe_mm
    assert mine.acceleration_error_mm_per_frame2 != theirs.acceleration_error_mm_per_frame2
    assert "borders of sequences" in quirk.to_text()
    assert "borders of sequences" not in own.to_text()


def test_published_numbers_are_those_of_the_papers_and_corrections_are_marked() -> None:
    rows = published_on("3dpw")
    numbers = {(row.method, row.with_3dpw): (row.pa_mpjpe, row.mpjpe, row.pve, row.acceleration_error) for row in rows}
    assert numbers["VIBE", False] == (56.5, 93.5, 113.4, 28.0)
    assert numbers["VIBE", True] == (57.6, 91.9, None, 25.4)
    assert numbers["TCMR", False] == (55.8, 95.0, 111.5, 6.7)
    assert numbers["SPIN", False] == (59.2, 96.9, 116.4, 29.8)
    assert numbers["HMR", False] == (76.7, 130.0, None, 37.4)
    marked = {(row.method, row.with_3dpw) for row in rows if row.corrected}
    assert marked == {("VIBE", False), ("VIBE", True)}
    assert {row.method for row in published_on("human36m")} == {"VIBE", "TCMR", "MEVA", "DTS-VIBE"}
    assert len(published_on("mpi-inf-3dhp")) == 6
    assert published_on("mine") == ()
    assert all(row.source for row in rows)


def test_published_rows_are_of_datasets_that_can_be_prepared() -> None:
    rows = json.loads(Path(testing.__file__).with_name("published_rows.json").read_text(encoding="utf-8"))["rows"]
    assert {row["dataset"] for row in rows} == {"3dpw", mpi_inf_3dhp.DATASET.name, human36m.DATASET.name}
    assert threedpw.DATASET.name == "3dpw"


@pytest.mark.parametrize(
    ("before", "after", "code"),
    [
        ("frames = 4", "frmaes = 4", "bad_setting"),
        ("frames = 4", "frames = 0", "bad_setting"),
        ("frames = 4", "pictures = true", "bad_setting"),
        ('["walks.clips", "rooms.clips"]', "[]", "bad_setting"),
        ("framewise 框", "ours", "bad_setting"),
        ("vibe.pt", "no.pt", "network_missing"),
        ("rooms.clips", "no.clips", "archive_missing"),
        ('device = "cpu"', 'device = "tpu"', "no_device"),
        ("frames = 4", "frames = 11", "windows_none"),
    ],
)
def test_what_is_wrong_is_said(folder, before, after, code) -> None:
    (folder / "test.toml").write_text(SETTINGS.replace(before, after), encoding="utf-8")
    with pytest.raises(CaptureError) as raised:
        compare(folder / "test.toml")
    assert raised.value.code == code
