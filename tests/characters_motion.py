# SPDX-License-Identifier: MIT
"""Motions for the rigs of `characters`, as a take's armature, and the directions of limbs as Blender evaluates them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from tests.walker import UPRIGHT, person_of
from vibe_blender.contract.quaternions import Array, continuous, from_axis_angles, from_matrices, multiply
from vibe_blender.contract.skeleton import JOINT_NAMES, REST_JOINTS
from vibe_blender.contract.take import Person, Video
from vibe_blender.motion.contacts import find_contacts
from vibe_blender.motion.retargeting.bone_map import BoneMap, MappedPart
from vibe_blender.motion.settings import Feet

LIMBS = tuple(
    (f"{side}_{start}", f"{side}_{end}")
    for side in ("left", "right")
    for start, end in (("shoulder", "elbow"), ("elbow", "wrist"), ("hip", "knee"), ("knee", "ankle"))
)
"""Upper arms, forearms, thighs and shins: the parts where they begin and end."""
FPS = 30.0
_REACH = {"pelvis": 0.6, "spine": 0.3, "neck": 0.4, "head": 0.5, "collar": 0.25, "foot": 0.4, "ankle": 0.5}


def dance(shared: Path) -> Person:
    """What is danced in the clip ``dance``: 210 frames of the motion it was made from."""
    with np.load(shared / "motions" / "cmu" / "005_02.npz", allow_pickle=False) as file:
        poses, way = file["poses"][55:265], file["trans"][55:265]
    rotations = from_axis_angles(poses.reshape(-1, 24, 3).astype(float))
    return person_of(continuous(rotations), way + REST_JOINTS[0])


def romp(count: int = 40, seed: int = 0) -> Person:
    """Somebody who moves every joint every way, turns round and roams: nothing is left out by chance."""
    random = np.random.default_rng(seed)
    times = np.linspace(0.0, 4.0, count)[:, None, None]
    vectors = np.sin(times + random.uniform(0, 6, (1, 24, 3)))
    reach = [next((_REACH[word] for word in _REACH if word in name), 1.4) for name in JOINT_NAMES]
    rotations = from_axis_angles(vectors * np.array(reach)[:, None] / np.sqrt(3.0))
    heading = from_axis_angles(times[:, 0] * [0.0, 0.0, 1.3])
    rotations[:, 0] = multiply(heading, multiply(UPRIGHT, rotations[:, 0]))
    root = 0.5 * np.sin(times[:, 0] * [1.0, 1.3, 0.7]) + [0.3, -0.2, 1.0]
    return person_of(continuous(rotations), root)


def add_source(person: Person, scene: Any, *, start: int = 1, standing: bool = False) -> Any:
    """A person's armature with its action, at the scene's frame rate of 30.

    Args:
        person: the motion.
        scene: receives it.
        start: scene frame of the first.
        standing: whether the action says when the feet stand, as a take's that was cleaned up does.
    """
    from vibe_blender.scene.animation import animating
    from vibe_blender.scene.armature import add_armature
    from vibe_blender.scene.steps import run_through

    scene.render.fps, scene.render.fps_base = int(FPS), 1.0
    heads = REST_JOINTS[:, [0, 2, 1]] * [1.0, -1.0, 1.0] + [0.0, 0.0, 1.2]
    armature = add_armature("source", heads, 1.72, scene.collection)
    video = Video("made.mp4", 640, 480, FPS, np.arange(len(person.frames)) / FPS)
    action = run_through(animating(armature, person, video, fps=FPS, start=start))
    if standing:
        from vibe_blender.scene.contact_curves import write_contacts

        contacts = find_contacts(person, video.times, Feet())
        write_contacts(armature, action, contacts, start + np.arange(len(person.frames)), 0)
    return armature


def smpl_map() -> BoneMap:
    """What the bones of a take's armature are."""
    spines = MappedPart("spine", ("spine1", "spine2", "spine3"))
    others = tuple(MappedPart(name, (name,)) for name in JOINT_NAMES if name[-1] not in "123" and "hand" not in name)
    return BoneMap((*others[:1], spines, *others[1:]), "SMPL")


def limb_directions(armature: Any, bone_map: BoneMap, frames: Array, scene: Any) -> Array:
    """Unit vectors (T, 8, 3) along ``LIMBS``, world, from the heads of the bones that Blender evaluates."""
    found = []
    for heads, _ in _shown(armature, [bone_map.bones(part)[0] for limb in LIMBS for part in limb], frames, scene):
        ways = heads[1::2] - heads[::2]
        found.append(ways / np.linalg.norm(ways, axis=-1, keepdims=True))
    return np.array(found)


def orientations(armature: Any, names: list[str], frames: Array, scene: Any) -> Array:
    """Orientations (T, B, 4) of bones, world, as Blender evaluates them."""
    return np.array([turned for _, turned in _shown(armature, names, frames, scene)])


def between_deg(one: Array, other: Array) -> Array:
    """Angles between unit vectors (..., 3), degrees; exact also where they are tiny."""
    return np.degrees(np.arctan2(np.linalg.norm(np.cross(one, other), axis=-1), np.sum(one * other, axis=-1)))


def _shown(armature: Any, names: list[str], frames: Array, scene: Any) -> Any:
    """Heads (B, 3) and orientations (B, 4), world, in every frame."""
    import bpy

    for frame in frames:
        scene.frame_set(int(frame))
        shown = armature.evaluated_get(bpy.context.evaluated_depsgraph_get())
        matrices = np.array([shown.matrix_world @ shown.pose.bones[name].matrix for name in names], float)
        turns = matrices[:, :3, :3] / np.linalg.norm(matrices[:, :3, :3], axis=1, keepdims=True)
        yield matrices[:, :3, 3], from_matrices(turns)
