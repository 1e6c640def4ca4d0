# SPDX-License-Identifier: GPL-3.0-or-later
"""Work in steps of a few milliseconds: a generator that yields between them, so that Blender's window stays alive."""

from __future__ import annotations

from collections.abc import Generator
from typing import TypeVar

import bpy

T = TypeVar("T")
Steps = Generator[None, None, T]
"""Between two yields anything may happen to Blender's data but undo: hold datablocks, never what is inside them."""


def rendering() -> bool:
    """Whether a render reads Blender's data in a thread of its own: it would crash where the data changes meanwhile."""
    return bpy.app.is_job_running("RENDER")


def run_through(steps: Steps[T]) -> T:
    """What the steps come to, all of them taken at once."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return end.value
