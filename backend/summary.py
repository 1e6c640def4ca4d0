# SPDX-License-Identifier: MIT
"""What is in a take, for ``vibe info``."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass

import numpy as np

from vibe_blender.contract.take import Person, Take
from vibe_blender.contract.terms import described


@dataclass(frozen=True)
class PersonSummary:
    """One person of the take.

    Attributes:
        id: stable within the take.
        frames: in how many the person was seen.
        first_frame, last_frame: video frame numbers.
        ranges: first and last frame of every stretch without a gap.
        mean_confidence: 0..1.
    """

    id: int
    frames: int
    first_frame: int
    last_frame: int
    ranges: tuple[tuple[int, int], ...]
    mean_confidence: float


@dataclass(frozen=True)
class TakeSummary:
    """What is in a take; the names are those of the JSON record."""

    video: str
    width_px: int
    height_px: int
    fps: float
    frames: int
    first_frame: int
    duration_s: float
    focal_px: float
    status: str
    estimator: str
    body: str
    device: str
    program: str
    people: tuple[PersonSummary, ...]
    warnings: tuple[str, ...]
    notice: str

    def to_json(self) -> str:
        """The summary as JSON text."""
        return json.dumps(asdict(self), indent=2, ensure_ascii=False)

    def to_text(self) -> str:
        """The summary as lines for a person to read."""
        last = self.first_frame + self.frames - 1
        lines = [
            f"Video      {self.video}, {self.width_px} x {self.height_px}, {self.fps:.5g} frames a second",
            f"Frames     {self.frames} ({self.first_frame} to {last}), {self.duration_s:.2f} s",
            f"Camera     focal length {self.focal_px:.1f} px",
            f"Estimator  {described(self.estimator, self.notice)}",
            f"Capture    {self.status}, on {self.device}, body {self.body}, version {self.program}",
        ]
        for person in self.people:
            ranges = ", ".join(f"{first} to {end}" for first, end in person.ranges)
            lines.append(
                f"Person {person.id:<3} {person.frames} frames ({ranges}), confidence {person.mean_confidence:.2f}"
            )
        if not self.people:
            lines.append("Nobody was found.")
        lines += [f"Notice     {self.notice}"] if self.notice else []
        return "\n".join([*lines, *(f"Warning    {text}" for text in self.warnings)])


def summarise(take: Take) -> TakeSummary:
    """The take in a few numbers."""
    times = np.asarray(take.video.times)
    count = len(times)
    return TakeSummary(
        video=take.video.path,
        width_px=take.video.width_px,
        height_px=take.video.height_px,
        fps=float(take.video.fps),
        frames=count,
        first_frame=take.video.first_frame,
        duration_s=float(times[-1] - times[0]) + 1 / take.video.fps if count else 0.0,
        focal_px=float(take.camera.focal_px),
        status=take.status,
        estimator=take.estimator,
        body=take.body,
        device=take.device,
        program=take.program,
        people=tuple(_summarised(person) for person in take.people if len(person.frames)),
        warnings=take.warnings,
        notice=take.notice,
    )


def _summarised(person: Person) -> PersonSummary:
    frames = np.asarray(person.frames)
    ends = np.flatnonzero(np.diff(frames) > 1)
    firsts, lasts = frames[[0, *(ends + 1)]], frames[[*ends, -1]]
    return PersonSummary(
        id=person.id,
        frames=len(frames),
        first_frame=int(frames[0]),
        last_frame=int(frames[-1]),
        ranges=tuple((int(first), int(last)) for first, last in zip(firsts, lasts, strict=True)),
        mean_confidence=float(np.mean(person.confidence)),
    )
