# SPDX-License-Identifier: MIT
"""What a worker is asked to render: plans of scenes, which travel as lines of JSON."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass

RENDERED, REFUSED = "vibe-rendered", "vibe-refused"
"""What a worker's answers begin with; a scene's number follows, or code, message and hint of an error."""


@dataclass(frozen=True)
class Shot:
    """What all scenes of an archive have in common.

    Attributes:
        body: file of the mannequin.
        seed: of everything that is drawn by lot.
        places: of each of the archive's 49 joints, the one of the mannequin's 24 or its crown (24), -1 for none.
        picture_px: longest side of the pictures of people's surroundings.
        samples: of light, per pixel.
        shortest: a person who is seen for fewer frames is left out.
        pictures: files of backgrounds.
        occluders: share of scenes with things in front of people.
        blurred: share of scenes with motion blur.
        spoiled: share of scenes with noise, blur and compression.
    """

    body: str
    seed: int
    places: tuple[int, ...]
    picture_px: int
    samples: int
    shortest: int
    pictures: tuple[str, ...]
    occluders: float
    blurred: float
    spoiled: float


@dataclass(frozen=True)
class Part:
    """A stretch of a motion that one person moves by.

    Attributes:
        motion: its file.
        first: frame of the file.
        stride: from frame to frame.
    """

    motion: str
    first: int
    stride: int


@dataclass(frozen=True)
class Plan:
    """One scene.

    Attributes:
        number: of the scene, part of its seed.
        count: frames.
        fps: frames per second.
        parts: one per person, the first is whom the camera is about.
    """

    number: int
    count: int
    fps: float
    parts: tuple[Part, ...]

    @property
    def name(self) -> str:
        """What the tracks of the scene begin with."""
        return f"{self.number:06d}"


@dataclass(frozen=True)
class Job:
    """A scene to be rendered into a file, ``target``."""

    shot: Shot
    plan: Plan
    target: str

    def to_line(self) -> str:
        """One line of JSON."""
        return json.dumps(asdict(self))

    @classmethod
    def from_line(cls, line: str) -> Job:
        """What ``to_line`` wrote."""
        held = json.loads(line)
        shot, plan = held["shot"], held["plan"]
        parts = tuple(Part(**part) for part in plan["parts"])
        lists = {"places": tuple(shot["places"]), "pictures": tuple(shot["pictures"])}
        return cls(Shot(**{**shot, **lists}), Plan(**{**plan, "parts": parts}), held["target"])
