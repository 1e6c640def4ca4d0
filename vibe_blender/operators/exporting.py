# SPDX-License-Identifier: GPL-3.0-or-later
"""Export an armature in motion to a file for another program, and check the file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import bpy
from bpy.props import BoolProperty, StringProperty

from .. import export_check
from ..contract.errors import CaptureError
from ..contract.take import Take
from ..live_cleanup import cleanup_of
from ..motion.cleanup import cleaned
from ..scene.cleaning import captured, with_lists, worked_on
from ..scene.exporting.destination import check_destination
from ..scene.exporting.saving import save, subject_of
from ..scene.steps import rendering
from ..scene.takes import people, take_collections
from .active import active_take, chosen_person, named_take
from .reporting import Reporting

_TOO_SOON = "Capture a video, open a take, or click an armature first"


@dataclass(frozen=True)
class Cast:
    """Whom to export.

    Attributes:
        armatures: one at least.
        numbers: of the people they stand for; none where they are no people of a take.
        collection: their take; None where they are none.
        name: what a file of them is called.
    """

    armatures: tuple[bpy.types.Object, ...]
    numbers: tuple[int, ...]
    collection: bpy.types.Collection | None
    name: str


def active_armature(context: bpy.types.Context) -> bpy.types.Object | None:
    """The armature that is active, or that moves the active object."""
    thing = context.active_object
    if thing is None or thing.type == "ARMATURE":
        return thing
    return thing.find_armature()


def cast(context: bpy.types.Context) -> Cast | None:
    """Whom the settings mean; None where there is nobody."""
    take = active_take(context)
    if context.scene.vibe_export.whom == "take":
        return None if take is None else _of_take(take.collection)
    armature = active_armature(context)
    if armature is None:
        if take is None or not people(take.collection):
            return None
        armature = chosen_person(context, take.collection)
    for collection in take_collections(context.scene):
        for person, record in people(collection):
            if person == armature:
                return Cast((armature,), (record.id,), collection, armature.name)
    return Cast((armature,), (), None, armature.name)


def _of_take(collection: bpy.types.Collection) -> Cast | None:
    found = people(collection)
    if not found:
        return None
    armatures, numbers = tuple(armature for armature, _ in found), tuple(record.id for _, record in found)
    return Cast(armatures, numbers, collection, collection.name)


class VIBE_OT_export(Reporting, bpy.types.Operator):
    """Write the motion to a file for another program. Nothing in the scene changes"""

    bl_idname = "vibe.export"
    bl_label = "Export"

    filepath: StringProperty(subtype="FILE_PATH", options={"SKIP_SAVE"})  # type: ignore[valid-type]
    filter_glob: StringProperty(options={"HIDDEN", "SKIP_SAVE"})  # type: ignore[valid-type]
    check_existing: BoolProperty(default=True, options={"HIDDEN"})  # type: ignore[valid-type]

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Says why not."""
        if rendering():
            cls.poll_message_set("Wait until the render is done")
            return False
        found = cast(context)
        if found is None:
            cls.poll_message_set(_TOO_SOON)
            return False
        if context.scene.vibe_export.format == "npz" and found.collection is None:
            cls.poll_message_set("Only people of a take have SMPL's parameters")
            return False
        return True

    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        """Asks where to."""
        suffix = f".{context.scene.vibe_export.format}"
        self.filter_glob = f"*{suffix}"
        if not self.filepath:
            found = cast(context)
            name = bpy.path.clean_name(found.name if found else "motion").strip("_") or "motion"
            self.filepath = str(_folder(found) / f"{name}{suffix}")
        context.window_manager.fileselect_add(self)
        return {"RUNNING_MODAL"}

    def check(self, context: bpy.types.Context) -> bool:
        """Ends the name as the format has it."""
        ended = str(_ended(Path(self.filepath), context.scene.vibe_export.format))
        changed = ended != self.filepath
        self.filepath = ended
        return changed

    def run(self, context: bpy.types.Context) -> None:
        """Writes it, and begins to check it."""
        choices, found = context.scene.vibe_export, cast(context)
        if found is None:
            raise CaptureError("nobody", "There is nothing to export.", f"{_TOO_SOON}.")
        path = _ended(Path(bpy.path.abspath(self.filepath)), choices.format).absolute()
        check_destination(path)
        written = save(
            path,
            context.scene,
            [subject_of(armature, context.scene) for armature in found.armatures],
            choices.settings(),
            take=self._take(found) if choices.format == "npz" else None,
            people=found.numbers,
        )
        export_check.note(written, check=choices.check)
        names = ", ".join(dict.fromkeys(places.path.name for places in written))
        self.report({"INFO"}, f"Written: {names}")
        if bpy.app.background and choices.check:
            self._tell(export_check.finish())

    def _take(self, found: Cast) -> Take:
        """The take as the scene shows it; what somebody has changed by hand is not in it."""
        collection = found.collection
        if collection is None:
            raise CaptureError("not_smpl", "Only people of a take have SMPL's parameters.", "Choose another format.")
        if names := worked_on(collection):
            self.report({"WARNING"}, f"SMPL's parameters are those of the take: what {', '.join(names)} adds is not")
        take = captured(collection)
        if collection.vibe_cleanup.show_raw:
            return take
        return cleaned(take, with_lists(collection, cleanup_of(collection))).take

    def _tell(self, outcome: export_check.Outcome | None) -> None:
        if outcome is None:
            return
        if outcome.error is not None:
            raise outcome.error
        if outcome.found is not None:
            far = outcome.found.largest_mm > export_check.LARGEST_MM
            self.report({"WARNING" if far else "INFO"}, str(outcome.found))


def _ended(path: Path, suffix: str) -> Path:
    """The path with the format's ending; USD has three, of which the chosen one stays."""
    endings = (".usdc", ".usd", ".usda") if suffix == "usdc" else (f".{suffix}",)
    if path.suffix.lower() in endings:
        return path
    known = (".fbx", ".glb", ".gltf", ".bvh", ".usd", ".usda", ".usdc", ".usdz", ".npz")
    return path.with_suffix(endings[0]) if path.suffix.lower() in known else path.with_name(path.name + endings[0])


def _folder(found: Cast | None) -> Path:
    """Where a file goes unless somebody says otherwise: beside the .blend file, else beside the take."""
    if bpy.data.filepath:
        return Path(bpy.data.filepath).parent
    if found is not None and found.collection is not None:
        record = named_take(found.collection.name, bpy.context).record
        if record.path and (folder := Path(record.path).parent).is_dir():
            return folder
    return Path.home()


CLASSES = (VIBE_OT_export,)
