# SPDX-License-Identifier: MIT
"""InstaVariety (Kanazawa et al. 2019): videos from Instagram, OpenPose's joints, as TFRecord files.

Their entries are described in ``doc/datasets.md`` of the project human_dynamics.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from .joint_orders import INSTA_VARIETY, to_49
from .pictures import PictureBytes
from .preparing import Dataset, Options, Recording
from .raw_files import Origin, as_array, folder_of
from .tfrecords import Feature, read_examples
from .tracks import Track, with_boxes

ORIGIN = Origin(
    "InstaVariety",
    "folders train and test with *.tfrecord",
    "github.com/akanazawa/human_dynamics, doc/insta_variety.md",
    "The videos belong to their makers; the dataset is for research, and its page names no licence.",
)
_FPS = 25.0
"""The records do not say theirs."""
_BODY, _FACE, _TOES = 14, 5, 6


def _recordings(raw: Path, split: str, options: Options) -> Sequence[Recording]:
    folder = folder_of(ORIGIN, raw, split, f"insta_variety/{split}")
    paths = sorted(folder.glob("*.tfrecord"))
    if not paths:
        raise ORIGIN.missing(folder, "no *.tfrecord")
    return [Recording(path.stem, partial(_read, path)) for path in paths]


def _read(path: Path) -> Iterator[Track]:
    try:
        for number, example in enumerate(read_examples(path)):
            yield from _track(path, f"{path.stem}/{number:04d}", example)
    except (OSError, ValueError) as error:
        raise ORIGIN.broken(path, error) from error


def _track(path: Path, name: str, example: Mapping[str, Feature]) -> Iterator[Track]:
    counts = example.get("meta/N", Feature()).integers
    count = counts[0] if len(counts) == 1 else 0
    pictures = tuple(example.get("image/encoded", Feature()).strings)
    if count < 1 or len(pictures) != count:
        raise ORIGIN.broken(path, f"{name} has {len(pictures)} pictures of {count} frames")
    seen = example.get("image/visibilities", Feature()).integers
    body = np.concatenate(
        [
            _numbers(path, example, "image/xys", count, _BODY, 2),
            as_array(ORIGIN, path, "image/visibilities", seen, count * _BODY).reshape(count, _BODY, 1),
        ],
        axis=2,
    )
    face = _numbers(path, example, "image/face_pts", count, _FACE, 3)
    toes = _numbers(path, example, "image/toes_pts", count, _TOES, 3)
    joints = np.concatenate([body, face, toes], axis=1)
    joints[..., 2] = np.clip(joints[..., 2], 0, 1)
    track = Track(name, _FPS, {"joints2d": to_49(INSTA_VARIETY, joints)}, PictureBytes(ORIGIN, path, pictures))
    yield from with_boxes(track)


def _numbers(path: Path, example: Mapping[str, Feature], name: str, *shape: int) -> NDArray[np.float64]:
    values = example.get(name, Feature()).floats
    return as_array(ORIGIN, path, name, values, int(np.prod(shape))).reshape(shape)


DATASET = Dataset("insta-variety", ORIGIN, ("train", "test"), ("joints2d", "boxes", "frames"), _recordings)
