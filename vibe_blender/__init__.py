# SPDX-License-Identifier: GPL-3.0-or-later
"""VIBE for Blender: the Blender half. Importing it needs no Blender; only ``scene`` touches bpy."""
