# SPDX-License-Identifier: MIT
"""Optical flow of people's crops: where what is seen of somebody now was in the frame before.

The convention, everywhere: ``flow[:, i, j]`` is of the crop of frame t, at the middle of its pixels 4j..4j+3 and rows
4i..4i+3, in pixels of that crop, u (right) first, then v (down): x_before = x_now + flow(x_now). Both pictures are cut
out by the square of frame t, so the crop's own motion is not in it.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import Any, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from .person_crops import SIDE_PX, cut_out

Crop = NDArray[np.uint8]
"""(224, 224, 3) RGB."""
Flow = NDArray[np.float16]
"""(2, 56, 56) or more of them: u, v in pixels of the crop."""

CELL_PX = 4
CELLS = SIDE_PX // CELL_PX
_BATCH = 64


class FlowMethod(Protocol):
    """Anything that finds flow.

    Attributes:
        name: what is kept of it beside the numbers: those of two methods do not belong in one archive.
    """

    name: str

    def backward(self, now: Crop, before: Crop) -> Flow:
        """(B, 2, 56, 56) flow of crops ``now`` to crops ``before`` (B, 224, 224, 3) RGB, as this module has it."""


class Dis:
    """Dense inverse search (Kroeger et al., "Fast Optical Flow using Dense Inverse Search", ECCV 2016), of OpenCV.

    OpenCV's preset ``MEDIUM``, whose finest scale is half the crop: 0.02 to 0.2 pixels off where texture shifts, turns
    and grows. A scale finer costs four times as long and takes less than 0.1 pixels away, a coarser one is up to 0.5
    off, and ``FAST`` saves a third but errs half as much again where things grow (tests/benchmarks/flow_presets.py).
    The numbers do not depend on how many threads there are.
    """

    name = "dis"

    def __init__(self, threads: int | None = None) -> None:
        """Makes nothing yet.

        Args:
            threads: that share a batch; None for one per core.
        """
        self._threads = threads or os.cpu_count() or 1
        self._own = threading.local()
        self._pool: ThreadPoolExecutor | None = None

    def backward(self, now: Crop, before: Crop) -> Flow:
        """(B, 2, 56, 56) flow of crops ``now`` to crops ``before`` (B, 224, 224, 3) RGB."""
        if now.shape != before.shape:
            raise ValueError(f"crops of the shapes {now.shape} and {before.shape}")
        if self._threads == 1 or len(now) < 2:
            found = [self._one(*pair) for pair in zip(now, before, strict=True)]
        else:
            self._pool = self._pool or ThreadPoolExecutor(self._threads, "flow")
            found = list(self._pool.map(self._one, now, before))
        return np.stack(found) if found else np.zeros((0, 2, CELLS, CELLS), np.float16)

    def _one(self, now: Crop, before: Crop) -> Flow:
        if not hasattr(self._own, "dis"):  # it keeps its pyramids between calls
            self._own.dis = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
        grey = [cv2.cvtColor(crop, cv2.COLOR_RGB2GRAY) for crop in (now, before)]
        return in_cells(self._own.dis.calc(*grey, None), now, before)


def in_cells(pixels: NDArray[Any], now: Crop, before: Crop) -> Flow:
    """(2, 56, 56) the means over cells of flow (224, 224, 2) in pixels; zeros where there is nothing to be seen.

    A crop is black beyond the edge of the video, or of what an archive kept of it. Methods carry the flow of what is
    beside that on into it; where ``now`` shows nothing it is the flow of nothing, and cells all black have
    zeros. What is seen now, and was beyond the edge before, keeps what its surroundings suggest.

    Args:
        pixels: of a method, u and v.
        now: crop (224, 224, 3) that the flow is at.
        before: crop that it leads to; where it is black all over, nothing is known.
    """
    means = cv2.resize(np.asarray(pixels, np.float32), (CELLS, CELLS), interpolation=cv2.INTER_AREA)
    seen = now.reshape(CELLS, CELL_PX, CELLS, CELL_PX * 3).any(axis=(1, 3)) & before.any()
    return (means * seen[..., None]).transpose(2, 0, 1).astype(np.float16)


def backward_flow(now: Crop, before: Crop) -> Flow:
    """(2, 56, 56) flow by ``Dis`` of one crop to another (224, 224, 3), both of frame t's square.

    Args:
        now: of frame t.
        before: what frame t - 1 shows in the same square.
    """
    return _here.backward(now[None], before[None])[0]


def backward_flow_in(square: NDArray[np.floating], now: np.ndarray, before: np.ndarray | None) -> Flow:
    """(2, 56, 56) flow by ``Dis`` of a person in whole pictures; zeros without a picture before.

    Args:
        square: (4,) around the person in ``now``, as ``person_crops.cut_out`` takes it.
        now: (H, W, 3) uint8 RGB, frame t.
        before: frame t - 1 of the same size.
    """
    if before is None:
        return np.zeros((2, CELLS, CELLS), np.float16)
    return backward_flow(cut_out(now, square), cut_out(before, square))


def flow_of(pairs: Iterable[tuple[Crop, Crop] | None], method: FlowMethod) -> Flow:
    """(T, 2, 56, 56) flow of frame after frame: zeros where there is no pair, as in a person's first frame.

    Args:
        pairs: T of them, read as they are needed: frame t and what frame t - 1 shows in the same square.
        method: that finds it.
    """
    rest, parts = iter(pairs), [np.zeros((0, 2, CELLS, CELLS), np.float16)]
    while some := list(islice(rest, _BATCH)):
        part = np.zeros((len(some), 2, CELLS, CELLS), np.float16)
        known = [pair for pair in some if pair is not None]
        if known:
            now, before = (np.stack([pair[which] for pair in known]) for which in (0, 1))
            part[[pair is not None for pair in some]] = method.backward(now, before)
        parts.append(part)
    return np.concatenate(parts)


_here = Dis(threads=1)
