# SPDX-License-Identifier: MIT
import pytest

pytest.importorskip("bpy")

from vibe_blender.cleanup_properties import VIBE_Cleanup
from vibe_blender.contract.skeleton import JOINT_NAMES
from vibe_blender.motion.smoothing import REGIONS
from vibe_blender.operators.contacts import VIBE_OT_move_contact, VIBE_OT_set_contact

WORDS = {"foot": "ball", "spine1": "spine", "spine2": "spine", "spine3": "spine"}
"""What people call joints whose names say it otherwise."""


def told(kind: type, name: str) -> str:
    """The tooltip of a property."""
    return kind.__annotations__[name].keywords["description"]


def words(region: str) -> set[str]:
    parts = {JOINT_NAMES[joint].split("_")[-1] for joint in REGIONS[region]}
    return {WORDS.get(part, part) for part in parts}


@pytest.mark.parametrize("region", list(REGIONS))
def test_a_strength_names_the_joints_it_moves_and_no_others(region: str) -> None:
    text = told(VIBE_Cleanup, f"strength_{region}")
    everything = set().union(*map(words, REGIONS))
    assert {word for word in everything if word in text} == words(region)
    assert ("path" in text) == (region == "root")


def test_a_speed_that_is_raised_says_so() -> None:
    assert "Stands Below" in told(VIBE_Cleanup, "feet_leave_m_s")


def test_contacts_count_video_frames_and_say_so() -> None:
    assert "video frames" in told(VIBE_OT_set_contact, "length")
    assert "video frames" in VIBE_OT_move_contact.__doc__
    for name in ("first", "last"):
        assert "video frames" in told(VIBE_OT_move_contact, name).lower()
