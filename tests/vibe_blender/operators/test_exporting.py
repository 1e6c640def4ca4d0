# SPDX-License-Identifier: MIT
# ruff: noqa: E402 (what follows needs bpy)
from pathlib import Path

import numpy as np
import pytest

bpy = pytest.importorskip("bpy")

from tests.characters import character
from tests.characters_blender import add_character
from tests.fake_backend import small_take
from vibe_blender import export_check, export_panel, export_properties
from vibe_blender.contract.take_file import save_take
from vibe_blender.operators import exporting

_CLASSES = (*export_properties.CLASSES, *exporting.CLASSES, *export_panel.CLASSES)


@pytest.fixture(autouse=True)
def export_panel_registered(panel):
    there = hasattr(bpy.types.Scene, "vibe_export")
    if not there:
        for each in _CLASSES:
            bpy.utils.register_class(each)
        export_properties.register_export()
    yield
    export_check.stop()
    if not there:
        export_properties.unregister_export()
        for each in reversed(_CLASSES):
            bpy.utils.unregister_class(each)


@pytest.fixture
def walk(video, tmp_path, panel):
    """A take in the scene."""
    bpy.ops.vibe.open_take(filepath=str(save_take(small_take(str(video)), tmp_path / "walk é.take")))
    return panel.vibe.active_take


def target(panel):
    """A character that is active."""
    armature = add_character(character("German"), panel.collection)
    bone = armature.pose.bones[0]
    for frame in (2, 9):
        bone.location = (0.1 * frame, 0.0, 0.0)
        bone.keyframe_insert("location", frame=frame)
    bpy.context.view_layer.objects.active = armature
    return armature


def test_without_anybody_the_button_says_why_not(tmp_path) -> None:
    with pytest.raises(RuntimeError, match="Capture a video, open a take, or click an armature first"):
        bpy.ops.vibe.export(filepath=str(tmp_path / "walk.fbx"))


def test_the_chosen_person_is_exported_and_checked(walk, panel, tmp_path) -> None:
    panel.vibe_export.format = "bvh"
    path = tmp_path / "new é" / "walk"
    assert bpy.ops.vibe.export(filepath=str(path)) == {"FINISHED"}
    outcome = export_check.outcome()
    assert outcome.paths == (path.with_suffix(".bvh"),)
    assert outcome.paths[0].is_file()
    assert outcome.found.largest_mm < 1.0
    assert not export_check.running()


def test_an_active_character_is_exported(walk, panel, tmp_path) -> None:
    armature = target(panel)
    assert exporting.cast(bpy.context).armatures == (armature,)
    assert bpy.ops.vibe.export(filepath=str(tmp_path / "hero.fbx")) == {"FINISHED"}
    found = export_check.outcome().found
    assert (found.frames, found.joints) == (8, len(armature.data.bones))
    assert found.largest_mm < 1.0


def test_everybody_in_the_take(walk, panel) -> None:
    target(panel)
    panel.vibe_export.whom = "take"
    found = exporting.cast(bpy.context)
    assert found.name == walk.name
    assert found.numbers == (1,)


def test_smpl_s_parameters(walk, panel, tmp_path) -> None:
    panel.vibe_export.format = "npz"
    assert bpy.ops.vibe.export(filepath=str(tmp_path / "walk.npz")) == {"FINISHED"}
    assert export_check.outcome().found.largest_mm < 0.001
    walk.vibe_cleanup.root_mode = "in_place"
    assert np.ptp(_trans(tmp_path)[:, 0]) < 0.01
    walk.vibe_cleanup.show_raw = True
    person = small_take().people[0]
    assert np.allclose(_trans(tmp_path), person.root - person.rest_joints[0], atol=1e-5)
    target(panel)
    with pytest.raises(RuntimeError, match="Only people of a take"):
        bpy.ops.vibe.export(filepath=str(tmp_path / "hero.npz"))


def _trans(folder: Path) -> np.ndarray:
    bpy.ops.vibe.export(filepath=str(folder / "walk.npz"))
    with np.load(folder / "walk.npz", allow_pickle=False) as stored:
        return stored["trans"]


def test_a_place_that_cannot_be_written_is_told(walk, tmp_path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(RuntimeError, match="cannot be written"):
        bpy.ops.vibe.export(filepath=str(tmp_path / "file" / "walk.fbx"))


def test_settings_that_make_no_sense_are_told(walk, panel, tmp_path) -> None:
    panel.vibe_export.frames, panel.vibe_export.first, panel.vibe_export.last = "range", 9, 3
    with pytest.raises(RuntimeError, match="before the first"):
        bpy.ops.vibe.export(filepath=str(tmp_path / "walk.fbx"))


def test_a_file_that_is_broken_before_the_check_is_told(walk, panel, tmp_path, monkeypatch) -> None:
    panel.vibe_export.format = "bvh"
    written = exporting.save

    def broken(path: Path, *arguments, **options):
        places = written(path, *arguments, **options)
        path.write_bytes(b"HIERARCHY")
        return places

    monkeypatch.setattr(exporting, "save", broken)
    with pytest.raises(RuntimeError, match=r"walk\.bvh could not be checked"):
        bpy.ops.vibe.export(filepath=str(tmp_path / "walk.bvh"))
    assert export_check.outcome().error.code == "check_failed"


@pytest.mark.parametrize(
    ("name", "suffix", "ended"),
    [
        ("walk", "fbx", "walk.fbx"),
        ("walk.2", "fbx", "walk.2.fbx"),
        ("walk.glb", "fbx", "walk.fbx"),
        ("walk.FBX", "fbx", "walk.FBX"),
        ("walk.usd", "usdc", "walk.usd"),
    ],
)
def test_names_end_as_the_format_has_it(name, suffix, ended) -> None:
    assert exporting._ended(Path(name), suffix) == Path(ended)
