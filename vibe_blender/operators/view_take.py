# SPDX-License-Identifier: GPL-3.0-or-later
"""Choose a take; fit timeline, view and frame rate to it."""

import bpy
from bpy.props import StringProperty

from ..scene.camera import set_frame_rate
from ..scene.takes import fit_timeline, show_camera
from .active import UNDO, has_take, named_take
from .reporting import Reporting


class VIBE_OT_activate_take(Reporting, bpy.types.Operator):
    """Make this the take that the buttons are about"""

    bl_idname = "vibe.activate_take"
    bl_label = "Choose Take"
    bl_options = UNDO

    name: StringProperty(name="Take")  # type: ignore[valid-type]

    def run(self, context: bpy.types.Context) -> None:
        """Remembers it."""
        context.scene.vibe.active_take = named_take(self.name, context).collection


class VIBE_OT_fit_timeline(Reporting, bpy.types.Operator):
    """Let the timeline begin and end with the take"""

    bl_idname = "vibe.fit_timeline"
    bl_label = "Fit Timeline"
    bl_options = UNDO

    name: StringProperty(name="Take", options={"HIDDEN", "SKIP_SAVE"})  # type: ignore[valid-type]

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Says why not."""
        return has_take(cls, context)

    def run(self, context: bpy.types.Context) -> None:
        """Sets first and last frame."""
        fit_timeline(context.scene, named_take(self.name, context).collection)


class VIBE_OT_look_through_camera(Reporting, bpy.types.Operator):
    """Look through the camera that filmed the video, at the video's size, the video behind the bodies"""

    bl_idname = "vibe.look_through_camera"
    bl_label = "Look Through Camera"
    bl_options = UNDO

    name: StringProperty(name="Take", options={"HIDDEN", "SKIP_SAVE"})  # type: ignore[valid-type]

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Says why not."""
        return has_take(cls, context)

    def run(self, context: bpy.types.Context) -> None:
        """Makes it the scene's camera."""
        show_camera(context.scene, named_take(self.name, context).collection)
        area = context.area
        if area is not None and area.type == "VIEW_3D":
            area.spaces.active.region_3d.view_perspective = "CAMERA"


class VIBE_OT_match_frame_rate(Reporting, bpy.types.Operator):
    """Play the scene at the video's frame rate, so that every key falls on a whole frame. Do it before the capture"""

    bl_idname = "vibe.match_frame_rate"
    bl_label = "Match Frame Rate"
    bl_options = UNDO

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Says why not."""
        if context.scene.vibe.video_facts() is None:
            cls.poll_message_set("Choose a video first")
            return False
        return True

    def run(self, context: bpy.types.Context) -> None:
        """Sets frames per second."""
        set_frame_rate(context.scene, context.scene.vibe.video_facts().fps)


CLASSES = (
    VIBE_OT_activate_take,
    VIBE_OT_fit_timeline,
    VIBE_OT_look_through_camera,
    VIBE_OT_match_frame_rate,
)
