# SPDX-License-Identifier: MIT
import argparse
import json
from dataclasses import replace

import numpy as np
import pytest

from vibe_blender.contract.arguments import CLEANUP_PRESETS, add_cleanup_arguments
from vibe_blender.contract.errors import CaptureError
from vibe_blender.motion.presets import PRESETS
from vibe_blender.motion.settings import (
    FARTHEST_M,
    LAST_FRAME,
    RAW,
    Anchor,
    CameraPath,
    Cleanup,
    Contact,
    Feet,
    Root,
    View,
)
from vibe_blender.motion.settings_text import (
    as_record,
    cleanup_from,
    from_record,
    read_settings,
)


def parsed(*arguments: str) -> Cleanup:
    parser = argparse.ArgumentParser()
    add_cleanup_arguments(parser, "none")
    return cleanup_from(parser.parse_args(arguments), RAW)


def test_without_options_nothing_is_cleaned() -> None:
    assert parsed() == RAW


def test_presets_are_named_on_the_command_lines() -> None:
    assert tuple(PRESETS) == CLEANUP_PRESETS


@pytest.mark.parametrize("name", list(PRESETS))
def test_a_preset_is_known_by_its_name(name) -> None:
    assert parsed("--cleanup", name) == PRESETS[name]


def test_single_values_change_a_preset() -> None:
    settings = parsed(
        "--cleanup", "film", "--set", "smoothing.cutoff_hz=4", "--set", "feet.clamp=false", "--set", "root.mode=line",
        "--set", "smoothing.strengths.hands=2",
    )  # fmt: skip
    assert (settings.smoothing.cutoff_hz, settings.smoothing.strengths.hands) == (4.0, 2.0)
    assert (settings.feet.clamp, settings.root.mode) == (False, "line")
    assert settings.view == PRESETS["film"].view


def test_a_file_gives_back_what_was_written(tmp_path) -> None:
    contacts = {3: (Contact("left", "toe", 4, 9), Contact("right", "heel", 2, 5))}
    settings = Cleanup(
        feet=Feet(contacts=contacts), root=Root(anchors={1: (Anchor(7, (1.0, 2.5, 0.0)),)}), view=View(pitch_rad=0.2)
    )
    path = tmp_path / "müde Füße.json"
    path.write_text(json.dumps(as_record(settings)), encoding="utf-8")
    assert read_settings(path) == settings
    assert parsed("--cleanup", str(path)) == settings


def test_what_a_file_does_not_name_is_as_by_default() -> None:
    assert from_record({"feet": {"ease_s": 1}}) == Cleanup(feet=replace(Feet(), ease_s=1.0))


def test_a_moving_camera_is_no_text() -> None:
    path = CameraPath(np.tile(np.eye(4), (3, 1, 1)), np.ones(3))
    assert from_record(as_record(Cleanup(view=View(path=path)))) == Cleanup()


@pytest.mark.parametrize(
    ("record", "named"),
    [
        ([], "settings"),
        ({"smoth": {}}, "smoth"),
        ({"smoothing": {"cutoff": 3}}, "smoothing.cutoff"),
        ({"smoothing": {"cutoff_hz": "3"}}, "smoothing.cutoff_hz"),
        ({"smoothing": {"cutoff_hz": True}}, "smoothing.cutoff_hz"),
        ({"smoothing": {"cutoff_hz": 1e999}}, "cutoff"),
        ({"smoothing": {"method": "magic"}}, "magic"),
        ({"feet": {"clamp": 1}}, "feet.clamp"),
        ({"feet": {"contacts": {"x": []}}}, "feet.contacts"),
        ({"feet": {"contacts": {"1": [{"foot": "left", "part": "toe", "first": 1.5, "last": 2}]}}}, "first"),
        ({"root": {"anchors": {"1": [{"frame": 1, "place": [1, 2]}]}}}, "place"),
        ({"view": {"path": None}}, "view.path"),
        ({"smoothing": {"cutoff_hz": 10**400}}, "smoothing.cutoff_hz"),
        ({"feet": {"contacts": {"9" * 5000: []}}}, "feet.contacts"),
        ({"feet": {"contacts": {"\u0663": []}}}, "feet.contacts"),
        ({"feet": {"contacts": {"1": [{"foot": "left", "part": "toe", "first": 1, "last": 10**23}]}}}, "frame 1000"),
        ({"feet": {"contacts": {"1": [{"foot": "left", "part": "toe", "first": -1, "last": 3}]}}}, "frame -1"),
        ({"root": {"anchors": {"1": [{"frame": 2**31, "place": [1, 2, 3]}]}}}, "frame 2147483648"),
        ({"root": {"anchors": {"1": [{"frame": -1, "place": [1, 2, 3]}]}}}, "frame -1"),
        ({"root": {"anchors": {"1": [{"frame": 1, "place": [1, float("nan"), 3]}]}}}, "place of an anchor"),
        ({"root": {"anchors": {"1": [{"frame": 1, "place": [1e308, 2, 3]}]}}}, "place of an anchor"),
        ({"root": {"anchors": {"1": [{"frame": 1, "place": [10**400, 2, 3]}]}}}, "place"),
    ],
)
def test_what_makes_no_sense_is_named(record, named) -> None:
    with pytest.raises(CaptureError) as caught:
        from_record(record)
    assert caught.value.code == "bad_setting"
    assert named in caught.value.message


def test_the_bounds_themselves_make_sense() -> None:
    contact, anchor = Contact("left", "toe", 0, LAST_FRAME), Anchor(LAST_FRAME, (-FARTHEST_M, 0.0, FARTHEST_M))
    settings = Cleanup(feet=Feet(contacts={9_999_999_999: (contact,)}), root=Root(anchors={1: (anchor,)}))
    assert from_record(json.loads(json.dumps(as_record(settings)))) == settings


def test_the_settings_of_a_contact_are_checked() -> None:
    record = {"feet": {"contacts": {"1": [{"foot": "left", "part": "toe", "first": 1}]}}}
    with pytest.raises(CaptureError, match="last"):
        from_record(record)


@pytest.mark.parametrize("text", ["smoothing.cutoff_hz", "smoothing=3", "feet.nothing=1", "root.scale=x"])
def test_a_value_that_cannot_be_set_is_refused(text) -> None:
    with pytest.raises(CaptureError) as caught:
        parsed("--set", text)
    assert caught.value.code == "bad_setting"


def test_a_file_that_is_not_there_or_is_no_json(tmp_path) -> None:
    with pytest.raises(CaptureError) as caught:
        parsed("--cleanup", "fim")
    assert caught.value.code == "settings_missing"
    assert "film" in caught.value.hint
    path = tmp_path / "a.json"
    for content in (b"{", b"\xff\xfe", b"[" * 100_000, json.dumps([1]).encode()):
        path.write_bytes(content)
        with pytest.raises(CaptureError) as caught:
            read_settings(path)
        assert caught.value.code == "bad_setting"
