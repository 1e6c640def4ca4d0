# SPDX-License-Identifier: MIT
"""Prints what the choices that DTS-VIBE's paper leaves open are worth, and what its flow loss is at the truth.

    python tests/benchmarks/dts_vibe_choices.py ARCHIVE [--part choices|flow] [--steps 500] [--seeds 2] [--windows 12]

ARCHIVE is a clip archive of rendered people with features and flow (docs/training.md says how one is made);
``choices`` reads its features and rotations, ``flow`` its boxes, 2D joints and flow.

``choices`` trains a small network without flow once for each choice and seed, on one thread, to say the rotations of
windows of 16 frames, and measures it on 40 sequences that it has not learned from: the mean squared error of the
entries of rotation matrices, and how far the matrices' second differences from frame to frame are off, both times 1000.
500 steps take about 40 seconds a row and seed. ``flow`` trains nothing: it takes the true joints of the first 16 frames
of some sequences for what a network says, as they are and shaking independently, and asks the loss.
"""

from __future__ import annotations

import argparse
import sys
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any
from unittest import mock

import numpy as np
import torch
from torch import Tensor, nn

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from backend.body.axis_angles import matrices_from_axis_angles
from backend.body.rotation6d import matrices_from_6d
from backend.networks import dts_vibe, transformer
from backend.networks.dts_vibe import DtsVibe, TransformerRegressor
from backend.networks.regressor import Regressed
from backend.person_crops import SIDE_PX, enlarged, square_around
from backend.training.archive import ClipArchive, Sequence, open_archive
from backend.training.flow_loss import flow_loss, traced_back

FRAMES, WIDTH, BATCH, RATE = 16, 64, 16, 5e-4
HELD_OUT = 40
BODY_PARTS = (144, 10, 3)
SHAKES_PX = (1, 2, 4, 8)
PERCENTILES = (50, 95, 99, 99.5)


class FineAlone(TransformerRegressor):
    """The fine body does not start from the coarse one, but from the mean body as that does."""

    def forward(self, frames: Tensor) -> tuple[Regressed, Tensor]:
        """As of the class that is replaced."""
        mean = torch.cat([self.init_pose, self.init_shape, self.init_cam], dim=-1)
        inner, maps = self.transformer(self.widen(mean + self.coarse(frames)))
        pose, betas, camera = (mean + self.fine(inner)).split(BODY_PARTS, dim=-1)
        return Regressed(matrices_from_6d(pose.unflatten(-1, (24, 6))), betas, camera), maps


class Padded(TransformerRegressor):
    """Three zeros behind the 157 numbers, so that four heads can share them, and no layer that widens."""

    def __init__(self, width: int) -> None:
        nn.Module.__init__(self)  # and not the regressor's, whose layers are wider
        body = sum(BODY_PARTS)
        self.coarse = nn.Linear(width, body)
        self.widen = nn.ConstantPad1d((0, 3), 0.0)  # type: ignore[assignment]
        self.transformer = transformer.Transformer(body + 3, layers=3, heads=4)
        self.fine = nn.Linear(body + 3, body)
        for layer in (self.coarse, self.fine):
            nn.init.xavier_uniform_(layer.weight, gain=0.01)
            nn.init.zeros_(layer.bias)
        for name, count in zip(("init_pose", "init_shape", "init_cam"), BODY_PARTS, strict=True):
            self.register_buffer(name, torch.zeros(1, count))


class NormalisedAfter(transformer.Block):
    """Vaswani's own order: what either half of a block adds is normalised together with what came in."""

    def forward(self, frames: Tensor) -> tuple[Tensor, Tensor]:
        """As of the class that is replaced."""
        seen, weights = self.attention(frames)
        frames = self.before_attention(frames + self.dropout(seen))
        return self.before_layers(frames + self.dropout(self.layers(frames))), weights


def no_positions(count: int, width: int) -> Tensor:
    """(count, width) zeros: no frame is told its place."""
    return torch.zeros(count, width)


@dataclass(frozen=True)
class Choice:
    """Something decided otherwise.

    Attributes:
        name: in the table.
        module, attribute, value: what is replaced, where the networks look it up; of no name where nothing is.
        mean_start: whether regression starts from the mean body of what is learned from, or else from zeros.
    """

    name: str
    module: ModuleType = transformer
    attribute: str = ""
    value: Any = None
    mean_start: bool = True


CHOICES = (
    Choice("as decided"),
    Choice("fine without coarse", dts_vibe, "TransformerRegressor", FineAlone),
    Choice("starts from zeros", mean_start=False),
    Choice("padded to 160", dts_vibe, "TransformerRegressor", Padded),
    Choice("no positions", transformer, "positions", no_positions),
    Choice("inner width 2 times", transformer, "FFN_TIMES", 2),
    Choice("inner width once", transformer, "FFN_TIMES", 1),
    Choice("no dropout", transformer, "DROPOUT", 0.0),
    Choice("dropout 0.3", transformer, "DROPOUT", 0.3),
    Choice("normalised after", transformer, "Block", NormalisedAfter),
)


