# SPDX-License-Identifier: GPL-3.0-or-later
"""A take as a file without a window: the people cleaned up, characters that have taken over their motion, a picture."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

import bpy

from .casting import Piece, Role
from .character_maps import detect, note
from .cleanup_kept import cleanup_registered, set_cleanup
from .contract.console import Console
from .contract.errors import CaptureError
from .contract.protocol import Progress, Stage, Warned
from .contract.take import Take
from .motion.cleanup import cleaned
from .motion.export_settings import export_from
from .motion.retargeting.bone_map import NEEDED, BoneMap, check_usable, spoken
from .motion.settings import Cleanup
from .retarget_kept import keep_retarget, retargeting_registered
from .scene.assembly import Actor, Assembly, assemble
from .scene.camera import look_through_camera, match_scene, set_frame_rate
from .scene.exporting.checking import Places
from .scene.exporting.saving import Subject, check_written, save, subject_of
from .scene.picture import overlay_picture
from .scene.retargeting.appending import append_character
from .scene.retargeting.source import source_frames
from .scene.retargeting.transfer import Outcome, retargeting
from .scene.steps import Steps
from .stored_maps import read_map

LARGEST_MM = 1.0
"""By how much a joint may be off in a file that is read back."""
_FIRST_FRAME = 1


def build(
    piece: Piece, options: argparse.Namespace, settings: Cleanup, take: Take, path: Path, console: Console
) -> list[Path]:
    """Makes a file of a take, in an empty Blender, and returns the files written.

    Args:
        piece: what is asked for.
        options: of the command line.
        settings: of the clean-up.
        take: the take.
        path: of its file.
        console: hears of progress and warnings.

    Raises:
        CaptureError: what keeps it from being made.
    """
    if not take.people:
        raise CaptureError("nobody", "There is nobody in the take.", "Capture a video in which people are seen whole.")
    bpy.ops.wm.read_factory_settings(use_empty=True)
    bpy.context.preferences.filepaths.use_scripts_auto_execute = False  # characters come from anywhere
    scene = bpy.context.scene
    set_frame_rate(scene, options.scene_fps or take.video.fps)
    assembly = assemble(take, scene, Path(take.video.path).stem, start=_FIRST_FRAME, path=path)
    match_scene(scene, assembly.camera, take.video, start=_FIRST_FRAME)
    look_through_camera()
    for warning in assembly.warnings:
        console.emit(Warned("scene", warning))
    with cleanup_registered(), retargeting_registered():
        set_cleanup(assembly.collection, settings)
        followed = [_followed(role, number, piece, assembly) for number, role in enumerate(piece.roles)]
        targets = [_cast(role, actor, scene, console) for role, actor in zip(piece.roles, followed, strict=True)]
        exported = _save(piece, options, settings, take, assembly, targets)
    if options.check:
        _compare(exported)
    written = list(dict.fromkeys(places.path for places in exported))
    if options.picture is not None:
        seen = take.people[0].frames
        frames = options.picture_frames or (int(seen[len(seen) // 2]),)
        overlay_picture(options.picture, assembly, take.video, frames, scene, start=_FIRST_FRAME)
        written.append(options.picture)
    return written


def _followed(role: Role, number: int, piece: Piece, assembly: Assembly) -> Actor:
    """Whom a character follows."""
    people = {actor.person: actor for actor in assembly.actors}
    if role.person is not None and role.person not in people:
        there = ", ".join(map(str, people))
        raise CaptureError("no_such_person", f"The take has no person {role.person}.", f"There are: {there}.")
    if role.person is None and number >= len(people):
        raise CaptureError(
            "too_few_people",
            f"{len(piece.roles)} characters are to follow {len(people)} people.",
            "Say with --person whom each follows.",
        )
    return assembly.actors[number] if role.person is None else people[role.person]


def _cast(role: Role, actor: Actor, scene: bpy.types.Scene, console: Console) -> Subject:
    """Brings a character in and gives it a person's motion."""
    found = append_character(role.rig, scene, role.armature)
    target, source = found.armature, actor.armature
    bpy.context.view_layer.update()
    if found.scripted:
        console.emit(
            Warned("scripts", f"Drivers that are Python scripts were not run, of: {', '.join(found.scripted)}.")
        )
    bone_map = _bones(role, target, console)
    keep_retarget(target, source, bone_map, role.settings, scene)
    outcome = _followed_through(retargeting(source, target, bone_map, role.settings), source, console)
    first, last = outcome.action.frame_range
    console.say(f"{source.name} → {target.name}: {round(last - first) + 1} frames, action {outcome.action.name}.")
    for switch, before in outcome.switches:
        console.say(f"{switch.bone}: {switch.name} was {before:g} and is set.")
    for name in outcome.kept:
        console.say(f"The action {name} of {role.rig.name} is kept.")
    for warning in outcome.warnings:
        console.emit(Warned("retarget", warning))
    return subject_of(target, scene)


