# SPDX-License-Identifier: MIT
"""Prints, for a take and characters that took it over, how exported files read back: joints, size, time.

    python tests/benchmarks/export_table.py --take dance.take -o FOLDER [--only Mixamo,Rigify]

Every file is read by a fresh Blender, FBX by both of its importers where there are two. Needs bpy.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import os
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import bpy

from tests.characters import character
from tests.characters_blender import add_character, add_rigify, remove_rigify
from vibe_blender.cleanup_kept import cleanup_registered, set_cleanup
from vibe_blender.contract.take_file import load_take
from vibe_blender.motion.cleanup import cleaned
from vibe_blender.motion.export_settings import ExportSettings
from vibe_blender.motion.mapping.mapping import map_bones
from vibe_blender.motion.retargeting.settings import Retarget
from vibe_blender.motion.settings import Cleanup
from vibe_blender.scene.assembly import assemble
from vibe_blender.scene.camera import set_frame_rate
from vibe_blender.scene.exporting.checking import check
from vibe_blender.scene.exporting.saving import check_written, save, subject_of
from vibe_blender.scene.retargeting.rigs import read_rig
from vibe_blender.scene.retargeting.transfer import retargeting
from vibe_blender.scene.steps import run_through

FILES = (
    ("fbx", "unreal"), ("fbx", "unity"), ("fbx", "blender"), ("glb", "blender"), ("bvh", "blender"),
    ("usdc", "blender"), ("npz", "blender"),
)  # fmt: skip
CAPTURED = "captured"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--take", type=Path, required=True)
    parser.add_argument("-o", "--output", type=Path, required=True, help="folder for the files")
    parser.add_argument("--only", default=f"{CAPTURED},Mixamo,Unreal 5,Daz,Rigify")
    arguments = parser.parse_args()
    print(f"Blender {bpy.app.version_string}", flush=True)
    print("| armature | file | joints | frames | largest, mm | written in, s | MB |", "|---|" + "---:|" * 6, sep="\n")
    for name in arguments.only.split(","):
        measure(name, arguments.take, arguments.output.absolute())


def measure(name: str, path: Path, folder: Path) -> None:
    """Prints the lines of one armature."""
    noise = io.StringIO()
    with contextlib.redirect_stdout(noise):
        armature, take = stage(name, path)
    scene = bpy.context.scene
    for suffix, program in FILES:
        if suffix == "npz" and name != CAPTURED:
            continue
        began = time.perf_counter()
        with contextlib.redirect_stdout(noise):
            (places,) = save(
                folder / f"{name} {program}.{suffix}",
                scene,
                [subject_of(armature, scene)],
                ExportSettings(program=program),
                take=take,
                people=[take.people[0].id] if name == CAPTURED else (),
            )
        took = time.perf_counter() - began
        readers = ("new", "old") if suffix == "fbx" and bpy.app.version >= (4, 5, 0) else ("new",)
        found = [check([places], reader) if suffix != "npz" else check_written([places]) for reader in readers]
        worst = max(found, key=lambda each: each.largest_mm)
        label = f"{suffix}, {program}" if suffix == "fbx" else suffix
        size = places.path.stat().st_size / 1e6
        line = (
            f"| {name} | {label} | {worst.joints} | {worst.frames} | {worst.largest_mm:.3f} | {took:.1f} | {size:.1f} |"
        )
        print(line, flush=True)


def stage(name: str, path: Path) -> tuple:
    """The armature of a file with the take alone, or with a character that took it over, and the cleaned take."""
    bpy.ops.wm.read_factory_settings(use_empty=True)
    scene, take = bpy.context.scene, load_take(path)
    target = None
    if name == "Rigify":
        _, target = add_rigify(scene)
        remove_rigify()
    elif name != CAPTURED:
        target = add_character(character(name), scene.collection, fleshed=True)
    set_frame_rate(scene, take.video.fps)
    assembly = assemble(take, scene, "take", start=1, path=path.absolute())
    with cleanup_registered():
        set_cleanup(assembly.collection, Cleanup())
    source = assembly.actors[0].armature
    if target is None:
        return source, cleaned(take, Cleanup()).take
    bpy.context.view_layer.update()
    run_through(retargeting(source, target, map_bones(read_rig(target)), Retarget()))
    return target, cleaned(take, Cleanup()).take


if __name__ == "__main__":
    main()
    sys.stdout.flush()
    os._exit(0)  # pip's bpy sometimes crashes while it is torn down
