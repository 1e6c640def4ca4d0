# SPDX-License-Identifier: MIT
"""How much faster a person's motion is keyed in bulk than with ``keyframe_insert``, side by side in one Blender.

    python tests/benchmarks/keying_speed.py [FRAMES]

Both ways start from the take's arrays and write the same keys: 24 quaternions and the pelvis's location per frame.
``keyframe_insert`` gets its values through ``rotation_quaternion``, one key per property and frame, as importers do.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

import bpy
import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.fake_backend import small_take, walking_person
from vibe_blender.contract.quaternions import continuous
from vibe_blender.contract.skeleton import JOINT_NAMES
from vibe_blender.contract.take import Person
from vibe_blender.motion.rotations import bone_location, bone_rotations, upright
from vibe_blender.scene.animation import animating
from vibe_blender.scene.armature import add_armature, bone_quaternions
from vibe_blender.scene.steps import run_through

REPEATS = 5


def new_rig(person: Person) -> Any:
    """An armature at rest in an empty file."""
    bpy.ops.wm.read_factory_settings(use_empty=True)
    heads = upright(person.rest_joints + np.array([0.0, 1.2, 0.0]))
    return add_armature("rig", heads, 1.72, bpy.context.scene.collection)


def bulk_seconds(person: Person, count: int) -> float:
    """Our way, everything from arrays to finished curves; the best of several."""
    video = small_take(count=count).video
    seconds = []
    for _ in range(REPEATS):
        rig = new_rig(person)
        began = time.perf_counter()
        run_through(animating(rig, person, video, fps=25.0, start=1))
        seconds.append(time.perf_counter() - began)
    return min(seconds)


def insert_seconds(person: Person) -> float:
    """The same keys with ``keyframe_insert``."""
    rig = new_rig(person)
    began = time.perf_counter()
    bones = bone_quaternions(rig)
    rotations = continuous(bone_rotations(person.rotations, bones))
    location = bone_location(person.root, np.array(rig.data.bones[0].head_local), bones[0])
    poses = [rig.pose.bones[name] for name in JOINT_NAMES]
    for n in range(len(person.frames)):
        for joint, pose in enumerate(poses):
            pose.rotation_quaternion = rotations[n, joint]
            pose.keyframe_insert("rotation_quaternion", frame=n + 1)
        poses[0].location = location[n]
        poses[0].keyframe_insert("location", frame=n + 1)
    return time.perf_counter() - began


def main(count: int) -> None:
    """Prints both times and their ratio."""
    person = walking_person(np.arange(count))
    bulk = bulk_seconds(person, count)
    insert = insert_seconds(person)
    print(f"bpy {bpy.app.version_string}: 24 joints x {count} frames")
    print(f"in bulk {bulk * 1000:.1f} ms, keyframe_insert {insert:.2f} s: {insert / bulk:.0f} times faster")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 3000)
