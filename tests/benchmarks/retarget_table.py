# SPDX-License-Identifier: MIT
"""Prints, as a Markdown table, how exactly every rig takes over a motion, measured in Blender from evaluated bones.

    python tests/benchmarks/retarget_table.py [--motions DIR] [--rigify] [--standing]

The motion is the one of the clip ``dance`` where --motions says where CMU's are (``cmu/005_02.npz`` in SMPL's form),
else a made one. Columns: the largest angle between limbs of the source and of the rig; the same for the usual ways,
which are to copy each bone's own rotation (local) and to add what it turned since its rest, not aligned (delta);
how many parts the map finds by itself are the true ones.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

import bpy
import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.characters import CHARACTERS, SCRAMBLED, Character
from tests.characters_blender import add_character, add_rigify, remove_rigify
from tests.characters_motion import add_source, between_deg, dance, limb_directions, romp, smpl_map
from vibe_blender.contract.quaternions import Array, conjugate, from_axis_angles, multiply
from vibe_blender.contract.take import Person
from vibe_blender.motion.mapping.mapping import map_bones
from vibe_blender.motion.retargeting.bone_map import CHAINS, BoneMap
from vibe_blender.motion.retargeting.rig import BoneMotion, pose_of
from vibe_blender.motion.retargeting.settings import Retarget
from vibe_blender.scene.retargeting.keys import write_motion
from vibe_blender.scene.retargeting.rigs import read_rig
from vibe_blender.scene.retargeting.source import source_frames, source_motion, source_rig
from vibe_blender.scene.retargeting.transfer import retargeting
from vibe_blender.scene.steps import run_through

HEADER = "| rig | bones | rest | limbs, degrees | local | delta | parts found, wrong |\n|---|---|---|---|---|---|---|"


def error_deg(source: Any, target: Any, bone_map: BoneMap) -> float:
    """The largest angle between a limb of the source and the same of the target, both of which stand upright."""
    frames, scene = source_frames(source), bpy.context.scene
    wanted = limb_directions(source, smpl_map(), frames, scene)
    found = limb_directions(target, bone_map, frames, scene)
    return float(between_deg(wanted, found).max())


def put(target: Any, bones: tuple[str, ...], turned: Array) -> None:
    """Gives bones these orientations (T, M, 4), armature frame, from frame 1 on."""
    order = np.argsort([read_rig(target).numbers[name] for name in bones])
    motion = BoneMotion(
        1.0 + np.arange(len(turned)),
        tuple(bones[n] for n in order),
        turned[:, order],
        (),
        np.zeros((len(turned), 0, 3)),
    )
    write(target, motion.bones, pose_of(read_rig(target), motion))


def write(target: Any, bones: tuple[str, ...], pose: Any) -> None:
    write_motion(target, "compared", 1.0 + np.arange(len(pose.rotations)), bones, pose, (), Retarget())


def usual_errors(source: Any, target: Any, bone_map: BoneMap, upright: Array) -> tuple[float, float]:
    """What copying local rotations leaves, and adding what was turned since the rest."""
    rig, motion, other = source_rig(source), source_motion(source, source_frames(source)), read_rig(target)
    pairs = [
        (rig.numbers[one], two)
        for entry in smpl_map().parts
        for one, two in zip(entry.bones, bone_map.bones(entry.part), strict=False)
    ]
    names = tuple(two for _, two in pairs)
    given = motion.turned[:, [one for one, _ in pairs]]
    local = pose_of(
        rig, BoneMotion(motion.frames, tuple(rig.names), motion.turned, (), np.zeros((len(motion.frames), 0, 3)))
    )
    local = type(local)(local.rotations[:, [one for one, _ in pairs]], local.locations[:, [one for one, _ in pairs]])
    write(target, names, local)
    first = error_deg(source, target, bone_map)
    turns = multiply(given, conjugate(rig.axes[[one for one, _ in pairs]]))
    back = multiply(multiply(conjugate(upright), turns), upright)
    put(target, names, multiply(back, other.axes[[other.numbers[name] for name in names]]))
    return first, error_deg(source, target, bone_map)


def row(person: Person, one: Character, standing: bool) -> str:
    """A character's line of the table."""
    bpy.ops.wm.read_factory_settings(use_empty=True)
    source = add_source(person, bpy.context.scene, standing=standing)
    target = add_character(one, bpy.context.scene.collection)
    upright = from_axis_angles(np.array([np.pi / 2 if one.up == "Y" else 0.0, 0.0, 0.0]))
    local, delta = usual_errors(source, target, one.true_map, upright)
    run_through(retargeting(source, target, one.true_map, Retarget()))
    error = error_deg(source, target, one.true_map)
    found = map_bones(read_rig(target))
    true, seen = (
        {entry.part: entry.bones if entry.part in CHAINS else entry.bones[0] for entry in bone_map.parts}
        for bone_map in (one.true_map, found)
    )
    right = sum(seen.get(part) == bone for part, bone in true.items())
    cells = [one.name, len(one.rig), one.pose, f"{error:.4f}", f"{local:.1f}", f"{delta:.1f}"]
    return f"| {' | '.join(map(str, cells))} | {right}/{len(true)}, {len(seen) - right} |"


def rigify_rows(person: Person) -> list[str]:
    """The lines of Rigify's metarig and of the rig that it generates."""
    bpy.ops.wm.read_factory_settings(use_empty=True)
    source, rows = add_source(person, bpy.context.scene), []
    for target in add_rigify(bpy.context.scene):
        bone_map = map_bones(read_rig(target))
        run_through(retargeting(source, target, bone_map, Retarget()))
        error = error_deg(source, target, bone_map)
        rows.append(f"| Rigify {target.name} | {len(target.data.bones)} | A | {error:.4f} | | | |")
    remove_rigify()
    return rows


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--motions", type=Path)
    parser.add_argument("--rigify", action="store_true", help="Rigify's own rigs too")
    parser.add_argument(
        "--standing", action="store_true", help="feet stand on the rig's own legs where the source's do"
    )
    arguments = parser.parse_args()
    person = dance(arguments.motions.parent) if arguments.motions else romp()
    print(HEADER)
    for one in (*CHARACTERS, *SCRAMBLED):
        print(row(person, one, arguments.standing), flush=True)
    for line in rigify_rows(person) if arguments.rigify else ():
        print(line, flush=True)


if __name__ == "__main__":
    main()
