# SPDX-License-Identifier: GPL-3.0-or-later
"""Open a take file, also one dropped on the 3D view."""

from pathlib import Path

import bpy
from bpy.props import StringProperty

from .. import session
from ..contract.errors import CaptureError
from ..contract.take_file import load_take
from ..motion.cleanup import cleaned
from ..motion.settings import Cleanup
from ..scene.assembly import assemble
from ..scene.cleaning import settle
from .active import UNDO
from .reporting import Reporting


class VIBE_OT_open_take(Reporting, bpy.types.Operator):
    """Open a take file: its people appear with their animation and the camera"""

    bl_idname = "vibe.open_take"
    bl_label = "Open Take"
    bl_options = UNDO

    filepath: StringProperty(subtype="FILE_PATH", options={"SKIP_SAVE"})  # type: ignore[valid-type]
    filter_glob: StringProperty(default="*.take;*.take.part", options={"HIDDEN"})  # type: ignore[valid-type]

    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        """A dropped file is opened at once; otherwise the user chooses one."""
        if self.filepath:
            return self.execute(context)
        context.window_manager.fileselect_add(self)
        return {"RUNNING_MODAL"}

    def run(self, context: bpy.types.Context) -> None:
        """Assembles it."""
        path = Path(bpy.path.abspath(self.filepath))
        take = load_take(path)
        if not take.people:
            raise CaptureError("nobody", f"There is nobody in {path.name}.", "Open another take.")
        start = context.scene.vibe.scene_start
        result = cleaned(take, Cleanup())
        assembly = assemble(result.take, context.scene, path.name.split(".take")[0], start=start, path=path)
        settle(assembly.collection, Cleanup(), result, take)
        context.scene.vibe.active_take = assembly.collection
        for warning in (*take.warnings, *assembly.warnings):
            self.report({"WARNING"}, warning)
        if (outcome := session.outcome()) is not None and outcome.take == path:
            session.tell(None)


class VIBE_FH_take(bpy.types.FileHandler):
    """A take dropped on the 3D view."""

    bl_idname = "VIBE_FH_take"
    bl_label = "Open VIBE take"
    bl_import_operator = VIBE_OT_open_take.bl_idname
    bl_file_extensions = ".take"

    @classmethod
    def poll_drop(cls, context: bpy.types.Context) -> bool:
        """Only there."""
        return context.area is not None and context.area.type == "VIEW_3D"


CLASSES = (VIBE_OT_open_take, VIBE_FH_take)
