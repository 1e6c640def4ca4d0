# SPDX-License-Identifier: MIT
from __future__ import annotations

import sys

import cv2
import numpy as np
import pytest

from backend.training.prepare.human36m import DATASET
from backend.training.prepare.preparing import Options, prepare
from tests.raw_datasets import COUNT, grey_of
from vibe_blender.contract.errors import CaptureError

RIGHT_ANKLE, LEFT_WRIST, RIGHT_HIP, PELVIS, NECK = 25, 36, 27, 39, 37
NAMES = ["S1/Directions 1.54138969", "S1/Directions 1.60457274"]


@pytest.fixture(autouse=True)
def packages() -> None:
    pytest.importorskip("cdflib", reason="the packages for datasets are not installed")


def make(folder, **how):
    from tests.raw_videos import make_human36m

    return make_human36m(folder, **how)


@pytest.mark.parametrize("extracted", [False, True])
def test_joints_in_both_layouts(tmp_path, extracted):
    truth = make(tmp_path / "raw", extracted=extracted)
    archive = prepare(DATASET, tmp_path / "raw", tmp_path / "a.clips", Options(images=True))
    found = [(sequence.name, sequence.count, sequence.fps) for sequence in archive.sequences]
    assert found == [(name, COUNT - 1, 50) for name in NAMES]
    last = archive.sequences[1]
    held, rows = truth[NAMES[1]], slice(last.first, last.first + last.count)
    joints, points = archive.column("joints2d")[rows], archive.column("joints3d")[rows]
    for place, joint in ((RIGHT_ANKLE, 3), (LEFT_WRIST, 19), (RIGHT_HIP, 1), (PELVIS, 0), (NECK, 13)):
        assert joints[:, place, :2] == pytest.approx(held.joints2d[:-1, joint], abs=1e-3)
        assert points[:, place, :3] == pytest.approx(held.other["points"][:-1, joint] / 1000, abs=1e-5)
        assert (points[:, place, 3] == 1).all()
    assert archive.column("intrinsics")[0] == pytest.approx([300, 310, 160, 120], rel=1e-4)
    for frame in range(COUNT - 1):
        picture = cv2.imdecode(np.frombuffer(archive.picture(rows.start + frame), np.uint8), cv2.IMREAD_COLOR)
        assert abs(float(picture.mean()) - grey_of(frame)) < 4


@pytest.mark.parametrize("fault", ["picture", "folder", "video", "cut", "text", "people"])
def test_half_unpacked(tmp_path, fault):
    make(tmp_path / "raw")
    home = tmp_path / "raw" / "S1"
    path = home / "MyPoseFeatures" / "D2_Positions" / "Directions 1.54138969.cdf"
    match fault:
        case "picture":
            path.unlink()
        case "folder":
            (home / "MyPoseFeatures").rename(home / "Features")
        case "video":
            (home / "Videos" / "Directions 1.60457274.mp4").unlink()
        case "cut":
            path.write_bytes(path.read_bytes()[:700])
        case "text":
            path.write_bytes(b"<!DOCTYPE html>" * 40)
        case "people":
            home.rename(tmp_path / "raw" / "person 1")
    with pytest.raises(CaptureError) as caught:
        prepare(DATASET, tmp_path / "raw", tmp_path / "a.clips", Options(images=fault == "video"))
    assert caught.value.code == ("dataset_broken" if fault in ("cut", "text") else "dataset_missing")


def test_without_the_package(tmp_path, monkeypatch):
    make(tmp_path / "raw")
    monkeypatch.setitem(sys.modules, "cdflib", None)
    with pytest.raises(CaptureError, match="cdflib") as caught:
        prepare(DATASET, tmp_path / "raw", tmp_path / "a.clips", Options())
    assert caught.value.code == "package_missing"
