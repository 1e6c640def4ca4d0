# SPDX-License-Identifier: MIT
# ruff: noqa: E402 (what follows needs bpy)
import pytest

bpy = pytest.importorskip("bpy")

from tests.fake_backend import small_take
from tests.vibe_blender.conftest import blocks
from vibe_blender.contract.take_file import partial_path, save_take

pytestmark = pytest.mark.usefixtures("panel")


@pytest.mark.parametrize("delete_file", [False, True])
def test_a_take_goes_and_its_file_only_when_asked(video, tmp_path, delete_file) -> None:
    before = blocks()
    path = save_take(small_take(str(video)), tmp_path / "one é.take")
    partial_path(path).write_bytes(b"")
    bpy.ops.vibe.open_take(filepath=str(path))
    assert bpy.ops.vibe.delete_take(name="one é", delete_file=delete_file) == {"FINISHED"}
    assert blocks() == before
    assert path.exists() is partial_path(path).exists() is not delete_file
    assert bpy.context.scene.vibe.active_take is None
    assert not bpy.ops.vibe.delete_take.poll()


def test_only_the_named_one_goes(video, tmp_path) -> None:
    for name in ("one", "two"):
        bpy.ops.vibe.open_take(filepath=str(save_take(small_take(str(video)), tmp_path / f"{name}.take")))
    bpy.ops.vibe.delete_take(name="one")
    assert [collection.name for collection in bpy.data.collections] == ["two"]
    assert bpy.context.scene.vibe.active_take.name == "two"


def test_a_collection_that_is_no_take_is_refused(video, tmp_path) -> None:
    bpy.ops.vibe.open_take(filepath=str(save_take(small_take(str(video)), tmp_path / "one.take")))
    mine = bpy.data.collections.new("mine")
    with pytest.raises(RuntimeError, match="There is no take mine"):
        bpy.ops.vibe.delete_take(name="mine")
    assert mine.name in bpy.data.collections
