# SPDX-License-Identifier: GPL-3.0-or-later
"""Clean-up: apply it, choose a preset, find a take's file again, fewer keys, the floor, and where somebody is."""

from pathlib import Path

import bmesh
import bpy
import numpy as np
from bl_operators.presets import AddPresetBase
from bl_ui.utils import PresetPanel
from bpy.props import BoolProperty, EnumProperty, FloatProperty, IntProperty, StringProperty

from .. import raw_ghost
from ..cleanup_properties import VIBE_Cleanup
from ..contract.errors import CaptureError
from ..contract.quaternions import Array
from ..contract.take_file import load_take
from ..live_cleanup import cleanup_of, kept_actions, problem, quiet, refresh
from ..motion.keys import Bounds
from ..motion.presets import PRESETS, with_preset
from ..motion.root import anchor_at, before_root
from ..motion.view import view_of_floor
from ..scene.cleaning import (
    anchors_of,
    camera_path_of,
    captured,
    check_same,
    keep_anchors,
    keep_camera_path,
    video_frame,
    with_lists,
)
from ..scene.key_reduction import reduce_action
from ..scene.placing import in_take, pelvis_at
from ..scene.takes import people, relocate
from .active import UNDO, chosen_person, has_editable_take, named_take
from .reporting import Reporting

FOLDER = "vibe_blender/cleanup"
_FLAT = (np.array([0.0, 0.0, 0.0]), np.array([1.0, 0.0, 0.0]), np.array([0.0, 1.0, 0.0]))


class _OfTake(Reporting):
    """An operator on the active take."""

    bl_options = UNDO

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Says why not."""
        return has_editable_take(cls, context)


class _OfCleaned(_OfTake):
    """An operator on the active take that reads places of the cleaned motion from the scene."""

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Says why not."""
        return has_editable_take(cls, context) and _shows_cleaned(cls, context)


def _shows_cleaned(operator: type[bpy.types.Operator], context: bpy.types.Context) -> bool:
    if named_take("", context).collection.vibe_cleanup.show_raw:
        operator.poll_message_set("Show the cleaned motion first")
        return False
    return True


def show(operator: bpy.types.Operator, collection: bpy.types.Collection) -> None:
    """Shows the settings of a take; what went wrong becomes the operator's error.

    Raises:
        CaptureError: what the clean-up raises.
    """
    refresh(collection)
    if (error := problem(collection)) is not None:
        raise error
    for name in kept_actions(collection):
        operator.report({"INFO"}, f"Your action {name} is kept, unassigned.")


class VIBE_OT_apply_cleanup(_OfTake, bpy.types.Operator):
    """Compute the motion anew from the take's file and the settings"""

    bl_idname = "vibe.apply_cleanup"
    bl_label = "Apply Clean-up"

    def run(self, context: bpy.types.Context) -> None:
        """Applies them."""
        show(self, named_take("", context).collection)


class VIBE_OT_cleanup_choice(_OfTake, bpy.types.Operator):
    """Begin with settings that suit a kind of work. Contacts, camera, scale and heading stay as they are"""

    bl_idname = "vibe.cleanup_choice"
    bl_label = "Use Clean-up Settings"

    name: EnumProperty(  # type: ignore[valid-type]
        name="Settings",
        items=(
            ("raw", "Raw", "As captured: nothing is changed"),
            ("light", "Light", "Takes out the worst jitter and slide, and keeps every detail"),
            ("game", "Game", "Feet that stand, and the way along the floor on the armature"),
            ("film", "Film", "Smooth motion and feet that stand"),
        ),
    )

    def run(self, context: bpy.types.Context) -> None:
        """Takes them over."""
        collection = named_take("", context).collection
        with quiet():
            collection.vibe_cleanup.show_raw = False
        collection.vibe_cleanup.take_over(with_preset(cleanup_of(collection), PRESETS[self.name]))


class VIBE_OT_locate_take(_OfTake, bpy.types.Operator):
    """Say where the take's file is now"""

    bl_idname = "vibe.locate_take"
    bl_label = "Locate Take File…"

    filepath: StringProperty(subtype="FILE_PATH", options={"SKIP_SAVE"})  # type: ignore[valid-type]
    filter_glob: StringProperty(default="*.take;*.take.part", options={"HIDDEN"})  # type: ignore[valid-type]

    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        """Asks for the file."""
        context.window_manager.fileselect_add(self)
        return {"RUNNING_MODAL"}

    def run(self, context: bpy.types.Context) -> None:
        """Remembers it where it is a file of the same take."""
        take, path = named_take("", context), Path(bpy.path.abspath(self.filepath))
        check_same(take.collection, load_take(path), path)
        relocate(take.collection, path.absolute())
        show(self, take.collection)


