# SPDX-License-Identifier: MIT
import argparse

import pytest

from vibe_blender.contract.arguments import RETARGET_SETTINGS, add_retarget_arguments
from vibe_blender.contract.errors import CaptureError
from vibe_blender.motion.retargeting.settings import NAMES, Retarget
from vibe_blender.motion.retargeting.settings_text import retarget_from


def parsed(*arguments: str) -> Retarget:
    parser = argparse.ArgumentParser()
    add_retarget_arguments(parser)
    return retarget_from(parser.parse_args(arguments).retarget, Retarget(feet=0.25))


def test_all_settings_are_named_on_the_command_line() -> None:
    assert RETARGET_SETTINGS == NAMES


def test_without_options_nothing_is_changed() -> None:
    assert parsed() == Retarget(feet=0.25)


def test_single_values_are_set() -> None:
    settings = parsed(
        "--retarget", "root=in_place", "--retarget", "lock_height = true", "--retarget", "hands=1",
        "--retarget", "arm_spread_deg=-7.5",
    )  # fmt: skip
    assert settings == Retarget(feet=0.25, root="in_place", lock_height=True, hands=1, arm_spread_deg=-7.5)


def test_the_last_of_two_counts() -> None:
    assert parsed("--retarget", "feet=0", "--retarget", "feet=1").feet == 1


@pytest.mark.parametrize(
    ("text", "named", "remedy"),
    [
        ("feet", "'feet' sets nothing", "feet=0.5"),
        ("foot=1", "no setting 'foot'", ", ".join(NAMES)),
        ("feet=much", "feet cannot be 'much'", "a number"),
        ("feet=2", "feet cannot be 2.0", "from 0 to 1"),
        ("feet=true", "feet cannot be 'true'", "a number"),
        ("path_scale=NaN", "path_scale cannot be nan", "a number"),
        ("path_scale=" + "9" * 5000, "path_scale cannot be", "a number"),
        ("lock_height=1", "lock_height cannot be '1'", "true or false"),
        ("lock_height=yes", "lock_height cannot be 'yes'", "true or false"),
        ("root=feet", "root cannot be 'feet'", "hips, root, in_place"),
    ],
)
def test_what_makes_no_sense_is_named(text, named, remedy) -> None:
    with pytest.raises(CaptureError) as caught:
        parsed("--retarget", text)
    assert caught.value.code == "bad_setting"
    assert named in caught.value.message
    assert remedy in caught.value.hint
