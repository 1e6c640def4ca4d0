# SPDX-License-Identifier: MIT
from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest

from backend.training.archive import ArchiveWriter, ClipArchive, Facts
from backend.training.windows import Windows
from vibe_blender.contract.errors import CaptureError


def archive_of(folder: Path, *sequences: tuple[int, float]) -> ClipArchive:
    """Sequences of so many frames at so many a second; ``betas`` say which sequence a frame is of, and which frame."""
    writer = ArchiveWriter(folder, Facts("made", "train", "Free for all uses."), ("betas", "trans"))
    for number, (count, fps) in enumerate(sequences):
        betas = np.stack([np.full(count, number), np.arange(count)], axis=1) @ np.eye(2, 10)
        writer.add(f"s{number}", fps, {"betas": betas} if number else {"betas": betas, "trans": np.zeros((count, 3))})
    return writer.finish()


def frames_of(windows: Windows) -> list[tuple[int, int, list[int]]]:
    """Archive, sequence and frames of each window, as the archive itself says; fails where it has several sequences."""
    found = []
    for number in range(len(windows)):
        window = windows[number]
        rows = windows.archives[window.archive].column("betas")[window.rows]
        assert len(rows) == window.length
        (sequence,) = set(rows[:, 0].tolist())
        found.append((window.archive, int(sequence), rows[:, 1].astype(int).tolist()))
    return found


def test_windows_in_their_order(tmp_path: Path) -> None:
    one, two = archive_of(tmp_path / "1", (9, 25), (3, 25), (4, 25)), archive_of(tmp_path / "2", (5, 25))
    assert frames_of(Windows([one, two], 4)) == [
        (0, 0, [0, 1, 2, 3]), (0, 0, [4, 5, 6, 7]), (0, 2, [0, 1, 2, 3]), (1, 0, [0, 1, 2, 3]),
    ]  # fmt: skip
    assert [window[2][0] for window in frames_of(Windows([two], 4, overlap=0.75))] == [0, 1]
    assert [window[2][0] for window in frames_of(Windows([one], 4, overlap=0.5))] == [0, 2, 4, 0]


@pytest.mark.parametrize("length", [1, 2, 7, 16, 33])
@pytest.mark.parametrize("overlap", [0.0, 0.25, 0.5, 0.75, 0.9, 15 / 16])
def test_every_window_that_fits_and_no_other(tmp_path: Path, length: int, overlap: float) -> None:
    archive = archive_of(tmp_path / "1", (40, 25), (16, 25), (1, 25), (33, 25), (17, 25))
    windows = Windows([archive], length, overlap=overlap)
    step = max(1, int(length * (1 - overlap) + 0.5))
    wanted = [
        (0, number, list(range(first, first + length)))
        for number, count in enumerate((40, 16, 1, 33, 17))
        for first in range(0, count - length + 1, step)
    ]
    assert windows.step == step
    assert frames_of(windows) == wanted


def test_thinned_as_vibe_thins_amass(tmp_path: Path) -> None:
    archive = archive_of(tmp_path / "1", (240, 120.0), (240, 59.94), (240, 30), (239, 100), (63, 250.0))
    windows = Windows([archive], 16, fps=25.0, shortest=60)
    found = frames_of(windows)
    # 120 // 25 = 4 leaves 60 frames, 59 // 25 = 2 leaves 120, 30 // 25 = 1 all, 100 // 25 = 4 60, of 63 7 are left.
    assert [sum(sequence == number for _, sequence, _ in found) for number in range(5)] == [3, 7, 15, 3, 0]
    assert found[1][2] == list(range(64, 128, 4))
    assert found[-1] == (0, 3, list(range(128, 192, 4)))
    assert {sequence for _, sequence, _ in frames_of(Windows([archive], 16, fps=25.0, shortest=61))} == {1, 2}


def test_the_last_frame_counts_where_it_is_kept(tmp_path: Path) -> None:
    archive = archive_of(tmp_path / "1", (13, 50))
    assert frames_of(Windows([archive], 7, fps=25)) == [(0, 0, [0, 2, 4, 6, 8, 10, 12])]
    with pytest.raises(CaptureError):
        Windows([archive_of(tmp_path / "2", (12, 50))], 7, fps=25)


def test_only_sequences_that_have_what_is_needed(tmp_path: Path) -> None:
    archive = archive_of(tmp_path / "1", (4, 25), (4, 25))
    assert [sequence for _, sequence, _ in frames_of(Windows([archive], 4))] == [0, 1]
    windows = Windows([archive], 4, needs=("trans",))
    assert [sequence for _, sequence, _ in frames_of(windows)] == [0]
    assert windows[0].labelled == ("betas", "trans")
    assert windows.everywhere == {"betas", "trans"}
    assert Windows([archive], 4).everywhere == {"betas"}
    with pytest.raises(CaptureError, match=r"4 frames with features in 1\.") as caught:
        Windows([archive], 4, needs=("features",))
    assert caught.value.code == "windows_none"
    with pytest.raises(CaptureError, match="no archive"):
        Windows([], 4)


def test_numbers_that_are_none(tmp_path: Path) -> None:
    windows = Windows([archive_of(tmp_path / "1", (9, 25))], 4)
    for number in (-1, 2):
        with pytest.raises(IndexError):
            windows[number]
    for wrong in ({"overlap": 1.0}, {"overlap": -0.1}, {"fps": 0.5}, {"fps": float("nan")}, {"length": 0}):
        with pytest.raises(ValueError):
            Windows(windows.archives, **wrong)


def test_windows_go_to_other_processes(tmp_path: Path) -> None:
    windows = Windows([archive_of(tmp_path / "1", (40, 25), (20, 25))], 8, overlap=0.5)
    assert frames_of(pickle.loads(pickle.dumps(windows))) == frames_of(windows)
