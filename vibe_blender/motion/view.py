# SPDX-License-Identifier: GPL-3.0-or-later OR MIT
"""Another camera after the capture: all that was seen is lifted from the picture again, through the camera it now is.

What a capture knows, it knows in the camera's frame. So people are taken there first, stay the same in the picture, and
come back to the world through a camera with another lens, another tilt, or another place in every frame.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from ..contract.errors import CaptureError
from ..contract.quaternions import Array, continuous, from_matrices, multiply, rotate
from ..contract.skeleton import forward_kinematics
from ..contract.take import Camera, Person, Take
from .floor import Seen, find_floor
from .path_scale import path_scale
from .settings import CameraPath, View

_STEEPEST = np.cos(np.radians(60.0))
_LEAST_WIDTH = 0.02
"""A floor's points lie on a line where they reach less than this share of their length to the side."""
_NEAREST_M = 0.05


@dataclass(frozen=True)
class Viewed:
    """What another view makes of a take.

    Attributes:
        take: its people in the world as it now is. Its camera is the one that filmed; of one that moved, as it was in
            the first frame, so only ``path`` sees everybody where they were filmed.
        path: the camera that moved, in the take's world and in metres; None for one that stood still.
    """

    take: Take
    path: CameraPath | None = None


@dataclass(frozen=True)
class _Shot:
    """People as the camera saw them, and where it was.

    Attributes:
        people: ``rotations`` and ``root`` in the camera's frame.
        to_world: (N, 4, 4) camera frame to world, one a video frame; one of them for all where the camera stood still.
        path: the moving camera's, in metres; None for one that stood still.
    """

    people: tuple[Person, ...]
    to_world: Array
    path: CameraPath | None = None

    def of(self, person: Person, first_frame: int) -> Array:
        """Camera frame to world in the person's frames (T, 4, 4), or (1, 4, 4)."""
        return self.to_world if self.path is None else self.to_world[person.frames - first_frame]


def viewed(take: Take, view: View) -> Viewed:
    """The take seen by another camera; the very same where nothing is set.

    Raises:
        CaptureError: ``bad_setting`` for a path that does not have as many frames as the take's video.
    """
    if view == View() or not take.people:
        return Viewed(take)
    shot = _shot(take, view)
    shot = _turned(take, shot, view.pitch_rad, view.roll_rad, view.height_m)
    people = tuple(_to_world(person, shot.of(person, take.video.first_frame)) for person in shot.people)
    from_world = np.linalg.inv(shot.to_world[0])
    if shot.path is None:
        camera = replace(take.camera, focal_px=take.camera.focal_px * view.focal_scale, from_world=from_world)
        return Viewed(replace(take, people=people, camera=camera))
    path = replace(shot.path, to_world=shot.to_world)
    camera = Camera(float(path.focal_px[0]), _centres(take, path)[0], from_world)
    return Viewed(replace(take, people=people, camera=camera), path)


def scale_of_path(take: Take, path: CameraPath) -> float:
    """Metres of one unit of the path's places: as given, else found from the feet that stand in the take."""
    return _scale(take, _through(take, path), path)


def view_of_floor(take: Take, view: View, points: Array) -> View:
    """The view in which picked points lie on the floor, z = 0.

    Args:
        take: as it was captured.
        view: under which the points were picked.
        points: (K, 3) metres, world of ``viewed(take, view)``, three or more that are not on one line: points of the
            scene, or the corners of a plane that lies where the floor belongs.

    Raises:
        CaptureError: ``bad_floor``.
    """
    middle, normal = _plane(np.asarray(points, dtype=float))
    shot = _shot(take, view)
    shown = _turned(take, shot, view.pitch_rad, view.roll_rad, view.height_m).to_world[0]
    seen = shown[:3, :3].T @ (middle - shown[:3, 3])
    before, after = _tilt(shot.to_world[0][2, :3]), _tilt(shown[:3, :3].T @ normal)
    pitch, roll = after[0] - before[0], float((after[1] - before[1] + np.pi) % (2 * np.pi) - np.pi)
    turned = _turned(take, shot, pitch, roll, 0.0).to_world[0]
    return replace(view, pitch_rad=pitch, roll_rad=roll, height_m=-float(turned[2, :3] @ seen + turned[2, 3]))


