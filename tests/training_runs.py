# SPDX-License-Identifier: MIT
"""Tiny training runs: archives whose features say the pose, networks with few numbers, and both as a program.

``python tests/training_runs.py vibe ARGUMENTS`` is ``vibe`` on one thread;
``python tests/training_runs.py gradients CONFIG.toml OUT.pt`` writes the gradients of a run's first step.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import nn

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from backend.training.archive import ArchiveWriter, ClipArchive, Facts
from backend.training.config import read_training
from backend.training.distributed import Place, joined
from backend.training.feeding import Feed
from backend.training.trainer import Trainer
from tests.training_data import made_person, write_archive

RUN = """
preset = "vibe"
output = "run"
device = "cpu"
[data]
two_d = ["two.clips"]
three_d = ["three.clips"]
motion = ["real.clips"]
validation = ["held out.clips"]
frames = 4
[model]
body = "mannequin"
hidden = 32
[discriminator]
hidden = 32
[steps]
batch = 4
epochs = 2
iterations = 6
workers = 0
save_every = 4
"""


def telling_archive(folder: Path, lengths: tuple[int, ...] = (40, 30), seed: int = 0) -> ClipArchive:
    """An archive with all labels, whose features follow from pose and camera by one rule for all archives."""
    rule = np.random.default_rng(99).normal(scale=0.3, size=(24 * 9 + 3, 2048))
    columns = ("features", "joints2d", "joints3d", "rotations", "betas", "boxes", "frames", "flow")
    writer = ArchiveWriter(folder, Facts("made", "train", "Made by a test: free for all uses."), columns)
    for number, count in enumerate(lengths):
        person = made_person(count, seed=seed + number)
        turns = torch.linalg.matrix_exp(_crossed(person.rotations)).numpy().reshape(count, -1)
        said = np.concatenate([turns, person.trans - [0, 0, 4]], axis=1)
        arrays = {
            "features": np.maximum(said @ rule, 0), "joints2d": person.joints2d, "joints3d": person.joints3d,
            "rotations": person.rotations, "betas": np.zeros((count, 10)), "boxes": person.boxes,
            "flow": np.ones((count, 2, 56, 56)),
            "frames": np.arange(count),
        }  # fmt: skip
        writer.add(f"made {number}", 25.0, arrays)
    return writer.finish()


def _crossed(vectors: np.ndarray) -> torch.Tensor:
    """(..., 3, 3) cross products with vectors (..., 3)."""
    x, y, z = np.moveaxis(vectors, -1, 0)
    rows = np.stack([0 * x, -z, y, z, 0 * x, -x, -y, x, 0 * x], axis=-1)
    return torch.from_numpy(rows.reshape(*vectors.shape, 3))


def write_run(folder: Path, settings: str = RUN) -> Path:
    """Archives and the configuration of a run in a folder; the path of the configuration."""
    write_archive(folder / "two.clips", "2d", (12, 9))
    telling_archive(folder / "three.clips", (14, 10))
    write_archive(folder / "real.clips", "motion", (64,), seed=9)
    telling_archive(folder / "held out.clips", (11, 9), seed=50)
    path = folder / "run.toml"
    path.write_text(settings, encoding="utf-8")
    return path


def without_dropout(network: nn.Module) -> None:
    """Makes a network say the same each time."""
    for part in network.modules():
        if isinstance(part, nn.Dropout):
            part.p = 0.0


def first_gradients(path: Path, place: Place) -> dict[str, torch.Tensor]:
    """The gradients of both networks, without dropout, after one step of a run, all in double precision.

    In single precision some gradients are sums of numbers a thousand times as large, and the order of summing shows.
    """
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    try:
        return _first_gradients(path, place)
    finally:
        torch.set_default_dtype(before)


def _first_gradients(path: Path, place: Place) -> dict[str, torch.Tensor]:
    settings, device = read_training(path), torch.device("cpu")
    feed = Feed(settings, path.parent, place)
    feed.body.double()
    trainer = Trainer(settings, path.parent, device, place, feed)
    networks = {"generator": trainer.parts.generator, "discriminator": trainer.parts.discriminator}
    for network in networks.values():
        assert network is not None
        without_dropout(network)
    _, clips, motion = next(iter(feed.batches(0, 0)))
    doubled = {name: part.double() if part.is_floating_point() else part for name, part in clips.tensors().items()}
    trainer.step(replace(clips, **doubled), motion.double())
    return {
        f"{kind}.{name}": value.grad.clone()
        for kind, network in networks.items()
        for name, value in network.named_parameters()
    }


if __name__ == "__main__":
    torch.set_num_threads(1)
    if sys.argv[1] == "vibe":
        from backend.__main__ import main

        sys.exit(main(sys.argv[2:]))
    with joined(torch.device("cpu")) as own:
        found = first_gradients(Path(sys.argv[2]), own)
        if own.leads:
            torch.save(found, sys.argv[3])
