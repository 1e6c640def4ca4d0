# SPDX-License-Identifier: GPL-3.0-or-later
"""Blender's exporters, each told everything that matters; they write all that is in the scene they are given."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import bpy
import numpy as np

from ...contract.errors import CaptureError
from ...contract.quaternions import Array
from ...motion.export_settings import CM_PER_M, ExportSettings
from ..animation import assigned_curves
from .destination import unwritable

FBX, GLTF, BVH, USD = (".fbx",), (".glb", ".gltf"), (".bvh",), (".usd", ".usdc", ".usda", ".usdz")
SUFFIXES = (*FBX, *GLTF, *BVH, *USD)
_Y_UP = np.array([[1.0, 0, 0, 0], [0, 0, 1.0, 0], [0, -1.0, 0, 0], [0, 0, 0, 1.0]])
_ADDONS = {
    "export_scene.fbx": "FBX format",
    "export_scene.gltf": "glTF 2.0 format",
    "export_anim.bvh": "BioVision Motion Capture (BVH) format",
}


def conversion(suffix: str, settings: ExportSettings) -> Array:
    """What makes of the world's metres the numbers that the exporter is to be given, (4, 4)."""
    axes = np.eye(4)
    if suffix in BVH or (suffix in FBX and settings.preset.up == "Y"):
        axes = _Y_UP.copy()
    if suffix in FBX:
        axes[:3, :3] *= settings.preset.units_per_m
    return axes


def bone_names(suffix: str, names: Sequence[str]) -> list[str]:
    """What bones can be called in a file: BVH knows no spaces, USD letters, digits and underscores only."""
    if suffix in BVH:
        wanted = [re.sub(r"\s", "_", name) for name in names]
    elif suffix in USD:
        wanted = [re.sub(r"^(?=\d)", "_", re.sub(r"[^A-Za-z0-9_]", "_", name)) for name in names]
    else:
        return list(names)
    found: list[str] = []
    taken: set[str] = set()
    for name in wanted:
        free, number = name, 1
        while free in taken:
            free, number = f"{name}_{number}", number + 1
        taken.add(free)
        found.append(free)
    return found


def write(path: Path, scene: bpy.types.Scene, armature: bpy.types.Object, settings: ExportSettings) -> None:
    """Writes a passing scene.

    Args:
        path: its suffix, one of ``SUFFIXES``, chooses the format.
        scene: holds stand-ins in the axes and units of ``conversion``, from frame 0 to its last.
        armature: the stand-in that BVH writes.
        settings: of FBX.

    Raises:
        CaptureError: ``exporter_missing`` or ``unwritable``.
    """
    suffix, view_layer = path.suffix.lower(), scene.view_layers[0]
    window = bpy.context.window
    before = window.scene if window is not None else None
    try:
        with bpy.context.temp_override(
            scene=scene, view_layer=view_layer, active_object=armature, object=armature, selected_objects=[armature]
        ):
            if suffix in FBX:
                _fbx(path, scene, settings)
            elif suffix in GLTF:
                _gltf(path, scene, suffix)
            elif suffix in BVH:
                _bvh(path, scene, armature)
            else:
                _usd(path)
    finally:
        if window is not None and window.scene != before:  # glTF's exporter changes it
            window.scene = before


def run(operator: Callable[..., Any], path: Path, **options: Any) -> None:
    """Runs one of Blender's operators that write a file; what this Blender does not know yet is left out.

    Raises:
        CaptureError: ``exporter_missing`` or ``unwritable``.
    """
    name = operator.idname_py()  # type: ignore[attr-defined]
    try:
        known = operator.get_rna_type().properties.keys()  # type: ignore[attr-defined]
    except KeyError as error:
        raise CaptureError(
            "exporter_missing",
            f"Blender's own add-on that writes {path.suffix} is switched off.",
            f"Switch on “{_ADDONS.get(name, name)}” in Edit > Preferences > Add-ons.",
        ) from error
    try:
        operator(filepath=str(path), **{key: value for key, value in options.items() if key in known})
    except (RuntimeError, OSError) as error:
        raise unwritable(path, str(error).strip().removeprefix("Error: ")) from error
    if not path.is_file():
        raise unwritable(path, "Blender wrote nothing")


def _fbx(path: Path, scene: bpy.types.Scene, settings: ExportSettings) -> None:
    preset = settings.preset
    scene.unit_settings.system, scene.unit_settings.scale_length = "METRIC", 1.0 / preset.units_per_m
    run(
        bpy.ops.export_scene.fbx,
        path,
        check_existing=False,
        apply_unit_scale=True,
        # With FBX's own unit, the centimetre, nothing is left to scale, and this writes a factor of 1, not nearly 1.
        apply_scale_options="FBX_SCALE_NONE" if preset.units_per_m == CM_PER_M else "FBX_SCALE_ALL",
        # The stand-ins have the file's axes already: nothing is turned, they are only named.
        use_space_transform=False,
        axis_up=preset.up,
        axis_forward="-Z" if preset.up == "Y" else "Y",
        object_types={"ARMATURE", "MESH"},
        add_leaf_bones=settings.leaf_bones,
        primary_bone_axis=settings.primary_axis,
        secondary_bone_axis=settings.secondary_axis,
        armature_nodetype="NULL",
        bake_anim_use_all_bones=True,
        bake_anim_use_nla_strips=False,
        bake_anim_use_all_actions=False,
        bake_anim_force_startend_keying=True,
        bake_anim_simplify_factor=0.0,
    )


def _gltf(path: Path, scene: bpy.types.Scene, suffix: str) -> None:
    # It takes a frame for 1 / (fps * fps_base) seconds, which is right for whole rates only.
    scene.render.fps_base = 1.0 / scene.render.fps_base
    run(
        bpy.ops.export_scene.gltf,
        path,
        check_existing=False,
        export_format="GLB" if suffix == ".glb" else "GLTF_SEPARATE",
        use_active_scene=True,
        export_yup=True,
        export_animations=True,
        export_animation_mode="ACTIVE_ACTIONS",
        export_merge_animation="ACTION",
        export_force_sampling=True,
        export_optimize_animation_size=False,
        export_rest_position_armature=True,
        export_all_influences=True,
    )


def _bvh(path: Path, scene: bpy.types.Scene, armature: bpy.types.Object) -> None:
    run(
        bpy.ops.export_anim.bvh,
        path,
        check_existing=False,
        frame_start=scene.frame_start,
        frame_end=scene.frame_end,
        global_scale=1.0,
        rotate_mode="ZXY",
        root_transform_only=not _slides(armature),
    )


def _slides(armature: bpy.types.Object) -> bool:
    """Whether a bone with a parent leaves its place on it."""
    moved = {curve.data_path for curve in assigned_curves(armature) if curve.data_path.endswith(".location")}
    return any(
        bone.parent and f'pose.bones["{bpy.utils.escape_identifier(bone.name)}"].location' in moved
        for bone in armature.data.bones
    )


def _usd(path: Path) -> None:
    run(
        bpy.ops.wm.usd_export,
        path,
        check_existing=False,
        export_animation=True,
        export_armatures=True,
        export_shapekeys=True,
        export_lights=False,
        export_cameras=False,
        convert_world_material=False,
        evaluation_mode="VIEWPORT",
        only_deform_bones=False,
        export_custom_properties=False,
        author_blender_name=False,
    )
