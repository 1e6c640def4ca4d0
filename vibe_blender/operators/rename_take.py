# SPDX-License-Identifier: GPL-3.0-or-later
"""Rename a take with all that belongs to it."""

import bpy
from bpy.props import StringProperty

from ..contract.errors import CaptureError
from ..scene.takes import rename_take
from .active import UNDO, has_take, named_take
from .reporting import Reporting


class VIBE_OT_rename_take(Reporting, bpy.types.Operator):
    """Give the take, its people and its camera another name"""

    bl_idname = "vibe.rename_take"
    bl_label = "Rename Take"
    bl_options = UNDO

    name: StringProperty(name="Take", options={"HIDDEN", "SKIP_SAVE"})  # type: ignore[valid-type]
    new_name: StringProperty(name="New Name")  # type: ignore[valid-type]

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Says why not."""
        return has_take(cls, context)

    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        """Asks for the name."""
        self.new_name = named_take(self.name, context).collection.name
        return context.window_manager.invoke_props_dialog(self)

    def run(self, context: bpy.types.Context) -> None:
        """Renames."""
        if not self.new_name.strip():
            raise CaptureError("no_name", "A take needs a name.", "Type one.")
        rename_take(named_take(self.name, context).collection, self.new_name.strip())


CLASSES = (VIBE_OT_rename_take,)
