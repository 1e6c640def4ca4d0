# SPDX-License-Identifier: MIT
import argparse
from pathlib import Path

import pytest

from vibe_blender.contract.arguments import add_capture_arguments, job_from
from vibe_blender.contract.protocol import Job


@pytest.fixture
def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser()
    add_capture_arguments(parser)
    return parser


def test_without_options_the_job_has_its_own_defaults(parser, tmp_path) -> None:
    video, take = tmp_path / "a.mp4", tmp_path / "a.take"
    assert job_from(parser.parse_args([]), video, take) == Job(str(video), str(take))


def test_every_option_is_in_the_job_and_paths_are_absolute(parser, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    words = ["--estimator", "keypoints", "--device", "cpu", "--start", "3", "--end", "9", "--people", "largest"]
    words += ["--focal-px", "900", "--height", "1.8", "--fast", "--refine", "--resume"]
    words += ["--models", "m", "--boxes", "b.npz"]
    expected = Job(
        video=str(tmp_path / "a.mp4"), take=str(tmp_path / "a.take"), models=str(tmp_path / "m"), device="cpu", start=3,
        end=9, people="largest", boxes=str(tmp_path / "b.npz"), focal_px=900.0, height_m=1.8, fast=True, refine=True,
        resume=True,
    )  # fmt: skip
    assert job_from(parser.parse_args(words), Path("a.mp4"), Path("a.take")) == expected


@pytest.mark.parametrize(
    "words",
    [
        ["--start", "-1"],
        ["--start", "x"],
        ["--people", "some"],
        ["--people", "0"],
        ["--height", "18"],
        ["--focal-px", "nan"],
        ["--focal-px", "900", "--focal-mm", "28"],
        ["--device", "toaster"],
    ],
)
def test_nonsense_is_refused(parser, words, capsys) -> None:
    with pytest.raises(SystemExit) as caught:
        parser.parse_args(words)
    assert caught.value.code == 2
    assert words[0] in capsys.readouterr().err
