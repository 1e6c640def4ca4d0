# SPDX-License-Identifier: MIT
"""Who carries whom, compared with walking up."""

import numpy as np

from vibe_blender.motion.mapping.lineage import Lineage


def test_lineage_is_what_walking_up_finds() -> None:
    rng = np.random.default_rng(3)
    parents = [-1, -1, *(int(rng.integers(-1, bone)) for bone in range(2, 60))]
    lineage = Lineage(parents)

    def up(bone: int) -> list[int]:
        return [] if parents[bone] < 0 else [parents[bone], *up(parents[bone])]

    for one in range(60):
        for other in range(60):
            assert lineage.carries(one, other) == (one in up(other))
            shared = [bone for bone in [one, *up(one)] if bone in [other, *up(other)]]
            assert lineage.common(one, other) == (shared[0] if shared else -1)
            if one in up(other):
                assert lineage.way(one, other) == [other, *up(other)][: up(other).index(one) + 1][::-1]
    assert all(lineage.sizes[bone] == 1 + sum(bone in up(other) for other in range(60)) for bone in range(60))
