# SPDX-License-Identifier: MIT
from __future__ import annotations

import os
import pickle

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from backend.body.smpl import JOINTS49
from backend.training.archive import ClipArchive, Sequence
from backend.training.prepare.preparing import Options, prepare
from backend.training.prepare.threedpw import DATASET
from tests.published_bodies import make_regressors, make_smpl_pkl
from tests.raw_datasets import Truth, make_3dpw
from vibe_blender.contract.errors import CaptureError

NAME = "outdoors_walking_00"


def rows(sequence: Sequence) -> slice:
    return slice(sequence.first, sequence.first + sequence.count)


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> tuple[ClipArchive, dict[str, Truth]]:
    folder = tmp_path_factory.mktemp("3dpw")
    truth = make_3dpw(folder / "raw", pictures=False)
    return prepare(DATASET, folder / "raw", folder / "a.clips", Options()), truth


def test_people_and_pieces(made):
    archive, _ = made
    found = [(sequence.name, sequence.count, sequence.fps) for sequence in archive.sequences]
    assert found == [(f"{NAME}/0", 50, 30), (f"{NAME}/1 from 0", 24, 30), (f"{NAME}/1 from 26", 24, 30)]


def test_joints_in_the_picture(made):
    archive, truth = made
    joints = archive.column("joints2d")[rows(archive.sequences[2])]
    marked = truth[f"{NAME}/1"].joints2d[26:]
    for place, joint in ((0, 0), (4, 4), (7, 7), (14, 13)):  # nose, right wrist, left wrist, left ankle
        assert joints[:, place, :2] == pytest.approx(marked[:, joint], abs=1e-4)
    assert joints[:, 4, 2] == pytest.approx(0.8)
    assert not joints[:, 25:].any()
    assert archive.column("frames")[rows(archive.sequences[2])].tolist() == list(range(26, 50))
    boxes = archive.column("boxes")[rows(archive.sequences[2])]
    inside = np.abs(marked - boxes[:, None, :2]) < boxes[:, None, 2:] / 2
    assert inside.all()


def test_bodies_in_camera_axes(made):
    """One frame at a time, by homogeneous coordinates."""
    archive, truth = made
    for number, person, shift in ((0, 0, 0), (2, 1, 26)):
        sequence = archive.sequences[number]
        held = truth[f"{NAME}/{person}"].other
        joints = archive.column("joints3d")[rows(sequence)]
        rotations = archive.column("rotations")[rows(sequence)]
        trans = archive.column("trans")[rows(sequence)]
        for frame in (0, 7, 23):
            camera, world = held["cameras"][frame + shift], held["jointPositions"][frame + shift].reshape(24, 3)
            for joint, place in ((8, 25), (19, 3), (16, 34)):
                assert joints[frame, place, :3] == pytest.approx((camera @ [*world[joint], 1])[:3], abs=1e-5)
                assert joints[frame, place, 3] == 1
            pose = held["poses"][frame + shift].reshape(24, 3)
            assert rotations[frame, 1:] == pytest.approx(pose[1:], abs=1e-6)
            root = Rotation.from_rotvec(rotations[frame, 0]).as_matrix()
            assert root == pytest.approx(camera[:3, :3] @ Rotation.from_rotvec(pose[0]).as_matrix(), abs=1e-5)
            # Any point of SMPL's body, turned about its pelvis and moved, in the world and then in the camera.
            pelvis, point = world[0] - held["trans"][frame + shift], np.array([0.3, -0.2, 0.9])
            placed = Rotation.from_rotvec(pose[0]).apply(point - pelvis) + pelvis + held["trans"][frame + shift]
            ours = root @ (point - pelvis) + pelvis + trans[frame]
            assert ours == pytest.approx((camera @ [*placed, 1])[:3], abs=1e-5)
        assert archive.column("betas")[sequence.first] == pytest.approx(held["betas"][:10], abs=1e-6)
        assert archive.column("intrinsics")[sequence.first] == pytest.approx([1961.8, 1969.2, 540, 960])
    hips = [place for place, (name, _) in enumerate(JOINTS49) if name in ("Right Hip", "Left Hip")]
    assert not archive.column("joints3d")[:, hips, 3].any()  # SMPL's own hips are others


def test_all_joints_of_smpl(tmp_path):
    make_3dpw(tmp_path / "raw", pictures=False)
    make_smpl_pkl(tmp_path / "SMPL_NEUTRAL.pkl")
    make_regressors(tmp_path)
    archive = prepare(DATASET, tmp_path / "raw", tmp_path / "a.clips", Options(body=tmp_path, shortest=30))
    joints = archive.column("joints3d")
    assert (joints[..., 3] == 1).all()
    # The body of the files has its own pelvis: in its joints, two of which are the same hip, trans is added to all.
    apart = joints[:, 31, :3] - joints[:, 4, :3]
    assert np.abs(apart).max() < 1e-5
    assert joints[..., :3] != pytest.approx(0, abs=0.1)


def test_pictures_are_looked_for(tmp_path):
    make_3dpw(tmp_path / "raw")
    (tmp_path / "raw" / "imageFiles" / NAME / "image_00031.jpg").unlink()
    with pytest.raises(CaptureError, match=r"image_00031\.jpg") as caught:
        prepare(DATASET, tmp_path / "raw", tmp_path / "a.clips", Options(images=True))
    assert caught.value.code == "dataset_missing"
    assert "virtualhumans" in caught.value.hint


def test_other_layouts(tmp_path):
    with pytest.raises(CaptureError) as caught:
        prepare(DATASET, tmp_path, tmp_path / "a.clips", Options())
    assert caught.value.code == "dataset_missing"
    assert "sequenceFiles/train" in caught.value.message


class Evil:
    def __reduce__(self) -> tuple:
        return os.mkdir, ("evil",)


@pytest.mark.parametrize("fault", ["cut", "code", "object", "shape", "empty", "people", "mirror"])
def test_files_that_are_none(tmp_path, monkeypatch, fault):
    monkeypatch.chdir(tmp_path)
    truth = make_3dpw(tmp_path / "raw", pictures=False)
    path = tmp_path / "raw" / "sequenceFiles" / "train" / f"{NAME}.pkl"
    content = path.read_bytes()
    held = {name: [np.zeros((20, 72))] for name in ("poses", "betas", "trans", "jointPositions", "poses2d")}
    held |= {"cam_poses": np.zeros((20, 4, 4)), "cam_intrinsics": np.eye(3), "campose_valid": [np.ones(20)]}
    match fault:
        case "cut":
            path.write_bytes(content[: len(content) // 2])
        case "code":
            path.write_bytes(pickle.dumps({**held, "poses": Evil()}))
        case "object":
            path.write_bytes(pickle.dumps({**held, "poses": [np.array([{}], object)]}))
        case "shape":
            path.write_bytes(pickle.dumps(held))
        case "empty":
            path.write_bytes(b"")
        case "mirror":  # everything is as it should be but for the camera
            entries = dict(truth[f"{NAME}/0"].other)
            mirror = np.diag([1.0, 1, -1, 1])
            whole = {name: [entries[name]] for name in held if name in entries}
            cameras = entries["cameras"] @ mirror
            path.write_bytes(pickle.dumps({**whole, "cam_poses": cameras, "cam_intrinsics": np.eye(3)}))
        case "people":
            path.write_bytes(pickle.dumps({**held, "betas": []}))
    with pytest.raises(CaptureError) as caught:
        prepare(DATASET, tmp_path / "raw", tmp_path / "a.clips", Options())
    assert caught.value.code == "dataset_broken"
    assert str(path) in caught.value.message
    assert not (tmp_path / "evil").exists()
