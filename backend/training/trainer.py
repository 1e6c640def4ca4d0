# SPDX-License-Identifier: MIT
"""The training loop: a generator that says bodies of features, and a discriminator that knows how people move."""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path

import torch
from torch import Tensor, nn

from backend.networks.motion_discriminator import Judged, MotionDiscriminator
from backend.networks.regressor import Regressed
from backend.own_networks import Generator, save_own, write_whole
from vibe_blender.contract.console import Console
from vibe_blender.contract.errors import CaptureError
from vibe_blender.contract.file_lock import FileLock

from .clips import ClipBatch
from .config import Training, read_training
from .curves import Curves
from .distributed import Place, anybody, device_of, joined, own_place, shared_mean, together
from .feeding import Feed
from .losses import Losses, body_pose, generator_losses, told_apart
from .measuring import Measured, measure
from .networks import inputs_of, new_generator, spoken_of
from .state import Average, Parts, Progress, load_state, save_state

STATE, BEST, LAST, FAILED = "state.pt", "best.pt", "last.pt", "failed_batch.pt"
_DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


@dataclass(frozen=True)
class Step:
    """What one step of learning found, the mean over all processes.

    Attributes:
        losses: the generator's, weighted, by name; ``total`` is their sum.
        discriminator: the discriminator's loss; None without one.
        made_up, real: what the discriminator said of made-up motion on average, and of real motion.
    """

    losses: dict[str, float]
    discriminator: float | None = None
    made_up: float | None = None
    real: float | None = None


