# SPDX-License-Identifier: MIT
# ruff: noqa: E402 (what follows needs bpy)
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

bpy = pytest.importorskip("bpy")

from tests.characters import character
from tests.characters_blender import add_character
from vibe_blender.contract.errors import CaptureError
from vibe_blender.scene.exporting.checking import Check, Checking, Places, check, difference
from vibe_blender.scene.exporting.saving import save, subject_of


@pytest.fixture
def written(scene, tmp_path):
    """A file with a character that moves, and where its joints are."""
    rig = add_character(character("Mixamo"), scene.collection)
    for frame, x in ((1, 0.0), (5, 20.0)):
        rig.pose.bones[0].location.x = x
        rig.pose.bones[0].keyframe_insert("location", frame=frame)
    (places,) = save(tmp_path / "rig é.bvh", scene, [subject_of(rig, scene)])
    return places


def test_the_farthest_joint_is_named() -> None:
    places = Places(None, 25.0, ("a", "b"), np.zeros((3, 2, 3)))  # type: ignore[arg-type]
    heads = np.zeros((3, 3, 3))
    heads[2, 0] = (0.003, 0.004, 0.0)
    found = difference(places, ("b", "other", "a"), heads)
    assert found == Check(pytest.approx(5.0), "b", 2, 3, 2)
    assert str(found) == "Joints within 5.000 mm (b, frame 2), 2 joints in 3 frames."


def test_a_place_that_is_no_number_is_as_far_off_as_can_be() -> None:
    places = Places(None, 25.0, ("a",), np.zeros((1, 1, 3)))  # type: ignore[arg-type]
    assert difference(places, ("a",), np.full((1, 1, 3), np.nan)).largest_mm == np.inf


def test_what_is_elsewhere_is_found(written) -> None:
    assert check([written]).largest_mm < 1.0
    moved = written.heads.copy()
    moved[3, 7] += (0.0, 0.02, 0.0)
    found = check([replace(written, heads=moved)])
    assert found.largest_mm == pytest.approx(20.0, abs=0.5)
    assert (found.joint, found.frame) == (written.names[7], 3)


def test_joints_that_are_missing_are_told(written) -> None:
    with pytest.raises(CaptureError, match="lacks 1 joints, tail among them") as caught:
        check([replace(written, names=("tail", *written.names[1:]))])
    assert caught.value.code == "check_failed"


def test_a_file_that_is_none_is_told(written) -> None:
    written.path.write_bytes(b"HIERARCHY nothing")
    with pytest.raises(CaptureError) as caught:
        check([written])
    assert caught.value.code == "check_failed"
    assert "rig é.bvh" in caught.value.message


def inside_blender(monkeypatch, program: Path) -> None:
    """Only for the module: Blender does not let its own path be forgotten again."""
    app = SimpleNamespace(binary_path=str(program))
    monkeypatch.setattr("vibe_blender.scene.exporting.checking.bpy", SimpleNamespace(app=app))


@pytest.mark.skipif(sys.platform == "win32", reason="the stand-in for Blender's program is a shell script")
def test_inside_blender_its_own_program_reads_the_file(written, tmp_path, monkeypatch) -> None:
    program, seen = tmp_path / "blender é", tmp_path / "seen.txt"
    program.write_text(
        f'#!/bin/sh\nprintf "%s\\n" "$@" > "{seen}"\nexec "{sys.executable}" "$4" "$6"\n', encoding="utf-8"
    )
    program.chmod(0o755)
    inside_blender(monkeypatch, program)
    found = check([written])
    assert found.largest_mm < 1.0
    words = seen.read_text(encoding="utf-8").splitlines()
    assert words[:3] == ["--background", "--factory-startup", "--python"]
    assert words[4] == "--"


def test_a_blender_that_cannot_be_started_is_told(written, tmp_path, monkeypatch) -> None:
    inside_blender(monkeypatch, tmp_path / "no blender")
    with pytest.raises(CaptureError, match="cannot be started") as caught:
        check([written])
    assert caught.value.code == "check_failed"


def test_a_check_that_is_ended_leaves_nothing(written) -> None:
    checking = Checking([written])
    folder = checking._folder
    assert checking.running
    checking.close()
    assert not checking.running
    assert not folder.exists()
