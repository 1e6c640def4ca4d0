# SPDX-License-Identifier: GPL-3.0-or-later
"""Sentences in a panel, wrapped to its width: a label alone cuts them off."""

from __future__ import annotations

import unicodedata

import bpy

_COLUMN_PX = 6.0
"""Mean width of a Latin letter at interface scale 1; a little too wide rather than cut."""
_FEWEST_COLUMNS = 16
_MARGIN_PX, _ICON_PX = 56, 20


def draw_text(
    layout: bpy.types.UILayout,
    context: bpy.types.Context,
    text: str,
    icon: str = "NONE",
    *,
    taken_px: int = 0,
    width_px: int | None = None,
) -> None:
    """Draws a text as labels, one per line.

    Args:
        layout: receives them.
        context: as given to a panel; its region is the width to wrap to.
        text: sentences.
        icon: in front of the first line.
        taken_px: of the width, at interface scale 1, by what stands beside the text.
        width_px: that of a dialog, at interface scale 1; None for the region's.
    """
    region_px = context.region.width if context.region else 300
    width = width_px or region_px / context.preferences.system.ui_scale
    room_px = width - _MARGIN_PX - taken_px - (_ICON_PX if icon != "NONE" else 0)
    column = layout.column(align=True)
    column.scale_y = 0.75
    for number, line in enumerate(wrapped(text, max(_FEWEST_COLUMNS, int(room_px / _COLUMN_PX)))):
        column.label(text=line, icon=icon if number == 0 else ("BLANK1" if icon != "NONE" else "NONE"))


def wrapped(text: str, columns: int) -> list[str]:
    """The text in lines of at most so many columns, broken between words where they fit, within them where not."""
    lines, line = [], ""
    for word in text.split():
        longer = f"{line} {word}" if line else word
        if columns_of(longer) <= columns:
            line = longer
            continue
        if line and (columns_of(word) <= columns or columns_of(line) + 2 > columns):
            lines.append(line)
            line = word
        else:  # broken anyhow, as a Chinese sentence must be: it may begin in this line
            line = longer
        while columns_of(line) > columns:
            fits = _fitting(line, columns)
            lines.append(line[:fits].rstrip())
            line = line[fits:].lstrip()
    return [*lines, line] if line else lines


def columns_of(text: str) -> int:
    """How many Latin letters wide a text is: letters of Chinese, Japanese and Korean are as wide as two."""
    return sum(_columns(letter) for letter in text)


def _columns(letter: str) -> int:
    if unicodedata.category(letter) in ("Mn", "Me", "Cf"):  # drawn over the letter before, or not at all
        return 0
    return 2 if unicodedata.east_asian_width(letter) in ("W", "F") else 1


def _fitting(text: str, columns: int) -> int:
    """How many letters from the beginning fit, one at least."""
    taken = 0
    for index, letter in enumerate(text):
        taken += _columns(letter)
        if taken > columns:
            return max(index, 1)
    return len(text)
