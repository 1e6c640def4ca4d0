# SPDX-License-Identifier: GPL-3.0-or-later OR MIT
"""A rig at rest and in motion, in the axes and units of its own armature, so that no object's transform matters."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from ...contract.quaternions import Array, conjugate, multiply, rotate


@dataclass(frozen=True)
class Rig:
    """The bones of an armature at rest, parents before their children.

    Attributes:
        names: of the bones, B of them.
        parents: (B,) index of each one's parent, -1 for none.
        heads, tails: (B, 3) armature frame, armature units.
        axes: (B, 4) unit quaternions, bone axes to the armature; a bone lies along its y axis.
        inherits: (B,) whether a bone turns with its parent.
        local: (B,) whether its pose location is along its own rest axes rather than its parent's pose axes.
    """

    names: tuple[str, ...]
    parents: NDArray[np.intp]
    heads: Array
    tails: Array
    axes: Array
    inherits: NDArray[np.bool_]
    local: NDArray[np.bool_]

    @cached_property
    def numbers(self) -> dict[str, int]:
        """Index of each bone by its name."""
        return {name: number for number, name in enumerate(self.names)}

    def __len__(self) -> int:
        """How many bones there are."""
        return len(self.names)

    def ancestors(self, bone: int) -> list[int]:
        """The bones that carry a bone, its parent first."""
        found = []
        while (bone := int(self.parents[bone])) >= 0:
            found.append(bone)
        return found

    @cached_property
    def children(self) -> tuple[tuple[int, ...], ...]:
        """Indices of each bone's children."""
        found: list[list[int]] = [[] for _ in self.names]
        for bone, parent in enumerate(self.parents):
            if parent >= 0:
                found[parent].append(bone)
        return tuple(map(tuple, found))


@dataclass(frozen=True)
class RigMotion:
    """A rig in motion, where its object stands still.

    Attributes:
        frames: (T,) scene frames, ascending.
        heads: (T, B, 3) armature frame, armature units.
        turned: (T, B, 4) unit quaternions, bone axes to the armature.
    """

    frames: Array
    heads: Array
    turned: Array


@dataclass(frozen=True)
class BoneMotion:
    """Where some bones of a rig are to be; what is not named here stays to its parent as it is.

    Attributes:
        frames: (T,) scene frames, ascending.
        bones: names, M of them, parents before their children.
        turned: (T, M, 4) unit quaternions, bone axes to the armature, sign-continuous.
        moved: names of the bones that are placed as well, all of them in ``bones``.
        heads: (T, len(moved), 3) armature frame, armature units, where their heads are to be.
    """

    frames: Array
    bones: tuple[str, ...]
    turned: Array
    moved: tuple[str, ...]
    heads: Array


@dataclass(frozen=True)
class Pose:
    """Pose channels: what Blender adds to a bone's rest.

    Attributes:
        rotations: (T, M, 4) unit quaternions.
        locations: (T, M, 3) armature units.
    """

    rotations: Array
    locations: Array


def posed(rig: Rig, bones: Sequence[str], pose: Pose) -> tuple[Array, Array]:
    """Heads (T, B, 3) and orientations (T, B, 4) of all bones, armature frame.

    Args:
        rig: at rest.
        bones: names of those that ``pose`` is about; all others are at rest to their parents.
        pose: (T, M, ...) for ``bones``.
    """
    count, rows = len(pose.rotations), {rig.numbers[name]: row for row, name in enumerate(bones)}
    heads, turned = np.empty((count, len(rig), 3)), np.empty((count, len(rig), 4))
    for bone, parent in enumerate(rig.parents.tolist()):
        head, axes, along = _carried(rig, bone, parent, heads, turned)
        if (row := rows.get(bone)) is not None:
            head = head + rotate(along, pose.locations[:, row])
            axes = multiply(axes, pose.rotations[:, row])
        heads[:, bone], turned[:, bone] = head, axes
    return heads, turned


def pose_of(rig: Rig, motion: BoneMotion, others: Sequence[str] = (), held: Pose | None = None) -> Pose:
    """The pose channels that bring bones to where they are to be, in closed form (T, M, ...).

    A bone whose parent has the axes ``P``, and ``P0`` at rest, has ``P P0^-1 T0 b``; so ``b`` is the inverse of what
    carries it, times what is wanted.

    Args:
        rig: at rest, without constraints.
        motion: what is wanted.
        others: names of bones it does not speak of that are not at rest to their parents.
        held: (1, len(others), ...) their pose.
    """
    count, rows = len(motion.frames), {rig.numbers[name]: row for row, name in enumerate(motion.bones)}
    places = {rig.numbers[name]: row for row, name in enumerate(motion.moved)}
    kept = {rig.numbers[name]: row for row, name in enumerate(others)}
    needed = {ancestor for bone in rows for ancestor in rig.ancestors(bone)} | set(rows)
    heads, turned = np.zeros((count, len(rig), 3)), np.zeros((count, len(rig), 4))
    rotations, locations = np.zeros((count, len(rows), 4)), np.zeros((count, len(rows), 3))
    for bone in sorted(needed):
        head, axes, along = _carried(rig, bone, int(rig.parents[bone]), heads, turned)
        if (row := rows.get(bone)) is not None:
            rotations[:, row] = multiply(conjugate(axes), motion.turned[:, row])
            axes = motion.turned[:, row]
            if (place := places.get(bone)) is not None:
                locations[:, row] = rotate(conjugate(along), motion.heads[:, place] - head)
                head = motion.heads[:, place]
        elif held is not None and (row := kept.get(bone)) is not None:
            head = head + rotate(along, held.locations[:, row])
            axes = multiply(axes, held.rotations[:, row])
        heads[:, bone], turned[:, bone] = head, axes
    return Pose(rotations, locations)


def _carried(rig: Rig, bone: int, parent: int, heads: Array, turned: Array) -> tuple[Array, Array, Array]:
    """What a bone's parent makes of it before its own pose: head, orientation, and the axes of its location."""
    if parent < 0:
        along = rig.axes[bone] if rig.local[bone] else np.array([1.0, 0.0, 0.0, 0.0])
        return rig.heads[bone], rig.axes[bone], along
    back = conjugate(rig.axes[parent])
    head = heads[:, parent] + rotate(turned[:, parent], rotate(back, rig.heads[bone] - rig.heads[parent]))
    followed = multiply(turned[:, parent], multiply(back, rig.axes[bone]))
    axes = followed if rig.inherits[bone] else rig.axes[bone]
    return head, axes, followed if rig.local[bone] else turned[:, parent]
