# SPDX-License-Identifier: MIT
"""A user of the extension in a Blender without a window: installs the zip, uses its operators, switches it off and on.

``python blender_user.py STORY ZIP …`` with pip's bpy; run by ``test_extension.py``, which gives it a user folder.
The last line it prints is JSON: what the story came to.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterator

import bpy

EXTENSION = "bl_ext.user_default.vibe_blender"
CAPTURE_SECONDS = 300.0


def install(archive: str) -> None:
    """As a zip that is dropped on Blender's window."""
    bpy.ops.extensions.package_install_files(filepath=archive, repo="user_default", enable_on_install=True)
    assert EXTENSION in bpy.context.preferences.addons, "the extension was not enabled"


def module(name: str):
    """A module of the installed extension."""
    return sys.modules[f"{EXTENSION}.vibe_blender.{name}"]


def traces() -> list[str]:
    """Everything an add-on can leave in Blender, by name."""
    found = [f"type {name}" for name in dir(bpy.types)]
    kinds = ("Operator", "Panel", "Menu", "PropertyGroup", "AddonPreferences", "UIList", "FileHandler", "Header")
    for kind in kinds:
        found += [f"class {name}" for name in _registered(getattr(bpy.types, kind))]
    for name in dir(bpy.app.handlers):
        handlers = getattr(bpy.app.handlers, name)
        if isinstance(handlers, list):
            found += [f"handler {name} {handler.__module__}.{handler.__name__}" for handler in handlers]
    for name in dir(bpy.types):
        functions = getattr(getattr(getattr(bpy.types, name), "draw", None), "_draw_funcs", ())
        ours = [function for function in functions if function.__module__.startswith(EXTENSION)]
        found += [f"drawn in {name}: {function.__name__}" for function in ours]  # Blender's own moves in there too
    for owner in ("Scene", "Object", "Collection", "Action", "WindowManager"):
        found += [f"property {owner}.{item.identifier}" for item in getattr(bpy.types, owner).bl_rna.properties]
    keys = bpy.context.window_manager.keyconfigs.addon
    found += [f"key {item.idname}" for keymap in (keys.keymaps if keys else ()) for item in keymap.keymap_items]
    return sorted(found)


def _registered(kind: type) -> Iterator[str]:
    """Names of our classes; Blender makes some of its own when it is looked at."""
    for each in kind.__subclasses__():
        if each.__module__.startswith(EXTENSION) and each.is_registered:
            yield each.__name__
        yield from _registered(each)


def switching(archive: str) -> dict:
    """What is left in Blender after the extension was switched off, twice."""
    before = traces()
    install(archive)
    left, added = [], []
    for _ in range(2):
        bpy.ops.preferences.addon_enable(module=EXTENSION)
        added.append(len(set(traces()) - set(before)))
        timers = [module(name)._tick for name in ("session", "installing", "availability")]
        bpy.ops.preferences.addon_disable(module=EXTENSION)
        left.append(sorted(set(traces()) - set(before)))
        left[-1] += [f"timer {tick.__module__}" for tick in timers if bpy.app.timers.is_registered(tick)]
    return {"left": left, "added": added}


def capturing(archive: str, video: str) -> dict:
    """What is in the scene after a capture, and after its take was deleted."""
    install(archive)
    bpy.ops.wm.read_homefile(use_factory_startup=False, use_empty=True)
    bpy.ops.vibe.choose_video(filepath=video)
    bpy.ops.vibe.capture()
    outcome = pump()
    scene = bpy.context.scene
    armatures = [item for item in scene.objects if item.type == "ARMATURE"]
    told = {
        "kind": outcome.kind,
        "text": f"{outcome.text} {outcome.hint}",
        "take": str(outcome.take),
        "armatures": len(armatures),
        "bones": [len(item.data.bones) for item in armatures],
        "animated": [item.animation_data.action is not None for item in armatures],
        "camera": scene.camera is not None or any(item.type == "CAMERA" for item in scene.objects),
        "moved": _moved(scene, armatures),
    }
    name = outcome.collection
    assert name, f"{told} {outcome.warnings}"
    bpy.ops.vibe.fit_timeline(name=name)
    bpy.ops.vibe.look_through_camera(name=name)
    bpy.ops.vibe.mark_doubtful()
    bpy.ops.vibe.rename_take(name=name, new_name="Second walk")
    told["range"] = [scene.frame_start, scene.frame_end]
    told["collections"] = [item.name for item in bpy.data.collections]
    bpy.ops.vibe.delete_take(name="Second walk")
    told["left"] = [item.name for item in (*bpy.data.objects, *bpy.data.armatures, *bpy.data.actions)]
    bpy.ops.vibe.open_take(filepath=told["take"])
    told["opened"] = sum(item.type == "ARMATURE" for item in scene.objects)
    return told


def _moved(scene: bpy.types.Scene, armatures: list[bpy.types.Object]) -> list[float]:
    """How far each armature's root joint goes, in metres."""
    way = []
    for frame in (scene.frame_current, scene.frame_current + 10):
        scene.frame_set(frame)
        way.append([item.matrix_world @ item.pose.bones[0].head for item in armatures])
    return [(after - before).length for before, after in zip(*way, strict=True)]


def pump():
    """The outcome of the running capture, which no timer moves here."""
    session = module("session")
    end = time.monotonic() + CAPTURE_SECONDS
    while session.current() is not None:
        session.pump()
        assert time.monotonic() < end, "the capture does not end"
        time.sleep(0.002)
    return session.outcome()


STORIES = {"switching": switching, "capturing": capturing}

if __name__ == "__main__":
    print(json.dumps(STORIES[sys.argv[1]](*sys.argv[2:])), flush=True)
    # pip's bpy sometimes crashes while it is torn down.
    sys.stderr.flush()
    os._exit(0)
