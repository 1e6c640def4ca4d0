# SPDX-License-Identifier: GPL-3.0-or-later OR MIT
"""What becomes of a person's way: taken out, straightened, corrected where it drifted, turned, scaled, or split."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ..contract.quaternions import Array, continuous, from_axis_angles, multiply
from ..contract.take import Camera, Person
from .settings import Anchor, Root


@dataclass(frozen=True)
class SplitRoot:
    """A path in two parts, the sum of which it is.

    Attributes:
        ground: (T, 3) metres, world, on the floor right below the pelvis: for the armature object.
        pelvis: (T, 3) metres, from there: for the bone.
    """

    ground: Array
    pelvis: Array


def rerooted(person: Person, times: Array, root: Root) -> Person:
    """The person on the path that is asked for; ``ground`` is as ``full``, and ``split`` then parts it.

    In this order: drift is taken out, the way becomes what the mode says, the height is locked, and all is turned and
    scaled about the world's origin, so that several people keep their places to each other.

    Args:
        person: whose.
        times: (T,) seconds of the person's frames.
        root: settings.
    """
    path = without_drift(person, times, root.anchors.get(person.id, ()))
    if root.mode == "in_place":
        path = np.concatenate([np.repeat(path[:1, :2], len(path), axis=0), path[:, 2:]], axis=1)
    elif root.mode == "line":
        path = np.concatenate([on_line(path[:, :2]), path[:, 2:]], axis=1)
    if root.lock_height:
        path = np.concatenate([path[:, :2], np.full((len(path), 1), path[:, 2].mean())], axis=1)
    rotations = person.rotations
    if root.heading_rad:
        rotations = rotations.copy()
        rotations[:, 0] = continuous(multiply(_heading(root), rotations[:, 0]))
    return replace(
        person,
        rotations=rotations,
        root=path @ _similarity(root).T,
        rest_joints=person.rest_joints * root.scale,
    )


def camera_with(camera: Camera, root: Root) -> Camera:
    """The camera turned and moved along with everybody, so that the picture stays the same."""
    similarity = _similarity(root)
    from_world = camera.from_world.copy()
    from_world[:3, :3] = camera.from_world[:3, :3] @ similarity.T / root.scale
    from_world[:3, 3] = camera.from_world[:3, 3] * root.scale
    return replace(camera, from_world=from_world)


def path_with(to_world: Array, root: Root) -> Array:
    """A moving camera's (N, 4, 4) camera frame to world, turned and moved along with everybody."""
    moved = to_world.copy()
    moved[:, :3, :3] = _similarity(root) / root.scale @ to_world[:, :3, :3]
    moved[:, :3, 3] = to_world[:, :3, 3] @ _similarity(root).T
    return moved


def split(person: Person) -> SplitRoot:
    """The person's path as the way along the floor and the rest."""
    ground = person.root * [1.0, 1.0, 0.0]
    return SplitRoot(ground, person.root - ground)


def anchor_at(frame: int, place: Array, root: Root) -> Anchor:
    """The anchor that holds the pelvis at ``place`` (3,), metres, in the world as it is shown, turned and scaled."""
    x, y, z = before_root(place, root)
    return Anchor(frame, (float(x), float(y), float(z)))


def before_root(places: Array, root: Root) -> Array:
    """Places (..., 3), metres, in the world before it was turned and scaled.

    Args:
        places: (..., 3) metres, in the world as it is shown.
        root: settings.
    """
    return np.asarray(places, dtype=float) @ np.linalg.inv(_similarity(root)).T


def without_drift(person: Person, times: Array, anchors: tuple[Anchor, ...]) -> Array:
    """The path (T, 3), metres, world, through all anchors.

    What is added grows evenly with time from one anchor to the next and stays the same before the first and after the
    last, so nothing jumps.

    Args:
        person: whose.
        times: (T,) seconds of the person's frames.
        anchors: at most one per frame; one in which the person was not seen counts at its place between those seen.
    """
    path = np.asarray(person.root, dtype=float)
    if not anchors:
        return path
    anchors = tuple(sorted(anchors, key=lambda anchor: anchor.frame))
    when = np.interp([anchor.frame for anchor in anchors], person.frames, times)
    added = np.empty((len(times), 3))
    for axis in range(3):
        found = np.interp(when, times, path[:, axis])
        wanted = np.array([anchor.place[axis] for anchor in anchors])
        added[:, axis] = np.interp(times, when, wanted - found)
    return path + added


def on_line(way: Array) -> Array:
    """The way (T, 2), metres, on the straight line nearest to it, and there never backwards.

    The line is that of least squares through the way's middle. On it, of all ways that never go back, this one is never
    farther from where the person was than need be: halfway between the farthest so far and the nearest still to come.

    Args:
        way: (T, 2) metres.
    """
    middle = way.mean(axis=0)
    direction = np.linalg.svd(way - middle, full_matrices=False)[2][0]
    if (way[-1] - way[0]) @ direction < 0:
        direction = -direction
    along = (way - middle) @ direction
    farthest = np.maximum.accumulate(along)
    nearest = np.minimum.accumulate(along[::-1])[::-1]
    return middle + (farthest + nearest)[:, None] / 2 * direction


def _heading(root: Root) -> Array:
    return from_axis_angles(np.array([0.0, 0.0, root.heading_rad]))


def _similarity(root: Root) -> Array:
    """(3, 3): turned about the vertical and scaled."""
    sine, cosine = np.sin(root.heading_rad), np.cos(root.heading_rad)
    return root.scale * np.array([[cosine, -sine, 0.0], [sine, cosine, 0.0], [0.0, 0.0, 1.0]])
