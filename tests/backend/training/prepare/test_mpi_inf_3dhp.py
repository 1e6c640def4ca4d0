# SPDX-License-Identifier: MIT
from __future__ import annotations

import cv2
import numpy as np
import pytest

from backend.training.archive import ClipArchive
from backend.training.prepare.mpi_inf_3dhp import DATASET, fitted_intrinsics, read_calibration
from backend.training.prepare.preparing import Options, prepare
from tests.raw_datasets import COUNT, grey_of
from tests.raw_videos import CAMERAS, INTRINSICS, make_mpi_inf_3dhp, make_mpi_inf_3dhp_tests, write_jpegs
from vibe_blender.contract.errors import CaptureError

RIGHT_SHOULDER, LEFT_WRIST, RIGHT_HIP, PELVIS = 33, 36, 27, 39


def grey(archive: ClipArchive, frame: int) -> float:
    return float(cv2.imdecode(np.frombuffer(archive.picture(frame), np.uint8), cv2.IMREAD_COLOR).mean())


def test_training_videos(tmp_path):
    truth = make_mpi_inf_3dhp(tmp_path / "raw")
    archive = prepare(DATASET, tmp_path / "raw", tmp_path / "a.clips", Options(images=True))
    found = [(sequence.name, sequence.count, sequence.fps) for sequence in archive.sequences]
    assert found == [(f"S1/Seq1/video_{camera}", COUNT, 50) for camera in CAMERAS]
    last = archive.sequences[-1]
    held, rows = truth[last.name], slice(last.first, last.first + COUNT)
    joints, points = archive.column("joints2d")[rows], archive.column("joints3d")[rows]
    for place, joint in ((LEFT_WRIST, 11), (RIGHT_HIP, 23), (PELVIS, 4), (RIGHT_SHOULDER, 14)):
        assert joints[:, place, :2] == pytest.approx(held.joints2d[:, joint], abs=1e-3)
        assert points[:, place, :3] == pytest.approx(held.other["points"][:, joint] / 1000, abs=1e-5)
    assert joints[:, RIGHT_SHOULDER, 2].tolist() == [1, 1, 1, 0] + [1] * (COUNT - 4)
    assert (points[:, RIGHT_SHOULDER, 3] == 1).all()
    focal, middle = archive.column("intrinsics")[rows.start, :2], archive.column("intrinsics")[rows.start, 2:]
    shown = focal * points[0, :, :2] / np.maximum(points[0, :, 2:3], 1e-9) + middle
    assert shown[LEFT_WRIST] == pytest.approx(joints[0, LEFT_WRIST, :2], abs=0.01)
    for frame in range(COUNT):
        assert abs(grey(archive, rows.start + frame) - grey_of(frame)) < 3


def test_pictures_that_were_taken_out_of_the_videos(tmp_path):
    make_mpi_inf_3dhp(tmp_path / "raw", videos=False)
    home = tmp_path / "raw" / "S1" / "Seq1"
    with pytest.raises(CaptureError, match=r"video_0\.avi") as caught:
        prepare(DATASET, tmp_path / "raw", tmp_path / "a.clips", Options(images=True))
    assert caught.value.code == "dataset_missing"
    for camera in CAMERAS:
        write_jpegs(home / "imageFrames" / f"video_{camera}", "frame_{:06d}.jpg", range(COUNT))
    archive = prepare(DATASET, tmp_path / "raw", tmp_path / "a.clips", Options(images=True))
    assert len(archive) == COUNT * len(CAMERAS)
    assert abs(grey(archive, 5) - grey_of(5)) < 3


def test_a_video_that_ends_early(tmp_path):
    make_mpi_inf_3dhp(tmp_path / "raw")
    path = tmp_path / "raw" / "S1" / "Seq1" / "imageSequence" / "video_1.avi"
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(CaptureError, match=r"video_1\.avi") as caught:
        prepare(DATASET, tmp_path / "raw", tmp_path / "a.clips", Options(images=True))
    assert caught.value.code == "dataset_broken"


