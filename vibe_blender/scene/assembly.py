# SPDX-License-Identifier: GPL-3.0-or-later
"""A take as Blender data: a collection with rig, body and action per person, and the camera that filmed them."""

from __future__ import annotations

from dataclasses import dataclass

import bpy

from ..contract.take import Person, Take
from .animation import animate
from .armature import add_armature
from .body import BodyModel, add_body, load_body_model, rest_body
from .camera import add_backdrop, add_camera, frame_rate


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
        actors: one per person, in the take's order.
        camera: the camera object.
        warnings: sentences for the user.
    """

    collection: bpy.types.Collection
    actors: tuple[Actor, ...]
    camera: bpy.types.Object
    warnings: tuple[str, ...]


def assemble(take: Take, scene: bpy.types.Scene, name: str, *, start: int, model: BodyModel | None = None) -> Assembly:
    """Adds a take to a scene and leaves the scene's own settings as they are.

    Args:
        take: what was captured.
        scene: keys are placed at its frame rate, fractional where the video's is another.
        name: of the new collection, and in front of the names in it.
        start: scene frame of the first captured frame.
        model: the body, the mannequin where it is None.
    """
    model = model or load_body_model()
    collection = bpy.data.collections.new(name)
    scene.collection.children.link(collection)
    fps = frame_rate(scene)
    actors = tuple(_add_actor(take, person, model, scene, collection, start) for person in take.people)
    camera = add_camera(f"{name} camera", take.camera, take.video, collection)
    warning = add_backdrop(camera, take.video, fps=fps, start=start)
    return Assembly(collection, actors, camera, (warning,) if warning else ())


def _add_actor(
    take: Take, person: Person, model: BodyModel, scene: bpy.types.Scene, collection: bpy.types.Collection, start: int
) -> Actor:
    name = f"{collection.name} person {person.id}"
    rest = rest_body(model, person, own_betas=take.body == "mannequin")
    armature = add_armature(name, rest.joints, rest.crown, scene, collection)
    body = add_body(f"{name} body", model, rest, armature, collection, colour=person.id - 1)
    action = animate(armature, body, person, take.video, fps=frame_rate(scene), start=start)
    return Actor(person.id, armature, body, action)
