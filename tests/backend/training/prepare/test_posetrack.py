# SPDX-License-Identifier: MIT
from __future__ import annotations

import json

import cv2
import numpy as np
import pytest

from backend.training.prepare.posetrack import DATASET
from backend.training.prepare.preparing import Options, prepare
from tests.raw_datasets import grey_of, make_posetrack
from vibe_blender.contract.errors import CaptureError

NAME = "000001_bonn_train"
NECK, LEFT_WRIST, LEFT_EAR = 37, 36, 47


def test_people_and_pieces(tmp_path):
    truth = make_posetrack(tmp_path / "raw")
    archive = prepare(DATASET, tmp_path / "raw", tmp_path / "a.clips", Options(images=True))
    found = [(sequence.name, sequence.count) for sequence in archive.sequences]
    assert found == [(f"{NAME}/0", 45), (f"{NAME}/3 from 0", 22), (f"{NAME}/3 from 23", 22)]
    last = archive.sequences[2]
    joints = archive.column("joints2d")[last.first :]
    marked = truth[f"{NAME}/3"].joints2d[23:]
    for place, joint in ((NECK, 1), (LEFT_WRIST, 9)):
        assert joints[:, place, :2] == pytest.approx(marked[:, joint], abs=1e-4)
        assert (joints[:, place, 2] == 1).all()
    assert not joints[:, LEFT_EAR].any()
    picture = cv2.imdecode(np.frombuffer(archive.picture(last.first), np.uint8), cv2.IMREAD_COLOR)
    assert abs(float(picture.mean()) - grey_of(23)) < 2


def test_the_folder_of_the_annotations_will_do(tmp_path):
    make_posetrack(tmp_path / "raw")
    archive = prepare(
        DATASET, tmp_path / "raw" / "posetrack_data", tmp_path / "a.clips", Options(images=True, shortest=30)
    )
    assert len(archive) == 45


def test_joints_are_known_by_their_names(tmp_path):
    truth = make_posetrack(tmp_path / "raw")
    path = tmp_path / "raw" / "posetrack_data" / "annotations" / "train" / f"{NAME}.json"
    held = json.loads(path.read_text(encoding="utf-8"))
    held["categories"][0]["keypoints"].reverse()
    path.write_text(json.dumps(held), encoding="utf-8")
    archive = prepare(DATASET, tmp_path / "raw", tmp_path / "a.clips", Options())
    marked = truth[f"{NAME}/0"].joints2d
    assert archive.column("joints2d")[:45, LEFT_WRIST, :2] == pytest.approx(marked[:, 16 - 9], abs=1e-4)


def test_frames_are_those_of_the_video(tmp_path):
    make_posetrack(tmp_path / "raw")
    path = tmp_path / "raw" / "posetrack_data" / "annotations" / "train" / f"{NAME}.json"
    held = json.loads(path.read_text(encoding="utf-8"))
    first = min(image["id"] for image in held["images"]) + 10
    held["annotations"] = [entry for entry in held["annotations"] if entry["image_id"] >= first]
    path.write_text(json.dumps(held), encoding="utf-8")
    archive = prepare(DATASET, tmp_path / "raw", tmp_path / "a.clips", Options(limit=1))
    assert archive.column("frames")[:35].tolist() == list(range(10, 45))


@pytest.mark.parametrize("fault", ["cut", "list", "order", "lost", "numbers", "infinite", "outside", "absolute"])
def test_damaged(tmp_path, fault):
    make_posetrack(tmp_path / "raw")
    path = tmp_path / "raw" / "posetrack_data" / "annotations" / "train" / f"{NAME}.json"
    held = json.loads(path.read_text(encoding="utf-8"))
    match fault:
        case "order":
            held["categories"][0]["keypoints"][3] = "left_eye"
        case "lost":
            del held["images"][3]
        case "numbers":
            held["annotations"][0]["keypoints"][0] = "many"
        case "infinite":
            held["images"][0]["id"] = float("inf")
        case "outside":
            held["images"][0]["file_name"] = "../../../etc/passwd"
        case "absolute":
            held["images"][0]["file_name"] = "C:/Windows/a.jpg"
    text = json.dumps([held] if fault == "list" else held)
    path.write_text(text[: len(text) // 2] if fault == "cut" else text, encoding="utf-8")
    with pytest.raises(CaptureError) as caught:
        prepare(DATASET, tmp_path / "raw", tmp_path / "a.clips", Options())
    assert caught.value.code == "dataset_broken"


def test_pictures_not_unpacked(tmp_path):
    make_posetrack(tmp_path / "raw")
    folder = tmp_path / "raw" / "posetrack_data" / "images" / "train" / NAME
    for path in folder.iterdir():
        path.unlink()
    (folder.parent / "posetrack18_images.tar00").touch()
    with pytest.raises(CaptureError, match=r"000000\.jpg") as caught:
        prepare(DATASET, tmp_path / "raw", tmp_path / "a.clips", Options(images=True))
    assert caught.value.code == "dataset_missing"
