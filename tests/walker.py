# SPDX-License-Identifier: MIT
"""A walk whose contacts are known: a person made of angles who puts flat feet on the floor, one after the other."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from vibe_blender.contract.quaternions import Array, continuous, from_axis_angles, multiply
from vibe_blender.contract.skeleton import REST_JOINTS
from vibe_blender.contract.take import Person

UPRIGHT = np.array([np.sqrt(0.5), np.sqrt(0.5), 0.0, 0.0])
STANCE = 0.6
"""Share of a stride of one second in which a foot stands."""
PELVIS_M, ANKLE_M, STRIDE_M = 0.86, 0.072, 0.9


def walker(count: int = 90, fps: float = 30.0) -> tuple[Person, Array, Array]:
    """Somebody who walks along -y, the times (T,) in seconds, and when each foot stands (T, 2)."""
    times = np.arange(count) / fps
    rotations = np.tile([1.0, 0.0, 0.0, 0.0], (count, 24, 1))
    rotations[:, 0] = UPRIGHT
    stands = np.zeros((count, 2), dtype=bool)
    for side in range(2):
        phase = times + 0.5 * side
        stride, part = np.floor(phase), phase % 1.0
        stands[:, side] = part <= STANCE
        swing = np.clip((part - STANCE) / (1.0 - STANCE), 0.0, 1.0)
        ahead = (stride + swing**2 * (3.0 - 2.0 * swing) - 0.5 * side) * STRIDE_M + 0.5 * STANCE * STRIDE_M
        up = ANKLE_M + 0.1 * np.sin(np.pi * swing) ** 2
        _bend(rotations, side, ahead - times * STRIDE_M, up - PELVIS_M)
    root = np.stack([0 * times, -STRIDE_M * times, np.full(count, PELVIS_M)], axis=1)
    return person_of(continuous(rotations), root), times, stands


def person_of(rotations: Array, root: Array, frames: Array | None = None) -> Person:
    """A person with these rotations (T, 24, 4) and this path (T, 3)."""
    count = len(root)
    return Person(
        id=1, frames=np.arange(count) if frames is None else frames, rotations=rotations, root=root,
        contacts=np.zeros((count, 2)), confidence=np.ones(count), boxes=np.ones((count, 4)), rest_joints=REST_JOINTS,
        betas=np.zeros(10), keypoints=np.zeros((count, 0, 3)),
    )  # fmt: skip


def _bend(rotations: Array, side: int, ahead: Array, up: Array) -> None:
    """Turns hip, knee and ankle about x so that the ankle is so far before and above the pelvis, the sole level."""
    hip, knee, ankle = 1 + side, 4 + side, 7 + side
    pelvis_to_hip, thigh, shin = (
        complex(*(REST_JOINTS[end] - REST_JOINTS[start])[1:]) for start, end in ((0, hip), (hip, knee), (knee, ankle))
    )
    way = up + 1j * ahead - pelvis_to_hip
    cosine = (np.abs(way) ** 2 - abs(thigh) ** 2 - abs(shin) ** 2) / (2 * abs(thigh) * abs(shin))
    flexion = np.arccos(cosine) - np.angle(shin / thigh)
    raised = np.angle(way) - np.angle(thigh + shin * np.exp(1j * flexion))
    for joint, angle in ((hip, raised), (knee, flexion), (ankle, -raised - flexion)):
        rotations[:, joint] = from_axis_angles(angle[:, None] * [1.0, 0.0, 0.0])


def turned(person: Person, angle: float, shift: tuple[float, float]) -> Person:
    """The same person in a world turned about the vertical, and moved."""
    spin = from_axis_angles(np.array([0.0, 0.0, angle]))
    rotations = person.rotations.copy()
    rotations[:, 0] = multiply(spin, rotations[:, 0])
    cosine, sine = np.cos(angle), np.sin(angle)
    matrix = np.array([[cosine, -sine, 0.0], [sine, cosine, 0.0], [0.0, 0.0, 1.0]])
    return replace(person, rotations=rotations, root=person.root @ matrix.T + [*shift, 0.0])
