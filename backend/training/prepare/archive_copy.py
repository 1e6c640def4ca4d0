# SPDX-License-Identifier: MIT
"""An archive's copy with what can be made of its pictures: features, flow."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from backend.flow import Flow, FlowMethod, flow_of
from backend.training.archive import ArchiveWriter, ClipArchive, Sequence
from backend.training.picture_crops import KeptPicture, crop_of, kept_picture, square_of
from vibe_blender.contract.errors import CaptureError

from .choices import keep_choices, sums_of
from .preparing import BATCH, Encoder

_PICTURES = ("pictures", "picture_boxes")
Crop = NDArray[np.uint8]


def add_columns(
    archive: ClipArchive,
    out: Path,
    *,
    encoder: Encoder | None = None,
    flow: FlowMethod | None = None,
    images: bool = False,
    networks: tuple[Path, ...] = (),
    progress: Callable[[int, int, int], None] = lambda *_: None,
) -> ClipArchive:
    """A copy of an archive with more columns; interrupted, it goes on after the last whole sequence.

    What is not made anew is kept, features and flow as well; pictures only where they are asked for.

    Args:
        archive: with pictures and boxes.
        out: folder of the copy.
        encoder: makes features; None keeps those there are.
        flow: finds flow; None keeps what there is.
        images: whether the copy has the pictures too.
        networks: files that ``encoder`` and ``flow`` were read from: what others make is never added to the same copy.
        progress: is told sequences done, all of them, and frames so far.

    Raises:
        CaptureError: ``no_pictures``, ``archive_broken``, ``archive_other`` for what was begun of another archive or
            otherwise, or as of ``ArchiveWriter``.
        ValueError: nothing is to be made.
    """
    made = (("features",) if encoder else ()) + (("flow",) if flow else ())
    if not made:
        raise ValueError("a copy with nothing new")
    if not {"pictures", "boxes"} <= set(archive.columns):
        raise CaptureError(
            "no_pictures", f"{archive.folder} has no pictures of people.", "Prepare the dataset with --images."
        )
    kept = tuple(name for name in archive.columns if name not in (*made, *_PICTURES))
    facts = replace(archive.facts, features=encoder.name) if encoder else archive.facts
    writer = ArchiveWriter(out, facts, (*kept, *made, *(_PICTURES if images else ())))
    # The index of the archive has the sums of all its files.
    source, used = sums_of([archive.folder / "archive.json"]), sums_of(networks)
    keep_choices(writer, {"flow": flow.name if flow else None, "source": source, "networks": used})
    frames = 0
    for number, sequence in enumerate(archive.sequences):
        frames += sequence.count
        if sequence.name not in writer.done:
            rows = slice(sequence.first, sequence.first + sequence.count)
            arrays: dict[str, NDArray[Any]] = {
                name: archive.column(name)[rows] for name in kept if name in sequence.columns
            }
            jpegs = None
            if "pictures" in sequence.columns:
                arrays |= _made(archive, sequence, encoder, flow)
                if images:
                    arrays["picture_boxes"] = archive.column("picture_boxes")[rows]
                    jpegs = [archive.picture(frame) for frame in range(rows.start, rows.stop)]
            writer.add(sequence.name, sequence.fps, arrays, jpegs)
        progress(number + 1, len(archive.sequences), frames)
    return writer.finish()


def _made(
    archive: ClipArchive, sequence: Sequence, encoder: Encoder | None, flow: FlowMethod | None
) -> dict[str, NDArray[Any]]:
    """What is asked for of a sequence's pictures, by column."""
    made: dict[str, NDArray[Any]] = {}
    if encoder:
        made["features"] = np.concatenate(list(_features(archive, sequence, encoder)))
    if flow:
        made["flow"] = _flow(archive, sequence, flow)
    return made


def _features(archive: ClipArchive, sequence: Sequence, encoder: Encoder) -> Iterator[NDArray[np.float16]]:
    """Features of a sequence in batches; zeros where there is no picture."""
    for first in range(sequence.first, sequence.first + sequence.count, BATCH):
        frames = range(first, min(first + BATCH, sequence.first + sequence.count))
        squares = [square_of(archive, frame) for frame in frames]
        crops = [
            None if square is None else crop_of(archive, frame, square)
            for frame, square in zip(frames, squares, strict=True)
        ]
        there = [crop is not None for crop in crops]
        features = np.zeros((len(crops), 2048), np.float16)
        if any(there):
            features[there] = encoder.encode(np.stack([crop for crop in crops if crop is not None]))
        yield features


def _flow(archive: ClipArchive, sequence: Sequence, method: FlowMethod) -> Flow:
    """(T, 2, 56, 56) flow of a sequence; zeros in its first frame and where one of the two pictures is missing."""

    def pairs() -> Iterator[tuple[Crop, Crop] | None]:
        before: KeptPicture | None = None
        for frame in range(sequence.first, sequence.first + sequence.count):
            now, square = kept_picture(archive, frame), square_of(archive, frame)
            if now is None or before is None or square is None:
                yield None
            else:
                yield now.crop(square), before.crop(square)
            before = now

    return flow_of(pairs(), method)
