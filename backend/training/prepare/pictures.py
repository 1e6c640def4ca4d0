# SPDX-License-Identifier: MIT
"""The pictures of a recording, wherever they are: files, a video, or bytes; and what an archive keeps of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

import av
import cv2
import numpy as np
from numpy.typing import NDArray

from .raw_files import Origin

Picture = NDArray[np.uint8]
"""(H, W, 3) RGB."""

SURROUNDINGS = 1.5
"""What is kept of a picture: a square of so many sides of the box, room for the crop to be shaken."""
LONGEST_SIDE_PX = 384
_QUALITY = 92
_LARGEST_PICTURE = 1 << 27


class Pictures(Protocol):
    """The frames of a track."""

    def only(self, frames: slice) -> Pictures:
        """Some of them."""

    def read(self) -> Iterator[Picture]:
        """Each frame, in order.

        Raises:
            CaptureError: ``dataset_missing`` or ``dataset_broken``.
        """


@dataclass(frozen=True)
class PictureFiles:
    """One file per frame."""

    origin: Origin
    paths: tuple[Path, ...]

    def only(self, frames: slice) -> PictureFiles:
        """Some of the frames."""
        return replace(self, paths=self.paths[frames])

    def read(self) -> Iterator[Picture]:
        """Each frame, in order; that all files are there is seen before the first is read."""
        for path in self.paths:
            if not path.is_file():
                raise self.origin.missing(path, "no such picture, though it is labelled")
        for path in self.paths:
            if path.stat().st_size > _LARGEST_PICTURE:
                raise self.origin.broken(path, "it is too large")
            yield decoded(self.origin, path, path.read_bytes())


@dataclass(frozen=True)
class PictureBytes:
    """Encoded pictures, out of ``path``."""

    origin: Origin
    path: Path
    pictures: tuple[bytes, ...]

    def only(self, frames: slice) -> PictureBytes:
        """Some of the frames."""
        return replace(self, pictures=self.pictures[frames])

    def read(self) -> Iterator[Picture]:
        """Each frame, in order."""
        for data in self.pictures:
            yield decoded(self.origin, self.path, data)


@dataclass(frozen=True)
class VideoPictures:
    """Frames of a video, by number from 0, ascending."""

    origin: Origin
    path: Path
    frames: range

    def only(self, frames: slice) -> VideoPictures:
        """Some of the frames."""
        return replace(self, frames=self.frames[frames])

    def read(self) -> Iterator[Picture]:
        """Each frame, in order."""
        if not self.path.is_file():
            raise self.origin.missing(self.path, "no such video, though it is labelled")
        wanted, count = iter(self.frames), 0
        next_wanted = next(wanted, None)
        try:
            with av.open(str(self.path), options={"protocol_whitelist": "file"}) as video:
                for number, frame in enumerate(video.decode(video=0)):
                    if next_wanted is None:
                        break
                    if number == next_wanted:
                        yield frame.to_ndarray(format="rgb24").astype(np.uint8, copy=False)
                        count, next_wanted = count + 1, next(wanted, None)
        except (av.FFmpegError, ValueError, IndexError) as error:
            raise self.origin.broken(self.path, error) from error
        if count < len(self.frames):
            raise self.origin.broken(self.path, f"it ends before frame {next_wanted}")


def video_facts(origin: Origin, path: Path) -> tuple[float, int]:
    """Frames per second of a video, and how many frames it says it has, 0 where it does not say.

    Raises:
        CaptureError: ``dataset_broken``.
    """
    try:
        with av.open(str(path), options={"protocol_whitelist": "file"}) as video:
            stream = video.streams.video[0]
            rate = stream.average_rate
            if not rate:
                raise ValueError("it does not say its frames per second")
            return float(rate), int(stream.frames)
    except (av.FFmpegError, ValueError, IndexError) as error:
        raise origin.broken(path, error) from error


def decoded(origin: Origin, path: Path, data: bytes) -> Picture:
    """An encoded picture.

    Raises:
        CaptureError: ``dataset_broken``.
    """
    picture = None
    try:
        if data:
            picture = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    except cv2.error as error:
        raise origin.broken(path, error) from error
    if picture is None:
        raise origin.broken(path, "a picture cannot be decoded")
    return cv2.cvtColor(picture, cv2.COLOR_BGR2RGB).astype(np.uint8, copy=False)


def cut_surroundings(picture: Picture, box: NDArray[np.floating]) -> tuple[bytes, NDArray[np.float32]]:
    """A JPEG of the surroundings of a person, and (4,) left, top, width, height, pixels, of what it shows.

    Where the box is outside the picture, nothing is kept.

    Args:
        picture: the frame.
        box: (4,) centre x, y, width, height, pixels.
    """
    reach = SURROUNDINGS / 2 * float(box[2:].max())
    height, width = picture.shape[:2]
    left, top = (max(0, int(np.floor(box[axis] - reach))) for axis in (0, 1))
    right, bottom = (min(size, int(np.ceil(box[axis] + reach))) for axis, size in ((0, width), (1, height)))
    if right <= left or bottom <= top:
        return b"", np.zeros(4, np.float32)
    part = picture[top:bottom, left:right]
    scale = LONGEST_SIDE_PX / max(part.shape[:2])
    if scale < 1:
        size = [max(1, round(length * scale)) for length in (right - left, bottom - top)]
        part = cv2.resize(part, size, interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)
    told, data = cv2.imencode(".jpg", part[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])
    assert told
    return data.tobytes(), np.array([left, top, right - left, bottom - top], np.float32)
