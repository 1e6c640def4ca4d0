# SPDX-License-Identifier: MIT
"""Trains small networks side by side on archives that anyone can make, and says what each idea of the papers does.

    python tests/benchmarks/small_training.py FOLDER --study discriminator [--seeds 3] [--jobs 2]

FOLDER holds ``train.clips`` and ``validation.clips`` (rendered, with features, and for DTS-VIBE with flow), and
``motion.clips`` and ``motion-held.clips`` (real motion). docs/training.md says how they are made. Each run is an
ordinary ``vibe train`` in FOLDER/STUDY; who ends this script goes on with the same command. Validation decides nothing:
what is measured are the last weights, averaged while learning.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
if __name__ == "__main__":
    sys.path.insert(0, str(REPOSITORY))

_RUN = """preset = "{preset}"
output = "{name}"
device = "cpu"
[data]
three_d = ["../train.clips"]
motion = [{motion}]
validation = ["../validation.clips"]
share_2d = 0.0
[model]
body = "mannequin"
hidden = {hidden}
{model}[weights]
{weights}[discriminator]
use = {use}
hidden = {hidden}
{discriminator}[steps]
batch = 16
epochs = {epochs}
iterations = {iterations}
rate = {rate}
average = 0.99
patience = 1000000
seed = {seed}
workers = 0
"""


@dataclass(frozen=True)
class Variant:
    """One way of doing it.

    Attributes:
        name: in the table.
        preset: it begins with.
        model, weights, discriminator: lines of its sections, beyond the preset's.
        use: whether there is a discriminator.
    """

    name: str
    preset: str = "vibe"
    model: str = ""
    weights: str = ""
    discriminator: str = ""
    use: bool = False


STUDIES = {
    "discriminator": (
        Variant("frame by frame", "frame_based"),
        Variant("VIBE, no discriminator"),
        Variant("VIBE, average+max", discriminator='pooling = "average_max"\n', use=True),
        Variant("VIBE, attention", use=True),
    ),
}


@dataclass(frozen=True)
class Size:
    """How large a study is.

    Attributes:
        hidden: width of the networks' inner layers.
        epochs, iterations: of a run, and steps of each epoch.
        rate: of the generators.
    """

    hidden: int = 256
    epochs: int = 4
    iterations: int = 250
    rate: float = 5e-4


def run_name(variant: Variant, seed: int) -> str:
    """The folder of a run."""
    return f"{''.join(letter if letter.isalnum() else '_' for letter in variant.name)}-{seed}"


def train(folder: Path, variant: Variant, seed: int, size: Size) -> None:
    """Trains one variant with one seed, with one thread, or goes on with it."""
    name = run_name(variant, seed)
    text = _RUN.format(
        preset=variant.preset, name=name, motion='"../motion.clips"' if variant.use else "", model=variant.model,
        weights=variant.weights, discriminator=variant.discriminator, use=str(variant.use).lower(), seed=seed,
        hidden=size.hidden, epochs=size.epochs, iterations=size.iterations, rate=size.rate,
    )  # fmt: skip
    file = folder / f"{name}.toml"
    file.write_text(text, encoding="utf-8")
    one = "import sys, torch; torch.set_num_threads(1); from backend.__main__ import main; sys.exit(main(sys.argv[1:]))"
    done = subprocess.run(
        [sys.executable, "-c", one, "train", str(file)], cwd=REPOSITORY, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise SystemExit(f"{name}: {done.stderr[-2000:]}")
    print(name, done.stderr.strip().splitlines()[-1], flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--study", choices=sorted(STUDIES), required=True)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--jobs", type=int, default=2)
    options = parser.parse_args()
    folder: Path = options.folder / options.study
    folder.mkdir(exist_ok=True)
    runs = [(variant, seed) for seed in range(options.seeds) for variant in STUDIES[options.study]]
    with ThreadPoolExecutor(options.jobs) as pool:
        for _ in pool.map(lambda run: train(folder, *run, Size()), runs):
            pass


if __name__ == "__main__":
    main()
