# SPDX-License-Identifier: MIT
"""Prints how many labelled frames a second are rendered, and how long 100,000 take.

    python tests/benchmarks/rendered_speed.py MOTIONS [--scenes N] [--frames T] [--workers W] [--picture-px P]
        [--samples S] [--models] [-o ARCHIVE]

Everything counts: the workers' start, labels, pictures, writing. A frame is one person's: a scene of two people has
two for each moment. Processor seconds are of all programs together, so they tell the speed of a free machine where
others work on this one too. With ``--models`` it also says in which share of pictures BlazePose's detector finds the
person whom the picture is of: of all, and of those in which shoulders, hips and crown are seen. The detector looks for
the hips' middle; found means less than a third of the trunk away from it.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path

import cv2
import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from backend.training.archive import ClipArchive
from backend.training.prepare.rendered import RenderOptions, prepare_rendered

NECK, MID_HIP = 1, 8
TRUNK = (2, 5, 9, 12, 38)
"""Shoulders, hips and crown among the 49."""
HIDDEN = 0.3
SHORTEST_TRUNK_PX = 12.0


def main() -> None:
    """Renders and prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("motions", type=Path)
    parser.add_argument("--scenes", type=int, default=8)
    parser.add_argument("--frames", type=int, default=64)
    parser.add_argument("--workers", type=int, default=0)
    parser.add_argument("--picture-px", type=int, default=RenderOptions.picture_px)
    parser.add_argument("--samples", type=int, default=RenderOptions.samples)
    parser.add_argument("--models", action="store_true", help="try BlazePose on the pictures")
    parser.add_argument("-o", "--output", type=Path, help="keep the archive")
    chosen = parser.parse_args()
    options = RenderOptions(
        scenes=chosen.scenes, frames=chosen.frames, workers=chosen.workers, picture_px=chosen.picture_px,
        samples=chosen.samples,
    )  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        out = chosen.output or Path(folder) / "speed.clips"
        began, before = time.perf_counter(), os.times()
        archive = prepare_rendered(chosen.motions, out, options)
        seconds, after = time.perf_counter() - began, os.times()
        busy = sum(after[:4]) - sum(before[:4])
        size = (archive.folder / "images.bin").stat().st_size / len(archive)
        workers = chosen.workers or os.cpu_count() or 1
        print(
            f"{len(archive)} frames in {len(archive.sequences)} sequences, {workers} workers on {os.cpu_count()} cores"
        )
        hours = 100_000 / len(archive) * seconds / 3600
        print(f"{len(archive) / seconds:.2f} frames a second: 100,000 in {hours:.1f} hours")
        print(f"{busy / len(archive):.3f} processor seconds a frame; {size / 1024:.1f} KiB a picture")
        if chosen.models:
            print(found_share(archive))


def found_share(archive: ClipArchive, every: int = 8) -> str:
    """In words: the share of pictures in which BlazePose's detector finds the person."""
    from backend.detection import PersonDetector
    from backend.models import find

    detector = PersonDetector(find("pose_detection.tflite"), threads=1)
    whole, found = [], []
    for frame in range(0, len(archive), every):
        data = archive.picture(frame)
        if not data:
            continue
        picture = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)[..., ::-1]
        joints, place = archive.column("joints2d")[frame], archive.column("picture_boxes")[frame]
        scale = picture.shape[1] / place[2]
        hips, neck = ((joints[joint, :2] + 0.5 - place[:2]) * scale - 0.5 for joint in (MID_HIP, NECK))
        reach = max(float(np.linalg.norm(hips - neck)), SHORTEST_TRUNK_PX) / 3
        people = detector.detect(np.ascontiguousarray(picture))
        found.append(any(np.linalg.norm(person.keypoints_px[0] - hips) < reach for person in people))
        whole.append(bool((joints[list(TRUNK), 2] > HIDDEN).all()))
    ok, full = np.array(found), np.array(whole)
    both = f"{ok.mean():.0%} of {len(ok)} people; {ok[full].mean():.0%} of the {full.sum()} who are seen whole enough"
    return f"BlazePose's detector finds {both}"


if __name__ == "__main__":
    main()