@dataclass(frozen=True)
class Clips:
    """What is learned from and what is measured on.

    Attributes:
        features: (F, 2048) of all frames of the archive.
        rotations: (F, 24, 3, 3) of the joints, each in its parent's frame, the first in the camera's.
        training: sequences that are learned from.
        held_out: (40, 16) frames of sequences that are not.
    """

    features: Tensor
    rotations: Tensor
    training: tuple[Sequence, ...]
    held_out: Tensor

    def mean(self) -> Tensor:
        """(24, 3, 3) the mean of the matrices that are learned from."""
        return torch.cat([self.rotations[s.first : s.first + s.count] for s in self.training]).mean(dim=0)


def long_sequences(archive: ClipArchive, needs: set[str], count: int) -> list[Sequence]:
    """Those of 16 frames or more with all columns; ends the program where there are fewer than ``count``."""
    found = [s for s in archive.sequences if s.count >= FRAMES and needs <= set(s.columns)]
    if len(found) < count:
        columns = ", ".join(sorted(needs))
        raise SystemExit(f"{archive.folder} has {len(found)} sequences of 16 frames with {columns}: {count} are needed")
    return found


def read_clips(archive: ClipArchive) -> Clips:
    """An archive's clips, 40 sequences of them held out, always the same."""
    sequences = long_sequences(archive, {"features", "rotations"}, HELD_OUT + 1)
    order = np.random.default_rng(0).permutation(len(sequences))
    held_out = torch.tensor([sequences[number].first for number in order[:HELD_OUT]])
    features, axes = (torch.from_numpy(archive.column(n).astype(np.float32)) for n in ("features", "rotations"))
    return Clips(
        features,
        matrices_from_axis_angles(axes),
        tuple(sequences[number] for number in order[HELD_OUT:]),
        held_out[:, None] + torch.arange(FRAMES),
    )


def batch(clips: Clips, draws: np.random.Generator) -> Tensor:
    """(16, 16) the frames of windows, each anywhere in a sequence, whatever its length."""
    some = [clips.training[number] for number in draws.integers(0, len(clips.training), BATCH)]
    firsts = torch.tensor([s.first + int(draws.integers(0, s.count - FRAMES + 1)) for s in some])
    return firsts[:, None] + torch.arange(FRAMES)


def train(clips: Clips, seed: int, steps: int, *, mean_start: bool) -> DtsVibe:
    """A network that has learned rotations, at a rate that falls in the second half."""
    torch.manual_seed(seed)
    network = DtsVibe(WIDTH, flow="none").train()
    if mean_start:
        network.regressor.init_pose.copy_(clips.mean()[..., :2].reshape(1, -1))
    optimiser, draws = torch.optim.Adam(network.parameters(), RATE), np.random.default_rng(seed)
    for step in range(steps):
        for group in optimiser.param_groups:
            group["lr"] = RATE * min(1.0, 2.0 - 2.0 * step / steps)
        rows = batch(clips, draws)
        loss = ((network(clips.features[rows])[0].rotations - clips.rotations[rows]) ** 2).mean()
        optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimiser.step()
    return network.eval()


def second_differences(rotations: Tensor) -> Tensor:
    """(N, T-2, ...) of (N, T, ...)."""
    return rotations[:, 2:] - 2.0 * rotations[:, 1:-1] + rotations[:, :-2]


def errors(said: Tensor, true: Tensor) -> tuple[float, float]:
    """Of rotations (N, T, 24, 3, 3), and of their second differences, both times 1000."""
    apart = second_differences(said) - second_differences(true)
    return 1e3 * float(((said - true) ** 2).mean()), 1e3 * float(apart.norm(dim=(-1, -2)).mean())


def run(choice: Choice, clips: Clips, seed: int, steps: int) -> tuple[float, float]:
    """Errors of a network in which one thing is decided otherwise, on what was held out."""
    replaced = mock.patch.object(choice.module, choice.attribute, choice.value) if choice.attribute else nullcontext()
    with replaced:  # while it runs, too: positions are made anew each time
        network = train(clips, seed, steps, mean_start=choice.mean_start)
        with torch.inference_mode():
            said = network(clips.features[clips.held_out])[0].rotations
    return errors(said, clips.rotations[clips.held_out])


