# SPDX-License-Identifier: MIT
"""The clip that a network is to look at once more: features, flow and small pictures of one person.

A finished take keeps neither features nor crops, but the squares that people were cut out by, so they are made again
from the video; clip archives hold them.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from backend.flow import CELLS, backward_flow
from backend.person_crops import ENLARGED, SIDE_PX, TCMR_ENLARGED, Features, cut_out
from backend.published import PublishedFiles, require
from backend.training.archive import ClipArchive, open_archive
from backend.training.archive import Sequence as Part
from backend.training.drawing import draw_skeleton
from backend.training.picture_crops import crop_of, square_of
from backend.video import probe, read_frames
from vibe_blender.contract.errors import CaptureError
from vibe_blender.contract.take import Take
from vibe_blender.contract.take_file import load_take

Array = NDArray[np.float32]
Picture = NDArray[np.uint8]
Progress = Callable[[int, int], None]

_ENLARGED = {"vibe": ENLARGED, "tcmr": TCMR_ENLARGED, "dts-vibe": TCMR_ENLARGED}
"""How much larger than the squares around people an estimator's crops are, which a take's words are about."""
_BATCH = 16
_MOST_NAMED = 5
_SKELETON = slice(25, 39)
"""The 14 joints that are drawn, among the 49 of archives."""
_ROOM = 1.15
"""How much larger than its skeleton a drawn square is."""


class Clip(ABC):
    """One person over time.

    Attributes:
        name: of where it is from, and whom it shows.
        frames: (F,) ascending numbers of its frames.
        kind: of its features.
    """

    def __init__(self, name: str, frames: NDArray[np.integer], kind: Features) -> None:
        self.name, self.frames, self.kind = name, frames, kind
        self._pictures: dict[int, Picture] = {}

    @abstractmethod
    def read(self, rows: slice, shown: Iterable[int], *, flow: bool, progress: Progress) -> tuple[Array, Array | None]:
        """Features (T, 2048) of some frames and, where it is asked for, flow (T, 2, 56, 56).

        Args:
            rows: the frames, by their places in ``frames``.
            shown: places of those whose ``picture`` will be asked for.
            flow: whether flow is needed.
            progress: told how many of how many frames are done.

        Raises:
            CaptureError: they are not there and cannot be made.
        """

    def picture(self, row: int) -> Picture | None:
        """(224, 224, 3) RGB of a frame that was to be shown, by its place; None where there is nothing to see."""
        return self._pictures.get(row)


class ArchiveClip(Clip):
    """A sequence of a clip archive, its frames counted from 0."""

    def __init__(self, folder: Path, sequence: str) -> None:
        """Finds a sequence; the name may be left out where there is only one.

        Raises:
            CaptureError: ``no_such_sequence``, ``which_sequence``, ``no_features``, or as of ``open_archive``.
        """
        self._archive = open_archive(folder)
        self._sequence = _sequence(self._archive, sequence)
        name = f"{folder.name}, {self._sequence.name}"
        super().__init__(name, np.arange(self._sequence.count), self._archive.facts.features)
        if "features" not in self._sequence.columns:
            raise CaptureError(
                "no_features",
                f"{self._sequence.name} of {folder} has no features.",
                "`vibe prepare archive` adds them to an archive with pictures.",
            )

    def read(self, rows: slice, shown: Iterable[int], *, flow: bool, progress: Progress) -> tuple[Array, Array | None]:
        """As ``Clip``; ``no_flow`` where the sequence has none."""
        if flow and "flow" not in self._sequence.columns:
            raise CaptureError(
                "no_flow",
                f"{self._sequence.name} of {self._archive.folder} has no optical flow, which the network reads.",
                "`vibe prepare archive` with --flow adds it to an archive with pictures.",
            )
        first = self._sequence.first
        here = slice(first + rows.start, first + rows.stop)
        for row in shown:
            picture = self._shown(first + row)
            if picture is not None:
                self._pictures[row] = picture
        moved = self._archive.column("flow")[here].astype(np.float32) if flow else None
        return self._archive.column("features")[here].astype(np.float32), moved

    def _shown(self, frame: int) -> Picture | None:
        """What the archive shows of a frame, counted through all sequences: a picture, or else a skeleton."""
        if {"pictures", "boxes"} <= set(self._sequence.columns):
            square = square_of(self._archive, frame)
            crop = None if square is None else crop_of(self._archive, frame, square)
            if crop is not None:
                return crop
        for column in ("joints3d", "joints2d"):
            if column in self._sequence.columns:
                points = self._archive.column(column)[frame][_SKELETON].astype(np.float64)
                if (points[:, -1] > 0).all():
                    return _skeleton(points[:, :2])
        return None


class TakeClip(Clip):
    """A person of a take, whose crops are cut out of the video once more."""

    def __init__(self, path: Path, person: int | None, files: PublishedFiles) -> None:
        """Finds a person; the number may be left out where there is only one.

        Args:
            path: of the take.
            person: number of the person.
            files: where SPIN's image network is.

        Raises:
            CaptureError: ``no_squares``, ``no_such_person``, ``which_person``, or as of ``load_take``.
        """
        take = load_take(path)
        seen = take.person(_only(take) if person is None else person)
        if seen.words is None or take.estimator not in _ENLARGED:
            raise CaptureError(
                "no_squares",
                f"{path} was captured by {take.estimator} and does not say what a network was shown.",
                "Capture the video with --estimator tcmr or dts-vibe.",
            )
        self.estimator, self._files, self._path = take.estimator, files, path
        self._video = Path(take.video.path)
        self._size = (take.video.width_px, take.video.height_px)
        self._squares = seen.words.boxes / [1, 1, *[_ENLARGED[take.estimator]] * 2]
        super().__init__(f"{path.name}, person {seen.id}", np.asarray(seen.frames), "spin")

    def read(self, rows: slice, shown: Iterable[int], *, flow: bool, progress: Progress) -> tuple[Array, Array | None]:
        """As ``Clip``, from the video, by SPIN's image network."""
        self._check_video()
        (spin,) = require(self._files, "spin")
        from backend.training.features import spin_encoder

        encoder, wanted = spin_encoder(spin), set(shown)
        places = {int(frame): rows.start + n for n, frame in enumerate(self.frames[rows])}
        crops: list[Picture] = []
        features: list[Any] = []
        flows: list[Any] = []
        before: tuple[int, Picture] | None = None
        # The frame before the first tells how the first has moved.
        start = max(min(places) - flow, 0)
        for frame in read_frames(self._video, start, max(places) + 1):
            row = places.get(frame.index)
            if row is not None:
                crops.append(cut_out(frame.image, self._squares[row], TCMR_ENLARGED))
                if row in wanted:
                    self._pictures[row] = crops[-1]
                if flow:
                    flows.append(self._moved(row, crops[-1], before))
            before = (frame.index, frame.image)
            if crops and (len(crops) == _BATCH or frame.index == max(places)):
                features.append(encoder.encode(np.stack(crops)))
                crops = []
                progress(sum(map(len, features)), len(places))
        found = np.concatenate(features).astype(np.float32) if features else np.zeros((0, 2048), np.float32)
        if len(found) != len(places):
            raise self._other_video(f"ends before frame {max(places)}")
        return found, np.stack(flows).astype(np.float32) if flow else None

    def _moved(self, row: int, crop: Picture, before: tuple[int, Picture] | None) -> Any:
        """(2, 56, 56) flow of a crop; zeros where the person was not seen in the frame before."""
        frame = self.frames[row]
        if before is None or before[0] != frame - 1 or row == 0 or self.frames[row - 1] != frame - 1:
            return np.zeros((2, CELLS, CELLS), np.float16)
        return backward_flow(crop, cut_out(before[1], self._squares[row], TCMR_ENLARGED))

    def _check_video(self) -> None:
        if not self._video.is_file():
            raise CaptureError(
                "video_missing",
                f"{self._path} does not keep the features of its pictures, and its video is no longer at"
                f" {self._video}.",
                "Put the video back, or explain a sequence of a clip archive.",
            )
        facts = probe(self._video)
        if (facts.width_px, facts.height_px) != self._size:
            raise self._other_video(f"has {facts.width_px} x {facts.height_px} pixels")

    def _other_video(self, why: str) -> CaptureError:
        return CaptureError(
            "video_other", f"{self._video} is not the video of {self._path}: it {why}.", "Put the right one back."
        )


