# SPDX-License-Identifier: MIT
"""People given as boxes by the user, followed without a detector."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

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

    def __init__(
        self,
        path: Path,
        landmark_model: LandmarkReader | None,
        *,
        people: Literal["all"] | int = "all",
        mirror: bool = True,
        exact: bool = False,
    ) -> None:
        """Reads ``frames (N,)``, ``boxes (N, 4)`` (centre x, y, width, height, pixels) and maybe ``person (N,)``.

        Args:
            path: of the ``.npz``.
            landmark_model: None where landmarks are not wanted; everybody is taken to be where the boxes are.
            people: at most so many: those whose boxes cover the most, all frames of the file together.
            mirror: whether mirror images are read too.
            exact: everybody is taken to be where the boxes are, even where no landmarks can be read.

        Raises:
            CaptureError: ``boxes_unreadable``.
        """
        frames, boxes, persons = _load(path)
        self._reader = landmark_model
        self._mirror, self._exact = mirror, exact
        self._boxes: dict[int, list[tuple[int, Array]]] = {}
        wanted = _largest(boxes, persons, people)
        for frame, box, person in zip(frames.tolist(), boxes, persons.tolist(), strict=True):
            if person in wanted:
                self._boxes.setdefault(frame, []).append((person, box))

    def record(self) -> dict[str, Any]:
        """Nothing: the boxes are in their file."""
        return {}

    def recall(self, record: dict[str, Any]) -> None:
        """Nothing to do."""

    def update(self, frame_index: int, time_s: float, image_rgb: np.ndarray) -> list[Observation]:
        """The people whose boxes lie in this frame; those in whose box no body is seen only where boxes are exact."""
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
            if self._exact:
                if landmarks.score <= _MIN_SCORE:  # of somebody who is there, and whom it does not see
                    landmarks = replace(landmarks, visibility=np.zeros_like(landmarks.visibility))
                seen.append(Observation(person, region, landmarks, None, np.array([x, y, width, height])))
            elif landmarks.score > _MIN_SCORE:
                mirrored = self._reader.read(image_rgb, region, mirrored=True) if self._mirror else None
                seen.append(Observation(person, region, landmarks, mirrored))
        return seen


def _largest(boxes: Array, persons: NDArray[np.int64], people: Literal["all"] | int) -> set[int]:
    """The numbers of the people who are wanted: of boxes (N, 4), each a person's (N,), the largest in all."""
    areas = {person: float(boxes[persons == person, 2:].prod(axis=1).sum()) for person in np.unique(persons).tolist()}
    ranked = sorted(areas, key=lambda person: (-areas[person], person))
    return set(ranked if people == "all" else ranked[:people])


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
