# SPDX-License-Identifier: MIT
"""Compares our landmarks with MediaPipe's own Python solution on the same frames, both with its smoothing on.

    python tests/benchmarks/landmark_parity.py VIDEO --mediapipe-python PYTHON [--models DIR] [--frames N]

PYTHON is the interpreter of another environment, one with mediapipe 0.10.21: this script runs itself there with
``--dump FILE``, which writes what MediaPipe reads and how long it takes.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import cv2
import numpy as np

REPOSITORY = Path(__file__).resolve().parents[2]
FRAME_S = 0.033333
"""MediaPipe's Python solution takes every video for one of 30 frames a second, in whole microseconds."""
SCREEN_FILTER = (0.05, 80.0)


def frames_of(video: Path, count: int) -> list[np.ndarray]:
    """The first frames as (H, W, 3) uint8 RGB, decoded alike on both sides."""
    reader, frames = cv2.VideoCapture(str(video)), []
    while len(frames) < count:
        there, picture = reader.read()
        if not there:
            break
        frames.append(cv2.cvtColor(picture, cv2.COLOR_BGR2RGB))
    if not frames:
        sys.exit(f"No frame of {video} can be read.")
    return frames


def dump(video: Path, count: int, file: Path) -> None:
    """Writes MediaPipe's landmarks ``image_px (N, 33, 2)``, NaN where there are none, and its time ``seconds (N,)``."""
    import mediapipe

    frames = frames_of(video, count)
    points, seconds = np.full((len(frames), 33, 2), np.nan), np.zeros(len(frames))
    solution = mediapipe.solutions.pose.Pose(static_image_mode=False, model_complexity=1, smooth_landmarks=True)
    for number, frame in enumerate(frames):
        started = time.perf_counter()
        result = solution.process(frame)
        seconds[number] = time.perf_counter() - started
        if result.pose_landmarks is not None:
            height, width = frame.shape[:2]
            points[number] = [(point.x * width, point.y * height) for point in result.pose_landmarks.landmark]
    np.savez(file, image_px=points, seconds=seconds)


def mediapipe_result(python: Path, video: Path, count: int) -> tuple[np.ndarray, np.ndarray]:
    """MediaPipe's landmarks (N, 33, 2) in pixels and seconds for each frame (N,), from its own environment."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "mediapipe.npz"
        command = [str(python), str(Path(__file__).with_name("landmark_parity.py")), str(video)]
        subprocess.run(
            [*command, "--frames", str(count), "--dump", str(file)], check=True, stderr=subprocess.DEVNULL, text=True
        )
        with np.load(file) as data:
            return data["image_px"], data["seconds"]


def our_landmarks(frames: list[np.ndarray], models: Path | None) -> np.ndarray:
    """Our landmarks (N, 33, 2) in pixels, smoothed by MediaPipe's filter for the screen; NaN where there are none."""
    from backend.detection import PersonDetector
    from backend.landmarks import BODY_COUNT, LandmarkModel
    from backend.models import find
    from backend.one_euro import OneEuro
    from backend.tracking import PeopleTracker

    detector = PersonDetector(find("pose_detection.tflite", models), threads=2)
    reader = LandmarkModel(find("pose_landmark_full.tflite", models), threads=2)
    tracker, smooth = PeopleTracker(detector, reader, people=1, mirror=False), OneEuro(*SCREEN_FILTER)
    points = np.full((len(frames), BODY_COUNT, 2), np.nan)
    for number, frame in enumerate(frames):
        for seen in tracker.update(number, number * FRAME_S, frame):
            read = seen.landmarks
            points[number] = smooth(number * FRAME_S, read.image_px[:BODY_COUNT], read.size_px)
    return points


def main() -> None:
    """Reads the command line and prints the distances."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("video", type=Path)
    parser.add_argument("--mediapipe-python", type=Path, help="Python of an environment with mediapipe 0.10.21")
    parser.add_argument("--models", type=Path, help="folder with the network files")
    parser.add_argument("--frames", type=int, default=60)
    parser.add_argument("--dump", type=Path, help="run in MediaPipe's environment: write its landmarks to this file")
    arguments = parser.parse_args()
    if arguments.dump:
        dump(arguments.video, arguments.frames, arguments.dump)
        return
    if arguments.mediapipe_python is None:
        parser.error("--mediapipe-python is needed")
    sys.path.insert(0, str(REPOSITORY))
    theirs, _ = mediapipe_result(arguments.mediapipe_python, arguments.video, arguments.frames)
    frames = frames_of(arguments.video, arguments.frames)
    distances = np.linalg.norm(our_landmarks(frames, arguments.models) - theirs, axis=-1)
    both = np.isfinite(distances)
    height, width = frames[0].shape[:2]
    print(f"{arguments.video.name}: {len(frames)} frames of {width}x{height}, read by both in {both.all(1).sum()}")
    median, mean, late = np.median(distances[both]), distances[both].mean(), np.percentile(distances[both], 95)
    print(f"distance of 33 landmarks, px: median {median:.2f}, mean {mean:.2f}, 95th percentile {late:.2f}")


if __name__ == "__main__":
    main()
