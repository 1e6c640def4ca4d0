# SPDX-License-Identifier: GPL-3.0-or-later OR MIT
"""Which bones carry which, asked often and answered at once however deep a rig is."""

from __future__ import annotations

from collections.abc import Sequence


class Lineage:
    """A forest of bones, parents before their children.

    Attributes:
        parents: index of each one's parent, -1 for none.
        children: indices of each one's children.
        depth: how many bones carry each.
    """

    def __init__(self, parents: Sequence[int]) -> None:
        self.parents = tuple(int(parent) for parent in parents)
        found: list[list[int]] = [[] for _ in self.parents]
        self.depth = [0] * len(self.parents)
        for bone, parent in enumerate(self.parents):
            if parent >= 0:
                found[parent].append(bone)
                self.depth[bone] = self.depth[parent] + 1
        self.children = tuple(map(tuple, found))
        self.sizes = [1] * len(self.parents)
        for bone in range(len(self.parents) - 1, -1, -1):
            if self.parents[bone] >= 0:
                self.sizes[self.parents[bone]] += self.sizes[bone]
        self._places = [0] * len(self.parents)
        following = 0
        for bone, parent in enumerate(self.parents):
            if parent < 0:
                self._places[bone], following = following, following + self.sizes[bone]
            at = self._places[bone] + 1
            for child in found[bone]:
                self._places[child] = at
                at += self.sizes[child]

    def carries(self, one: int, other: int) -> bool:
        """Whether one bone is an ancestor of the other."""
        return self._places[one] < self._places[other] < self._places[one] + self.sizes[one]

    def common(self, one: int, other: int) -> int:
        """The nearest bone that is, or carries, either; -1 where there is none."""
        while one != other and one >= 0 and other >= 0:
            if self.depth[one] < self.depth[other]:
                one, other = other, one
            one = self.parents[one]
        return one if one == other else -1

    def way(self, above: int, bone: int) -> list[int]:
        """The bones from below one down to another it carries, both ends in order; all of them from -1."""
        found = []
        while bone != above and bone >= 0:
            found.append(bone)
            bone = self.parents[bone]
        return found[::-1]
