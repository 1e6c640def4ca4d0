# SPDX-License-Identifier: MIT
"""3DPW (von Marcard et al. 2018): people in the open, SMPL bodies from inertial sensors and a hand-held camera."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from .joint_orders import OPENPOSE18, SMPL24, to_49
from .pictures import PictureFiles
from .preparing import Dataset, Options, Recording
from .raw_files import Origin, as_array, folder_of, read_pickle
from .tracks import Track, with_boxes

Array = NDArray[Any]
Joints = Callable[[Array, Array], Array]
"""(T, 49, 3) metres, from SMPL's origin, of rotations (T, 24, 3) axis-angle and betas (T, 10)."""

ORIGIN = Origin(
    "3DPW",
    "sequenceFiles/train, validation and test with *.pkl, and imageFiles with a folder of image_00000.jpg ... each",
    "virtualhumans.mpi-inf.mpg.de/3DPW",
    "3DPW may be used for non-commercial research only, and not be handed on.",
)
_FPS = 30.0
_NO_ROTATION = 1e-2
_WANTED = (
    "poses", "betas", "trans", "jointPositions", "cam_poses", "cam_intrinsics", "campose_valid", "poses2d",
)  # fmt: skip
_PER_PERSON = ("poses", "betas", "trans", "jointPositions", "campose_valid", "poses2d")


def _recordings(raw: Path, split: str, options: Options) -> Sequence[Recording]:
    folder = folder_of(ORIGIN, raw, f"sequenceFiles/{split}", f"sequenceFiles/sequenceFiles/{split}")
    paths = sorted(folder.glob("*.pkl"))
    if not paths:
        raise ORIGIN.missing(folder, "no *.pkl")
    joints = None if options.body is None else _smpl_joints(options.body)
    return [Recording(path.stem, partial(_read, path, _images(raw) / path.stem, joints)) for path in paths]


def _images(raw: Path) -> Path:
    """The folder of all pictures, whether or not it is there."""
    twice = raw / "imageFiles" / "imageFiles"
    return twice if twice.is_dir() else raw / "imageFiles"


def _read(path: Path, images: Path, joints: Joints | None) -> Iterator[Track]:
    held = read_pickle(ORIGIN, path, _WANTED)
    cameras = as_array(ORIGIN, path, "cam_poses", held["cam_poses"], None, 4, 4)
    intrinsics = as_array(ORIGIN, path, "cam_intrinsics", held["cam_intrinsics"], 3, 3)
    people = {len(held[name]) if isinstance(held[name], list) else -1 for name in _PER_PERSON}
    if len(people) != 1 or -1 in people or not len(cameras):
        raise ORIGIN.broken(path, "it has other numbers of people in each of its entries")
    files = tuple(images / f"image_{number:05d}.jpg" for number in range(len(cameras)))
    for person in range(people.pop()):
        arrays, valid = _person(path, {name: held[name][person] for name in _PER_PERSON}, cameras, joints)
        fx, fy, cx, cy = intrinsics[[0, 1, 0, 1], [0, 1, 2, 2]]
        arrays["intrinsics"] = np.tile([fx, fy, cx, cy], (len(cameras), 1))
        track = Track(f"{path.stem}/{person}", _FPS, arrays, PictureFiles(ORIGIN, files))
        yield from with_boxes(track, valid)


def _person(
    path: Path, held: dict[str, Any], cameras: Array, compute: Joints | None
) -> tuple[dict[str, Array], NDArray[np.bool_]]:
    """A person's labels, and in which of the T frames the camera is known.

    Args:
        path: for errors.
        held: the person's entries.
        cameras: (T, 4, 4) world to camera.
        compute: 49 joints of a body; None for those that are SMPL's own.
    """
    count = len(cameras)
    poses = as_array(ORIGIN, path, "poses", held["poses"], count, 72).reshape(count, 24, 3)
    trans = as_array(ORIGIN, path, "trans", held["trans"], count, 3)
    places = as_array(ORIGIN, path, "jointPositions", held["jointPositions"], count, 72).reshape(count, 24, 3)
    betas = as_array(ORIGIN, path, "betas", held["betas"], None)[:10]
    if len(betas) < 10:
        raise ORIGIN.broken(path, f"betas has {len(betas)} numbers")
    seen = as_array(ORIGIN, path, "poses2d", held["poses2d"], count, 3, len(OPENPOSE18)).transpose(0, 2, 1)
    valid = as_array(ORIGIN, path, "campose_valid", held["campose_valid"], count) > 0
    shift = cameras[:, :3, 3]
    turn = np.where(valid[:, None, None], cameras[:, :3, :3], np.eye(3))
    if np.abs(turn @ turn.transpose(0, 2, 1) - np.eye(3)).max() > _NO_ROTATION or np.linalg.det(turn).min() < 0:
        raise ORIGIN.broken(path, "cam_poses are no rotations")
    rotations = poses.copy()
    rotations[:, 0] = (Rotation.from_matrix(turn) * Rotation.from_rotvec(poses[:, 0])).as_rotvec()
    # SMPL turns its body about the pelvis, which at rest is not at the origin: that place stays where it is.
    pelvis = places[:, 0] - trans
    trans = np.einsum("tij,tj->ti", turn, places[:, 0]) + shift - pelvis
    arrays = {
        "rotations": rotations, "betas": np.tile(betas, (count, 1)), "trans": trans,
        "joints2d": to_49(OPENPOSE18, seen),
    }  # fmt: skip
    joints = np.zeros((count, 49, 4))
    if compute is not None:
        joints[..., :3] = compute(rotations, arrays["betas"]) + trans[:, None]
        joints[..., 3] = 1
    else:
        in_camera = np.einsum("tij,tkj->tki", turn, places) + shift[:, None]
        for joint, place in SMPL24:
            joints[:, place] = np.concatenate([in_camera[:, joint], np.ones((count, 1))], axis=1)
    return {**arrays, "joints3d": joints}, valid


def _smpl_joints(folder: Path) -> Joints:
    """From the user's files."""
    import torch

    from backend.training.bodies import smpl_body

    body = smpl_body(folder)

    def joints(rotations: Array, betas: Array) -> Array:
        matrices = Rotation.from_rotvec(rotations.reshape(-1, 3)).as_matrix().reshape(-1, 24, 3, 3)
        parts = []
        for first in range(0, len(matrices), 256):
            some = (torch.tensor(values[first : first + 256], dtype=torch.float32) for values in (matrices, betas))
            with torch.inference_mode():
                parts.append(body(*some).joints.numpy())
        return np.concatenate(parts)

    return joints


DATASET = Dataset(
    "3dpw", ORIGIN, ("train", "validation", "test"),
    ("joints2d", "joints3d", "rotations", "betas", "trans", "boxes", "intrinsics", "frames"), _recordings,
)  # fmt: skip
