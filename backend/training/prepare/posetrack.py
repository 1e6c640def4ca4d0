# SPDX-License-Identifier: MIT
"""PoseTrack 2018 (Andriluka et al. 2018): crowds in which each person's joints are marked and followed."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .joint_orders import POSETRACK, to_49
from .pictures import PictureFiles
from .preparing import Dataset, Options, Recording
from .raw_files import Origin, as_array, folder_of, read_json
from .tracks import Track, with_boxes

ORIGIN = Origin(
    "PoseTrack 2018",
    "posetrack_data/annotations/train and val with *.json, and images/train and val with a folder each",
    "posetrack.net, after registration",
    "PoseTrack may be used for non-commercial research only.",
)
_FPS = 25.0
"""The clips do not say theirs."""


def _recordings(raw: Path, split: str, options: Options) -> Sequence[Recording]:
    names = (f"posetrack_data/annotations/{split}", f"annotations/{split}")
    folder = folder_of(ORIGIN, raw, *names)
    paths = sorted(folder.glob("*.json"))
    if not paths:
        raise ORIGIN.missing(folder, "no *.json")
    return [Recording(path.stem, partial(_read, path, raw)) for path in paths]


def _read(path: Path, raw: Path) -> Iterator[Track]:
    held = read_json(ORIGIN, path)
    try:
        order = [str(name) for name in held["categories"][0]["keypoints"]]
        files = {int(image["id"]): str(image["file_name"]) for image in held["images"]}
        people: dict[int, dict[int, Any]] = defaultdict(dict)
        for entry in held["annotations"]:
            if entry.get("keypoints"):
                people[int(entry["track_id"])][int(entry["image_id"])] = entry["keypoints"]
    except (KeyError, TypeError, ValueError, IndexError, AttributeError, OverflowError) as error:
        raise ORIGIN.broken(path, f"it lacks what it should say ({error!r})") from error
    names = [name for name, _ in POSETRACK]
    if sorted(order) != sorted(names):
        raise ORIGIN.broken(path, f"its joints are {', '.join(order)}")
    images = sorted(files)  # their numbers grow with time
    for person, marks in sorted(people.items()):
        if not marks.keys() <= files.keys():
            raise ORIGIN.broken(path, f"person {person} is marked in a picture that it does not name")
        first, last = images.index(min(marks)), images.index(max(marks))
        marked = _marked(path, marks, images[first : last + 1])[:, [order.index(name) for name in names]]
        paths = tuple(_picture(path, raw, files[image]) for image in images[first : last + 1])
        arrays = {"joints2d": to_49(POSETRACK, marked), "frames": np.arange(first, last + 1)}
        yield from with_boxes(Track(f"{path.stem}/{person}", _FPS, arrays, PictureFiles(ORIGIN, paths)))


def _marked(path: Path, marks: Mapping[int, Any], images: Sequence[int]) -> NDArray[np.float64]:
    """(T, 17, 3) pixels and whether they are marked, in the file's order; zeros where the person is not."""
    marked = np.zeros((len(images), len(POSETRACK), 3))
    for number, image in enumerate(images):
        if image in marks:
            joints = as_array(ORIGIN, path, "keypoints", marks[image], 3 * len(POSETRACK)).reshape(-1, 3)
            marked[number] = np.concatenate([joints[:, :2], joints[:, 2:] > 0], axis=1)
    return marked


def _picture(path: Path, raw: Path, name: str) -> Path:
    """Where a picture is; a file may not name places outside the dataset."""
    parts = PurePosixPath(name).parts
    if not parts or ".." in parts or any(mark in name for mark in (":", "\\")) or name.startswith("/"):
        raise ORIGIN.broken(path, f"it names the picture {name!r}")
    data = raw / "posetrack_data"
    base = raw if not data.joinpath("images").is_dir() else data
    return base.joinpath(*parts)


DATASET = Dataset("posetrack", ORIGIN, ("train", "val"), ("joints2d", "boxes", "frames"), _recordings)
