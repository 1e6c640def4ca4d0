# SPDX-License-Identifier: GPL-3.0-or-later
"""Remove a take from the scene, and its file where asked to."""

from pathlib import Path

import bpy
from bpy.props import BoolProperty, StringProperty

from ..contract.errors import CaptureError
from ..contract.take_file import is_growing, partial_path, read_note
from ..scene.takes import locate, remove_take, take_record
from .active import UNDO, TakeInScene, has_take, named_take
from .reporting import Reporting


class VIBE_OT_delete_take(Reporting, bpy.types.Operator):
    """Remove the take from this Blender file. Its take file stays unless you ask for that too"""

    bl_idname = "vibe.delete_take"
    bl_label = "Delete Take"
    bl_options = UNDO

    name: StringProperty(name="Take", options={"HIDDEN", "SKIP_SAVE"})  # type: ignore[valid-type]
    delete_file: BoolProperty(  # type: ignore[valid-type]
        name="Also Delete the Take File",
        description="Remove the file on disk too; that cannot be undone",
        default=False,
        options={"SKIP_SAVE"},
    )

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Says why not."""
        return has_take(cls, context)

    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        """Asks first."""
        return context.window_manager.invoke_props_dialog(self, confirm_text="Delete")

    def draw(self, context: bpy.types.Context) -> None:
        """What would be lost."""
        take = named_take(self.name, context)
        self.layout.label(text=f"Remove {take.collection.name} from this file?", icon="TRASH")
        self.layout.prop(self, "delete_file")
        if self.delete_file:
            self.layout.label(text=take.record.path)

    def run(self, context: bpy.types.Context) -> None:
        """Removes it."""
        take = named_take(self.name, context)
        paths = _files(take) if self.delete_file else []
        remove_take(take.collection)
        for path in paths:
            try:
                path.unlink(missing_ok=True)
            except OSError as error:
                raise CaptureError(
                    "take_unwritable", f"{path} could not be deleted: {error.strerror}.", "Delete it by hand."
                ) from error


def _files(take: TakeInScene) -> list[Path]:
    """The take's file and what an interrupted capture left beside it: takes for certain, and nobody else's.

    Raises:
        CaptureError: a .blend file from a stranger may name any file.
    """
    others = [found for found in bpy.data.collections if found != take.collection]
    records = [record for found in others if (record := take_record(found)) is not None]
    if any(record.path == take.record.path for record in records):
        raise CaptureError(
            "take_in_use", f"{take.record.path} is also shown by another take of this file.", "Delete that one first."
        )
    path = locate(take.record, bpy.data.filepath)
    if is_growing(path):
        raise CaptureError("take_in_use", f"{path} is being captured.", "Wait for the end, or cancel that capture.")
    found = [item for item in (path, partial_path(path)) if item.is_file()]
    for item in found:
        read_note(item, "job")  # raises where it is no take
    return found


CLASSES = (VIBE_OT_delete_take,)
