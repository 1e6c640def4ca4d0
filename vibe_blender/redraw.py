# SPDX-License-Identifier: GPL-3.0-or-later
"""Asks Blender to draw our panels again after something changed outside its knowledge."""

from __future__ import annotations

import bpy

_REGIONS = {"VIEW_3D": ("UI",), "PREFERENCES": ("WINDOW",), "DOPESHEET_EDITOR": ("WINDOW",)}


def redraw_panels() -> None:
    """In every window: the sidebars of the 3D views, the preferences, the timelines."""
    for window in bpy.context.window_manager.windows:
        for area in window.screen.areas:
            for region in area.regions:
                if region.type in _REGIONS.get(area.type, ()):
                    region.tag_redraw()
