# SPDX-License-Identifier: MIT
"""Tiny made copies of public datasets in the layouts in which their owners publish them; nothing of theirs is in them.

Each maker returns what it put in, by the name that the sequence has in an archive.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
from scipy.io import savemat
from scipy.spatial.transform import Rotation

from tests.published_bodies import Python2Pickle
from tests.training_data import HEIGHT_PX, WIDTH_PX, made_rotations

COUNT = 20
"""Frames of a made sequence, where nothing else is asked for."""


@dataclass(frozen=True)
class Truth:
    """What was put into a sequence.

    Attributes:
        joints2d: (T, K, 2) pixels in the dataset's own order.
        seen: (T, K) which of them are marked.
        other: more arrays by name.
    """

    joints2d: np.ndarray
    seen: np.ndarray
    other: dict[str, np.ndarray] = field(default_factory=dict)


def made_joints(count: int, joints: int, seed: int) -> np.ndarray:
    """(count, joints, 2) pixels, well inside of the picture, each joint at its own place and moving smoothly."""
    random = np.random.default_rng(seed)
    places = random.uniform((90, 60), (WIDTH_PX - 90, HEIGHT_PX - 60), (joints, 2))
    along = np.arange(count)[:, None, None] / 10
    return places + 20 * np.sin(along + random.uniform(0, 6, (joints, 2)))


def grey_picture(number: int, width: int = WIDTH_PX, height: int = HEIGHT_PX) -> np.ndarray:
    """(height, width, 3) uint8: all of one grey, that of its number."""
    return np.full((height, width, 3), grey_of(number), np.uint8)


def grey_of(number: int) -> int:
    """What the picture of a frame looks like."""
    return 20 + 9 * (number % 25)


def jpeg(number: int, width: int = WIDTH_PX, height: int = HEIGHT_PX) -> bytes:
    """The picture of a frame as a file."""
    told, data = cv2.imencode(".jpg", grey_picture(number, width, height))
    assert told
    return data.tobytes()


def write_jpegs(folder: Path, pattern: str, numbers: range, first: int = 0) -> None:
    """The pictures of frames, the first of which is called ``first``."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in numbers:
        (folder / pattern.format(number + first)).write_bytes(jpeg(number))


def make_amass(folder: Path) -> dict[str, dict[str, np.ndarray]]:
    """Two subsets: one in the old form (SMPL-H), one in the new (SMPL-X), and the files beside the motions."""
    truth = {}
    forms = (("CMU", "01/01_01_poses", 52, "mocap_framerate"), ("SomeNew", "s1/jump_stageii", 55, "mocap_frame_rate"))
    for seed, (subset, name, joints, rate) in enumerate(forms):
        random = np.random.default_rng(seed)
        poses = np.zeros((60, joints, 3))
        poses[:, :22] = made_rotations(60, 120, seed, Rotation.from_rotvec([np.pi / 2, 0, 0]))[:, :22]
        poses[:, 22:] = random.normal(scale=0.1, size=(joints - 22, 3))
        held = {
            "poses": poses.reshape(60, -1), "trans": random.normal(size=(60, 3)), "betas": random.normal(size=16),
            rate: np.array(120.0), "gender": np.array("female"), "dmpls": random.normal(size=(60, 8)),
        }  # fmt: skip
        path = folder / subset / f"{name}.npz"
        path.parent.mkdir(parents=True)
        np.savez(path, labels=np.array([{"not": "wanted"}], object), **held)
        np.savez(path.parent / "shape.npz", betas=held["betas"])
        truth[f"{subset}/{name}"] = {**held, "poses": poses}
    return truth


