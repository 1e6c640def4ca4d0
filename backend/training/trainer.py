# SPDX-License-Identifier: MIT
"""The training loop: a generator that says bodies of features, and a discriminator that knows how people move."""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import torch
from torch import Tensor, nn

from backend.networks.motion_discriminator import MotionDiscriminator
from vibe_blender.contract.errors import CaptureError

from .bodies import SkeletonBody, SmplBody
from .clips import ClipBatch
from .config import Training
from .curves import Curves
from .distributed import Place, anybody, together
from .feeding import Feed
from .losses import Losses, body_pose, generator_losses, told_apart
from .measuring import Measured, measure
from .networks import new_generator
from .state import Average, Parts, Progress, load_state, save_network, save_state, write_whole

STATE, BEST, LAST, FAILED = "state.pt", "best.pt", "last.pt", "failed_batch.pt"
_SAVE_STEPS = 100
_DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


@dataclass(frozen=True)
class Step:
    """What one step of learning found.

    Attributes:
        losses: the generator's.
        discriminator: the discriminator's loss, 0 without one.
        fooled: what the discriminator said of made-up motion on average, and of real motion.
    """

    losses: Losses
    discriminator: float
    fooled: tuple[float, float]


class Trainer:
    """One run: from a configuration to a network, through however many interruptions."""

    def __init__(self, settings: Training, folder: Path, device: torch.device, place: Place, feed: Feed) -> None:
        """Prepares a run, or goes on with one that is in the output folder.

        Args:
            settings: of the run.
            folder: that paths in the settings are from.
            device: where it learns.
            place: of this process among several.
            feed: its clips.

        Raises:
            CaptureError: as of ``new_generator`` and ``load_state``.
        """
        self.settings, self.device, self.place, self.feed = settings, device, place, feed
        self.output = folder / settings.output
        self.body: SmplBody | SkeletonBody = feed.body.to(device)
        # What a run is, whatever the machine: other settings are another run.
        self._identity = json.dumps(asdict(replace(settings, device="")), sort_keys=True)
        torch.manual_seed(settings.steps.seed)
        steps, learning = settings.steps, settings.discriminator
        generator = new_generator(settings.model, folder).train().to(device)
        judge = MotionDiscriminator(learning.pooling).train().to(device) if learning.use else None
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
        self.parts = Parts(
            generator, judge, Average(generator, steps.average), optimisers, schedules, scaler, Progress()
        )
        if (self.output / STATE).exists():
            load_state(self.output / STATE, self.parts, self._identity)
        self._generator = together(generator, place)
        self._judge = None if judge is None else together(judge, place)

    def run(self, curves: Curves) -> Measured | None:
        """Learns until the last epoch; what the best epoch measured.

        Args:
            curves: told of every step; it begins where the state does.

        Raises:
            CaptureError: ``diverged``, with the batch in the output folder.
        """
        best: Measured | None = None
        for epoch in range(self.parts.progress.epoch, self.settings.steps.epochs):
            for number, (clips, motion) in self.feed.batches(epoch, self.parts.progress.step):
                self._set_lots(epoch, number)
                found = self._step(clips, motion)
                curves.step(epoch, number, found)
                self.parts.progress = replace(self.parts.progress, epoch=epoch, step=number + 1)
                if (number + 1) % _SAVE_STEPS == 0:
                    self._save()
            measured = self._measured()
            better = measured is not None and self._note(measured)
            best = measured if better else best
            self.parts.progress = replace(self.parts.progress, epoch=epoch + 1, step=0)
            curves.epoch(epoch, measured, self.parts.optimisers[0].param_groups[0]["lr"])
            self._save(better=better)
        return best

    def _step(self, clips: ClipBatch, motion: Tensor | None) -> Step:
        """One step of the generator, then one of the discriminator (Kocabas et al. 2020, 3.1 and 3.2)."""
        clips = clips.to(self.device)
        with self._precision():
            said, _ = self._generator(clips.features)
        said = said.to(torch.float32)
        points = self.body(said.rotations, said.betas)
        poses = body_pose(said)
        with self._frozen_judge() as judge:
            judged = None if judge is None else judge(poses)
            losses = generator_losses(said, points, self.body.valid, clips, judged, self.settings.weights)
            self._learn(0, losses.total, self.parts.generator, clips)
        if self._judge is None or motion is None:
            return Step(losses, 0.0, (0.0, 0.0))
        real, made_up = self._judge(motion.to(self.device)), self._judge(poses.detach())
        apart = told_apart(real, made_up)
        self._learn(1, apart, self.parts.discriminator, clips)
        return Step(losses, float(apart.detach()), (float(made_up.score.mean()), float(real.score.mean())))

    def _learn(self, which: int, loss: Tensor, network: nn.Module | None, clips: ClipBatch) -> None:
        """Moves a network's weights down a loss's gradient."""
        assert network is not None
        optimiser, scaler = self.parts.optimisers[which], self.parts.scaler
        if anybody(not bool(torch.isfinite(loss))):
            write_whole(self.output / f"{self.place.rank}_{FAILED}", {"version": 1, "batch": clips.tensors()})
            raise CaptureError(
                "diverged",
                "Learning has diverged: a loss is no number any more.",
                f"Lower steps.rate, or set steps.clip to 1; the batch is in {self.output / FAILED}.",
            )
        optimiser.zero_grad(set_to_none=True)
        scaler.scale(loss).backward()
        if self.settings.steps.clip:
            scaler.unscale_(optimiser)
            nn.utils.clip_grad_norm_(network.parameters(), self.settings.steps.clip)
        scaler.step(optimiser)
        if which == len(self.parts.optimisers) - 1:
            scaler.update()
        if which == 0:
            self.parts.average.follow(network)

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
        network, own = self.parts.generator, {k: v.clone() for k, v in self.parts.generator.state_dict().items()}
        network.load_state_dict(self.parts.average.values)
        try:
            return measure(network.eval(), self.body, self.feed.validation, self.settings.data.frames, self.device)
        finally:
            network.load_state_dict(own)
            network.train()

    def _note(self, measured: Measured) -> bool:
        """Lowers rates where nothing gets better; whether this epoch is the best one so far."""
        error = getattr(measured.mean, self.settings.steps.watch)
        for schedule in self.parts.schedules:
            schedule.step(error)
        progress = self.parts.progress
        better = error < progress.best
        self.parts.progress = replace(
            progress, best=min(error, progress.best), stale=0 if better else progress.stale + 1
        )
        return better

    def _save(self, *, better: bool = False) -> None:
        if not self.place.leads:
            return
        save_state(self.output / STATE, self.parts, self._identity)
        for name in (LAST, BEST) if better else (LAST,):
            save_network(self.output / name, self.parts.average.values, self.settings.model.encoder, self._identity)
