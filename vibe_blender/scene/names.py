# SPDX-License-Identifier: GPL-3.0-or-later
"""Names that leave room for what is put behind them."""

from __future__ import annotations

_MOST_BYTES = 36
"""Blender's names end at 63 bytes before 5.0; " person 12 (capturing) body" and a number's letters come behind."""


def short_name(name: str) -> str:
    """The name, or as much of its beginning as leaves room: Blender would cut the end, which tells things apart."""
    return name.encode("utf-8", "replace")[:_MOST_BYTES].decode("utf-8", "ignore").strip()