def make_3dpw(folder: Path, split: str = "train", *, pictures: bool = True) -> dict[str, Truth]:
    """One recording of two people; of the second the camera is not known for a while in the middle."""
    random = np.random.default_rng(5)
    count, truth = 50, {}
    turns = Rotation.from_rotvec([np.pi, 0, 0]) * Rotation.from_rotvec(
        np.outer(np.arange(count) / 50, [0.1, 0.3, -0.2])
    )
    cameras = np.tile(np.eye(4), (count, 1, 1))
    cameras[:, :3, :3] = turns.as_matrix()
    cameras[:, :3, 3] = [0.2, 0.5, 4.0] + np.arange(count)[:, None] * [0.01, 0, 0.02]
    intrinsics = np.array([[1961.8, 0, 540.0], [0, 1969.2, 960.0], [0, 0, 1]])
    held: dict[str, list[np.ndarray]] = {
        name: [] for name in ("poses", "betas", "trans", "jointPositions", "campose_valid", "poses2d", "poses_60Hz")
    }
    for person in range(2):
        poses = made_rotations(count, 30, person, Rotation.identity()).reshape(count, 72)
        marked = made_joints(count, 18, 50 + person)
        valid = np.ones(count, np.int32)
        valid[24:26] = 1 - person
        entries = {
            "poses": poses, "betas": random.normal(size=10 + 290 * person), "trans": random.normal(size=(count, 3)),
            "jointPositions": random.normal(size=(count, 72)), "campose_valid": valid,
            "poses2d": np.concatenate([marked.transpose(0, 2, 1), np.full((count, 1, 18), 0.8)], axis=1),
            "poses_60Hz": np.repeat(poses, 2, axis=0),
        }  # fmt: skip
        for name, values in entries.items():
            held[name].append(values)
        truth[f"outdoors_walking_00/{person}"] = Truth(
            marked, np.full((count, 18), 0.8), {**entries, "cameras": cameras, "intrinsics": intrinsics}
        )
    record = {
        "sequence": "outdoors_walking_00", "genders": ["m", "f"], "cam_poses": cameras, "cam_intrinsics": intrinsics,
        "texture_maps": [], "img_frame_ids": np.arange(count), **held,
    }  # fmt: skip
    path = folder / "sequenceFiles" / split / "outdoors_walking_00.pkl"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(Python2Pickle(2).written(record))
    if pictures:
        write_jpegs(folder / "imageFiles" / "outdoors_walking_00", "image_{:05d}.jpg", range(count))
    return truth


def make_penn_action(folder: Path) -> dict[str, Truth]:
    """Two clips, one for training and one for tests; a joint is never seen."""
    truth = {}
    (folder / "labels").mkdir(parents=True)
    for number, train in ((1, 1), (2, -1)):
        name, marked = f"{number:04d}", made_joints(COUNT, 13, number)
        seen = np.ones((COUNT, 13))
        seen[:, 3] = 0
        held = {
            "x": np.where(seen > 0, marked[..., 0] + 1, 1), "y": np.where(seen > 0, marked[..., 1] + 1, 1),
            "visibility": seen, "train": train, "nframes": COUNT, "action": "tennis_serve", "pose": "front",
            "bbox": np.ones((COUNT, 4)), "dimensions": [HEIGHT_PX, WIDTH_PX, COUNT],
        }  # fmt: skip
        savemat(folder / "labels" / f"{name}.mat", held, do_compression=True)
        write_jpegs(folder / "frames" / name, "{:06d}.jpg", range(COUNT), first=1)
        truth[name] = Truth(marked, seen)
    return truth


POSETRACK_JOINTS = [
    "nose", "head_bottom", "head_top", "left_ear", "right_ear", "left_shoulder", "right_shoulder", "left_elbow",
    "right_elbow", "left_wrist", "right_wrist", "left_hip", "right_hip", "left_knee", "right_knee", "left_ankle",
    "right_ankle",
]  # fmt: skip


def make_posetrack(folder: Path) -> dict[str, Truth]:
    """A clip of two people; the second is not marked in one picture in the middle. Ears are never marked."""
    count, name, truth = 45, "000001_bonn_train", {}
    images = [
        {
            "id": 10000010000 + number, "vid_id": "000001", "frame_id": 10000010000 + number, "nframes": count,
            "is_labeled": True, "file_name": f"images/train/{name}/{number:06d}.jpg",
        }
        for number in range(count)
    ]  # fmt: skip
    annotations = []
    for person in (0, 3):
        marked, seen = made_joints(count, 17, 80 + person), np.ones((count, 17))
        seen[:, 3:5] = 0
        truth[f"{name}/{person}"] = Truth(marked, seen)
        for number in range(count):
            if (person, number) != (3, 22):
                joints = np.concatenate([marked[number] * seen[number, :, None], seen[number, :, None]], axis=1)
                annotations.append(
                    {"id": len(annotations), "image_id": images[number]["id"], "track_id": person, "category_id": 1,
                     "keypoints": joints.reshape(-1).tolist(), "bbox": [0, 0, 1, 1], "bbox_head": [0, 0, 1, 1]}
                )  # fmt: skip
    categories = [{"id": 1, "name": "person", "supercategory": "person", "keypoints": POSETRACK_JOINTS}]
    path = folder / "posetrack_data" / "annotations" / "train" / f"{name}.json"
    path.parent.mkdir(parents=True)
    path.write_text(
        json.dumps({"images": images, "annotations": annotations[::-1], "categories": categories}), encoding="utf-8"
    )
    write_jpegs(folder / "posetrack_data" / "images" / "train" / name, "{:06d}.jpg", range(count))
    return truth