class Trainer:
    """One run: from a configuration to a network, through however many interruptions.

    Attributes:
        parts: what changes while it learns.
    """

    def __init__(self, settings: Training, folder: Path, device: torch.device, place: Place, feed: Feed) -> None:
        """Prepares a run, or goes on with one that is in the output folder.

        Args:
            settings: of the run.
            folder: that paths in the settings are from.
            device: where it learns.
            place: of this process among several.
            feed: its clips.

        Raises:
            CaptureError: as of ``new_generator`` and ``load_state``; ``bad_setting`` for half precision on a CPU.
        """
        if settings.steps.precision != "float32" and device.type == "cpu":
            raise CaptureError(
                "bad_setting", f"steps.precision {settings.steps.precision} needs a GPU.", 'Set it to "float32".'
            )
        self.settings, self.device, self.place, self.feed = settings, device, place, feed
        self.output = folder / settings.output
        self.body, self.encoder = feed.body.to(device), None if feed.encoder is None else feed.encoder.to(device)
        self._identity = _identity(settings)
        torch.manual_seed(settings.steps.seed)
        generator = new_generator(settings.model, folder, feed.features).train().to(device)
        learning = settings.discriminator
        judge = MotionDiscriminator(learning.pooling, learning.hidden).train().to(device) if learning.use else None
        self.parts = _parts(settings, generator, judge, device)
        if (self.output / STATE).exists():
            load_state(self.output / STATE, self.parts, self._identity)
        self._generator = together(generator, place)
        self._judge = None if judge is None else together(judge, place)

    def run(self, curves: Curves) -> None:
        """Learns until the last epoch.

        Args:
            curves: told of every step; they begin where the state does.

        Raises:
            CaptureError: ``diverged``, with the batch in the output folder.
        """
        for epoch in range(self.parts.progress.epoch, self.settings.steps.epochs):
            for number, clips, motion in self.feed.batches(epoch, self.parts.progress.step):
                self._set_lots(epoch, number)
                found = self.step(clips, motion)
                curves.step(epoch, number, found)
                self.parts.progress = replace(self.parts.progress, epoch=epoch, step=number + 1)
                if (number + 1) % self.settings.steps.save_every == 0:
                    self._save()
            measured = self._measured()
            better = measured is not None and self._note(measured)
            self.parts.progress = replace(self.parts.progress, epoch=epoch + 1, step=0)
            curves.epoch(epoch, measured, self.parts.optimisers[0].param_groups[0]["lr"], self.feed.take_times())
            self._save(better=better)

    def step(self, clips: ClipBatch, motion: Tensor | None) -> Step:
        """One step of the generator, then one of the discriminator (Kocabas et al. 2020, 3.1 and 3.2).

        Args:
            clips: of this process.
            motion: (N, T, 69) real motion; None where there is no discriminator.

        Raises:
            CaptureError: ``diverged``.
        """
        clips = clips.to(self.device)
        with self._precision():
            said, _ = self._generator(*inputs_of(clips, self.encoder, self.parts.generator))
        labels = spoken_of(clips, self.parts.generator)
        said = Regressed(*(_single(part) for part in (said.rotations, said.betas, said.camera)))
        points, poses = self.body(said.rotations, said.betas), body_pose(said)
        with self._frozen_judge() as judge:
            judged = None if judge is None else judge(poses)
            losses = generator_losses(said, points, self.body.valid, labels, judged, self.settings.weights)
            self._learn(0, losses.total, self.parts.generator, clips, motion)
        self.parts.average.follow(self.parts.generator)
        if self._judge is None or motion is None:
            self.parts.scaler.update()
            return Step(_shared(losses))
        # Both at once: what several processes learn together, each of them runs once a step.
        both = self._judge(torch.cat([motion.to(self.device), poses.detach()]))
        real, made_up = Judged(both.score[: len(motion)], None), Judged(both.score[len(motion) :], None)
        apart = told_apart(real, made_up)
        self._learn(1, apart, self.parts.discriminator, clips, motion)
        self.parts.scaler.update()
        means = [float(shared_mean(value)) for value in (apart, made_up.score.mean(), real.score.mean())]
        return Step(_shared(losses), *means)

    def _learn(
        self, which: int, loss: Tensor, network: nn.Module | None, clips: ClipBatch, motion: Tensor | None
    ) -> None:
        """Moves a network's weights down a loss's gradient."""
        assert network is not None
        optimiser, scaler, longest = self.parts.optimisers[which], self.parts.scaler, self.settings.steps.clip
        optimiser.zero_grad(set_to_none=True)
        scaler.scale(loss).backward()
        scaler.unscale_(optimiser)
        length = nn.utils.get_total_norm([value.grad for value in network.parameters() if value.grad is not None])
        # Scaled gradients may be too large for half precision: then the scaler leaves the step out.
        lost = ~torch.isfinite(loss.detach()) | (~torch.isfinite(length) & (not scaler.is_enabled()))
        if anybody(lost):
            self._give_up(clips, motion)
        if longest:
            nn.utils.clip_grads_with_norm_(network.parameters(), longest, length)
        scaler.step(optimiser)

    def _give_up(self, clips: ClipBatch, motion: Tensor | None) -> None:
        """Keeps what was learned from when numbers were lost."""
        path = self.output / (f"{self.place.rank}_{FAILED}" if self.place.world > 1 else FAILED)
        batch = clips.tensors() if motion is None else {**clips.tensors(), "motion": motion}
        progress = self.parts.progress
        write_whole(path, {"version": 1, "epoch": progress.epoch, "step": progress.step, "batch": batch})
        raise CaptureError(
            "diverged",
            f"Learning has diverged in epoch {progress.epoch}, step {progress.step}: a loss or its gradient is no "
            "number.",
            f"Lower steps.rate, or set steps.clip to 1, in another output folder; the batch is in {path}.",
        )

    @contextlib.contextmanager
    def _frozen_judge(self) -> Iterator[nn.Module | None]:
        """The discriminator for the generator's step: gradients pass through it and leave it alone."""
        judge = self.parts.discriminator
        if judge is None or self.settings.weights.adversarial == 0.0:
            yield None
            return
        judge.requires_grad_(False)
        try:
            yield judge
        finally:
            judge.requires_grad_(True)

    def _precision(self) -> contextlib.AbstractContextManager[object]:
        precision = self.settings.steps.precision
        return torch.autocast(self.device.type, _DTYPES[precision], enabled=precision != "float32")

    def _set_lots(self, epoch: int, step: int) -> None:
        """Makes what dropout draws in a step a function of the step, so that a resumed run draws the same."""
        text = f"{self.settings.steps.seed} {epoch} {step} {self.place.rank}"
        torch.manual_seed(int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1)

    def _measured(self) -> Measured | None:
        """How good the averaged network is on the archives for validation; None where there are none."""
        network = self.parts.generator
        with self.parts.average.instead_of(network):
            network.eval()
            try:
                length = self.settings.data.frames
                return measure(network, self.body, self.feed.validation, length, self.device, encoder=self.encoder)
            finally:
                network.train()

    def _note(self, measured: Measured) -> bool:
        """Lowers rates where nothing gets better; whether this epoch is the best one so far."""
        error = getattr(measured.mean, f"{self.settings.steps.watch}_mm")
        if self.place.world > 1:  # rounding must not make processes disagree about the rate
            error = float(shared_mean(torch.tensor(error, dtype=torch.float64, device=self.device)))
        for schedule in self.parts.schedules:
            schedule.step(error)
        progress = self.parts.progress
        better = error < progress.best
        stale = 0 if better else progress.stale + 1
        self.parts.progress = replace(progress, best=min(progress.best, error), stale=stale)
        return better

    def _save(self, *, better: bool = False) -> None:
        """Writes the networks first: who is killed before the state is written measures, and writes them, again."""
        if not self.place.leads:
            return
        progress = self.parts.progress
        if progress.step == 0:
            for name in (LAST, BEST) if better else (LAST,):
                save_own(
                    self.output / name, self.parts.average.values, self.settings.model.architecture,
                    self.feed.features, self.settings.data.frames, self._identity,
                )  # fmt: skip
        save_state(self.output / STATE, self.parts, self._identity)