def _bones(role: Role, target: bpy.types.Object, console: Console) -> BoneMap:
    """Which bones of a character are what."""
    if role.bone_map is not None:
        bone_map = read_map(role.bone_map)
        known = f"as {role.bone_map.name} has it"
    else:
        detect(target)
        bone_map = target.vibe_retarget.bone_map()
        known = bone_map.rig or "no rig that is known"
        if note(target):
            console.emit(Warned("bone_map", note(target)))
    lacking = [spoken(part) for part in NEEDED if not bone_map.bones(part)]
    if lacking:
        raise CaptureError(
            "part_missing",
            f"No bone of {target.name} in {role.rig.name} is recognised as: {', '.join(lacking)}.",
            "Map them in the panel Retarget, export that map, and give it with --bone-map.",
        )
    check_usable(bone_map, target.data.bones.keys(), target.name)
    without = ", ".join(map(spoken, bone_map.missing()))
    console.say(f"{target.name}: {known}{f', without {without}' if without else ''}.")
    guessed = [f"{spoken(entry.part)} ({entry.bones[0]})" for entry in bone_map.parts if entry.certainty == "guessed"]
    if guessed:
        console.emit(Warned("guessed", f"Bones of {target.name} that are guessed: {', '.join(guessed)}."))
    return bone_map


def _followed_through(steps: Steps[Outcome], source: bpy.types.Object, console: Console) -> Outcome:
    """What the steps come to; a bake that takes long is seen to go on."""
    total, begun = len(source_frames(source)), time.monotonic()
    console.emit(Stage("bake"))
    done = 0
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return end.value
        done = min(done + 1, total)
        rate = done / max(time.monotonic() - begun, 1e-6)
        console.emit(Progress("bake", done, total, rate, (total - done) / rate))


def _save(
    piece: Piece,
    options: argparse.Namespace,
    settings: Cleanup,
    take: Take,
    assembly: Assembly,
    targets: list[Subject],
) -> list[Places]:
    """Writes the file: the characters, else the people themselves; a .blend has all of them."""
    scene, exporting = bpy.context.scene, export_from(options)
    if targets:
        return save(piece.save, scene, targets, exporting)
    subjects = [subject_of(actor.armature, scene) for actor in assembly.actors]
    people = [actor.person for actor in assembly.actors]
    shown = cleaned(take, settings).take if piece.save.suffix.lower() == ".npz" else None
    return save(piece.save, scene, subjects, exporting, take=shown, people=people)


def _compare(exported: list[Places]) -> None:
    """Says how far files that are read back are from what was exported.

    Raises:
        CaptureError: ``check_failed``, or ``check_off`` where that is too far.
    """
    found = check_written(exported)
    if found is None:
        return
    print(found, file=sys.stderr, flush=True)
    if found.largest_mm > LARGEST_MM:
        raise CaptureError("check_off", f"Not all joints are where they were: {found}", "Try another format.")
