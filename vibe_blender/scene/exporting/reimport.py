# SPDX-License-Identifier: GPL-3.0-or-later
"""A program of its own, run by a fresh Blender: imports a file and writes down where its joints are in every frame.

``reimport.py JOB.json``; ``checking.py`` writes the job. It imports nothing of the add-on, so that it runs as it is.
"""

import json
import os
import sys
from pathlib import Path
from typing import Any

import bpy
import numpy as np


def main() -> None:
    """Imports and measures."""
    job = json.loads(Path(sys.argv[-1]).read_text(encoding="utf-8"))
    bpy.ops.wm.read_factory_settings(use_empty=True)
    scene = bpy.context.scene
    start, step = _import(job, scene)
    armatures = [thing for thing in scene.objects if thing.type == "ARMATURE"]
    for armature in armatures:
        _disconnect(armature)
    graph = bpy.context.evaluated_depsgraph_get()
    names = [[bone.name for bone in armature.pose.bones] for armature in armatures]
    heads = [np.empty((job["frames"], len(of), 3)) for of in names]
    for row in range(job["frames"]):
        # Blender rounds times to 1 / 1,048,574 of a frame at best.
        whole, part = divmod(round(start + row * step, 6), 1.0)
        scene.frame_set(int(whole), subframe=part)
        for armature, places in zip(armatures, heads, strict=True):
            rig = armature.evaluated_get(graph)
            own = np.array(rig.matrix_world)
            places[row] = np.array([bone.head for bone in rig.pose.bones]).reshape(-1, 3) @ own[:3, :3].T + own[:3, 3]
    found: dict[str, Any] = {}
    for number, (of, places) in enumerate(zip(names, heads, strict=True)):
        found[f"names_{number}"], found[f"heads_{number}"] = np.array(of), places
    unfinished = Path(job["found"] + ".tmp")
    with unfinished.open("wb") as file:
        np.savez(file, **found)
    unfinished.replace(job["found"])


def _disconnect(armature: bpy.types.Object) -> None:
    """Lets bones leave their parents' ends: FBX's importers connect them, and do not show them stretch."""
    bpy.context.view_layer.objects.active = armature
    bpy.ops.object.mode_set(mode="EDIT")
    for bone in armature.data.edit_bones:
        bone.use_connect = False
    bpy.ops.object.mode_set(mode="OBJECT")


def _import(job: dict[str, Any], scene: bpy.types.Scene) -> tuple[float, float]:
    """Imports the file; the scene frame of its first frame, and how many scene frames one of its frames is."""
    path, suffix = job["path"], Path(job["path"]).suffix.lower()
    if suffix == ".fbx":
        if job["reader"] == "new" and hasattr(bpy.types, "WM_OT_fbx_import"):
            bpy.ops.wm.fbx_import(filepath=path, anim_offset=0.0)
            return 0.0, scene.render.fps / scene.render.fps_base / job["rate"]
        bpy.ops.import_scene.fbx(filepath=path, anim_offset=0.0)
        return 0.0, scene.render.fps / job["rate"]  # it knows whole rates only
    if suffix in (".glb", ".gltf"):
        scene.render.fps_base = 1.0
        bpy.ops.import_scene.gltf(filepath=path)
        return 0.0, scene.render.fps / job["rate"]
    if suffix == ".bvh":
        bpy.ops.import_anim.bvh(filepath=path, frame_start=1)  # earlier it does not begin
        return 1.0, 1.0
    bpy.ops.wm.usd_import(filepath=path)
    return 0.0, 1.0


if __name__ == "__main__":
    try:
        main()
    except BaseException as error:
        print(f"Error: {error}", flush=True)
        raise
    finally:
        # pip's bpy sometimes crashes while it is torn down.
        sys.stdout.flush()
        os._exit(0)
