# SPDX-License-Identifier: GPL-3.0-or-later
"""Sentences in a panel, wrapped to its width: a label alone cuts them off."""

from __future__ import annotations

import textwrap

import bpy

_CHARACTER_PX = 6.0
"""Mean width of a letter at interface scale 1; a little too wide rather than cut."""
_MARGIN_PX, _ICON_PX = 56, 20


def draw_text(
    layout: bpy.types.UILayout, context: bpy.types.Context, text: str, icon: str = "NONE", *, taken_px: int = 0
) -> None:
    """Draws a text as labels, one per line.

    Args:
        layout: receives them.
        context: as given to a panel; its region is the width to wrap to.
        text: sentences.
        icon: in front of the first line.
        taken_px: of the width, at interface scale 1, by what stands beside the text.
    """
    width = context.region.width if context.region else 300
    scale = context.preferences.system.ui_scale
    room_px = width / scale - _MARGIN_PX - taken_px - (_ICON_PX if icon != "NONE" else 0)
    characters = max(16, int(room_px / _CHARACTER_PX))
    column = layout.column(align=True)
    column.scale_y = 0.75
    for number, line in enumerate(textwrap.wrap(text, characters, break_long_words=True)):
        column.label(text=line, icon=icon if number == 0 else ("BLANK1" if icon != "NONE" else "NONE"))
