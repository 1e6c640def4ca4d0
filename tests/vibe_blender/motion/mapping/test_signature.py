# SPDX-License-Identifier: MIT
"""Rigs with bones of the same names are the same."""

import re

from vibe_blender.motion.mapping.signature import signature


def test_order_does_not_matter_but_every_name_does() -> None:
    names = ["Hips", "Spine", "左足"]
    assert signature(names) == signature(reversed(names))
    assert signature(names) != signature([*names, "Head"])
    assert signature(["ab", "c"]) != signature(["a", "bc"])


def test_it_can_be_the_name_of_a_file_and_stays_the_same_between_versions() -> None:
    assert re.fullmatch("[0-9a-f]{32}", signature(["a/b", "\udc80", "😀"]))
    assert signature(["Hips", "Spine"]) == "5cb59f2441763b5b48cd061940355481"
