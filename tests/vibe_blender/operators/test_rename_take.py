# SPDX-License-Identifier: MIT
# ruff: noqa: E402 (what follows needs bpy)
import pytest

bpy = pytest.importorskip("bpy")

from tests.fake_backend import small_take
from vibe_blender.contract.take_file import save_take

pytestmark = pytest.mark.usefixtures("panel")


def test_everything_of_a_take_is_renamed(video, tmp_path) -> None:
    bpy.ops.vibe.open_take(filepath=str(save_take(small_take(str(video)), tmp_path / "one.take")))
    assert bpy.ops.vibe.rename_take(name="one", new_name=" Läufer 走 ") == {"FINISHED"}
    collection = bpy.context.scene.vibe.active_take
    assert collection.name == "Läufer 走"
    assert {thing.name for thing in collection.objects} == {
        "Läufer 走 person 1", "Läufer 走 person 1 body", "Läufer 走 camera",
    }  # fmt: skip


def test_a_take_needs_a_name(video, tmp_path) -> None:
    bpy.ops.vibe.open_take(filepath=str(save_take(small_take(str(video)), tmp_path / "one.take")))
    with pytest.raises(RuntimeError, match="A take needs a name"):
        bpy.ops.vibe.rename_take(name="one", new_name="  ")
