# SPDX-License-Identifier: MIT
"""Prints how fast VIBE captures beside a plain loop, what bounds it, what precision costs, and what a long video takes.

    python tests/benchmarks/vibe_speed.py VIDEO --models DIR [--frames N] [--rounds R] [--people largest|all|N]
        [--device auto|cuda|mps|cpu]

DIR holds VIBE's files as published. The plain loop writes every frame as a PNG, reads it back, finds the people, crops,
and runs the networks on one crop at a time in single precision; ours is the whole capture. Both take turns, each in a
process of its own, once with the people tracked and once with their boxes given; time counts from the first frame
asked for to the last result, for us the saved take. "Everything else" is our capture with an image network that
answers at once: what the CPU beside a GPU can do. The image network by itself is measured on the video's own crops,
from the CPU's memory and back; its arithmetic is counted as 4.1 billion multiplications and additions a crop.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parents[2]

_BEGIN = """
import os
os.environ["OPENBLAS_NUM_THREADS"] = "1"
import json, sys, threading, time
from pathlib import Path
import numpy as np
from vibe_blender.contract.protocol import Job, Stage
video, take, models, count, device, people, boxes, compat = sys.argv[1:]
wanted = people if people in ("largest", "all") else int(people)
job = Job(video, take, "vibe", models, device, end=int(count), people=wanted, boxes=boxes, compat=bool(compat))
"""

PLAIN = (
    _BEGIN
    + """
import cv2, torch
from backend.estimators.vibe import choose_device, open_networks
from backend.estimators.vibe.gathering import box_of
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
import torch
from backend import pipeline
from backend.estimators.vibe import reading
from vibe_blender.contract.take_file import load_take
stages, on_gpu = {}, device != "cpu" and torch.cuda.is_available()
if os.environ.get("WITHOUT_IMAGE_NETWORK"):
    reading.Encoder.encode = lambda encoder, crops: torch.zeros(len(crops), 2048)
def emit(event):
    if isinstance(event, Stage):
        stages[event.name] = time.perf_counter()
done = pipeline.run(job, emit, threading.Event())
ended, people = time.perf_counter(), load_take(Path(take)).people
numbers = np.concatenate([np.full(len(person.frames), person.id) for person in people])
frames, given = (np.concatenate(parts) for parts in zip(*((person.frames, person.words.boxes) for person in people)))
np.savez(take + ".npz", frames=frames, boxes=given / [1, 1, 1.1, 1.1], person=numbers)
try:
    import resource
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1024.0 if sys.platform != "darwin" else 1048576.0)
except ImportError:
    peak = float("nan")
gpu_mib = torch.cuda.max_memory_allocated() / 2**20 if on_gpu else 0.0
told = {"frames": done.frames, "seconds": ended - stages["watch"], "peak_mib": peak, "gpu_mib": gpu_mib}
print(json.dumps({**told, "people": len(people)}))
"""
)

NETWORK = (
    _BEGIN
    + """
import torch
from backend.estimators.vibe import VibeReader, choose_device, open_networks
from backend.person_crops import cut_out, square_around
from backend.video import read_frames
from vibe_blender.contract.quaternions import from_matrices
from vibe_blender.contract.skeleton import forward_kinematics
chosen = choose_device(device)
if chosen.warning:
    print(chosen.warning, file=sys.stderr)
reader, place = VibeReader(open_networks(Path(models)), chosen.device), chosen.device
encoder, gpu = reader.encoder, place.type == "cuda"
given = np.load(boxes)
where = {int(f): b for f, b, p in zip(given["frames"], given["boxes"], given["person"]) if p == given["person"][0]}
crops = torch.from_numpy(np.array([cut_out(frame.image, square_around(where[frame.index]))
                                   for frame in read_frames(Path(video), 0, int(count)) if frame.index in where]))
kinds = {"fp32": torch.float32, "bf16": torch.bfloat16} | ({} if place.type == "cpu" else {"fp16": torch.float16})
found = {"device": torch.cuda.get_device_name() if gpu else str(place), "usual": encoder.batch, "crops": len(crops)}
rates, joints = {}, {}

def use(kind):
    type(encoder)._half_type, encoder._rough = kinds[kind], None
    return kind != "fp32"

def rate(some, half):
    encoder._run(some, half)
    began, rounds = time.perf_counter(), 20 if gpu else 2
    for _ in range(rounds):
        encoder._run(some, half)
    return rounds * len(some) / (time.perf_counter() - began)

