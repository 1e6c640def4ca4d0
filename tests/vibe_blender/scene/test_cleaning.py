# SPDX-License-Identifier: MIT
# ruff: noqa: E402 (what follows needs bpy)
import pytest

bpy = pytest.importorskip("bpy")

from vibe_blender.motion.settings import FARTHEST_M, LAST_FRAME, Anchor
from vibe_blender.scene.cleaning import anchors_of, keep_anchors


def test_anchors_of_a_stranger_s_file_that_make_no_sense_are_left_out(scene) -> None:
    person = bpy.data.objects.new("person", None)
    good = (Anchor(3, (1.0, 2.0, 3.0)), Anchor(LAST_FRAME, (-FARTHEST_M, 0.0, FARTHEST_M)))
    keep_anchors(person, good)
    kept = list(person["vibe_anchors"])
    person["vibe_anchors"] = [
        -1.0,
        0.0,
        0.0,
        0.0,
        *kept,
        LAST_FRAME + 1.0,
        0.0,
        0.0,
        0.0,
        5.0,
        0.0,
        2 * FARTHEST_M,
        0.0,
    ]
    assert anchors_of(person) == good