def _plane(points: Array) -> tuple[Array, Array]:
    """The middle (3,) of points (K, 3) and the normal (3,), upwards, of the plane nearest to them."""
    if len(points) < 3:
        raise CaptureError("bad_floor", f"{len(points)} points make no floor.", "Pick three or more, not on one line.")
    middle = points.mean(axis=0)
    _, spread, axes = np.linalg.svd(points - middle)
    if spread[1] <= _LEAST_WIDTH * spread[0]:
        raise CaptureError("bad_floor", "The picked points lie on one line.", "Pick another one, off that line.")
    normal = axes[2] if axes[2, 2] >= 0 else -axes[2]
    if normal[2] < _STEEPEST:
        raise CaptureError("bad_floor", "The picked points lie on a wall, not on a floor.", "Pick points of the floor.")
    return middle, normal


def _shot(take: Take, view: View) -> _Shot:
    """The people through the camera's lens as it is set, on the floor as it was found, or is found again."""
    shot = _other_lens(take, view.focal_scale) if view.path is None else _moving(take, view.path)
    return _on_floor(take, shot) if view.refit_floor else shot


def _other_lens(take: Take, focal_scale: float) -> _Shot:
    """Everybody nearer or farther by the lens. What was level floor stays so: ``z`` in its equation grows too."""
    camera, to_world = take.camera, np.linalg.inv(take.camera.from_world)
    if focal_scale == 1.0:
        return _Shot(_in_camera(take), to_world[None])
    focal = np.array([camera.focal_px * focal_scale])
    people = tuple(_lifted(person, camera, focal, camera.centre_px[None]) for person in _in_camera(take))
    up = to_world[2, :3] / [1.0, 1.0, focal_scale]
    length = np.linalg.norm(up)
    after = np.eye(4)
    after[:3, :3] = _tilted(to_world[:3, :3], up / length)
    after[2, 3] = to_world[2, 3] / length
    shot = _Shot(people, after[None])
    after[:2, 3] += _start(take.people) - _start([_to_world(person, shot.to_world) for person in people])
    return shot


def _through(take: Take, path: CameraPath) -> tuple[Person, ...]:
    """The people through the lens of a moving camera, in its frame."""
    count, first = len(take.video.times), take.video.first_frame
    if np.shape(path.to_world) != (count, 4, 4) or np.shape(path.focal_px) != (count,):
        raise CaptureError(
            "bad_setting",
            f"The camera's path has {len(path.to_world)} frames, the take {count}.",
            "Read the path of the camera again for this take.",
        )
    centres = _centres(take, path)
    return tuple(
        _lifted(person, take.camera, path.focal_px[person.frames - first], centres[person.frames - first])
        for person in _in_camera(take)
    )


def _moving(take: Take, path: CameraPath) -> _Shot:
    """The people where a moving camera saw them."""
    people = _through(take, path)
    to_world = np.array(path.to_world, dtype=float)
    to_world[:, :3, 3] *= _scale(take, people, path)
    return _Shot(people, to_world, replace(path, scale=1.0))


def _scale(take: Take, people: tuple[Person, ...], path: CameraPath) -> float:
    if path.scale is not None:
        return path.scale
    rows = [person.frames - take.video.first_frame for person in people]
    return path_scale(people, [take.video.times[row] for row in rows], [path.to_world[row] for row in rows])


def _centres(take: Take, path: CameraPath) -> Array:
    """Principal points (N, 2), pixels."""
    return np.broadcast_to(take.camera.centre_px if path.centre_px is None else path.centre_px, (len(path.to_world), 2))


