# SPDX-License-Identifier: GPL-3.0-or-later
"""Clean-up in the scene: the curves of a take are always its file and its settings, computed anew at each change."""

from __future__ import annotations

import math
import zlib
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import replace
from pathlib import Path

import bpy
import numpy as np

from ..contract.errors import CaptureError
from ..contract.quaternions import Array
from ..contract.take import Take
from ..motion.cleanup import Cleaned, cleaned
from ..motion.contact_ranges import Contacts
from ..motion.curves import scene_frames
from ..motion.settings import FARTHEST_M, LAST_FRAME, RAW, Anchor, CameraPath, Cleanup
from .animation import fit_armature, give_motion, making_action, motion_curves
from .camera import aim_camera, follow_path, stay_put
from .contact_curves import are_edited, contacts_in, edited_contacts, keep_contacts, write_contacts
from .ownership import own_action, untouched
from .raw_takes import raw_take
from .records import TakeRecord, describe_person
from .rewriting import rewrite
from .steps import Steps, run_through
from .takes import camera_of, check_editable, clearing, locate, people, take_record, write_person_record

_APPLIED, _AIMED, _ANCHORS = "vibe_cleaned", "vibe_aimed", "vibe_anchors"
_PATH, _CENTRES, _SCALE = "vibe_camera_path", "vibe_camera_centres", "vibe_camera_scale"
"""Custom properties: checksums of the settings and of the camera that the scene shows, and settings that are lists."""
_POLL_SECONDS = 0.002


def cleaning(take: Take, settings: Cleanup) -> Steps[Cleaned]:
    """The same beside Blender, whose window stays alive meanwhile."""
    worker = ThreadPoolExecutor(1)
    try:
        working = worker.submit(cleaned, take, settings)
        while not working.done():
            yield
            wait([working], _POLL_SECONDS)
        return working.result()
    finally:
        worker.shutdown(wait=False)


def clean_up(collection: bpy.types.Collection, settings: Cleanup, *, raw: bool = False) -> tuple[str, ...]:
    """Gives a take in the scene the motion that the settings make of its file, at once and in place.

    An action that somebody has worked on is kept, and a new one made.

    Args:
        collection: holds the take.
        settings: contacts, anchors and the path of the camera are added from the collection.
        raw: shows the motion as it was captured for now.

    Returns:
        The names of the actions that were kept.

    Raises:
        CaptureError: ``take_gone``, ``take_linked``, ``take_missing``, ``other_take``, ``bone_missing``,
            ``bad_setting``, ``bad_frames`` and what ``load_take`` raises; nothing has changed then.
    """
    record = _record(collection)
    check_editable(collection)
    take = captured(collection)
    adopt_edits(collection)
    whole = with_lists(collection, settings)
    result = cleaned(take, whole)
    if raw:
        result = Cleaned(take, result.contacts)
    kept = _show(collection, record, result, moves=whole.root.mode == "ground" and not raw)
    note_applied(collection, RAW if raw else whole, result, take)
    return kept


def captured(collection: bpy.types.Collection) -> Take:
    """What a take in the scene was made of, from its file.

    Raises:
        CaptureError: ``take_gone``, ``take_missing``, ``other_take`` and what ``load_take`` raises.
    """
    record = _record(collection)
    take = raw_take(record)
    check_same(collection, take, locate(record, bpy.data.filepath))
    return take


def check_same(collection: bpy.types.Collection, take: Take, path: Path) -> None:
    """Raises ``other_take`` where what is in a file is not the take that a collection was made of.

    Args:
        collection: holds a take.
        take: what is in the file.
        path: of the file.
    """
    record, known = _record(collection), {person.id for _, person in people(collection)}
    same = take.video.first_frame == record.first_frame and len(take.video.times) == record.frame_count
    if not same or not known <= {person.id for person in take.people}:
        raise CaptureError(
            "other_take", f"{path.name} is not the take that {collection.name} was made of.", "Choose another."
        )


def settle(collection: bpy.types.Collection, settings: Cleanup, result: Cleaned, captured: Take) -> None:
    """Completes a take whose curves were just made of a cleaned one: contacts in the dope sheet, and what it shows.

    Args:
        collection: holds the take.
        settings: that the result was made with.
        result: what it shows.
        captured: what that was made of.
    """
    record = _record(collection)
    grid = scene_frames(result.take.video.times, record.scene_fps, record.start)
    for armature, person in people(collection):
        if (action := own_action(armature)) is not None:
            write_contacts(armature, action, result.contacts.get(person.id, ()), grid, record.first_frame)
    note_applied(collection, settings, result, captured)


