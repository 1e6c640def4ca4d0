# SPDX-License-Identifier: GPL-3.0-or-later
"""What the panel exports, saved with the scene: ``scene.vibe_export``."""

import bpy
from bpy.props import BoolProperty, EnumProperty, IntProperty, PointerProperty

from .motion.export_settings import AXES, LARGEST_FRAME, ExportSettings

_AXES = tuple((axis, axis, "") for axis in AXES)


class VIBE_Export(bpy.types.PropertyGroup):
    """What is exported and how; ``settings`` makes an ``ExportSettings`` of it."""

    whom: EnumProperty(  # type: ignore[valid-type]
        name="What",
        description="What goes into the file",
        items=(
            ("armature", "Active Armature", "The armature that is active, or that deforms the active mesh; else the "
             "chosen person of the active take"),
            ("take", "Everybody", "Everybody in the active take"),
        ),
        options=set(),
    )  # fmt: skip
    format: EnumProperty(  # type: ignore[valid-type]
        name="Format",
        description="Of the file",
        items=(
            ("fbx", "FBX", "Unreal, Unity, Maya, MotionBuilder and others"),
            ("glb", "glTF Binary (.glb)", "Godot, web browsers, Unreal, Unity with an add-on: one file"),
            ("gltf", "glTF (.gltf)", "The same as several files"),
            ("bvh", "BVH", "The skeleton alone: motion tools, iClone, Daz Studio"),
            ("usdc", "USD (.usdc)", "Houdini, Omniverse, Maya"),
            ("usdz", "USD (.usdz)", "Packed, as Apple's devices show it"),
            ("npz", "AMASS (.npz)", "SMPL's parameters, as research programs read them: of people of a take only"),
        ),
        options=set(),
    )
    program: EnumProperty(  # type: ignore[valid-type]
        name="For",
        description="Whose axes and unit the file has",
        items=(
            ("unreal", "Unreal", "Centimetres, Z up, a root bone on the floor"),
            ("unity", "Unity, Maya", "Centimetres, Y up: what FBX programs expect"),
            ("blender", "Blender", "Metres, Y up"),
        ),
        default="unreal",
        options=set(),
    )
    frames: EnumProperty(  # type: ignore[valid-type]
        name="Frames",
        description="Which scene frames; in the file the first of them is at its beginning",
        items=(
            ("motion", "Whole Motion", "From the first key to the last"),
            ("scene", "Scene", "The frame range of the scene"),
            ("range", "Range", "From one frame to another"),
        ),
        options=set(),
    )
    first: IntProperty(  # type: ignore[valid-type]
        name="First", description="First scene frame", default=1, min=-LARGEST_FRAME, max=LARGEST_FRAME, options=set()
    )
    last: IntProperty(  # type: ignore[valid-type]
        name="Last", description="Last scene frame", default=250, min=-LARGEST_FRAME, max=LARGEST_FRAME, options=set()
    )
    bones: EnumProperty(  # type: ignore[valid-type]
        name="Bones",
        description="Which bones",
        items=(
            ("auto", "Automatic", "All of a plain rig; of one with constraints or drivers those that deform"),
            ("all", "All", "All, helpers and controls too"),
            ("deform", "Deforming", "Those that deform meshes, and the one that carries them all"),
        ),
        options=set(),
    )
    root_bone: EnumProperty(  # type: ignore[valid-type]
        name="Root Bone",
        description="A bone on the floor that carries the skeleton, and moves as the armature object does",
        items=(
            ("auto", "Automatic", "For Unreal, where the skeleton has none"),
            ("yes", "Add", "Where the skeleton has none"),
            ("no", "As It Is", "Add none: for a skeleton that the other program knows already"),
        ),
        options=set(),
    )
    meshes: BoolProperty(  # type: ignore[valid-type]
        name="Meshes", description="Export what the armature deforms as well", default=True, options=set()
    )
    leaf_bones: BoolProperty(  # type: ignore[valid-type]
        name="Leaf Bones",
        description="End each chain in a bone that says how long the last one is: for Maya's eyes, not for games",
        default=False,
        options=set(),
    )
    primary_axis: EnumProperty(  # type: ignore[valid-type]
        name="Bone Axis", description="Which of its axes a bone lies along", items=_AXES, default="Y", options=set()
    )
    secondary_axis: EnumProperty(  # type: ignore[valid-type]
        name="Second Axis", description="What becomes of the bone's X axis", items=_AXES, default="X", options=set()
    )
    check: BoolProperty(  # type: ignore[valid-type]
        name="Check",
        description="Read the file back in a Blender of its own, and compare where all joints are in every frame",
        default=True,
        options=set(),
    )

    def settings(self) -> ExportSettings:
        """What it says.

        Raises:
            CaptureError: ``bad_setting``.
        """
        first, last = {
            "motion": (None, None),
            "scene": (self.id_data.frame_start, self.id_data.frame_end),
            "range": (self.first, self.last),
        }[self.frames]
        return ExportSettings(
            program=self.program,
            first=first,
            last=last,
            bones=self.bones,
            root_bone={"auto": None, "yes": True, "no": False}[self.root_bone],
            meshes=self.meshes,
            leaf_bones=self.leaf_bones,
            primary_axis=self.primary_axis,
            secondary_axis=self.secondary_axis,
        )


def register_export() -> None:
    """Adds ``scene.vibe_export``; its class is registered before."""
    bpy.types.Scene.vibe_export = PointerProperty(type=VIBE_Export)


def unregister_export() -> None:
    """Removes it; what files have saved in it stays there."""
    del bpy.types.Scene.vibe_export


CLASSES = (VIBE_Export,)
