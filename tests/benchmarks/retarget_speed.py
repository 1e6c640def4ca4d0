# SPDX-License-Identifier: MIT
"""How long one rig's motion takes to get onto another: plain rigs and Rigify's, against ``keyframe_insert``.

    python tests/benchmarks/retarget_speed.py [FRAMES]

Somebody walks for FRAMES frames, feet held. A plain rig's time is that of the whole operation: the source's curves
read, the motion solved, keys written. Beside it a script as they are usually written: frame by frame, each bone is
given its matrix and keyed; on a tenth of the frames, and with what it is to show already known. Rigify's generated rig
gets a tenth of the frames too, with all its constraints. Seconds are those of the clock: the machine has to be idle.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

import bpy
from mathutils import Matrix, Quaternion

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.characters import CHARACTERS
from tests.characters_blender import add_character, add_rigify, remove_rigify
from tests.characters_motion import add_source
from tests.walker import walker
from vibe_blender.motion.mapping.mapping import map_bones
from vibe_blender.motion.retargeting.bone_map import BoneMap
from vibe_blender.motion.retargeting.rig import BoneMotion
from vibe_blender.motion.retargeting.settings import Retarget
from vibe_blender.scene.retargeting.rigs import read_rig
from vibe_blender.scene.retargeting.transfer import retargeting, solved
from vibe_blender.scene.steps import run_through

REPEATS = 3


def new_scene(count: int) -> Any:
    """An empty file's scene with somebody who walks; its armature."""
    bpy.ops.wm.read_factory_settings(use_empty=True)
    person, _, _ = walker(count)
    source = add_source(person, bpy.context.scene, standing=True)
    bpy.context.view_layer.update()
    return source


def ours(source: Any, target: Any, bone_map: BoneMap) -> float:
    """Seconds of the whole operation."""
    began = time.perf_counter()
    run_through(retargeting(source, target, bone_map, Retarget()))
    return time.perf_counter() - began


def longest_step_ms(source: Any, target: Any, bone_map: BoneMap) -> float:
    """The longest that a window would wait."""
    longest, steps = 0.0, retargeting(source, target, bone_map, Retarget())
    while True:
        began = time.perf_counter()
        try:
            next(steps)
        except StopIteration:
            return longest
        finally:
            longest = max(longest, 1000 * (time.perf_counter() - began))


def usual(target: Any, motion: BoneMotion) -> float:
    """Seconds of a loop that sets matrices and keys them."""
    began = time.perf_counter()
    layer = bpy.context.view_layer
    for frame in range(len(motion.frames)):
        for row, name in enumerate(motion.bones):
            bone = target.pose.bones[name]
            place = bone.matrix.to_translation()
            if name in motion.moved:
                place = motion.heads[frame, motion.moved.index(name)]
            turned = Quaternion(motion.turned[frame, row]).to_matrix().to_4x4()
            bone.matrix = Matrix.Translation(place) @ turned
            layer.update()
            bone.keyframe_insert("rotation_quaternion", frame=frame + 1)
            if name in motion.moved:
                bone.keyframe_insert("location", frame=frame + 1)
    return time.perf_counter() - began


def main(count: int) -> None:
    """Prints times and ratios."""
    few = max(count // 10, 2)
    print(f"bpy {bpy.app.version_string}, {count} frames")
    for one in CHARACTERS[:4]:
        seconds = []
        for _ in range(REPEATS):
            source = new_scene(count)
            target = add_character(one, bpy.context.scene.collection)
            seconds.append(ours(source, target, one.true_map))
        source = new_scene(few)
        target = add_character(one, bpy.context.scene.collection)
        loop = usual(target, solved(source, target, one.true_map, Retarget())) / few * count
        best = min(seconds)
        print(f"{one.name}: {best:.2f} s; frame by frame {loop:.1f} s, {loop / best:.0f} times as long", flush=True)
    source = new_scene(few)
    metarig, rig = add_rigify(bpy.context.scene)
    bpy.context.view_layer.update()
    for target in (metarig, rig):
        bone_map = map_bones(read_rig(target))
        each = ours(source, target, bone_map) / few
        longest = longest_step_ms(source, target, bone_map)
        print(f"Rigify {target.name}, {len(target.data.bones)} bones: {1000 * each:.2f} ms a frame", flush=True)
        print(f"its longest step {longest:.0f} ms", flush=True)
    remove_rigify()


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 3000)
