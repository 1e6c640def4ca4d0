# SPDX-License-Identifier: MIT
"""Runs inside the Blender under test: answers the driver's questions about what is there, and changes nothing.

``blender --python probe.py -- FOLDER``. A question is a Python expression in ``FOLDER/question.json``, the answer goes
to ``FOLDER/answer.json``. Blender's own timer reads it, so an answer also shows that the user interface is alive.
"""

from __future__ import annotations

import json
import sys
import traceback
from pathlib import Path

import blf
import bpy
import gpu
import numpy as np
from mathutils import Matrix

FOLDER = Path(sys.argv[sys.argv.index("--") + 1])
SECONDS = 0.02
EXTENSION = "bl_ext.user_default.vibe_blender"


def extension(name: str):
    """The extension's module ``name`` as Blender has loaded it; None where it has not."""
    return sys.modules.get(f"{EXTENSION}.vibe_blender.{name}")


def region(area_type: str, region_type: str) -> list[int]:
    """Left, top, width and height in pixels of the first such region of the main window."""
    window = bpy.context.window_manager.windows[0]
    for area in window.screen.areas:
        if area.type == area_type:
            for item in area.regions:
                if item.type == region_type:
                    return [item.x, window.height - item.y - item.height, item.width, item.height]
    raise LookupError(f"no {region_type} in a {area_type}")


def glyphs(text: str) -> list[int]:
    """Height and width of the picture of ``text`` as Blender's buttons show it, which goes to FOLDER/glyphs.raw.

    One byte per pixel, rows from top to bottom. It ends at the base line, because menus underline letters below it.
    """
    style = bpy.context.preferences.ui_styles[0].widget
    blf.size(0, style.points * bpy.context.preferences.system.ui_scale)
    blf.color(0, 1.0, 1.0, 1.0, 1.0)
    width, height = int(blf.dimensions(0, text)[0]) + 3, int(blf.dimensions(0, "Á")[1]) + 2
    offscreen = gpu.types.GPUOffScreen(width, height)
    with offscreen.bind(), gpu.matrix.push_pop(), gpu.matrix.push_pop_projection():
        framebuffer = gpu.state.active_framebuffer_get()
        framebuffer.clear(color=(0.0, 0.0, 0.0, 1.0))
        gpu.matrix.load_identity()
        gpu.matrix.load_projection_matrix(_pixels(width, height))
        blf.position(0, 1.0, 0.0, 0.0)
        blf.draw(0, text)
        buffer = framebuffer.read_color(0, 0, width, height, 4, 0, "UBYTE")
        buffer.dimensions = width * height * 4
    offscreen.free()
    (FOLDER / "glyphs.raw").write_bytes(np.array(buffer, np.uint8).reshape(height, width, 4)[::-1, :, 0].tobytes())
    return [height, width]


def _pixels(width: int, height: int) -> Matrix:
    """The projection under which a unit is a pixel and the origin is the lower left corner."""
    return Matrix([[2.0 / width, 0, 0, -1], [0, 2.0 / height, 0, -1], [0, 0, -1, 0], [0, 0, 0, 1]])


def _answer() -> float:
    question = FOLDER / "question.json"
    if question.exists():
        asked = json.loads(question.read_text(encoding="utf-8"))
        question.unlink()
        try:
            answer = {"value": eval(asked["expression"], globals())}
            text = json.dumps(answer)
        except Exception:  # whatever it is, the driver shows it
            text = json.dumps({"error": traceback.format_exc()})
        unfinished = FOLDER / "answer.tmp"
        unfinished.write_text(text, encoding="utf-8")
        unfinished.replace(FOLDER / "answer.json")
    return SECONDS


bpy.app.timers.register(_answer, first_interval=SECONDS, persistent=True)
