# SPDX-License-Identifier: MIT
"""Pictures whose motion is known: smooth noise, seen where somebody asks."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from backend.training.archive import ArchiveWriter, ClipArchive, Facts

SIDE_PX = 224
WIDTH_PX, HEIGHT_PX = 480, 360
DRIFT_PX = np.array([4.0, -2.5])
"""From each frame of ``drifting`` to the next one, right and down."""
BOX_DRIFT_PX = np.array([-3.0, 1.0])
BOX_SIDE_PX = 200.0
CELL_MIDDLES = np.stack(np.meshgrid(*[4.0 * np.arange(56) + 1.5] * 2), axis=-1)
"""(56, 56, 2) pixels, x and y of the middles of flow's cells."""


def pixels(width: int, height: int) -> np.ndarray:
    """(height, width, 2) x and y of all pixels."""
    return np.stack(np.meshgrid(np.arange(width), np.arange(height)), axis=-1).astype(float)


def noise(places: np.ndarray, seed: int = 0) -> np.ndarray:
    """(H, W, 3) RGB, never quite black: grey noise without an end, at places (H, W, 2), pixels."""
    random, levels = np.random.default_rng(seed), np.zeros((512, 512), np.float32)
    for count in (16, 32, 64, 128):
        coarse = random.normal(size=(count, count)).astype(np.float32)
        levels += cv2.resize(coarse, (512, 512), interpolation=cv2.INTER_CUBIC) / count**0.3
    levels = 20 + 220 * (levels - levels.min()) / np.ptp(levels)
    x, y = np.moveaxis((places + 100).astype(np.float32), -1, 0)
    grey = cv2.remap(levels, x, y, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT)
    return np.repeat(np.clip(grey, 1, 255).astype(np.uint8)[..., None], 3, axis=-1)


def drifting(frame: int) -> np.ndarray:
    """(360, 480, 3) RGB of a picture that drifts as a whole."""
    return noise(pixels(WIDTH_PX, HEIGHT_PX) - frame * DRIFT_PX)


def box_at(frame: int) -> np.ndarray:
    """(4,) centre x, y, width, height, pixels, of a box that has a way of its own."""
    return np.array([*(np.array([240.0, 180.0]) + frame * BOX_DRIFT_PX), 0.6 * BOX_SIDE_PX, BOX_SIDE_PX])


def drifting_flow() -> np.ndarray:
    """(2,) pixels of the crop: what is seen now was there in the frame before, whatever the box did."""
    return -DRIFT_PX * SIDE_PX / (1.1 * BOX_SIDE_PX)


def write_drifting(
    folder: Path,
    lengths: tuple[int, ...] = (5, 4),
    *,
    without: tuple[int, ...] = (),
    unboxed: tuple[int, ...] = (),
    features: bool = False,
) -> ClipArchive:
    """A finished archive of ``drifting``: sequences ``made 0`` and so on, with pictures, boxes and frames.

    Args:
        folder: of the archive.
        lengths: frames of each sequence.
        without: numbers of frames without a picture, in each sequence.
        unboxed: without a box.
        features: made-up ones, too.
    """
    columns = ("boxes", "frames", "pictures", "picture_boxes", *(("features",) if features else ()))
    writer = ArchiveWriter(folder, Facts("made", "train", "Made by a test: free for all uses."), columns)
    for number, count in enumerate(lengths):
        jpegs, places = [], np.zeros((count, 4))
        for frame in range(count):
            box = box_at(frame)
            left, top = (max(0, int(box[axis] - 0.75 * BOX_SIDE_PX)) for axis in (0, 1))
            part = drifting(frame)[top : top + int(1.5 * BOX_SIDE_PX), left : left + int(1.5 * BOX_SIDE_PX)]
            jpeg = cv2.imencode(".jpg", part[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 95])[1].tobytes()
            jpegs.append(b"" if frame in without else jpeg)
            places[frame] = [left, top, part.shape[1], part.shape[0]]
        boxes = np.stack([box_at(frame) * (frame not in unboxed) for frame in range(count)])
        arrays = {"boxes": boxes, "frames": np.arange(count), "picture_boxes": places}
        if features:
            arrays["features"] = np.random.default_rng(number).normal(size=(count, 2048))
        writer.add(f"made {number}", 25.0, arrays, jpegs)
    return writer.finish()
