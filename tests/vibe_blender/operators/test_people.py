# SPDX-License-Identifier: MIT
# ruff: noqa: E402 (what follows needs bpy)
import pytest

bpy = pytest.importorskip("bpy")

from tests.fake_backend import small_take
from vibe_blender.contract.take_file import save_take

pytestmark = pytest.mark.usefixtures("panel")
NAME = "one person 1"


@pytest.fixture(autouse=True)
def opened(video, tmp_path, panel) -> None:
    bpy.ops.vibe.open_take(filepath=str(save_take(small_take(str(video)), tmp_path / "one.take")))


def test_rig_and_body_are_hidden_together() -> None:
    things = [bpy.data.objects[name] for name in (NAME, f"{NAME} body")]
    for expected in (True, False):
        bpy.ops.vibe.show_person(armature=NAME)
        assert [thing.hide_get() for thing in things] == [expected, expected]


def test_only_this_person_is_selected() -> None:
    other = bpy.data.objects.new("other", None)
    bpy.context.scene.collection.objects.link(other)
    other.select_set(True)
    bpy.ops.vibe.select_person(armature=NAME)
    assert [thing.name for thing in bpy.context.selected_objects] == [NAME]
    assert bpy.context.view_layer.objects.active.name == NAME


def test_whoever_is_gone_is_named() -> None:
    with pytest.raises(RuntimeError, match="nobody is not in this scene"):
        bpy.ops.vibe.show_person(armature="nobody")
