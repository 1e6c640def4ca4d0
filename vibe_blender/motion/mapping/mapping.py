# SPDX-License-Identifier: GPL-3.0-or-later OR MIT
"""Which bones of any rig are which parts of a body: as a known rig's, else by their names and their places."""

from __future__ import annotations

from ..retargeting.bone_map import BoneMap
from ..retargeting.rig import Rig
from .known_rigs import known_map
from .lineage import Lineage


def map_bones(rig: Rig) -> BoneMap:
    """The map of a rig; what is not found is missing in it.

    Args:
        rig: at rest.
    """
    lineage = Lineage(rig.parents.tolist())
    known = known_map(rig.names, lineage)
    return known[0] if known else BoneMap(())
