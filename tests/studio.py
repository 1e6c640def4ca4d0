# SPDX-License-Identifier: MIT
"""Captures of small made videos in which made people are seen, without a network: the pipeline as it is, played."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event as Flag
from typing import Any

import numpy as np
import pytest

from backend import pipeline
from backend.crops import Region
from backend.landmarks import POINT_COUNT, Landmarks
from backend.pipeline import Captured
from backend.tracking import Observation
from tests.acting import Actor
from vibe_blender.contract.errors import CaptureError
from vibe_blender.contract.protocol import Event, Job

SIZE = (96, 64)
FOCAL_PX = 96.0
CENTRE_PX = np.array([48.0, 32.0])


@dataclass
class Cast:
    """Plays the tracker: each actor is seen in some frames, whatever the picture shows."""

    parts: dict[int, tuple[Actor, Iterable[int]]]
    fails_at: int | None = None
    asked: list[int] = field(default_factory=list)

    def update(self, frame_index: int, time_s: float, image_rgb: np.ndarray) -> list[Observation]:
        assert image_rgb.shape == (SIZE[1], SIZE[0], 3)
        assert time_s == pytest.approx(frame_index / 25)
        if frame_index == self.fails_at:
            raise CaptureError("network_broken", "The network broke.", "Mend it.")
        self.asked.append(frame_index)
        return [
            _observation(person, actor, frame_index)
            for person, (actor, frames) in self.parts.items()
            if frame_index in frames
        ]

    def record(self) -> dict[str, Any]:
        return {"asked": len(self.asked)}

    def recall(self, record: dict[str, Any]) -> None:
        assert set(record) == {"asked"}


def _observation(person: int, actor: Actor, frame: int) -> Observation:
    points = np.zeros((POINT_COUNT, 2))
    places = actor.landmarks[frame]
    points[: len(places)] = places[:, :2] / places[:, 2:] * FOCAL_PX + CENTRE_PX
    world = places - places[[23, 24]].mean(axis=0)
    sure = np.full(POINT_COUNT, 0.95)
    reading = Landmarks(points, np.zeros(POINT_COUNT), world, sure, sure, 0.95)
    return Observation(person, Region(points[:33].mean(axis=0), 50.0, 0.0), reading, reading)


@dataclass
class Studio:
    """A capture of a made video with a made cast."""

    monkeypatch: pytest.MonkeyPatch
    make_video: Callable[..., Path]
    folder: Path
    events: list[Event] = field(default_factory=list)
    cast: Cast | None = None
    _videos: dict[int, Path] = field(default_factory=dict)

    @property
    def take(self) -> Path:
        return self.folder / "out é.take"

    def run(
        self,
        cast: Cast,
        count: int = 75,
        stop: Callable[[Event], bool] = lambda event: False,
        **options: Any,
    ) -> Captured:
        """Runs the pipeline; the flag is set after the first event of which ``stop`` says so."""
        if count not in self._videos:  # the encoder's threads make it a little different each time
            (self.folder / str(count)).mkdir()
            self._videos[count] = self.make_video(name=f"{count}/made.mp4", count=count, size=SIZE)
        video = self._videos[count]
        self.monkeypatch.setattr(pipeline, "open_people", lambda job: cast)
        self.cast, self.events, flag = cast, [], Flag()

        def emit(event: Event) -> None:
            self.events.append(event)
            if stop(event):
                flag.set()

        return pipeline.run(Job(video=str(video), take=str(self.take), **options), emit, flag)

    def of(self, *kinds: type[Event]) -> list[Any]:
        return [event for event in self.events if isinstance(event, kinds)]
