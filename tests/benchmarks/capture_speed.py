# SPDX-License-Identifier: MIT
"""Prints how fast a whole capture runs beside MediaPipe's own Python solution, and what a long video costs in memory.

    python tests/benchmarks/capture_speed.py VIDEO --mediapipe-python PYTHON [--models DIR] [--rounds R]

PYTHON is the interpreter of another environment, one with mediapipe 0.10.21. Both sides decode the video themselves, in
processes of their own that take turns; the time counts from the first frame asked for to the last result, for us the
saved take (start-up is printed apart). MediaPipe's side is its plain loop: decode with OpenCV, process, next.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from concurrent.futures import ProcessPoolExecutor
from fractions import Fraction
from multiprocessing import get_context
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]

MEDIAPIPE = """
import json, sys, time
import cv2, mediapipe
reader = cv2.VideoCapture(sys.argv[1])
with mediapipe.solutions.pose.Pose(model_complexity=1) as pose:
    started, frames = time.perf_counter(), 0
    while True:
        there, image = reader.read()
        if not there:
            break
        pose.process(cv2.cvtColor(image, cv2.COLOR_BGR2RGB))
        frames += 1
print(json.dumps({"frames": frames, "seconds": time.perf_counter() - started}))
"""

OURS = """
import os, time
os.environ["OPENBLAS_NUM_THREADS"] = "1"
began = time.perf_counter()
import json, sys, threading
from pathlib import Path
from backend import pipeline
from vibe_blender.contract.protocol import Job, Stage
video, take, models, fast = sys.argv[1:]
stages = {}
def emit(event):
    if isinstance(event, Stage):
        stages[event.name] = time.perf_counter()
done = pipeline.run(Job(video, take, models=models, fast=fast == "fast"), emit, threading.Event())
ended = time.perf_counter()
try:
    import resource
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1024.0 if sys.platform != "darwin" else 1048576.0)
except ImportError:
    peak = float("nan")
print(json.dumps({"frames": done.frames, "seconds": ended - stages["watch"], "start": stages["watch"] - began,
                  "after": ended - stages["solve"], "peak_mib": peak}))
"""


def run(python: str, program: str, *arguments: str) -> dict[str, float]:
    """The last line that a program printed."""
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    finished = subprocess.run(
        [python, "-c", program, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=environment,
        check=True,
    )
    return json.loads(finished.stdout.splitlines()[-1])


def lengthened(video: Path, times: int, target: Path) -> None:
    """Writes the video several times over, there and back by turns so that nobody jumps; small and quickly coded."""
    import av

    sys.path.insert(0, str(REPOSITORY))
    from backend.video import probe, read_frames

    facts = probe(video)
    frames = [frame.image[::2, ::2] for frame in read_frames(video)]
    with av.open(str(target), "w") as container:
        stream = container.add_stream(
            "h264", rate=Fraction(facts.fps).limit_denominator(1001), options={"preset": "ultrafast"}
        )
        stream.height, stream.width = (size // 2 * 2 for size in frames[0].shape[:2])
        stream.pix_fmt = "yuv420p"
        for turn in range(times):
            for image in frames if turn % 2 == 0 else reversed(frames):
                picture = av.VideoFrame.from_ndarray(image[: stream.height, : stream.width].copy(), format="rgb24")
                container.mux(stream.encode(picture))
        container.mux(stream.encode(None))


def print_speed(options: argparse.Namespace, folder: Path) -> None:
    """Prints the frames per second of both sides and their ratios."""
    rates: dict[str, list[float]] = {"MediaPipe": [], "ours": [], "ours --fast": []}
    starts, tails = [], []
    for _ in range(options.rounds):
        theirs = run(str(options.mediapipe_python), MEDIAPIPE, str(options.video))
        rates["MediaPipe"].append(theirs["frames"] / theirs["seconds"])
        for name, mode in (("ours", "whole"), ("ours --fast", "fast")):
            ours = run(sys.executable, OURS, str(options.video), str(folder / "a.take"), options.models, mode)
            rates[name].append(ours["frames"] / ours["seconds"])
            starts.append(ours["start"])
            tails.append(1000 * ours["after"] / ours["frames"])
    base = statistics.median(rates["MediaPipe"])
    for name, values in rates.items():
        rate = statistics.median(values)
        print(f"{name:12s} {rate:6.1f} frames a second, {rate / base:.2f} times MediaPipe's")
    print(f"start-up {statistics.median(starts):.2f} s; after the last frame {statistics.median(tails):.2f} ms a frame")


def print_memory(options: argparse.Namespace, folder: Path) -> None:
    """Prints the peak memory of a short video and of one ten times as long."""
    peaks = []
    for times in (1, 10):
        video = folder / f"{times}.mp4"
        # In a process of its own: a child's peak is never below what its parent held when it was started.
        with ProcessPoolExecutor(1, get_context("spawn")) as apart:
            apart.submit(lengthened, options.video, times, video).result()
        measured = run(sys.executable, OURS, str(video), str(folder / "b.take"), options.models, "whole")
        peaks.append(measured["peak_mib"])
        print(f"{measured['frames']:5d} frames: peak memory {measured['peak_mib']:.0f} MiB")
    print(f"ten times as long: {peaks[1] / peaks[0]:.2f} times the memory")


def main() -> None:
    """Reads the command line and prints the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("video", type=Path)
    parser.add_argument("--mediapipe-python", type=Path)
    parser.add_argument("--models", default="", help="folder with the network files")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        if options.mediapipe_python:
            print_speed(options, Path(folder))
        print_memory(options, Path(folder))


if __name__ == "__main__":
    main()
