# SPDX-License-Identifier: GPL-3.0-or-later
"""The takes in a file: what describes them is saved on their collections and armatures as custom properties."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import bpy

from ..contract.errors import CaptureError
from ..contract.take import Person, Take
from .animation import give_motion, making_action
from .confidence import clear_marks
from .names import short_name
from .ownership import protect, untouched
from .records import PersonRecord, TakeRecord, describe_person, describe_take, read_record, write_record
from .removal import made_for, remove_collection
from .steps import Steps, run_through

_TAKE, _PERSON, _BODY, _CAMERA = "vibe_take", "vibe_person", "vibe_body", "vibe_camera"
_SHOWN_LETTERS = 100
"""Of a path, in a sentence."""


def take_record(collection: bpy.types.Collection) -> TakeRecord | None:
    """What the take in a collection came from; None where there is no take, or a record that makes no sense."""
    return read_record(collection, _TAKE, TakeRecord)


def write_take_record(
    collection: bpy.types.Collection, take: Take, path: Path | None, *, start: int, scene_fps: float
) -> None:
    """Says on the collection what is in it; the arguments are those of ``describe_take``.

    Raises:
        CaptureError: ``bad_frames``.
    """
    write_record(collection, _TAKE, describe_take(take, path, start=start, scene_fps=scene_fps))


def relocate(collection: bpy.types.Collection, path: Path) -> None:
    """Says where the file of a take is now.

    Raises:
        CaptureError: ``take_gone``, ``take_linked``.
    """
    record = take_record(collection)
    if record is None:
        raise CaptureError("take_gone", f"{collection.name} holds no take.", "Open the take again.")
    check_editable(collection)
    write_record(collection, _TAKE, replace(record, path=str(path)))


def write_person_record(
    armature: bpy.types.Object, take: Take, person: Person, *, start: int, scene_fps: float
) -> None:
    """Says on the armature whom it stands for; the arguments are those of ``describe_person``.

    Raises:
        CaptureError: ``bad_frames``.
    """
    write_record(armature, _PERSON, describe_person(take, person, start=start, scene_fps=scene_fps))


def mark_parts(bodies: list[bpy.types.Object], camera: bpy.types.Object, take: Take) -> None:
    """Marks the objects of a take that are no armatures as belonging to it."""
    for body in bodies:
        body[_BODY] = True
    camera[_CAMERA] = [take.video.width_px, take.video.height_px]


def take_collections(scene: bpy.types.Scene) -> list[bpy.types.Collection]:
    """The collections of the scene that hold a take."""
    return [collection for collection in scene.collection.children_recursive if take_record(collection) is not None]


def people(collection: bpy.types.Collection) -> list[tuple[bpy.types.Object, PersonRecord]]:
    """The armatures of a take and whom they stand for, in the order of the people."""
    found = [
        (thing, record)
        for thing in collection.objects
        if thing.type == "ARMATURE" and (record := read_record(thing, _PERSON, PersonRecord)) is not None
    ]
    return sorted(found, key=lambda pair: pair[1].id)


def chosen_armature(collection: bpy.types.Collection, active: bpy.types.Object | None) -> bpy.types.Object | None:
    """The armature of a take that the active object is or belongs to, else the first; None where there is none."""
    armatures = [armature for armature, _ in people(collection)]
    chosen = [armature for armature in armatures if active is not None and active in (armature, body_of(armature))]
    return next(iter((*chosen, *armatures)), None)


def body_of(armature: bpy.types.Object) -> bpy.types.Object | None:
    """The body on an armature of a take; None where the user removed it."""
    return next((thing for thing in armature.children if _BODY in thing), None)


def camera_of(collection: bpy.types.Collection) -> bpy.types.Object | None:
    """The camera of a take; None where the user removed it."""
    return next((thing for thing in collection.objects if thing.type == "CAMERA" and _CAMERA in thing), None)


def show_person(armature: bpy.types.Object, view_layer: bpy.types.ViewLayer, shown: bool) -> None:
    """Shows or hides a person, rig and body; what the user took out of the view layer stays out."""
    for thing in (armature, body_of(armature)):
        if thing is not None:
            with contextlib.suppress(RuntimeError):  # it is not in the view layer
                thing.hide_set(not shown, view_layer=view_layer)


def is_editable(collection: bpy.types.Collection) -> bool:
    """Whether a take belongs to this file as a whole: what is linked from another can only be looked at."""
    things = _ours(collection)
    blocks = [collection, *things, *(thing.data for thing in things)]
    return not any(block.library or block.override_library for block in blocks if block is not None)


def locate(record: TakeRecord, blend_path: str | Path) -> Path:
    """Where the take file is now: where it was, or beside the .blend file.

    Args:
        record: from ``take_record``.
        blend_path: of the open file, empty where it was never saved.

    Raises:
        CaptureError: ``take_missing``.
    """
    path = Path(record.path)
    # The path may come from another system, whose separators this one does not know.
    name = re.split(r"[\\/]", record.path)[-1]
    places = [path, Path(blend_path).parent / name] if str(blend_path) else [path]
    for place in places:
        # A name that no system would have, too long or with a NUL, is nowhere.
        with contextlib.suppress(OSError, ValueError):
            if name and place.is_file():
                return place.absolute()
    if not name:
        raise CaptureError("take_missing", "This take was never saved as a file.", "Capture the video again.")
    raise CaptureError(
        "take_missing",
        f"There is no take at {_shown(record.path)}, nor beside the .blend file.",
        f"Put {_shown(name)} beside it.",
    )


def remove_take(collection: bpy.types.Collection) -> None:
    """Removes a take and all that was made for it; what the user put into its collection moves out.

    Raises:
        CaptureError: ``take_linked``.
    """
    check_editable(collection)
    for scene in bpy.data.scenes:
        if collection in scene.collection.children_recursive:
            clear_marks(scene, collection)
    remove_collection(collection, _ours(collection))


def rename_take(collection: bpy.types.Collection, name: str) -> None:
    """Renames a take, and what carries its name at the front.

    Raises:
        CaptureError: ``take_linked``.
    """
    check_editable(collection)
    before = collection.name
    collection.name = short_name(name)
    ours = _ours(collection)
    for block in [*ours, *(block for thing in ours for block in made_for(thing))]:
        # A picture is called after its file.
        if block.name.startswith(before) and block.library is None and not isinstance(block, bpy.types.Image):
            block.name = collection.name + block.name.removeprefix(before)


def replace_motion(collection: bpy.types.Collection, take: Take, path: Path | None = None) -> tuple[str, ...]:
    """Gives the armatures the motion of a changed take at once; see ``replacing_motion``."""
    return run_through(replacing_motion(collection, take, path))


def replacing_motion(collection: bpy.types.Collection, take: Take, path: Path | None = None) -> Steps[tuple[str, ...]]:
    """Gives the armatures the motion of a changed take, at the frames and the rate they were keyed with.

    Nothing changes before all new actions are there; then everything does in one step. Of the actions that moved the
    armatures before, those that are still as we wrote them are removed, and all others kept. People who are in only
    one of both takes stay as they are.

    Args:
        collection: holds the take.
        take: the changed one.
        path: of its file; None leaves the record of the take as it is.

    Returns:
        The names of the actions that were kept because somebody has worked on them.

    Raises:
        CaptureError: ``take_gone``, ``take_linked``, ``bone_missing``, ``bad_frames``.
    """
    record = take_record(collection)
    if record is None:
        raise CaptureError("take_gone", f"{collection.name} holds no take.", "Open the take again.")
    check_editable(collection)
    start, fps = record.start, record.scene_fps
    changed = describe_take(take, path, start=start, scene_fps=fps)
    known = {person.id: person for person in take.people if len(person.frames)}
    made: list[tuple[bpy.types.Object, bpy.types.Action, PersonRecord]] = []
    try:
        for armature, person in [(armature, known.get(found.id)) for armature, found in people(collection)]:
            if person is not None:
                described = describe_person(take, person, start=start, scene_fps=fps)
                action = yield from making_action(armature, person, take.video, fps=fps, start=start)
                made.append((armature, action, described))
                yield
        # What was removed meanwhile answers no more: all are asked before the first is changed.
        for block in (collection, *(block for armature, action, _ in made for block in (armature, action))):
            block.as_pointer()
    except BaseException as error:
        _remove(action for _, action, _ in made)
        if isinstance(error, ReferenceError):
            raise CaptureError("take_gone", "The take was removed meanwhile.", "Open the new one.") from error
        raise
    before = []
    for armature, action, described in made:
        before += give_motion(armature, action)
        write_record(armature, _PERSON, described)
    if path is not None:
        write_record(collection, _TAKE, changed)
    kept = yield from clearing(list(dict.fromkeys(before)))
    for armature, action, _ in made:
        with contextlib.suppress(ReferenceError):
            action.name = armature.name
    return kept


def fit_timeline(scene: bpy.types.Scene, collection: bpy.types.Collection) -> None:
    """Makes the scene's frame range that of the take."""
    record = take_record(collection)
    if record is not None:
        scene.frame_start, scene.frame_end = record.start, record.end