def _in_camera(take: Take) -> tuple[Person, ...]:
    """The people in the frame of the take's camera."""
    return tuple(_to_world(person, take.camera.from_world[None]) for person in take.people)


def _to_world(person: Person, transforms: Array) -> Person:
    """The person moved by rigid transforms (T, 4, 4) or (1, 4, 4)."""
    rotations, root = _moved(person, transforms)
    return replace(person, rotations=rotations, root=root)


def _moved(person: Person, transforms: Array) -> tuple[Array, Array]:
    """The person's ``rotations`` and ``root`` moved by rigid transforms (T, 4, 4) or (1, 4, 4)."""
    rotations = person.rotations.copy()
    rotations[:, 0] = continuous(multiply(from_matrices(transforms[:, :3, :3]), rotations[:, 0]))
    root = (transforms[:, :3, :3] @ person.root[..., None])[..., 0]
    return rotations, root + transforms[:, :3, 3]


def _lifted(person: Person, camera: Camera, focal_px: Array, centre_px: Array) -> Person:
    """The person as another lens saw the same picture, both in the camera's frame.

    Seen along another ray, a body that looks the same is turned by the angle between the rays. Where it is then, is the
    linear least-squares answer to where its joints are in the picture: ``x (d_z + t_z) = d_x + t_x`` for each joint,
    with ``x`` the slope of its ray and ``d`` its place on the body.

    Args:
        person: in the camera's frame.
        camera: that the person was lifted through.
        focal_px: (T,) or (1,) pixels.
        centre_px: (T, 2) or (1, 2) pixels.
    """
    if np.all(focal_px == camera.focal_px) and np.all(centre_px == camera.centre_px):
        return person
    joints = forward_kinematics(person.rest_joints, person.rotations, person.root)[0]
    picture = camera.focal_px * joints[..., :2] / np.maximum(joints[..., 2:], _NEAREST_M) + camera.centre_px
    slopes = (picture - centre_px[:, None]) / focal_px[:, None, None]
    turn = _between(person.root, np.concatenate([slopes[:, 0], np.ones((len(slopes), 1))], axis=1))
    body = rotate(turn[:, None], joints - person.root[:, None])
    wanted = slopes * body[..., 2:] - body[..., :2]
    middle, mean = slopes.mean(axis=1), wanted.mean(axis=1)
    apart = slopes - middle[:, None]
    distance = -np.sum(apart * wanted, axis=(1, 2)) / np.maximum(np.sum(apart**2, axis=(1, 2)), 1e-12)
    root = np.concatenate([mean + middle * distance[:, None], distance[:, None]], axis=1)
    rotations = person.rotations.copy()
    rotations[:, 0] = continuous(multiply(turn, rotations[:, 0]))
    return replace(person, rotations=rotations, root=root)


def _between(before: Array, after: Array) -> Array:
    """The shortest turns (T, 4) from directions (T, 3) to others less than a half turn away."""
    before, after = (v / np.linalg.norm(v, axis=1, keepdims=True) for v in (before, after))
    turn = np.concatenate([1.0 + np.sum(before * after, axis=1, keepdims=True), np.cross(before, after)], axis=1)
    return turn / np.linalg.norm(turn, axis=1, keepdims=True)


