# SPDX-License-Identifier: MIT
"""The captured skeleton as a rig: what `scene/armature` makes of a person, without Blender."""

from __future__ import annotations

import numpy as np

from vibe_blender.contract.quaternions import Array, from_axis_angles, multiply, rotate
from vibe_blender.contract.skeleton import JOINT_NAMES, PARENTS, REST_JOINTS, forward_kinematics
from vibe_blender.contract.take import Person
from vibe_blender.motion.retargeting.bone_map import PARTS, BoneMap, MappedPart
from vibe_blender.motion.retargeting.rig import Rig, RigMotion

UPRIGHT = np.array([np.sqrt(0.5), np.sqrt(0.5), 0.0, 0.0])
"""SMPL's axes, y up and facing z, to a figure's, z up and facing -y."""
SOLE_M = 1.2
_CHAINS = {"spine": ("spine1", "spine2", "spine3")}
SMPL_MAP = BoneMap(
    tuple(
        MappedPart(part, _CHAINS.get(part, (part,))) for part in PARTS if part in JOINT_NAMES or part in _CHAINS
    ),
    "SMPL",
)  # fmt: skip


def smpl_rig(rest_joints: Array = REST_JOINTS) -> Rig:
    """The rig at rest: soles on the floor, bone axes as the body's."""
    scale = (rest_joints[0, 1] - rest_joints[7, 1]) / (REST_JOINTS[0, 1] - REST_JOINTS[7, 1])
    heads = rotate(UPRIGHT, rest_joints) + np.array([0.0, 0.0, SOLE_M * scale])
    tails = heads + np.array([0.0, 0.0, 0.05])
    tails[[10, 11]] = heads[[10, 11]] + np.array([0.0, -0.06, 0.0])
    return Rig(
        JOINT_NAMES, np.array(PARENTS), heads, tails, np.tile(UPRIGHT, (24, 1)), np.ones(24, bool), np.ones(24, bool)
    )


def smpl_motion(person: Person) -> RigMotion:
    """A person's motion as the rig's."""
    places, turned = forward_kinematics(person.rest_joints, person.rotations, person.root)
    return RigMotion(np.asarray(person.frames, float), places, turned)


def posed_motion(turns: Array, root: Array | None = None) -> RigMotion:
    """The motion of the average adult with turns (T, 24, 4) to its parents, about its own axes, while it stands.

    Args:
        turns: the pelvis's to the upright body.
        root: (T, 3) metres of the pelvis; as at rest where it is None.
    """
    rig = smpl_rig()
    turns = np.array(turns, float)
    turns[:, 0] = multiply(UPRIGHT, turns[:, 0])
    place = np.tile(rig.heads[0], (len(turns), 1)) if root is None else root
    places, turned = forward_kinematics(REST_JOINTS, turns, place)
    return RigMotion(np.arange(len(turns), dtype=float), places, turned)


def acting(count: int = 40, seed: int = 5, size: float = 0.6) -> RigMotion:
    """Somebody who moves every joint at random, turns about and walks off."""
    random = np.random.default_rng(seed)
    time = np.arange(count)[:, None, None] / 10.0
    turns = from_axis_angles(size * np.sin(time + 6.0 * random.random((24, 3))))
    turns[:, 0] = multiply(from_axis_angles(time[:, 0] * [0.0, 1.0, 0.0]), turns[:, 0])
    return posed_motion(turns, smpl_rig().heads[0] + time[:, 0] * [0.3, -0.5, 0.02])


def still(count: int = 3, **angles: tuple[float, float, float]) -> RigMotion:
    """Somebody in T-pose but for some joints, turned by degrees about SMPL's axes."""
    turns = np.tile([1.0, 0.0, 0.0, 0.0], (count, 24, 1))
    for joint, degrees in angles.items():
        turns[:, JOINT_NAMES.index(joint)] = from_axis_angles(np.radians(degrees))
    return posed_motion(turns)