def with_lists(collection: bpy.types.Collection, settings: Cleanup) -> Cleanup:
    """The settings with what is kept on the take itself: edited contacts, anchors, the path of its camera."""
    contacts, anchors = {}, {}
    for armature, person in people(collection):
        if (edited := edited_contacts(armature)) is not None:
            contacts[person.id] = edited
        if found := anchors_of(armature):
            anchors[person.id] = found
    return replace(
        settings,
        feet=replace(settings.feet, contacts=contacts),
        root=replace(settings.root, anchors=anchors),
        view=replace(settings.view, path=camera_path_of(collection)),
    )


def adopt_edits(collection: bpy.types.Collection) -> None:
    """Takes over what was edited in the dope sheet about the contacts."""
    for armature, _ in people(collection):
        action = own_action(armature)
        if action is not None and are_edited(action):
            keep_contacts(armature, shown_contacts(collection, armature))


def shown_contacts(collection: bpy.types.Collection, armature: bpy.types.Object) -> Contacts:
    """The contacts that the dope sheet shows of a person, in video frames."""
    record, action = _record(collection), own_action(armature)
    if action is None:
        return ()
    return contacts_in(action, grid_of(record), record.first_frame) or ()


def keep_shown_contacts(collection: bpy.types.Collection, armature: bpy.types.Object, contacts: Contacts) -> None:
    """Makes contacts the user's own, and shows them in the dope sheet; the motion follows at the next ``clean_up``."""
    record, action = _record(collection), own_action(armature)
    keep_contacts(armature, contacts)
    if action is not None:
        write_contacts(armature, action, contacts, grid_of(record), record.first_frame)


def video_frame(record: TakeRecord, frame: int) -> int:
    """The video frame that a scene frame shows, within the take."""
    row = round((frame - record.start) / record.scene_fps * record.fps)
    return record.first_frame + min(max(row, 0), record.frame_count - 1)


def contacts_are_edited(collection: bpy.types.Collection) -> bool:
    """Whether somebody has changed contacts in the dope sheet that the motion does not follow yet."""
    actions = (own_action(armature) for armature, _ in people(collection))
    return any(action is not None and are_edited(action) for action in actions)


def worked_on(collection: bpy.types.Collection) -> list[str]:
    """The names of the actions that move the take's people and are not as we wrote them."""
    names = []
    for armature, _ in people(collection):
        action = armature.animation_data.action if armature.animation_data else None
        if action is not None and not (action == own_action(armature) and run_through(untouched(action))):
            names.append(action.name)
    return names


def is_applied(collection: bpy.types.Collection, settings: Cleanup, *, raw: bool) -> bool:
    """Whether the scene shows what the settings say."""
    known = collection.get(_APPLIED, fingerprint(RAW))
    return known == fingerprint(RAW if raw else with_lists(collection, settings))


def note_applied(collection: bpy.types.Collection, settings: Cleanup, result: Cleaned, captured: Take) -> None:
    """Remembers what the scene shows, and moves the camera where the settings have moved it.

    Args:
        collection: holds the take.
        settings: with lists.
        result: what the scene shows.
        captured: what that was made of.
    """
    collection[_APPLIED] = fingerprint(settings)
    aimed, eye = _camera_sum(result), camera_of(collection)
    if eye is not None and aimed != collection.get(_AIMED, _camera_sum(Cleaned(captured, {}))):
        record, video = _record(collection), result.take.video
        stay_put(eye)
        aim_camera(eye, result.take.camera, video)
        if result.path is not None:
            frames = scene_frames(video.times, record.scene_fps, record.start)
            follow_path(eye, result.path, result.take.camera, video, frames)
    collection[_AIMED] = aimed


def fingerprint(settings: Cleanup) -> str:
    """A checksum of settings."""
    path = settings.view.path
    arrays = [] if path is None else [path.to_world, path.focal_px, path.centre_px]
    text = f"{replace(settings, view=replace(settings.view, path=None))} {path and path.scale}"
    return f"{zlib.crc32(text.encode())} {_checksum([values for values in arrays if values is not None])}"


def grid_of(record: TakeRecord) -> Array:
    """Scene frames (N,) of the frames of a take's video.

    Raises:
        CaptureError: as ``raw_take``.
    """
    return scene_frames(raw_take(record).video.times, record.scene_fps, record.start)


def anchors_of(armature: bpy.types.Object) -> tuple[Anchor, ...]:
    """The frames in which the user has said where a person is."""
    numbers = _floats(armature, _ANCHORS, 4)
    numbers = numbers[(numbers[:, 0] >= 0) & (numbers[:, 0] <= LAST_FRAME)]
    numbers = numbers[(np.abs(numbers[:, 1:]) <= FARTHEST_M).all(axis=1)]
    return tuple(Anchor(int(frame), (x, y, z)) for frame, x, y, z in numbers.tolist())


