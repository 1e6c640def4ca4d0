# SPDX-License-Identifier: MIT
"""How long a plain rig takes to be given a motion, from the source's curves to the target's written keys.

    python tests/benchmarks/retarget_speed.py [FRAMES]

Each rig is given the walk of a take, whose feet stand, three times, in bpy without a window; the slowest is printed,
beside how much of it is reading the source, solving, and writing.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import bpy
import numpy as np

from tests.characters import CHARACTERS
from tests.characters_blender import add_character
from tests.walker import walker
from vibe_blender.contract.take import Video
from vibe_blender.motion.contact_ranges import from_steps
from vibe_blender.motion.retargeting.settings import Retarget
from vibe_blender.motion.settings import FEET, PARTS
from vibe_blender.scene.animation import animating
from vibe_blender.scene.armature import add_armature
from vibe_blender.scene.contact_curves import write_contacts
from vibe_blender.scene.retargeting import transfer
from vibe_blender.scene.steps import run_through

FPS = 30.0


def main(frames: int) -> None:
    """Prints a line per rig."""
    bpy.ops.wm.read_factory_settings(use_empty=True)
    collection = bpy.context.scene.collection
    person, times, stands = walker(frames, FPS)
    source = add_armature("walk", person.rest_joints[:, [0, 2, 1]] * (1.0, -1.0, 1.0), 1.8, collection)
    action = run_through(animating(source, person, Video("walk.mp4", 64, 64, FPS, times), fps=FPS, start=1.0))
    contacts: tuple = ()
    for foot, standing in zip(FEET, stands.T, strict=True):
        for part in PARTS:
            contacts += tuple(from_steps(list(enumerate(map(bool, standing))), foot, part, frames - 1))
    write_contacts(source, action, contacts, 1.0 + np.arange(frames), 0)
    parts: dict[str, float] = {}
    for name in ("sampling_source", "solve", "write_motion"):
        setattr(transfer, name, _timed(getattr(transfer, name), name, parts))
    print(f"{frames} frames")
    for known in CHARACTERS:
        target = add_character(known, collection)
        bpy.context.view_layer.update()
        took = []
        for _ in range(3):
            parts.clear()
            began = time.perf_counter()
            run_through(transfer.retargeting(source, target, known.true_map, Retarget()))
            took.append((time.perf_counter() - began, dict(parts)))
        seconds, shares = max(took, key=lambda item: item[0])
        told = ", ".join(f"{name} {share / seconds:.0%}" for name, share in shares.items())
        print(f"  {known.name:20} {1000 * seconds:6.0f} ms   {told}", flush=True)


def _timed(function: Callable[..., Any], name: str, parts: dict[str, float]) -> Callable[..., Any]:
    """The function, whose time is noted; the one that comes in steps takes them all."""

    def call(*args: Any, **options: Any) -> Any:
        began = time.perf_counter()
        found = function(*args, **options)
        if name == "sampling_source":
            found = _done(run_through(found))
        parts[name] = time.perf_counter() - began
        return found

    return call


def _done(found: Any) -> Any:
    return found
    yield


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 3000)
