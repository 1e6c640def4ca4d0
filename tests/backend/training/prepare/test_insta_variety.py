# SPDX-License-Identifier: MIT
from __future__ import annotations

import cv2
import numpy as np
import pytest

from backend.training.prepare.insta_variety import DATASET
from backend.training.prepare.preparing import Options, prepare
from tests.raw_datasets import COUNT, grey_of
from tests.raw_videos import example_bytes, framed, make_insta_variety
from vibe_blender.contract.errors import CaptureError

R_HEEL, R_ANKLE, L_WRIST, L_EYE, HEAD_TOP = 24, 11, 7, 16, 38


def test_joints_and_pictures(tmp_path):
    truth = make_insta_variety(tmp_path / "raw")
    archive = prepare(DATASET, tmp_path / "raw", tmp_path / "a.clips", Options(images=True))
    assert [(sequence.name, sequence.count) for sequence in archive.sequences] == [
        ("insta_000/0000", COUNT), ("insta_000/0001", COUNT),
    ]  # fmt: skip
    joints, marked = archive.column("joints2d")[COUNT:], truth["insta_000/0001"].joints2d
    # As the records list them: body from the right heel, face from the nose, toes from the left big toe.
    for place, joint in ((R_HEEL, 0), (R_ANKLE, 24), (L_WRIST, 11), (L_EYE, 15)):
        assert joints[:, place, :2] == pytest.approx(marked[:, joint], abs=1e-4)
        assert (joints[:, place, 2] == 1).all()
    assert (joints[:, HEAD_TOP, 2] == 0).all()
    picture = cv2.imdecode(np.frombuffer(archive.picture(COUNT + 4), np.uint8), cv2.IMREAD_COLOR)
    assert abs(float(picture.mean()) - grey_of(4)) < 2


@pytest.mark.parametrize("fault", ["cut", "counts", "missing", "nan", "text"])
def test_damaged(tmp_path, fault):
    make_insta_variety(tmp_path / "raw")
    path = tmp_path / "raw" / "train" / "insta_000.tfrecord"
    whole = path.read_bytes()
    body = np.zeros(2 * 14 * 2, np.float32)
    example = {"meta/N": [2], "image/encoded": [b"a", b"b"], "image/visibilities": [1] * 28, "image/xys": body}
    match fault:
        case "cut":
            path.write_bytes(whole[:-7])
        case "counts":
            path.write_bytes(framed([example_bytes({**example, "meta/N": [3]})]))
        case "missing":
            path.write_bytes(framed([example_bytes(example)]))
        case "nan":
            path.write_bytes(framed([example_bytes({**example, "image/xys": body * np.nan})]))
        case "text":
            path.write_bytes(b"<!DOCTYPE html> quota exceeded")
    with pytest.raises(CaptureError) as caught:
        prepare(DATASET, tmp_path / "raw", tmp_path / "a.clips", Options())
    assert caught.value.code == "dataset_broken"


def test_missing(tmp_path):
    (tmp_path / "train").mkdir()
    with pytest.raises(CaptureError, match=r"no \*\.tfrecord") as caught:
        prepare(DATASET, tmp_path, tmp_path / "a.clips", Options())
    assert caught.value.code == "dataset_missing"
