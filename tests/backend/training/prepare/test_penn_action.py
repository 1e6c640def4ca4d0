# SPDX-License-Identifier: MIT
from __future__ import annotations

import cv2
import numpy as np
import pytest
from scipy.io import savemat

from backend.training.prepare.penn_action import DATASET
from backend.training.prepare.preparing import Options, prepare
from tests.raw_datasets import COUNT, grey_of, make_penn_action
from vibe_blender.contract.errors import CaptureError

LEFT_ELBOW, LEFT_WRIST, RIGHT_ANKLE = 35, 36, 25


def test_joints_and_what_was_not_seen(tmp_path):
    truth = make_penn_action(tmp_path / "raw")
    archive = prepare(DATASET, tmp_path / "raw", tmp_path / "a.clips", Options())
    assert [(sequence.name, sequence.count) for sequence in archive.sequences] == [("0001", COUNT), ("0002", COUNT)]
    joints = archive.column("joints2d")[COUNT:]
    marked = truth["0002"].joints2d
    assert joints[:, LEFT_WRIST] == pytest.approx(np.concatenate([marked[:, 5], np.ones((COUNT, 1))], 1), abs=1e-4)
    assert joints[:, RIGHT_ANKLE, :2] == pytest.approx(marked[:, 12], abs=1e-4)
    assert (joints[:, LEFT_ELBOW, 2] == 0).all()  # the fourth was never seen
    assert archive.columns == ("joints2d", "boxes", "frames")


def test_boxes_hold_what_is_seen(tmp_path):
    truth = make_penn_action(tmp_path / "raw")
    archive = prepare(DATASET, tmp_path / "raw", tmp_path / "a.clips", Options(limit=1))
    seen = np.delete(truth["0001"].joints2d, 3, axis=1)
    diagonal = np.linalg.norm(seen.max(axis=1) - seen.min(axis=1), axis=1)
    boxes = archive.column("boxes")
    assert boxes[:, 2].tolist() == boxes[:, 3].tolist()
    assert boxes[:, 2].mean() == pytest.approx(1.2 * diagonal.mean(), rel=0.05)
    middle = (seen.max(axis=1) + seen.min(axis=1)) / 2
    assert boxes[:, :2].mean(axis=0) == pytest.approx(middle.mean(axis=0), abs=3)


@pytest.mark.parametrize(("split", "names"), [("train", ["0001"]), ("test", ["0002"])])
def test_splits(tmp_path, split, names):
    make_penn_action(tmp_path / "Penn_Action")
    archive = prepare(DATASET, tmp_path, tmp_path / "a.clips", Options(split=split))
    assert [sequence.name for sequence in archive.sequences] == names


def test_pictures_are_those_of_the_frames(tmp_path):
    make_penn_action(tmp_path / "raw")
    archive = prepare(DATASET, tmp_path / "raw", tmp_path / "a.clips", Options(images=True, fps=15, shortest=10))
    assert [sequence.count for sequence in archive.sequences] == [COUNT // 2, COUNT // 2]
    for frame in range(COUNT):
        picture = cv2.imdecode(np.frombuffer(archive.picture(frame), np.uint8), cv2.IMREAD_COLOR)
        assert abs(float(picture.mean()) - grey_of(2 * frame % COUNT)) < 2
        left, top, width, height = archive.column("picture_boxes")[frame]
        assert picture.shape[:2] == (height, width)
        centre, side = archive.column("boxes")[frame, :2], archive.column("boxes")[frame, 2]
        assert left == max(0, np.floor(centre[0] - 0.75 * side))
        assert top + height == min(240, np.ceil(centre[1] + 0.75 * side))


def test_damaged(tmp_path):
    make_penn_action(tmp_path / "raw")
    path = tmp_path / "raw" / "labels" / "0001.mat"
    whole = path.read_bytes()
    for content in (whole[:-50], whole[:200], b"MATLAB 5.0 MAT-file", b"", bytes(300)):
        path.write_bytes(content)
        with pytest.raises(CaptureError) as caught:
            prepare(DATASET, tmp_path / "raw", tmp_path / "a.clips", Options())
        assert caught.value.code == "dataset_broken", content[:20]
    savemat(path, {"x": np.ones((5, 13)), "y": np.ones((5, 12)), "visibility": 1, "train": 1, "nframes": 5})
    with pytest.raises(CaptureError, match="y has the shape"):
        prepare(DATASET, tmp_path / "raw", tmp_path / "a.clips", Options())


def test_a_picture_that_is_none(tmp_path):
    make_penn_action(tmp_path / "raw")
    (tmp_path / "raw" / "frames" / "0001" / "000003.jpg").write_bytes(b"\xff\xd8\xff nothing")
    with pytest.raises(CaptureError, match=r"000003\.jpg") as caught:
        prepare(DATASET, tmp_path / "raw", tmp_path / "a.clips", Options(images=True))
    assert caught.value.code == "dataset_broken"
