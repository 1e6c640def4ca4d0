# SPDX-License-Identifier: GPL-3.0-or-later OR MIT
"""The parts of a rig whose bones do not hang together, as those of controls often do not, by their names alone."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from ..retargeting.bone_map import CHAINS, MOST_BONES, NEEDED, PARTS, BoneMap, MappedPart
from ..retargeting.rig import Rig
from .lineage import Lineage
from .names import Reading

_MOST_ALIKE = 24


def named_parts(rig: Rig, readings: Sequence[Reading], lineage: Lineage) -> BoneMap:
    """The parts that exactly one bone, or one chain of them, is called; none unless all that is needed is there.

    Args:
        rig: at rest.
        readings: of its names.
        lineage: of all bones.
    """
    called: dict[str, list[int]] = {}
    for most in (1, 2):
        # What may be either of two is the one that nothing else is called.
        before = set(called)
        for bone, reading in enumerate(readings):
            side = f"{reading.side}_" if reading.side else ""
            open_parts = [f"{side}{kind}" for kind in reading.kinds if most == 1 or f"{side}{kind}" not in before]
            if reading.role == "body" and len(reading.kinds) == most and len(open_parts) == 1:
                called.setdefault(open_parts[0], []).append(bone)
    parts = []
    for part in PARTS:
        bones = called.get(part, [])
        controls = [bone for bone in bones if readings[bone].control]
        chain = _chain(controls or bones, lineage)
        if chain:
            chosen = chain[:MOST_BONES] if part in CHAINS else chain[:1]
            parts.append(MappedPart(part, tuple(rig.names[bone] for bone in chosen), "guessed"))
    return BoneMap(tuple(parts) if set(NEEDED) <= {entry.part for entry in parts} else ())


def _chain(bones: list[int], lineage: Lineage) -> list[int]:
    """Bones from the first on, where each carries the next; nothing where they are no chain."""
    if len(bones) > _MOST_ALIKE:
        return []
    ordered = sorted(bones, key=lambda bone: lineage.depth[bone])
    return ordered if all(lineage.carries(one, other) for one, other in pairwise(ordered)) else []