def test_test_videos(tmp_path):
    pytest.importorskip("h5py", reason="the packages for datasets are not installed")
    truth = make_mpi_inf_3dhp_tests(tmp_path / "raw")
    archive = prepare(DATASET, tmp_path / "raw", tmp_path / "a.clips", Options(split="test", images=True))
    found = [(sequence.name, sequence.count) for sequence in archive.sequences]
    assert found == [("TS1", 2 * COUNT + 1), ("TS5 from 0", COUNT), (f"TS5 from {COUNT + 1}", COUNT)]
    last = archive.sequences[-1]
    held, rows = truth["TS5"], slice(last.first, last.first + COUNT)
    points = archive.column("joints3d")[rows]
    assert points[:, LEFT_WRIST, :3] == pytest.approx(held.other["points"][COUNT + 1 :, 7] / 1000, abs=1e-5)
    assert points[:, RIGHT_HIP, :3] == pytest.approx(held.other["points"][COUNT + 1 :, 8] / 1000, abs=1e-5)
    assert archive.column("intrinsics")[rows.start] == pytest.approx(INTRINSICS, rel=1e-5)
    assert abs(grey(archive, rows.start) - grey_of(COUNT + 1)) < 3


def test_damaged_tests(tmp_path):
    pytest.importorskip("h5py", reason="the packages for datasets are not installed")
    make_mpi_inf_3dhp_tests(tmp_path / "raw")
    path = tmp_path / "raw" / "mpi_inf_3dhp_test_set" / "TS1" / "annot_data.mat"
    path.write_bytes(path.read_bytes()[:900])
    with pytest.raises(CaptureError, match="annot_data") as caught:
        prepare(DATASET, tmp_path / "raw", tmp_path / "a.clips", Options(split="test"))
    assert caught.value.code == "dataset_broken"


def test_without_the_package(tmp_path, monkeypatch):
    (tmp_path / "raw" / "TS1").mkdir(parents=True)
    monkeypatch.setitem(__import__("sys").modules, "h5py", None)
    with pytest.raises(CaptureError, match="h5py") as caught:
        prepare(DATASET, tmp_path / "raw", tmp_path / "a.clips", Options(split="test"))
    assert caught.value.code == "package_missing"


@pytest.mark.parametrize("fault", ["no annotation", "no calibration", "camera", "calibration", "annotation"])
def test_half_unpacked(tmp_path, fault):
    make_mpi_inf_3dhp(tmp_path / "raw", videos=False)
    home = tmp_path / "raw" / "S1" / "Seq1"
    annotation, calibration = home / "annot.mat", home / "camera.calibration"
    text = calibration.read_text(encoding="utf-8")
    match fault:
        case "no annotation":
            annotation.unlink()
        case "no calibration":
            calibration.unlink()
        case "camera":
            calibration.write_text(text[: text.index("name          5")], encoding="utf-8")
        case "calibration":
            calibration.write_text(text.replace("intrinsic   300", "intrinsic   nan"), encoding="utf-8")
        case "annotation":
            annotation.write_bytes(annotation.read_bytes()[:2000])
    with pytest.raises(CaptureError) as caught:
        prepare(DATASET, tmp_path / "raw", tmp_path / "a.clips", Options())
    assert caught.value.code == ("dataset_missing" if fault.startswith("no ") else "dataset_broken")


def test_calibration(tmp_path):
    make_mpi_inf_3dhp(tmp_path, videos=False)
    cameras = read_calibration(tmp_path / "S1" / "Seq1" / "camera.calibration")
    assert sorted(cameras) == list(range(14))
    assert (cameras[3].width_px, cameras[3].height_px) == (320, 240)
    assert cameras[3].intrinsics.tolist() == list(INTRINSICS)


def test_intrinsics_of_points():
    points = np.random.default_rng(0).uniform((-1, -1, 2), (1, 1, 5), (40, 3))
    points[0, 2] = -3
    pixels = points[:, :2] / points[:, 2:] * [900, 950] + [500, 400]
    assert fitted_intrinsics(pixels, points) == pytest.approx([900, 950, 500, 400])
    assert not fitted_intrinsics(pixels[:1], points[:1]).any()
