# SPDX-License-Identifier: MIT
# ruff: noqa: E402 (what follows needs bpy)
import pytest

bpy = pytest.importorskip("bpy")

from tests.characters import character
from tests.characters_blender import add_character
from vibe_blender.motion.retargeting.settings import Retarget
from vibe_blender.retarget_kept import keep_retarget, retargeting_registered


def test_all_settings_are_kept_with_the_character_and_nothing_stays_registered(scene) -> None:
    settings = Retarget(
        place="world", root="in_place", lock_height=True, path_scale=1.5, heading_deg=-30.0, feet=0.5, hands=0.25,
        twist=1.0, align_trunk=True, arm_spread_deg=7.5, foot_spread_deg=-3.0, limbs="ik", result="nla",
    )  # fmt: skip
    one = character("Mixamo")
    target, source = (add_character(one, scene.collection) for _ in range(2))
    with retargeting_registered():
        with retargeting_registered():
            keep_retarget(target, source, one.true_map, settings, scene)
        group = target.vibe_retarget
        assert group.settings() == settings
        assert group.bone_map() == one.true_map
        assert (group.source_from, group.source) == ("other", source)
        assert scene.vibe_retargeting.target == target
    assert not hasattr(bpy.types.Object, "vibe_retarget")
    assert not hasattr(bpy.types.Scene, "vibe_retargeting")
