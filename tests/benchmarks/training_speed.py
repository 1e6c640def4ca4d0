# SPDX-License-Identifier: MIT
"""How many steps of learning there are in a second, and how long it waits for clips, with the published settings.

    python tests/benchmarks/training_speed.py [--device cuda] [--workers 2] [--steps 20]

Made archives of random features; networks and batches as published. ``clip_loading.py`` is about the loader alone.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

import torch

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from backend.training.config import Data, Model, Steps, Training
from backend.training.distributed import Place, device_of
from backend.training.feeding import Feed
from backend.training.trainer import Trainer
from tests.training_data import write_archive


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--precision", default="float32")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--frames", type=int, default=3000, help="of each archive")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        lengths = (500,) * (options.frames // 500)
        for kind in ("2d", "3d", "motion"):
            write_archive(folder / f"{kind}.clips", kind, lengths)  # type: ignore[arg-type]
        settings = Training(
            "run",
            Data(two_d=("2d.clips",), three_d=("3d.clips",), motion=("motion.clips",)),
            Model(body="mannequin"),
            steps=Steps(workers=options.workers, iterations=options.steps + 2, precision=options.precision),
            device=options.device,
        )
        rate, waited = _learned(settings, folder)
        print(f"learning: {rate:.2f} steps a second of 32 clips, 16 frames; {100 * waited:.1f} % waiting for clips")
        print(f"{options.device}, {torch.get_num_threads()} threads, {options.precision}")


def _learned(settings: Training, folder: Path) -> tuple[float, float]:
    """Steps a second, and the share of the time that learning waited, after two steps to warm up."""
    device = device_of(settings.device, 0)
    feed = Feed(settings, folder, Place(), pin=device.type == "cuda")
    trainer = Trainer(settings, folder, device, Place(), feed)
    began, count = 0.0, 0
    for number, clips, motion in feed.batches(0, 0):
        if number == 2:
            feed.take_times()
            began = time.perf_counter()
        trainer.step(clips, motion)
        count += number >= 2
    spent = time.perf_counter() - began
    waited, _ = feed.take_times()
    return count / spent, waited / spent


if __name__ == "__main__":
    main()
