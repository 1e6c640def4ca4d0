# SPDX-License-Identifier: MIT
"""The focal length a camera wrote into its video file, where it did.

Apple's cameras write the 35 mm equivalent as metadata of the video track (AVFoundation,
``quickTimeMetadataKeyCameraFocalLength35mmEquivalent``). FFmpeg shows the metadata of the movie only, so that one is
read from the file's boxes here (QuickTime File Format, "Metadata atoms and types").
"""

from __future__ import annotations

import math
import re
import struct
from collections.abc import Iterator, Mapping
from pathlib import Path

_FULL_FRAME_DIAGONAL_MM = math.hypot(36, 24)
_LARGEST_INDEX_BYTES = 1 << 28
# Type codes of QuickTime's "well-known types" that a number can be stored in; 1 is UTF-8 text.
_INTEGERS = (21, 22)
_FLOATS = {(23, 4): ">f", (24, 8): ">d"}


def focal_px(path: Path, tags: Mapping[str, str], width_px: int, height_px: int) -> float | None:
    """Focal length in pixels of an image of this size, None where the file does not say.

    A 35 mm equivalent has the same diagonal angle of view on a frame of 36 x 24 mm.

    Args:
        path: of the video; looked into where ``tags`` do not tell.
        tags: the container's metadata.
        width_px, height_px: of the whole image.
    """
    for found in (tags, _track_tags(path)):
        for name, value in found.items():
            plain = re.sub(r"[^a-z0-9]", "", name.lower())
            number = re.search(r"\d+(\.\d+)?", value)
            if "focallength" in plain and "35mm" in plain and number and 4 <= float(number[0]) <= 2000:
                return float(number[0]) * math.hypot(width_px, height_px) / _FULL_FRAME_DIAGONAL_MM
    return None


def _track_tags(path: Path) -> dict[str, str]:
    tags: dict[str, str] = {}
    for kind, track in _boxes(_movie_box(path)):
        if kind == b"trak":
            for inner, metadata in _boxes(track):
                if inner == b"meta":
                    tags.update(_metadata_tags(metadata))
    return tags


def _movie_box(path: Path) -> bytes:
    """The content of a QuickTime or MP4 file's ``moov`` box, empty where there is none."""
    with path.open("rb") as file:
        while len(header := file.read(8)) == 8:
            size, kind, read = int.from_bytes(header[:4], "big"), header[4:], 8
            if size == 1:
                size, read = int.from_bytes(file.read(8), "big"), 16
            if size < read or not kind.isascii():
                break  # the last box, or no file of this family
            if kind == b"moov":
                return file.read(size - read) if size <= _LARGEST_INDEX_BYTES else b""
            file.seek(size - read, 1)
    return b""


def _boxes(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    place = 0
    while place + 8 <= len(content):
        size = int.from_bytes(content[place : place + 4], "big")
        if size < 8:
            return
        yield content[place + 4 : place + 8], content[place + 8 : place + size]
        place += size


def _metadata_tags(content: bytes) -> dict[str, str]:
    if content[4:8] != b"hdlr":
        content = content[4:]  # in MP4, unlike QuickTime, the box has a version
    parts = dict(_boxes(content))
    # Keys: version, count, then name by name its length, namespace and text; values refer to them by number from 1.
    names = [name.decode("utf-8", "replace") for _, name in _boxes(parts.get(b"keys", b"")[8:])]
    tags: dict[str, str] = {}
    for number, value in _boxes(parts.get(b"ilst", b"")):
        data = dict(_boxes(value)).get(b"data", b"")
        index = int.from_bytes(number, "big") - 1
        if 0 <= index < len(names) and len(data) > 8:
            tags[names[index]] = _text(int.from_bytes(data[:4], "big"), data[8:])
    return tags


def _text(kind: int, data: bytes) -> str:
    if kind == 1:
        return data.decode("utf-8", "replace")
    if (kind, len(data)) in _FLOATS:
        return str(struct.unpack(_FLOATS[kind, len(data)], data)[0])
    return str(int.from_bytes(data, "big")) if kind in _INTEGERS else ""
