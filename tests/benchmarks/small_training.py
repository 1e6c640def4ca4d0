# SPDX-License-Identifier: MIT
"""Trains small networks side by side on archives that anyone can make, and says what each idea of the papers does.

    python tests/benchmarks/small_training.py FOLDER --study discriminator [--seeds 3] [--jobs 2]

FOLDER holds ``train.clips`` and ``validation.clips`` (rendered, with features, and for DTS-VIBE with flow), and
``motion.clips`` and ``motion-held.clips`` (real motion); docs/training.md says how they are made. Each run is an
ordinary ``vibe train`` in FOLDER/STUDY; who ends this script goes on with the same command,
and who changes the program deletes that folder first. Validation decides nothing:
what is measured are the last weights, averaged while learning. The report: ``table.md``, ``table.json``, ``plot.png``,
``poses.png``.

Realism is what a judge says that none of the networks has met: a discriminator of its own, which learns to tell real
motion from what all networks together said of the training clips, and is then shown what each says of the clips for
validation. 1 is real, 0 made up. Two rows say how far the scale goes: real motion that nobody has learned from, and the
validation clips' true poses.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from backend.networks.motion_discriminator import MotionDiscriminator
from backend.own_networks import Generator, read_own
from backend.training.archive import ClipArchive, open_archive
from backend.training.bodies import open_body
from backend.training.clips import MotionDataset
from backend.training.drawing import draw_clip
from backend.training.losses import body_pose
from backend.training.measuring import measure
from backend.training.networks import bodies_of, reads_flow
from backend.training.plotting import Dot, plot
from backend.training.windows import Windows

REPOSITORY = Path(__file__).resolve().parents[2]
FRAMES = 16
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
        after: the variant whose network it begins with, for half as long and at a fifth of the rate.
    """

    name: str
    preset: str = "vibe"
    model: str = ""
    weights: str = ""
    discriminator: str = ""
    use: bool = False
    after: str = ""


_RESIDUAL, _NO_FLOW, _GRID = "tcmr.residual = true\n", 'dts_vibe.flow = "none"\n', 'dts_vibe.flow = "grid"\n'

