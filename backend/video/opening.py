# SPDX-License-Identifier: MIT
"""A path becomes an opened video and its decoded pictures, or an error that says what is wrong with the file."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import av
from av.container import InputContainer
from av.stream import Disposition
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from vibe_blender.contract.errors import CaptureError

DECODER_THREADS = 2
_TEXT_ART_FORMATS = {"tty", "bin", "xbin", "adf", "idf"}


@dataclass(frozen=True)
class Trouble:
    """Damage that was met and stepped over: a warning's code and message."""

    code: str
    message: str


def checked_path(path: Path | str) -> Path:
    """The absolute path of a file that is there and not empty."""
    if re.match(r"[A-Za-z][A-Za-z0-9+.-]+:/+\w", str(path)):
        raise CaptureError("video_missing", f"{path} is an address, not a file.", "Download the video first.")
    path = Path(path)
    if path.is_dir():
        raise CaptureError("video_missing", f"{path} is a folder, not a video.", "Name one video file in it.")
    if not path.exists():
        raise CaptureError("video_missing", f"There is no video at {path}.", "Check the path.")
    if path.stat().st_size == 0:
        raise CaptureError("video_empty", f"{path} is empty (0 bytes).", "Copy or download the video again.")
    return path.resolve()  # An absolute path is never mistaken for one of FFmpeg's protocols.


@contextmanager
def opened(path: Path) -> Iterator[tuple[InputContainer, VideoStream]]:
    """The container and its largest video stream, closed at the end; the stream must not be touched after that."""
    try:
        container = av.open(str(path), options={"protocol_whitelist": "file"}, metadata_errors="replace")
    except PermissionError as error:
        raise CaptureError(
            "video_unreadable", f"{path} may not be read.", "Change its permissions, or copy it elsewhere."
        ) from error
    except (av.FFmpegError, ValueError) as error:
        raise CaptureError(
            "video_unreadable",
            f"{path} is not a video, or it is cut off so early that nothing can be read ({_reason(error)}).",
            "Play it in a video player; if that fails too, copy or export it again.",
        ) from error
    with container:
        yield container, _video_stream(container, path)


def _video_stream(container: InputContainer, path: Path) -> VideoStream:
    if container.format.name in _TEXT_ART_FORMATS or not container.streams:
        raise CaptureError("video_unreadable", f"{path} is not a video.", "Choose a video file.")
    # The cover of an audio file is stored as a video of one picture.
    streams = [
        item
        for item in container.streams
        if isinstance(item, VideoStream) and not item.disposition & Disposition.attached_pic
    ]
    if not streams:
        raise CaptureError(
            "no_video_stream", f"{path} has no picture, only sound or text.", "Choose a file that has a picture."
        )
    decodable = [item for item in streams if item.codec_context is not None]
    if not decodable:
        raise CaptureError(
            "unknown_codec",
            f"The picture in {path} is stored in a way no decoder here knows.",
            "Convert it to H.264 in an .mp4 file first.",
        )
    stream = max(decodable, key=lambda item: item.codec_context.width * item.codec_context.height)
    stream.thread_type = "AUTO"
    stream.thread_count = DECODER_THREADS
    return stream


def pictures(container: InputContainer, stream: VideoStream) -> Iterator[VideoFrame | Trouble]:
    """Every picture that decodes, in order of presentation; damage is reported once and stepped over."""
    damaged = False
    packets = container.demux(stream)
    while True:
        try:
            packet = next(packets, None)
        except av.FFmpegError as error:
            yield Trouble("video_truncated", f"The file is cut short or damaged ({_reason(error)}).")
            packet = None
        try:
            yield from stream.decode(packet)
        except av.EOFError:
            return  # the decoder was already emptied by the last packet, which is empty
        except av.FFmpegError as error:
            if not damaged:
                damaged = True
                yield Trouble("video_damaged", f"Some pictures are damaged and were left out ({_reason(error)}).")
        if packet is None:
            return


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error)


def nothing_decodes(path: Path) -> CaptureError:
    """The error for a file that opens but yields no picture."""
    return CaptureError(
        "video_unreadable",
        f"Not one picture of {path} can be decoded: the file is damaged or cut short.",
        "Play it in a video player; if that fails too, copy or export it again.",
    )
