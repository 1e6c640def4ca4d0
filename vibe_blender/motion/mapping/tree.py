# SPDX-License-Identifier: GPL-3.0-or-later OR MIT
"""The bones that may be a body's own, as a tree that stands upright, with what their names say."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ...contract.quaternions import Array
from ..retargeting.rig import Rig
from .lineage import Lineage
from .names import Reading, read_name, tokens_of

_SAME = 1e-4
"""Of the size: bones so near begin at one place."""
_SHARED = 0.6
"""The share of bones from which on a word in all their names says nothing of any."""


@dataclass(frozen=True)
class Tree:
    """Some bones of a rig, those between left out; lengths in heights of the figure.

    Attributes:
        bones: (N,) index of each in the rig, parents before their children.
        lineage: of them, by their index here.
        places, ends: (N, 3) heads and tails; x across, y in depth, z up from the lowest, middle at x = 0.
        readings: of their names.
        fingers: (N,) how many bones of the rig begin a finger on each.
    """

    bones: NDArray[np.intp]
    lineage: Lineage
    places: Array
    ends: Array
    readings: tuple[Reading, ...]
    fingers: NDArray[np.intp]

    def vote(self, bone: int, kind: str) -> float:
        """How much a bone's name speaks for its being a part, or against."""
        kinds = self.readings[bone].kinds
        if kind in kinds:
            return 3.0 if len(kinds) == 1 else 2.0 if kinds[0] == kind else 1.5
        return -3.0 if kinds else 0.0

    def standing(self, axes: Array, origin: Array) -> Tree:
        """The same with axes (3, 3) as rows, seen from an origin (3,)."""
        places, ends = (self.places - origin) @ axes.T, (self.ends - origin) @ axes.T
        main = places[self._main(), 2]
        floor, height = float(np.min(main)), max(float(np.ptp(main)), 1e-9)
        down = np.array([0.0, 0.0, floor])
        return replace(self, places=(places - down) / height, ends=(ends - down) / height)

    def _main(self) -> list[int]:
        """The bones of the largest branch that nothing carries."""
        roots = [bone for bone, parent in enumerate(self.lineage.parents) if parent < 0]
        root = max(roots, key=lambda bone: self.lineage.sizes[bone])
        return [bone for bone in range(len(self.bones)) if bone == root or self.lineage.carries(root, bone)]


def tree_of(rig: Rig, readings: Sequence[Reading], keep: Callable[[Reading], bool]) -> Tree:
    """The tree of the bones whose readings are to be kept, in the armature's axes and units."""
    kept = [keep(reading) for reading in readings]
    for bone in _covered(rig, kept, readings):
        kept[bone] = False
    place: dict[int, int] = {}
    bones: list[int] = []
    parents: list[int] = []
    nearest = [-1] * len(rig)
    fingers = Counter[int]()
    for bone, parent in enumerate(rig.parents.tolist()):
        above = nearest[parent] if parent >= 0 else -1
        if kept[bone]:
            place[bone] = len(bones)
            bones.append(bone)
            parents.append(place[above] if above >= 0 else -1)
            nearest[bone] = bone
        else:
            nearest[bone] = above
        if readings[bone].finger and parent >= 0 and not readings[parent].finger and above >= 0:
            fingers[place[above]] += 1
    chosen = np.array(bones, np.intp)
    count = np.array([fingers[number] for number in range(len(bones))], np.intp)
    return Tree(
        chosen, Lineage(parents), rig.heads[chosen], rig.tails[chosen], tuple(readings[bone] for bone in bones), count
    )


def _covered(rig: Rig, kept: Sequence[bool], readings: Sequence[Reading]) -> list[int]:
    """Of bones of which one only carries the other at the same place, the carrier (a group, an offset).

    Where the carrier is called a control and the other is not, or the other carries nothing, that other.
    """
    near = _SAME * float(np.max(np.ptp(rig.heads, axis=0)))
    found = []
    for bone, children in enumerate(rig.children):
        while len(children) == 1 and not kept[children[0]]:
            children = rig.children[children[0]]
        if kept[bone] and len(children) == 1 and len(rig.children[bone]) == 1:
            child = children[0]
            if float(np.linalg.norm(rig.heads[child] - rig.heads[bone])) <= near:
                control = readings[bone].control and not readings[child].control
                found.append(child if control or not rig.children[child] else bone)
    return found


def read_names(names: Sequence[str]) -> list[Reading]:
    """What each name says, without the words that most of them begin or end with."""
    split = [tokens_of(name) for name in names]
    first, last = _shared(split), _shared([tokens[::-1] for tokens in split])[::-1]
    found = []
    for tokens in split:
        if first and tokens[: len(first)] == first and len(tokens) > len(first):
            tokens = tokens[len(first) :]
        if last and tokens[-len(last) :] == last and len(tokens) > len(last):
            tokens = tokens[: -len(last)]
        found.append(read_name(tokens))
    if read_name(first + last).control:  # where most are called controls, that tells none from the others
        found = [replace(reading, control=False) for reading in found]
    return found


def _shared(split: Sequence[tuple[str, ...]]) -> tuple[str, ...]:
    """The words that most names begin with."""
    shared: tuple[str, ...] = ()
    while True:
        length = len(shared) + 1
        words = Counter(tokens[:length] for tokens in split if len(tokens) > length)
        if not words or words.most_common(1)[0][1] < _SHARED * len(split):
            return shared
        shared = words.most_common(1)[0][0]
