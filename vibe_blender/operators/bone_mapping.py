# SPDX-License-Identifier: GPL-3.0-or-later
"""Which bones are which parts of the body: found, picked in the view, mirrored, read from and written to files."""

from pathlib import Path

import bpy
from bpy.props import BoolProperty, EnumProperty, StringProperty

from ..character_maps import bone_names, detect, keep_map, note, set_part
from ..contract.errors import CaptureError
from ..motion.mapping.mirroring import mirror_map
from ..motion.retargeting.bone_map import CHAINS, MOST_BONES, PARTS, spoken
from ..scene.retargeting.rigs import read_rig
from ..stored_maps import SUFFIX, fitted, read_map, write_map
from .active import UNDO
from .characters import chosen_target, free, no_mapping, the_target
from .reporting import Reporting

_WHICH = EnumProperty(name="Part", items=[(part, spoken(part).title(), "") for part in PARTS])


class _OfMapping(Reporting):
    """An operator on the bone map of the chosen character."""

    bl_options = UNDO

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Says why not."""
        return free(cls, no_mapping(context))  # type: ignore[arg-type]


class _OfPart(_OfMapping):
    """An operator on one part of it."""

    part: _WHICH  # type: ignore[valid-type]


class VIBE_OT_detect_bones(_OfMapping, bpy.types.Operator):
    """Recognise all bones once more, and forget what was chosen for rigs with these bones"""

    bl_idname = "vibe.detect_bones"
    bl_label = "Detect Again"

    def run(self, context: bpy.types.Context) -> None:
        """Finds them."""
        target = the_target(context)
        detect(target, anew=True)
        missing = target.vibe_retarget.bone_map().missing()
        if missing:
            self.report({"INFO"}, f"Not found: {', '.join(map(spoken, missing))}")


class VIBE_OT_pick_bones(_OfPart, bpy.types.Operator):
    """Use the selected bone. Of back and neck, use all selected bones, from the hips upwards"""

    bl_idname = "vibe.pick_bones"
    bl_label = "Use Selected Bone"

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Says why not."""
        target, reason = chosen_target(context), no_mapping(context)
        if target is not None and not reason and target.mode != "POSE":
            reason = f"Select {target.name}, enter Pose Mode and click a bone"
        return free(cls, reason)

    def run(self, context: bpy.types.Context) -> None:
        """Takes it from the view."""
        target = the_target(context)
        bones = [bone for bone in target.pose.bones if _is_selected(bone)]
        active = target.data.bones.active
        if self.part not in CHAINS or len(bones) > MOST_BONES:
            bones = [bone for bone in bones if active is not None and bone.name == active.name] or bones[:1]
        if not bones:
            raise CaptureError("no_bone", "No bone is selected.", "Click one in the view.")
        bones.sort(key=lambda bone: len(bone.parent_recursive))
        set_part(target, self.part, [bone.name for bone in bones])


class VIBE_OT_clear_part(_OfPart, bpy.types.Operator):
    """The character has no bone for this part of the body"""

    bl_idname = "vibe.clear_part"
    bl_label = "Clear"

    def run(self, context: bpy.types.Context) -> None:
        """Unmaps it."""
        set_part(the_target(context), self.part, [])


class VIBE_OT_mirror_bones(_OfMapping, bpy.types.Operator):
    """Choose the bones of one side like those of the other, by their names or by where they are"""

    bl_idname = "vibe.mirror_bones"
    bl_label = "Mirror"

    side: EnumProperty(  # type: ignore[valid-type]
        name="From",
        items=(
            ("left", "Left to Right", "The right side gets the bones opposite those of the left"),
            ("right", "Right to Left", "The left side gets the bones opposite those of the right"),
        ),
    )

    def run(self, context: bpy.types.Context) -> None:
        """Copies a side."""
        target = the_target(context)
        before = target.vibe_retarget.bone_map()
        after = mirror_map(read_rig(target), before, self.side)
        if after == before:
            self.report({"INFO"}, "Nothing to change: no other bones lie opposite")
        else:
            keep_map(target, after)


class VIBE_OT_import_bones(_OfMapping, bpy.types.Operator):
    """Read which bones are which from a JSON file; bones that this character lacks are left out"""

    bl_idname = "vibe.import_bones"
    bl_label = "Import Bone Map"

    filepath: StringProperty(subtype="FILE_PATH", options={"SKIP_SAVE"})  # type: ignore[valid-type]
    filter_glob: StringProperty(default=f"*{SUFFIX}", options={"HIDDEN"})  # type: ignore[valid-type]

    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        """Asks for the file."""
        context.window_manager.fileselect_add(self)
        return {"RUNNING_MODAL"}

    def run(self, context: bpy.types.Context) -> None:
        """Takes over what fits."""
        target, path = the_target(context), Path(bpy.path.abspath(self.filepath))
        bone_map, lost = fitted(read_map(path), bone_names(target))
        if not bone_map.parts:
            raise CaptureError(
                "other_rig", f"{target.name} has none of the bones named in {path.name}.", "Choose the map of its rig."
            )
        keep_map(target, bone_map)
        if lost:
            self.report({"WARNING"}, f"{lost} parts were left out: {target.name} lacks their bones")


class VIBE_OT_export_bones(_OfMapping, bpy.types.Operator):
    """Write which bones are which, with all offsets, to a JSON file for others"""

    bl_idname = "vibe.export_bones"
    bl_label = "Export Bone Map"
    bl_options = set()  # noqa: RUF012

    filepath: StringProperty(subtype="FILE_PATH", options={"SKIP_SAVE"})  # type: ignore[valid-type]
    filter_glob: StringProperty(default=f"*{SUFFIX}", options={"HIDDEN"})  # type: ignore[valid-type]
    check_existing: BoolProperty(default=True, options={"HIDDEN"})  # type: ignore[valid-type]

    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        """Asks where."""
        target = the_target(context)
        self.filepath = bpy.path.clean_name(target.vibe_retarget.bone_map().rig or target.name) + SUFFIX
        context.window_manager.fileselect_add(self)
        return {"RUNNING_MODAL"}

    def run(self, context: bpy.types.Context) -> None:
        """Writes it."""
        target, path = the_target(context), Path(bpy.path.abspath(self.filepath))
        path = path if path.suffix.lower() == SUFFIX else path.with_name(path.name + SUFFIX)
        write_map(path, target.vibe_retarget.bone_map())
        self.report({"INFO"}, f"Saved {path.name}")


def tell_note(operator: bpy.types.Operator, target: bpy.types.Object) -> None:
    """Reports what went wrong with the file of a target's map."""
    if text := note(target):
        operator.report({"WARNING"}, text)


def _is_selected(bone: bpy.types.PoseBone) -> bool:
    return bone.select if bpy.app.version >= (5, 0, 0) else bone.bone.select


CLASSES = (
    VIBE_OT_detect_bones,
    VIBE_OT_pick_bones,
    VIBE_OT_clear_part,
    VIBE_OT_mirror_bones,
    VIBE_OT_import_bones,
    VIBE_OT_export_bones,
)
