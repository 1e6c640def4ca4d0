# SPDX-License-Identifier: GPL-3.0-or-later
"""A camera that moved: its path taken from a camera of the scene, or from a movie clip that Blender has tracked."""

from dataclasses import replace

import bpy

from ..contract.errors import CaptureError
from ..live_cleanup import quiet
from ..motion.view import scale_of_path
from ..scene.cleaning import captured, keep_camera_path
from ..scene.moving_camera import scene_camera_path, tracked_camera_path
from .active import UNDO, has_editable_take, named_take
from .cleanup import show
from .reporting import Reporting


class VIBE_OT_use_camera(Reporting, bpy.types.Operator):
    """Place the motion in the world through this camera of the scene, which moves as the one that filmed did"""

    bl_idname = "vibe.use_camera"
    bl_label = "Use Moving Camera"
    bl_options = UNDO

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Says why not."""
        return has_editable_take(cls, context)

    def run(self, context: bpy.types.Context) -> None:
        """Reads its path: when the camera is changed later, it is to be read again."""
        take = named_take("", context)
        eye = take.collection.vibe_cleanup.camera
        if eye is None:
            raise CaptureError("no_camera", "No camera is chosen.", "Choose the camera that moves as the real one did.")
        video, record = captured(take.collection).video, take.record
        path = scene_camera_path(context.scene, eye, video, fps=record.scene_fps, start=record.start)
        keep_camera_path(take.collection, path)
        show(self, take.collection)


class VIBE_OT_use_clip(Reporting, bpy.types.Operator):
    """Place the motion in the world through the camera that Blender's motion tracking solved for this clip"""

    bl_idname = "vibe.use_clip"
    bl_label = "Use Solved Camera"
    bl_options = UNDO

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Says why not."""
        return has_editable_take(cls, context)

    def run(self, context: bpy.types.Context) -> None:
        """Reads its path; its scale is found from feet that stand, once, and so is the floor."""
        take = named_take("", context)
        group = take.collection.vibe_cleanup
        if group.clip is None:
            raise CaptureError("no_clip", "No clip is chosen.", "Choose the clip whose camera was solved.")
        seen = captured(take.collection)
        path = tracked_camera_path(group.clip, seen.video)
        keep_camera_path(take.collection, replace(path, scale=scale_of_path(seen, path)))
        with quiet():
            group.view_refit_floor = True  # a tracker knows no floor
        show(self, take.collection)


CLASSES = (VIBE_OT_use_camera, VIBE_OT_use_clip)
