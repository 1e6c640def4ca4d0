# SPDX-License-Identifier: MIT
"""Prints how fast detection, landmarks and tracking run, beside MediaPipe's own Python solution on the same frames.

    python tests/benchmarks/landmark_speed.py VIDEO --mediapipe-python PYTHON [--models DIR] [--frames N] [--rounds R]

PYTHON is the interpreter of another environment, one with mediapipe 0.10.21. Frames are decoded beforehand. The two
take turns, so that other work on the machine slows both alike; ratios are of the medians over all rounds.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from pathlib import Path

import numpy as np
from landmark_parity import FRAME_S, REPOSITORY, frames_of, mediapipe_result

sys.path.insert(0, str(REPOSITORY))

from backend import identity
from backend.crops import warp
from backend.detection import PersonDetector
from backend.landmarks import CROP_SIZE, LandmarkModel
from backend.models import find
from backend.tracking import PeopleTracker


def seconds_of(detector: PersonDetector, reader: LandmarkModel, frames: list[np.ndarray], mirror: bool) -> list[float]:
    """Our time for each frame, everybody followed."""
    tracker, seconds = PeopleTracker(detector, reader, people="all", mirror=mirror), []
    for number, frame in enumerate(frames):
        started = time.perf_counter()
        tracker.update(number, number * FRAME_S, frame)
        seconds.append(time.perf_counter() - started)
    return seconds


def print_parts(detector: PersonDetector, reader: LandmarkModel, frames: list[np.ndarray]) -> None:
    """Prints the time of each part on its own."""
    frame = frames[0]
    found = detector.detect(frame)
    if not found:
        print("nobody in the first frame: no parts measured")
        return
    region = found[0].region()
    read = reader.read(frame, region)
    parts = {
        "detector": lambda: detector.detect(frame),
        "one reading": lambda: reader.read(frame, region),
        "of it the crop": lambda: warp(frame, region, CROP_SIZE),
        "what tells people apart": lambda: identity.Sighting.of(frame, region, read),
    }
    for name, call in parts.items():
        taken = []
        for _ in range(30):
            started = time.perf_counter()
            call()
            taken.append(time.perf_counter() - started)
        print(f"{name:24s} {1000 * statistics.median(taken):6.2f} ms")


def main() -> None:
    """Reads the command line and prints times and ratios."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("video", type=Path)
    parser.add_argument("--mediapipe-python", type=Path, required=True)
    parser.add_argument("--models", type=Path, help="folder with the network files")
    parser.add_argument("--frames", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    frames = frames_of(arguments.video, arguments.frames)
    detector = PersonDetector(find("pose_detection.tflite", arguments.models), threads=2)
    reader = LandmarkModel(find("pose_landmark_full.tflite", arguments.models), threads=2)
    theirs: list[float] = []
    ours: dict[bool, list[float]] = {False: [], True: []}
    for _ in range(arguments.rounds):
        theirs += mediapipe_result(arguments.mediapipe_python, arguments.video, arguments.frames)[1].tolist()
        for mirror in ours:
            ours[mirror] += seconds_of(detector, reader, frames, mirror)
    base = statistics.median(theirs)
    print(f"{arguments.video.name}, {len(frames)} frames, {arguments.rounds} rounds")
    print(f"{'MediaPipe':24s} {1000 * base:6.2f} ms a frame")
    for mirror, taken in ours.items():
        median, mean = statistics.median(taken), statistics.fmean(taken)
        ratios = f"{base / median:.2f} (mean {statistics.fmean(theirs) / mean:.2f})"
        name = "with mirror" if mirror else "without mirror"
        print(f"{name:24s} {1000 * median:6.2f} ms a frame (mean {1000 * mean:.2f}), {ratios} times MediaPipe's speed")
    print_parts(detector, reader, frames)


if __name__ == "__main__":
    main()
