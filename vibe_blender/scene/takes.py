# SPDX-License-Identifier: GPL-3.0-or-later
"""The takes in a file: what describes them is saved on their collections and armatures as custom properties."""

from __future__ import annotations

import math
import re
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, TypeVar, get_type_hints

import bpy
import numpy as np

from ..contract.errors import CaptureError
from ..contract.take import Person, Take
from ..motion.curves import scene_frames
from .animation import animating
from .confidence import clear_marks
from .removal import made_for, remove_collection
from .steps import Steps, run_through

_TAKE, _PERSON, _BODY, _CAMERA = "vibe_take", "vibe_person", "vibe_body", "vibe_camera"
_MOST = 1 << 20
"""Blender's last frame."""


@dataclass(frozen=True)
class TakeRecord:
    """What a take in the scene came from.

    Attributes:
        path: of the take file, empty where there is none.
        video: path of the video at the time of capture.
        start: scene frame of the first captured frame.
        fps: mean frame rate of the video.
        scene_fps: frames per second of the scene when the keys were placed.
        first_frame: video frame number of the first captured frame.
        frame_count: how many frames of the video were captured.
        status: ``complete`` or ``partial``.
        estimator: what read the pose.
        warnings: sentences for the user.
        end: scene frame of the last captured frame, rounded up.
    """

    path: str
    video: str
    start: int
    fps: float
    scene_fps: float
    first_frame: int
    frame_count: int
    status: str
    estimator: str
    warnings: tuple[str, ...]
    end: int

    def sound(self) -> bool:
        """Whether the numbers make sense: a stranger's file may say anything."""
        rates = all(math.isfinite(rate) and 0 < rate < _MOST for rate in (self.fps, self.scene_fps))
        frames = -_MOST <= self.start <= self.end <= _MOST and self.first_frame >= 0 and self.frame_count >= 1
        return rates and frames and self.status in ("complete", "partial")


@dataclass(frozen=True)
class PersonRecord:
    """Where in the scene a person of a take was seen.

    Attributes:
        id: of the person in the take.
        first, last: scene frames.
        confidence: mean, 0..1.
    """

    id: int
    first: int
    last: int
    confidence: float

    def sound(self) -> bool:
        """Whether the numbers make sense."""
        return self.id >= 1 and self.first <= self.last and 0 <= self.confidence <= 1


Record = TypeVar("Record", TakeRecord, PersonRecord)


def take_record(collection: bpy.types.Collection) -> TakeRecord | None:
    """What the take in a collection came from; None where there is no take, or a record that makes no sense."""
    return _read(collection, _TAKE, TakeRecord)


def write_take_record(
    collection: bpy.types.Collection, take: Take, path: Path | None, *, start: int, scene_fps: float
) -> None:
    """Says on the collection what is in it.

    Args:
        collection: holds the take.
        take: what was captured.
        path: of its file, None where there is none.
        start: scene frame of the first captured frame.
        scene_fps: frames per second at which its keys were placed.
    """
    times = take.video.times
    _write(
        collection,
        _TAKE,
        TakeRecord(
            path="" if path is None else str(path),
            video=take.video.path,
            start=start,
            fps=take.video.fps,
            scene_fps=scene_fps,
            first_frame=take.video.first_frame,
            frame_count=len(times),
            status=take.status,
            estimator=take.estimator,
            warnings=take.warnings,
            end=math.ceil(scene_frames(times, scene_fps, start)[-1]),
        ),
    )


def write_person_record(
    armature: bpy.types.Object, take: Take, person: Person, *, start: int, scene_fps: float
) -> None:
    """Says on the armature whom it stands for; the arguments are those of ``write_take_record``."""
    frames = scene_frames(take.video.times, scene_fps, start)[person.frames[[0, -1]] - take.video.first_frame]
    record = PersonRecord(
        id=person.id,
        first=math.floor(frames[0]),
        last=math.ceil(frames[1]),
        confidence=float(np.clip(np.mean(person.confidence), 0.0, 1.0)),
    )
    _write(armature, _PERSON, record)


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
        if thing.type == "ARMATURE" and (record := _read(thing, _PERSON, PersonRecord)) is not None
    ]
    return sorted(found, key=lambda pair: pair[1].id)


