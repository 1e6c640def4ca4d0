# SPDX-License-Identifier: GPL-3.0-or-later
"""What becomes of a take when its capture is done: a new animation, or a better stretch of one that is there."""

from __future__ import annotations

import contextlib
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import bpy

from .contract.errors import CaptureError
from .contract.take import Take
from .contract.take_file import free_take_path, load_take, save_take
from .live_cleanup import cleanup_of
from .live_retarget import follow
from .motion.blending import blend_range
from .motion.cleanup import Cleaned, cleaned
from .motion.settings import RAW, Cleanup
from .scene.assembly import assembling
from .scene.body import load_body_model
from .scene.cleaning import cleaning, settle, with_lists
from .scene.steps import Steps
from .scene.takes import remove_take, rename_take, replacing_motion, take_collections, take_record


@dataclass(frozen=True)
class Loaded:
    """A finished capture, read.

    Attributes:
        path: the file to keep.
        take: what is in it.
        cleaned: what a new take is shown as, where it is one.
    """

    path: Path
    take: Take
    cleaned: Cleaned | None = None


@dataclass(frozen=True)
class Finished:
    """What was made in Blender.

    Attributes:
        what: beginning of a sentence.
        collection: name of the take's collection.
        people, frames: how many.
        warnings: sentences.
    """

    what: str
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
    def keeps_unfinished(self) -> bool:
        """Whether what an early end left is of use."""

    def load(self, take: Path) -> Loaded:
        """All that needs no Blender, on a thread of its own."""

    def build(self, loaded: Loaded, scene: bpy.types.Scene) -> Steps[Finished]:
        """Everything in Blender, in steps of a few milliseconds."""

    def withdraw(self, take: Path, loaded: Loaded | None) -> None:
        """Removes the files that are of no use when the capture ends early, or before it is built."""


@dataclass(frozen=True)
class NewTake:
    """A new collection with rigs, bodies, actions and camera; it takes the place of those with the same take file."""

    start: int
    shows_live: bool = True
    keeps_unfinished: bool = True

    def load(self, take: Path) -> Loaded:
        """The take; the body it is shown with is read too."""
        loaded = load_take(take)
        if not loaded.people:
            raise CaptureError("nobody", f"There is nobody in {take.name}.", "Choose a range in which people are seen.")
        load_body_model()
        return Loaded(take, loaded, cleaned(loaded, Cleanup()))

    def build(self, loaded: Loaded, scene: bpy.types.Scene) -> Steps[Finished]:
        """Assembles the take."""
        take, model = loaded.take, load_body_model()
        result = loaded.cleaned or cleaned(take, Cleanup())
        assembly = yield from assembling(
            result.take, scene, loaded.path.stem, start=self.start, path=loaded.path, model=model
        )
        settle(assembly.collection, Cleanup(), result, take)
        for former in collections_of(loaded.path, scene):
            if former != assembly.collection:
                name = former.name
                remove_take(former)
                rename_take(assembly.collection, name)
        scene.vibe.active_take = assembly.collection
        warnings = (*take.warnings, *assembly.warnings)
        return Finished("Captured", assembly.collection.name, len(take.people), len(take.video.times), warnings)

    def withdraw(self, take: Path, loaded: Loaded | None) -> None:
        """Nothing: the take can be resumed, or opened."""


@dataclass(frozen=True)
class Patch:
    """A stretch of a take that is in the scene, captured again and blended in.

    Attributes:
        collection_uid: ``session_uid`` of the take's collection.
        take: its file, which stays as it is.
        first, last: video frames to replace, inclusive.
        ramp: frames over which the new motion is eased in and out.
    """

    collection_uid: int
    take: Path
    first: int
    last: int
    ramp: int
    start: int = 0
    shows_live: bool = False
    keeps_unfinished: bool = False

    def load(self, take: Path) -> Loaded:
        """The blended take, saved beside the first under a new name; the capture of the stretch alone is removed."""
        blended = blend_range(load_take(self.take), load_take(take), self.first, self.last, self.ramp)
        path = save_take(blended, free_take_path(self.take.parent, f"{self.take.stem} {self.first}-{self.last}"))
        shutil.rmtree(take.parent, ignore_errors=True)
        return Loaded(path, blended)

    def build(self, loaded: Loaded, scene: bpy.types.Scene) -> Steps[Finished]:
        """New actions on the rigs that are there."""
        collection = next((found for found in bpy.data.collections if found.session_uid == self.collection_uid), None)
        if collection is None or take_record(collection) is None:
            raise CaptureError("take_gone", "The take is not in the file any more.", f"Open {loaded.path}.")
        group = collection.vibe_cleanup
        settings = RAW if group.show_raw else with_lists(collection, cleanup_of(collection))
        result = yield from cleaning(loaded.take, settings)
        kept = yield from replacing_motion(collection, result.take, loaded.path)
        settle(collection, settings, result, loaded.take)
        follow(collection)
        warnings = (*loaded.take.warnings, *(f"Your action {name} is kept, unassigned." for name in kept))
        frames = self.last - self.first + 1
        return Finished("Captured again", collection.name, len(loaded.take.people), frames, warnings)

    def withdraw(self, take: Path, loaded: Loaded | None) -> None:
        """The capture of the stretch, and the blended take that nobody will see."""
        shutil.rmtree(take.parent, ignore_errors=True)
        if loaded is not None:
            with contextlib.suppress(OSError):
                loaded.path.unlink(missing_ok=True)


def collections_of(take: Path, scene: bpy.types.Scene) -> list[bpy.types.Collection]:
    """The collections of a scene that came from a take file; none that is linked from another .blend."""
    found = ((collection, take_record(collection)) for collection in take_collections(scene))
    return [
        collection
        for collection, record in found
        if record is not None and record.path == str(take) and collection.library is None
    ]