def _on_floor(take: Take, shot: _Shot) -> _Shot:
    """The same with the floor that is found below everybody's feet at z = 0."""
    # The floor is found in the axes of the mean camera: upright people and a level camera are told by them.
    left, _, right = np.linalg.svd(shot.to_world[:, :3, :3].sum(axis=0))
    mean = np.eye(4)
    mean[:3, :3] = left @ np.diag([1.0, 1.0, np.sign(np.linalg.det(left @ right))]) @ right
    mean[:3, 3] = shot.to_world[:, :3, 3].mean(axis=0)
    to_mean = replace(shot, to_world=np.linalg.inv(mean) @ shot.to_world)
    first = take.video.first_frame
    seen = []
    for person in shot.people:
        transforms = to_mean.of(person, first)
        rotations, root = _moved(person, transforms)
        times = take.video.times[person.frames - first]
        seen.append(Seen(times, rotations, root, person.rest_joints, transforms[:, :3, 3]))
    floor = find_floor(seen)
    turn = _tilted(mean[:3, :3], floor.up) @ mean[:3, :3].T
    turned = _about(shot.to_world, turn, mean[:3, 3])
    below = mean[2, 3] + floor.level_m  # a point of the floor, right below the mean camera
    before, after = (_first_places(take, shot, frames) for frames in (shot.to_world, turned))
    turned[:, :3, 3] += [*(before - after), -below]
    return replace(shot, to_world=turned)


def _turned(take: Take, shot: _Shot, pitch: float, roll: float, height: float) -> _Shot:
    """The same with the camera turned further down and clockwise, and raised, everybody with it.

    Args:
        take: whose times of the frames.
        shot: the camera's first frame is the one that is turned.
        pitch, roll: radians, in addition.
        height: metres, in addition.
    """
    first = shot.to_world[0, :3, :3]
    old_pitch, old_roll = _tilt(first[2])
    turn = _tilted(first, _up(old_pitch + pitch, old_roll + roll)) @ first.T
    pivot = np.append(_first_places(take, shot, shot.to_world), 0.0)
    turned = _about(shot.to_world, turn, pivot)
    turned[:, 2, 3] += height
    return replace(shot, to_world=turned)


def _about(transforms: Array, turn: Array, pivot: Array) -> Array:
    """Transforms (N, 4, 4) to a world that is then turned (3, 3) about a point (3,)."""
    around = np.eye(4)
    around[:3, :3] = turn
    around[:3, 3] = pivot - turn @ pivot
    return around @ transforms


def _first_places(take: Take, shot: _Shot, to_world: Array) -> Array:
    """Where the first person begins: x and y (2,), metres, world."""
    person = min(shot.people, key=lambda person: person.frames[0])
    row = 0 if shot.path is None else int(person.frames[0]) - take.video.first_frame
    return to_world[row, :2, :3] @ person.root[0] + to_world[row, :2, 3]


def _start(people: Sequence[Person]) -> Array:
    """Where the first person begins: x and y (2,), metres, world."""
    return min(people, key=lambda person: person.frames[0]).root[0, :2]


def _tilt(up: Array) -> tuple[float, float]:
    """How far a camera looks down and is turned clockwise, radians, from the direction up (3,) in its frame."""
    return -float(np.arcsin(np.clip(up[2], -1.0, 1.0))), float(np.arctan2(-up[0], -up[1]))


def _up(pitch: float, roll: float) -> Array:
    """The direction up (3,) in the frame of a camera that looks down and is turned clockwise by so many radians."""
    return np.array([-np.sin(roll) * np.cos(pitch), -np.cos(roll) * np.cos(pitch), -np.sin(pitch)])


def _tilted(rotation: Array, up: Array) -> Array:
    """The rotation (3, 3), camera to world, of a camera with the same heading that sees ``up`` (3,) as up."""
    return rotation @ _levelling(rotation[2]).T @ _levelling(up)


def _levelling(up: Array) -> Array:
    """Rotation (3, 3) of camera axes to x right, y ahead, z up, for a camera that sees ``up`` (3,) as up."""
    ahead = np.array([0.0, 0.0, 1.0]) - up[2] * up
    if np.linalg.norm(ahead) < 1e-6:  # it looks straight down or up: ahead is where the picture's top is, or its bottom
        ahead = np.array([0.0, up[2], 0.0])
    ahead = ahead / np.linalg.norm(ahead)
    return np.stack([np.cross(ahead, up), ahead, up])