def keep_anchors(armature: bpy.types.Object, anchors: Iterable[Anchor]) -> None:
    """Remembers them, one per frame."""
    known = {anchor.frame: anchor.place for anchor in anchors}
    numbers = [float(number) for frame in sorted(known) for number in (frame, *known[frame])]
    _keep(armature, _ANCHORS, numbers)


def camera_path_of(collection: bpy.types.Collection) -> CameraPath | None:
    """The path of the camera that filmed a take, as it was read from an animated camera or a tracked clip."""
    numbers, centres = _floats(collection, _PATH, 17), _floats(collection, _CENTRES, 2)
    if not len(numbers):
        return None
    scale = collection.get(_SCALE)
    return CameraPath(
        to_world=numbers[:, :16].reshape(-1, 4, 4),
        focal_px=numbers[:, 16],
        centre_px=centres if len(centres) == len(numbers) else None,
        scale=scale if isinstance(scale, float) and 0 < scale < math.inf else None,
    )


def keep_camera_path(collection: bpy.types.Collection, path: CameraPath | None) -> None:
    """Remembers it; None forgets it: the camera stood still."""
    rows, centres = [], None if path is None else path.centre_px
    if path is not None:
        rows = np.column_stack([path.to_world.reshape(-1, 16), path.focal_px]).ravel().tolist()
    _keep(collection, _PATH, rows)
    _keep(collection, _CENTRES, [] if centres is None else np.asarray(centres, float).ravel().tolist())
    if path is not None and path.scale is not None:
        collection[_SCALE] = float(path.scale)
    elif _SCALE in collection:
        del collection[_SCALE]


def _show(collection: bpy.types.Collection, record: TakeRecord, result: Cleaned, *, moves: bool) -> tuple[str, ...]:
    """Writes the curves of everybody, in place where nobody has worked on them; the names of what was kept."""
    take, start, fps = result.take, record.start, record.scene_fps
    known = {person.id: person for person in take.people if len(person.frames)}
    pairs = [(armature, known[found.id]) for armature, found in people(collection) if found.id in known]
    grid = scene_frames(take.video.times, fps, start)
    for armature, person in pairs:  # before anything changes
        describe_person(take, person, start=start, scene_fps=fps)
        next(motion_curves(armature, person, take.video, fps=fps, start=start))
    before: list[bpy.types.Action] = []
    for armature, person in pairs:
        fit_armature(armature, person, moves=moves)
        action = own_action(armature)
        if action is None or not rewrite(action, motion_curves(armature, person, take.video, fps=fps, start=start)):
            action = run_through(making_action(armature, person, take.video, fps=fps, start=start))
        if not _plays(armature, action):
            before += [other for other in give_motion(armature, action) if other != action]
        write_contacts(armature, action, result.contacts.get(person.id, ()), grid, record.first_frame)
        write_person_record(armature, take, person, start=start, scene_fps=fps)
    kept = run_through(clearing(list(dict.fromkeys(before))))
    for armature, _ in pairs:
        if (own := own_action(armature)) is not None and own.name.startswith(armature.name):
            own.name = armature.name
    return kept


def _plays(armature: bpy.types.Object, action: bpy.types.Action) -> bool:
    """Whether an action moves the armature: by itself, or alone as strips."""
    animation = armature.animation_data
    if animation is None or animation.action is not None:
        return animation is not None and animation.action == action
    return any(strip.action == action for track in animation.nla_tracks for strip in track.strips)


def _record(collection: bpy.types.Collection) -> TakeRecord:
    record = take_record(collection)
    if record is None:
        raise CaptureError("take_gone", f"{collection.name} holds no take.", "Open the take again.")
    return record


def _floats(owner: bpy.types.ID, key: str, width: int) -> Array:
    """Numbers kept on a datablock, (N, width); none where they make no sense."""
    numbers = owner.get(key)
    if getattr(numbers, "typecode", "") != "d" or len(numbers) % width:
        return np.empty((0, width))
    values = np.array(numbers, float).reshape(-1, width)
    return values if np.all(np.isfinite(values)) else np.empty((0, width))


def _keep(owner: bpy.types.ID, key: str, numbers: list[float]) -> None:
    if numbers:
        owner[key] = numbers
    elif key in owner:
        del owner[key]


def _camera_sum(result: Cleaned) -> str:
    camera, path = result.take.camera, result.path
    moving = [] if path is None else [path.to_world, path.focal_px]
    return _checksum([np.array([camera.focal_px]), camera.centre_px, camera.from_world, *moving])


def _checksum(arrays: Iterable[Array]) -> str:
    total = 0
    for values in arrays:
        total = zlib.crc32(np.ascontiguousarray(values, float).tobytes(), total)
    return str(total)