def print_choices(archive: ClipArchive, seeds: int, steps: int) -> None:
    """The table of choices."""
    clips = read_clips(archive)
    true = clips.rotations[clips.held_out]
    print(f"{len(clips.features)} frames, {steps} steps, error by seed; the mean body has", end=" ")
    print(f"{errors(clips.mean().expand_as(true), true)[0]:.1f}\n\n| | error | second differences |\n|---|---|---|")
    for choice in CHOICES:
        found = zip(*(run(choice, clips, seed, steps) for seed in range(seeds)), strict=True)
        print(f"| {choice.name} |", " | ".join(", ".join(f"{value:.1f}" for value in some) for some in found), "|")
        sys.stdout.flush()
    print()


@dataclass(frozen=True)
class Moving:
    """A window of a sequence as the flow loss sees it.

    Attributes:
        joints: (1, 16, J, 2) the true ones, in each frame's crop, -1..1.
        flow: (1, 16, 2, 56, 56) pixels of the crop, back to the frame before; zeros in the first frame.
        boxes: (1, 16, 4) what the crops show, pixels of the video.
        weights: (1, 16, J) 1 where a joint is labelled.
    """

    joints: Tensor
    flow: Tensor
    boxes: Tensor
    weights: Tensor


def read_window(archive: ClipArchive, sequence: Sequence) -> Moving:
    """The first 16 frames of a sequence."""
    rows = slice(sequence.first, sequence.first + FRAMES)
    boxes, labels, flow = (archive.column(name)[rows].astype(float) for name in ("boxes", "joints2d", "flow"))
    shown = enlarged(np.stack([square_around(box) for box in boxes]))
    halves = np.where(shown[:, None, 2:] > 0, shown[:, None, 2:] / 2.0, 1.0)  # the loss leaves frames without a box out
    joints = (labels[..., :2] - shown[:, None, :2]) / halves
    return Moving(*(torch.from_numpy(some)[None] for some in (joints, flow, shown, (labels[..., 2] > 0).astype(float))))


def losses(window: Moving) -> list[float]:
    """The flow loss of the true joints, of them with the flow reversed, and of them when they shake."""
    noise, pixel = torch.Generator().manual_seed(1), 2.0 / SIDE_PX
    shaken = [
        window.joints + by * pixel * torch.randn(window.joints.shape, generator=noise, dtype=window.joints.dtype)
        for by in SHAKES_PX
    ]
    cases = [(window.joints, window.flow), (window.joints, -window.flow), *((some, window.flow) for some in shaken)]
    return [float(flow_loss(joints, flow, window.boxes, window.weights)) for joints, flow in cases]


def joints_flow(window: Moving) -> np.ndarray:
    """(K,) pixels of the crop: how far the flow moves what is at joints that are labelled and in the crop."""
    moved = (traced_back(window.joints, window.flow) - window.joints[:, 1:]).norm(dim=-1) * SIDE_PX / 2.0
    inside = (window.joints[:, 1:].abs() <= 1.0).all(dim=-1) & (window.weights[:, 1:] > 0)
    return moved[inside].numpy()


def print_flow(archive: ClipArchive, count: int) -> None:
    """The table of the flow loss."""
    sequences = long_sequences(archive, {"boxes", "joints2d", "flow"}, count)
    some = np.random.default_rng(0).choice(len(sequences), count, replace=False)
    windows = [read_window(archive, sequences[number]) for number in some]
    found = np.array([losses(window) for window in windows])
    print(f"The flow loss, {count} windows of {FRAMES} frames\n")
    print("| joints | median | its root, px | mean | largest |\n|---|---|---|---|---|")
    names = ["true", "true, flow reversed", *(f"shaking by {by} px" for by in SHAKES_PX)]
    for name, values in zip(names, found.T, strict=True):
        median, mean, largest = np.median(values), values.mean(), values.max()
        print(f"| {name} | {median:.1e} | {np.sqrt(median) * SIDE_PX / 2:.1f} | {mean:.1e} | {largest:.1e} |")
    lengths = np.concatenate([joints_flow(window) for window in windows])
    percentiles = zip(PERCENTILES, np.percentile(lengths, PERCENTILES), strict=True)
    print("\nFlow at joints, px of the crop:", ", ".join(f"{share} % less than {px:.1f}" for share, px in percentiles))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("archive", type=Path)
    parser.add_argument("--part", choices=("choices", "flow"), help="one of the two tables; both without it")
    parser.add_argument("--steps", type=int, default=500, help="that each network learns for")
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--windows", type=int, default=12, help="that the flow loss is asked about")
    options = parser.parse_args()
    torch.set_num_threads(1)
    archive = open_archive(options.archive)
    if options.part != "flow":
        print_choices(archive, options.seeds, options.steps)
    if options.part != "choices":
        print_flow(archive, options.windows)


if __name__ == "__main__":
    main()