STUDIES = {
    "discriminator": (
        Variant("frame by frame", "frame_based"),
        Variant("VIBE, no discriminator"),
        Variant("VIBE, average+max", discriminator='pooling = "average_max"\n', use=True),
        Variant("VIBE, attention", use=True),
    ),
    "temporal": (
        Variant("VIBE, attention", use=True),
        Variant("TCMR", "tcmr"),
        Variant("TCMR, residual", "tcmr", model=_RESIDUAL),
        Variant("DTS-VIBE, no flow", "dts_vibe", model=_NO_FLOW, use=True),
        Variant("DTS-VIBE, flow", "dts_vibe", model=_GRID, use=True),
        Variant("DTS-VIBE, GRU", "dts_vibe", model=_GRID + 'dts_vibe.temporal = "gru"\n', use=True),
        Variant(
            "DTS-VIBE, flow, longer", "dts_vibe_refine", model=_GRID, weights="flow = 0.0\n", after="DTS-VIBE, flow"
        ),
        Variant("DTS-VIBE, flow and its loss", "dts_vibe_refine", model=_GRID, after="DTS-VIBE, flow"),
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


def run_name(variant: str, seed: int) -> str:
    """The folder of a run."""
    return f"{''.join(letter if letter.isalnum() else '_' for letter in variant)}-{seed}"


def train(folder: Path, variant: Variant, seed: int, size: Size) -> None:
    """Trains one variant with one seed, with one thread, or goes on with it."""
    name, model, epochs, rate = run_name(variant.name, seed), variant.model, size.epochs, size.rate
    if variant.after:
        model += f'start = "{run_name(variant.after, seed)}/last.pt"\n'
        epochs, rate = max(1, epochs // 2), rate / 5
    text = _RUN.format(
        preset=variant.preset, name=name, motion='"../motion.clips"' if variant.use else "", model=model,
        weights=variant.weights, discriminator=variant.discriminator, use=str(variant.use).lower(), seed=seed,
        hidden=size.hidden, epochs=epochs, iterations=size.iterations, rate=rate,
    )  # fmt: skip
    run(folder / f"{name}.toml", text)


def run(file: Path, text: str) -> None:
    """One ``vibe train``."""
    done_as = file.parent / file.stem / "done.toml"
    if done_as.is_file() and done_as.read_text(encoding="utf-8") == text:
        return
    file.write_text(text, encoding="utf-8")
    one = "import sys, torch; torch.set_num_threads(1); from backend.__main__ import main; sys.exit(main(sys.argv[1:]))"
    done = subprocess.run(
        [sys.executable, "-c", one, "train", str(file)], cwd=REPOSITORY, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise SystemExit(f"{file}: {done.stderr[-2000:]}")
    done_as.write_text(text, encoding="utf-8")
    print(file.stem, *done.stderr.strip().splitlines()[-1:], flush=True)


def poses_of(network: Generator, archive: ClipArchive) -> Tensor:
    """(N, 16, 69) what a network says of all whole windows of an archive, as discriminators see it."""
    parts = []
    for sequence in archive.sequences:
        count = sequence.count // FRAMES * FRAMES
        rows = slice(sequence.first, sequence.first + count)
        if not count:
            continue
        features = torch.from_numpy(np.array(archive.column("features")[rows], np.float32))
        flow = None
        if reads_flow(network):
            flow = torch.from_numpy(np.array(archive.column("flow")[rows], np.float32))
        with torch.inference_mode():
            parts.append(body_pose(bodies_of(network, features, flow, FRAMES)).unflatten(0, (-1, FRAMES)))
    return torch.cat(parts).clone()


def real_poses(path: Path, overlap: float = 0.0) -> Tensor:
    """(N, 16, 69) all windows of an archive as they are labelled."""
    windows = Windows([open_archive(path)], FRAMES, overlap=overlap, needs=("rotations",))
    dataset = MotionDataset(windows)
    return torch.stack([dataset[number] for number in range(len(dataset))])


def new_judge(real: Tensor, made_up: list[Tensor], seed: int, steps: int = 600) -> MotionDiscriminator:
    """A discriminator that tells real motion from made-up motion, each network's share of it being the same."""
    torch.manual_seed(seed)
    judge = MotionDiscriminator("average_max", 128).train()
    optimiser = torch.optim.Adam(judge.parameters(), lr=3e-4, weight_decay=1e-4)
    for step in range(steps):
        one = made_up[step % len(made_up)]
        some = real[torch.randint(len(real), (32,))], one[torch.randint(len(one), (32,))]
        score = judge(torch.cat(some)).score
        loss = ((score[:32] - 1.0) ** 2).mean() + (score[32:] ** 2).mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    return judge.eval()


@dataclass(frozen=True)
class Row:
    """What a variant came to, by seed."""

    name: str
    pa_mpjpe_mm: list[float]
    mpjpe_mm: list[float]
    acceleration_error: list[float]
    acceleration: list[float]
    realism: list[float]


def report(folder: Path, variants: Sequence[Variant], seeds: int) -> None:
    """Measures all runs and writes what they came to."""
    body, device = open_body("mannequin", "", folder), torch.device("cpu")
    training, validation = open_archive(folder.parent / "train.clips"), open_archive(folder.parent / "validation.clips")
    networks = {
        (variant, seed): read_own(folder / run_name(variant.name, seed) / "last.pt").network
        for variant in variants
        for seed in range(seeds)
    }
    real, held = real_poses(folder.parent / "motion.clips", 0.75), real_poses(folder.parent / "motion-held.clips")
    made_up = [poses_of(network, training) for network in networks.values()]
    judges = [new_judge(real, made_up, seed) for seed in range(3)]

    def realism(poses: Tensor) -> float:
        with torch.inference_mode():
            return float(np.mean([float(judge(poses).score.mean()) for judge in judges]))

    rows, sheets = [], []
    for variant in variants:
        row = Row(variant.name, [], [], [], [], [])
        for seed in range(seeds):
            network = networks[variant, seed]
            found = measure(network, body, [validation], FRAMES, device)
            assert found is not None
            row.pa_mpjpe_mm.append(found.mean.pa_mpjpe_mm)
            row.mpjpe_mm.append(found.mean.mpjpe_mm)
            row.acceleration_error.append(found.mean.acceleration_error_mm_per_frame2)
            row.acceleration.append(found.mean.acceleration_mm_per_frame2)
            row.realism.append(realism(poses_of(network, validation)))
            if seed == 0:
                sheets.append(draw_clip(found.samples[0].said, found.samples[0].true, every=3))
        rows.append(row)
    lines = [
        f"| {seeds} seeds: mean (spread) | PA-MPJPE mm | MPJPE mm | accel. error mm/frame^2 | own accel. | realism |",
        "|---|---|---|---|---|---|",
    ]
    for row in rows:
        values = (row.pa_mpjpe_mm, row.mpjpe_mm, row.acceleration_error, row.acceleration)
        cells = [f"{np.mean(some):.1f} ({np.std(some):.1f})" for some in values]
        lines.append(f"| {row.name} | {' | '.join(cells)} | {np.mean(row.realism):.2f} ({np.std(row.realism):.2f}) |")
    truth = real_poses(folder.parent / "validation.clips")
    lines.append(f"| real motion, held out |  |  |  |  | {realism(held):.2f} |")
    lines.append(f"| the true poses |  |  |  |  | {realism(truth):.2f} |")
    (folder / "table.md").write_text("\n".join(lines) + "\n", encoding="utf-8")
    (folder / "table.json").write_text(json.dumps([asdict(row) for row in rows], indent=2), encoding="utf-8")
    dots = [
        Dot(row.name, float(np.mean(row.pa_mpjpe_mm)), float(np.mean(row.acceleration_error)), True) for row in rows
    ]
    for name, picture in (("plot", plot({folder.name: dots})), ("poses", np.concatenate(sheets))):
        cv2.imencode(".png", picture[..., ::-1])[1].tofile(folder / f"{name}.png")
    print("\n".join(lines))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--study", choices=sorted(STUDIES), required=True)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--jobs", type=int, default=2)
    options = parser.parse_args()
    folder: Path = options.folder / options.study
    folder.mkdir(exist_ok=True)
    variants = STUDIES[options.study]
    for follow in (False, True):
        runs = [
            (variant, seed) for seed in range(options.seeds) for variant in variants if bool(variant.after) is follow
        ]
        with ThreadPoolExecutor(options.jobs) as pool:
            list(pool.map(lambda run: train(folder, *run, Size()), runs))
    report(folder, variants, options.seeds)


if __name__ == "__main__":
    main()
