# SPDX-License-Identifier: GPL-3.0-or-later
"""The published files of an estimator: what is missing, where it is to be had, and a second look for it."""

import bpy

from .. import availability
from ..text_view import draw_text

_WIDTH_PX, _TEXT_PX = 460, 510


class VIBE_OT_look_again(bpy.types.Operator):
    """Look again for what the networks need, after files were added or packages changed"""

    bl_idname = "vibe.look_again"
    bl_label = "Look Again"

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Asks the backend anew."""
        availability.look_again()
        return {"FINISHED"}


class VIBE_OT_what_is_missing(bpy.types.Operator):
    """Show the files that the networks need, where each is to be had, and its licence"""

    bl_idname = "vibe.what_is_missing"
    bl_label = "What Is Missing"

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Says why not."""
        if availability.readiness() is None:
            cls.poll_message_set("The backend has not answered yet")
            return False
        return True

    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        """Opens the list, which stays until the mouse leaves it."""
        return context.window_manager.invoke_popup(self, width=_WIDTH_PX)

    def draw(self, context: bpy.types.Context) -> None:
        """One box per file."""
        layout, answer, wanted = self.layout, availability.readiness(), availability.wanted_of(context.scene.vibe)
        needs = "networks need" if wanted.several else f"{wanted.label} needs"
        layout.label(text=f"What {needs}", icon="FILE_FOLDER")
        for file in answer.needed(*wanted.names) if answer is not None else ():
            box = layout.box()
            box.label(text=file.name, icon="CHECKMARK" if file.there else "ERROR")
            if file.there:
                continue
            draw_text(box, context, f"{file.purpose[:1].upper()}{file.purpose[1:]}.", width_px=_TEXT_PX)
            draw_text(box, context, f"From {file.source}.", width_px=_TEXT_PX)
            draw_text(box, context, f"Licence: {file.licence}.", width_px=_TEXT_PX)
            row = box.row(align=True)
            for address in file.addresses:
                row.operator("wm.url_open", text=address.removeprefix("https://"), icon="URL").url = address

    def execute(self, context: bpy.types.Context) -> set[str]:
        """There is nothing to do but to look."""
        return {"FINISHED"}


CLASSES = (VIBE_OT_look_again, VIBE_OT_what_is_missing)
