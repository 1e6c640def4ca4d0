# SPDX-License-Identifier: GPL-3.0-or-later
"""Show, hide and select the people of a take."""

import bpy
from bpy.props import StringProperty

from ..contract.errors import CaptureError
from ..scene.takes import show_person
from .active import UNDO
from .reporting import Reporting


class VIBE_OT_show_person(Reporting, bpy.types.Operator):
    """Show or hide this person, rig and body"""

    bl_idname = "vibe.show_person"
    bl_label = "Show Person"
    bl_options = UNDO

    armature: StringProperty(name="Armature")  # type: ignore[valid-type]

    def run(self, context: bpy.types.Context) -> None:
        """Both at once."""
        armature = _armature(self.armature)
        show_person(armature, context.view_layer, armature.hide_get(view_layer=context.view_layer))


class VIBE_OT_select_person(Reporting, bpy.types.Operator):
    """Select this person's armature"""

    bl_idname = "vibe.select_person"
    bl_label = "Select Person"
    bl_options = UNDO

    armature: StringProperty(name="Armature")  # type: ignore[valid-type]

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Says why not."""
        if context.mode not in ("OBJECT", "POSE"):
            cls.poll_message_set("Leave the current mode first")
            return False
        return True

    def run(self, context: bpy.types.Context) -> None:
        """Only this one."""
        armature = _armature(self.armature)
        if context.mode == "POSE":
            bpy.ops.object.mode_set(mode="OBJECT")
        for other in context.selected_objects:
            other.select_set(False)
        armature.select_set(True)
        context.view_layer.objects.active = armature


def _armature(name: str) -> bpy.types.Object:
    armature = bpy.data.objects.get(name)
    if armature is None or armature.name not in bpy.context.view_layer.objects:
        raise CaptureError("person_gone", f"{name} is not in this scene.", "Open the take again.")
    return armature


CLASSES = (VIBE_OT_show_person, VIBE_OT_select_person)