def show_camera(scene: bpy.types.Scene, collection: bpy.types.Collection) -> None:
    """Looks through the take's camera, at the video's size, in the largest 3D view of every window of the scene."""
    camera = camera_of(collection)
    if camera is None:
        raise CaptureError("camera_gone", f"{collection.name} has no camera any more.", "Open the take again.")
    scene.camera = camera
    size = camera[_CAMERA]
    if getattr(size, "typecode", "") == "i" and len(size) == 2 and min(size) > 0:  # as mark_parts wrote it
        scene.render.resolution_x, scene.render.resolution_y = size
        scene.render.resolution_percentage = 100
        scene.render.pixel_aspect_x = scene.render.pixel_aspect_y = 1.0
    for window in bpy.context.window_manager.windows:
        views = [area for area in window.screen.areas if area.type == "VIEW_3D"]
        if window.scene == scene and views:
            largest = max(views, key=lambda area: area.width * area.height)
            largest.spaces.active.region_3d.view_perspective = "CAMERA"
            largest.tag_redraw()


def _ours(collection: bpy.types.Collection) -> list[bpy.types.Object]:
    """The objects of a take that the take made."""
    return [thing for thing in collection.objects if any(key in thing for key in (_PERSON, _BODY, _CAMERA))]


def check_editable(collection: bpy.types.Collection) -> None:
    """Raises ``take_linked`` where the take does not belong to this file as a whole."""
    if not is_editable(collection):
        raise CaptureError(
            "take_linked", f"{collection.name} is linked from another file.", "Make it local, or edit that file."
        )


def clearing(actions: list[bpy.types.Action]) -> Steps[tuple[str, ...]]:
    """Removes those of the actions that are as we wrote them and that nothing uses; the names of the others."""
    kept: list[str] = []
    left = list(actions)
    try:
        while left:
            kept += yield from _clearing_one(left[0])
            del left[0]
    finally:
        for action in left:  # closed half-way: what is begun is ended
            run_through(_clearing_one(action))
    return tuple(kept)


def _clearing_one(action: bpy.types.Action) -> Steps[list[str]]:
    with contextlib.suppress(ReferenceError):  # somebody was faster
        if not (yield from untouched(action)):
            return [action.name] if protect(action) else []
        if not action.users:
            bpy.data.actions.remove(action)
    return []


def _remove(actions: Iterable[bpy.types.Action]) -> None:
    for action in actions:
        with contextlib.suppress(ReferenceError):
            bpy.data.actions.remove(action)


def _shown(path: str) -> str:
    return path if len(path) <= _SHOWN_LETTERS else f"…{path[-_SHOWN_LETTERS:]}"
