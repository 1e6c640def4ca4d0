# SPDX-License-Identifier: MIT
"""Features of people's pictures by SPIN's image encoder, which training reads instead of pictures."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from backend.checkpoints import load_image_encoder
from backend.networks.resnet import COLOUR_MEAN, COLOUR_SPREAD, ResNet50
from backend.person_crops import cut_out
from vibe_blender.contract.errors import CaptureError

from .archive import ArchiveWriter, ClipArchive, Sequence, open_archive

_BATCH = 64
_NOT_COPIED = ("features", "pictures", "picture_boxes")


class SpinEncoder:
    """The encoder at work, on a GPU where there is one."""

    def __init__(self, encoder: ResNet50, device: torch.device | None = None) -> None:
        """Takes a network over.

        Args:
            encoder: in evaluation mode.
            device: where it runs; None for a GPU where there is one.
        """
        self._device = device or torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self._encoder = encoder.to(self._device)
        self._mean, self._spread = (
            torch.tensor(values, device=self._device).view(3, 1, 1) for values in (COLOUR_MEAN, COLOUR_SPREAD)
        )

    def encode(self, crops: NDArray[np.uint8]) -> NDArray[np.float16]:
        """(B, 2048) features of crops (B, 224, 224, 3) RGB."""
        pixels = torch.from_numpy(crops).to(self._device).permute(0, 3, 1, 2)
        with torch.inference_mode():
            features = self._encoder(pixels.float().div_(255).sub_(self._mean).div_(self._spread))
        return features.cpu().numpy().astype(np.float16)


def spin_encoder(spin: Path) -> SpinEncoder:
    """The encoder of ``spin_model_checkpoint.pth.tar``.

    Raises:
        CaptureError: ``checkpoint_missing``, ``checkpoint_unsafe``, ``checkpoint_damaged`` or ``checkpoint_mismatch``.
    """
    return SpinEncoder(load_image_encoder(spin))


def add_features(
    archive: ClipArchive,
    out: Path,
    encoder: SpinEncoder,
    *,
    images: bool = False,
    progress: Callable[[int, int, int], None] = lambda *_: None,
) -> ClipArchive:
    """A copy of an archive with features of its pictures; interrupted, it goes on after the last whole sequence.

    Args:
        archive: with pictures and boxes.
        out: folder of the copy.
        encoder: to use.
        images: whether the copy has the pictures too.
        progress: is told sequences done, all of them, and frames so far.

    Raises:
        CaptureError: ``no_pictures``, ``archive_broken``, or as of ``ArchiveWriter``.
    """
    if not {"pictures", "boxes"} <= set(archive.columns):
        raise CaptureError(
            "no_pictures", f"{archive.folder} has no pictures of people.", "Prepare the dataset with --features."
        )
    columns = (*(name for name in archive.columns if name not in _NOT_COPIED), "features")
    columns += ("pictures", "picture_boxes") if images else ()
    writer = ArchiveWriter(out, archive.facts, columns)
    frames = 0
    for number, sequence in enumerate(archive.sequences):
        frames += sequence.count
        if sequence.name not in writer.done:
            rows = slice(sequence.first, sequence.first + sequence.count)
            arrays = {name: archive.column(name)[rows] for name in sequence.columns if name not in _NOT_COPIED}
            jpegs = None
            if "pictures" in sequence.columns:
                arrays["features"] = np.concatenate(list(_features(archive, sequence, encoder)))
                if images:
                    arrays["picture_boxes"] = archive.column("picture_boxes")[rows]
                    jpegs = [archive.picture(frame) for frame in range(rows.start, rows.stop)]
            writer.add(sequence.name, sequence.fps, arrays, jpegs)
        progress(number + 1, len(archive.sequences), frames)
    return writer.finish()


def add_features_to(folder: Path, out: Path, spin: Path, *, images: bool = False) -> ClipArchive:
    """As ``add_features``, of an archive's folder and a checkpoint's path."""
    return add_features(open_archive(folder), out, spin_encoder(spin), images=images)


def _features(archive: ClipArchive, sequence: Sequence, encoder: SpinEncoder) -> Iterator[NDArray[np.float16]]:
    """Features of a sequence in batches; zeros where there is no picture."""
    for first in range(sequence.first, sequence.first + sequence.count, _BATCH):
        frames = range(first, min(first + _BATCH, sequence.first + sequence.count))
        crops = [_crop(archive, frame) for frame in frames]
        there = [crop is not None for crop in crops]
        features = np.zeros((len(crops), 2048), np.float16)
        if any(there):
            features[there] = encoder.encode(np.stack([crop for crop in crops if crop is not None]))
        yield features


def _crop(archive: ClipArchive, frame: int) -> NDArray[np.uint8] | None:
    """(224, 224, 3) RGB of what the archive has of a frame, None where that is nothing."""
    data, box = archive.picture(frame), archive.column("boxes")[frame].astype(float)
    if not data or not box[2:].max() > 0:
        return None
    picture = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    place = archive.column("picture_boxes")[frame].astype(float)
    if picture is None or not (place[2:] > 0).all():
        raise CaptureError("archive_broken", f"{archive.folder}: picture {frame} is damaged.", "Prepare it again.")
    scale = np.array([picture.shape[1], picture.shape[0]]) / place[2:]
    centre = (box[:2] + 0.5 - place[:2]) * scale - 0.5  # pixels are squares, whose middles have whole numbers
    side = float(box[2:].max() * np.sqrt(scale.prod()))
    return cut_out(
        np.ascontiguousarray(picture[..., ::-1]).astype(np.uint8, copy=False), np.array([*centre, side, side])
    )