class VIBE_OT_reduce_keys(_OfTake, bpy.types.Operator):
    """Make an action with few keys, to be edited by hand. The take's own action stays, and can be gone back to"""

    bl_idname = "vibe.reduce_keys"
    bl_label = "Reduce Keys"

    by: EnumProperty(  # type: ignore[valid-type]
        name="Keep",
        items=(
            ("bound", "What Is Needed", "Keys where the motion would be farther off than the bounds below"),
            ("every", "Every So Many Frames", "Keys at even distances; contacts and gaps keep theirs"),
        ),
    )
    degrees: FloatProperty(  # type: ignore[valid-type]
        name="Rotation (°)",
        description="How far any joint may be turned against its parent",
        default=1.0,
        min=0.01,
        max=45.0,
    )
    millimetres: FloatProperty(  # type: ignore[valid-type]
        name="Place (mm)", description="How far any joint may be out of place", default=5.0, min=0.1, max=1000.0
    )
    every: IntProperty(name="Frames", description="From key to key", default=5, min=2, max=1000)  # type: ignore[valid-type]
    smooth: BoolProperty(  # type: ignore[valid-type]
        name="Bezier Curves", description="Curves with handles between the keys, else straight lines", default=True
    )
    euler: BoolProperty(  # type: ignore[valid-type]
        name="Euler Angles",
        description="Euler angles without jumps instead of quaternions, each bone in the order that suits its motion",
        default=False,
    )

    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        """Asks how exact."""
        return context.window_manager.invoke_props_dialog(self, confirm_text="Reduce Keys")

    def draw(self, context: bpy.types.Context) -> None:
        """What it takes."""
        layout = self.layout
        layout.use_property_split = True
        layout.prop(self, "by")
        if self.by == "every":
            layout.prop(self, "every")
        else:
            layout.prop(self, "degrees")
            layout.prop(self, "millimetres")
        layout.prop(self, "smooth")
        layout.prop(self, "euler")

    def run(self, context: bpy.types.Context) -> None:
        """For everybody in the take."""
        every = self.every if self.by == "every" else 0
        bounds = Bounds(self.degrees, self.millimetres, every, self.smooth)
        collection = named_take("", context).collection
        found, spared = [], None
        for armature, _ in people(collection):
            try:
                found.append(reduce_action(armature, bounds, euler=self.euler))
            except CaptureError as error:
                if error.code != "one_frame":
                    raise
                spared = error
        if spared is not None and not found:
            raise spared
        for name in (item.kept for item in found if item.kept):
            self.report({"INFO"}, f"Your action {name} is kept, unassigned.")
        before, after = (sum(getattr(item, name) for item in found) for name in ("before", "after"))
        self.report({"INFO"}, f"{after:,} of {before:,} keys, {1 - after / max(before, 1):.0%} fewer")


class VIBE_OT_pick_floor(_OfCleaned, bpy.types.Operator):
    """Lay the floor where you say it is: people and camera are turned and raised until it is level, at height zero"""

    bl_idname = "vibe.pick_floor"
    bl_label = "Pick Floor"

    by: EnumProperty(  # type: ignore[valid-type]
        name="From",
        items=(
            ("cursor", "3D Cursor", "The floor is level, and at the height of the 3D cursor"),
            ("object", "Active Object", "The floor is the active object's own plane: an empty, or a plane, laid on it"),
            ("vertices", "Selected Vertices", "The floor goes through the selected vertices, three or more"),
        ),
    )

    def run(self, context: bpy.types.Context) -> None:
        """Changes pitch, roll and height of the camera."""
        collection = named_take("", context).collection
        before = with_lists(collection, cleanup_of(collection))
        points = before_root(_floor_points(context, self.by), before.root)
        view = view_of_floor(captured(collection), before.view, points)
        group = collection.vibe_cleanup
        with quiet():
            group.view_pitch_rad, group.view_roll_rad, group.view_height_m = (
                view.pitch_rad,
                view.roll_rad,
                view.height_m,
            )
            group.view_refit_floor = view.refit_floor
        show(self, collection)


def _floor_points(context: bpy.types.Context, by: str) -> Array:
    """Points (K, 3) of the floor, metres, world."""
    if by == "cursor":
        return np.array(context.scene.cursor.location) * (0, 0, 1) + np.array(_FLAT)
    thing = context.active_object
    if thing is None:
        raise CaptureError("no_floor", "No object is active.", "Click one that lies on the floor.")
    if by == "object":
        matrix = np.array(thing.matrix_world)
        return np.array([matrix[:3, 3] + matrix[:3, :3] @ corner for corner in _FLAT])
    if thing.type != "MESH":
        raise CaptureError("no_floor", f"{thing.name} has no vertices.", "Select vertices of a mesh.")
    if thing.mode == "EDIT":
        places = [vertex.co[:] for vertex in bmesh.from_edit_mesh(thing.data).verts if vertex.select]
    else:
        places = [vertex.co[:] for vertex in thing.data.vertices if vertex.select]
    matrix = np.array(thing.matrix_world)
    return np.array(places, float).reshape(-1, 3) @ matrix[:3, :3].T + matrix[:3, 3]


