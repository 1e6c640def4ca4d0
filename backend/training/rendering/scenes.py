# SPDX-License-Identifier: MIT
"""Scenes: a plan's motions with everything else drawn from its seed."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from backend.body.model import BodyModel
from vibe_blender.contract.quaternions import Array

from .camera_paths import CameraPath, draw_camera
from .looks import (
    CLEAN,
    Faults,
    Finish,
    Light,
    Surroundings,
    draw_faults,
    draw_finish,
    draw_light,
    draw_look,
    draw_surroundings,
)
from .motions import read_motion
from .people import Walker, dress, walk
from .plans import Plan, Shot

BOX, CYLINDER = "box", "cylinder"
_CORNERS = 20
_NEAREST_M = 0.6
_TRIES = 12


@dataclass(frozen=True)
class Solid:
    """A piece of furniture, or whatever else stands about.

    Attributes:
        kind: ``box`` or ``cylinder``.
        size: (3,) metres, width, depth, height.
        place: (3,) metres, world, of its middle.
        turn: radians, about the world's up.
        finish: of its surface.
    """

    kind: str
    size: Array
    place: Array
    turn: float
    finish: Finish

    def mesh(self) -> tuple[Array, list[list[int]]]:
        """Vertices (V, 3), metres, world, and faces."""
        count = 4 if self.kind == BOX else _CORNERS
        angles = 2 * np.pi * (np.arange(count) + 0.5) / count
        ring = np.stack([np.cos(angles), np.sin(angles)], axis=1) * (np.sqrt(0.5) if self.kind == BOX else 0.5)
        low, high = (np.column_stack([ring, np.full(count, height)]) for height in (-0.5, 0.5))
        vertices = np.concatenate([low, high]) * self.size
        cosine, sine = np.cos(self.turn), np.sin(self.turn)
        vertices = vertices @ np.array([[cosine, sine, 0], [-sine, cosine, 0], [0, 0, 1]]) + self.place
        following = [(number + 1) % count for number in range(count)]
        sides = [[number, following[number], following[number] + count, number + count] for number in range(count)]
        return vertices, [list(range(count))[::-1], list(range(count, 2 * count)), *sides]


@dataclass(frozen=True)
class Scene:
    """Everything that is in a scene.

    Attributes:
        plan: that it is of.
        walkers: the people.
        finishes: of each person, by the name of the mannequin's material.
        camera: through all frames.
        solids: that stand about.
        light: of the scene.
        surroundings: what is behind people.
        centre: (2,) metres, world, of the first person's path.
        heading: (2,) unit, world, the way the camera looks at the middle frame.
        faults: of the pictures.
        shutter: in frames, how long it is open; 0 for no motion blur.
        noise_seed: of the pictures' faults.
    """

    plan: Plan
    walkers: tuple[Walker, ...]
    finishes: tuple[dict[str, Finish], ...]
    camera: CameraPath
    solids: tuple[Solid, ...]
    light: Light
    surroundings: Surroundings
    centre: Array
    heading: Array
    faults: Faults
    shutter: float
    noise_seed: tuple[int, ...]


def draw_scene(shot: Shot, plan: Plan, model: BodyModel, correctives: NDArray[np.float32]) -> Scene:
    """The scene of a plan, always the same one.

    Args:
        shot: what all scenes have in common.
        plan: the motions.
        model: the mannequin.
        correctives: (207, V * 3) of the model.

    Raises:
        CaptureError: ``dataset_broken``.
    """
    bodies, cameras, places, lights, last = (
        np.random.default_rng([shot.seed, plan.number, topic]) for topic in range(5)
    )
    walkers: list[Walker] = []
    finishes = []
    for part in plan.parts:
        look = draw_look(bodies)
        motion = read_motion(Path(part.motion), part.first, part.stride, plan.count)
        dressed, turn = dress(model, correctives, look), bodies.uniform(0, 2 * np.pi)
        found = None
        for _ in range(_TRIES if walkers else 1):
            angle, away = bodies.uniform(0, 2 * np.pi), bodies.uniform(0.7, 2.6) if walkers else 0.0
            place = away * np.array([np.cos(angle), np.sin(angle)])
            found = walk(dressed, motion, turn, place)
            if all(_apart(found, other) for other in walkers):
                break
            found = None
        if found is not None:
            walkers.append(found)
            finishes.append(look.finishes)
    path = walkers[0].root
    height = float(np.ptp(walkers[0].dressed.vertices[:, 1]))
    camera = draw_camera(cameras, path, height)
    middle = camera.from_world[plan.count // 2]
    heading = middle[2, :2] / max(float(np.linalg.norm(middle[2, :2])), 1e-6)
    eye = -middle[:3, :3].T @ middle[:3, 3]
    surroundings = draw_surroundings(lights, shot.pictures)
    solids = _furniture(places, path, heading, surroundings.distance)
    if places.random() < shot.occluders:
        solids += _occluders(places, path[plan.count // 2], eye)
    return Scene(
        plan, tuple(walkers), tuple(finishes), camera, tuple(solids), draw_light(lights, surroundings.kind),
        surroundings, path[:, :2].mean(axis=0), heading,
        faults=draw_faults(last) if last.random() < shot.spoiled else CLEAN,
        shutter=float(last.uniform(0.15, 0.7)) if last.random() < shot.blurred else 0.0,
        noise_seed=(shot.seed, plan.number, 5),
    )  # fmt: skip


def _apart(one: Walker, other: Walker) -> bool:
    return bool(np.linalg.norm(one.root[:, :2] - other.root[:, :2], axis=1).min() > _NEAREST_M)


def _furniture(random: np.random.Generator, path: Array, heading: Array, distance: float) -> list[Solid]:
    """Things behind and beside people, which nobody walks through."""
    across = np.array([-heading[1], heading[0]])
    solids = []
    for _ in range(int(random.integers(0, 9))):
        size = np.exp(random.uniform(np.log([0.15, 0.15, 0.2]), np.log([1.6, 1.2, 2.0])))
        ahead, aside = random.uniform(-0.5, max(0.8, distance - 0.3)), random.normal(0, 2.0)
        place = path[:, :2].mean(axis=0) + ahead * heading + aside * across
        if np.linalg.norm(path[:, :2] - place, axis=1).min() < 0.75 + np.hypot(size[0], size[1]) / 2:
            continue
        solids.append(_solid(random, size, [*place, size[2] / 2]))
    return solids


def _occluders(random: np.random.Generator, person: Array, eye: Array) -> list[Solid]:
    """Things between the camera and a person: on the floor, or hanging."""
    solids = []
    for _ in range(int(random.integers(1, 4))):
        share = random.uniform(0.4, 0.8)
        place = eye + share * (person - eye)
        reach = np.linalg.norm(person - eye) * share
        across = np.array([-(person - eye)[1], (person - eye)[0], 0.0])
        across = across / max(float(np.linalg.norm(across)), 1e-6)
        place = place + across * random.normal(0, 0.35) * share
        width = np.exp(random.uniform(np.log(0.06), np.log(0.45))) * share
        depth = np.exp(random.uniform(np.log(0.05), np.log(0.4)))
        if (1 - share) * reach / share < 0.6 + depth:  # not inside the person
            continue
        if random.random() < 0.65 and place[2] > 0.1:
            top = place[2] + random.normal(-0.1, 0.3) * share
            size = np.array([width, depth, max(0.1, top)])
            place[2] = size[2] / 2
        else:
            size = np.array([width, depth, random.uniform(0.15, 0.6) * share])
            place[2] += random.normal(0, 0.4) * share
        solids.append(_solid(random, size, place))
    return solids


def _solid(random: np.random.Generator, size: Array, place: Array | list[float]) -> Solid:
    kind = BOX if random.random() < 0.65 else CYLINDER
    finish = draw_finish(random, 0.4)
    return Solid(kind, np.asarray(size, float), np.asarray(place, float), random.uniform(0, 2 * np.pi), finish)
