# SPDX-License-Identifier: MIT
"""What an archive keeps of a frame, cut out around a person as networks see it: for features, flow and clips alike."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from backend.person_crops import cut_out, square_around
from vibe_blender.contract.errors import CaptureError

from .archive import ClipArchive

Array = NDArray[np.floating]


@dataclass(frozen=True)
class KeptPicture:
    """A part of a frame.

    Attributes:
        pixels: (H, W, 3) RGB.
        place: (4,) left, top, width, height of what it shows, pixels of the video; these can be smaller or larger.
    """

    pixels: NDArray[np.uint8]
    place: Array

    def crop(self, square: Array, *, mirrored: bool = False) -> NDArray[np.uint8]:
        """(224, 224, 3) RGB by the rule of ``person_crops``, black where nothing was kept.

        Args:
            square: (4,) centre x, y, width, height around the person, pixels of the video, before it is enlarged.
            mirrored: left and right are exchanged, so that what is at x in the crop, -1..1, comes to -x.
        """
        height, width = self.pixels.shape[:2]
        # The middle of pixel 0 of the picture is half a (larger or smaller) pixel from the edge of what it shows.
        scale = np.array([width, height]) / self.place[2:]
        centre = (square[:2] + 0.5 - self.place[:2]) * scale - 0.5
        side, picture = square[2] * np.sqrt(scale.prod()), self.pixels
        if mirrored:  # the picture and not the crop, whose middle is between two pixels
            picture, centre[0] = np.asarray(cv2.flip(picture, 1), np.uint8), width - 1 - centre[0]
        return cut_out(picture, np.array([*centre, side, side]))


def kept_picture(archive: ClipArchive, frame: int) -> KeptPicture | None:
    """What an archive with pictures has of a frame, counted through all sequences; None where it has nothing.

    Raises:
        CaptureError: ``archive_broken``.
    """
    data, place = archive.picture(frame), archive.column("picture_boxes")[frame].astype(np.float64)
    if not data or not np.all(place[2:] > 0):
        return None
    picture: Any = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    if picture is None:
        raise CaptureError(
            "archive_broken", f"{archive.folder}: the picture of frame {frame} is damaged.", "Prepare it again."
        )
    return KeptPicture(np.asarray(cv2.cvtColor(picture, cv2.COLOR_BGR2RGB), np.uint8), place)


def crop_of(archive: ClipArchive, frame: int, square: Array, *, mirrored: bool = False) -> NDArray[np.uint8] | None:
    """``KeptPicture.crop`` of a frame; None where the archive has nothing of it.

    Raises:
        CaptureError: ``archive_broken``.
    """
    kept = kept_picture(archive, frame)
    return None if kept is None else kept.crop(square, mirrored=mirrored)


def square_of(archive: ClipArchive, frame: int) -> Array | None:
    """(4,) the square around the box of a frame; None where there is no box."""
    box = archive.column("boxes")[frame].astype(np.float64)
    return square_around(box) if box[2:].max() > 0 else None
