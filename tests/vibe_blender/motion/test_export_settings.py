# SPDX-License-Identifier: MIT
import argparse

import pytest

from vibe_blender.contract.errors import CaptureError
from vibe_blender.motion.export_settings import ExportSettings, add_export_arguments, export_from


def parsed(*words: str) -> ExportSettings:
    parser = argparse.ArgumentParser()
    add_export_arguments(parser)
    return export_from(parser.parse_args(words))


def test_the_command_line_asks_for_nothing_by_default() -> None:
    assert parsed() == ExportSettings()


def test_the_command_line_asks() -> None:
    wanted = ExportSettings(program="unreal", first=3, last=9, bones="deform", root_bone=False, meshes=False)
    words = ("--for", "unreal", "--first", "3", "--last", "9", "--bones", "deform", "--no-root-bone", "--no-meshes")
    assert parsed(*words) == wanted


@pytest.mark.parametrize(
    "wrong",
    [
        {"program": "maya"},
        {"bones": "some"},
        {"first": 5, "last": 4},
        {"first": 10**9},
        {"primary_axis": "W"},
        {"primary_axis": "X", "secondary_axis": "-X"},
    ],
)
def test_what_makes_no_sense_is_told(wrong) -> None:
    with pytest.raises(CaptureError) as caught:
        ExportSettings(**wrong)
    assert caught.value.code == "bad_setting"
    assert caught.value.hint
