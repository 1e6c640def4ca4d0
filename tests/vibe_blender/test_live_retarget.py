# SPDX-License-Identifier: MIT
# ruff: noqa: E402 (what follows needs bpy)
import pytest

bpy = pytest.importorskip("bpy")

from tests.characters import character
from tests.characters_blender import add_character
from tests.fake_backend import small_take
from vibe_blender import live_retarget
from vibe_blender.contract.take_file import save_take

pytestmark = pytest.mark.usefixtures("panel")


@pytest.fixture
def bound(video, tmp_path):
    """Two characters that follow the same person."""
    bpy.context.scene.render.fps = 25
    path = save_take(small_take(str(video), count=20), tmp_path / "one.take")
    bpy.ops.vibe.open_take(filepath=str(path))
    found = []
    for rig in ("Mixamo", "Unreal 5"):
        armature = add_character(character(rig), bpy.context.scene.collection)
        bpy.context.view_layer.update()
        bpy.context.scene.vibe_retargeting.target = armature
        bpy.ops.vibe.bind_target()
        found.append(armature)
    return found


def calls(monkeypatch) -> list:
    seen: list = []
    monkeypatch.setattr(live_retarget, "update", lambda *arguments: seen.append(arguments))
    return seen


def test_all_that_is_bound_follows_a_change_of_the_take(bound, monkeypatch) -> None:
    seen = calls(monkeypatch)
    bpy.context.scene.vibe.active_take.vibe_cleanup.smoothing_cutoff_hz = 3.0
    assert {target.name for target, _, _ in seen} == {target.name for target in bound}


def test_a_setting_moves_its_own_character_only(bound, monkeypatch) -> None:
    seen = calls(monkeypatch)
    bound[0].vibe_retarget.path_scale = 0.5
    ((target, bone_map, settings),) = seen
    assert target == bound[0]
    assert settings.path_scale == 0.5
    assert bone_map == bound[0].vibe_retarget.bone_map()


def test_what_is_not_bound_is_left_alone(bound, monkeypatch) -> None:
    bpy.ops.vibe.unbind_target()
    seen = calls(monkeypatch)
    bound[1].vibe_retarget.path_scale = 0.5
    assert not seen


def test_bones_renamed_since_are_known_to_the_link(bound) -> None:
    bound[0].data.bones["mixamorig:LeftArm"].name = "Arm"
    bpy.context.scene.vibe.active_take.vibe_cleanup.smoothing_cutoff_hz = 3.0
    assert live_retarget.problem(bound[0]) is None


def test_a_render_is_waited_for(bound, monkeypatch) -> None:
    monkeypatch.setattr(live_retarget, "rendering", lambda: True)
    bound[0].vibe_retarget.path_scale = 0.5
    assert live_retarget.problem(bound[0]).code == "rendering"
    monkeypatch.setattr(live_retarget, "rendering", lambda: False)
    bpy.context.scene.vibe_retargeting.target = bound[0]
    bpy.ops.vibe.update_link()
    assert live_retarget.problem(bound[0]) is None


def test_a_source_that_was_removed_is_told(bound) -> None:
    source = bound[0].vibe_retarget.followed
    bpy.data.objects.remove(source)
    bound[0].vibe_retarget.path_scale = 0.5
    assert live_retarget.problem(bound[0]).code == "source_gone"
    bpy.context.scene.vibe_retargeting.target = bound[0]
    assert bpy.ops.vibe.unbind_target() == {"FINISHED"}
    assert live_retarget.problem(bound[0]) is None
