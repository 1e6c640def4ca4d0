# SPDX-License-Identifier: MIT
# ruff: noqa: E402 (what follows needs bpy)
import numpy as np
import pytest

bpy = pytest.importorskip("bpy")
import addon_utils

from vibe_blender.contract.errors import CaptureError
from vibe_blender.motion.export_settings import ExportSettings
from vibe_blender.scene.exporting.formats import bone_names, conversion, run


def test_names_that_a_format_cannot_hold_become_others_that_are_one_of_a_kind() -> None:
    names = ["Hips", "Arm L", "Arm_L", "1st", "腕", "足", "mixamorig:Head"]
    assert bone_names(".fbx", names) == names
    assert bone_names(".bvh", names) == ["Hips", "Arm_L", "Arm_L_1", "1st", "腕", "足", "mixamorig:Head"]
    assert bone_names(".usdc", names) == ["Hips", "Arm_L", "Arm_L_1", "_1st", "_", "__1", "mixamorig_Head"]


def test_a_character_faces_as_each_program_has_it() -> None:
    face, up = np.array([0.0, -1.0, 0.0, 0.0]), np.array([0.0, 0.0, 1.0, 0.0])
    unreal = conversion(".fbx", ExportSettings(program="unreal"))
    assert np.allclose([unreal @ face, unreal @ up], [[0, -100, 0, 0], [0, 0, 100, 0]])
    unity = conversion(".fbx", ExportSettings(program="unity"))
    assert np.allclose([unity @ face, unity @ up], [[0, 0, 100, 0], [0, 100, 0, 0]])
    bvh = conversion(".bvh", ExportSettings(program="unreal"))
    assert np.allclose([bvh @ face, bvh @ up], [[0, 0, 1, 0], [0, 1, 0, 0]])
    for suffix in (".glb", ".usdc"):
        assert np.allclose(conversion(suffix, ExportSettings()), np.eye(4))


def test_an_exporter_that_is_switched_off_is_told(tmp_path) -> None:
    addon_utils.disable("io_anim_bvh")
    try:
        with pytest.raises(CaptureError) as caught:
            run(bpy.ops.export_anim.bvh, tmp_path / "walk.bvh")
    finally:
        addon_utils.enable("io_anim_bvh")
    assert caught.value.code == "exporter_missing"
    assert "BioVision" in caught.value.hint
