# SPDX-License-Identifier: GPL-3.0-or-later
"""Stand-ins that move while a capture runs: a rig and a body per person, posed at every moment from what was solved.

They have no action. A pose is set from the arrays, which costs the same in the ten-thousandth frame as in the first;
keys that grow are copied as a whole by Blender's evaluation, for every stretch that is added to them.
"""

from __future__ import annotations

import contextlib
import time
import uuid
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor

import bpy
import numpy as np

from ..contract.protocol import Frames, PersonFound, VideoOpened
from ..contract.quaternions import Array
from ..contract.skeleton import JOINT_NAMES
from ..motion.preview import Motion, Playhead
from ..motion.rotations import bone_location, bone_rotations
from .armature import add_armature, bone_quaternions
from .body import RestBody, adding_skin, load_body_model, rest_body
from .camera import frame_rate
from .names import short_name
from .removal import discard, new_unfinished, remove_collection
from .steps import Steps, rendering

_CAPTURING, _STAND_IN = "vibe_capturing", "vibe_stand_in"
_PIECE = 100
"""Frames that are read from an event at a time."""
_STEP_SECONDS = 0.004
"""The longest step of building: none is begun later than so long before the deadline, but one in every call."""
_SAME = 1e-6


class LiveTake:
    """The people of a running capture, in the scene.

    Until the user moves in time, they play what arrives and then hold the newest pose. From then on they stand as the
    current frame says, and hold the newest pose after the end. What an undo or the user removed is made again: nothing
    of Blender's is kept between two calls, but while a stand-in is being built.
    """

    def __init__(self, name: str, video: VideoOpened, start: float, scene: bpy.types.Scene, *, first: int = 0) -> None:
        """Begins to read the body beside Blender.

        Args:
            name: of the take.
            video: its frame rate counts.
            start: scene frame of the first captured frame.
            scene: where the user is in time.
            first: video frame number of the first captured frame.
        """
        self._name, self._fps, self._start, self._first = short_name(name), video.fps, start, first
        self._mark = uuid.uuid4().hex
        self._events: deque[Frames] = deque()
        self._taken = 0
        self._rest: dict[int, Future[RestBody]] = {}
        self._motions: dict[int, Motion] = {}
        self._bones: dict[int, tuple[Array, Array]] = {}
        self._playhead = Playhead(video.fps)
        self._frame_seen = scene.frame_current_final
        self._following = True
        self._worker = ThreadPoolExecutor(1)
        self._worker.submit(load_body_model)
        self._building: Steps[None] | None = None
        handlers = bpy.app.handlers
        handlers.frame_change_pre.append(self._on_frame_change)
        handlers.undo_pre.append(self._on_undo)
        handlers.redo_pre.append(self._on_undo)

    @property
    def shown(self) -> bool:
        """Whether somebody stands in the scene already."""
        return bool(self._bones) and bool(self._collections())

    def add(self, event: PersonFound | Frames) -> None:
        """Takes in what the backend says; nothing happens in Blender yet."""
        if isinstance(event, PersonFound):
            self._rest[event.person] = self._worker.submit(_rest, event.rest_joints)
        else:
            self._events.append(event)

    def advance(self, scene: bpy.types.Scene, deadline: float) -> bool:
        """Works on the stand-ins until ``deadline``; True when there is nothing left to do, or a render runs.

        Args:
            scene: where they stand.
            deadline: of ``time.monotonic``; something is done in every call, a few milliseconds at most.
        """
        if rendering():
            return True
        self._take_in(deadline)
        rigs = self._rigs(scene)
        expected = self._motions.keys() & self._rest.keys()
        while expected - rigs.keys() and all(rest.done() for rest in self._rest.values()):
            self._build(scene, min(expected - rigs.keys()))
            if self._building is None:
                rigs = self._rigs(scene)
            if time.monotonic() >= deadline - _STEP_SECONDS:
                break
        self._playhead.advance(self._newest(), time.monotonic())
        self._show(scene, rigs)
        return not self._events and expected <= rigs.keys() and self._playhead.frame >= self._newest()

    def remove(self) -> None:
        """Takes the stand-ins away."""
        handlers = bpy.app.handlers
        for known, ours in (
            (handlers.frame_change_pre, self._on_frame_change),
            (handlers.undo_pre, self._on_undo),
            (handlers.redo_pre, self._on_undo),
        ):
            if ours in known:  # opening a file forgets them
                known.remove(ours)
        self._worker.shutdown(wait=False, cancel_futures=True)
        self._stop_building()
        _remove(self._collections())

    def _take_in(self, deadline: float) -> None:
        """Turns lists of numbers into arrays, a piece at a time."""
        while self._events:
            event = self._events[0]
            piece = slice(self._taken, self._taken + _PIECE)
            motion = self._motions.setdefault(event.person, Motion())
            motion.add(event.first_frame + self._taken, event.rotations[piece], event.root[piece])
            self._taken += _PIECE
            if self._taken >= len(event.rotations):
                self._events.popleft()
                self._taken = 0
            if time.monotonic() >= deadline:
                return

    def _build(self, scene: bpy.types.Scene, person: int) -> None:
        """Takes one step more towards a person's stand-in."""
        if self._building is None:
            self._building = self._adding(person, scene.session_uid)
        try:
            next(self._building)
        except (StopIteration, ReferenceError):  # it is there, or somebody removed what was half built
            self._building = None

    def _adding(self, person: int, scene_uid: int) -> Steps[None]:
        model, rest = load_body_model(), self._rest[person].result()
        # Built out of sight: the scene's evaluation is not troubled before everything is there.
        nursery = new_unfinished(f"{self._name} (nursery)")
        try:
            name = f"{self._name} person {person} (capturing)"
            armature = add_armature(name, rest.joints, rest.crown, nursery)
            self._bones[person] = bone_quaternions(armature), rest.joints[0]
            yield
            body = yield from adding_skin(f"{name} body", model, rest.vertices, armature, nursery, colour=person)
            yield
            scene = next((scene for scene in bpy.data.scenes if scene.session_uid == scene_uid), None)
            if scene is not None:
                home = self._home(scene)
                for thing in (armature, body):
                    thing[_STAND_IN] = person
                    thing.hide_select = True
                    home.objects.link(thing)
                    nursery.objects.unlink(thing)
        finally:
            with contextlib.suppress(ReferenceError):  # it went with the file
                discard(nursery, list(nursery.objects))

    def _home(self, scene: bpy.types.Scene) -> bpy.types.Collection:
        """The collection of the stand-ins, in the scene."""
        for collection in self._collections():
            if collection in scene.collection.children_recursive:
                return collection
        collection = bpy.data.collections.new(f"{self._name} (capturing)")
        collection[_CAPTURING] = self._mark
        scene.collection.children.link(collection)
        return collection

    def _stop_building(self) -> None:
        building, self._building = self._building, None
        if building is not None:
            building.close()

    def _collections(self) -> list[bpy.types.Collection]:
        return [collection for collection in bpy.data.collections if collection.get(_CAPTURING) == self._mark]

    def _rigs(self, scene: bpy.types.Scene) -> dict[int, bpy.types.Object]:
        """The armatures that stand in the scene, by person."""
        shown = scene.collection.children_recursive
        return {
            thing[_STAND_IN]: thing
            for collection in self._collections()
            if collection in shown
            for thing in collection.objects
            if thing.type == "ARMATURE" and thing.get(_STAND_IN) in self._bones and thing.pose is not None
        }

    def _newest(self) -> int:
        """The last video frame that was solved."""
        return max((motion.last for motion in self._motions.values()), default=self._first)

    def _on_undo(self, *_: object) -> None:
        """What is half built could be taken back by some steps, and would then be built on."""
        self._stop_building()

    def _on_frame_change(self, scene: bpy.types.Scene, *_: object) -> None:
        rigs = self._rigs(scene)
        if rigs and not rendering():
            self._show(scene, rigs)

    def _show(self, scene: bpy.types.Scene, rigs: dict[int, bpy.types.Object]) -> None:
        """Poses everybody as the playhead or the scene's frame says."""
        frame = self._first + (scene.frame_current_final - self._start) / frame_rate(scene) * self._fps
        if scene.frame_current_final != self._frame_seen:
            self._frame_seen = scene.frame_current_final
            self._following = False
        self._following = self._following or frame >= self._newest()
        moment = self._playhead.frame if self._following else frame
        for person, rig in rigs.items():
            rotations, root = self._motions[person].at(moment)
            bones, pelvis = self._bones[person]
            _pose(rig, bone_rotations(rotations, bones), bone_location(root, pelvis, bones[0]))


