# SPDX-License-Identifier: MIT
"""People given as boxes by the user, followed without a detector."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from backend.crops import REGION_SCALE, Region, region_of_body
from backend.landmarks import CENTRE, TOP
from backend.npz import read_arrays
from backend.tracking import LandmarkReader, Observation
from vibe_blender.contract.errors import CaptureError

Array = NDArray[np.floating]

_MIN_SCORE = 0.5


class BoxedPeople:
    """Reads the landmarks of people whose boxes are known; stands in for ``PeopleTracker``."""

    def __init__(self, path: Path, landmark_model: LandmarkReader | None, *, mirror: bool = True) -> None:
        """Reads ``frames (N,)``, ``boxes (N, 4)`` (centre x, y, width, height, pixels) and maybe ``person (N,)``.

        Without a ``landmark_model`` everybody is taken to be where the boxes are.

        Raises:
            CaptureError: ``boxes_unreadable``.
        """
        frames, boxes, people = _load(path)
        self._reader = landmark_model
        self._mirror = mirror
        self._boxes: dict[int, list[tuple[int, Array]]] = {}
        for frame, box, person in zip(frames.tolist(), boxes, people.tolist(), strict=True):
            self._boxes.setdefault(frame, []).append((person, box))

    def record(self) -> dict[str, Any]:
        """Nothing: the boxes are in their file."""
        return {}

    def recall(self, record: dict[str, Any]) -> None:
        """Nothing to do."""

    def update(self, frame_index: int, time_s: float, image_rgb: np.ndarray) -> list[Observation]:
        """The people whose boxes lie in this frame and in whose box a body is seen."""
        seen = []
        for person, (x, y, width, height) in self._boxes.get(frame_index, []):
            region = Region(np.array([x, y]), float(max(width, height)) * REGION_SCALE, 0.0)
            if self._reader is None:
                seen.append(Observation(person, region, None, None, np.array([x, y, width, height])))
                continue
            first = self._reader.read(image_rgb, region)
            # The network reads best when the hips are in the middle, and it says itself where they are.
            region = region_of_body(first.image_px[CENTRE], first.image_px[TOP])
            landmarks = self._reader.read(image_rgb, region)
            if landmarks.score > _MIN_SCORE:
                mirrored = self._reader.read(image_rgb, region, mirrored=True) if self._mirror else None
                seen.append(Observation(person, region, landmarks, mirrored))
        return seen


def _load(path: Path) -> tuple[NDArray[np.int64], Array, NDArray[np.int64]]:
    try:
        arrays = read_arrays(path)
        frames, boxes = arrays["frames"], arrays["boxes"].astype(float)
        people = arrays.get("person", np.ones(frames.size, dtype=np.int64))
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise _unreadable(path, str(error)) from error
    whole = all(np.issubdtype(values.dtype, np.integer) for values in (frames, people))
    if not whole or boxes.shape != (frames.size, 4) or not frames.shape == people.shape == (frames.size,):
        raise _unreadable(path, f"frames {frames.shape}, boxes {boxes.shape}, person {people.shape}")
    if people.min(initial=1) < 1:
        raise _unreadable(path, f"a person has the number {people.min()}")
    if not np.isfinite(boxes).all() or boxes[:, 2:].min(initial=1.0) <= 0:
        raise _unreadable(path, "a box has no size")
    if len(set(zip(frames.tolist(), people.tolist(), strict=True))) < len(frames):
        raise _unreadable(path, "a person has two boxes in one frame")
    return frames.astype(np.int64), boxes, people.astype(np.int64)


def _unreadable(path: Path, why: str) -> CaptureError:
    return CaptureError(
        "boxes_unreadable",
        f"The boxes in {path} cannot be used: {why}.",
        "Save whole numbers `frames` (N,), `boxes` (N, 4) as centre x, y, width, height in pixels, and maybe `person` "
        "(N,) from 1, with numpy.savez.",
    )
