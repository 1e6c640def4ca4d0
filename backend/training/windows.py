# SPDX-License-Identifier: MIT
"""All windows of so many frames that sequences of clip archives have, without a list of them in memory."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from vibe_blender.contract.errors import CaptureError

from .archive import ClipArchive


@dataclass(frozen=True)
class Window:
    """Frames of one sequence at even distances.

    Attributes:
        archive: which one.
        first: of its frames, counted through all sequences.
        stride: from frame to frame.
        length: how many frames (T).
        labelled: names of the columns that the sequence has.
    """

    archive: int
    first: int
    stride: int
    length: int
    labelled: tuple[str, ...]

    @property
    def rows(self) -> slice:
        """Where the frames are in the archive's columns."""
        return slice(self.first, self.first + (self.length - 1) * self.stride + 1, self.stride)


class Windows:
    """Windows of some archives, by number; none reaches from one sequence into another.

    Attributes:
        archives: that they are of.
        length: frames of a window (T).
        step: frames from one window's beginning to the next one's.
        everywhere: columns that all sequences with windows have.
    """

    def __init__(
        self,
        archives: Sequence[ClipArchive],
        length: int = 16,
        *,
        overlap: float = 0.0,
        fps: float | None = None,
        shortest: int = 0,
        needs: tuple[str, ...] = (),
    ) -> None:
        """Counts the windows.

        Args:
            archives: that they are of.
            length: frames of a window (T).
            overlap: share of its frames that a window has in common with the next one, 0 up to less than 1. VIBE learns
                with 0.75 of videos and 0 of motion, TCMR with 15/16 (section 4 of the papers).
            fps: frames per second to thin sequences to by leaving frames out: each ``int(own) // int(fps)``-th stays,
                as VIBE does with AMASS at 25; None keeps all.
            shortest: sequences of fewer frames, once they are thinned, have no windows (VIBE: 60 of AMASS).
            needs: columns; sequences that lack one have no windows.

        Raises:
            ValueError: arguments out of their ranges.
            CaptureError: ``windows_none`` where there is not one.
        """
        if length < 1 or not 0.0 <= overlap < 1.0 or (fps is not None and not 1.0 <= fps < math.inf):
            raise ValueError(f"windows of {length} frames that overlap by {overlap} at {fps} frames a second")
        self.archives, self.length = tuple(archives), length
        self.step = max(1, math.floor(length * (1.0 - overlap) + 0.5))
        self._places: list[tuple[int, int, int, tuple[str, ...]]] = []
        counts = []
        for number, archive in enumerate(self.archives):
            for sequence in archive.sequences:
                stride = 1 if fps is None else max(1, int(sequence.fps) // int(fps))
                frames = -(-sequence.count // stride)
                if frames < max(length, shortest) or not set(needs) <= set(sequence.columns):
                    continue
                self._places.append((number, sequence.first, stride, sequence.columns))
                counts.append((frames - length) // self.step + 1)
        self.everywhere = frozenset.intersection(*(frozenset(place[3]) for place in self._places or [(0, 0, 0, ())]))
        self._ends = np.cumsum(np.array(counts, np.int64))
        if not counts:
            names = ", ".join(archive.folder.name for archive in self.archives) or "no archive"
            labelled = f" with {', '.join(needs)}" if needs else ""
            raise CaptureError(
                "windows_none",
                f"There is no sequence of {max(length, shortest)} frames{labelled} in {names}.",
                "Use shorter windows, or archives that have what is needed.",
            )

    def __len__(self) -> int:
        """How many windows there are."""
        return int(self._ends[-1])

    def __getitem__(self, number: int) -> Window:
        """A window, in the order of archives and sequences.

        Raises:
            IndexError: there is none of that number.
        """
        if not 0 <= number < len(self):
            raise IndexError(number)
        which = int(np.searchsorted(self._ends, number, side="right"))
        before = int(self._ends[which - 1]) if which else 0
        archive, first, stride, labelled = self._places[which]
        return Window(archive, first + (number - before) * self.step * stride, stride, self.length, labelled)