def body_of(armature: bpy.types.Object) -> bpy.types.Object | None:
    """The body on an armature of a take; None where the user removed it."""
    return next((thing for thing in armature.children if _BODY in thing), None)


def camera_of(collection: bpy.types.Collection) -> bpy.types.Object | None:
    """The camera of a take; None where the user removed it."""
    return next((thing for thing in collection.objects if thing.type == "CAMERA" and _CAMERA in thing), None)


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
        if name and place.is_file():
            return place.absolute()
    if not name:
        raise CaptureError("take_missing", "This take was never saved as a file.", "Capture the video again.")
    raise CaptureError(
        "take_missing", f"There is no take at {record.path}, nor beside the .blend file.", f"Put {name} beside it."
    )


def remove_take(collection: bpy.types.Collection) -> None:
    """Removes a take and all that was made for it; what the user put into its collection moves out."""
    for scene in bpy.data.scenes:
        if collection in scene.collection.children_recursive:
            clear_marks(scene, collection)
    remove_collection(collection, _ours(collection))


def rename_take(collection: bpy.types.Collection, name: str) -> None:
    """Renames a take, and what carries its name at the front."""
    before = collection.name
    collection.name = name
    ours = _ours(collection)
    for block in [*ours, *(block for thing in ours for block in made_for(thing))]:
        if block.name.startswith(before):
            block.name = collection.name + block.name.removeprefix(before)


def replace_motion(collection: bpy.types.Collection, take: Take) -> None:
    """Gives the armatures the motion of a changed take, at the frames and the rate they were keyed with.

    Actions that nothing else uses are removed. People who are in only one of both stay as they are.

    Raises:
        CaptureError: ``take_gone``.
    """
    run_through(replacing_motion(collection, take))


def replacing_motion(collection: bpy.types.Collection, take: Take) -> Steps[None]:
    """``replace_motion`` in steps."""
    record = take_record(collection)
    if record is None:
        raise CaptureError("take_gone", f"{collection.name} holds no take.", "Open the take again.")
    known = {person.id: person for person in take.people}
    for armature, name in [(armature, found.id) for armature, found in people(collection)]:
        if name in known and len(known[name].frames):
            person = known[name]
            before = armature.animation_data.action if armature.animation_data else None
            action = yield from animating(armature, person, take.video, fps=record.scene_fps, start=record.start)
            write_person_record(armature, take, person, start=record.start, scene_fps=record.scene_fps)
            if before is not None and before.users == before.use_fake_user:
                bpy.data.actions.remove(before)
                action.name = armature.name
            yield


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
    scene.render.resolution_x, scene.render.resolution_y = int(size[0]), int(size[1])
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


def _write(owner: bpy.types.ID, key: str, record: TakeRecord | PersonRecord) -> None:
    values = asdict(record)
    if "warnings" in values:
        values["warnings"] = "\n".join(values["warnings"])
    owner[key] = values


def _read(owner: bpy.types.ID, key: str, kind: type[Record]) -> Record | None:
    stored = owner.get(key)
    if not hasattr(stored, "to_dict"):
        return None
    values: dict[str, Any] = stored.to_dict()
    if isinstance(values.get("warnings"), str):
        values["warnings"] = tuple(values["warnings"].splitlines())
    kinds = get_type_hints(kind)
    for item in fields(kind):
        wanted = tuple if item.name == "warnings" else kinds[item.name]
        if type(values.get(item.name)) is not wanted:
            return None
    record = kind(**{item.name: values[item.name] for item in fields(kind)})
    return record if record.sound() else None
