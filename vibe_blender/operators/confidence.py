# SPDX-License-Identifier: GPL-3.0-or-later
"""Timeline markers where the capture is not sure, and the coloured strip in the timeline."""

import bpy

from .. import confidence_strip
from ..scene.confidence import clear_marks, mark_doubtful
from ..scene.takes import people
from .active import UNDO, has_editable_take, named_take
from .reporting import Reporting


class VIBE_OT_mark_doubtful(Reporting, bpy.types.Operator):
    """Put a timeline marker at every stretch in which the confidence stays below the limit"""

    bl_idname = "vibe.mark_doubtful"
    bl_label = "Mark Doubtful Frames"
    bl_options = UNDO

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Says why not."""
        return has_editable_take(cls, context)

    def run(self, context: bpy.types.Context) -> None:
        """For everybody in the take; earlier marks are replaced."""
        collection, scene = named_take("", context).collection, context.scene
        clear_marks(scene, collection)
        count = sum(mark_doubtful(scene, armature, scene.vibe.doubt) for armature, _ in people(collection))
        stretches = "1 doubtful stretch" if count == 1 else f"{count} doubtful stretches"
        self.report({"INFO"}, f"{stretches} below {scene.vibe.doubt:.0%}")


class VIBE_OT_clear_marks(Reporting, bpy.types.Operator):
    """Remove the markers of doubtful frames; other markers stay"""

    bl_idname = "vibe.clear_marks"
    bl_label = "Clear Marks"
    bl_options = UNDO

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Says why not."""
        return has_editable_take(cls, context)

    def run(self, context: bpy.types.Context) -> None:
        """Removes them."""
        clear_marks(context.scene, named_take("", context).collection)


class VIBE_OT_toggle_strip(bpy.types.Operator):
    """Show how sure the capture is as a coloured strip in the timeline: green sure, red doubtful, grey not seen"""

    bl_idname = "vibe.toggle_strip"
    bl_label = "Confidence Strip"

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Switches it on or off."""
        if confidence_strip.enabled():
            confidence_strip.disable()
        else:
            confidence_strip.enable()
        return {"FINISHED"}


CLASSES = (VIBE_OT_mark_doubtful, VIBE_OT_clear_marks, VIBE_OT_toggle_strip)
