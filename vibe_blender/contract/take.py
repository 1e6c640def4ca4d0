# SPDX-License-Identifier: GPL-3.0-or-later OR MIT
"""The take: what one capture found."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from .errors import CaptureError
from .quaternions import Array
from .skeleton import JOINT_COUNT, forward_kinematics
from .terms import notice_of
from .version import VERSION

STATUSES = ("complete", "partial")
MAX_ID = 2**31 - 1
MAX_FRAME = 2**31 - 1
MAX_SECONDS = 1e6
"""Eleven days; also more than Blender has frames for at thirty a second."""
LEAST_FPS, MAX_FPS = 1e-3, 1e5
MAX_SIDE_PX = 1 << 16


def _check(name: str, values: Array, shape: tuple[int, ...]) -> None:
    if np.shape(values) != shape:
        raise ValueError(f"{name}: shape {np.shape(values)}, expected {shape}")
    if not np.all(np.isfinite(values)):
        raise ValueError(f"{name}: not all are numbers")


@dataclass(frozen=True)
class Video:
    """The captured video, after its rotation was applied.

    Attributes:
        path: where it was at the time of capture.
        width_px, height_px: size of the upright image.
        fps: mean frame rate; the truth is in ``times``.
        times: (N,) seconds, presentation time of frame ``first_frame + n``, 0 at the video's first frame.
        first_frame: video frame number of ``times[0]``.
    """

    path: str
    width_px: int
    height_px: int
    fps: float
    times: Array
    first_frame: int = 0

    def __post_init__(self) -> None:
        _check("times", self.times, (len(self.times),))
        if not len(self.times) or np.any(np.diff(self.times) <= 0):
            raise ValueError("the video's times do not ascend")
        if np.max(np.abs(self.times)) > MAX_SECONDS:
            raise ValueError(f"a frame of the video at {np.max(np.abs(self.times)):g} seconds")
        sizes = (self.width_px, self.height_px)
        if not (1 <= min(sizes) <= max(sizes) <= MAX_SIDE_PX and LEAST_FPS <= self.fps <= MAX_FPS):
            raise ValueError(f"a video of {self.width_px} x {self.height_px} at {self.fps} frames a second")
        if not 0 <= self.first_frame <= MAX_FRAME - len(self.times):
            raise ValueError(f"a first frame with the number {self.first_frame}")


@dataclass(frozen=True)
class Camera:
    """A pinhole camera that stood still.

    Attributes:
        focal_px: focal length, the same for x and y.
        centre_px: (2,) principal point, image frame.
        from_world: (4, 4) rigid transform, world to camera, metres.
    """

    focal_px: float
    centre_px: Array
    from_world: Array

    def __post_init__(self) -> None:
        _check("centre_px", self.centre_px, (2,))
        _check("from_world", self.from_world, (4, 4))
        if not 0 < self.focal_px < math.inf:
            raise ValueError(f"a focal length of {self.focal_px} pixels")

    def project(self, points: Array) -> Array:
        """Pixels (..., 2) of world points (..., 3), metres; points behind the camera give values without meaning."""
        camera = self.to_camera(points)
        return self.focal_px * camera[..., :2] / np.maximum(camera[..., 2:], 1e-6) + np.asarray(self.centre_px)

    def to_camera(self, points: Array) -> Array:
        """Camera-frame positions (..., 3) of world points (..., 3), metres."""
        return np.asarray(points) @ self.from_world[:3, :3].T + self.from_world[:3, 3]


@dataclass(frozen=True)
class NetworkWords:
    """What a network said of one person, frame by frame, before anything was made of it.

    Attributes:
        camera: (T, 3) weak perspective in the square: scale, and shift x and y.
        rotations: (T, 24, 3, 3) matrices, joint to parent; the root's, body frame to camera.
        betas: (T, 10) shape components, each frame's own.
        boxes: (T, 4) centre x, y, width, height, pixels, of the squares that ``camera`` is about.
    """

    camera: Array
    rotations: Array
    betas: Array
    boxes: Array

    def __post_init__(self) -> None:
        count = len(self.camera)
        shapes = {"camera": (count, 3), "rotations": (count, JOINT_COUNT, 3, 3), "betas": (count, 10),
                  "boxes": (count, 4)}  # fmt: skip
        for name, shape in shapes.items():
            _check(f"{name} of a network's words", getattr(self, name), shape)

    def since(self, first: int) -> NetworkWords:
        """The same without the frames before the ``first``-th."""
        return NetworkWords(self.camera[first:], self.rotations[first:], self.betas[first:], self.boxes[first:])


@dataclass(frozen=True)
class Person:
    """One person's motion.

    Attributes:
        id: stable within the take, from 1.
        frames: (T,) ascending video frame numbers; gaps are frames in which the person was not seen.
        rotations: (T, 24, 4) unit quaternions, joint to parent; the root's, body frame to world.
        root: (T, 3) metres, world position of the pelvis.
        contacts: (T, 2) 0..1, left and right foot stands on the floor.
        confidence: (T,) 0..1.
        boxes: (T, 4) centre x, y, width, height, pixels.
        rest_joints: (24, 3) metres, body frame, with this person's shape.
        betas: (10,) shape components of the body named in ``Take.body``.
        keypoints: (T, K, 3) x, y in pixels and visibility 0..1 of the detected landmarks; K = 0 where there are none.
        words: what the network said, where the estimator is one that says such words.
    """

    id: int
    frames: NDArray[np.integer]
    rotations: Array
    root: Array
    contacts: Array
    confidence: Array
    boxes: Array
    rest_joints: Array
    betas: Array
    keypoints: Array
    words: NetworkWords | None = None

    def __post_init__(self) -> None:
        if not 1 <= self.id <= MAX_ID:
            raise ValueError(f"a person with the number {self.id}")
        count = len(self.frames)
        expected = {
            "frames": (count,), "rotations": (count, JOINT_COUNT, 4), "root": (count, 3), "contacts": (count, 2),
            "confidence": (count,), "boxes": (count, 4), "rest_joints": (JOINT_COUNT, 3), "betas": (10,),
        }  # fmt: skip
        for name, shape in expected.items():
            _check(f"{name} of person {self.id}", getattr(self, name), shape)
        _check(f"keypoints of person {self.id}", self.keypoints, (count, *np.shape(self.keypoints)[1:2], 3))
        if not np.issubdtype(np.asarray(self.frames).dtype, np.integer) or np.any(np.diff(self.frames) <= 0):
            raise ValueError(f"the frames of person {self.id} are not ascending whole numbers")
        if self.words is not None and len(self.words.camera) != count:
            raise ValueError(f"words about {len(self.words.camera)} of {count} frames of person {self.id}")
        squares = np.sum(np.square(np.clip(self.rotations, -2.0, 2.0)), axis=-1)
        if np.any(np.abs(squares - 1.0) > 0.02):
            raise ValueError(f"a rotation of person {self.id} is no unit quaternion")

    def joints(self) -> Array:
        """World positions (T, 24, 3), metres, of the joints."""
        return forward_kinematics(self.rest_joints, self.rotations, self.root)[0]


@dataclass(frozen=True)
class Take:
    """Everything one capture found.

    Attributes:
        status: ``complete``, or ``partial`` where the capture was cancelled, failed or is still running.
        estimator: what read the pose, ``keypoints`` or ``vibe``.
        body: the body model that ``betas`` belong to, ``mannequin`` or ``smpl``.
        device: where the estimator ran, such as ``cpu``.
        program: version that wrote the take.
        warnings: sentences for the user.
        notice: what limits its use, in a sentence; that of its estimator where none is given.
    """

    video: Video
    camera: Camera
    people: tuple[Person, ...]
    status: str = "complete"
    estimator: str = "keypoints"
    body: str = "mannequin"
    device: str = "cpu"
    program: str = VERSION
    warnings: tuple[str, ...] = field(default=())
    notice: str = ""

    def __post_init__(self) -> None:
        if self.status not in STATUSES:
            raise ValueError(f"the status {self.status!r}")
        if not self.notice:
            object.__setattr__(self, "notice", notice_of(self.estimator))
        ids = [person.id for person in self.people]
        if len(set(ids)) < len(ids):
            raise ValueError(f"people with the same number: {ids}")

    def person(self, person_id: int) -> Person:
        """The person with this id; ``CaptureError`` names those there are."""
        for person in self.people:
            if person.id == person_id:
                return person
        known = ", ".join(str(person.id) for person in self.people) or "none"
        raise CaptureError("no_such_person", f"The take has no person {person_id}.", f"People in it: {known}.")