def remove_leftovers() -> None:
    """Removes stand-ins of captures that are over: a file may have been saved while one ran."""
    _remove([collection for collection in bpy.data.collections if _CAPTURING in collection])


def _rest(joints: list[list[float]]) -> RestBody:
    """The body with a person's proportions; (24, 3) metres, body frame."""
    return rest_body(load_body_model(), np.array(joints, float))


def _remove(collections: list[bpy.types.Collection]) -> None:
    for collection in collections:
        remove_collection(collection, [thing for thing in collection.objects if _STAND_IN in thing])


def _pose(rig: bpy.types.Object, rotations: Array, location: Array) -> None:
    """Poses a rig, and lets Blender know only where something changed.

    Args:
        rig: from ``add_armature``.
        rotations: (24, 4) unit quaternions, in each bone's own rest axes, in the order of the joints.
        location: (3,) metres, in the root bone's own rest axes.
    """
    bones = rig.pose.bones
    there = [joint for joint, name in enumerate(JOINT_NAMES) if name in bones]  # the user may have removed some
    poses = [bones[JOINT_NAMES[joint]] for joint in there]
    before = np.array([pose.rotation_quaternion for pose in poses]).reshape(-1, 4)
    if np.any(np.abs(before - rotations[there]) > _SAME):
        for pose, rotation in zip(poses, rotations[there].tolist(), strict=True):
            pose.rotation_quaternion = rotation
    if 0 in there and np.abs(np.array(poses[0].location) - location).max() > _SAME:
        poses[0].location = location
