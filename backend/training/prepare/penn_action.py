# SPDX-License-Identifier: MIT
"""Penn Action (Zhang et al. 2013): short clips of sports with thirteen joints marked by hand."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

import numpy as np

from .joint_orders import PENN_ACTION, to_49
from .pictures import PictureFiles
from .preparing import Dataset, Options, Recording
from .raw_files import Origin, as_array, folder_of, read_mat
from .tracks import Track, with_boxes

ORIGIN = Origin(
    "Penn Action",
    "labels with 0001.mat ..., and frames with a folder 0001 of 000001.jpg ... each",
    "dreamdragon.github.io/PennAction",
    "Penn Action is made of videos from YouTube for research; its page names no licence.",
)
_FPS = 30.0
"""The clips do not say theirs."""
_WANTED = ("x", "y", "visibility", "train", "nframes")


def _recordings(raw: Path, split: str, options: Options) -> Sequence[Recording]:
    labels = folder_of(ORIGIN, raw, "labels", "Penn_Action/labels")
    paths = sorted(labels.glob("*.mat"))
    if not paths:
        raise ORIGIN.missing(labels, "no *.mat")
    frames = labels.parent / "frames"
    return [Recording(path.stem, partial(_read, path, frames / path.stem, split)) for path in paths]


def _read(path: Path, frames: Path, split: str) -> Iterator[Track]:
    held = read_mat(ORIGIN, path, _WANTED)
    train = as_array(ORIGIN, path, "train", held["train"], 1, 1)[0, 0] > 0
    if split != "all" and train != (split == "train"):
        return
    x = as_array(ORIGIN, path, "x", held["x"], None, len(PENN_ACTION))
    y, visible = (as_array(ORIGIN, path, name, held[name], *x.shape) for name in ("y", "visibility"))
    if as_array(ORIGIN, path, "nframes", held["nframes"], 1, 1)[0, 0] != len(x):
        raise ORIGIN.broken(path, f"nframes is not the {len(x)} frames that are labelled")
    # Joints that nobody saw are at (1, 1); numbers count pixels from 1, as MATLAB does.
    marked = np.stack([x - 1, y - 1, visible > 0], axis=-1)
    files = tuple(frames / f"{number + 1:06d}.jpg" for number in range(len(x)))
    track = Track(path.stem, _FPS, {"joints2d": to_49(PENN_ACTION, marked)}, PictureFiles(ORIGIN, files))
    yield from with_boxes(track)


DATASET = Dataset("penn-action", ORIGIN, ("all", "train", "test"), ("joints2d", "boxes", "frames"), _recordings)
