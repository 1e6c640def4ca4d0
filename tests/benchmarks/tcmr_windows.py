# SPDX-License-Identifier: MIT
"""Prints what it saves to give TCMR all windows of a clip at once, beside giving it every window by itself.

    python tests/benchmarks/tcmr_windows.py [--frames N] [--rounds R] [--threads T] [--device cpu|cuda|mps] [--seed S]

The network has its published size and random weights. The plain loop makes the window of 16 frames around each frame
and runs the network on it; "64 at once" stacks the same windows as the published demo does, 64 to a batch; ours is
``Tcmr.over``. They take turns, after a first time that is not counted, and what counts is the shortest time of each,
which other programs disturbed least. With it stands how far a road's results are from ours, and, before, how much
memory ours takes for the clip, and for one of ten times as many frames.
"""

from __future__ import annotations

import argparse
import math
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

REPOSITORY = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(REPOSITORY))

from backend.networks.regressor import Regressed  # noqa: E402
from backend.networks.tcmr import WINDOW, Tcmr, mirrored  # noqa: E402

_PARTS = ("rotations", "betas", "camera")
_MEMORY = """
import resource, sys, torch
torch.set_num_threads(1)
from backend.networks.tcmr import Tcmr
with torch.device("meta"):
    network = Tcmr()
network, features = network.to_empty(device="cpu"), torch.zeros(int(sys.argv[1]), 2048)
for values in network.state_dict().values():
    values.zero_()
network.eval().over(features[:1])
scale = 1024 if sys.platform != "darwin" else 1048576
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / scale
network.over(features)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / scale - before)
"""


def random_network(seed: int) -> Tcmr:
    """A network whose bodies depend on what it sees."""
    torch.manual_seed(seed)
    network = Tcmr().eval()
    with torch.no_grad():
        for layer in (network.regressor.decpose, network.regressor.decshape, network.regressor.deccam):
            layer.weight.normal_(0, 0.3 / math.sqrt(layer.in_features))
        network.regressor.init_pose.copy_(torch.eye(3)[:, :2].reshape(6).repeat(24))
    return network


def windows_of(network: Tcmr, features: Tensor, at_once: int) -> Regressed:
    """Every frame of (F, 2048) by its window, as many at once."""
    places = mirrored(len(features), WINDOW // 2, WINDOW - 1 - WINDOW // 2).to(features.device)
    stacked = (features[places[first : first + WINDOW]] for first in range(len(features)))
    said, batch = [], []
    for number, window in enumerate(stacked, start=1):
        batch.append(window)
        if len(batch) == at_once or number == len(features):
            said.append(network(torch.stack(batch))[0])
            batch = []
    return Regressed(*(torch.cat([getattr(each, name)[:, 0] for each in said]) for name in _PARTS))


def timed(work: Callable[[], Regressed], device: torch.device) -> tuple[float, Regressed]:
    """Seconds, and what came out."""
    began = time.perf_counter()
    said = work()
    if device.type != "cpu":
        said.camera.sum().item()
    return time.perf_counter() - began, said


def print_memory(frames: int) -> None:
    """Prints what ours adds to a process of its own that holds the network and the features."""
    for count in (frames, 10 * frames):
        command = [sys.executable, "-c", _MEMORY, str(count)]
        try:
            ran = subprocess.run(command, capture_output=True, text=True, check=True, cwd=REPOSITORY)
        except subprocess.CalledProcessError as error:
            print(f"memory is not measured here: {error.stderr.splitlines()[-1]}")
            return
        print(f"{count:6d} frames: {float(ran.stdout):.0f} MiB more at the peak")


def main() -> None:
    """Reads the command line and prints the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--frames", type=int, default=300)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    device = torch.device(options.device)
    if device.type == "cpu":
        print_memory(options.frames)  # first: a process begins with the peak of the one that starts it
    network = random_network(options.seed).to(device)
    features = torch.rand(options.frames, 2048).to(device)
    roads: dict[str, Callable[[], Regressed]] = {
        "plain loop": lambda: windows_of(network, features, 1),
        "64 at once": lambda: windows_of(network, features, 64),
        "ours": lambda: network.over(features)[0],
    }
    seconds: dict[str, list[float]] = {name: [] for name in roads}
    said: dict[str, Regressed] = {}
    with torch.inference_mode():
        for counted in [False] + [True] * options.rounds:
            for name, road in roads.items():
                took, said[name] = timed(road, device)
                if counted:
                    seconds[name].append(took)
    ours = min(seconds["ours"])
    print(f"{options.frames} frames on {device}, {options.threads} threads:")
    for name, taken in seconds.items():
        apart = max(float((getattr(said[name], part) - getattr(said["ours"], part)).abs().max()) for part in _PARTS)
        rate = f"{1000 * min(taken) / options.frames:7.2f} ms a frame"
        print(f"{name:11s} {rate}, {min(taken) / ours:5.2f} times as long as ours, {apart:.1e} apart from it")


if __name__ == "__main__":
    main()
