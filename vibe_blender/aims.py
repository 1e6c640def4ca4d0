# SPDX-License-Identifier: GPL-3.0-or-later
"""What becomes of a take when its capture is done: a new animation, or a better stretch of one that is there."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import bpy

from .contract.errors import CaptureError
from .contract.take import Take
from .contract.take_file import free_take_path, load_take, save_take
from .motion.blending import blend_range
from .scene.assembly import assembling
from .scene.body import BodyModel, load_body_model
from .scene.steps import Steps
from .scene.takes import replacing_motion, take_record, write_take_record


@dataclass(frozen=True)
class Finished:
    """What was made.

    Attributes:
        what: beginning of a sentence.
        take: the take file.
        collection: name of its collection.
        people, frames: how many.
        warnings: sentences.
    """

    what: str
    take: Path
    collection: str
    people: int
    frames: int
    warnings: tuple[str, ...]


class Aim(Protocol):
    """What a capture is for."""

    @property
    def start(self) -> int:
        """Scene frame of the first captured frame."""

    @property
    def shows_live(self) -> bool:
        """Whether stand-ins are shown while it runs."""

    @property
    def resumable(self) -> bool:
        """Whether what an early end left is of use."""

    def clean_up(self, take: Path) -> None:
        """Removes what is of no use after an early end."""

    def load(self, take: Path) -> Any:
        """All that needs no Blender, on a thread of its own."""

    def build(self, loaded: Any, scene: bpy.types.Scene) -> Steps[Finished]:
        """Everything in Blender, in steps of a few milliseconds."""


@dataclass(frozen=True)
class NewTake:
    """A new collection with rigs, bodies, actions and camera."""

    start: int
    shows_live: bool = True
    resumable: bool = True

    def clean_up(self, take: Path) -> None:
        """Nothing: the take can be resumed."""

    def load(self, take: Path) -> tuple[Path, Take, BodyModel]:
        """The take and the body it is shown with."""
        loaded = load_take(take)
        if not loaded.people:
            raise CaptureError("nobody", f"There is nobody in {take.name}.", "Choose a range in which people are seen.")
        return take, loaded, load_body_model()

    def build(self, loaded: tuple[Path, Take, BodyModel], scene: bpy.types.Scene) -> Steps[Finished]:
        """Assembles the take."""
        path, take, model = loaded
        assembly = yield from assembling(take, scene, path.stem, start=self.start, path=path, model=model)
        scene.vibe.active_take = assembly.collection
        frames = len(take.video.times)
        warnings = (*take.warnings, *assembly.warnings)
        return Finished("Captured", path, assembly.collection.name, len(take.people), frames, warnings)


@dataclass(frozen=True)
class Patch:
    """A stretch of a take that is in the scene, captured again and blended in.

    Attributes:
        collection: name of the take's collection.
        take: its file, which stays as it is.
        first, last: video frames to replace, inclusive.
        ramp: frames over which the new motion is eased in and out.
    """

    collection: str
    take: Path
    first: int
    last: int
    ramp: int
    start: int = 0
    shows_live: bool = False
    resumable: bool = False

    def clean_up(self, take: Path) -> None:
        """Removes the folder of the capture of the stretch alone."""
        shutil.rmtree(take.parent, ignore_errors=True)

    def load(self, take: Path) -> tuple[Path, Take]:
        """The blended take, saved beside the first under a new name; the capture of the stretch alone is removed."""
        blended = blend_range(load_take(self.take), load_take(take), self.first, self.last, self.ramp)
        path = save_take(blended, free_take_path(self.take.parent, f"{self.take.stem} {self.first}-{self.last}"))
        self.clean_up(take)
        return path, blended

    def build(self, loaded: tuple[Path, Take], scene: bpy.types.Scene) -> Steps[Finished]:
        """New actions on the rigs that are there."""
        path, take = loaded
        collection = bpy.data.collections.get(self.collection)
        record = take_record(collection) if collection is not None else None
        if collection is None or record is None:
            raise CaptureError("take_gone", f"{self.collection} is not in the file any more.", f"Open {path}.")
        yield from replacing_motion(collection, take)
        write_take_record(collection, take, path, start=record.start, scene_fps=record.scene_fps)
        frames = self.last - self.first + 1
        return Finished("Captured again", path, collection.name, len(take.people), frames, take.warnings)