def _sequence(archive: ClipArchive, name: str) -> Part:
    """The sequence of a name, or the only one."""
    names = [sequence.name for sequence in archive.sequences]
    if not name and len(names) == 1:
        return archive.sequences[0]
    if name in names:
        return archive.sequences[names.index(name)]
    there = f"There are: {_some(names)}."
    if not name:
        raise CaptureError(
            "which_sequence", f"{archive.folder} has {len(names)} sequences.", f"Name one with --sequence. {there}"
        )
    raise CaptureError("no_such_sequence", f"{archive.folder} has no sequence {name}.", there)


def _only(take: Take) -> int:
    """The number of the only person."""
    if len(take.people) == 1:
        return take.people[0].id
    known = _some([str(each.id) for each in take.people])
    raise CaptureError(
        "which_person", f"The take has {len(take.people)} people.", f"Name one with --person. People in it: {known}."
    )


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
    return (", ".join(names[:_MOST_NAMED]) or "none") + more


def _skeleton(points: NDArray[np.float64]) -> Picture:
    """(224, 224, 3) RGB: bones between 14 points (14, 2) on white, as large as fits."""
    square: Picture = np.full((SIDE_PX, SIDE_PX, 3), 255, np.uint8)
    low, high = points.min(axis=0), points.max(axis=0)
    scale = SIDE_PX / (_ROOM * max(float((high - low).max()), 1e-6))
    draw_skeleton(square, (points - (low + high) / 2) * scale + SIDE_PX / 2)
    return square
