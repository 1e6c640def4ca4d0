# SPDX-License-Identifier: MIT
"""What a clip archive says of itself: which kinds of labels there are, and which sequences."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, get_args

import numpy as np

from backend.person_crops import Features

PICTURES = "images.bin"


@dataclass(frozen=True)
class Column:
    """One kind of label.

    Attributes:
        name: of the column and its file.
        dtype: of its numbers.
        shape: of one frame.
    """

    name: str
    dtype: str
    shape: tuple[int, ...]

    @property
    def frame_bytes(self) -> int:
        """Bytes of one frame."""
        return np.dtype(self.dtype).itemsize * math.prod(self.shape)


COLUMNS = (
    Column("features", "<f2", (2048,)),
    Column("joints2d", "<f4", (49, 3)),
    Column("joints3d", "<f4", (49, 4)),
    Column("rotations", "<f4", (24, 3)),
    Column("betas", "<f4", (10,)),
    Column("trans", "<f4", (3,)),
    Column("boxes", "<f4", (4,)),
    Column("intrinsics", "<f4", (4,)),
    Column("contacts", "<f4", (2,)),
    Column("frames", "<i8", ()),
    Column("pictures", "<i8", (2,)),
    Column("picture_boxes", "<f4", (4,)),
    Column("flow", "<f2", (2, 56, 56)),
)
"""All columns there can be. ``features``: of the image encoder. ``joints2d``: pixels x, y, confidence 0..1.
``joints3d``: metres in camera axes (x right, y down, z forward), validity 0..1; both in the order of
``body.smpl.JOINTS49``. ``rotations``: axis-angle, joint to parent, the root's to the camera, or to the world (z up)
where there is no camera. ``betas``: of SMPL. ``trans``: metres, as AMASS has it. ``boxes``: centre x, y, width, height,
pixels. ``intrinsics``: focal length x, y and centre x, y, pixels. ``contacts``: left and right foot, 0..1. ``frames``:
of the video. ``pictures``: first byte and length of a JPEG in ``images.bin``, 0 where there is none;
``picture_boxes``: left, top, width, height, pixels, of what it shows of the full frame. ``flow``: from each frame to
the one before it, of the crop that features are of, as ``backend.flow`` has it: pixels of 224, u, v; 0 in first
frames."""
BY_NAME = {column.name: column for column in COLUMNS}


@dataclass(frozen=True)
class Facts:
    """What an archive is about.

    Attributes:
        dataset: such as ``3dpw``.
        split: such as ``train``.
        terms: what the dataset's owners allow, in a sentence.
        body: whose shape ``betas`` are of: ``smpl`` or ``mannequin``.
        features: the image network that ``features`` are of: SPIN's, or BlazePose's ``landmarks``.
    """

    dataset: str
    split: str
    terms: str
    body: str = "smpl"
    features: Features = "spin"


@dataclass(frozen=True)
class Sequence:
    """Consecutive frames of one person.

    Attributes:
        name: unique in the archive.
        first: of its frames in the columns.
        count: how many.
        fps: frames per second.
        columns: what is labelled; in all others its frames hold zeros.
    """

    name: str
    first: int
    count: int
    fps: float
    columns: tuple[str, ...]


def file_of(column: str) -> str:
    """The name of a column's file."""
    return f"{column}.bin"


def check_index(index: Mapping[str, Any]) -> None:
    """Raises ``ValueError``, ``TypeError`` or ``KeyError`` where an index contradicts itself or says strange things."""
    if not all(
        isinstance(text, str) for text in (index["program"], *index["facts"].values(), *index["sha256"].values())
    ):
        raise ValueError("its facts are no texts")
    if index["facts"].get("features", "spin") not in get_args(Features):
        raise ValueError("its features are of a network that is not known")
    files = set(index["sha256"])
    columns = {column.name for column in COLUMNS if file_of(column.name) in files}
    if not columns or not files <= {file_of(column) for column in columns} | {PICTURES}:
        raise ValueError("it names no files, or such as no archive has")
    if len({"pictures" in columns, "picture_boxes" in columns, PICTURES in files}) > 1:
        raise ValueError("it has pictures in part")
    first, names = 0, set()
    for entry in index["sequences"]:
        name, count, fps = entry["name"], entry["count"], entry["fps"]
        if not isinstance(name, str) or name in names:
            raise ValueError("two sequences have one name")
        if (
            type(entry["first"]) is not int
            or entry["first"] != first
            or type(count) is not int
            or not 0 < count < 1 << 40
        ):
            raise ValueError(f"the frames of {name!r} make no sense")
        if type(fps) not in (int, float) or not 0 < fps < math.inf:
            raise ValueError(f"{name!r} has {fps!r} frames a second")
        if not set(entry["columns"]) <= columns:
            raise ValueError(f"{name!r} has columns that are not there")
        first += count
        names.add(name)