for kind in kinds:
    half = use(kind)
    features = torch.cat([encoder._run(some, half) for some in crops.split(encoder.batch)])
    with torch.inference_mode():
        said, _ = reader._vibe(features[None].to(place))
    rest = reader._body.rest_joints(said.betas[0].cpu().double().numpy())
    turns = from_matrices(said.rotations[0].cpu().double().numpy())
    joints[kind] = np.array([forward_kinematics(*each, np.zeros(3))[0] for each in zip(rest, turns)])
    sizes = (16, 32, 64, 128, 256) if gpu else (encoder.batch,)
    for size in sizes:
        some = crops.repeat(-(-size // len(crops)), 1, 1, 1)[:size]
        rates[f"{kind} {size}"] = rate(some.pin_memory() if gpu else some, half)
apart = {kind: 1000 * np.linalg.norm(joints[kind] - joints["fp32"], axis=-1) for kind in kinds if kind != "fp32"}
found["rates"] = rates
found["apart_mm"] = {kind: [float(each.mean()), float(each.max())] for kind, each in apart.items()}
half = use("fp16" if "fp16" in kinds else "bf16")
some = crops.repeat(-(-encoder.batch // len(crops)), 1, 1, 1)[: encoder.batch]
encoder._run(some, half)
activities = [torch.profiler.ProfilerActivity.CPU] + [torch.profiler.ProfilerActivity.CUDA] * gpu
with torch.profiler.profile(activities=activities) as profile:
    encoder._run(some, half)
order = "self_cuda_time_total" if gpu else "self_cpu_time_total"
print(profile.key_averages().table(sort_by=order, row_limit=14, max_name_column_width=60), file=sys.stderr)
print(json.dumps(found))
"""
)
_FLOP_A_CROP = 2 * 4.1e9


def run(program: str, *arguments: str, log: int | None = subprocess.DEVNULL, **switches: str) -> dict[str, Any]:
    """The last line that a program printed."""
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY), **switches}
    command = [sys.executable, "-c", program, *arguments]
    finished = subprocess.run(command, stdout=subprocess.PIPE, stderr=log, env=environment, check=True)
    return json.loads(finished.stdout.splitlines()[-1])


def print_network(common: Sequence[str], boxes: str) -> None:
    """Prints what the image network does by itself, and how far less precision moves the joints."""
    found = run(NETWORK, *common, boxes, "", log=None)
    print(f"image network on {found['device']}, which a capture gives {found['usual']} crops at once:")
    for name, rate in found["rates"].items():
        kind, size = name.split()
        print(f"    {kind}, {size:>3s} at once {rate:8.1f} crops a second, {rate * _FLOP_A_CROP / 1e12:7.2f} TFLOP/s")
    for kind, (mean, most) in found["apart_mm"].items():
        print(f"    {kind} moves joints by {mean:.3f} mm, {most:.3f} mm at most, over {found['crops']} crops in a row")


def print_speed(common: Sequence[str], boxes: str, rounds: int) -> None:
    """Prints frames per second of both sides, and how many times ours is the plain loop's."""
    kinds = (("plain loop", PLAIN, "", ""), ("ours", OURS, "", ""), ("ours --compat", OURS, "1", ""),
             ("everything else", OURS, "", "1"))  # fmt: skip
    for title, given in (("tracked", ""), ("boxes given", boxes)):
        rates: dict[str, list[float]] = {name: [] for name, *_ in kinds}
        for _ in range(rounds):
            for name, program, compat, without in kinds:
                measured = run(program, *common, given, compat, WITHOUT_IMAGE_NETWORK=without)
                rates[name].append(measured["frames"] / measured["seconds"])
        base = statistics.median(rates["plain loop"])
        for name, values in rates.items():
            rate = statistics.median(values)
            print(f"{title:12s} {name:16s} {rate:7.1f} frames a second, {rate / base:5.2f} times the plain loop")


def print_memory(common: Sequence[str], frames: int) -> None:
    """Prints the peak memory of a tenth of the frames, and of all of them."""
    peaks = []
    for count in (frames // 10, frames):
        measured = run(OURS, *common[:3], str(count), *common[4:], "", "")
        peaks.append(measured["peak_mib"])
        gpu = f", {measured['gpu_mib']:.0f} MiB on the GPU" if measured["gpu_mib"] else ""
        who = f"{measured['frames']:5.0f} frames, people: {measured['people']}"
        print(f"{who}: peak memory {peaks[-1]:.0f} MiB{gpu}")
    print(f"ten times as long: {peaks[1] / peaks[0]:.2f} times the memory")


def main() -> None:
    """Reads the command line and prints the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("video", type=Path)
    parser.add_argument("--models", type=Path, required=True, help="folder with the published files")
    parser.add_argument("--frames", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--people", default="largest")
    parser.add_argument("--device", default="auto", choices=("auto", "cuda", "mps", "cpu"))
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        take, boxes = Path(folder, "a.take"), Path(folder, "boxes.npz")
        named = (options.video, take, options.models, options.frames, options.device, options.people)
        common = [str(value) for value in named]
        run(OURS, *common, "", "")
        Path(f"{take}.npz").replace(boxes)
        print_network(common, str(boxes))
        print_speed(common, str(boxes), options.rounds)
        print_memory(common, options.frames)


if __name__ == "__main__":
    main()
