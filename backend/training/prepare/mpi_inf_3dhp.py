# SPDX-License-Identifier: MIT
"""MPI-INF-3DHP (Mehta et al. 2017): actors before many cameras, their joints without markers; six test videos."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .joint_orders import MPI_INF_3DHP_17, MPI_INF_3DHP_28, Order, to_49
from .pictures import PictureFiles, Pictures, VideoPictures, video_facts
from .preparing import Dataset, Options, Recording
from .raw_files import LARGEST_ARRAY, NO_MATRICES, Origin, as_array, read_mat
from .tracks import Track, with_boxes

Array = NDArray[Any]

ORIGIN = Origin(
    "MPI-INF-3DHP",
    "S1 to S8 with Seq1 and Seq2, in each annot.mat, camera.calibration and imageSequence/video_0.avi ...; for tests "
    "mpi_inf_3dhp_test_set with TS1 to TS6, in each annot_data.mat and imageSequence/img_000001.jpg ...",
    "vcai.mpi-inf.mpg.de/3dhp-dataset",
    "MPI-INF-3DHP may be used for non-commercial research only.",
)
_CAMERAS = (0, 1, 2, 4, 5, 6, 7, 8)
"""At the height of the chest, and a bit above: those that training uses (section 4 of the paper)."""
_FPS = 25.0
_MM = 1e-3
_SIDE_PX, _WIDE_PX = (2048, 2048), (1920, 1080)


@dataclass(frozen=True)
class Camera:
    """What a calibration file says of a camera.

    Attributes:
        width_px, height_px: of its pictures.
        intrinsics: (4,) focal length x, y and centre x, y, pixels.
    """

    width_px: int
    height_px: int
    intrinsics: Array


def _recordings(raw: Path, split: str, options: Options) -> Sequence[Recording]:
    if not raw.is_dir():
        raise ORIGIN.missing(raw, "no such folder")
    if split == "test":
        return _tests(raw)
    found = []
    for folder in sorted(raw.glob("S[1-8]/Seq[12]")):
        if not (folder / "annot.mat").is_file():
            raise ORIGIN.missing(folder / "annot.mat", "no such file")
        name = f"{folder.parent.name}/{folder.name}"
        found.append(Recording(name, partial(_train, folder, name)))
    if not found:
        raise ORIGIN.missing(raw, "no folder S1/Seq1")
    return found


def _train(folder: Path, name: str) -> Iterator[Track]:
    path = folder / "annot.mat"
    held = read_mat(ORIGIN, path, ("annot2", "annot3"))
    cameras = read_calibration(folder / "camera.calibration")
    for number in _CAMERAS:
        joints2d = _of_camera(path, "annot2", held["annot2"], number, 2)
        joints3d = _of_camera(path, "annot3", held["annot3"], number, 3) * _MM
        if len(joints2d) != len(joints3d) or not len(joints2d):
            raise ORIGIN.broken(path, "it has other numbers of frames in the picture and in space")
        if number not in cameras:
            raise ORIGIN.broken(folder / "camera.calibration", f"it has no camera {number}")
        pictures, fps, count = _video(folder, number, len(joints2d))
        joints2d, joints3d = joints2d[:count], joints3d[:count]
        yield from _track(f"{name}/video_{number}", fps, MPI_INF_3DHP_28, joints2d, joints3d, cameras[number], pictures)


def _of_camera(path: Path, name: str, cells: Any, camera: int, axes: int) -> Array:
    """(T, 28, axes) what one camera's cell of MATLAB's holds."""
    cells = np.asarray(cells).reshape(-1)
    if cells.dtype != object or len(cells) <= camera:
        raise ORIGIN.broken(path, f"{name} has {len(cells)} cameras")
    joints = len(MPI_INF_3DHP_28)
    return as_array(ORIGIN, path, name, cells[camera], None, axes * joints).reshape(-1, joints, axes)


def _video(folder: Path, camera: int, count: int) -> tuple[Pictures, float, int]:
    """The pictures of a camera, as its video or taken out of it, frames per second, and how many there are."""
    video = folder / "imageSequence" / f"video_{camera}.avi"
    files = sorted((folder / "imageFrames" / f"video_{camera}").glob("*.jpg"))
    if not video.is_file() and len(files) >= count:
        return PictureFiles(ORIGIN, tuple(files[:count])), _FPS, count
    fps, frames = video_facts(ORIGIN, video) if video.is_file() else (_FPS, 0)
    count = min(count, frames) if frames else count  # one that was cut off later still says how many it had
    return VideoPictures(ORIGIN, video, range(count)), fps, count


def _tests(raw: Path) -> Sequence[Recording]:
    home = next((raw / name for name in ("mpi_inf_3dhp_test_set", "test") if (raw / name).is_dir()), raw)
    folders = [folder for folder in sorted(home.glob("TS[1-6]")) if folder.is_dir()]
    if not folders:
        raise ORIGIN.missing(home, "no folder TS1")
    return [Recording(folder.name, partial(_test, folder)) for folder in folders]


def _test(folder: Path) -> Iterator[Track]:
    path = folder / "annot_data.mat"
    held = _read_test(path)
    count, joints = len(held["annot2"]), len(MPI_INF_3DHP_17)
    joints2d = as_array(ORIGIN, path, "annot2", held["annot2"], None, 1, joints, 2)[:, 0]
    joints3d = as_array(ORIGIN, path, "annot3", held["annot3"], count, 1, joints, 3)[:, 0] * _MM
    valid = as_array(ORIGIN, path, "valid_frame", held["valid_frame"].reshape(-1), count) > 0
    width, height = _WIDE_PX if folder.name in ("TS5", "TS6") else _SIDE_PX
    camera = Camera(width, height, fitted_intrinsics(joints2d[valid], joints3d[valid]))
    files = tuple(folder / "imageSequence" / f"img_{number + 1:06d}.jpg" for number in range(count))
    pictures = PictureFiles(ORIGIN, files)
    yield from _track(folder.name, _FPS, MPI_INF_3DHP_17, joints2d, joints3d, camera, pictures, valid)


def _read_test(path: Path) -> dict[str, Array]:
    """The arrays of a MATLAB file of format 7.3, which is HDF5, their axes the other way round."""
    try:
        import h5py
    except ModuleNotFoundError as error:
        raise ORIGIN.needs("h5py", "The tests") from error
    if not path.is_file():
        raise ORIGIN.missing(path, "no such file")
    try:
        with h5py.File(path, "r") as file:
            found = {name: file[name] for name in ("annot2", "annot3", "valid_frame")}
            if not all(isinstance(held, h5py.Dataset) and held.dtype.kind in "fiub" for held in found.values()):
                raise ValueError("its entries are no arrays of numbers")
            if any(held.size * held.dtype.itemsize > LARGEST_ARRAY for held in found.values()):
                raise ValueError("its arrays are too large")
            return {name: np.asarray(held) for name, held in found.items()}
    except (RuntimeError, *NO_MATRICES) as error:
        raise ORIGIN.broken(path, error) from error


def _track(
    name: str, fps: float, order: Order, joints2d: Array, joints3d: Array, camera: Camera, pictures: Pictures,
    valid: Array | None = None,
) -> Iterator[Track]:  # fmt: skip
    """Pieces of a camera's frames, joints in the dataset's order; those outside of the picture are not seen.

    Args:
        name, fps, pictures: of the track.
        order: of the joints.
        joints2d: (T, K, 2) pixels.
        joints3d: (T, K, 3) metres, camera axes.
        camera: that sees them.
        valid: (T,) which frames are labelled; None for all.
    """
    inside = ((joints2d >= 0) & (joints2d < [camera.width_px, camera.height_px])).all(axis=-1, keepdims=True)
    arrays = {
        "joints2d": to_49(order, np.concatenate([joints2d, inside], axis=-1)),
        "joints3d": to_49(order, np.concatenate([joints3d, np.ones_like(joints3d[..., :1])], axis=-1)),
        "intrinsics": np.tile(camera.intrinsics, (len(joints2d), 1)),
    }
    yield from with_boxes(Track(name, fps, arrays, pictures), valid)


def read_calibration(path: Path) -> dict[int, Camera]:
    """The cameras of a ``camera.calibration`` file, by number.

    Raises:
        CaptureError: ``dataset_missing`` or ``dataset_broken``.
    """
    if not path.is_file():
        raise ORIGIN.missing(path, "no such file")
    try:
        text = path.read_bytes()[: 1 << 20].decode("utf-8")
        cameras = {}
        for block in re.split(r"^\s*name\s+", text, flags=re.MULTILINE)[1:]:
            entries = {words[0]: words[1:] for line in block.splitlines()[1:] if (words := line.split())}
            width, height = (int(float(number)) for number in entries["size"][:2])
            matrix = np.array([float(number) for number in entries["intrinsic"]]).reshape(4, 4)
            intrinsics = matrix[[0, 1, 0, 1], [0, 1, 2, 2]]
            if not np.isfinite(intrinsics).all() or (intrinsics[:2] <= 0).any():
                raise ValueError("a camera has no focal length")
            cameras[int(block.split()[0])] = Camera(width, height, intrinsics)
        return cameras
    except (ValueError, KeyError, IndexError, OverflowError) as error:
        raise ORIGIN.broken(path, f"it is no calibration ({error})") from error


def fitted_intrinsics(joints2d: Array, joints3d: Array) -> Array:
    """(4,) focal length x, y and centre x, y, pixels, by which points appear where they do, in least squares.

    Args:
        joints2d: (..., 2) pixels.
        joints3d: (..., 3) camera axes; those behind the camera are left out.
    """
    points, pixels = joints3d.reshape(-1, 3), joints2d.reshape(-1, 2)
    front = points[:, 2] > 0
    if front.sum() < 2:
        return np.zeros(4)
    found = np.zeros(4)
    for axis in (0, 1):
        slopes = np.stack([points[front, axis] / points[front, 2], np.ones(front.sum())], axis=1)
        found[[axis, axis + 2]] = np.linalg.lstsq(slopes, pixels[front, axis], rcond=None)[0]
    return found


DATASET = Dataset(
    "mpi-inf-3dhp", ORIGIN, ("train", "test"), ("joints2d", "joints3d", "boxes", "intrinsics", "frames"), _recordings
)
