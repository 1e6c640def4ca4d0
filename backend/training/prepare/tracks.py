# SPDX-License-Identifier: MIT
"""One person's labels through a recording: boxes around the joints, cut at gaps, thinned."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d, median_filter

from .pictures import Pictures

Array = NDArray[Any]

SEEN = 0.3
"""Confidence from which on a joint counts for its person's box."""
FEWEST_JOINTS = 7
"""That have to be seen in a frame (A.1.14 of our notes: more than six)."""
BOX_PER_DIAGONAL = 1.2
"""Side of a box in diagonals of the joints' extent. The crop is ``person_crops.ENLARGED`` larger, and so 1.32 of them:
1.1 times 1.2 (A.1.14), by which VIBE's training data was cut out."""
_MEDIAN_FRAMES, _SIGMA_FRAMES = 11, 8.0


@dataclass(frozen=True)
class Track:
    """What is known of one person in consecutive frames.

    Attributes:
        name: unique in the dataset.
        fps: frames per second.
        arrays: (T, ...) by column of the archive.
        pictures: the T frames; None where the dataset has none.
    """

    name: str
    fps: float
    arrays: Mapping[str, Array]
    pictures: Pictures | None = None

    def __len__(self) -> int:
        """How many frames there are."""
        return len(next(iter(self.arrays.values())))

    def only(self, frames: slice, name: str) -> Track:
        """Some of the frames."""
        some = {column: values[frames] for column, values in self.arrays.items()}
        pictures = None if self.pictures is None else self.pictures.only(frames)
        return replace(self, name=name, arrays=some, pictures=pictures)


def seen_enough(joints2d: Array) -> NDArray[np.bool_]:
    """(T,) in which frames enough of joints (T, K, 3) are seen for a box."""
    return (joints2d[..., 2] > SEEN).sum(axis=-1) >= FEWEST_JOINTS


def with_boxes(track: Track, known: Array | None = None) -> Iterator[Track]:
    """Pieces of a track in which all frames are known and enough joints are seen.

    They have boxes, and the frames' numbers in the track where they have no others.

    Args:
        track: with ``joints2d``.
        known: (T,) which frames' labels are to be used; None for all.
    """
    keep = seen_enough(track.arrays["joints2d"])
    if known is not None:
        keep &= np.asarray(known, bool)
    numbered = replace(track, arrays={"frames": np.arange(len(track)), **track.arrays})
    for piece in _pieces(numbered, keep):
        yield replace(piece, arrays={**piece.arrays, "boxes": boxes_around(piece.arrays["joints2d"])})


def _pieces(track: Track, keep: NDArray[np.bool_]) -> Iterator[Track]:
    """Runs of frames that are kept; several pieces of a track have the first frame in their names."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], keep.astype(np.int8), [0]])))
    runs = list(zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True))
    for first, end in runs:
        name = track.name if len(runs) == 1 else f"{track.name} from {first}"
        yield track.only(slice(first, end), name)


def boxes_around(joints2d: Array) -> NDArray[np.float32]:
    """(T, 4) centre x, y, width, height of squares, pixels, around the seen ones of joints (T, K, 3).

    Smooth over time, as those of VIBE's training data: a median of 11 frames, then a Gaussian of 8 (A.1.9). At the
    ends, where the published filter takes zeros for what is not there, the first and last boxes stay as they are.

    Args:
        joints2d: pixels x, y, confidence; ``seen_enough`` in every frame.
    """
    seen = joints2d[..., 2:] > SEEN
    low = np.where(seen, joints2d[..., :2], np.inf).min(axis=1)
    high = np.where(seen, joints2d[..., :2], -np.inf).max(axis=1)
    side = BOX_PER_DIAGONAL * np.linalg.norm(high - low, axis=1, keepdims=True)
    boxes = np.concatenate([(low + high) / 2, side], axis=1)
    boxes = median_filter(boxes, size=(_MEDIAN_FRAMES, 1), mode="nearest")
    boxes = gaussian_filter1d(boxes, _SIGMA_FRAMES, axis=0, mode="nearest")
    return boxes[:, [0, 1, 2, 2]].astype(np.float32)


def thinned(track: Track, fps: float | None) -> Track:
    """About so many frames per second, by leaving frames out; never fewer than that (A.1.14: ``int(fps) // 25``)."""
    stride = 1 if fps is None else max(1, int(track.fps) // int(fps))
    if stride == 1:
        return track
    return replace(track.only(slice(None, None, stride), track.name), fps=track.fps / stride)
