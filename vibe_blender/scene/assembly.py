# SPDX-License-Identifier: GPL-3.0-or-later
"""A take as Blender data: a collection with rig, body and action per person, and the camera that filmed them."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path

import bpy

from ..contract.take import Person, Take
from .animation import animating, hide_untracked
from .armature import add_armature
from .body import BodyModel, adding_body, load_body_model, rest_body
from .camera import add_backdrop, add_camera, frame_rate
from .names import short_name
from .records import describe_person, describe_take
from .removal import discard, finished, new_unfinished
from .steps import Steps, run_through
from .takes import mark_parts, write_person_record, write_take_record

_POLL_SECONDS = 0.002


@dataclass(frozen=True)
class Actor:
    """What stands for one person of the take."""

    person: int
    armature: bpy.types.Object
    body: bpy.types.Object
    action: bpy.types.Action


@dataclass(frozen=True)
class Assembly:
    """What a take became.

    Attributes:
        collection: holds everything below.
        actors: one per person who was seen, in the take's order.
        camera: the camera object.
        warnings: sentences for the user.
    """

    collection: bpy.types.Collection
    actors: tuple[Actor, ...]
    camera: bpy.types.Object
    warnings: tuple[str, ...]


def assemble(
    take: Take,
    scene: bpy.types.Scene,
    name: str,
    *,
    start: int,
    path: Path | None = None,
    model: BodyModel | None = None,
) -> Assembly:
    """Adds a take to a scene at once; the arguments are those of ``assembling``."""
    return run_through(assembling(take, scene, name, start=start, path=path, model=model))


def assembling(
    take: Take,
    scene: bpy.types.Scene,
    name: str,
    *,
    start: int,
    path: Path | None = None,
    model: BodyModel | None = None,
) -> Steps[Assembly]:
    """Adds a take to a scene, in steps of a few milliseconds; the scene's own settings stay as they are.

    Nothing is in the scene before the last step, and nothing is left where the generator is closed before. Close it
    before an undo, which would take away what is half built.

    Args:
        take: what was captured.
        scene: keys are placed at its frame rate, fractional where the video's is another.
        name: of the new collection, and in front of the names in it.
        start: scene frame of the first captured frame.
        path: of the take's file, to be remembered in the scene.
        model: the body, the mannequin where it is None.

    Raises:
        CaptureError: ``bad_frames``, before anything is made.
    """
    fps = frame_rate(scene)
    seen = [person for person in take.people if len(person.frames)]
    describe_take(take, path, start=start, scene_fps=fps)
    for person in seen:
        describe_person(take, person, start=start, scene_fps=fps)
    if model is None:
        model = yield from _loading_body_model()
    collection = new_unfinished(short_name(name))
    try:
        actors = []
        for person in seen:
            actor = yield from _adding_actor(take, person, model, collection, fps, start)
            write_person_record(actor.armature, take, person, start=start, scene_fps=fps)
            actors.append(actor)
        camera = add_camera(f"{collection.name} camera", take.camera, take.video, collection)
        yield
        warning = add_backdrop(camera, take.video, fps=fps, start=start)
        mark_parts([actor.body for actor in actors], camera, take)
        write_take_record(collection, take, path, start=start, scene_fps=fps)
        yield
        finished(collection)
        scene.collection.children.link(collection)
    except BaseException:
        discard(collection, list(collection.objects))
        raise
    return Assembly(collection, tuple(actors), camera, (warning,) if warning else ())


def _adding_actor(
    take: Take, person: Person, model: BodyModel, collection: bpy.types.Collection, fps: float, start: int
) -> Steps[Actor]:
    name = f"{collection.name} person {person.id}"
    rest = rest_body(model, person.rest_joints, person.betas if take.body == "mannequin" else None)
    yield
    armature = add_armature(name, rest.joints, rest.crown, collection)
    yield
    body = yield from adding_body(f"{name} body", model, rest, armature, collection, colour=person.id)
    hide_untracked(body, armature)
    yield
    action = yield from animating(armature, person, take.video, fps=fps, start=start)
    return Actor(person.id, armature, body, action)


def _loading_body_model() -> Steps[BodyModel]:
    """Reads the mannequin beside Blender."""
    worker = ThreadPoolExecutor(1)
    try:
        loading = worker.submit(load_body_model)
        while not loading.done():
            yield
            wait([loading], _POLL_SECONDS)
        return loading.result()
    finally:
        worker.shutdown(wait=False)
