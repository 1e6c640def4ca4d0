# SPDX-License-Identifier: MIT
"""Prints how fast each estimator captures a video, what memory it takes, and how large the growing take becomes.

    python tests/benchmarks/estimator_speed.py VIDEO --models DIR [--network FILE] [--frames N] [--people largest|all|N]
        [--device auto|cuda|mps|cpu] [--only NAME ...]

DIR holds the published files; those of the landmark networks are looked for there and in the default folder. FILE is a
DTS-VIBE that `vibe train` has made. Each capture is a process of its own, `vibe capture --events`; time counts from the
first frame that is looked at to the saved take, loading not included. The memory is the most that the process held.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
ESTIMATORS = ("keypoints", "vibe", "tcmr", "dts-vibe")


def run(estimator: str, take: Path, options: argparse.Namespace) -> None:
    """Prints one capture's figures."""
    command = [sys.executable, "-m", "backend", "capture", str(options.video.absolute()), "-o", str(take), "--events"]
    command += ["--estimator", estimator, "--end", str(options.frames), "--people", options.people]
    if estimator != "keypoints":
        command += ["--models", str(options.models.absolute()), "--device", options.device]
    if estimator == "dts-vibe":
        command += ["--network", str(options.network.absolute())]
    process = subprocess.Popen(command, cwd=REPOSITORY, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    stages: dict[str, float] = {}
    preview, largest, last = float("nan"), 0, {}
    for line in process.stdout:
        last = json.loads(line)
        if last["type"] == "stage":
            stages[last["name"]] = time.perf_counter()
        elif last["type"] == "frames" and preview != preview:
            preview = time.perf_counter() - stages["watch"]
        part = take.with_name(take.name + ".part")
        largest = max(largest, part.stat().st_size if part.exists() else 0)
    ended = time.perf_counter()
    if hasattr(os, "wait4"):
        peak = os.wait4(process.pid, 0)[2].ru_maxrss / (1024.0 if sys.platform != "darwin" else 1048576.0)
    else:
        process.wait()
        peak = float("nan")
    if last["type"] != "done":
        print(f"{estimator:10s} {last}")
        return
    print(
        f"{estimator:10s} {last['frames'] / (ended - stages['watch']):6.2f} frames a second"
        f" ({stages['solve'] - stages['watch']:.1f} s to read, {ended - stages['solve']:.1f} s after), first preview"
        f" after {preview:.1f} s, people: {last['people']}, {peak:.0f} MiB, growing take {largest / 2**20:.1f} MiB"
    )


def main() -> None:
    """Reads the command line and prints the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("video", type=Path)
    parser.add_argument("--models", type=Path, required=True, help="folder with the published files")
    parser.add_argument("--network", type=Path, help="a DTS-VIBE of `vibe train`")
    parser.add_argument("--frames", type=int, default=120)
    parser.add_argument("--people", default="largest")
    parser.add_argument("--device", default="auto", choices=("auto", "cuda", "mps", "cpu"))
    parser.add_argument("--only", nargs="+", choices=ESTIMATORS, default=ESTIMATORS)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        for estimator in options.only:
            if estimator != "dts-vibe" or options.network is not None:
                run(estimator, Path(folder, f"{estimator}.take"), options)


if __name__ == "__main__":
    main()
