# SPDX-License-Identifier: MIT
# ruff: noqa: E402 (what follows needs bpy)
import pytest

bpy = pytest.importorskip("bpy")

from vibe_blender.operators.presets import VIBE_OT_capture_preset

pytestmark = pytest.mark.usefixtures("panel")


def test_every_value_of_a_preset_is_a_setting() -> None:
    settings = bpy.context.scene.vibe
    for path in VIBE_OT_capture_preset.preset_values:
        assert path.removeprefix("settings.") in settings.bl_rna.properties
    left_out = {"video", "use_range", "start", "end", "scene_start", "active_take"}
    assert left_out.isdisjoint(path.removeprefix("settings.") for path in VIBE_OT_capture_preset.preset_values)


def test_a_preset_is_saved_and_brings_the_settings_back(monkeypatch, tmp_path) -> None:
    folder = tmp_path / "presets é"
    folder.mkdir()
    monkeypatch.setattr(bpy.utils, "user_resource", lambda *_, **__: str(folder))
    settings = bpy.context.scene.vibe
    settings.estimator, settings.device = "vibe", "mps"  # of another machine: it stays what it was
    settings.people, settings.focal_mm = "largest", 26.0
    settings.tcmr_network, settings.use_slerp, settings.slerp = str(tmp_path / "best 走.pt"), True, 0.5
    assert bpy.ops.vibe.capture_preset(name="Phone") == {"FINISHED"}
    settings.people, settings.focal_mm = "all", 50.0
    settings.estimator, settings.device = "keypoints", "auto"
    settings.tcmr_network, settings.use_slerp, settings.slerp = "", False, 0.3
    (preset,) = folder.rglob("*.py")
    bpy.ops.script.execute_preset(filepath=str(preset), menu_idname="VIBE_PT_capture_presets")
    assert (settings.people, settings.focal_mm) == ("largest", 26.0)
    assert (settings.estimator, settings.device) == ("vibe", "mps")
    assert (settings.tcmr_network, settings.use_slerp, settings.slerp) == (str(tmp_path / "best 走.pt"), True, 0.5)
