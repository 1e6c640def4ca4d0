# SPDX-License-Identifier: MIT
"""What a run learns from: archives by the names in its settings, as batches that begin at any step."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from torch import Tensor

from backend.checkpoints import load_image_encoder
from backend.person_crops import Features
from vibe_blender.contract.errors import CaptureError

from .archive import ClipArchive, open_archive
from .augment import NONE, Augmentation
from .bodies import open_body
from .clips import ClipBatch, ClipDataset, MotionDataset, needs
from .config import Training
from .distributed import Place
from .measuring import windows_to_measure
from .mixing import MixedDataset, MixedSampler, new_loader, shares_of
from .windows import Windows

_SHORTEST_MOTION = 60
"""Frames of a motion that is learned from, once it is thinned (A.1.14 of our notes: VIBE's AMASS)."""


class Feed:
    """Batches of a run, the archives that it is measured on, and what body they are about.

    Attributes:
        body: that losses and measures are about.
        encoder: the fixed image network where pictures are learned from, else None.
        validation: archives to measure on.
        features: of which image network clips have them, or would have.
    """

    features: Features

    def __init__(self, settings: Training, folder: Path, place: Place, *, pin: bool = False) -> None:
        """Opens everything.

        Args:
            settings: of the run.
            folder: that paths in the settings are from.
            place: of this process among several.
            pin: batches come in memory that a GPU copies from while it computes.

        Raises:
            CaptureError: ``bad_setting``; as of ``open_archive``, ``Windows``, ``open_body``, ``load_image_encoder``.
        """
        data, steps = settings.data, settings.steps
        if settings.discriminator.use and not data.motion:
            raise CaptureError(
                "bad_setting", "A discriminator needs real motion.", "Name archives in data.motion, or do without it."
            )
        self.body = open_body(settings.model.body, settings.model.body_files, folder)
        self.encoder = load_image_encoder(folder / settings.model.spin) if data.pictures else None
        self.validation = _opened(folder, data.validation)
        for archive in self.validation:  # better told now than after an epoch
            windows_to_measure(archive, data.frames, pictures=data.pictures, flow=settings.needs_flow)
        augmentation = Augmentation() if data.augment else NONE

        def clips(names: tuple[str, ...], number: int) -> ClipDataset | None:
            if not names:
                return None
            columns = needs(data.pictures, settings.needs_flow)
            windows = Windows(_opened(folder, names), data.frames, overlap=data.overlap, needs=columns)
            return ClipDataset(
                windows, pictures=data.pictures, flow=settings.needs_flow, augmentation=augmentation,
                seed=3 * steps.seed + number,
            )  # fmt: skip

        motion = None
        if settings.discriminator.use:
            archives = _opened(folder, data.motion)
            windows = Windows(
                archives, data.frames, fps=data.motion_fps, shortest=_SHORTEST_MOTION, needs=("rotations",)
            )
            motion = MotionDataset(windows)
        two_d, three_d = clips(data.two_d, 0), clips(data.three_d, 1)
        self.features = "spin" if data.pictures else _features_of(
            [*self.validation, *(archive for part in (two_d, three_d) if part for archive in part.windows.archives)]
        )  # fmt: skip
        dataset = MixedDataset(two_d, three_d, motion)
        shares = shares_of(
            steps.batch, data.share_2d, two_d=bool(data.two_d), three_d=bool(data.three_d), motion=motion is not None
        )
        self._sampler = MixedSampler(
            dataset.counts, shares, steps.iterations, steps.seed, rank=place.rank, world_size=place.world
        )
        self._loader = new_loader(dataset, self._sampler, workers=steps.workers, pin=pin)
        self._waited_s = self._learned_s = 0.0

    def batches(self, epoch: int, step: int) -> Iterator[tuple[int, ClipBatch, Tensor | None]]:
        """The batches of an epoch from a step on: the step's number, clips, and (N, T, 69) real motion."""
        self._sampler.begin(epoch, step)
        asked = time.perf_counter()
        for number, (clips, motion) in enumerate(self._loader, start=step):
            given = time.perf_counter()
            yield number, clips, motion
            done = time.perf_counter()
            self._waited_s, self._learned_s, asked = (
                self._waited_s + given - asked,
                self._learned_s + done - given,
                done,
            )

    def take_times(self) -> tuple[float, float]:
        """Seconds that learning has waited for batches, and that it took, since this was asked before."""
        times = self._waited_s, self._learned_s
        self._waited_s = self._learned_s = 0.0
        return times


def _features_of(archives: Sequence[ClipArchive]) -> Features:
    """The image network that archives have their features of.

    Raises:
        CaptureError: ``bad_setting`` where they are of several.
    """
    kinds = {archive.facts.features for archive in archives if "features" in archive.columns}
    if len(kinds) > 1:
        raise CaptureError(
            "bad_setting",
            f"The archives have features of different image networks: {' and '.join(sorted(kinds))}.",
            "Name archives of one kind only.",
        )
    return kinds.pop() if kinds else "spin"


def _opened(folder: Path, names: tuple[str, ...]) -> tuple[ClipArchive, ...]:
    return tuple(open_archive(folder / name) for name in names)