class VIBE_OT_add_anchor(_OfCleaned, bpy.types.Operator):
    """Say where the chosen person is at the current frame; drift between two such frames is taken out evenly"""

    bl_idname = "vibe.add_anchor"
    bl_label = "Add Anchor"

    at_cursor: BoolProperty(  # type: ignore[valid-type]
        name="At the 3D Cursor",
        description="The pelvis is above the 3D cursor; else it is where it is now, before the mode alters the path",
        default=True,
    )

    def run(self, context: bpy.types.Context) -> None:
        """Remembers it."""
        take = named_take("", context)
        armature = chosen_person(context, take.collection)
        frame, settings = video_frame(take.record, context.scene.frame_current), cleanup_of(take.collection)
        place = pelvis_at(take.collection, armature, frame, settings)
        if self.at_cursor:
            cursor = np.array(context.scene.cursor.location)
            place[:2] = in_take(cursor, armature, context.evaluated_depsgraph_get())[:2]
        anchor = anchor_at(frame, place, settings.root)
        keep_anchors(armature, [*anchors_of(armature), anchor])
        show(self, take.collection)


class VIBE_OT_clear_anchors(_OfTake, bpy.types.Operator):
    """Forget where the chosen person was said to be: at the current frame, or everywhere"""

    bl_idname = "vibe.clear_anchors"
    bl_label = "Remove Anchors"

    everywhere: BoolProperty(name="Everywhere", default=False)  # type: ignore[valid-type]

    def run(self, context: bpy.types.Context) -> None:
        """Forgets it."""
        take = named_take("", context)
        armature = chosen_person(context, take.collection)
        frame = video_frame(take.record, context.scene.frame_current)
        left = [anchor for anchor in anchors_of(armature) if anchor.frame != frame and not self.everywhere]
        keep_anchors(armature, left)
        show(self, take.collection)


class VIBE_OT_forget_camera(_OfTake, bpy.types.Operator):
    """Go back to a camera that stood still"""

    bl_idname = "vibe.forget_camera"
    bl_label = "Forget Camera Path"

    def run(self, context: bpy.types.Context) -> None:
        """Forgets it."""
        collection = named_take("", context).collection
        if camera_path_of(collection) is not None:
            keep_camera_path(collection, None)
        show(self, collection)


class VIBE_OT_toggle_ghost(bpy.types.Operator):
    """Show the raw motion as grey lines in the Graph Editor, behind the selected curves (not in its normalized view)"""

    bl_idname = "vibe.toggle_ghost"
    bl_label = "Raw Motion in the Graph Editor"

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Switches it on or off."""
        (raw_ghost.disable if raw_ghost.enabled() else raw_ghost.enable)()
        return {"FINISHED"}


class VIBE_OT_cleanup_preset(AddPresetBase, bpy.types.Operator):
    """Add or remove a preset of the clean-up settings"""

    bl_idname = "vibe.cleanup_preset"
    bl_label = "Clean-up Preset"
    preset_menu = "VIBE_PT_cleanup_presets"
    preset_subdir = FOLDER
    preset_defines = ("settings = bpy.context.scene.vibe.active_take.vibe_cleanup",)
    preset_values = tuple(
        f"settings.{name}"
        for name in VIBE_Cleanup.__annotations__
        if name.startswith(("smoothing_", "strength_", "feet_")) or name in ("root_mode", "root_lock_height")
    )

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Of the active take."""
        context.scene.vibe.active_take = named_take("", context).collection
        return AddPresetBase.execute(self, context)


class VIBE_OT_use_cleanup_preset(_OfTake, bpy.types.Operator):
    """Use this preset"""

    bl_idname = "vibe.use_cleanup_preset"
    bl_label = "Use Clean-up Preset"

    filepath: StringProperty(subtype="FILE_PATH", options={"SKIP_SAVE"})  # type: ignore[valid-type]
    menu_idname: StringProperty(options={"SKIP_SAVE"})  # type: ignore[valid-type]

    def run(self, context: bpy.types.Context) -> None:
        """All values first, then one change of the motion."""
        collection = named_take("", context).collection
        context.scene.vibe.active_take = collection
        with quiet():
            bpy.ops.script.execute_preset(filepath=self.filepath, menu_idname=VIBE_PT_cleanup_presets.__name__)
        show(self, collection)


class VIBE_PT_cleanup_presets(PresetPanel, bpy.types.Panel):
    """The menu of presets in the Clean-up panel's header."""

    bl_label = "Clean-up Presets"
    preset_subdir = FOLDER
    preset_operator = "vibe.use_cleanup_preset"
    preset_add_operator = "vibe.cleanup_preset"


CLASSES = (
    VIBE_OT_apply_cleanup,
    VIBE_OT_cleanup_choice,
    VIBE_OT_locate_take,
    VIBE_OT_reduce_keys,
    VIBE_OT_pick_floor,
    VIBE_OT_add_anchor,
    VIBE_OT_clear_anchors,
    VIBE_OT_forget_camera,
    VIBE_OT_toggle_ghost,
    VIBE_OT_cleanup_preset,
    VIBE_OT_use_cleanup_preset,
    VIBE_PT_cleanup_presets,
)
