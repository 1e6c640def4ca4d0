# SPDX-License-Identifier: MIT
"""Human3.6M (Ionescu et al. 2014): actors in a hall, four cameras, joints by motion capture."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .joint_orders import HUMAN36M, to_49
from .mpi_inf_3dhp import fitted_intrinsics
from .pictures import VideoPictures, video_facts
from .preparing import Dataset, Options, Recording
from .raw_files import LARGEST_ARRAY, NO_MATRICES, Origin, as_array
from .tracks import Track, with_boxes

Array = NDArray[Any]

ORIGIN = Origin(
    "Human3.6M",
    "S1, S5, S6, S7, S8, S9 and S11, in each MyPoseFeatures/D3_Positions_mono/*.cdf, MyPoseFeatures/D2_Positions/*.cdf "
    "and Videos/*.mp4",
    "vision.imar.ro/human3.6m, after registration",
    "Human3.6M may be used for academic research only, and not be handed on.",
)
_PEOPLE = {"train": ("S1", "S5", "S6", "S7", "S8"), "test": ("S9", "S11")}
_FPS = 50.0
_MM = 1e-3
# As the archives unpack, and as widespread scripts put them.
_SPACE = ("MyPoseFeatures/D3_Positions_mono", "Poses_D3_Positions_mono", "D3_Positions_mono")
_PICTURE = ("MyPoseFeatures/D2_Positions", "Poses_D2_Positions", "D2_Positions")


def _recordings(raw: Path, split: str, options: Options) -> Sequence[Recording]:
    if not raw.is_dir():
        raise ORIGIN.missing(raw, "no such folder")
    found = []
    for person in _PEOPLE[split]:
        if not (raw / person).is_dir():
            continue
        space, picture = (_folder(raw / person, names) for names in (_SPACE, _PICTURE))
        paths = sorted(space.glob("*.cdf"))
        if not paths:
            raise ORIGIN.missing(space, "no *.cdf")
        for path in paths:
            name = f"{person}/{path.stem}"
            video = raw / person / "Videos" / f"{path.stem}.mp4"
            found.append(Recording(name, partial(_read, name, path, picture / path.name, video)))
    if not found:
        raise ORIGIN.missing(raw, f"none of the folders {', '.join(_PEOPLE[split])}")
    return found


def _folder(person: Path, names: Sequence[str]) -> Path:
    for name in names:
        if (person / name).is_dir():
            return person / name
    raise ORIGIN.missing(person, f"no folder {names[0]}")


def _read(name: str, space: Path, picture: Path, video: Path) -> Iterator[Track]:
    if not picture.is_file():
        raise ORIGIN.missing(picture, "no such file")
    joints3d, joints2d = _poses(space, 3) * _MM, _poses(picture, 2)
    if abs(len(joints3d) - len(joints2d)) > 1:
        raise ORIGIN.broken(picture, f"it has {len(joints2d)} frames, and {len(joints3d)} in space")
    fps, count = _FPS, min(len(joints3d), len(joints2d))
    if video.is_file():
        fps, frames = video_facts(ORIGIN, video)
        count = min(count, frames) if frames else count  # some videos end a few frames before the motion
    joints3d, joints2d = joints3d[:count], joints2d[:count]
    ones = np.ones((count, len(HUMAN36M), 1))
    arrays = {
        "joints2d": to_49(HUMAN36M, np.concatenate([joints2d, ones], axis=-1)),
        "joints3d": to_49(HUMAN36M, np.concatenate([joints3d, ones], axis=-1)),
        # Without the lens's distortion, whose share is in them: some pixels at the edge.
        "intrinsics": np.tile(fitted_intrinsics(joints2d, joints3d), (count, 1)),
    }
    track = Track(name, fps, arrays, VideoPictures(ORIGIN, video, range(count)))
    yield from with_boxes(track)


def _poses(path: Path, axes: int) -> Array:
    """(T, 32, axes) the variable ``Pose`` of a file in NASA's common data format."""
    try:
        import cdflib
    except ModuleNotFoundError as error:
        raise ORIGIN.needs("cdflib", "The joints") from error
    try:
        with cdflib.CDF(path) as file:
            facts = file.varinq("Pose")
            size = 8.0 * np.prod(facts.Dim_Sizes, dtype=float) * max(1, facts.Last_Rec + 1)
            if size > LARGEST_ARRAY:
                raise ValueError("its arrays are too large")
            values = np.asarray(file.varget("Pose"))
    except (RuntimeError, AssertionError, *NO_MATRICES) as error:
        raise ORIGIN.broken(path, error) from error
    if values.ndim == 3 and values.shape[0] == 1:
        values = values[0]
    return as_array(ORIGIN, path, "Pose", values, None, len(HUMAN36M) * axes).reshape(-1, len(HUMAN36M), axes)


DATASET = Dataset(
    "human36m", ORIGIN, ("train", "test"), ("joints2d", "joints3d", "boxes", "intrinsics", "frames"), _recordings
)
