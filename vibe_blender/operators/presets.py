# SPDX-License-Identifier: GPL-3.0-or-later
"""Presets of the capture settings, through Blender's own preset menu."""

import bpy
from bl_operators.presets import AddPresetBase
from bl_ui.utils import PresetPanel

FOLDER = "vibe_blender/capture"


class VIBE_OT_capture_preset(AddPresetBase, bpy.types.Operator):
    """Add or remove a preset of the capture settings"""

    bl_idname = "vibe.capture_preset"
    bl_label = "Capture Preset"
    preset_menu = "VIBE_PT_capture_presets"
    preset_subdir = FOLDER
    preset_defines = ("settings = bpy.context.scene.vibe",)
    preset_values = (
        "settings.estimator",
        "settings.people",
        "settings.people_count",
        "settings.focal",
        "settings.focal_mm",
        "settings.use_height",
        "settings.height_m",
        "settings.device",
        "settings.fast",
        "settings.vibe_network",
        "settings.tcmr_network",
        "settings.dts_vibe_network",
        "settings.use_slerp",
        "settings.slerp",
        "settings.refine",
    )


class VIBE_PT_capture_presets(PresetPanel, bpy.types.Panel):
    """The menu of presets in the Capture panel's header."""

    bl_label = "Capture Presets"
    preset_subdir = FOLDER
    preset_operator = "script.execute_preset"
    preset_add_operator = "vibe.capture_preset"


CLASSES = (VIBE_OT_capture_preset, VIBE_PT_capture_presets)