@dataclass(frozen=True)
class Trained:
    """What a run came to.

    Attributes:
        network: file of the network: the best one, or without archives for validation the last one.
        error_mm: what was watched, of the best network; infinite where nothing was measured.
    """

    network: Path
    error_mm: float


def train(path: Path, console: Console) -> Trained | None:
    """Trains what a TOML file describes, or goes on with it; under ``torchrun`` as one of several processes.

    What it came to is said by the process that leads, None by the others.

    Args:
        path: of the file.
        console: shows how far it is, in the process that leads.

    Raises:
        CaptureError: as of ``read_training``, ``Feed`` and ``Trainer``; ``run_busy``.
    """
    settings, folder = read_training(path), path.parent
    own = own_place() or Place()
    device = device_of(settings.device, own.local)
    output = folder / settings.output
    output.mkdir(parents=True, exist_ok=True)
    with joined(device) as place, _alone(output, place):
        feed = Feed(settings, folder, place, pin=device.type == "cuda")
        trainer = Trainer(settings, folder, device, place, feed)
        steps = (settings.steps.epochs, settings.steps.iterations)
        curves = Curves(output, trainer.parts.progress, steps, console if place.leads else None)
        try:
            trainer.run(curves)
        finally:
            curves.close()
        if not place.leads:
            return None
        return Trained(output / (BEST if (output / BEST).exists() else LAST), trainer.parts.progress.best)


@contextlib.contextmanager
def _alone(output: Path, place: Place) -> Iterator[None]:
    """While it lasts, no other run writes into the folder."""
    if not place.leads:
        yield
        return
    try:
        lock = FileLock(output / "run.lock")
    except BlockingIOError as error:
        raise CaptureError(
            "run_busy", f"Another run writes into {output}.", "Let it end, or choose another output folder."
        ) from error
    with lock:
        yield


def _parts(settings: Training, generator: Generator, judge: MotionDiscriminator | None, device: torch.device) -> Parts:
    """Everything of a run that changes, before its first step."""
    steps, learning = settings.steps, settings.discriminator
    optimisers: list[torch.optim.Optimizer] = [
        torch.optim.Adam(generator.parameters(), lr=steps.rate, weight_decay=steps.decay)
    ]
    if judge is not None:
        optimisers.append(torch.optim.Adam(judge.parameters(), lr=learning.rate, weight_decay=learning.decay))
    schedules = [
        torch.optim.lr_scheduler.ReduceLROnPlateau(optimiser, factor=steps.factor, patience=steps.patience)
        for optimiser in optimisers
    ]
    scaler = torch.amp.GradScaler(device.type, enabled=steps.precision == "float16")
    return Parts(generator, judge, Average(generator, steps.average), optimisers, schedules, scaler, Progress())


def _identity(settings: Training) -> str:
    """What a run is, as text, whatever the machine and however long it is to go on: other settings are another run."""
    steps = replace(settings.steps, epochs=1, workers=0, save_every=1)
    return json.dumps(asdict(replace(settings, output="", device="", steps=steps)), sort_keys=True)


def _single(values: Tensor) -> Tensor:
    """Values in at least single precision."""
    return values.to(torch.promote_types(values.dtype, torch.float32))


def _shared(losses: Losses) -> dict[str, float]:
    """The weighted losses and their total as numbers, the mean over all processes."""
    names = [item.name for item in fields(losses)]
    values = shared_mean(torch.stack([getattr(losses, name) for name in names])).tolist()
    return {**dict(zip(names, values, strict=True)), "total": sum(values)}
