# SPDX-License-Identifier: MIT
"""Prints how fast VIBE captures beside a plain loop, what a long video costs in memory, and what bounds a GPU.

    python tests/benchmarks/vibe_speed.py VIDEO --models DIR [--frames N] [--rounds R] [--device auto|cuda|mps|cpu]

DIR holds VIBE's files as published. The plain loop writes every frame as a PNG, reads it back, finds the person, crops,
and runs the networks on one crop at a time in single precision; ours is the whole capture. Both take turns, each in a
process of its own, once with the people tracked and once with their boxes given; time counts from the first frame
asked for to the last result, for us the saved take.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]

_BEGIN = """
import os
os.environ["OPENBLAS_NUM_THREADS"] = "1"
import json, sys, threading, time
from pathlib import Path
import numpy as np
from vibe_blender.contract.protocol import Job, Stage
video, take, models, count, device, boxes, compat = sys.argv[1:]
job = Job(video, take, "vibe", models, device, end=int(count), people="largest", boxes=boxes, compat=bool(compat))
"""

PLAIN = (
    _BEGIN
    + """
import cv2, torch
from backend.estimators.vibe import choose_device, open_networks
from backend.estimators.vibe.reading import box_of
from backend.person_crops import cut_out, square_around
from backend.roads import open_people
from backend.video import read_frames
networks, people, place = open_networks(Path(models)), open_people(job), choose_device(device).device
encoder, vibe = networks.encoder.to(place), networks.vibe.to(place)
mean, spread = (torch.tensor(v).view(3, 1, 1) for v in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)))
began, features, folder = time.perf_counter(), [], Path(take).parent
frames = [(frame.time_s, cv2.imwrite(str(folder / f"{frame.index:06d}.png"), frame.image[..., ::-1]))
          for frame in read_frames(Path(video), 0, int(count))]
with torch.inference_mode():
    for index, (time_s, _) in enumerate(frames):
        picture = np.ascontiguousarray(cv2.imread(str(folder / f"{index:06d}.png"))[..., ::-1])
        for seen in people.update(index, time_s, picture):
            crop = torch.from_numpy(cut_out(picture, square_around(box_of(seen)))).permute(2, 0, 1)
            features.append(encoder(((crop / 255 - mean) / spread)[None].to(place)).cpu())
    vibe(torch.cat(features)[None].to(place))
print(json.dumps({"frames": len(frames), "seconds": time.perf_counter() - began}))
"""
)

OURS = (
    _BEGIN
    + """
from backend import pipeline
from vibe_blender.contract.take_file import load_take
stages = {}
def emit(event):
    if isinstance(event, Stage):
        stages[event.name] = time.perf_counter()
done = pipeline.run(job, emit, threading.Event())
ended, person = time.perf_counter(), load_take(Path(take)).people[0]
np.savez(take + ".npz", frames=person.frames, boxes=person.words.boxes / [1, 1, 1.1, 1.1])
try:
    import resource
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1024.0 if sys.platform != "darwin" else 1048576.0)
except ImportError:
    peak = float("nan")
print(json.dumps({"frames": done.frames, "seconds": ended - stages["watch"], "peak_mib": peak}))
"""
)

NETWORK = """
import json, sys, time
from pathlib import Path
import torch
from backend.estimators.vibe import VibeReader, choose_device, open_networks
device = choose_device(sys.argv[2]).device
reader = VibeReader(open_networks(Path(sys.argv[1])), device)
encoder, gpu = reader.encoder, device.type == "cuda"
found = {"device": str(device), "batch": encoder.batch}
crops = torch.randint(0, 256, (encoder.batch, 224, 224, 3), dtype=torch.uint8)
crops = crops.pin_memory() if gpu else crops
for half in (False, True):
    encoder._run(crops, half)
    began, rounds = time.perf_counter(), 20 if gpu else 2
    for _ in range(rounds):
        features = encoder._run(crops, half)
    found["half" if half else "single"] = rounds * len(crops) / (time.perf_counter() - began)
found["apart_mm"] = 1000 * reader._apart(encoder._run(crops, False), encoder._run(crops, True))
kinds = [torch.profiler.ProfilerActivity.CPU] + [torch.profiler.ProfilerActivity.CUDA] * gpu
with torch.profiler.profile(activities=kinds) as profile:
    encoder._run(crops, True)
order = "self_cuda_time_total" if gpu else "self_cpu_time_total"
print(profile.key_averages().table(sort_by=order, row_limit=12, max_name_column_width=60), file=sys.stderr)
print(json.dumps(found))
"""


def run(program: str, *arguments: str, log: int | None = subprocess.DEVNULL) -> dict[str, float]:
    """The last line that a program printed."""
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    command = [sys.executable, "-c", program, *arguments]
    finished = subprocess.run(command, stdout=subprocess.PIPE, stderr=log, env=environment, check=True)
    return json.loads(finished.stdout.splitlines()[-1])


def print_speed(options: argparse.Namespace, folder: Path) -> None:
    """Prints frames per second of both sides, and how many times ours is the plain loop's."""
    take = str(folder / "a.take")
    common = (str(options.video), take, str(options.models), str(options.frames), options.device)
    run(OURS, *common, "", "")
    (folder / "a.take.npz").replace(folder / "boxes.npz")
    for title, boxes in (("tracked", ""), ("boxes given", str(folder / "boxes.npz"))):
        rates: dict[str, list[float]] = {"plain loop": [], "ours": [], "ours --compat": []}
        for _ in range(options.rounds):
            for name, program, compat in (("plain loop", PLAIN, ""), ("ours", OURS, ""), ("ours --compat", OURS, "1")):
                measured = run(program, *common, boxes, compat)
                rates[name].append(measured["frames"] / measured["seconds"])
        base = statistics.median(rates["plain loop"])
        for name, values in rates.items():
            rate = statistics.median(values)
            print(f"{title:12s} {name:14s} {rate:7.1f} frames a second, {rate / base:.2f} times the plain loop")


def print_memory(options: argparse.Namespace, folder: Path) -> None:
    """Prints the peak memory of a tenth of the frames, and of all of them."""
    peaks = []
    for frames in (options.frames // 10, options.frames):
        take = str(folder / "b.take")
        measured = run(OURS, str(options.video), take, str(options.models), str(frames), options.device, "", "")
        peaks.append(measured["peak_mib"])
        print(f"{measured['frames']:5.0f} frames: peak memory {measured['peak_mib']:.0f} MiB")
    print(f"ten times as long: {peaks[1] / peaks[0]:.2f} times the memory")


def main() -> None:
    """Reads the command line and prints the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("video", type=Path)
    parser.add_argument("--models", type=Path, required=True, help="folder with the published files")
    parser.add_argument("--frames", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--device", default="auto")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        found = run(NETWORK, str(options.models), options.device, log=None)
        print(f"image network on {found['device']}, {found['batch']} crops at once:")
        print(f"    {found['single']:.1f} crops a second in single precision, {found['half']:.1f} in half")
        print(f"    half the precision moves a joint by {found['apart_mm']:.2f} mm at most")
        print_speed(options, Path(folder))
        print_memory(options, Path(folder))


if __name__ == "__main__":
    main()
