# SPDX-License-Identifier: MIT
"""Prints how fast PyAV and OpenCV turn a video into RGB arrays, two threads each: ``python decoding.py VIDEO...``."""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

import av
import cv2
from av.video.reformatter import VideoReformatter

RUNS = 5


def by_pyav(path: str) -> int:
    """Frames read the way ``backend.video`` reads them."""
    count, reformatter = 0, VideoReformatter()
    with av.open(path) as container:
        stream = container.streams.video[0]
        stream.thread_type, stream.thread_count = "AUTO", 2
        for picture in container.decode(stream):
            reformatter.reformat(picture, format="rgb24").to_ndarray()
            count += 1
    return count


def by_opencv(path: str) -> int:
    """Frames read with cv2.VideoCapture."""
    count, capture = 0, cv2.VideoCapture(path, cv2.CAP_FFMPEG, [cv2.CAP_PROP_N_THREADS, 2])
    while True:
        read, image = capture.read()
        if not read:
            return count
        cv2.cvtColor(image, cv2.COLOR_BGR2RGB, dst=image)
        count += 1


def measure(read: Callable[[str], int], path: str) -> tuple[float, float]:
    """Frames a second, and milliseconds of processor time a frame."""
    wall, processor = time.perf_counter(), time.process_time()
    count = read(path)
    return count / (time.perf_counter() - wall), 1000 * (time.process_time() - processor) / count


def main() -> None:
    """Prints one line per video."""
    cv2.setNumThreads(2)
    for path in sys.argv[1:]:
        runs = [(measure(by_pyav, path), measure(by_opencv, path)) for _ in range(RUNS)]
        pyav, opencv = (
            [statistics.median(values) for values in zip(*side, strict=True)] for side in zip(*runs, strict=True)
        )
        print(
            f"{Path(path).name}: PyAV {pyav[0]:.0f} frames/s, {pyav[1]:.2f} ms of processor a frame; "
            f"OpenCV {opencv[0]:.0f}, {opencv[1]:.2f}; PyAV/OpenCV {pyav[0] / opencv[0]:.2f} in speed, "
            f"{pyav[1] / opencv[1]:.2f} in processor time"
        )


if __name__ == "__main__":
    main()
